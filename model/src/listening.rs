//! Whom a call's audio goes to while it runs.

use crate::{CallDirection, LegSide, OtherMedia, TransactionId, VoiceConnectorId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroize;

/// Programs behind WebSockets that hear one call at most.
pub const MAX_WEB_SOCKETS: usize = 4;
/// Recordings that an application has of its call at a time: what somebody says, and of the call.
pub const MAX_ORDERED: usize = 2;
/// Listeners of one stream at most: these, Kinesis video streams and a recording.
pub const MAX_LISTENERS: usize = 2 + MAX_WEB_SOCKETS + MAX_ORDERED;

/// Audio of one stream that is copied, decrypted and decoded for listeners beside the call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listening {
    /// The call. Streams that name the same transaction are one call to the listeners.
    pub call: Arc<ListenedCall>,
    /// Which channel of the call the audio from the stream's leg A and from its leg B is; `None` where
    /// nobody listens. Channel A is the caller's, or that of a recorded call's first stream.
    pub channels: [Option<Channel>; 2],
    /// Samples a second that listeners get: 8,000 or 16,000.
    pub sample_rate: u32,
    /// Who listens, [`MAX_LISTENERS`] at most.
    pub listeners: Vec<Listener>,
    /// What both legs hear now and then meanwhile, so that they know; `None` for nothing.
    pub tone: Option<WarningTone>,
    /// It was ordered before and refused, and whoever is told of that knows it.
    pub is_retry: bool,
}

/// The recorder warning tone: a short tone, again and again, while a call is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct WarningTone {
    /// From the beginning of one to that of the next, 5 s to 5 min.
    pub every: Duration,
    /// How long it sounds, 100 ms to 1 s.
    pub length: Duration,
    /// Hz, 300 to 3,400.
    pub frequency: u16,
    /// dBm0, -40 to -6.
    pub level: i8,
}

impl Default for WarningTone {
    /// 1,400 Hz each 15 s is the recorder warning tone of Federal Standard 1037C, which has it half a
    /// second long. 200 ms at -20 dBm0, as loud as active speech is on average (-26 dBov, the level of
    /// ITU-T P.800's tests), are heard beside what is said and cover none of it.
    fn default() -> Self {
        let (every, length) = (Duration::from_secs(15), Duration::from_millis(200));
        WarningTone { every, length, frequency: 1_400, level: -20 }
    }
}

/// One party's audio.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Channel {
    /// Which of the call's two.
    pub side: LegSide,
    /// The party called; the other one was called.
    pub is_caller: bool,
    /// Which `m=` line of its description, from 0.
    pub media_index: u16,
    /// Its `a=label` (RFC 4574).
    pub label: Option<Arc<str>>,
}

/// What listeners, and whoever is told of them, learn of a call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ListenedCall {
    /// The call's name in every log, event and record.
    pub transaction_id: TransactionId,
    /// Whose call.
    pub voice_connector_id: VoiceConnectorId,
    /// The Call-ID of leg A.
    pub call_id: Arc<str>,
    /// Outbound or inbound.
    pub direction: CallDirection,
    /// Who calls, in E.164 form where it has one.
    pub from_number: Arc<str>,
    /// Who was called.
    pub to_number: Arc<str>,
    /// Header fields of leg A's INVITE by their names in lower case: those that the events show.
    pub invite_headers: Vec<(Arc<str>, Arc<str>)>,
    /// What a recording client tells of the recorded call (RFC 7865), as it came.
    pub siprec_metadata: Option<Arc<str>>,
}

/// What has changed of a call that is listened to.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct ListenedUpdate {
    /// Header fields of the request that changed it, as in [`ListenedCall::invite_headers`].
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// New metadata of a recording client.
    pub siprec_metadata: Option<Arc<str>>,
}

/// Who listens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Listener {
    /// A Kinesis video stream for each channel.
    KinesisVideo(KinesisVideoListener),
    /// A program behind a WebSocket.
    WebSocket(WebSocketListener),
    /// A file that people can play.
    Recording(RecordingListener),
    /// A file that the application which steers the call has asked for.
    Ordered(OrderedRecording),
}

/// How a channel becomes a Kinesis video stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KinesisVideoListener {
    /// For how long the stream keeps it, 0 to 87,600 hours.
    pub retention_hours: u32,
    /// As µ-law in the place of linear samples; at 8,000 samples a second only.
    pub mu_law: bool,
    /// Who is told that it begins, changes, ends and fails.
    pub notify: NotificationTargets,
}

/// Services that a voice connector's streaming events go to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct NotificationTargets {
    /// EventBridge.
    pub event_bridge: bool,
    /// A topic of SNS.
    pub sns: bool,
    /// A queue of SQS.
    pub sqs: bool,
}

impl Listener {
    /// Who is told when it hears nothing of a call; a recording has notices of its own.
    pub fn notify(&self) -> NotificationTargets {
        match self {
            Listener::KinesisVideo(of) => of.notify,
            Listener::WebSocket(of) => of.notify,
            Listener::Recording(_) | Listener::Ordered(_) => NotificationTargets::NONE,
        }
    }
}

impl NotificationTargets {
    /// These and `others`.
    #[must_use]
    pub const fn and(self, others: NotificationTargets) -> NotificationTargets {
        NotificationTargets {
            event_bridge: self.event_bridge || others.event_bridge,
            sns: self.sns || others.sns,
            sqs: self.sqs || others.sqs,
        }
    }

    /// Nobody.
    pub const NONE: NotificationTargets =
        NotificationTargets { event_bridge: false, sns: false, sqs: false };
}

impl Default for NotificationTargets {
    /// EventBridge alone, as a voice connector has it that names none.
    fn default() -> Self {
        NotificationTargets { event_bridge: true, ..NotificationTargets::NONE }
    }
}

/// A program that hears a call over a WebSocket (RFC 6455), and may speak into it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WebSocketListener {
    /// `ws://` or `wss://`.
    pub url: Arc<str>,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<BearerToken>,
    /// Whom it may speak to: leg A, leg B.
    pub speaks_to: [bool; 2],
    /// What becomes of the other leg's media while it speaks to a leg.
    pub other_media: OtherMedia,
    /// How the two channels stand in what it hears.
    pub layout: ChannelLayout,
    /// Audio in each message that it gets, in ms: 20 to 500, a multiple of 20.
    pub message_ms: u16,
    /// Who is told when it is given up.
    pub notify: NotificationTargets,
}

/// What proves to a program that it is us.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum BearerToken {
    /// These words.
    Words(Secret),
    /// What stands in this file when a connection is made, on the host that makes it.
    File(Arc<str>),
}

/// How the channels of a call are put into one stream of samples.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub enum ChannelLayout {
    /// A sample of channel A and one of channel B in turn.
    #[default]
    Stereo,
    /// Both added up.
    Mixed,
}

/// A recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordingListener {
    /// How it is written.
    pub format: RecordingFormat,
}

/// A recording that an application has ordered of the call that it steers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OrderedRecording {
    /// The order's number, which news about it repeat.
    pub order: u32,
    /// Whose audio: leg A's, leg B's. That of both stands side by side, leg A left.
    pub legs: [bool; 2],
    /// The bucket that it goes into; not checked to be a name of a directory.
    pub bucket: Arc<str>,
    /// What its key begins with; may be empty.
    pub prefix: Arc<str>,
    /// After so much audio it ends by itself.
    pub longest: Duration,
    /// Which silence ends it; `None` for none.
    pub silence: Option<RecordingSilence>,
}

/// The silence that ends a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordingSilence {
    /// How long it is, at least a second.
    pub length: Duration,
    /// 20 ms are silent whose samples, linear with 16 bits, are less than this on average, signs left
    /// aside; 1 to 1,000.
    pub threshold: u16,
}

/// How a recording is written; both channels in one file, side by side.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub enum RecordingFormat {
    /// Linear samples in a WAV file.
    #[default]
    Wav,
    /// Opus in Ogg (RFC 7845).
    OggOpus,
}

/// Words that nobody may read in a log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(Box<str>);

impl Secret {
    /// Keeps `words`.
    pub fn new(words: impl Into<Box<str>>) -> Self {
        Secret(words.into())
    }

    /// The words, for whom they are meant for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why nobody listens to a stream.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ListenFailure {
    /// The relay was started without anybody who takes audio.
    NoListeners,
    /// Too many streams are listened to now.
    TooMany,
    /// There is no such stream, or it is no audio.
    NoStream,
}

impl fmt::Display for ListenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ListenFailure::NoListeners => "this relay gives no audio to anybody",
            ListenFailure::TooMany => {
                "the relay has no room for more; raise [media] max_listened_streams, or share calls \
                 out to more relays"
            }
            ListenFailure::NoStream => "the call has no audio",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("open sesame");
        assert_eq!(secret.reveal(), "open sesame");
        assert!(!format!("{secret:?}").contains("sesame"));
    }
}
