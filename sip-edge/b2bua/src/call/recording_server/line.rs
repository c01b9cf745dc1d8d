//! The lines that a recording client sends, and what we describe to it.

use crate::kept::{self, SavedMedia, SavedRecordedLine, SavedRecording};
use crate::media::{BodyFault, refuse_own_address};
use directory::Dtmf;
use model::{
    Channel, Fingerprint, Instant, LegPlan, LegSide, LocalMedia, MediaCommand, MediaId, MediaPlan,
    MediaTimeouts,
};
use sdp::{
    AnchorOptions, AudioStream, Encryption, FurtherLine, Limits, OriginState, Role,
    SessionDescription, anchor_lines, media_plan_leg,
};
use sip_proto::Random;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Lines of audio that are taken of one client; it is told to keep the others.
pub(super) const MAX_LINES: usize = 2;

/// A line.
pub(super) struct RecordedLine {
    /// Its place among the `m=` lines, from 0, which it keeps.
    pub(super) index: usize,
    pub(super) id: MediaId,
    /// Our addresses; `None` until the relay has said.
    pub(super) local: Option<[LocalMedia; 2]>,
    pub(super) label: Option<Arc<str>>,
    /// Which of the two channels it is for listeners.
    pub(super) side: LegSide,
    /// What it was last ordered to be listened to as.
    pub(super) listened: Option<Channel>,
    /// When the relay last told that nothing comes.
    pub(super) silent_at: Option<Instant>,
    plan: Option<LegPlan>,
}

/// A stream to be given back.
pub(super) struct Released {
    pub(super) id: MediaId,
    pub(super) local: [LocalMedia; 2],
}

/// All of a client's.
pub(super) struct RecordedLines {
    origin: OriginState,
    /// What the client described last, as it came.
    received: Option<Arc<[u8]>>,
    lines: Vec<RecordedLine>,
    /// Our address in a description without lines.
    last_local: Option<LocalMedia>,
}

impl RecordedLines {
    pub(super) fn new(
        origin_id: u64,
        fingerprint: Option<Fingerprint>,
        encryption: Encryption,
    ) -> Self {
        let mut origin = OriginState::new(origin_id).with_fingerprint(fingerprint);
        origin.start_leg(encryption);
        RecordedLines { origin, received: None, lines: Vec::new(), last_local: None }
    }

    /// As it was before this process: `described` is what either side described last. `None` when
    /// that cannot be read.
    pub(super) fn restored(
        described: &SavedMedia,
        saved: &SavedRecording,
        fingerprint: Option<Fingerprint>,
    ) -> Option<Self> {
        let encryption = kept::policy_of(described.encryption)?;
        let origin = OriginState::restored(described.sent.as_bytes(), encryption, fingerprint)?;
        let lines = saved.lines.iter().take(MAX_LINES).map(RecordedLine::restored).collect();
        let received = Some(described.received.as_bytes().into());
        let lines = RecordedLines { origin, received, lines, last_local: saved.last_local };
        lines.last_received()?;
        Some(lines)
    }

    /// What is kept of the descriptions; `None` before the first answer.
    pub(super) fn saved_descriptions(&self) -> Option<SavedMedia> {
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).ok();
        Some(SavedMedia {
            encryption: kept::policy_code(self.origin.encryption()),
            sent: text(self.origin.last()?)?,
            received: text(self.received.as_ref()?)?,
            hold_music: None,
            has_listened: false,
            dtmf: kept::dtmf_code(Dtmf::default()),
            transcode: None,
            recorded: None,
            has_offer: false,
        })
    }

    /// What is kept of the lines.
    pub(super) fn saved(&self) -> Vec<SavedRecordedLine> {
        self.lines.iter().filter_map(RecordedLine::saved).collect()
    }

    pub(super) const fn last_local(&self) -> Option<LocalMedia> {
        self.last_local
    }

    /// What the client described last.
    pub(super) fn last_received(&self) -> Option<SessionDescription> {
        SessionDescription::parse(self.received.as_ref()?, &Limits::default()).ok()
    }

    pub(super) fn learn_fingerprint(&mut self, fingerprint: Fingerprint) {
        self.origin.learn_fingerprint(fingerprint);
    }

    pub(super) fn last_sent(&self) -> Option<&[u8]> {
        self.origin.last()
    }

    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut RecordedLine> {
        self.lines.iter_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RecordedLine> {
        self.lines.iter()
    }

    pub(super) fn has(&self, id: MediaId) -> bool {
        self.lines.iter().any(|line| line.id == id)
    }

    pub(super) fn by_id(&mut self, id: MediaId) -> Option<&mut RecordedLine> {
        self.lines.iter_mut().find(|line| line.id == id)
    }

    pub(super) fn labels(&self) -> Vec<Arc<str>> {
        self.lines.iter().filter_map(|line| line.label.clone()).collect()
    }

    /// Whether the relay has yet to answer for a line.
    pub(super) fn waits(&self) -> bool {
        self.lines.iter().any(|line| line.local.is_none())
    }

    /// The lines of `offer` that ask for something and are not taken.
    pub(super) fn declined(&self, offer: &SessionDescription) -> u8 {
        let wanted = offer.wanted_lines().filter(|at| self.lines.iter().all(|l| l.index != *at));
        u8::try_from(wanted.count()).unwrap_or(u8::MAX)
    }

    /// The lines of `offer` that are taken, those first that there are no ports for yet.
    pub(super) fn taken(
        &self,
        offer: &SessionDescription,
    ) -> (Vec<(usize, AudioStream)>, Vec<usize>) {
        let offer = offer.clone().for_leg(self.origin.encryption());
        let taken = offer.recordable(MAX_LINES);
        let is_new = |at: &&usize| self.lines.iter().all(|line| line.index != **at);
        let stream = |&at: &usize| offer.audio_at(at).map(|stream| (at, stream));
        (taken.iter().filter(is_new).filter_map(stream).collect(), taken)
    }

    /// Notes that ports are asked for. The channel of a line that is not among those `taken` from now on
    /// is free.
    pub(super) fn requested(&mut self, index: usize, id: MediaId, taken: &[usize]) {
        let is_a = |line: &RecordedLine| line.side == LegSide::A && taken.contains(&line.index);
        let is_a_taken = self.lines.iter().any(is_a);
        let side = if is_a_taken { LegSide::B } else { LegSide::A };
        self.lines.push(RecordedLine {
            index,
            id,
            local: None,
            label: None,
            side,
            listened: None,
            silent_at: None,
            plan: None,
        });
        self.lines.sort_by_key(|line| line.index);
    }

    /// Forgets a line that the relay does not have.
    pub(super) fn forget(&mut self, id: MediaId) -> Option<[LocalMedia; 2]> {
        let at = self.lines.iter().position(|line| line.id == id)?;
        let line = self.lines.remove(at);
        self.origin.forget_line(line.index);
        line.local
    }

    /// Forgets the lines that the relay has not answered for.
    pub(super) fn give_up(&mut self) {
        self.lines.retain(|line| line.local.is_some());
    }

    /// Forgets the lines that `offer` does not have any more; returns their streams.
    pub(super) fn release_gone(&mut self, offer: &SessionDescription) -> Vec<Released> {
        let offer = offer.clone().for_leg(self.origin.encryption());
        let taken = self.usable(&offer);
        self.release(|line| !taken.contains(&line.index))
    }

    pub(super) fn release_all(&mut self) -> Vec<Released> {
        self.release(|_| true)
    }

    /// Those that have ports and that the client was never told of.
    pub(super) fn release_untold(&mut self) -> Vec<Released> {
        self.release(|line| line.plan.is_none())
    }

    fn release(&mut self, goes: impl Fn(&RecordedLine) -> bool) -> Vec<Released> {
        let gone: Vec<RecordedLine> = self.lines.extract_if(.., |line| goes(line)).collect();
        for line in &gone {
            self.origin.forget_line(line.index);
        }
        gone.into_iter()
            .filter_map(|line| Some(Released { id: line.id, local: line.local? }))
            .collect()
    }

    /// The lines of `offer` that have ports.
    fn usable(&self, offer: &SessionDescription) -> Vec<usize> {
        let has_ports =
            |at: &usize| self.lines.iter().any(|line| line.index == *at && line.local.is_some());
        offer.recordable(MAX_LINES).into_iter().filter(has_ports).collect()
    }

    /// Writes the answer to `offer`. `random` gives new keys.
    ///
    /// # Errors
    /// As the description's; nothing has changed then.
    pub(super) fn answer(
        &mut self,
        random: &mut dyn Random,
        offer: &SessionDescription,
        own: &HashSet<SocketAddr>,
    ) -> Result<Vec<u8>, BodyFault> {
        let offer = offer.clone().for_leg(self.origin.encryption());
        let taken = offer.taking(&self.usable(&offer));
        refuse_own_address(&taken, own)?;
        let further: Vec<FurtherLine> =
            self.lines.iter().filter_map(RecordedLine::written).collect();
        let main = taken.audio_ref().map(|main| main.index);
        let of_main = self.lines.iter().find(|line| Some(line.index) == main);
        let local = of_main.and_then(|line| Some(line.local?[0])).or(self.last_local);
        let local = local.ok_or(BodyFault::NotAcceptable)?;
        let role = Role::Answer { to: &taken, at: None };
        let options = AnchorOptions::default();
        let mut draw = || random.next_u64();
        let origin = &mut self.origin;
        let heard = taken.heard();
        let body = anchor_lines(&heard, &local, &further, origin, role, &options, &mut draw)?;
        self.last_local = Some(local);
        self.received = Some(offer.text().clone());
        for line in &mut self.lines {
            line.label = taken.label(line.index).map(Arc::from);
        }
        Ok(body)
    }

    /// The commands that put the present descriptions into force.
    pub(super) fn apply(
        &mut self,
        offer: &SessionDescription,
        source: IpAddr,
        timeouts: MediaTimeouts,
        copies_rtcp: bool,
    ) -> Vec<MediaCommand> {
        let offer = offer.clone().for_leg(self.origin.encryption());
        let taken = offer.taking(&self.usable(&offer));
        let main = taken.audio_ref().map(|main| main.index);
        let mut commands = Vec::new();
        for line in &mut self.lines {
            let received = taken.audio_at(line.index);
            let is_main = Some(line.index) == main;
            let sent = match is_main {
                true => self.origin.last_audio(),
                false => self.origin.last_line(line.index),
            };
            let Some((received, sent)) = received.zip(sent) else { continue };
            let plan =
                media_plan_leg(Some(&received), Some(sent), Some(source), line.plan.as_ref());
            match is_main {
                true => self.origin.note_plan(&plan),
                false => self.origin.note_line_plan(line.index, &plan),
            }
            line.plan = Some(plan.clone());
            line.silent_at = None;
            // Nobody is on the other side.
            let legs = [plan, media_plan_leg(None, None, None, None)];
            let plan = MediaPlan { timeouts, copies_rtcp, ..MediaPlan::rtp(legs) };
            commands.push(MediaCommand::Apply { id: line.id, plan: Box::new(plan) });
        }
        commands
    }

    /// Whether every line that should send has been told silent since `since`.
    pub(super) fn are_silent(&self, since: Instant) -> bool {
        let sends = |line: &&RecordedLine| line.plan.as_ref().is_some_and(|p| p.accepts_from);
        let mut sending = self.lines.iter().filter(sends).peekable();
        sending.peek().is_some() && sending.all(|line| line.silent_at.is_some_and(|at| at >= since))
    }
}

impl RecordedLine {
    fn restored(saved: &SavedRecordedLine) -> Self {
        RecordedLine {
            index: saved.index,
            id: saved.id,
            local: Some(saved.local),
            label: saved.label.clone(),
            side: saved.side,
            listened: None,
            silent_at: None,
            plan: None,
        }
    }

    /// `None` while it has no ports.
    fn saved(&self) -> Option<SavedRecordedLine> {
        Some(SavedRecordedLine {
            index: self.index,
            id: self.id,
            local: self.local?,
            label: self.label.clone(),
            side: self.side,
            is_listened: self.listened.is_some(),
        })
    }

    fn written(&self) -> Option<FurtherLine> {
        let local = self.local?[0];
        Some(FurtherLine { received: self.index, written: self.index, local })
    }
}
