//! What is written down of a call that is being set up. It does not outlive its edge: the next process
//! withdraws its INVITEs, answers its caller, and closes its record.

use super::{SavedIdentity, SavedRequest};
use bytes::Bytes;
use model::{
    CallDirection, CallParties, CarrierId, EmergencyKind, Flow, ProxiedCall, TransactionId,
    VoiceConnectorId,
};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// A call that is being set up, as it is now: [`SavedSetup`] before it is text. Telling it copies no
/// message: the text that is written down is made by [`OpenSetup::saved`], on the thread that writes.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenSetup {
    /// The call.
    pub transaction_id: TransactionId,
    /// Who is in it.
    pub parties: Arc<CallParties>,
    /// Our tag towards the caller.
    pub tag: Arc<str>,
    /// What the caller's INVITE is to be answered with.
    pub status: u16,
    /// Its record is closed.
    pub has_ended: bool,
    /// The caller's INVITE.
    pub caller: Option<OpenRequest>,
    /// Our INVITEs that have no final response, the newest last.
    pub invites: Vec<OpenRequest>,
    /// A 2xx that has come.
    pub answer: Option<OpenRequest>,
}

/// A message of such a call, with its way.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenRequest {
    /// How its peer is reached.
    pub flow: Flow,
    /// Over TLS: whom a new connection must lead to.
    pub identity: Option<SavedIdentity>,
    /// Of an INVITE of ours: a provisional response has come.
    pub has_provisional: bool,
    /// As it came, or went.
    pub raw: Bytes,
}

/// What the next process tells the peers of a call that is being set up.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedSetup {
    /// The call.
    pub transaction_id: TransactionId,
    /// Who is in it.
    pub parties: SavedParties,
    /// Our tag towards the caller.
    pub tag: Arc<str>,
    /// What the caller's INVITE is answered with: 503 of a call that had not ended. 200 says that it
    /// was answered so and is not acknowledged: then the caller is hung up.
    pub status: u16,
    /// Its record is closed: it has ended, and an INVITE of it still waits.
    pub has_ended: bool,
    /// The INVITE of the caller, as it was received; `None` when a leg is called that nobody waits for,
    /// as a transfer's target is.
    pub caller: Option<SavedRequest>,
    /// Our INVITEs that have no final response, the newest last.
    pub invites: Vec<SavedRequest>,
    /// A 2xx that has come, whose sender is hung up.
    pub answer: Option<SavedRequest>,
}

/// Who is in a call; countries follow from the numbers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedParties {
    /// Which way it goes.
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
    /// What masks it.
    #[serde(default)]
    pub proxy: Option<ProxiedCall>,
}

impl OpenSetup {
    /// What is written down of it: of its messages what a transaction needs, so neither descriptions nor
    /// credentials.
    pub fn saved(&self) -> SavedSetup {
        SavedSetup {
            transaction_id: self.transaction_id,
            parties: SavedParties::of(&self.parties),
            tag: self.tag.clone(),
            status: self.status,
            has_ended: self.has_ended,
            caller: self.caller.as_ref().and_then(OpenRequest::saved),
            invites: self.invites.iter().filter_map(OpenRequest::saved).collect(),
            answer: self.answer.as_ref().and_then(OpenRequest::saved),
        }
    }
}

impl OpenRequest {
    /// With what a transaction needs of it.
    pub(crate) fn saved(&self) -> Option<SavedRequest> {
        Some(self.saved_as(&sip_proto::essential_head(&self.raw)?))
    }

    /// As it is: a request without a body.
    pub(crate) fn saved_whole(&self) -> SavedRequest {
        self.saved_as(&self.raw)
    }

    fn saved_as(&self, octets: &[u8]) -> SavedRequest {
        SavedRequest {
            protocol: self.flow.protocol,
            local: self.flow.local,
            remote: self.flow.remote,
            identity: self.identity.clone(),
            has_provisional: self.has_provisional,
            text: String::from_utf8_lossy(octets).into_owned(),
        }
    }
}

impl SavedParties {
    pub(crate) fn of(parties: &CallParties) -> Self {
        SavedParties {
            direction: parties.direction,
            voice_connector: parties.voice_connector.clone(),
            from_user: parties.from_user.clone(),
            to_user: parties.to_user.clone(),
            call_id: parties.call_id.clone(),
            carrier: parties.carrier.clone(),
            emergency: parties.emergency,
            source: parties.source,
            sip_auth_user: parties.sip_auth_user.clone(),
            proxy: parties.proxy.clone(),
        }
    }

    /// The same for records. What the voice connector logs is told by `logs`: SIP messages and media
    /// metrics.
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
            proxy: self.proxy.clone(),
            log_sip_messages,
            log_media_metrics,
        }
    }
}
