//! What an examination found, and how it is shown.

use serde::Serialize;
use std::fmt::Write as _;

/// How serious it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Debug)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Fine,
    /// Could not be examined from here, or not without a call.
    Unknown,
    /// Calls work, but not all, not well, or not for long.
    Warning,
    /// Calls fail.
    Broken,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            State::Fine => "fine",
            State::Unknown => "-",
            State::Warning => "WARNING",
            State::Broken => "BROKEN",
        }
    }
}

/// One thing that was examined.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub(crate) struct Finding {
    /// The host, the media or the trunk that it belongs to.
    pub(crate) area: String,
    /// What was examined.
    pub(crate) subject: &'static str,
    /// How it is.
    pub(crate) state: State,
    /// What was found.
    pub(crate) found: String,
    /// What to change; empty where nothing has to be.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) advice: String,
}

impl Finding {
    pub(crate) fn fine(subject: &'static str, found: impl Into<String>) -> Finding {
        Finding::new(State::Fine, subject, found, "")
    }

    pub(crate) fn unknown(
        subject: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        Finding::new(State::Unknown, subject, found, advice)
    }

    pub(crate) fn warning(
        subject: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        Finding::new(State::Warning, subject, found, advice)
    }

    pub(crate) fn broken(
        subject: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        Finding::new(State::Broken, subject, found, advice)
    }

    fn new(
        state: State,
        subject: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        let area = String::new();
        Finding { area, subject, state, found: found.into(), advice: advice.into() }
    }

    pub(crate) fn of(mut self, area: &str) -> Finding {
        area.clone_into(&mut self.area);
        self
    }
}

/// The findings for people: one block an area, what is wrong with what to do about it below.
pub(crate) fn render(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut area = None;
    for finding in findings {
        if area != Some(&finding.area) {
            let gap = if area.is_some() { "\n" } else { "" };
            let _ = writeln!(text, "{gap}{}", finding.area);
            area = Some(&finding.area);
        }
        let (word, subject) = (finding.state.word(), finding.subject);
        let _ = writeln!(text, "  {word:8} {subject:20} {}", finding.found);
        if !finding.advice.is_empty() {
            let _ = writeln!(text, "  {:29} -> {}", "", finding.advice);
        }
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let _ = writeln!(
        text,
        "\n{} examined: {} broken, {} warning(s), {} not to be told from here",
        findings.len(),
        count(State::Broken),
        count(State::Warning),
        count(State::Unknown),
    );
    text
}
