//! What is written down of an established call, so that it goes on after a restart of the process:
//! plain data, and nothing secret.
//!
//! Kept are calls whose setup and last change are complete, over UDP or TCP and with plain media:
//! keys are not to lie on a disk, and a TLS connection proves who the peer is only while it lasts.

use directory::Dtmf;
use model::{
    CallDirection, CallParties, CarrierId, EmergencyKind, LocalMedia, MediaId, Side, TransactionId,
    TransportProtocol, UnixTime, VoiceConnectorId,
};
use sdp::Encryption;
use serde::{Deserialize, Serialize};
use sip_proto::Dialog;
use std::net::SocketAddr;
use std::sync::Arc;

/// News of what is to be kept.
#[derive(Clone, PartialEq, Debug)]
pub enum Kept {
    /// A call as it is now, in place of what was said of it before.
    Is(Box<SavedCall>),
    /// It is over.
    Ended(TransactionId),
}

/// An established call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedCall {
    /// The call.
    pub transaction_id: TransactionId,
    /// Who is in it; countries follow from the numbers.
    pub direction: CallDirection,
    /// The voice connector that it is counted for.
    pub voice_connector: VoiceConnectorId,
    /// User part of leg A's From.
    pub from_user: Arc<str>,
    /// User part of the called address.
    pub to_user: Arc<str>,
    /// Call-ID of leg A at its beginning.
    pub call_id: Arc<str>,
    /// The carrier that it came from.
    pub carrier: Option<CarrierId>,
    /// Whether it is an emergency call.
    pub emergency: Option<EmergencyKind>,
    /// Where leg A's INVITE came from.
    pub source: SocketAddr,
    /// The user whose credentials admitted it.
    pub sip_auth_user: Option<Arc<str>>,
    /// Which world each leg is in.
    pub sides: [Side; 2],
    /// The relay's stream.
    pub media: MediaId,
    /// The relay's addresses towards both legs.
    pub local: [LocalMedia; 2],
    /// Both legs.
    pub legs: [SavedLeg; 2],
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

/// The descriptions of one leg.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
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
}

impl SavedCall {
    /// Who is in it, for records. What the voice connector logs is told by `logs`: SIP messages and
    /// media metrics.
    pub fn parties(&self, logs: [bool; 2]) -> CallParties {
        let [log_sip_messages, log_media_metrics] = logs;
        let country = |user| directory::country_of(user).unwrap_or_default();
        CallParties {
            direction: self.direction,
            voice_connector: self.voice_connector.clone(),
            from_user: self.from_user.clone(),
            from_country: country(&self.from_user),
            to_user: self.to_user.clone(),
            to_country: country(&self.to_user),
            call_id: self.call_id.clone(),
            carrier: self.carrier.clone(),
            emergency: self.emergency,
            source: self.source,
            sip_auth_user: self.sip_auth_user.clone(),
            log_sip_messages,
            log_media_metrics,
        }
    }
}

/// How a policy is written; `None` for those whose calls have keys.
pub(crate) const fn policy_code(policy: Encryption) -> Option<u8> {
    match policy {
        Encryption::Off => Some(0),
        Encryption::Mirror => Some(1),
        Encryption::Optional => Some(2),
        Encryption::Required | Encryption::Dtls => None,
    }
}

/// The policy that was written so.
pub(crate) const fn policy_of(code: u8) -> Option<Encryption> {
    match code {
        0 => Some(Encryption::Off),
        1 => Some(Encryption::Mirror),
        2 => Some(Encryption::Optional),
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
