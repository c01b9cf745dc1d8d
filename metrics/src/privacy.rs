//! What of people's numbers, and of the bodies of their messages, is written where.
//!
//! Nothing here can fail: what is not understood is hidden, not shown.

mod hash;
mod head;
mod message;
mod numbers;
mod per_sink;
mod text;
mod uri;
mod xml;

pub use hash::{KEY_LENGTH, NumberKey};
pub use numbers::Numbers;
pub use per_sink::{PerSink, Reach};

use std::borrow::Cow;

/// How each kind of record shows people. The default shows numbers and keeps bodies.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Privacy {
    /// Call detail records.
    pub cdrs: PerSink<Numbers>,
    /// The media quality log.
    pub media_quality: PerSink<Numbers>,
    /// The records of calls (`calls/`), and with them the history and `tandem report`.
    pub history: Numbers,
    /// The program's own log on standard error.
    pub log: Numbers,
    /// The SIP message log.
    pub sip_messages: PerSink<MessagePrivacy>,
    /// Copies for a HEP collector.
    pub hep: MessagePrivacy,
    /// Traces.
    pub traces: Numbers,
    /// Events of streaming.
    pub events: PerSink<Numbers>,
    /// What stands beside recordings and in their comments, here and in their bucket.
    pub recordings: Numbers,
}

/// How a place that gets whole SIP messages shows them. Credentials and keys are hidden in any case.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MessagePrivacy {
    /// Numbers and names of people.
    pub numbers: Numbers,
    /// What follows the header.
    pub bodies: Bodies,
}

/// What becomes of a message's body.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Bodies {
    /// It is kept; keys in it are hidden.
    #[default]
    Kept,
    /// It is left out.
    Omitted,
    /// A session description is kept without the lines that hold keys, everything else left out.
    SdpWithoutKeys,
}

impl MessagePrivacy {
    /// A SIP message as this place may have it. Borrows when there is nothing to hide. `Content-Length`
    /// stays that of the message as it was.
    pub fn of_message<'a>(&self, message: &'a [u8]) -> Cow<'a, [u8]> {
        let masked = crate::masking::masked(message);
        if self.numbers == Numbers::Plain && self.bodies == Bodies::Kept {
            return masked;
        }
        Cow::Owned(message::rewritten(&self.numbers, self.bodies, &masked))
    }
}

#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod tests;
