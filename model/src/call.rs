//! What the call logic tells the recorders.

use crate::{
    CarrierId, CopyNews, Flow, HealthEvent, Instant, ListenFailure, MediaId, ProxiedCall, Refusal,
    RegistrationEvent, TransactionId, TransportProtocol, VoiceConnectorId,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;

/// The two sides of a call object: leg A called us, leg B is called by us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum LegSide {
    /// The side that called.
    A,
    /// The side that we call.
    B,
}

impl LegSide {
    /// Both legs, A first.
    pub const BOTH: [LegSide; 2] = [LegSide::A, LegSide::B];

    /// 0 for leg A, 1 for leg B: the position in every pair.
    pub const fn index(self) -> usize {
        match self {
            LegSide::A => 0,
            LegSide::B => 1,
        }
    }

    /// The opposite leg.
    pub const fn other(self) -> LegSide {
        match self {
            LegSide::A => LegSide::B,
            LegSide::B => LegSide::A,
        }
    }
}

/// Which way a call goes through Tandem.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum CallDirection {
    /// Customer to carrier (AWS: termination).
    Outbound,
    /// Carrier to customer (AWS: origination).
    Inbound,
}

/// The two sides of the world: the voice connector's customer and the carriers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Side {
    /// The PBX.
    Customer,
    /// The carrier.
    Remote,
}

impl CallDirection {
    /// The name in records, as AWS writes it.
    pub const fn name(self) -> &'static str {
        match self {
            CallDirection::Outbound => "Outbound",
            CallDirection::Inbound => "Inbound",
        }
    }

    /// Which leg is on which side: an outbound call's leg A is the customer.
    pub const fn side_of(self, leg: LegSide) -> Side {
        match (self, leg) {
            (CallDirection::Outbound, LegSide::A) | (CallDirection::Inbound, LegSide::B) => {
                Side::Customer
            }
            (CallDirection::Outbound, LegSide::B) | (CallDirection::Inbound, LegSide::A) => {
                Side::Remote
            }
        }
    }
}

/// Who is in a call and under which contract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallParties {
    /// Which way it goes.
    pub direction: CallDirection,
    /// The voice connector that it is counted for.
    pub voice_connector: VoiceConnectorId,
    /// User part of leg A's From.
    pub from_user: Arc<str>,
    /// Country of the caller's number, ISO 3166-1 alpha-2; empty when unknown.
    pub from_country: &'static str,
    /// User part of the called address.
    pub to_user: Arc<str>,
    /// Country of the called number, ISO 3166-1 alpha-2; empty when unknown.
    pub to_country: &'static str,
    /// Call-ID on leg A.
    pub call_id: Arc<str>,
    /// The carrier that an inbound call came from; `None` for outbound calls.
    pub carrier: Option<CarrierId>,
    /// Whether it is an emergency call; `to_user` is then the emergency router's number.
    pub emergency: Option<EmergencyKind>,
    /// Where leg A's INVITE came from.
    pub source: SocketAddr,
    /// The user whose credentials admitted the call; `None` when none were asked for.
    pub sip_auth_user: Option<Arc<str>>,
    /// What masks it; `None` of all but calls of proxy phone sessions.
    pub proxy: Option<ProxiedCall>,
    /// Write every SIP message of the call into the SIP message log.
    pub log_sip_messages: bool,
    /// Write the media quality log.
    pub log_media_metrics: bool,
}

/// What kind of emergency call it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum EmergencyKind {
    /// Somebody may be in distress.
    Emergency,
    /// A test of the route.
    Test,
}

impl EmergencyKind {
    /// The word in records.
    pub const fn name(self) -> &'static str {
        match self {
            EmergencyKind::Emergency => "emergency",
            EmergencyKind::Test => "test",
        }
    }

    /// What a service URN asks for: `urn:service:sos` and its sub-services (RFC 5031 section 4.2), or
    /// a test of one, `urn:service:test.sos` (RFC 6881 section 15). In any case; `None` for every
    /// other text.
    pub fn of_service_urn(uri: &str) -> Option<Self> {
        const PREFIX: &str = "urn:service:";
        let (prefix, service) = uri.split_at_checked(PREFIX.len())?;
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if !prefix.eq_ignore_ascii_case(PREFIX) || !service.split('.').all(is_label) {
            return None;
        }
        let mut labels = service.split('.');
        let top = labels.next()?;
        if top.eq_ignore_ascii_case("sos") {
            return Some(EmergencyKind::Emergency);
        }
        let is_test = top.eq_ignore_ascii_case("test")
            && labels.next().is_some_and(|label| label.eq_ignore_ascii_case("sos"));
        is_test.then_some(EmergencyKind::Test)
    }
}

/// Something that happened to a call, for records, logs and metrics.
#[derive(Clone, Debug)]
pub struct CallEvent {
    /// The call.
    pub transaction_id: TransactionId,
    /// When.
    pub at: Instant,
    /// What.
    pub kind: CallEventKind,
}

/// The life of a call as the recorders see it: `Attempted` once, then any of the middle ones, then
/// `Ended` once.
#[derive(Clone, Debug)]
pub enum CallEventKind {
    /// A call passed the policing.
    Attempted {
        /// Who and under which contract.
        parties: Arc<CallParties>,
    },
    /// The call counts for another voice connector of its group from now on.
    Moved {
        /// Who and under which contract now.
        parties: Arc<CallParties>,
    },
    /// An INVITE was sent to a route.
    Routed {
        /// The carrier, for outbound calls.
        carrier: Option<CarrierId>,
        /// Where to.
        destination: SocketAddr,
        /// Over what.
        protocol: TransportProtocol,
        /// 1 for the first route of the hunt.
        attempt: u32,
    },
    /// The relay reserved media for the call.
    MediaAllocated {
        /// The stream.
        media: MediaId,
    },
    /// Leg B alerts (18x).
    Ringing,
    /// Leg B answered (2xx).
    Answered,
    /// The carrier's Identity header was looked at (RFC 8224).
    CallerVerified(CallerVerification),
    /// The call was signed towards a carrier (RFC 8224).
    CallerSigned {
        /// `A`, `B` or `C` (RFC 8588).
        attestation: &'static str,
    },
    /// The rule would have refused an emergency call, and was set aside for it.
    Excused(Refusal),
    /// The call is the copy of another one, from a recording client (RFC 7866). Said at the answer, and
    /// when the client has described it anew.
    Recorded(RecordedCall),
    /// News of the copy that somebody else's recorder gets (RFC 7866).
    Copied(CopyNews),
    /// A leg has sent audio since the answer, and nothing was ever heard in it but silence.
    Unheard {
        /// Whom the other one does not hear.
        leg: LegSide,
    },
    /// Its audio goes to listeners (streaming), for the first time.
    ListenedTo,
    /// Nobody listens to it, though somebody is to.
    NotListenedTo(ListenFailure),
    /// What its application has ordered to be recorded is not, or not to its end; why, in words.
    NotRecorded(Arc<str>),
    /// It takes part in a meeting. Said again whenever it enters it, and once that is recorded.
    Met {
        /// The meeting's id, a UUID as text.
        meeting: Arc<str>,
        /// The meeting is recorded while the call is in it.
        is_recorded: bool,
    },
    /// An application steers it: the last one has failed, with its id and the reason in words, and the call
    /// ends or goes to the next one; `None` when one takes it.
    ApplicationFailed(Option<Arc<str>>),
    /// One of its legs went over to another call, and this one ends (RFC 5589, RFC 3891).
    Transferred {
        /// The call that goes on with the leg.
        to: TransactionId,
    },
    /// It goes on with a leg of another call.
    TookOver {
        /// The call that the leg came from.
        from: TransactionId,
    },
    /// An application steers it from now on; said again of the next one of its rule.
    Steered {
        /// Its id.
        application: Arc<str>,
    },
    /// The call is over.
    Ended(CallEnd),
}

/// What a recording client (RFC 7866) sends of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedCall {
    /// Lines of audio that are taken.
    pub lines: u8,
    /// Lines that the client offered in vain.
    pub declined: u8,
    /// Its metadata (RFC 7865).
    pub metadata: RecordedMetadata,
    /// A label of the metadata that no line has: who speaks there is not known.
    pub unknown_label: Option<Arc<str>>,
}

/// What became of a recording client's metadata.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RecordedMetadata {
    /// There is none, or no new one.
    Missing,
    /// It is read, and shown to listeners as it came.
    Read,
    /// It is not, why in a word, and it is shown to nobody.
    Unreadable(&'static str),
}

/// What the Identity header of an inbound call proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallerVerification {
    /// The signature is right.
    Passed {
        /// `A`, `B` or `C` (RFC 8588); empty when the signer says nothing of that.
        attestation: &'static str,
    },
    /// It proves nothing; why, in a word.
    Failed(&'static str),
    /// There is none.
    Missing,
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallEnd {
    /// The final status of leg A's INVITE.
    pub status: u16,
    /// In words, for the record: what ended the call.
    pub cause: &'static str,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// The policy that refused it, if one did.
    pub refusal: Option<Refusal>,
}

/// Who ended a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EndedBy {
    /// The side that called.
    LegA,
    /// The side that was called.
    LegB,
    /// Tandem: a timer, a policy or a drain.
    Edge,
}

/// A SIP message or a refusal, for counters and logs.
#[derive(Clone, Debug)]
pub enum SipObservation {
    /// A message passed the wire.
    Message(SipMessageEvent),
    /// A request was refused before it became a call.
    Refused(RefusalEvent),
    /// A call would have been refused if its voice connector did not run dry; it goes on.
    WouldRefuse(RefusalEvent),
    /// News about the health of a peer.
    Health(HealthEvent),
    /// A carrier asked us for credentials and did not get, or did not take, what it wants.
    CarrierCredential(CarrierCredentialEvent),
    /// News of our registration at a carrier.
    Registration(RegistrationEvent),
}

/// A carrier asked for credentials in vain.
#[derive(Clone, Debug)]
pub struct CarrierCredentialEvent {
    /// The carrier.
    pub carrier: CarrierId,
    /// When.
    pub at: Instant,
    /// Who asked.
    pub source: SocketAddr,
    /// Why it was in vain.
    pub problem: CredentialProblem,
}

/// Why a challenge was not answered, or answered in vain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CredentialProblem {
    /// The carrier has no credentials.
    Missing,
    /// The carrier does not take them.
    Refused,
    /// The challenge is for another realm than the one that is set.
    OtherRealm,
    /// The challenge comes from somewhere else than the carrier; answering would give a stranger
    /// something to guess the password from.
    Stranger,
    /// The challenge asks for a scheme or an algorithm that is not served.
    Unsupported,
    /// The carrier asks again and again.
    TooOften,
}

impl CredentialProblem {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            CredentialProblem::Missing => "missing",
            CredentialProblem::Refused => "refused",
            CredentialProblem::OtherRealm => "other_realm",
            CredentialProblem::Stranger => "stranger",
            CredentialProblem::Unsupported => "unsupported",
            CredentialProblem::TooOften => "too_often",
        }
    }

    /// What to do about it, naming keys of `[[carrier]]`.
    pub const fn advice(self) -> &'static str {
        match self {
            CredentialProblem::Missing => "give the carrier its username and password",
            CredentialProblem::Refused => "correct the carrier's username and password",
            CredentialProblem::OtherRealm => "correct the carrier's realm, or leave it out",
            CredentialProblem::Stranger => {
                "if the sender belongs to the carrier, add it to the carrier's inbound_cidrs"
            }
            CredentialProblem::Unsupported => {
                "ask the carrier for Digest with MD5, SHA-256 or SHA-512-256"
            }
            CredentialProblem::TooOften => "ask the carrier why its nonces do not last one request",
        }
    }
}

/// One SIP message on the wire.
#[derive(Clone, Debug)]
pub struct SipMessageEvent {
    /// The call, if it belongs to one.
    pub transaction_id: Option<TransactionId>,
    /// The voice connector, if known.
    pub voice_connector: Option<VoiceConnectorId>,
    /// Which leg it passed on.
    pub leg: Option<LegSide>,
    /// When.
    pub at: Instant,
    /// To us or from us.
    pub direction: MessageDirection,
    /// The path.
    pub flow: Flow,
    /// Status of a response; `None` for requests.
    pub status: Option<u16>,
    /// The whole message, credentials not yet masked; `None` unless somebody wants it: the voice
    /// connector's log, a collector of copies, or the call's record, which keeps a description in
    /// short and why a call was ended or refused.
    pub message: Option<Bytes>,
    /// The voice connector logs SIP messages.
    pub is_logged: bool,
    /// Start line, for the ladder.
    pub start_line: Bytes,
}

/// Which way a message passed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum MessageDirection {
    /// To us.
    Received,
    /// From us.
    Sent,
}

/// A request that policy refused.
#[derive(Clone, Debug)]
pub struct RefusalEvent {
    /// Why.
    pub refusal: Refusal,
    /// When.
    pub at: Instant,
    /// Where it came from.
    pub source: SocketAddr,
    /// The voice connector that it named, if any.
    pub voice_connector: Option<VoiceConnectorId>,
    /// The start line, cut to 200 characters.
    pub start_line: Bytes,
}

#[cfg(test)]
mod tests {
    use super::EmergencyKind::{self, Emergency, Test};

    #[test]
    fn service_urns_of_rfc_5031_and_tests_of_rfc_6881() {
        for (uri, kind) in [
            ("urn:service:sos", Some(Emergency)),
            ("URN:Service:SOS", Some(Emergency)),
            ("urn:service:sos.fire", Some(Emergency)),
            ("urn:service:sos.animal-control", Some(Emergency)),
            ("urn:service:test.sos", Some(Test)),
            ("urn:service:test.sos.fire", Some(Test)),
            ("urn:service:test", None),
            ("urn:service:test.counseling", None),
            ("urn:service:counseling", None),
            ("urn:service:sosa", None),
            ("urn:service:sos.", None),
            ("urn:service:", None),
            ("urn:service:sos;x", None),
            ("sip:sos@example.com", None),
            ("ürn:service:sos", None),
            ("", None),
        ] {
            assert_eq!(EmergencyKind::of_service_urn(uri), kind, "{uri}");
        }
    }
}
