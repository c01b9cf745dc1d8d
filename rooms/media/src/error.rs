//! Why nothing is mixed.

use room_grid::GridError;
use std::fmt;
use std::io;

/// Why [`crate::Mixing`] was not started.
#[derive(Debug)]
pub enum MixingError {
    /// The system has no thread that mixes.
    Thread(io::Error),
    /// The threads that compose pictures were not started, or this program has none.
    Grids(GridError),
}

impl fmt::Display for MixingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MixingError::Thread(error) => write!(f, "no thread for [rooms] threads: {error}"),
            MixingError::Grids(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MixingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            MixingError::Thread(error) => Some(error),
            MixingError::Grids(error) => error.source(),
        }
    }
}

impl From<io::Error> for MixingError {
    fn from(error: io::Error) -> Self {
        MixingError::Thread(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_is_named_by_its_own_setting() {
        let none = || io::Error::from(io::ErrorKind::WouldBlock);
        let said = MixingError::from(none()).to_string();
        assert!(said.starts_with("no thread for [rooms] threads: "), "{said}");
        let said = MixingError::Grids(GridError::Thread(none())).to_string();
        assert!(said.starts_with("no thread for [rooms.grid] threads: "), "{said}");
        assert!(GridError::TooMany.to_string().contains("[rooms.grid] max_meetings"));
        assert!(GridError::Busy.to_string().contains("[rooms.grid] threads"));
    }
}
