//! Telephone numbers as they are signed.

/// The canonical form of RFC 8224 section 8.3: visual separators and the leading `+` go, what is
/// left are digits, `*` and `#`. `None` when anything else is in it, when nothing is left, or when
/// it is longer than 32.
pub fn canonical_number(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    let mut number = String::with_capacity(text.len().min(32));
    for character in text.chars() {
        match character {
            '0'..='9' | '*' | '#' => number.push(character),
            '-' | '.' | ' ' | '(' | ')' => {}
            _ => return None,
        }
        if number.len() > 32 {
            return None;
        }
    }
    (!number.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_form_of_rfc_8224_section_8_3() {
        for (text, number) in [
            ("+1-215-555-1212", Some("12155551212")),
            ("+1 (215) 555.1212", Some("12155551212")),
            ("12155551212", Some("12155551212")),
            ("*69", Some("*69")),
            ("", None),
            ("+", None),
            ("alice", None),
            ("+1215x", None),
            ("++1215", None),
            ("123456789012345678901234567890123", None),
        ] {
            assert_eq!(canonical_number(text).as_deref(), number, "{text:?}");
        }
    }
}
