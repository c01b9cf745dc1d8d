//! What a device sees of the others: the layout that it dials.

use model::PictureLayout;

/// Digits of a long option, such as `100003`: one to three, zeros, and one.
const LONG: usize = 6;
/// Digits of an option.
const SHORT: usize = 3;

/// What a caller can be shown of the others, whatever it asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sees {
    /// It has no line of pictures.
    Nothing,
    /// Nothing is composed here.
    Speaker,
    /// Whoever speaks, or everybody.
    Either,
}

/// What stands for a layout among the codes of a dial string, without the zeros in front. Those of three digits
/// are what Zoom's room connector takes for two screens, of which the first is ours; those of one and two
/// are our own, in the place of its layouts, which are not public.
const CODES: &[(&str, PictureLayout)] = &[
    ("1", PictureLayout::Speaker),
    ("2", PictureLayout::Grid),
    ("3", PictureLayout::Speaker),
    ("11", PictureLayout::Speaker),
    ("308", PictureLayout::Speaker),
    ("608", PictureLayout::Grid),
];

/// What the layout of a dial string asks for. It is a code of one or two digits, or options of three or six
/// digits one after the other, of which the last that says something counts; `None` where none does, so that
/// the meeting's own counts.
pub fn dialled_layout(codes: &str) -> Option<PictureLayout> {
    let mut rest = codes;
    let mut layout = None;
    while !rest.is_empty() {
        let is_long = rest.get(1..SHORT + 2) == Some("0000");
        let len = if is_long { LONG } else { SHORT }.min(rest.len());
        // What is no digit has no layout, wherever it is cut.
        let (code, after) = rest.split_at_checked(len)?;
        let code = code.trim_start_matches('0');
        let known = CODES.iter().find(|(known, _)| *known == code);
        layout = known.map(|(_, layout)| *layout).or(layout);
        rest = after;
    }
    layout
}

#[cfg(test)]
mod tests {
    use super::*;
    use PictureLayout::{Grid, Speaker};

    #[test]
    fn codes_that_are_known_say_what_is_seen() {
        for (codes, expected) in [
            ("2", Some(Grid)),
            ("02", Some(Grid)),
            ("1", Some(Speaker)),
            ("03", Some(Speaker)),
            ("11", Some(Speaker)),
            ("608", Some(Grid)),
            ("308", Some(Speaker)),
            ("", None),
            ("0", None),
            ("00", None),
            ("4", None),
            ("20", None),
            ("505", None),
        ] {
            assert_eq!(dialled_layout(codes), expected, "{codes:?}");
        }
    }

    #[test]
    fn options_stand_one_behind_the_other() {
        assert_eq!(dialled_layout("504608"), Some(Grid));
        assert_eq!(dialled_layout("100003504608309"), Some(Grid));
        assert_eq!(dialled_layout("60810000402"), Some(Grid));
        assert_eq!(dialled_layout("200001505"), None);
        assert_eq!(dialled_layout("60850401"), Some(Speaker), "the last one counts");
        assert_eq!(dialled_layout("1000"), None);
        assert_eq!(dialled_layout("10000"), None);
        assert_eq!(dialled_layout("ab\u{fc}2"), None);
    }
}
