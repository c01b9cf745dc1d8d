//! What somebody has said once, to be heard by others later: a name before a meeting.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The longest of an [`Utterance`]: 128 kB of 16 bits at 16,000 Hz.
pub const LONGEST_UTTERANCE: Duration = Duration::from_secs(4);

/// What somebody has said, without the silence before and after it: a WAV file's octets. It is personal:
/// what it is made of is on no disk and in no log, so that its `Debug` says only how long it is.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Utterance(Arc<[u8]>);

impl Utterance {
    /// Of the octets of a WAV file.
    pub fn new(octets: impl Into<Arc<[u8]>>) -> Self {
        Utterance(octets.into())
    }

    /// The octets of the WAV file.
    pub const fn octets(&self) -> &Arc<[u8]> {
        &self.0
    }
}

impl fmt::Debug for Utterance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Utterance({} octets)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AudioSource;

    #[test]
    fn what_was_said_is_in_no_log() {
        let said = Utterance::new(*b"RIFF");
        assert_eq!(format!("{said:?}"), "Utterance(4 octets)");
        assert_eq!(format!("{:?}", AudioSource::Said(said)), "Said(Utterance(4 octets))");
    }
}
