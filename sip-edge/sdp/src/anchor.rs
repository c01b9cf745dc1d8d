//! The description for one leg, made from the description that the other leg sent.

use crate::audio::{AudioStream, payload_types};
use crate::description::SessionDescription;
use crate::direction::Direction;
use crate::error::SdpError;
use crate::scrub::InnerHosts;
use crate::write::{Written, WrittenMedia, WrittenTransport};
use model::LocalMedia;
use sdp_types::Media;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

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
    last: Option<Arc<[u8]>>,
    last_audio: Option<AudioStream>,
}

impl OriginState {
    /// For a new leg; `session_id` is drawn at random. Versions begin at 1.
    pub const fn new(session_id: u64) -> Self {
        OriginState { origin: Origin { session_id, version: 1 }, last: None, last_audio: None }
    }

    /// What the `o=` line of the last description says, or of the first one will say.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The last description that was written for this leg, if any.
    pub fn last(&self) -> Option<&[u8]> {
        self.last.as_deref()
    }

    /// The audio stream of the last description that was written for this leg.
    pub const fn last_audio(&self) -> Option<&AudioStream> {
        self.last_audio.as_ref()
    }

    /// Writes `description` under this identity.
    fn stamp(&mut self, description: &Written<'_>) -> Vec<u8> {
        let mut body = description.to_bytes(self.origin.version);
        if let Some(last) = &self.last {
            if **last == *body {
                return body;
            }
            self.origin.version = self.origin.version.wrapping_add(1);
            body = description.to_bytes(self.origin.version);
        }
        self.last = Some(body.as_slice().into());
        self.last_audio = description.audio();
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
    let session_id = origin.origin.session_id;
    Ok(origin.stamp(&Written {
        session_id,
        ip: local.rtp.ip(),
        session_name: &options.session_name,
        bandwidths: hosts.passable_bandwidths(&received.inner.bandwidths),
        times,
        attributes: hosts.passable(&received.inner.attributes),
        medias,
    }))
}

fn offered_media<'a>(
    received: &'a SessionDescription,
    local: &LocalMedia,
    hosts: &InnerHosts,
) -> Result<Vec<WrittenMedia<'a>>, SdpError> {
    let audio = received.audio_ref().ok_or(SdpError::NoAudio)?;
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

fn answered_media<'a>(
    received: &'a SessionDescription,
    to: &'a SessionDescription,
    local: &LocalMedia,
    hosts: &InnerHosts,
) -> Result<Vec<WrittenMedia<'a>>, SdpError> {
    let pair = match to.audio_ref() {
        Some(offered) => answering_stream(received, offered.index).map(|answer| (offered, answer)),
        None => None,
    };
    if let Some((_, answer)) = &pair {
        answer.check_address()?;
    }
    let answer_to = |index: usize, offer: &'a Media| {
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
fn answering_stream(received: &SessionDescription, index: usize) -> Option<Cow<'_, AudioStream>> {
    if let Some(audio) = received.audio_ref()
        && audio.index == index
    {
        return Some(Cow::Borrowed(audio));
    }
    received.audio_at(index).map(Cow::Owned).or_else(|| match received.inner.medias.get(index) {
        Some(line) if line.media.eq_ignore_ascii_case("audio") => None,
        _ => received.audio_ref().map(Cow::Borrowed),
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

fn relayed<'a>(
    media: &'a Media,
    proto: &'a str,
    transport: &Transport<'_>,
    hosts: &InnerHosts,
) -> WrittenMedia<'a> {
    let mut formats = String::with_capacity(media.fmt.len());
    for payload_type in payload_types(&media.fmt) {
        if !formats.is_empty() {
            formats.push(' ');
        }
        // Writing into a String cannot fail.
        let _ = write!(formats, "{payload_type}");
    }
    let local = transport.local;
    let default_rtcp = local.rtp.port().checked_add(1).map(|p| SocketAddr::new(local.rtp.ip(), p));
    let says_rtcp = transport.rtcp_port && default_rtcp != Some(local.rtcp);
    WrittenMedia {
        media: &media.media,
        port: local.rtp.port(),
        proto,
        formats,
        bandwidths: hosts.passable_bandwidths(&media.bandwidths),
        attributes: hosts.passable(&media.attributes),
        transport: Some(WrittenTransport {
            rtcp: says_rtcp.then(|| rtcp_value(local)),
            rtcp_mux: transport.rtcp_mux,
            direction: transport.direction,
        }),
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
fn declined(media: &Media) -> WrittenMedia<'_> {
    WrittenMedia {
        media: &media.media,
        port: 0,
        proto: &media.proto,
        formats: media.fmt.trim().to_owned(),
        bandwidths: Vec::new(),
        attributes: Vec::new(),
        transport: None,
    }
}
