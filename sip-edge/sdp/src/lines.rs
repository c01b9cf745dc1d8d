//! The lines beside the main one: which of them can be relayed, and what was last written of each.

use crate::anchor::{OriginState, Transport, Work, relayed};
use crate::audio::AudioStream;
use crate::crypto::CryptoAttribute;
use crate::description::SessionDescription;
use crate::dtls::Setup;
use crate::leg_crypto::{LegCrypto, Protection};
use crate::profile::Encryption;
use crate::write::{Written, WrittenMedia};
use model::{Fingerprint, LegPlan, LocalMedia, MediaType};

/// An `m=` line beside the main one that can be relayed, as its sender describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineStream {
    /// Its media.
    pub media: MediaType,
    /// What it says, in the same terms as audio.
    pub stream: AudioStream,
}

/// A line that an offer has in one place and the offer to the other leg in the same or another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinePair {
    /// Its place among the `m=` lines that were received, from 0.
    pub received: usize,
    /// Its place among those that are written.
    pub written: usize,
    /// Its media.
    pub media: MediaType,
}

/// A line to be relayed: where it stands on both sides, and our addresses for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FurtherLine {
    /// Its place in the description that was received.
    pub received: usize,
    /// Its place in the one that is written.
    pub written: usize,
    /// Where the leg that gets it is to send.
    pub local: LocalMedia,
}

impl SessionDescription {
    /// The lines beside [`audio`](Self::audio) that can be relayed under
    /// [`encryption`](Self::encryption), in their order. None without that one.
    ///
    /// A further audio line is one only behind the main one, with the same profile and a port of its
    /// own: any other is the same audio offered in another way. A line in another address family
    /// than the main one, or with an address that must not be sent to, is none.
    pub fn lines(&self) -> Vec<LineStream> {
        // Nearly every description.
        if self.media_count() < 2 {
            return Vec::new();
        }
        (0..self.media_count()).filter_map(|index| self.line_at(index)).collect()
    }

    /// The one of them at `m=` line `index` (from 0).
    pub fn line_at(&self, index: usize) -> Option<LineStream> {
        let main = self.audio_ref().filter(|main| main.index != index)?;
        let line = AudioStream::read_further(&self.inner, index)?;
        let LineStream { media, stream } = &line;
        let stands = *media != MediaType::Audio || is_further_audio(main, stream);
        let fits = stream.ip_family == main.ip_family && stream.check_address().is_ok();
        (stands && fits && self.encryption().accepts(stream)).then_some(line)
    }
}

fn is_further_audio(main: &AudioStream, other: &AudioStream) -> bool {
    let port = |stream: &AudioStream| stream.remote_rtp.map(|remote| remote.port());
    !main.profile.is_fax()
        && other.index > main.index
        && other.profile == main.profile
        && port(other) != port(main)
}

/// The lines of `offer` beside its main one that an offer to the leg of `origin` can have, and where
/// they stand in it.
pub fn line_pairs(offer: &SessionDescription, origin: &OriginState) -> Vec<LinePair> {
    let Some(main) = offer.audio_ref() else { return Vec::new() };
    let lines = offer.lines();
    if lines.is_empty() {
        return Vec::new();
    }
    let place = origin.place_of(offer, main);
    let pair = |LineStream { media, stream }: LineStream| {
        // The main line changes places with whatever stands where it goes.
        let written = if stream.index == place { main.index } else { stream.index };
        let stands = media != MediaType::Audio || written > place;
        // Nothing protects what is no RTP.
        let stands = stands && (stream.profile.is_rtp() || !origin.encryption().is_required());
        stands.then_some(LinePair { received: stream.index, written, media })
    };
    lines.into_iter().filter_map(pair).collect()
}

impl<'a> Work<'a, '_> {
    /// A line beside the main one, offered; `None` when it is declined.
    pub(crate) fn offered_line(
        &mut self,
        line: &FurtherLine,
        origin: &mut OriginState,
    ) -> Option<WrittenMedia<'a>> {
        let offered = self.received.line_at(line.received).filter(|_| self.has_place(line))?.stream;
        let media = self.received.inner.medias.get(line.received)?;
        let terms = (origin.crypto.encryption, origin.crypto.fingerprint());
        let state = origin.lines.of(line.written, terms);
        let protection = match offered.profile.is_rtp() {
            true => state.crypto.offer(offered.profile, state.sent.as_ref(), self.draw)?,
            false => Protection::none(offered.profile),
        };
        let transport = Transport::offering(&offered, &line.local, protection);
        Some(relayed(media, transport, self.hosts))
    }

    /// A line beside the main one, answered; `None` when it is declined.
    pub(crate) fn answered_line(
        &mut self,
        line: &FurtherLine,
        to: &'a SessionDescription,
        origin: &mut OriginState,
    ) -> Option<WrittenMedia<'a>> {
        let offered = to.line_at(line.written).filter(|_| self.has_place(line))?;
        let answer = self.received.line_at(line.received)?;
        let (offer, media) =
            (to.inner.medias.get(line.written)?, self.received.inner.medias.get(line.received)?);
        let same = offered.media == answer.media
            && offered.stream.profile.is_rtp() == answer.stream.profile.is_rtp();
        let (offered, answer) = (offered.stream, answer.stream);
        let terms = (origin.crypto.encryption, origin.crypto.fingerprint());
        let state = same.then(|| origin.lines.of(line.written, terms))?;
        let protection = state.crypto.answer(&offered, self.draw)?;
        let transport = Transport::answering(&offered, &answer, &line.local, protection);
        Some(relayed(media, transport, self.hosts).under(&offer.proto))
    }

    /// Whether the description's one address is that of the line too.
    fn has_place(&self, line: &FurtherLine) -> bool {
        line.local.rtp.ip() == self.local.rtp.ip()
    }
}

/// What was last written of a line beside the main one, and our keys for it.
#[derive(Clone, Debug)]
pub(crate) struct LineState {
    index: usize,
    pub(crate) crypto: LegCrypto,
    pub(crate) sent: Option<AudioStream>,
}

/// Those of one leg; bounded by the `m=` lines of a description.
#[derive(Clone, Default, Debug)]
pub(crate) struct LineStates(Vec<LineState>);

impl LineStates {
    /// Those that a leg was told of in `told` before this process began.
    pub(crate) fn restored(
        told: &SessionDescription,
        (encryption, fingerprint): (Encryption, Option<Fingerprint>),
    ) -> Self {
        let state = |LineStream { stream, .. }: LineStream| LineState {
            index: stream.index,
            crypto: LegCrypto::restored(encryption, fingerprint, Some(&stream)),
            sent: Some(stream),
        };
        LineStates(told.lines().into_iter().map(state).collect())
    }

    pub(crate) fn get(&self, index: usize) -> Option<&LineState> {
        self.0.iter().find(|state| state.index == index)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut LineState> {
        self.0.iter_mut().find(|state| state.index == index)
    }

    /// That of a line, with keys of its own when it is new.
    pub(crate) fn of(
        &mut self,
        index: usize,
        (encryption, fingerprint): (Encryption, Option<Fingerprint>),
    ) -> &mut LineState {
        let found = self.0.iter().position(|state| state.index == index);
        let at = found.unwrap_or_else(|| {
            let crypto = LegCrypto::new(encryption, fingerprint);
            self.0.push(LineState { index, crypto, sent: None });
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    pub(crate) fn forget(&mut self, index: usize) {
        self.0.retain(|state| state.index != index);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn learn(&mut self, fingerprint: Fingerprint) {
        for state in &mut self.0 {
            state.crypto.learn(fingerprint);
        }
    }

    pub(crate) fn renew(&mut self) {
        for state in &mut self.0 {
            state.crypto.renew();
        }
    }

    /// Notes what `description` says; a line that it declines is forgotten with its keys.
    pub(crate) fn note(&mut self, description: &Written<'_>) {
        for state in &mut self.0 {
            state.sent = description.line(state.index);
        }
        self.0.retain(|state| state.sent.is_some());
    }

    /// Whether what was last written of each line may answer `offer`, as
    /// [`OriginState::last_answers`] says.
    pub(crate) fn answer(&self, offer: &SessionDescription) -> bool {
        self.0.iter().all(|state| {
            let theirs = offer.line_at(state.index);
            match (&state.sent, theirs) {
                (Some(ours), Some(theirs)) => may_answer(ours, &theirs.stream),
                _ => true,
            }
        })
    }
}

/// Whether `ours` may answer `theirs`, as far as protection goes.
pub(crate) fn may_answer(ours: &AudioStream, theirs: &AudioStream) -> bool {
    let names = |line: &CryptoAttribute| (line.tag(), line.suite());
    let answers_keys = match ours.crypto.as_slice() {
        [] => theirs.crypto.is_empty() || !theirs.profile.is_sdes(),
        [ours] => theirs.crypto.iter().any(|theirs| names(theirs) == names(ours)),
        _ => false,
    };
    let setup = |stream: &AudioStream| stream.dtls.and_then(|dtls| dtls.setup);
    answers_keys && setup(ours) != Some(Setup::Actpass)
}

impl OriginState {
    /// What was last written of line `index` beside the main one; `None` when it was declined.
    pub fn last_line(&self, index: usize) -> Option<&AudioStream> {
        self.lines.get(index)?.sent.as_ref()
    }

    /// Notes the plan that is now in force for line `index` with the leg.
    pub fn note_line_plan(&mut self, index: usize, plan: &LegPlan) {
        if let Some(state) = self.lines.get_mut(index) {
            state.crypto.planned(plan);
        }
    }

    /// Line `index` begins anew when it is next written: its stream is gone, and with it what was
    /// counted under its keys.
    pub fn forget_line(&mut self, index: usize) {
        self.lines.forget(index);
    }
}
