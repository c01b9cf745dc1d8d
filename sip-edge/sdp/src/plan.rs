//! One leg's forwarding plan, from what it sent to us and what we sent to it.

use crate::audio::AudioStream;
use crate::direction::Direction;
use crate::ice::ice_plan;
use crate::leg_crypto::leg_security;
use model::{Codec, CodecMapping, LegPlan};
use std::net::{IpAddr, SocketAddr};

/// The plan of a leg.
///
/// `received` is the stream of the leg's latest description, `sent` that of the latest one that we
/// sent to it (each `None` while there is none, or its audio is declined), `signalling_source`
/// where its signalling comes from when that says something about its media, `previous` the plan
/// in force. Without any description nothing passes.
///
/// Before the leg's first description only our offer counts, so that early media may arrive, unless
/// it offers keys: what comes then can be read only with the answer's. The
/// learning window is to open again when the leg names another address, and as long as it names
/// none that can be used without being on hold.
pub fn media_plan_leg(
    received: Option<&AudioStream>,
    sent: Option<&AudioStream>,
    signalling_source: Option<IpAddr>,
    previous: Option<&LegPlan>,
) -> LegPlan {
    let rtcp_mux = matches!((received, sent), (Some(r), Some(s)) if r.rtcp_mux && s.rtcp_mux);
    let remote_rtp = received.and_then(|r| r.remote_rtp);
    // Without rtcp-mux RTCP has an association and keys of its own (RFC 5764 section 4.1.2), which
    // we do not make.
    let by_handshake = received.is_some_and(|r| r.dtls.is_some());
    let remote_rtcp = match rtcp_mux {
        true => remote_rtp,
        false => received.filter(|_| !by_handshake).and_then(|r| r.remote_rtcp),
    };
    // From the leg's point of view.
    let direction = match (received, sent) {
        (Some(r), Some(s)) => r.direction.intersect(s.direction.reversed()),
        (Some(r), None) => r.direction,
        (None, Some(s)) => s.direction.reversed(),
        (None, None) => Direction::Inactive,
    };
    // Keys that are not agreed, or not yet, stop the stream: it must not pass as what it is not.
    let security = leg_security(received, sent);
    let direction = if security.is_some() { direction } else { Direction::Inactive };
    let codecs = agreed(received, sent);
    let telephone_event = agreed_events(received, sent, &codecs);
    LegPlan {
        remote_rtp,
        remote_rtcp,
        signalling_source,
        rtcp_mux,
        accepts_from: direction.sends(),
        sends_to: direction.receives(),
        relearn: received.is_some_and(|r| relearn(r, remote_rtcp, rtcp_mux, previous)),
        codecs,
        telephone_event,
        xr: received.map(|r| r.xr).unwrap_or_default(),
        security: security.unwrap_or_default(),
        ice: ice_plan(received, sent),
    }
}

fn relearn(
    received: &AudioStream,
    remote_rtcp: Option<SocketAddr>,
    rtcp_mux: bool,
    previous: Option<&LegPlan>,
) -> bool {
    let Some(previous) = previous else { return true };
    match received.remote_rtp {
        Some(remote) => {
            previous.remote_rtp != Some(remote)
                || previous.remote_rtcp != remote_rtcp
                || previous.rtcp_mux != rtcp_mux
        }
        None => !received.held,
    }
}

/// Formats in both descriptions, in the leg's order. The leg may number one differently from us
/// (RFC 3264 section 5.1 lets it): then both numbers are listed.
fn agreed(received: Option<&AudioStream>, sent: Option<&AudioStream>) -> Vec<CodecMapping> {
    let (received, sent) = match (received, sent) {
        (Some(received), Some(sent)) => (received, sent),
        (Some(only), None) | (None, Some(only)) => return only.codecs.clone(),
        (None, None) => return Vec::new(),
    };
    let mut codecs: Vec<CodecMapping> = Vec::new();
    for mapping in &received.codecs {
        for ours in sent.codecs.iter().filter(|ours| same_format(mapping, ours)) {
            for found in [mapping, ours] {
                if codecs.iter().all(|c| c.payload_type != found.payload_type) {
                    codecs.push(found.clone());
                }
            }
        }
    }
    if codecs.is_empty() { received.codecs.clone() } else { codecs }
}

fn same_format(a: &CodecMapping, b: &CodecMapping) -> bool {
    a.codec == b.codec
        && a.clock_rate == b.clock_rate
        // Formats without a name of their own are told apart by number only.
        && (a.codec != Codec::Other || a.payload_type == b.payload_type)
}

fn agreed_events(
    received: Option<&AudioStream>,
    sent: Option<&AudioStream>,
    codecs: &[CodecMapping],
) -> Option<u8> {
    let told = match (received, sent) {
        (Some(r), Some(s)) => r.telephone_event.filter(|_| s.telephone_event.is_some()),
        (Some(only), None) | (None, Some(only)) => only.telephone_event,
        (None, None) => None,
    }?;
    codecs.iter().any(|c| c.payload_type == told).then_some(told)
}
