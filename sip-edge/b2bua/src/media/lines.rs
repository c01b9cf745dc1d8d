//! The lines of a call beside its main one. Each is a stream of its own at the relay, asked for when
//! a leg offers it and released when the legs have agreed without it.

mod lone;

pub(crate) use lone::RoomOffer;

use super::body::seen_under;
use super::{CallMedia, LegMedia};
use crate::kept::SavedLine;
use model::{
    LegPlan, LegSecurity, LegSide, LocalMedia, MAX_CALL_LINES, MediaCommand, MediaId, MediaLine,
    MediaPlan, MediaType, RelayedLines, RtcpStyle, StreamKind,
};
use sdp::{
    AudioStream, FurtherLine, LinePair, LineStream, Role, RoomBundle, RoomPicture, RtpProfile,
    SessionDescription, leg_security, line_pairs, media_plan_leg,
};
use std::net::IpAddr;

/// A line that has ports, or waits for them.
#[derive(Debug)]
pub(super) struct CallLine {
    id: MediaId,
    media: MediaType,
    /// Its place among the `m=` lines of leg A's descriptions and of leg B's, from 0.
    at: [usize; 2],
    /// Our addresses towards the legs; `None` until the relay has said.
    local: Option<[LocalMedia; 2]>,
    /// Asked for together with what is still asked for.
    fresh: bool,
    /// Nobody is on its other side: it is a line of pictures in a call to a meeting room.
    is_lone: bool,
}

impl CallLine {
    /// As it is written down; `None` while it has no ports.
    pub(super) fn saved(&self) -> Option<SavedLine> {
        Some(SavedLine { id: self.id, media: self.media, at: self.at, local: self.local? })
    }

    /// One that has ports since before this process.
    pub(super) fn restored(saved: &SavedLine) -> Self {
        let SavedLine { id, media, at, local } = *saved;
        // Calls to rooms do not outlive the process.
        CallLine { id, media, at, local: Some(local), fresh: false, is_lone: false }
    }
}

/// What one leg has of them.
#[derive(Clone, Default)]
pub(super) struct LegLines {
    /// What the leg last described.
    received: Vec<LineStream>,
    /// The plans in force, by the line's place on the leg.
    plans: Vec<(usize, LegPlan)>,
    /// What a room takes of its pictures.
    pictures: Vec<RoomPicture>,
    /// Those that share the transport of its sound.
    bundle: Option<RoomBundle>,
}

impl LegLines {
    pub(super) fn note_received(&mut self, description: &SessionDescription) {
        self.received = description.lines();
    }

    /// The relay was told nothing of the leg on the ports that it has now.
    pub(super) fn forget_plans(&mut self) {
        self.plans.clear();
    }

    fn received(&self, at: usize) -> Option<&AudioStream> {
        self.received.iter().map(|line| &line.stream).find(|stream| stream.index == at)
    }
}

impl LegMedia {
    /// What the leg described of a line, and what it was told of it: both, or the line is declined.
    fn agreed(&self, at: usize) -> Option<(&AudioStream, &AudioStream)> {
        self.lines.received(at).zip(self.origin.last_line(at))
    }
}

impl CallMedia {
    /// The lines of what the other leg offers to `target` that are to be relayed and have no ports
    /// yet, as many as the call may still have.
    pub(crate) fn lines_wanted(
        &self,
        target: LegSide,
        offer: &SessionDescription,
        relayed: RelayedLines,
    ) -> Vec<LinePair> {
        // RTCP of lines beside the audio is the peers' own: it says who they are.
        if self.is_masked || !relayed.any() || offer.media_count() < 2 {
            return Vec::new();
        }
        let offer = seen_under(self.encryption(target.other()), offer);
        let mut wanted = line_pairs(&offer, &self.legs[target.index()].origin);
        wanted.retain(|pair| relayed.allows(pair.media) && self.line_of(target, pair).is_none());
        wanted.truncate((MAX_CALL_LINES - 1).saturating_sub(self.lines.len()));
        wanted
    }

    /// Notes that ports are asked for; returns what the relay is to call the line.
    pub(crate) fn line_requested(
        &mut self,
        id: MediaId,
        target: LegSide,
        pair: LinePair,
    ) -> MediaLine {
        let (received, written, media) = (pair.received, pair.written, pair.media);
        let at = match target {
            LegSide::A => [written, received],
            LegSide::B => [received, written],
        };
        self.lines.push(CallLine { id, media, at, local: None, fresh: true, is_lone: false });
        // A description has 16 lines at most.
        MediaLine::Further { index: at[0] as u8, media }
    }

    /// Whether `id` is a line's that was asked for.
    pub(crate) fn has_line(&self, id: MediaId) -> bool {
        self.lines.iter().any(|line| line.id == id)
    }

    /// A line's ports.
    pub(crate) fn line_allocated(&mut self, id: MediaId, local: [LocalMedia; 2]) {
        if let Some(line) = self.lines.iter_mut().find(|line| line.id == id) {
            line.local = Some(local);
        }
        self.end_round();
    }

    /// The relay does not have the stream (any more).
    pub(crate) fn forget_line(&mut self, id: MediaId) {
        if let Some(at) = self.lines.iter().position(|line| line.id == id) {
            self.forget_line_at(at);
        }
        self.end_round();
    }

    /// Whether the relay has yet to answer for a line.
    pub(crate) fn waits_for_lines(&self) -> bool {
        self.lines.iter().any(|line| line.local.is_none())
    }

    /// Gives up every line that is asked for and those that were asked for with them. Returns the
    /// streams to release: those that have ports. The others are released when the relay's answer
    /// finds nobody.
    pub(crate) fn give_up_lines(&mut self) -> Vec<MediaId> {
        self.take_lines(|_, line| line.fresh)
    }

    /// Forgets all lines; returns the streams to release.
    pub(crate) fn release_lines(&mut self) -> Vec<MediaId> {
        self.take_lines(|_, _| true)
    }

    /// Forgets the lines that the legs have not agreed on; returns the streams to release.
    pub(crate) fn release_unused_lines(&mut self) -> Vec<MediaId> {
        self.take_lines(|legs, line| {
            let agreed = |side: LegSide| legs[side.index()].agreed(line.at[side.index()]).is_some();
            match line.is_lone {
                true => line.is_untold(legs),
                false => !LegSide::BOTH.into_iter().all(agreed),
            }
        })
    }

    /// Forgets the lines that `leg` was not told of; returns the streams to release.
    pub(crate) fn release_untold_lines(&mut self, leg: LegSide) -> Vec<MediaId> {
        let at = leg.index();
        self.take_lines(|legs, line| legs[at].agreed(line.at[at]).is_none())
    }

    /// The lines of a description for `target`, made from what the other leg sent.
    pub(super) fn further_lines(
        &self,
        target: LegSide,
        received: &SessionDescription,
        role: Role<'_>,
    ) -> Vec<FurtherLine> {
        if self.lines.is_empty() {
            return Vec::new();
        }
        let (to, from) = (target.index(), target.other().index());
        let pairs = match role {
            Role::Offer => line_pairs(received, &self.legs[to].origin),
            Role::Answer { .. } => Vec::new(),
        };
        let stands = |line: &CallLine| match role {
            Role::Offer => pairs
                .iter()
                .any(|pair| (pair.received, pair.written) == (line.at[from], line.at[to])),
            // In the place of a leg that has not been asked yet: what that one has.
            Role::Answer { .. } if self.legs[from].origin.last_audio().is_none() => {
                received.line_at(line.at[from]).is_some()
            }
            // What we offered there, and keys that fit.
            Role::Answer { .. } => {
                let ours = self.legs[from].origin.last_line(line.at[from]);
                let theirs = received.line_at(line.at[from]);
                ours.zip(theirs).is_some_and(|(ours, theirs)| {
                    leg_security(Some(&theirs.stream), Some(ours)).is_some()
                })
            }
        };
        let further = |line: &CallLine| {
            let local = line.local.filter(|_| stands(line))?;
            let (received, written) = (line.at[from], line.at[to]);
            Some(FurtherLine { received, written, local: local[to] })
        };
        self.lines.iter().filter_map(further).collect()
    }

    /// The commands that put both legs' present descriptions of the lines into force.
    pub(crate) fn apply_lines(&mut self, signalling_sources: [IpAddr; 2]) -> Vec<MediaCommand> {
        // Only audio has sources of ours: a picture has several, and their reports are for its sender.
        let rtcp = match self.rtcp() {
            Some(RtcpStyle::BackToBack) => Some(RtcpStyle::Auto),
            other => other,
        };
        let CallMedia { id, lines, legs, copies_rtcp, .. } = self;
        let main = *id;
        let copies_rtcp = *copies_rtcp;
        let mut commands = Vec::new();
        for line in lines.iter().filter(|line| line.local.is_some()) {
            let mut kind = StreamKind::Rtp;
            let mut plan = |side: LegSide| {
                let (leg, at) = (&mut legs[side.index()], line.at[side.index()]);
                let (received, sent) = leg.agreed(at)?;
                if received.profile == RtpProfile::Bfcp {
                    kind = StreamKind::Bfcp;
                }
                let source = Some(signalling_sources[side.index()]);
                let before = leg.lines.plans.iter().find(|(place, _)| *place == at);
                let before = before.map(|(_, plan)| plan);
                Some(media_plan_leg(Some(received), Some(sent), source, before))
            };
            let (a, b) = match line.is_lone {
                false => (plan(LegSide::A), plan(LegSide::B)),
                true => (plan(LegSide::A), Some(lone::nobody())),
            };
            // A line that the leg has declined stops, where it had begun.
            let has_begun =
                |leg: &LegMedia| leg.lines.plans.iter().any(|(at, _)| *at == line.at[0]);
            let a = a.or_else(|| (line.is_lone && has_begun(&legs[0])).then(lone::nobody));
            let (Some(a), Some(b)) = (a, b) else { continue };
            for (side, plan) in LegSide::BOTH.into_iter().zip([&a, &b]) {
                let (leg, at) = (&mut legs[side.index()], line.at[side.index()]);
                leg.origin.note_line_plan(at, plan);
                leg.lines.plans.retain(|(place, _)| *place != at);
                leg.lines.plans.push((at, plan.clone()));
            }
            // Who turns a camera off says nothing for long, and the call goes on.
            let bundled = legs[0].lines.bundled(main, line.at[0]).filter(|_| line.is_lone);
            let plan = MediaPlan { kind, rtcp, copies_rtcp, bundled, ..MediaPlan::rtp([a, b]) };
            commands.push(MediaCommand::Apply { id: line.id, plan: Box::new(plan) });
        }
        commands
    }

    /// What the relay is told when `side` has come from `theirs` of another call, before their
    /// descriptions are exchanged: its SRTP goes along, line by line.
    pub(super) fn moved_lines(
        &self,
        side: LegSide,
        other: &CallMedia,
        theirs: LegSide,
    ) -> Vec<MediaCommand> {
        let moved = |line: &CallLine| {
            let at = line.at[side.index()];
            let is_same = |from: &&CallLine| {
                from.at[theirs.index()] == at && from.media == line.media && from.local.is_some()
            };
            let from = other.lines.iter().find(is_same).filter(|_| line.local.is_some())?;
            let plans = &other.legs[theirs.index()].lines.plans;
            let (_, plan) = plans.iter().find(|(place, _)| *place == at)?;
            let (from, to) = ((from.id, theirs), (line.id, side));
            (plan.security != LegSecurity::Plain).then_some(MediaCommand::MoveLeg { from, to })
        };
        self.lines.iter().filter_map(moved).collect()
    }

    fn line_of(&self, target: LegSide, pair: &LinePair) -> Option<&CallLine> {
        let (to, from) = (target.index(), target.other().index());
        self.lines.iter().find(|line| (line.at[from], line.at[to]) == (pair.received, pair.written))
    }

    fn end_round(&mut self) {
        if !self.waits_for_lines() {
            for line in &mut self.lines {
                line.fresh = false;
            }
        }
    }

    fn take_lines(&mut self, goes: impl Fn(&[LegMedia; 2], &CallLine) -> bool) -> Vec<MediaId> {
        let mut released = Vec::new();
        for at in (0..self.lines.len()).rev() {
            if goes(&self.legs, &self.lines[at]) {
                let line = self.forget_line_at(at);
                released.extend(line.local.is_some().then_some(line.id));
            }
        }
        released
    }

    /// Its keys go with it: another stream counts its packets anew.
    fn forget_line_at(&mut self, index: usize) -> CallLine {
        let line = self.lines.remove(index);
        for (leg, at) in self.legs.iter_mut().zip(line.at) {
            leg.origin.forget_line(at);
            leg.lines.plans.retain(|(place, _)| *place != at);
        }
        line
    }
}
