//! Keys of callers: sets of them, and patterns that they are compared with.

use model::DtmfKey;
use regex::bytes::{Regex, RegexBuilder};

/// Keys that are kept of a caller who presses more: as many as an action can ask for.
pub(crate) const MOST_DIGITS: usize = 128;
/// Characters of a pattern.
const MOST_PATTERN: usize = 512;
/// Octets of a pattern's program, and of what its search remembers.
const MOST_PROGRAM: usize = 65_536;

/// A set of keys.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct KeySet(u16);

impl KeySet {
    pub(crate) fn with(self, key: DtmfKey) -> Self {
        KeySet(self.0 | 1 << key.event())
    }

    pub(crate) fn has(self, key: DtmfKey) -> bool {
        self.0 & 1 << key.event() != 0
    }
}

/// A regular expression over keys. One that would need much memory or time is refused.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if text.len() > MOST_PATTERN {
            return Err(format!("is longer than {MOST_PATTERN} characters"));
        }
        let built = RegexBuilder::new(text)
            .unicode(false)
            .nest_limit(32)
            .size_limit(MOST_PROGRAM)
            .dfa_size_limit(MOST_PROGRAM)
            .build();
        match built {
            Ok(regex) => Ok(Pattern(regex)),
            Err(regex::Error::CompiledTooBig(_)) => Err("needs too much memory".to_owned()),
            Err(_) => Err("is no regular expression that is known here: there is neither \
                           look-around nor a back-reference"
                .to_owned()),
        }
    }

    pub(crate) fn matches(&self, digits: &str) -> bool {
        self.0.is_match(digits.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_bounded() {
        let pattern = Pattern::new(r"^\d{2}#$").unwrap();
        assert!(pattern.matches("12#"));
        assert!(!pattern.matches("123#"));
        assert!(Pattern::new(&"1".repeat(513)).unwrap_err().contains("512"));
        assert!(Pattern::new(&"1".repeat(512)).is_ok());
        assert!(Pattern::new(r"(\d{1,500}){1,500}").unwrap_err().contains("memory"));
        assert!(Pattern::new(r"(?=1)").unwrap_err().contains("look-around"));
        assert!(Pattern::new(&"(".repeat(300)).is_err());
    }
}
