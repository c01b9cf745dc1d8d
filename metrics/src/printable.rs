//! Text of peers on a terminal.

use std::borrow::Cow;

/// The text with every character replaced that does something to a terminal instead of being shown
/// on it: a peer must not send it commands (C0, DEL, C1) or reorder what stands beside its own text
/// (the bidirectional controls of Unicode). Line feeds and tabs stay, as our own layout has them;
/// see [`printable_line`] for a text that must not have any.
pub fn printable(text: &str) -> Cow<'_, str> {
    replaced(text, |c| commands(c) && !matches!(c, '\n' | '\t'))
}

/// [`printable`], in one line.
pub fn printable_line(text: &str) -> Cow<'_, str> {
    replaced(text, commands)
}

fn replaced(text: &str, wrong: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.contains(&wrong) {
        text.chars().map(|c| if wrong(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
    } else {
        Cow::Borrowed(text)
    }
}

/// Whether a character is a command rather than something to see.
fn commands(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_to_terminals_are_replaced_and_everything_else_stays() {
        assert!(matches!(printable("+1 206\t\"Zoë\" 東京\n"), Cow::Borrowed(_)));
        for command in
            ["\x1b[2J", "\x07", "\r", "\x08", "\0", "\x7f", "\u{9b}31m", "\u{202e}", "\u{2066}"]
        {
            let shown = printable(command);
            assert!(shown.starts_with('\u{fffd}'), "{command:?}: {shown:?}");
        }
        assert_eq!(printable_line("a\nb\tc"), "a\u{fffd}b\u{fffd}c");
    }
}
