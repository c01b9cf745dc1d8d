//! The description for one leg, made from the description that the other leg sent.

mod options;
mod record_state;
mod restored;

pub use options::AnchorOptions;
pub use record_state::RecordState;

use crate::audio::{AudioStream, payload_types};
use crate::description::SessionDescription;
use crate::direction::Direction;
use crate::error::SdpError;
use crate::extended_reports;
use crate::leg_crypto::{LegCrypto, Protection};
use crate::lines::{FurtherLine, LineStates, may_answer};
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
    pub(crate) crypto: LegCrypto,
    last: Option<Arc<[u8]>>,
    last_audio: Option<Arc<AudioStream>>,
    /// The last that was RTP, mostly the same: fax in between says nothing of how audio is protected.
    last_rtp: Option<Arc<AudioStream>>,
    /// Of the lines beside the main one.
    pub(crate) lines: LineStates,
}

impl fmt::Debug for OriginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last description holds our keys.
        f.debug_struct("OriginState").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl OriginState {
    /// For a new leg without encryption; `session_id` is drawn at random. Versions begin at 1.
    pub fn new(session_id: u64) -> Self {
        OriginState {
            origin: Origin { session_id, version: 1 },
            crypto: LegCrypto::new(Encryption::Off, None),
            last: None,
            last_audio: None,
            last_rtp: None,
            lines: LineStates::default(),
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
        self.lines.clear();
    }

    /// From the next description on our keys are others, for the same lines, and handshakes and
    /// connectivity checks begin anew: where they are used, packets are counted anew.
    pub fn renew_keys(&mut self) {
        self.crypto.renew();
        self.lines.renew();
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
    pub fn last_audio(&self) -> Option<&AudioStream> {
        self.last_audio.as_deref()
    }

    /// Whether what was last written may answer `offer`, as far as protection goes: RFC 4568 section
    /// 5.1.2 wants one line of the offer's, with its tag, and none where none was offered.
    pub fn last_answers(&self, offer: &SessionDescription) -> bool {
        let main = match (self.last_audio(), offer.audio_ref()) {
            (Some(ours), Some(theirs)) => may_answer(ours, theirs),
            _ => true,
        };
        main && self.lines.answer(offer)
    }

    /// Where the main line of `offer`, which is `main`, stands in an offer to this leg: a line keeps
    /// its place for the life of a session (RFC 3264 section 8). At first it is the first audio
    /// line's: there are answerers that look no further. Fax does not say where the line of audio
    /// stands.
    pub(crate) fn place_of(&self, offer: &SessionDescription, main: &AudioStream) -> usize {
        if main.profile.is_fax() {
            return main.index;
        }
        let last = self.last_audio().filter(|last| !last.profile.is_fax());
        let place = last.map(|last| last.index).or_else(|| offer.first_audio_line());
        place.filter(|&place| place < offer.media_count()).unwrap_or(main.index)
    }

    /// Writes `description` under this identity.
    fn stamp(&mut self, description: &Written<'_>) -> Vec<u8> {
        self.lines.note(description);
        let mut body = description.to_bytes(self.origin.version);
        if let Some(last) = &self.last {
            if **last == *body {
                // Forgotten when the leg began anew.
                let audio = self.last_audio.take().or_else(|| description.audio().map(Arc::new));
                self.note_audio(audio);
                return body;
            }
            self.origin.version = self.origin.version.wrapping_add(1);
            body = description.to_bytes(self.origin.version);
        }
        self.last = Some(body.as_slice().into());
        self.note_audio(description.audio().map(Arc::new));
        body
    }

    fn note_audio(&mut self, audio: Option<Arc<AudioStream>>) {
        if let Some(rtp) = audio.as_ref().filter(|audio| !audio.profile.is_fax()) {
            self.last_rtp = Some(Arc::clone(rtp));
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

/// Writes towards one leg what was received from the other, with the audio stream at `local`.
///
/// Formats, their parameters, packet durations, bandwidths and attributes that are not known pass
/// in their order. Origin, addresses and ports are ours. Attributes that concern the other leg's
/// transport, keys or software, or that hold an address or one of its host names, are left out.
/// `m=` lines other than the audio stream are declined with port 0, unless [`anchor_lines`] is told
/// of them, or they are of floor control ([`AnchorOptions::floor`]). The direction passes, so that
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
    anchor_lines(received, local, &[], origin, role, options, draw)
}

/// The same with further lines, each with our addresses for it. A line of `further` that either side
/// does not have, or whose addresses are not those of the main one, is declined; so is one that
/// cannot be protected as the leg's policy wants.
///
/// # Errors
/// As for [`anchor`]; further lines cause none.
pub fn anchor_lines(
    received: &SessionDescription,
    local: &LocalMedia,
    further: &[FurtherLine],
    origin: &mut OriginState,
    role: Role<'_>,
    options: &AnchorOptions,
    draw: &mut dyn FnMut() -> u64,
) -> Result<Vec<u8>, SdpError> {
    let hosts = InnerHosts::of(&received.inner);
    let mut work = Work { received, local, hosts: &hosts, draw };
    let ((main, mut medias), times) = match role {
        Role::Offer => (work.offered_media(origin)?, &received.inner.times),
        // RFC 3264 section 6: the answer repeats the offer's t= line.
        Role::Answer { to, at } => {
            (work.answered_media((to, at), &mut origin.crypto)?, &to.inner.times)
        }
    };
    for line in further.iter().filter(|line| Some(line.written) != main) {
        let written = match role {
            Role::Offer => work.offered_line(line, origin),
            Role::Answer { to, .. } => work.answered_line(line, to, origin),
        };
        if let (Some(written), Some(slot)) = (written, medias.get_mut(line.written)) {
            *slot = written;
        }
    }
    if let Some(recorded) = options.recorded {
        medias.iter_mut().for_each(|media| media.say_recorded(recorded));
    }
    let offer = if let Role::Answer { to, .. } = role { Some(to) } else { None };
    let floor = options.floor.as_ref();
    let floor = floor.and_then(|line| line.said_in(received, offer, &medias, local.rtp.ip()));
    if let Some(said) = &floor {
        said.put(&mut medias);
    }
    let bundle = match (role, &options.bundle) {
        (Role::Answer { .. }, Some(bundle)) => bundle.join(&mut medias, main),
        _ => None,
    };
    let session_id = origin.origin.session_id;
    Ok(origin.stamp(&Written {
        session_id,
        ip: local.rtp.ip(),
        session_name: &options.session_name,
        bandwidths: hosts.passable_bandwidths(&received.inner.bandwidths),
        times,
        attributes: hosts.passable(&received.inner.attributes),
        bundle,
        main,
        medias,
    }))
}

/// What a description is made from.
pub(crate) struct Work<'a, 'h> {
    pub(crate) received: &'a SessionDescription,
    pub(crate) local: &'h LocalMedia,
    pub(crate) hosts: &'h InnerHosts,
    pub(crate) draw: &'h mut dyn FnMut() -> u64,
}

/// The place of the main line, if there is one, and all lines.
type Medias<'a> = (Option<usize>, Vec<WrittenMedia<'a>>);

impl<'a> Work<'a, '_> {
    fn offered_media(&mut self, origin: &mut OriginState) -> Result<Medias<'a>, SdpError> {
        let received = self.received;
        let audio = received.audio_ref().ok_or(SdpError::NoAudio)?;
        audio.check_address()?;
        let is_fax = audio.profile.is_fax();
        let place = origin.place_of(received, audio);
        let protection = match is_fax {
            true => Protection::none(audio.profile),
            false => origin
                .crypto
                .offer(audio.profile, origin.last_rtp.as_deref(), self.draw)
                .ok_or(SdpError::NoCertificate)?,
        };
        let transport = Transport::offering(audio, self.local, protection);
        let mut medias: Vec<WrittenMedia<'a>> =
            received.inner.medias.iter().map(declined).collect();
        if let Some(media) = received.inner.medias.get(audio.index)
            && let Some(slot) = medias.get_mut(audio.index)
        {
            *slot = relayed(media, transport, self.hosts);
        }
        if place < medias.len() {
            medias.swap(place, audio.index);
        }
        Ok((Some(place), medias))
    }

    fn answered_media(
        &mut self,
        (to, at): (&'a SessionDescription, Option<usize>),
        crypto: &mut LegCrypto,
    ) -> Result<Medias<'a>, SdpError> {
        let received = self.received;
        let mut medias: Vec<WrittenMedia<'a>> = to.inner.medias.iter().map(declined).collect();
        let Some(offered) = to.audio_ref() else { return Ok((None, medias)) };
        // Fax answers fax, and audio answers audio.
        let answer = answering_stream(received, at.unwrap_or(offered.index))
            .filter(|answer| answer.profile.is_fax() == offered.profile.is_fax());
        let Some(answer) = answer else { return Ok((None, medias)) };
        answer.check_address()?;
        let protection = crypto.answer(offered, self.draw).ok_or(SdpError::NoCertificate)?;
        let transport = Transport::answering(offered, &answer, self.local, protection);
        if let (Some(media), Some(slot)) =
            (received.inner.medias.get(answer.index), medias.get_mut(offered.index))
        {
            *slot = relayed(media, transport, self.hosts).under(slot.proto);
        }
        Ok((Some(offered.index), medias))
    }
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
pub(crate) struct Transport<'a> {
    local: &'a LocalMedia,
    direction: Direction,
    rtcp_mux: bool,
    /// Say where RTCP goes if that is not the port after RTP's.
    rtcp_port: bool,
    /// The extended reports that the leg asks for and that the other side does not speak of.
    xr: XrWishes,
    protection: Protection,
}

impl<'a> Transport<'a> {
    /// Of an offer that passes on `offered`.
    pub(crate) fn offering(
        offered: &AudioStream,
        local: &'a LocalMedia,
        protection: Protection,
    ) -> Self {
        let is_rtp = offered.profile.is_rtp();
        Transport {
            local,
            direction: offered.direction,
            rtcp_mux: (offered.rtcp_mux && is_rtp) || protection.dtls.is_some(),
            // The fallback if the answerer does not multiplex (RFC 5761 section 5.1.1).
            rtcp_port: is_rtp,
            // What the far end asks for passes.
            xr: XrWishes::default(),
            protection,
        }
    }

    /// Of the answer to `offered` that passes on `answer`.
    pub(crate) fn answering(
        offered: &AudioStream,
        answer: &AudioStream,
        local: &'a LocalMedia,
        protection: Protection,
    ) -> Self {
        let is_rtp = offered.profile.is_rtp();
        Transport {
            local,
            direction: Direction::answer(offered.direction, answer.direction),
            // Each leg multiplexes or not by itself: the relay can do either.
            rtcp_mux: offered.rtcp_mux && is_rtp,
            rtcp_port: !offered.rtcp_mux && is_rtp,
            xr: offered.xr.without(answer.xr),
            protection,
        }
    }
}

pub(crate) fn relayed<'a>(
    media: &'a Media,
    transport: Transport<'_>,
    hosts: &InnerHosts,
) -> WrittenMedia<'a> {
    let profile = transport.protection.profile;
    let mut formats = String::with_capacity(media.fmt.len());
    for payload_type in payload_types(&media.fmt) {
        if !formats.is_empty() {
            formats.push(' ');
        }
        // Writing into a String cannot fail.
        let _ = write!(formats, "{payload_type}");
    }
    if !profile.is_rtp() {
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
        connection: None,
        proto: profile.name(),
        formats,
        bandwidths: hosts.passable_bandwidths(&media.bandwidths),
        attributes,
        transport: Some(WrittenTransport {
            rtcp: says_rtcp.then(|| rtcp_value(local)),
            rtcp_mux: transport.rtcp_mux,
            xr,
            direction: transport.direction,
            recorded: None,
            crypto: transport.protection.crypto,
            dtls: transport.protection.dtls,
            is_shared: false,
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
        connection: None,
        proto: &media.proto,
        formats: media.fmt.trim().to_owned(),
        bandwidths: Vec::new(),
        attributes: Vec::new(),
        transport: None,
    }
}
