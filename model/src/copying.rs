//! What becomes of the copies of a call that go to somebody else's recorder (SIPREC, RFC 7866).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// News of a call's copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopyNews {
    /// The recorder, as the configuration names it.
    pub recorder: Arc<str>,
    /// What has become of the copy.
    pub state: CopyState,
}

/// What has become of a copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CopyState {
    /// The recorder takes it.
    Begun,
    /// It ended with the call, or because somebody wanted it no more.
    Ended,
    /// It is not taken, or not any more.
    Failed {
        /// Why.
        failure: CopyFailure,
        /// When it is tried again; `None` for never.
        retry_in: Option<Duration>,
    },
}

/// Why a recorder does not get the copy of a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CopyFailure {
    /// Its name leads nowhere.
    Unresolved,
    /// The relay has no ports for it.
    NoPorts,
    /// Nothing can be sent there.
    Unreachable,
    /// It does not answer.
    Silent,
    /// It refuses, with this status.
    Refused(u16),
    /// Its answer has no line that a copy could go to.
    Unusable,
    /// It ended the recording while the call went on.
    HungUp,
    /// The relay has lost the stream.
    MediaLost,
}

impl CopyFailure {
    /// The name in metrics and records.
    pub const fn name(self) -> &'static str {
        match self {
            CopyFailure::Unresolved => "unresolved",
            CopyFailure::NoPorts => "no_ports",
            CopyFailure::Unreachable => "unreachable",
            CopyFailure::Silent => "silent",
            CopyFailure::Refused(_) => "refused",
            CopyFailure::Unusable => "unusable",
            CopyFailure::HungUp => "hung_up",
            CopyFailure::MediaLost => "media_lost",
        }
    }

    /// Whether the same INVITE might be taken another time (RFC 3261 section 21).
    pub const fn may_pass(self) -> bool {
        match self {
            CopyFailure::Refused(status) => {
                matches!(status, 408 | 480 | 486 | 491 | 500..=599)
            }
            CopyFailure::Unusable => false,
            _ => true,
        }
    }
}

impl fmt::Display for CopyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CopyFailure::Unresolved => {
                "the recorder's name leads nowhere; see the host of [voice_connector.siprec_client] uri"
            }
            CopyFailure::NoPorts => "there are no media ports; widen [media] ports",
            CopyFailure::Unreachable => {
                "the recorder cannot be reached; see that it runs, and what a firewall lets pass"
            }
            CopyFailure::Silent => {
                "the recorder does not answer; see that it runs, that it takes SIPREC at the address \
                 of [voice_connector.siprec_client] uri, and what a firewall lets pass"
            }
            CopyFailure::Refused(status) => {
                return write!(
                    f,
                    "the recorder refuses with {status}; see that it takes SIPREC from this address, \
                     and its own log"
                );
            }
            CopyFailure::Unusable => {
                "the recorder's answer takes no line of audio; see which formats it has, and srtp of \
                 [voice_connector.siprec_client]"
            }
            CopyFailure::HungUp => "the recorder ended the recording; see its own log",
            CopyFailure::MediaLost => "the media relay lost the copy",
        })
    }
}
