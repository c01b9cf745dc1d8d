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
    /// No letter stands four times in a row.
    is_varied: bool,
}

impl Pattern {
    /// # Errors
    /// It is no pattern, with the reason.
    pub(super) fn compile(source: &'static str) -> Result<Pattern, String> {
        // What refers back is no regular language, and no such expression.
        let varied = source.trim_start_matches('^').strip_prefix(r"(?!.*?(.)\1{3})");
        let (unlike, rest) = match source.strip_prefix("(?!") {
            None => (None, varied.unwrap_or(source)),
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
        let whole = compiled(&format!("^(?:{plain})$"))?;
        Ok(Pattern { source, whole, unlike, is_varied: varied.is_some() })
    }

    /// As the model has it, where that is a pattern.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    pub(crate) fn fits(&self, text: &str) -> bool {
        self.whole.is_match(text)
            && !self.unlike.as_ref().is_some_and(|p| p.is_match(text))
            && !(self.is_varied && repeats(text))
    }
}

/// Whether a letter stands four times in a row.
fn repeats(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    letters.windows(4).any(|four| four.iter().all(|letter| Some(letter) == four.first()))
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
