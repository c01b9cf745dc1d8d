//! The tables in docs/rooms-meetings.md.

use room_core::{ATTENDEE_MENU, MODERATOR_MENU, MenuAction, Prompt};
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn docs_name_every_key_and_prompt() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rooms-meetings.md");
    let kept = std::fs::read_to_string(&path).unwrap();
    let mut written = kept.clone();
    for (name, table) in [("keys", keys()), ("prompts", prompts())] {
        let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
        let (before, rest) = written.split_once(&begin).expect("the mark of the table's begin");
        let (_, after) = rest.split_once(&end).expect("the mark of the table's end");
        written = format!("{before}{begin}{table}{end}{after}");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &written).unwrap();
        return;
    }
    assert!(
        kept == written,
        "docs/rooms-meetings.md does not say what keys do and which prompts there are; write it anew \
         with\nUPDATE_DOCS=1 cargo test -p room-core docs"
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
    let mut text = "| file | what the English one says |\n|---|---|\n".to_owned();
    for (prompt, says) in Prompt::all() {
        if let Some(name) = prompt.name() {
            let _ = writeln!(text, "| `{name}` | {says} |");
        }
    }
    text
}
