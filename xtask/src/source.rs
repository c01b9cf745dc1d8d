//! The project's own source files, and their code without comments and strings.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Folders that hold nothing of ours.
const FOREIGN: &[&str] = &["target", "data", "node_modules", "__pycache__", "artifacts"];

/// Every file under `root` with one of the `extensions`, relative to it and in order. Folders that
/// begin with a dot are left out, except `.ci`.
pub(crate) fn files(root: &Path, extensions: &[&str]) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type()?;
            let hidden = name.starts_with('.') && name != ".ci";
            if kind.is_dir() && !hidden && !FOREIGN.contains(&name.as_str()) {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let extension = path.extension().unwrap_or_default().to_string_lossy();
                if extensions.contains(&extension.as_ref()) {
                    found.push(path.strip_prefix(root).unwrap_or(&path).to_path_buf());
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The lines of Rust source with comments, strings and characters blanked. Good enough to look for
/// words: it does not follow raw strings with more than two `#`.
pub(crate) fn code_lines(source: &str) -> Vec<String> {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skipped = skip(rest, out.chars().next_back());
        if skipped == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            let (gone, after) = rest.split_at(skipped);
            out.push(' ');
            out.extend(gone.chars().filter(|c| *c == '\n'));
            rest = after;
        }
    }
    out.lines().map(str::to_owned).collect()
}

/// The length of the comment or literal that `rest` begins with; 0 when it begins with code.
fn skip(rest: &str, before: Option<char>) -> usize {
    let until = |from: usize, end: &str| {
        rest.get(from..).and_then(|tail| tail.find(end)).map_or(rest.len(), |at| from + at)
    };
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return until(0, "\n");
    }
    if rest.starts_with("/*") {
        return (until(2, "*/") + 2).min(rest.len());
    }
    for (open, close) in [("r##\"", "\"##"), ("r#\"", "\"#"), ("r\"", "\"")] {
        if !in_word && rest.starts_with(open) {
            return (until(open.len(), close) + close.len()).min(rest.len());
        }
    }
    if rest.starts_with('"') {
        return quoted(rest, b'"');
    }
    // A character, not a lifetime: 'x' or '\…'.
    let mut after = rest.strip_prefix('\'').unwrap_or_default().chars();
    match (after.next(), after.next()) {
        (Some('\\'), _) => quoted(rest, b'\''),
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 0,
    }
}

/// The length of a literal with escapes, its quotes included.
fn quoted(rest: &str, quote: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Whether `line` has `word` with no identifier character on either side. A path such as `a::b` is
/// a word too.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let source = "let a = \"unsafe \\\" //\"; // unsafe\nlet b = '\"'; /* unsafe\n*/ let c: &'static str = r#\"un\"safe\"#; end";
        let lines = code_lines(source);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| !has_word(line, "unsafe")), "{lines:#?}");
        assert!(lines[1].contains("let b =") && lines[2].contains("&'static str ="), "{lines:#?}");
        assert!(lines[2].ends_with("; end"));
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("x = unsafe { y }", "unsafe"));
        assert!(!has_word("#![forbid(unsafe_code)]", "unsafe"));
        assert!(has_word("std::fs::read(x)", "std::fs"));
        assert!(!has_word("my_std::fsx", "std::fs"));
    }
}
