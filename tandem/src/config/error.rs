//! What is wrong with a configuration, as people read it.

use std::fmt;

/// One remark on one line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Finding {
    /// The line, counted from 1; `None` when it concerns the whole file.
    pub(crate) line: Option<usize>,
    /// What it is and what to do.
    pub(crate) message: String,
}

/// Everything that is wrong with a configuration. Prints one `FILE:LINE: message` a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ConfigErrors {
    /// The file.
    pub(crate) file: String,
    /// The errors, in the order of lines; never empty.
    pub(crate) errors: Vec<Finding>,
}

impl ConfigErrors {
    /// In the order of lines, each once.
    pub(super) fn unless_empty(file: &str, mut errors: Vec<Finding>) -> Option<Self> {
        errors.sort();
        errors.dedup();
        (!errors.is_empty()).then(|| ConfigErrors { file: file.to_owned(), errors })
    }

    pub(super) fn unreadable(file: &str, error: &std::io::Error) -> Self {
        let message =
            format!("cannot be read: {error}; give an existing, readable file with --config");
        ConfigErrors { file: file.to_owned(), errors: vec![Finding { line: None, message }] }
    }

    pub(super) fn unexplained(file: &str) -> Self {
        let message = "carriers and voice connectors are inconsistent".to_owned();
        ConfigErrors { file: file.to_owned(), errors: vec![Finding { line: None, message }] }
    }
}

impl Finding {
    /// `FILE:LINE: message`.
    pub(crate) fn in_file(&self, file: &str) -> String {
        match self.line {
            Some(line) => format!("{file}:{line}: {}", self.message),
            None => format!("{file}: {}", self.message),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, error) in self.errors.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&error.in_file(&self.file))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
