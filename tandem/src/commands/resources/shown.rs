//! Replies as text for people.

use serde_json::Value;
use std::fmt::Write as _;

/// A column of a table: its title, and where its text is in an entry (a JSON pointer; the first
/// that is there).
pub(super) struct Column(pub(super) &'static str, pub(super) &'static [&'static str]);

/// How a reply is shown.
pub(super) enum Shown {
    /// A line for each entry of a list.
    Table {
        /// The reply's member.
        entries: &'static str,
        /// What of each.
        columns: &'static [Column],
    },
    /// Every member by its name.
    Facts,
    /// A sentence.
    Done(String),
    /// What several replies said, already written.
    Written(String),
}

impl Shown {
    /// The text, without a last end of line.
    pub(super) fn text(&self, reply: &Value) -> String {
        match self {
            Shown::Table { entries, columns } => table(&reply[*entries], columns),
            Shown::Facts => facts(reply),
            Shown::Done(text) | Shown::Written(text) => text.clone(),
        }
    }
}

/// Longest text of a column; what is longer pushes its line.
const WIDTH_MAX: usize = 40;

fn table(entries: &Value, columns: &[Column]) -> String {
    let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
    if entries.is_empty() {
        return "none".to_owned();
    }
    let cells: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| columns.iter().map(|column| cell(entry, column)).collect())
        .collect();
    let width = |n: usize, title: &str| {
        let longest = cells.iter().filter_map(|line| line.get(n)).map(|text| text.chars().count());
        longest.max().unwrap_or(0).min(WIDTH_MAX).max(title.len())
    };
    let widths: Vec<usize> =
        columns.iter().enumerate().map(|(n, column)| width(n, column.0)).collect();
    let titles = columns.iter().map(|column| column.0.to_owned()).collect();
    let lines = std::iter::once(&titles).chain(&cells).map(|line| {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            // Writing into a String cannot fail.
            let _ = write!(text, "{cell:<width$}  ");
        }
        text.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn cell(entry: &Value, Column(_, pointers): &Column) -> String {
    let found = pointers.iter().find_map(|pointer| entry.pointer(pointer).filter(|v| !v.is_null()));
    found.map_or_else(|| "-".to_owned(), short)
}

/// One line for a value.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(short).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let members =
                members.iter().map(|(name, value)| format!("{} {}", words(name), short(value)));
            members.collect::<Vec<_>>().join(" ")
        }
    }
}

/// Every member on a line; a list of structures has a line for each.
pub(super) fn facts(reply: &Value) -> String {
    // What it is comes first.
    let rank = |name: &str| match name {
        "Name" => 1,
        _ if name.ends_with("Id") || name.ends_with("PhoneNumber") => 0,
        _ => 2,
    };
    // Most replies are one structure in a member of its name.
    let body = match reply.as_object() {
        Some(members) if members.len() == 1 => members.values().next().filter(|v| v.is_object()),
        _ => None,
    };
    let members = body.unwrap_or(reply).as_object();
    let mut members: Vec<(&String, &Value)> = members.into_iter().flatten().collect();
    members.sort_by_key(|(name, _)| rank(name));
    let lines: Vec<(String, String)> = members
        .into_iter()
        .flat_map(|(name, value)| match value {
            Value::Array(values) if values.iter().any(Value::is_object) => {
                values.iter().map(|value| (words(name), short(value))).collect()
            }
            Value::Array(values) if values.is_empty() => vec![(words(name), "none".to_owned())],
            value => vec![(words(name), short(value))],
        })
        .collect();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = lines.iter().map(|(name, text)| format!("{name:<width$}  {text}"));
    let text = lines.collect::<Vec<_>>().join("\n");
    if text.is_empty() { "nothing is set".to_owned() } else { text }
}

/// `VoiceConnectorId` is "voice connector id".
fn words(member: &str) -> String {
    let letters: Vec<char> = member.chars().collect();
    let mut text = String::with_capacity(member.len() + 4);
    for (n, letter) in letters.iter().enumerate() {
        let is_upper = |at: usize| letters.get(at).is_some_and(char::is_ascii_uppercase);
        let is_lower = |at: usize| letters.get(at).is_some_and(char::is_ascii_lowercase);
        // A word begins at a capital after a small letter, and at the last capital of several.
        let begins = n > 0 && is_upper(n) && (!is_upper(n - 1) || is_lower(n + 1));
        if begins {
            text.push(' ');
        }
        let is_alone = is_upper(n) && (is_upper(n + 1) || (n > 0 && is_upper(n - 1) && !begins));
        text.push(if is_alone { *letter } else { letter.to_ascii_lowercase() });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_members_are_words() {
        for (member, text) in [
            ("VoiceConnectorId", "voice connector id"),
            ("EnableSIPLogs", "enable SIP logs"),
            ("DNIS", "DNIS"),
            ("E164PhoneNumber", "e164 phone number"),
            ("Name", "name"),
            ("", ""),
        ] {
            assert_eq!(words(member), text);
        }
    }

    #[test]
    fn a_table_lines_up() {
        let columns = &[Column("id", &["/Id"]), Column("of", &["/B/0/V", "/C"])];
        let reply = json!({ "All": [
            { "Id": "a", "B": [{ "V": "x" }] }, { "Id": "longer", "C": true }, {} ] });
        let shown = Shown::Table { entries: "All", columns };
        assert_eq!(shown.text(&reply), "id      of\na       x\nlonger  yes\n-       -");
        assert_eq!(shown.text(&json!({})), "none");
    }

    #[test]
    fn facts_are_named() {
        let reply = json!({ "Origination": { "Disabled": false, "Routes": [
            { "Host": "a", "Port": 5060 }, { "Host": "b" }], "Empty": [] } });
        assert_eq!(
            facts(&reply),
            "disabled  no\nempty     none\nroutes    host a port 5060\nroutes    host b"
        );
        let named = json!({ "AwsRegion": "r", "Name": "n", "VoiceConnectorId": "v" });
        assert_eq!(
            facts(&named),
            "voice connector id  v\nname                n\naws region          r"
        );
        assert_eq!(facts(&json!({})), "nothing is set");
    }
}
