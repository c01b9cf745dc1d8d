//! The model's patterns.

use regex_lite::Regex;

/// A pattern that a whole text must fit.
///
/// The model writes `^` and `$` in some patterns and leaves them out in others that can mean nothing
/// else (`[A-Z]{2}` of a country, `.*\S.*` of what is not blank), so that all are held against the
/// whole text: decision 0101.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: String,
    whole: Regex,
    /// What must not begin there: of `(?!…)` at the pattern's begin.
    unlike: Option<Regex>,
}

impl Pattern {
    /// # Errors
    /// It is no pattern, with the reason.
    pub(super) fn compile(source: &'static str) -> Result<Pattern, String> {
        let (unlike, rest) = match source.strip_prefix("(?!") {
            None => (None, source),
            Some(rest) => {
                let end = closing(rest).ok_or("a parenthesis that is not closed")?;
                let (inner, rest) = rest.split_at(end);
                (Some(compiled(&format!("^(?:{inner})"))?), rest.get(1..).unwrap_or_default())
            }
        };
        // An end that is repeated is an end; other readers of patterns refuse it.
        let repeated = "${2,64}$";
        let plain = rest.replace(repeated, "$");
        let source = source.replace(repeated, "$");
        Ok(Pattern { source, whole: compiled(&format!("^(?:{plain})$"))?, unlike })
    }

    /// As the model has it, where that is a pattern.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn fits(&self, text: &str) -> bool {
        self.whole.is_match(text) && !self.unlike.as_ref().is_some_and(|p| p.is_match(text))
    }
}

fn compiled(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| format!("pattern {text}: {error}"))
}

/// Where the group that is open is closed; the model's groups have no parentheses in classes.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 1;
    text.char_indices().find_map(|(at, letter)| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}
