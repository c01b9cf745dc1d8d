//! What a description says about the audio stream that is relayed.

use crate::crypto::CryptoAttribute;
use crate::direction::Direction;
use crate::dtls::{DtlsAttributes, DtlsTold};
use crate::error::SdpError;
use crate::extended_reports;
use crate::ice::IceAttributes;
use crate::lines::LineStream;
use crate::profile::RtpProfile;
use model::{Codec, CodecMapping, IpFamily, MediaType, XrWishes};
use sdp_types::{Attribute, Media, Session};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The stream that is relayed, as its sender describes it: audio over RTP or SRTP, or T.38 fax in
/// its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioStream {
    /// The `m=` line, counted from 0.
    pub index: usize,
    /// Where it wants RTP. `None` when the description gives no usable address: a hold, a host
    /// name, a multicast or broadcast address.
    pub remote_rtp: Option<SocketAddr>,
    /// Where it wants RTCP unless that is multiplexed on the RTP port: `a=rtcp` (RFC 3605), else
    /// the RTP port plus 1.
    pub remote_rtcp: Option<SocketAddr>,
    /// Its direction. A stream on hold by address is never one that receives.
    pub direction: Direction,
    /// `a=rtcp-mux` is present (RFC 5761).
    pub rtcp_mux: bool,
    /// Its formats in the order of preference of the `m=` line.
    pub codecs: Vec<CodecMapping>,
    /// The payload type of telephone-event (RFC 4733); with several, the one whose clock is that
    /// of the first other format.
    pub telephone_event: Option<u8>,
    /// The extended reports that it asks for: `a=rtcp-xr` (RFC 3611 section 5).
    pub xr: XrWishes,
    /// The family of its address; IPv4 for a host name without one.
    pub ip_family: IpFamily,
    /// It is on hold by address: 0.0.0.0 (RFC 3264 section 8.4), `::`, or a name in `.invalid`
    /// (RFC 6157 section 5.1).
    pub held: bool,
    /// Its transport protocol.
    pub profile: RtpProfile,
    /// Its `a=crypto` lines that can be taken, in their order. There is at least one in `RTP/SAVP`.
    pub crypto: Vec<CryptoAttribute>,
    /// Of a stream whose keys come from a handshake, `UDP/TLS/RTP/SAVP` or the like.
    pub dtls: Option<DtlsAttributes>,
    /// Of such a stream, when it can check its path by ICE.
    pub ice: Option<IceAttributes>,
    /// Why media must not be sent to its address at all, if so.
    unsuitable: Option<&'static str>,
}

/// An `m=` line.
pub(crate) struct MediaLine<'a> {
    /// Which one, counted from 0.
    pub(crate) index: usize,
    /// Its media, when it is read as a line beside the main one.
    pub(crate) further: Option<MediaType>,
    pub(crate) media: &'a str,
    pub(crate) port: u16,
    pub(crate) proto: &'a str,
    pub(crate) formats: &'a str,
}

impl AudioStream {
    /// Reads `m=` line `index`; `None` when it is not audio over RTP, is rejected, has no payload
    /// type, or is SRTP without keys or a fingerprint that can be taken.
    pub(crate) fn read(description: &Session, index: usize) -> Option<Self> {
        Self::read_as(description, index, None)
    }

    fn read_as(description: &Session, index: usize, further: Option<MediaType>) -> Option<Self> {
        let media = description.medias.get(index)?;
        let line = MediaLine {
            index,
            further,
            media: &media.media,
            port: media.port,
            proto: &media.proto,
            formats: &media.fmt,
        };
        line.relayed_profile()?;
        let mut told = Told::default();
        told.take_media(&media.attributes);
        told.take_session(&description.attributes);
        if line.relayed_profile().is_some_and(|profile| profile.may_have_handshake()) {
            told.dtls.take_level(&media.attributes);
            told.dtls.take_level(&description.attributes);
        }
        Self::of(&line, &told, || Address::read(description, media))
    }

    /// Reads `m=` line `index` as one beside the main one; `None` as for [`read`](AudioStream::read).
    pub(crate) fn read_further(description: &Session, index: usize) -> Option<LineStream> {
        let media = description.medias.get(index)?;
        let kind = MediaType::parse(&media.media)?;
        let stream = Self::read_as(description, index, Some(kind))?;
        Some(LineStream { media: kind, stream })
    }

    /// What an `m=` line, the attributes and an address say; `None` as for
    /// [`read`](AudioStream::read).
    pub(crate) fn of(
        line: &MediaLine<'_>,
        told: &Told<'_>,
        address: impl FnOnce() -> Address,
    ) -> Option<Self> {
        let profile = line.relayed_profile()?;
        // RTP/SAVP with a fingerprint and no key is how DTLS-SRTP was offered before RFC 5764
        // section 8 named a profile for it.
        let by_handshake =
            profile.is_dtls() || (profile.may_have_handshake() && told.crypto.is_empty());
        let (crypto, dtls, ice) = if by_handshake {
            (Vec::new(), Some(told.dtls.attributes()?), told.dtls.ice.attributes())
        } else {
            // Nothing protects fax: keys beside it are no keys.
            let crypto = if profile.is_rtp() { told.crypto.clone() } else { Vec::new() };
            (crypto, None, None)
        };
        let clock_rate = line.default_clock_rate();
        let codecs =
            if profile.is_rtp() { codecs(line.formats, told, clock_rate) } else { Vec::new() };
        let is_readable = !profile.is_rtp() || !codecs.is_empty();
        if !is_readable {
            return None;
        }
        let mut address = address();
        // With ICE an address that is yet to be found is written so (RFC 8840 section 4.1.1).
        address.held &= ice.is_none();
        let direction = told.direction.unwrap_or_default();
        let direction =
            if address.held { Direction::of(direction.sends(), false) } else { direction };
        let remote_rtp = address.usable.map(|ip| SocketAddr::new(ip, line.port));
        Some(AudioStream {
            index: line.index,
            remote_rtp,
            remote_rtcp: remote_rtcp(told.rtcp, remote_rtp),
            direction,
            rtcp_mux: told.rtcp_mux && profile.is_rtp(),
            telephone_event: telephone_event(&codecs),
            codecs,
            xr: line.wishes(told.xr.filter(|_| profile.is_rtp()).unwrap_or_default()),
            ip_family: address.family,
            held: address.held,
            profile,
            crypto,
            dtls,
            ice,
            unsuitable: address.unsuitable,
        })
    }

    /// Whether it comes with the means to encrypt it.
    pub fn has_keys(&self) -> bool {
        !self.crypto.is_empty() || self.dtls.is_some()
    }

    /// # Errors
    /// [`SdpError::UnsuitableAddress`] when its address is multicast or broadcast.
    pub(crate) fn check_address(&self) -> Result<(), SdpError> {
        self.unsuitable.map_or(Ok(()), |reason| Err(SdpError::UnsuitableAddress(reason)))
    }
}

/// Payload types of a format list. An RTP `m=` line has numbers from 0 to 127 only; anything else
/// in it is not a format.
pub(crate) fn payload_types(formats: &str) -> impl Iterator<Item = u8> + '_ {
    formats.split_ascii_whitespace().filter_map(|format| format.parse().ok().filter(|&p| p < 128))
}

/// The packet duration of an `a=ptime` or `a=maxptime` value. A value outside 0.1 ms to 1 s is no
/// packet duration: it is not believed and not passed on, because receivers compute buffer sizes
/// from it.
pub(crate) fn packet_duration(value: &str) -> Option<Duration> {
    let value = value.trim();
    if value.len() > 8 || !value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let milliseconds: f64 = value.parse().ok()?;
    (0.1..=1000.0).contains(&milliseconds).then(|| Duration::from_secs_f64(milliseconds / 1000.0))
}

/// The host of an `a=rtcp:port nettype addrtype address` value.
pub(crate) fn rtcp_host(value: &str) -> Option<&str> {
    value.split_ascii_whitespace().nth(3)
}

impl MediaLine<'_> {
    /// The profile of a stream that the relay can carry.
    fn relayed_profile(&self) -> Option<RtpProfile> {
        if self.port == 0 {
            return None;
        }
        let is = |text: &str, name: &str| text.eq_ignore_ascii_case(name);
        match self.further {
            Some(MediaType::Application) if is(self.proto, RtpProfile::Bfcp.name()) => {
                return Some(RtpProfile::Bfcp);
            }
            Some(_) => return RtpProfile::parse(self.proto),
            None => {}
        }
        let fax = is(self.proto, RtpProfile::Udptl.name())
            && self.formats.split_ascii_whitespace().any(|format| is(format, "t38"));
        if is(self.media, "image") {
            return fax.then_some(RtpProfile::Udptl);
        }
        RtpProfile::parse(self.proto).filter(|_| is(self.media, "audio"))
    }

    /// Of a payload type that nothing says the clock of, in Hz.
    fn default_clock_rate(&self) -> u32 {
        if self.further == Some(MediaType::Video) { 90_000 } else { 8_000 }
    }

    /// VoIP metrics are about speech.
    fn wishes(&self, told: XrWishes) -> XrWishes {
        let is_audio = self.further.is_none_or(|media| media == MediaType::Audio);
        XrWishes { voip_metrics: told.voip_metrics && is_audio, ..told }
    }
}

/// What the attributes say about a stream. Of each kind the first counts, and the media level
/// before the session level.
pub(crate) struct Told<'a> {
    /// `a=rtpmap`, by payload type.
    mapped: [Option<(Codec, u32)>; 128],
    packet_duration: Option<Duration>,
    longest_packet: Option<Duration>,
    pub(crate) direction: Option<Direction>,
    /// The value of `a=rtcp`.
    pub(crate) rtcp: Option<&'a str>,
    pub(crate) rtcp_mux: bool,
    /// What `a=rtcp-xr` asks for.
    pub(crate) xr: Option<XrWishes>,
    /// The lines of `a=crypto` that can be taken.
    pub(crate) crypto: Vec<CryptoAttribute>,
    /// Read only for streams that have it by their protocol.
    pub(crate) dtls: DtlsTold<'a>,
}

/// More lines of `a=crypto` than this are not read: there are not as many suites.
const MAX_CRYPTO: usize = 16;

impl Default for Told<'_> {
    fn default() -> Self {
        Told {
            mapped: [None; 128],
            packet_duration: None,
            longest_packet: None,
            direction: None,
            rtcp: None,
            rtcp_mux: false,
            xr: None,
            crypto: Vec::new(),
            dtls: DtlsTold::default(),
        }
    }
}

impl<'a> Told<'a> {
    /// Takes the attributes of the media level.
    pub(crate) fn take_media(&mut self, attributes: impl IntoIterator<Item = &'a Attribute>) {
        let mut rtcp = None;
        for attribute in attributes {
            let name = attribute.attribute.trim();
            match name.len() {
                4 if name.eq_ignore_ascii_case("rtcp") => {
                    rtcp.get_or_insert(attribute.value.as_deref());
                }
                8 if name.eq_ignore_ascii_case("rtcp-mux") => self.rtcp_mux = true,
                // Only at the media level (RFC 4568 section 4).
                6 if name.eq_ignore_ascii_case("crypto") && self.crypto.len() < MAX_CRYPTO => {
                    let line = CryptoAttribute::parse(attribute.value.as_deref().unwrap_or(""));
                    self.crypto.extend(line.ok().filter(|line| line.usable().is_ok()));
                }
                _ => self.take(name, attribute.value.as_deref()),
            }
        }
        self.rtcp = rtcp.flatten();
    }

    /// Takes the attributes of the session level; those of the media level came before.
    pub(crate) fn take_session(&mut self, attributes: impl IntoIterator<Item = &'a Attribute>) {
        for attribute in attributes {
            self.take(attribute.attribute.trim(), attribute.value.as_deref());
        }
    }

    /// Takes an attribute that means the same at both levels.
    fn take(&mut self, name: &str, value: Option<&str>) {
        match (name.len(), value) {
            (6, Some(value)) if name.eq_ignore_ascii_case("rtpmap") => {
                if let Some((payload_type, codec, clock_rate)) = rtpmap(value)
                    && let Some(slot) = self.mapped.get_mut(usize::from(payload_type))
                {
                    slot.get_or_insert((codec, clock_rate));
                }
            }
            (5, Some(value)) if name.eq_ignore_ascii_case("ptime") => {
                self.packet_duration = self.packet_duration.or_else(|| packet_duration(value));
            }
            (8, Some(value)) if name.eq_ignore_ascii_case("maxptime") => {
                self.longest_packet = self.longest_packet.or_else(|| packet_duration(value));
            }
            (7, _) if name.eq_ignore_ascii_case(extended_reports::NAME) => {
                self.xr.get_or_insert_with(|| extended_reports::wishes(value.unwrap_or_default()));
            }
            (8, _) if self.direction.is_none() => {
                self.direction = Direction::from_attribute(name);
            }
            _ => {}
        }
    }
}

/// The connection address of one media description.
pub(crate) struct Address {
    usable: Option<IpAddr>,
    family: IpFamily,
    held: bool,
    unsuitable: Option<&'static str>,
}

impl Address {
    fn read(description: &Session, media: &Media) -> Self {
        let connection = media.connections.first().or(description.connection.as_ref());
        let Some(connection) = connection else {
            return Address {
                usable: None,
                family: IpFamily::V4,
                held: false,
                unsuitable: Some("the audio stream has no c= line"),
            };
        };
        // The part after '/' is a multicast scope or count.
        let text = connection.connection_address.split('/').next().unwrap_or_default();
        match text.parse::<IpAddr>() {
            Ok(ip) => Self::of_ip(ip),
            Err(_) => Address {
                usable: None,
                family: if connection.addrtype == sdp_types::AddrType::Ip6 {
                    IpFamily::V6
                } else {
                    IpFamily::V4
                },
                held: ends_with_ignore_case(text.trim_end_matches('.'), ".invalid"),
                unsuitable: None,
            },
        }
    }

    pub(crate) fn of_ip(ip: IpAddr) -> Self {
        let held = ip.to_canonical().is_unspecified();
        let unsuitable = unsuitable(ip);
        Address {
            usable: (!held && unsuitable.is_none()).then_some(ip),
            family: if ip.is_ipv4() { IpFamily::V4 } else { IpFamily::V6 },
            held,
            unsuitable,
        }
    }
}

/// Why one RTP stream must not go to `ip`: it would reach many hosts.
fn unsuitable(ip: IpAddr) -> Option<&'static str> {
    let ip = ip.to_canonical();
    if ip.is_multicast() {
        Some("the audio stream has a multicast address")
    } else if ip == IpAddr::V4(Ipv4Addr::BROADCAST) {
        Some("the audio stream has the broadcast address")
    } else {
        None
    }
}

fn ends_with_ignore_case(text: &str, end: &str) -> bool {
    text.len()
        .checked_sub(end.len())
        .and_then(|at| text.get(at..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// RFC 3605 section 2.1; without `a=rtcp`, RFC 3550 section 11.
fn remote_rtcp(told: Option<&str>, rtp: Option<SocketAddr>) -> Option<SocketAddr> {
    let rtp = rtp?;
    let next_port = || Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?));
    let Some(value) = told else { return next_port() };
    let Some(port) = value.split_ascii_whitespace().next().and_then(|p| p.parse::<u16>().ok())
    else {
        return next_port();
    };
    let ip = match rtcp_host(value) {
        Some(host) => host.parse::<IpAddr>().ok()?,
        None => rtp.ip(),
    };
    let sendable = port != 0 && !ip.to_canonical().is_unspecified() && unsuitable(ip).is_none();
    sendable.then(|| SocketAddr::new(ip, port))
}

fn codecs(formats: &str, told: &Told<'_>, default_clock_rate: u32) -> Vec<CodecMapping> {
    let packet_duration = told.packet_duration.unwrap_or(Duration::from_millis(20));
    // RFC 8866 section 6.4: a receiver takes no longer ones, whatever it prefers.
    let packet_duration = packet_duration.min(told.longest_packet.unwrap_or(packet_duration));
    let mut seen = [false; 128];
    let mut codecs = Vec::with_capacity(formats.len().min(16));
    for payload_type in payload_types(formats) {
        let slot = usize::from(payload_type);
        if seen.get_mut(slot).is_none_or(|seen| std::mem::replace(seen, true)) {
            continue;
        }
        let (codec, clock_rate) = told
            .mapped
            .get(slot)
            .copied()
            .flatten()
            .unwrap_or_else(|| static_mapping(payload_type, default_clock_rate));
        codecs.push(CodecMapping { payload_type, codec, clock_rate, packet_duration });
    }
    codecs
}

/// `payload-type name/clock[/channels]` (RFC 8866 section 6.6). A clock rate of 0 or above
/// 384,000 Hz is not believed.
fn rtpmap(value: &str) -> Option<(u8, Codec, u32)> {
    let (payload_type, encoding) = value.trim().split_once(' ')?;
    let mut parts = encoding.trim().split('/');
    let name = parts.next()?;
    let clock_rate: u32 = parts.next()?.trim().parse().ok()?;
    let payload_type: u8 = payload_type.parse().ok()?;
    if payload_type > 127 || !(1..=384_000).contains(&clock_rate) {
        return None;
    }
    let codec = match Codec::from_encoding_name(name) {
        // Annexes are a matter of fmtp, but some devices write them into the name.
        Codec::Other if name.get(..4).is_some_and(|n| n.eq_ignore_ascii_case("G729")) => {
            Codec::G729
        }
        // Of several channels it is not what the name alone stands for.
        Codec::L16 if parts.next().is_some_and(|channels| channels.trim() != "1") => Codec::Other,
        codec => codec,
    };
    Some((payload_type, codec, clock_rate))
}

/// Payload types with a fixed meaning (RFC 3551 section 6), and what any other without `a=rtpmap`
/// counts with.
fn static_mapping(payload_type: u8, default_clock_rate: u32) -> (Codec, u32) {
    match payload_type {
        0 => (Codec::Pcmu, 8000),
        3 => (Codec::Gsm, 8000),
        8 => (Codec::Pcma, 8000),
        9 => (Codec::G722, 8000),
        // Of two channels it is another format.
        10 => (Codec::Other, 44_100),
        11 => (Codec::L16, 44_100),
        13 => (Codec::ComfortNoise, 8000),
        18 => (Codec::G729, 8000),
        6 => (Codec::Other, 16_000),
        31 => (Codec::H261, 90_000),
        34 => (Codec::H263, 90_000),
        14 | 25 | 26 | 28 | 32 | 33 => (Codec::Other, 90_000),
        16 => (Codec::Other, 11_025),
        17 => (Codec::Other, 22_050),
        _ => (Codec::Other, default_clock_rate),
    }
}

fn telephone_event(codecs: &[CodecMapping]) -> Option<u8> {
    let clock_rate = codecs
        .iter()
        .find(|c| !matches!(c.codec, Codec::TelephoneEvent | Codec::ComfortNoise))
        .map(|c| c.clock_rate);
    let mut events = codecs.iter().filter(|c| c.codec == Codec::TelephoneEvent);
    let first = events.clone().next();
    events.find(|c| Some(c.clock_rate) == clock_rate).or(first).map(|c| c.payload_type)
}
