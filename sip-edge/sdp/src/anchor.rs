//! The description for one leg, made from the description that the other leg sent.

use crate::audio::{AudioStream, payload_types};
use crate::description::SessionDescription;
use crate::direction::Direction;
use crate::error::SdpError;
use crate::scrub::InnerHosts;
use model::LocalMedia;
use sdp_types::{Attribute, Connection, Media, Session};
use std::net::SocketAddr;

/// The identity of one leg's descriptions in their `o=` line (RFC 8866 section 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin {
    /// `sess-id`, the same for the life of the leg.
    pub session_id: u64,
    /// `sess-version`, one more at each description that differs from the one before
    /// (RFC 3264 section 8).
    pub version: u64,
}

/// An [`Origin`] and the description that it was last used for. A caller that withdraws an offer
/// (it was rejected) may put back a clone taken before.
#[derive(Clone, Debug)]
pub struct OriginState {
    origin: Origin,
    last: Option<Vec<u8>>,
}

impl OriginState {
    /// For a new leg; `session_id` is drawn at random. Versions begin at 1.
    pub const fn new(session_id: u64) -> Self {
        OriginState { origin: Origin { session_id, version: 1 }, last: None }
    }

    /// What the `o=` line of the last description says, or of the first one will say.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The last description that was written for this leg, if any.
    pub fn last(&self) -> Option<&[u8]> {
        self.last.as_deref()
    }

    /// Writes `description` under this identity.
    fn stamp(&mut self, mut description: Session) -> Vec<u8> {
        description.origin.sess_version = self.origin.version;
        let mut body = SessionDescription { inner: description.clone() }.write();
        if self.last.as_ref().is_some_and(|last| *last != body) {
            self.origin.version = self.origin.version.wrapping_add(1);
            description.origin.sess_version = self.origin.version;
            body = SessionDescription { inner: description }.write();
        }
        self.last = Some(body.clone());
        body
    }
}

/// What the written description is.
#[derive(Clone, Copy, Debug)]
pub enum Role<'a> {
    /// A new offer: it gets one `m=` line for each of the received description.
    Offer,
    /// The answer to an offer.
    Answer {
        /// The offer that the target leg sent: the answer gets one `m=` line for each of its.
        to: &'a SessionDescription,
    },
}

/// What an operator may choose about written descriptions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnchorOptions {
    /// The `s=` line; "-" has no meaning, as RFC 8866 section 5.3 recommends.
    pub session_name: String,
}

impl Default for AnchorOptions {
    fn default() -> Self {
        AnchorOptions { session_name: "-".to_owned() }
    }
}

/// Writes towards one leg what was received from the other, with the audio stream at `local`.
///
/// Formats, their parameters, packet durations, bandwidths and attributes that are not known pass
/// in their order. Origin, addresses and ports are ours. Attributes that concern the other leg's
/// transport, keys or software, or that hold an address or one of its host names, are left out.
/// `m=` lines other than the audio stream are declined with port 0. The direction passes, so that
/// hold and resume reach the far end; an answer's direction is narrowed to what its offer allows
/// (RFC 3264 section 6.1), and a hold by the address 0.0.0.0 becomes one by direction.
///
/// An answer that declines the audio stream is passed on as such; a caller sees it in
/// [`SessionDescription::audio`] being `None`.
///
/// # Errors
/// [`SdpError::NoAudio`] for an offer without a stream to relay; [`SdpError::UnsuitableAddress`]
/// for a multicast, broadcast or missing address. `origin` is not changed then.
pub fn anchor(
    received: &SessionDescription,
    local: &LocalMedia,
    origin: &mut OriginState,
    role: Role<'_>,
    options: &AnchorOptions,
) -> Result<Vec<u8>, SdpError> {
    let hosts = InnerHosts::of(&received.inner);
    let (medias, times) = match role {
        Role::Offer => (offered_media(received, local, &hosts)?, &received.inner.times),
        // RFC 3264 section 6: the answer repeats the offer's t= line.
        Role::Answer { to } => (answered_media(received, to, local, &hosts)?, &to.inner.times),
    };
    let ip = local.rtp.ip();
    let session_id = origin.origin.session_id;
    Ok(origin.stamp(Session {
        origin: sdp_types::Origin::with_ip_addr(session_id, 0, ip),
        session_name: options.session_name.clone(),
        session_description: None,
        uri: None,
        emails: Vec::new(),
        phones: Vec::new(),
        connection: Some(Connection::from_ip_addr(ip)),
        bandwidths: hosts.passable_bandwidths(&received.inner.bandwidths),
        times: times.clone(),
        time_zones: Vec::new(),
        key: None,
        attributes: hosts.passable(&received.inner.attributes).cloned().collect(),
        medias,
    }))
}

fn offered_media(
    received: &SessionDescription,
    local: &LocalMedia,
    hosts: &InnerHosts,
) -> Result<Vec<Media>, SdpError> {
    let audio = received.audio().ok_or(SdpError::NoAudio)?;
    audio.check_address()?;
    let transport = Transport {
        local,
        direction: audio.direction,
        rtcp_mux: audio.rtcp_mux,
        // The fallback if the answerer does not multiplex (RFC 5761 section 5.1.1).
        rtcp_port: true,
    };
    Ok(received
        .inner
        .medias
        .iter()
        .enumerate()
        .map(|(index, media)| {
            if index == audio.index {
                relayed(media, &media.proto, &transport, hosts)
            } else {
                declined(media)
            }
        })
        .collect())
}

fn answered_media(
    received: &SessionDescription,
    to: &SessionDescription,
    local: &LocalMedia,
    hosts: &InnerHosts,
) -> Result<Vec<Media>, SdpError> {
    let pair = match to.audio() {
        Some(offered) => answering_stream(received, offered.index).map(|answer| (offered, answer)),
        None => None,
    };
    if let Some((_, answer)) = &pair {
        answer.check_address()?;
    }
    let answer_to = |index: usize, offer: &Media| {
        let (offered, answer) = pair.as_ref().filter(|(offered, _)| offered.index == index)?;
        let media = received.inner.medias.get(answer.index)?;
        let transport = Transport {
            local,
            direction: Direction::answer(offered.direction, answer.direction),
            // Each leg multiplexes or not by itself: the relay can do either.
            rtcp_mux: offered.rtcp_mux,
            rtcp_port: !offered.rtcp_mux,
        };
        // RFC 3264 section 6: the transport protocol of the answer is that of the offer.
        Some(relayed(media, &offer.proto, &transport, hosts))
    };
    Ok(to
        .inner
        .medias
        .iter()
        .enumerate()
        .map(|(index, offer)| answer_to(index, offer).unwrap_or_else(|| declined(offer)))
        .collect())
}

/// The stream that answers `m=` line `index`. An answerer that lost or reordered lines is
/// understood as long as it has audio at all.
fn answering_stream(received: &SessionDescription, index: usize) -> Option<AudioStream> {
    received.audio_at(index).or_else(|| match received.inner.medias.get(index) {
        Some(line) if line.media.eq_ignore_ascii_case("audio") => None,
        _ => received.audio(),
    })
}

/// What of an `m=` section is ours to say.
struct Transport<'a> {
    local: &'a LocalMedia,
    direction: Direction,
    rtcp_mux: bool,
    /// Say where RTCP goes if that is not the port after RTP's.
    rtcp_port: bool,
}

fn relayed(media: &Media, proto: &str, transport: &Transport<'_>, hosts: &InnerHosts) -> Media {
    let formats: Vec<String> = payload_types(&media.fmt).map(|p| p.to_string()).collect();
    let mut attributes: Vec<Attribute> = hosts.passable(&media.attributes).cloned().collect();
    let local = transport.local;
    let default_rtcp = local.rtp.port().checked_add(1).map(|p| SocketAddr::new(local.rtp.ip(), p));
    if transport.rtcp_port && default_rtcp != Some(local.rtcp) {
        attributes.push(Attribute::with_value("rtcp", rtcp_value(local)));
    }
    if transport.rtcp_mux {
        attributes.push(Attribute::new("rtcp-mux"));
    }
    attributes.push(Attribute::new(transport.direction.as_str()));
    Media {
        media: media.media.clone(),
        port: local.rtp.port(),
        num_ports: None,
        proto: proto.to_owned(),
        fmt: formats.join(" "),
        media_title: None,
        connections: Vec::new(),
        bandwidths: hosts.passable_bandwidths(&media.bandwidths),
        key: None,
        attributes,
    }
}

/// The value of `a=rtcp` (RFC 3605 section 2.1).
fn rtcp_value(local: &LocalMedia) -> String {
    let (port, ip) = (local.rtcp.port(), local.rtcp.ip());
    if ip == local.rtp.ip() {
        return port.to_string();
    }
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    format!("{port} IN {family} {ip}")
}

/// RFC 3264 section 6: the same media type, protocol and formats, with port 0.
fn declined(media: &Media) -> Media {
    Media {
        media: media.media.clone(),
        port: 0,
        num_ports: None,
        proto: media.proto.clone(),
        fmt: media.fmt.trim().to_owned(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}
