//! Which language a caller is spoken to in.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A language, as BCP 47 writes it: `en`, `ja`, `pt-BR`. Prompts of it are in a folder of this name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language(Arc<str>);

impl Language {
    /// Reads it: two or three small letters, and a region of two capitals after a hyphen.
    ///
    /// # Errors
    /// In words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (language, region) = text.split_once('-').map_or((text, None), |(l, r)| (l, Some(r)));
        let valid = matches!(language.len(), 2 | 3)
            && language.bytes().all(|byte| byte.is_ascii_lowercase())
            && region.is_none_or(|region| {
                region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_uppercase())
            });
        if valid {
            Ok(Language(text.into()))
        } else {
            Err(format!("{text:?} is no language: write one as \"en\", \"ja\" or \"pt-BR\""))
        }
    }

    /// English.
    pub fn english() -> Self {
        Language("en".into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Language {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Language> for String {
    fn from(language: Language) -> String {
        language.0.as_ref().to_owned()
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the language of a caller is found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Languages {
    /// Of all others.
    pub default: Language,
    /// By the number that was called, E.164.
    pub called: Vec<(Arc<str>, Language)>,
    /// By the code of the regional name that was called.
    pub regions: Vec<(Arc<str>, Language)>,
    /// By how the calling number begins, E.164 as `+81`; the longest counts.
    pub callers: Vec<(Arc<str>, Language)>,
}

impl Default for Languages {
    fn default() -> Self {
        let language = Language::english();
        Languages { default: language, called: vec![], regions: vec![], callers: vec![] }
    }
}

impl Languages {
    /// The language of a caller: of the called number, else of the region, else of the calling
    /// number, else the default one.
    pub fn choose(
        &self,
        called: Option<&str>,
        region: Option<&str>,
        caller: Option<&str>,
    ) -> &Language {
        let exact = |list: &'_ [(Arc<str>, Language)], wanted: Option<&str>| {
            let wanted = wanted?;
            list.iter().position(|(key, _)| key.as_ref() == wanted)
        };
        let longest = || {
            let caller = caller?;
            let fitting = self.callers.iter().filter(|(key, _)| caller.starts_with(key.as_ref()));
            fitting.max_by_key(|(key, _)| key.len()).map(|(_, language)| language)
        };
        let called = exact(&self.called, called).and_then(|at| self.called.get(at));
        let region = || exact(&self.regions, region).and_then(|at| self.regions.get(at));
        called
            .or_else(region)
            .map(|(_, language)| language)
            .or_else(longest)
            .unwrap_or(&self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_written_as_bcp_47_does() {
        for good in ["en", "ja", "pt-BR", "fil"] {
            assert_eq!(Language::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "e", "EN", "en-", "en-us", "en_US", "../x", "english"] {
            assert!(Language::parse(bad).unwrap_err().contains("no language"), "{bad}");
        }
    }

    #[test]
    fn the_called_number_says_more_than_the_region_and_that_more_than_the_caller() {
        let language = |text| Language::parse(text).unwrap();
        let languages = Languages {
            default: language("en"),
            called: vec![("+81312345678".into(), language("ja"))],
            regions: vec![("fra".into(), language("de"))],
            callers: vec![("+4".into(), language("fr")), ("+49".into(), language("de"))],
        };
        let cases = [
            (None, None, None, "en"),
            (Some("+81312345678"), Some("fra"), Some("+33"), "ja"),
            (Some("+1"), Some("fra"), Some("+33"), "de"),
            (None, Some("iad"), Some("+4930"), "de"),
            (None, None, Some("+4420"), "fr"),
            (None, None, Some("+1"), "en"),
        ];
        for (called, region, caller, expected) in cases {
            assert_eq!(languages.choose(called, region, caller).as_str(), expected);
        }
    }
}
