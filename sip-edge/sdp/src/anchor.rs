//! The description for one leg, made from the description that the other leg sent.

use crate::audio::{AudioStream, payload_types};
use crate::crypto::CryptoAttribute;
use crate::description::SessionDescription;
use crate::direction::Direction;
use crate::dtls::Setup;
use crate::error::SdpError;
use crate::extended_reports;
use crate::leg_crypto::{LegCrypto, Protection};
use crate::profile::Encryption;
use crate::scrub::InnerHosts;
use crate::write::{Written, WrittenMedia, WrittenTransport};
use model::{Fingerprint, LegPlan, LegSecurity, LocalMedia, XrWishes};
use sdp_types::{Attribute, Media};
use std::borrow::Cow;
use std::fmt;
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

/// What we last described to one leg: an [`Origin`], the description that it was last used for, and
/// our keys. A caller that withdraws an offer (it was rejected) may put back a clone taken before.
#[derive(Clone)]
pub struct OriginState {
    origin: Origin,
    crypto: LegCrypto,
    last: Option<Arc<[u8]>>,
    last_audio: Option<AudioStream>,
    /// The last that was RTP: fax in between says nothing of how audio is protected.
    last_rtp: Option<AudioStream>,
}

impl fmt::Debug for OriginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last description holds our keys.
        f.debug_struct("OriginState").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl OriginState {
    /// For a new leg without encryption; `session_id` is drawn at random. Versions begin at 1.
    pub const fn new(session_id: u64) -> Self {
        OriginState {
            origin: Origin { session_id, version: 1 },
            crypto: LegCrypto::new(Encryption::Off, None),
            last: None,
            last_audio: None,
            last_rtp: None,
        }
    }

    /// Legs may agree keys by DTLS from now on, with the certificate of this fingerprint.
    #[must_use]
    pub fn with_fingerprint(mut self, fingerprint: Option<Fingerprint>) -> Self {
        self.crypto = LegCrypto::new(self.crypto.encryption, fingerprint);
        self
    }

    /// Whether it has one.
    pub const fn has_fingerprint(&self) -> bool {
        self.crypto.fingerprint().is_some()
    }

    /// Begins anew for another peer under `encryption`: the keys that the one before was told are
    /// forgotten.
    pub fn start_leg(&mut self, encryption: Encryption) {
        self.crypto = LegCrypto::new(encryption, self.crypto.fingerprint());
        (self.last_audio, self.last_rtp) = (None, None);
    }

    /// From the next description on our keys are others, for the same lines, and handshakes and
    /// connectivity checks begin anew: where they are used, packets are counted anew.
    pub fn renew_keys(&mut self) {
        self.crypto.renew();
    }

    /// The policy of the leg.
    pub const fn encryption(&self) -> Encryption {
        self.crypto.encryption
    }

    /// Notes what the leg and we have agreed on, as [`leg_security`](crate::leg_security) found it.
    pub fn note_security(&mut self, security: &LegSecurity) {
        self.crypto.agreed(security);
    }

    /// Notes the plan that is now in force with the leg.
    pub fn note_plan(&mut self, plan: &LegPlan) {
        self.crypto.planned(plan);
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

    /// Whether what was last written may answer `offer`, as far as protection goes: RFC 4568 section
    /// 5.1.2 wants one line of the offer's, with its tag, and none where none was offered.
    pub fn last_answers(&self, offer: &SessionDescription) -> bool {
        let (Some(ours), Some(theirs)) = (self.last_audio.as_ref(), offer.audio_ref()) else {
            return true;
        };
        let names = |line: &CryptoAttribute| (line.tag(), line.suite());
        let answers_keys = match ours.crypto.as_slice() {
            [] => theirs.crypto.is_empty() || !theirs.profile.is_sdes(),
            [ours] => theirs.crypto.iter().any(|theirs| names(theirs) == names(ours)),
            _ => false,
        };
        let setup = |stream: &AudioStream| stream.dtls.and_then(|dtls| dtls.setup);
        answers_keys && setup(ours) != Some(Setup::Actpass)
    }

    /// Writes `description` under this identity.
    fn stamp(&mut self, description: &Written<'_>) -> Vec<u8> {
        let mut body = description.to_bytes(self.origin.version);
        if let Some(last) = &self.last {
            if **last == *body {
                // Forgotten when the leg began anew.
                let audio = self.last_audio.take().or_else(|| description.audio());
                self.note_audio(audio);
                return body;
            }
            self.origin.version = self.origin.version.wrapping_add(1);
            body = description.to_bytes(self.origin.version);
        }
        self.last = Some(body.as_slice().into());
        self.note_audio(description.audio());
        body
    }

    fn note_audio(&mut self, audio: Option<AudioStream>) {
        if let Some(rtp) = audio.as_ref().filter(|audio| !audio.profile.is_fax()) {
            self.last_rtp = Some(rtp.clone());
        }
        self.last_audio = audio;
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
        /// Which `m=` line of our own offer the received description answers, from 0; `None` when
        /// it is the same as in `to`.
        at: Option<usize>,
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
/// Keys never pass. What each description says of encryption follows from its own leg's policy:
/// that of the descriptions from [`SessionDescription::for_leg`], that of the target from
/// [`OriginState::start_leg`]. `draw` gives 64 random bits that nobody can guess, for keys of ours.
/// A device that offers the same audio plain and encrypted gets the other line declined; towards
/// the target the stream stands where its first audio line would, and later where it stood before.
///
/// An answer that declines the audio stream is passed on as such; a caller sees it in
/// [`SessionDescription::audio`] being `None`.
///
/// # Errors
/// [`SdpError::NoAudio`] for an offer without a stream to relay; [`SdpError::NoCertificate`] for
/// one that needs [`OriginState::with_fingerprint`]; [`SdpError::UnsuitableAddress`]
/// for a multicast, broadcast or missing address. `origin` is not changed then.
pub fn anchor(
    received: &SessionDescription,
    local: &LocalMedia,
    origin: &mut OriginState,
    role: Role<'_>,
    options: &AnchorOptions,
    draw: &mut dyn FnMut() -> u64,
) -> Result<Vec<u8>, SdpError> {
    let hosts = InnerHosts::of(&received.inner);
    let (medias, times) = match role {
        Role::Offer => {
            (offered_media(received, local, origin, &hosts, draw)?, &received.inner.times)
        }
        // RFC 3264 section 6: the answer repeats the offer's t= line.
        Role::Answer { to, at } => {
            let mut answer = |offered: &AudioStream| {
                origin.crypto.answer(offered, draw).ok_or(SdpError::NoCertificate)
            };
            (answered_media(received, (to, at), local, &hosts, &mut answer)?, &to.inner.times)
        }
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
    origin: &mut OriginState,
    hosts: &InnerHosts,
    draw: &mut dyn FnMut() -> u64,
) -> Result<Vec<WrittenMedia<'a>>, SdpError> {
    let audio = received.audio_ref().ok_or(SdpError::NoAudio)?;
    audio.check_address()?;
    let is_fax = audio.profile.is_fax();
    // Fax does not say where the line of audio stands.
    let last = origin.last_audio.as_ref().filter(|last| !is_fax && !last.profile.is_fax());
    let protection = match is_fax {
        true => Protection::none(audio.profile),
        false => origin
            .crypto
            .offer(audio.profile, origin.last_rtp.as_ref(), draw)
            .ok_or(SdpError::NoCertificate)?,
    };
    // A line keeps its place for the life of a session (RFC 3264 section 8). At first it is the
    // first audio line's: there are answerers that look no further.
    let place = last.map(|last| last.index).or_else(|| received.first_audio_line());
    let place = place.filter(|_| !is_fax);
    let transport = Transport {
        local,
        direction: audio.direction,
        rtcp_mux: (audio.rtcp_mux && !is_fax) || protection.dtls.is_some(),
        // The fallback if the answerer does not multiplex (RFC 5761 section 5.1.1).
        rtcp_port: !is_fax,
        // What the far end asks for passes.
        xr: XrWishes::default(),
        protection,
    };
    let proto = transport.protection.profile.name();
    let mut medias: Vec<WrittenMedia<'a>> = received.inner.medias.iter().map(declined).collect();
    if let Some(media) = received.inner.medias.get(audio.index)
        && let Some(slot) = medias.get_mut(audio.index)
    {
        *slot = relayed(media, proto, transport, hosts);
    }
    if let Some(place) = place.filter(|&place| place < medias.len()) {
        medias.swap(place, audio.index);
    }
    Ok(medias)
}

fn answered_media<'a>(
    received: &'a SessionDescription,
    (to, at): (&'a SessionDescription, Option<usize>),
    local: &LocalMedia,
    hosts: &InnerHosts,
    protect: &mut dyn FnMut(&AudioStream) -> Result<Protection, SdpError>,
) -> Result<Vec<WrittenMedia<'a>>, SdpError> {
    let pair = match to.audio_ref() {
        Some(offered) => {
            // Fax answers fax, and audio answers audio.
            answering_stream(received, at.unwrap_or(offered.index))
                .filter(|answer| answer.profile.is_fax() == offered.profile.is_fax())
                .map(|answer| (offered, answer))
        }
        None => None,
    };
    let mut protection = match &pair {
        Some((offered, answer)) => {
            answer.check_address()?;
            Some(protect(offered)?)
        }
        None => None,
    };
    let mut answer_to = |index: usize, offer: &'a Media| {
        let (offered, answer) = pair.as_ref().filter(|(offered, _)| offered.index == index)?;
        let media = received.inner.medias.get(answer.index)?;
        let transport = Transport {
            local,
            direction: Direction::answer(offered.direction, answer.direction),
            // Each leg multiplexes or not by itself: the relay can do either.
            rtcp_mux: offered.rtcp_mux && !offered.profile.is_fax(),
            rtcp_port: !offered.rtcp_mux && !offered.profile.is_fax(),
            xr: offered.xr.without(answer.xr),
            protection: protection.take()?,
        };
        // RFC 3264 section 6: the transport protocol of the answer is that of the offer.
        Some(relayed(media, &offer.proto, transport, hosts))
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
    /// The extended reports that the leg asks for and that the other side does not speak of.
    xr: XrWishes,
    protection: Protection,
}

fn relayed<'a>(
    media: &'a Media,
    proto: &'a str,
    transport: Transport<'_>,
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
    if transport.protection.profile.is_fax() {
        media.fmt.trim().clone_into(&mut formats);
    }
    let local = transport.local;
    let default_rtcp = local.rtp.port().checked_add(1).map(|p| SocketAddr::new(local.rtp.ip(), p));
    let says_rtcp = transport.rtcp_port && default_rtcp != Some(local.rtcp);
    let is_xr = |a: &Attribute| a.attribute.trim().eq_ignore_ascii_case(extended_reports::NAME);
    let mut attributes = hosts.passable(&media.attributes);
    let told = attributes.iter().find(|a| is_xr(a)).map(|a| a.value.as_deref().unwrap_or_default());
    let xr = extended_reports::answered(transport.xr, told);
    if xr.is_some() {
        attributes.retain(|a| !is_xr(a));
    }
    WrittenMedia {
        media: &media.media,
        port: local.rtp.port(),
        proto,
        formats,
        bandwidths: hosts.passable_bandwidths(&media.bandwidths),
        attributes,
        transport: Some(WrittenTransport {
            rtcp: says_rtcp.then(|| rtcp_value(local)),
            rtcp_mux: transport.rtcp_mux,
            xr,
            direction: transport.direction,
            crypto: transport.protection.crypto,
            dtls: transport.protection.dtls,
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
