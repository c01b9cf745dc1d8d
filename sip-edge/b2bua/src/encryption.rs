//! Which leg is encrypted, by whose wish, and what a peer hears that does not do it.

use directory::{Carrier, Route, Srtp, VoiceConnector};
use model::{CallDirection, EmergencyKind, Refusal, TransportProtocol};
use sdp::Encryption;
use sip_proto::{Composer, HeaderName};

/// The media of leg A: the carrier's wish for its own calls, and the voice connector's for the
/// customer's. A customer who is free to choose gets what the call offers.
pub(crate) fn of_caller(
    connector: &VoiceConnector,
    carrier: Option<&Carrier>,
    emergency: Option<EmergencyKind>,
) -> Encryption {
    match carrier {
        Some(carrier) => of(carrier.srtp),
        None if is_required(connector, emergency) => Encryption::Required,
        None => Encryption::Mirror,
    }
}

/// The media of leg B on a route, which is the carrier's or the customer's.
pub(crate) fn of_route(
    connector: &VoiceConnector,
    direction: CallDirection,
    route: &Route,
) -> Encryption {
    match direction {
        CallDirection::Inbound if connector.require_encryption && route.srtp != Srtp::Dtls => {
            Encryption::Required
        }
        CallDirection::Inbound | CallDirection::Outbound => of(route.srtp),
    }
}

/// What a peer's setting asks for.
pub(crate) fn of(srtp: Srtp) -> Encryption {
    match srtp {
        Srtp::Off => Encryption::Off,
        Srtp::Optional => Encryption::Optional,
        Srtp::Required => Encryption::Required,
        Srtp::Dtls => Encryption::Dtls,
    }
}

/// Whether a call of `connector` must be encrypted on the customer's side. One for help is let
/// through without, unless the emergency calling configuration says otherwise: an open call that is
/// answered is better than a safe one that is refused (RFC 6881 wants TLS, and no TLS rather than no
/// call).
pub(crate) fn is_required(connector: &VoiceConnector, emergency: Option<EmergencyKind>) -> bool {
    let excuses = || connector.emergency.as_ref().is_none_or(|rules| !rules.require_encryption);
    connector.require_encryption && !(emergency.is_some() && excuses())
}

/// Whether the customer of `connector` may send over `protocol`.
pub(crate) fn allows_signalling(connector: &VoiceConnector, protocol: TransportProtocol) -> bool {
    // A WebSocket leads to the rooms alone; whether it is under TLS is for its server to say.
    let is_secure = protocol == TransportProtocol::Tls || protocol.is_web_socket();
    !connector.require_encryption || is_secure
}

/// Writes what a peer that came without encryption is to change; nothing for other refusals.
pub(crate) fn explain(composer: &mut Composer, refusal: Refusal) {
    let text = match refusal {
        Refusal::PlainSignalling => "encryption is required: use TLS",
        Refusal::PlainMedia => {
            "encryption is required: offer SRTP (RTP/SAVP with a=crypto, or UDP/TLS/RTP/SAVP)"
        }
        _ => return,
    };
    let status = refusal.status();
    // RFC 3261 section 20.43: 399 is any warning to a person. RFC 3326 for machines.
    composer
        .header_args(HeaderName::Warning, format_args!("399 tandem \"{text}\""))
        .header_args(HeaderName::Reason, format_args!("SIP;cause={status};text=\"{text}\""));
}
