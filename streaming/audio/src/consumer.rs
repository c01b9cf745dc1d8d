//! Who gets a call's samples.

use codecs::VoiceWriter;
use model::{Channel, LegSide, ListenedCall, ListenedUpdate, UnixTime};
use std::sync::Arc;

/// 20 ms of one channel; a last one may be shorter.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Whose.
    pub side: LegSide,
    /// The place of its first sample on the call's timeline. Frames of a channel follow on each other
    /// without holes, from where it or the listener came to the call; those of the two channels of a call
    /// alternate, at most two seconds apart.
    pub at: u64,
    /// The samples, mono.
    pub samples: &'a [i16],
    /// How many of them nobody sent, or were lost: there is silence in their places.
    pub missing: u32,
}

/// What a listener is told when a call opens.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The call.
    pub call: Arc<ListenedCall>,
    /// Its channels A and B, as far as they are listened to.
    pub channels: [Option<Channel>; 2],
    /// Samples a second: 8,000 or 16,000.
    pub sample_rate: u32,
    /// When sample 0 was.
    pub began: UnixTime,
}

/// How a listened call ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ConsumerEnd {
    /// The call ended, or listening was switched off.
    Ended,
    /// The node stops.
    Stopping,
}

/// Somebody who listens to one call: a stream, a socket, a file.
///
/// It is called on a thread that serves hundreds of calls, fifty times a second and channel: it hands
/// over what it gets to a bounded queue of its own and returns; what finds no room there it drops
/// and counts. It fails alone.
pub trait AudioConsumer: Send {
    /// 20 ms more of a channel.
    fn audio(&mut self, frame: &Frame<'_>);

    /// A channel that was not there at the opening has come (a recorded call's second stream); its frames
    /// follow, from its beginning on. Who does nothing here gets them all the same.
    fn joined(&mut self, side: LegSide, channel: &Channel) {
        let _ = (side, channel);
    }

    /// Something of the call has changed (a re-INVITE, new metadata).
    fn update(&mut self, update: &ListenedUpdate);

    /// What is written there is said to a party of the call from now on; what was given before for the
    /// same party leads nowhere any more. Given only to those who may speak to it
    /// ([`model::WebSocketListener::speaks_to`]), once for each stream that the call has.
    fn voice(&mut self, to: LegSide, voice: VoiceWriter) {
        let _ = (to, voice);
    }

    /// Nothing more comes.
    fn end(self: Box<Self>, end: ConsumerEnd);
}
