//! The tables in docs/rooms-meetings.md and docs/rooms.md.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use room_core::{ATTENDEE_MENU, MODERATOR_MENU, MenuAction, Prompt};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn docs_name_every_key() {
    holds("rooms-meetings.md", "keys", &keys());
}

#[test]
fn docs_say_what_callers_hear() {
    holds("rooms.md", "prompts", &prompts());
}

/// The page has this table between its marks.
fn holds(page: &str, name: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let kept = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) = kept.split_once(&begin).expect("the mark of the table's begin");
    let (_, after) = rest.split_once(&end).expect("the mark of the table's end");
    let written = format!("{before}{begin}{table}{end}{after}");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &written).unwrap();
        return;
    }
    assert!(
        kept == written,
        "docs/{page} is not what the code says about {name}; write it anew with\n\
         UPDATE_DOCS=1 cargo test -p room-core docs"
    );
}

fn keys() -> String {
    let find = |menu: &[(&str, MenuAction)], action| {
        let found = menu.iter().find(|(_, known)| *known == action);
        found.map_or("–".to_owned(), |(keys, _)| format!("`{keys}`"))
    };
    let mut text = "| to | moderators | attendees | name |\n|---|---|---|---|\n".to_owned();
    for action in MenuAction::ALL {
        let (moderators, attendees) = (find(MODERATOR_MENU, *action), find(ATTENDEE_MENU, *action));
        let (purpose, name) = (action.purpose(), action.name());
        // Writing into a String cannot fail.
        let _ = writeln!(text, "| {purpose} | {moderators} | {attendees} | `{name}` |");
    }
    text
}

fn prompts() -> String {
    let (english, japanese) = (script("en"), script("ja"));
    let mut text = "| file | English | Japanese |\n|---|---|---|\n".to_owned();
    for name in Prompt::all().filter_map(|(prompt, _)| prompt.name()) {
        let says = |script: &BTreeMap<String, String>| script[&*name].clone();
        let _ = writeln!(text, "| `{name}` | {} | {} |", says(&english), says(&japanese));
    }
    text
}

/// What each prompt of a language says.
fn script(language: &str) -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../prompts/{language}.tsv"));
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().map(|line| line.split('\t'));
    rows.map(|mut row| (row.next().unwrap().to_owned(), row.next().unwrap().to_owned())).collect()
}
