//! Texts with `*` (any run of characters) and `?` (any one).

/// A text that others fit or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pattern {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Without wildcards.
    Exact,
    /// With wildcards.
    Like,
    /// With wildcards, in any case.
    LikeInAnyCase,
}

impl Pattern {
    pub(super) fn exact(text: &str) -> Self {
        Pattern { text: text.to_owned(), kind: Kind::Exact }
    }

    pub(super) fn like(text: &str) -> Self {
        Pattern { text: text.to_owned(), kind: Kind::Like }
    }

    pub(super) fn like_in_any_case(text: &str) -> Self {
        Pattern { text: text.to_ascii_lowercase(), kind: Kind::LikeInAnyCase }
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        match self.kind {
            Kind::Exact => self.text == text,
            Kind::Like => matches(&self.text, text),
            Kind::LikeInAnyCase => matches(&self.text, &text.to_ascii_lowercase()),
        }
    }
}

/// Without recursion: after a mismatch only the last `*` takes one character more, so that the work
/// is at most the product of both lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, as it is written.
    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), _) => (0..=text.len()).any(|n| by_definition(rest, &text[n..])),
            (Some((p, rest)), Some((t, more))) if *p == '?' || p == t => by_definition(rest, more),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_pattern_fits_as_defined(pattern in "[ab?*]{0,8}", text in "[ab]{0,10}") {
            let (p, t): (Vec<_>, Vec<_>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), by_definition(&p, &t));
        }
    }

    #[test]
    fn stars_do_not_multiply_the_work() {
        let pattern = "*a".repeat(2_000);
        assert!(!matches(&pattern, &format!("{}b", "a".repeat(20_000))));
    }
}
