//! What is written down of an established call, so that it goes on after a restart of the process:
//! plain data. Secret in it are session descriptions alone, which may hold keys: whoever writes them
//! down takes those out ([`SavedCall::take_descriptions`]) and sees to it that nobody reads them.
//!
//! Kept are calls whose setup and last change are complete. Of a transfer that is under way it is kept
//! what must be told of its end ([`SavedTransfer`], [`SavedFarewell`]), and of a call that is being set up
//! the same ([`SavedSetup`]). Of a leg over TLS the name is kept that its peer must prove on a new
//! connection.

mod recording;
mod setup;

pub use recording::{SavedRecordedLine, SavedRecording};
pub use setup::{OpenRequest, OpenSetup, SavedParties, SavedSetup};

use directory::Dtmf;
use model::{
    CarrierId, LegSide, ListenedCall, LocalMedia, MediaId, MediaType, Side, TransactionId,
    TranscodableFormat, TransportProtocol, UnixTime,
};
use sdp::Encryption;
use serde::{Deserialize, Serialize};
use sip_proto::Dialog;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// News of what is to be kept.
#[derive(Clone, PartialEq, Debug)]
pub enum Kept {
    /// A call as it is now, in place of what was said of it before.
    Is(Box<SavedCall>),
    /// A call that cannot be taken up, with what its peers are to be told then. In place of what was
    /// said of it before.
    Farewell(Box<SavedFarewell>),
    /// A call that is being set up, as it is now, or one that has ended while an INVITE of it still
    /// waits. In place of what was said of it before.
    Setup(Box<OpenSetup>),
    /// It is over.
    Ended(TransactionId),
}

/// What the next process owes the peers of a call that is being transferred and cannot be taken up.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedFarewell {
    /// The call.
    pub transaction_id: TransactionId,
    /// At most three: an INVITE, and a BYE for each leg.
    pub requests: Vec<SavedRequest>,
}

/// A message with its way: a request that is to go out, or an INVITE that is out already and is to be
/// withdrawn, or was received and is to be answered. Without a description.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedRequest {
    /// How its peer is reached.
    pub protocol: TransportProtocol,
    /// From which of our addresses.
    pub local: SocketAddr,
    /// At which of its.
    pub remote: SocketAddr,
    /// Over TLS: whom a new connection must lead to.
    #[serde(default)]
    pub identity: Option<SavedIdentity>,
    /// Of an INVITE of ours: a provisional response has come, so that it can be cancelled at once. Else
    /// it is sent again first, for its peer may have got nothing (RFC 3261 section 9.1).
    #[serde(default)]
    pub has_provisional: bool,
    /// The message.
    pub text: String,
}

/// A transfer that was under way in an established call.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct SavedTransfer {
    /// The leg that asked for it; `None` where nobody did, or it has been told the outcome.
    pub transferor: Option<LegSide>,
    /// That leg has hung up: the call is over without the transfer.
    pub gone: bool,
    /// The leg that hears of the outcome.
    pub subscriber: Option<LegSide>,
    /// The `id` of the events that it hears of.
    pub event_id: Option<u32>,
    /// The target rings, which the other leg may hear.
    pub rings: bool,
    /// A leg that may have been told of other media than the call has.
    pub offer_to: Option<LegSide>,
}

/// An established call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedCall {
    /// The call.
    pub transaction_id: TransactionId,
    /// Who is in it.
    #[serde(flatten)]
    pub parties: SavedParties,
    /// Which world each leg is in.
    pub sides: [Side; 2],
    /// The relay's stream; of a copy the one that was asked for last, which may be gone.
    pub media: MediaId,
    /// The relay's addresses towards both legs; `None` of a copy, whose lines have their own.
    pub local: Option<[LocalMedia; 2]>,
    /// Both legs; of a copy the recording client alone.
    pub legs: Vec<SavedLeg>,
    /// Its lines beside the main one.
    #[serde(default)]
    pub lines: Vec<SavedLine>,
    /// The transfer under way in it.
    #[serde(default)]
    pub transfer: Option<SavedTransfer>,
    /// Who listens to it.
    #[serde(default)]
    pub listening: Option<SavedListening>,
    /// What it is the copy of, and its lines; `None` of every other call.
    #[serde(default)]
    pub recording: Option<Box<SavedRecording>>,
    /// When it ends at the latest.
    pub lifetime: Option<UnixTime>,
    /// The same by the voice connector's cap.
    pub duration_cap: Option<UnixTime>,
}

/// One leg.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedLeg {
    /// Its dialog, with tags, route set, remote target and the peer's last CSeq number.
    pub dialog: Dialog,
    /// Call-ID.
    pub call_id: Arc<str>,
    /// Our tag.
    pub local_tag: Arc<str>,
    /// Our address, without the tag.
    pub local_party: Box<str>,
    /// The peer's.
    pub remote_party: Box<str>,
    /// Number of our last request.
    pub cseq: u32,
    /// How the peer is reached.
    pub protocol: TransportProtocol,
    /// From which of our addresses.
    pub local: SocketAddr,
    /// At which of its.
    pub remote: SocketAddr,
    /// Over TLS: whom a new connection must lead to; `None` when only the peer can open one.
    #[serde(default)]
    pub identity: Option<SavedIdentity>,
    /// The dialog is a `sips` one.
    #[serde(default)]
    pub secure: bool,
    /// The target among whose calls it counts.
    #[serde(default)]
    pub target: Option<Arc<str>>,
    /// It costs its voice connector something since then, so many millionths of the currency a minute.
    #[serde(default)]
    pub talk: Option<(UnixTime, u64)>,
    /// The session interval in seconds, and whether we refresh.
    pub session: Option<(u32, bool)>,
    /// The largest Min-SE of the peer, in seconds.
    pub min_se_seconds: u32,
    /// When the next refresh of ours is due.
    pub refresh: Option<UnixTime>,
    /// When the session expires.
    pub expiry: Option<UnixTime>,
    /// The peer takes UPDATE.
    pub takes_update: bool,
    /// It wants to know whether it is recorded.
    #[serde(default)]
    pub record_aware: bool,
    /// It does not take INFO.
    pub refuses_info: bool,
    /// It does not take MESSAGE.
    pub refuses_message: bool,
    /// Its name and number are withheld.
    pub anonymous: bool,
    /// Whose credentials answer its challenges.
    pub credentials: Option<CarrierId>,
    /// Its descriptions.
    pub media: SavedMedia,
}

/// Whom a connection must lead to, and how it is made: an [`ExpectedPeer`](crate::ExpectedPeer).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SavedIdentity {
    /// A host name or an address.
    pub name: String,
    /// Whether the peer must prove it.
    pub verify: bool,
    /// PEM file of the authorities that may vouch for it; `None` means the system's.
    pub ca: Option<PathBuf>,
    /// PEM files of the certificate and the key that we show.
    pub certificate: Option<[PathBuf; 2]>,
}

/// A call that is listened to, or was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SavedListening {
    /// What its listeners know it as.
    pub call: ListenedCall,
    /// Leg A is the second channel.
    pub is_crossed: bool,
    /// Whether it is to be listened to.
    #[serde(default = "yes")]
    pub wanted: bool,
    /// Whether the relay was told to; it is not while a full one is to be asked again.
    #[serde(default = "yes")]
    pub ordered: bool,
    /// Whether the relay has ever said that somebody does.
    #[serde(default = "yes")]
    pub heard: bool,
}

/// What was said before a call could be listened to no more, or not yet.
const fn yes() -> bool {
    true
}

/// A line beside the main one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SavedLine {
    /// The relay's stream.
    pub id: MediaId,
    /// Its media.
    pub media: MediaType,
    /// Its place among the `m=` lines of leg A's descriptions and of leg B's, from 0.
    pub at: [usize; 2],
    /// The relay's addresses towards both legs.
    pub local: [LocalMedia; 2],
}

/// The descriptions of one leg.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedMedia {
    /// Its policy on encryption.
    pub encryption: u8,
    /// What we described last.
    pub sent: String,
    /// What it described last.
    pub received: String,
    /// What the other leg hears while it holds.
    pub hold_music: Option<Arc<str>>,
    /// It has wanted media before.
    pub has_listened: bool,
    /// How its side says that a key was pressed.
    pub dtmf: u8,
    /// The formats that its carrier offers to transcode, by name; `None` when it says nothing.
    #[serde(default)]
    pub transcode: Option<Vec<String>>,
    /// What it is told of being recorded (`on`, `off`, `paused`); `None` when nothing.
    #[serde(default)]
    pub recorded: Option<Box<str>>,
    /// An offer of ours that was out may have told it of a newer description.
    #[serde(default)]
    pub has_offer: bool,
}

/// The descriptions are not shown: they may hold keys.
impl fmt::Debug for SavedMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedMedia").field("encryption", &self.encryption).finish_non_exhaustive()
    }
}

impl SavedRequest {
    /// Whether it can go out long after it was written down: an INVITE that has to be sent again would
    /// ring where it has not come to before.
    pub fn may_go_out_late(&self) -> bool {
        self.has_provisional || !self.text.starts_with("INVITE ")
    }
}

impl SavedCall {
    /// Whether a description of it holds a key or a password, in force or not.
    pub fn has_secrets(&self) -> bool {
        let media = self.legs.iter().map(|leg| &leg.media);
        media.flat_map(|media| [&media.sent, &media.received]).any(|text| holds_secret(text))
    }

    /// Takes the descriptions of the legs out, each leg's sent and received one.
    pub fn take_descriptions(&mut self) -> Vec<[String; 2]> {
        let take = |SavedMedia { sent, received, .. }: &mut SavedMedia| {
            [sent, received].map(std::mem::take)
        };
        self.legs.iter_mut().map(|leg| take(&mut leg.media)).collect()
    }

    /// Puts back what was taken.
    pub fn put_descriptions(&mut self, descriptions: Vec<[String; 2]>) {
        for (leg, [sent, received]) in self.legs.iter_mut().zip(descriptions) {
            (leg.media.sent, leg.media.received) = (sent, received);
        }
    }

    /// Its streams at the relay.
    pub fn streams(&self) -> impl Iterator<Item = MediaId> {
        let recorded = self.recording.as_ref().map(|recording| recording.lines.iter());
        let main = recorded.is_none().then_some(self.media);
        let recorded = recorded.into_iter().flatten().map(|line| line.id);
        main.into_iter().chain(recorded).chain(self.lines.iter().map(|line| line.id))
    }
}

/// Whether a description holds a key (RFC 4568, RFC 4567, RFC 8866 section 5.12) or a password
/// (RFC 8839 section 5.4).
fn holds_secret(description: &str) -> bool {
    let begins = |line: &str, with: &str| {
        line.as_bytes().get(..with.len()).is_some_and(|b| b.eq_ignore_ascii_case(with.as_bytes()))
    };
    let is_secret = |line: &str| {
        ["a=crypto", "a=key-mgmt", "a=ice-pwd", "k="].iter().any(|name| begins(line, name))
            || line.to_ascii_lowercase().contains("inline:")
    };
    description.split(['\r', '\n']).map(str::trim_start).any(is_secret)
}

/// How a policy is written.
pub(crate) const fn policy_code(policy: Encryption) -> u8 {
    match policy {
        Encryption::Off => 0,
        Encryption::Mirror => 1,
        Encryption::Optional => 2,
        Encryption::Required => 3,
        Encryption::Dtls => 4,
    }
}

/// The policy that was written so.
pub(crate) const fn policy_of(code: u8) -> Option<Encryption> {
    match code {
        0 => Some(Encryption::Off),
        1 => Some(Encryption::Mirror),
        2 => Some(Encryption::Optional),
        3 => Some(Encryption::Required),
        4 => Some(Encryption::Dtls),
        _ => None,
    }
}

const DTMF: [Dtmf; 5] = [Dtmf::Rfc4733, Dtmf::Auto, Dtmf::Info, Dtmf::Inband, Dtmf::Pass];

/// How a setting is written.
pub(crate) fn dtmf_code(setting: Dtmf) -> u8 {
    let place = DTMF.iter().position(|of| *of == setting);
    place.and_then(|place| u8::try_from(place).ok()).unwrap_or_default()
}

/// The setting that was written so.
pub(crate) fn dtmf_of(code: u8) -> Option<Dtmf> {
    DTMF.get(usize::from(code)).copied()
}

/// How formats are written.
pub(crate) fn names_of(formats: &[TranscodableFormat]) -> Vec<String> {
    formats.iter().map(|format| format.name().to_owned()).collect()
}

/// The formats that were written so. One that another version of this program knew is left out.
pub(crate) fn formats_of(names: &[String]) -> Arc<[TranscodableFormat]> {
    names.iter().filter_map(|name| TranscodableFormat::from_name(name)).collect()
}
