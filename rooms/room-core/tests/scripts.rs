//! The scripts of what is said: rooms/prompts/LANGUAGE.tsv.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use room_core::Prompt;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../prompts")
}

/// Name, text, and how the speech engine is told it where that differs.
fn script(language: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder().join(format!("{language}.tsv"))).unwrap();
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn each_script_has_every_prompt_once_and_nothing_else() {
    let names: BTreeSet<String> =
        Prompt::all().filter_map(|(prompt, _)| Some(prompt.name()?.into_owned())).collect();
    for language in ["en", "ja"] {
        let rows = script(language);
        let kept: BTreeSet<String> = rows.iter().map(|row| row[0].clone()).collect();
        assert_eq!(kept, names, "{language}.tsv");
        assert_eq!(rows.len(), names.len(), "{language}.tsv names one twice");
        for row in rows {
            let fine = |text: &String| !text.is_empty() && text.trim() == text;
            assert!(matches!(row.len(), 2 | 3) && row.iter().all(fine), "{language}: {row:?}");
        }
        let files = std::fs::read_dir(folder().join(language)).unwrap();
        let files: BTreeSet<String> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        let expected: BTreeSet<String> = names.iter().map(|name| format!("{name}.wav")).collect();
        assert_eq!(files, expected, "make them anew with rooms/prompts/make.sh");
    }
}

#[test]
fn the_english_script_says_what_prompts_say() {
    let rows = script("en");
    for (prompt, says) in Prompt::all() {
        let name = prompt.name().unwrap();
        let row = rows.iter().find(|row| row[0] == *name).unwrap();
        assert_eq!(row[1], says, "{name}");
    }
}
