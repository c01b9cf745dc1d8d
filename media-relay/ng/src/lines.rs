//! The lines of a dialogue beside its main one: each is a stream of its own at the relay, asked for
//! when an offer brings it and released when the parties have agreed without it.

use crate::control::Control;
use crate::dialogue::{Dialogue, Party};
use crate::negotiation::Offered;
use crate::quality::PartyQuality;
use crate::request::Request;
use model::{
    LegPlan, LegSide, LocalMedia, MAX_CALL_LINES, MediaCommand, MediaId, MediaLine, MediaPlan,
    MediaType, StreamKind,
};
use sdp::{
    AudioStream, FurtherLine, LinePair, LineStream, Role, RtpProfile, SessionDescription,
    leg_security, line_pairs, media_plan_leg,
};
use std::net::IpAddr;

/// A line that has ports, or waits for them.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) media: MediaId,
    pub(crate) kind: MediaType,
    /// Its place among the `m=` lines of leg A's descriptions and of leg B's, from 0.
    pub(crate) at: [usize; 2],
    /// `None` until the relay has ports for it.
    pub(crate) local: Option<[LocalMedia; 2]>,
    /// Asked for together with what is still asked for.
    pub(crate) fresh: bool,
    /// By leg, the plan in force.
    pub(crate) plans: [Option<LegPlan>; 2],
    pub(crate) quality: [PartyQuality; 2],
}

/// What a party describes beside its main line.
#[derive(Default, Debug)]
pub(crate) struct PartyLines(Vec<LineStream>);

impl PartyLines {
    pub(crate) fn of(description: &SessionDescription) -> Self {
        PartyLines(description.lines())
    }

    /// The party is behind a NAT: its media is where its signalling is.
    pub(crate) fn move_to(&mut self, source: IpAddr) {
        for LineStream { stream, .. } in &mut self.0 {
            move_to(stream, source);
        }
    }

    pub(crate) fn at(&self, index: usize) -> Option<&AudioStream> {
        self.0.iter().map(|line| &line.stream).find(|stream| stream.index == index)
    }
}

pub(crate) fn move_to(stream: &mut AudioStream, source: IpAddr) {
    for remote in [&mut stream.remote_rtp, &mut stream.remote_rtcp].into_iter().flatten() {
        remote.set_ip(source);
    }
}

impl Party {
    /// What the party described of a line, and what it was told of it: both, or it is declined.
    fn agreed(&self, at: usize) -> Option<(&AudioStream, &AudioStream)> {
        self.lines.at(at).zip(self.origin.last_line(at))
    }
}

impl Line {
    /// Its place among the lines of leg A's descriptions, as the relay is told.
    fn name(&self) -> MediaLine {
        // A description has 16 lines at most.
        MediaLine::Further { index: self.at[0] as u8, media: self.kind }
    }
}

impl Dialogue {
    /// Whether the relay has yet to answer for one of its streams.
    pub(crate) fn waits_for_ports(&self) -> bool {
        self.local.is_none() || self.lines.iter().any(|line| line.local.is_none())
    }

    /// Every stream, the main one first.
    pub(crate) fn streams(&self) -> impl Iterator<Item = MediaId> {
        std::iter::once(self.media).chain(self.lines.iter().map(|line| line.media))
    }

    /// Those that the relay has given ports for.
    pub(crate) fn open_streams(&self) -> impl Iterator<Item = MediaId> {
        let main = self.local.is_some().then_some(self.media);
        let has_ports = |line: &&Line| line.local.is_some();
        main.into_iter().chain(self.lines.iter().filter(has_ports).map(|line| line.media))
    }

    /// What is measured of a party on one of the streams.
    pub(crate) fn quality_mut(
        &mut self,
        media: MediaId,
        side: LegSide,
    ) -> Option<&mut PartyQuality> {
        if media == self.media {
            return Some(&mut self.party_mut(side).quality);
        }
        let line = self.lines.iter_mut().find(|line| line.media == media)?;
        Some(&mut line.quality[side.index()])
    }

    /// The lines that an offer of `side` brings and that have no ports yet, as many as there may be.
    pub(crate) fn lines_wanted(&mut self, side: LegSide, request: &Request) -> Vec<LinePair> {
        let encryption = self.party(side).origin.encryption();
        // What cannot be read is refused when it is taken.
        let Ok(offered) = Offered::read(request, encryption) else { return Vec::new() };
        if self.begin_target(side.other(), &offered, request).is_err() {
            return Vec::new();
        }
        let (to, from) = (side.other().index(), side.index());
        let mut wanted = line_pairs(&offered.towards, &self.parties[to].origin);
        wanted.retain(|pair| {
            let same = |line: &Line| (line.at[from], line.at[to]) == (pair.received, pair.written);
            !self.lines.iter().any(same)
        });
        wanted.truncate((MAX_CALL_LINES - 1).saturating_sub(self.lines.len()));
        wanted
    }

    /// The lines of a description for `target`, made from what the other party sent.
    pub(crate) fn further_lines(
        &self,
        target: LegSide,
        received: &SessionDescription,
        role: Role<'_>,
        media_address: Option<IpAddr>,
    ) -> Vec<FurtherLine> {
        let (to, from) = (target.index(), target.other().index());
        let pairs = match role {
            Role::Offer => line_pairs(received, &self.parties[to].origin),
            Role::Answer { .. } => Vec::new(),
        };
        let stands = |line: &Line| match role {
            Role::Offer => pairs
                .iter()
                .any(|pair| (pair.received, pair.written) == (line.at[from], line.at[to])),
            // What was offered there, and keys that fit.
            Role::Answer { .. } => {
                let ours = self.parties[from].origin.last_line(line.at[from]);
                let theirs = received.line_at(line.at[from]);
                ours.zip(theirs).is_some_and(|(ours, theirs)| {
                    leg_security(Some(&theirs.stream), Some(ours)).is_some()
                })
            }
        };
        let further = |line: &Line| {
            let mut local = line.local.filter(|_| stands(line))?[to];
            if let Some(address) = media_address {
                local.rtp.set_ip(address);
                local.rtcp.set_ip(address);
            }
            Some(FurtherLine { received: line.at[from], written: line.at[to], local })
        };
        self.lines.iter().filter_map(further).collect()
    }

    /// The commands that put the lines that are agreed into force.
    pub(crate) fn plan_lines(&mut self) -> Vec<MediaCommand> {
        let Dialogue { lines, parties, .. } = self;
        let mut commands = Vec::new();
        for line in lines.iter_mut().filter(|line| line.local.is_some()) {
            let mut kind = StreamKind::Rtp;
            let mut plan = |side: LegSide| {
                let (party, at) = (&parties[side.index()], line.at[side.index()]);
                let (received, sent) = party.agreed(at)?;
                if received.profile == RtpProfile::Bfcp {
                    kind = StreamKind::Bfcp;
                }
                let before = line.plans[side.index()].as_ref();
                Some(media_plan_leg(Some(received), Some(sent), party.source, before))
            };
            let (Some(a), Some(b)) = (plan(LegSide::A), plan(LegSide::B)) else { continue };
            for ((party, at), plan) in parties.iter_mut().zip(line.at).zip([&a, &b]) {
                party.origin.note_line_plan(at, plan);
            }
            line.plans = [Some(a.clone()), Some(b.clone())];
            commands.push(line.apply(kind, [a, b], parties));
        }
        commands
    }

    /// The commands that put their plans into force again, with what is blocked now.
    pub(crate) fn plan_lines_again(&self) -> Vec<MediaCommand> {
        let again = |plan: &LegPlan| LegPlan { relearn: false, ..plan.clone() };
        let of_line = |line: &Line| {
            let [Some(a), Some(b)] = &line.plans else { return None };
            let is_bfcp = |(party, at): (&Party, usize)| {
                party.lines.at(at).is_some_and(|stream| stream.profile == RtpProfile::Bfcp)
            };
            let bfcp = self.parties.iter().zip(line.at).any(is_bfcp);
            let kind = if bfcp { StreamKind::Bfcp } else { StreamKind::Rtp };
            Some(line.apply(kind, [again(a), again(b)], &self.parties))
        };
        self.lines.iter().filter_map(of_line).collect()
    }

    /// Forgets the lines that the parties have not agreed on.
    pub(crate) fn take_unused_lines(&mut self) -> Vec<Line> {
        let parties = &self.parties;
        let agreed =
            |line: &Line| parties.iter().zip(line.at).all(|(party, at)| party.agreed(at).is_some());
        let used: Vec<bool> = self.lines.iter().map(agreed).collect();
        let mut used = used.into_iter();
        self.take_lines(|_| !used.next().unwrap_or_default())
    }

    /// Forgets the lines that have no ports, and what was asked for together with them.
    pub(crate) fn take_waiting_lines(&mut self) -> Vec<Line> {
        self.take_lines(|line| line.fresh)
    }

    /// Forgets the lines that no offer to `target` has named, because it could not be made.
    pub(crate) fn take_unoffered_lines(&mut self, target: LegSide) -> Vec<Line> {
        let to = target.index();
        let origin = self.parties[to].origin.clone();
        self.take_lines(|line| line.plans[to].is_none() && origin.last_line(line.at[to]).is_none())
    }

    fn take_lines(&mut self, mut goes: impl FnMut(&Line) -> bool) -> Vec<Line> {
        let all = std::mem::take(&mut self.lines);
        let (gone, kept): (Vec<Line>, Vec<Line>) = all.into_iter().partition(|line| goes(line));
        self.lines = kept;
        for line in &gone {
            // Its keys go with it: another stream counts its packets anew.
            for (party, at) in self.parties.iter_mut().zip(line.at) {
                party.origin.forget_line(at);
            }
        }
        gone
    }
}

impl Line {
    fn apply(
        &self,
        kind: StreamKind,
        mut legs: [LegPlan; 2],
        parties: &[Party; 2],
    ) -> MediaCommand {
        for (leg, party) in legs.iter_mut().zip(parties) {
            leg.accepts_from &= party.passes();
        }
        let plan = Box::new(MediaPlan { kind, ..MediaPlan::rtp(legs) });
        MediaCommand::Apply { id: self.media, plan }
    }
}

impl Control {
    /// Asks for the ports of the lines that an offer brings.
    pub(crate) fn request_lines(&mut self, request: &Request, at: usize, side: LegSide) {
        let Some(call) = self.calls.get_mut(&request.call_id) else { return };
        let (dialogue, transaction_id) = (&mut call.dialogues[at], call.transaction_id);
        let wanted = dialogue.lines_wanted(side, request);
        let families = dialogue.families;
        let mut lines = Vec::with_capacity(wanted.len());
        for LinePair { received, written, media: kind } in wanted {
            let at = match side {
                LegSide::A => [received, written],
                LegSide::B => [written, received],
            };
            let media = self.new_media(&request.call_id);
            let (plans, quality) = ([None, None], Default::default());
            let line = Line { media, kind, at, local: None, fresh: true, plans, quality };
            self.order(MediaCommand::Allocate {
                id: media,
                transaction_id,
                families,
                emergency: false,
                line: line.name(),
            });
            lines.push(line);
        }
        if let Some(call) = self.calls.get_mut(&request.call_id) {
            call.dialogues[at].lines.extend(lines);
        }
    }

    /// Releases the streams of lines that are gone. One that waits for its ports is released when they
    /// come and find nobody.
    pub(crate) fn release_lines(&mut self, gone: Vec<Line>) {
        for line in gone.into_iter().filter(|line| line.local.is_some()) {
            self.streams.remove(&line.media);
            self.order(MediaCommand::Release { id: line.media });
        }
    }

    /// The relay has no ports for a line: it and those that were asked for together with it are
    /// declined, and the offer goes on.
    pub(crate) fn line_refused(&mut self, id: MediaId, draw: &mut dyn FnMut() -> u64) {
        let place = self.place_of(id);
        let dialogue = place.and_then(|(call_id, at)| {
            let media = self.calls.get(&call_id)?.dialogues.get(at)?.media;
            Some((call_id, media))
        });
        self.streams.remove(&id);
        if let Some((call_id, media)) = dialogue {
            self.give_up_lines(&call_id, media, draw);
        }
    }

    /// Goes on with an offer without the lines that it waits for.
    pub(crate) fn give_up_lines(
        &mut self,
        call_id: &str,
        media: MediaId,
        draw: &mut dyn FnMut() -> u64,
    ) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        let Some(dialogue) = call.dialogues.iter_mut().find(|d| d.media == media) else { return };
        let gone = dialogue.take_waiting_lines();
        self.release_lines(gone);
        self.finish_waiting(call_id, media, draw);
    }

    /// The call and the place of the dialogue that has a stream.
    pub(crate) fn place_of(&self, id: MediaId) -> Option<(String, usize)> {
        let call_id = self.streams.get(&id)?;
        let call = self.calls.get(call_id)?;
        let at = call.dialogues.iter().position(|d| d.streams().any(|media| media == id))?;
        Some((call_id.clone(), at))
    }
}
