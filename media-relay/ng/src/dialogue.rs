//! What two parties have between them, as their descriptions left it.

use crate::lines::{Line, PartyLines};
use crate::quality::PartyQuality;
use crate::request::Request;
use model::{
    Codec, Instant, IpFamily, LegPlan, LegSide, LocalMedia, MediaCommand, MediaId, MediaPlan,
    StreamKind,
};
use sdp::{AudioStream, Making, OriginState, SessionDescription, media_plan_leg};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One dialogue: leg A made its first offer, leg B is who that went to.
#[derive(Debug)]
pub(crate) struct Dialogue {
    /// The main line's stream.
    pub(crate) media: MediaId,
    /// Of the addresses towards the legs.
    pub(crate) families: [IpFamily; 2],
    /// The Via branch of the first offer, when proxies tell forks apart by it.
    pub(crate) branch: Option<String>,
    pub(crate) parties: [Party; 2],
    /// `None` until the relay has ports for it.
    pub(crate) local: Option<[LocalMedia; 2]>,
    /// Those beside the main one.
    pub(crate) lines: Vec<Line>,
    /// Offers that wait for ports.
    pub(crate) waiting: Vec<Waiting>,
    /// The last offer and who made it. Forked answers may each be to it.
    pub(crate) offer: Option<(LegSide, Arc<SessionDescription>)>,
    /// An answer has come.
    pub(crate) answered: bool,
    /// The proxy has asked for formats that the offerer does not have, or hid some that it has.
    pub(crate) transcodes: bool,
    /// The proxy has asked for packets of another duration than a party has.
    pub(crate) repacketizes: bool,
    /// Bits a second of Opus that the proxy has asked for.
    pub(crate) opus_bitrate: Option<u32>,
    pub(crate) last_signal: Instant,
}

/// An offer that waits for ports.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) ticket: crate::control::Ticket,
    pub(crate) request: Box<Request>,
    pub(crate) since: Instant,
}

/// One side of a dialogue.
#[derive(Debug)]
pub(crate) struct Party {
    /// `None` until its first answer.
    pub(crate) tag: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) created: Instant,
    pub(crate) origin: OriginState,
    /// What it described when that was last agreed.
    pub(crate) received: Option<AudioStream>,
    /// The same of the lines beside.
    pub(crate) lines: PartyLines,
    /// What it described last.
    pub(crate) advertised: Option<SocketAddr>,
    pub(crate) source: Option<IpAddr>,
    /// The address of its media is that of its signalling.
    pub(crate) at_source: bool,
    pub(crate) plan: Option<LegPlan>,
    pub(crate) blocks_media: bool,
    /// The other party hears silence in the place of its media.
    pub(crate) is_silenced: bool,
    pub(crate) blocks_events: bool,
    pub(crate) quality: PartyQuality,
}

impl Party {
    pub(crate) fn new(tag: Option<String>, now: Instant, origin: OriginState) -> Self {
        Party {
            tag,
            label: None,
            created: now,
            origin,
            received: None,
            lines: PartyLines::default(),
            advertised: None,
            source: None,
            at_source: false,
            plan: None,
            blocks_media: false,
            is_silenced: false,
            blocks_events: false,
            quality: PartyQuality::default(),
        }
    }

    /// Whether its media passes.
    pub(crate) const fn passes(&self) -> bool {
        !self.blocks_media && !self.is_silenced
    }

    /// Whether it has this tag.
    pub(crate) fn is(&self, tag: &str) -> bool {
        self.tag.as_deref() == Some(tag)
    }

    fn replan(&mut self) -> LegPlan {
        let sent = self.origin.last_audio();
        let plan = media_plan_leg(self.received.as_ref(), sent, self.source, self.plan.as_ref());
        self.origin.note_plan(&plan);
        self.plan = Some(plan.clone());
        plan
    }
}

impl Dialogue {
    /// The side that has a tag.
    pub(crate) fn side_of(&self, tag: &str) -> Option<LegSide> {
        LegSide::BOTH.into_iter().find(|side| self.party(*side).is(tag))
    }

    pub(crate) fn party(&self, side: LegSide) -> &Party {
        &self.parties[side.index()]
    }

    pub(crate) fn party_mut(&mut self, side: LegSide) -> &mut Party {
        &mut self.parties[side.index()]
    }

    /// The command that puts what is agreed into force.
    pub(crate) fn plan(&mut self) -> MediaCommand {
        let plans = self.parties.each_mut().map(Party::replan);
        self.command(plans)
    }

    /// The command that puts the plan into force again, with what is blocked now; `None` before
    /// there is any.
    pub(crate) fn plan_again(&self) -> Option<MediaCommand> {
        let [a, b] = self.parties.each_ref().map(|party| party.plan.clone());
        let again = |plan: LegPlan| LegPlan { relearn: false, ..plan };
        Some(self.command([again(a?), again(b?)]))
    }

    fn command(&self, mut legs: [LegPlan; 2]) -> MediaCommand {
        for (leg, party) in legs.iter_mut().zip(&self.parties) {
            leg.accepts_from &= party.passes();
        }
        let is_fax = |party: &Party| party.received.as_ref().is_some_and(|s| s.profile.is_fax());
        let kind =
            if self.parties.iter().any(is_fax) { StreamKind::Udptl } else { StreamKind::Rtp };
        let blocked_events = self.parties.each_ref().map(|party| party.blocks_events);
        let described = self.parties.iter().all(|party| party.received.is_some());
        let making = Making { formats: self.transcodes, noise: false, packets: self.repacketizes };
        let makes = making.formats || making.packets;
        let mut transcoding = match makes && described && kind == StreamKind::Rtp {
            true => sdp::transcoding(legs.each_ref(), making),
            false => [None, None],
        };
        for made in transcoding.iter_mut().flatten().filter(|made| made.to.codec == Codec::Opus) {
            made.bitrate = self.opus_bitrate;
        }
        let plan =
            Box::new(MediaPlan { kind, blocked_events, transcoding, ..MediaPlan::rtp(legs) });
        MediaCommand::Apply { id: self.media, plan }
    }

    /// When a packet of either party was last noticed, or a request came.
    pub(crate) fn last_sign_of_life(&self) -> Instant {
        let main = self.parties.iter().map(|party| &party.quality);
        let lines = self.lines.iter().flat_map(|line| &line.quality);
        let heard = main.chain(lines).flat_map(|quality| quality.heard).flatten();
        heard.max().unwrap_or(Instant::ZERO).max(self.last_signal)
    }

    /// Nobody is to send: the call is on hold.
    pub(crate) fn is_held(&self) -> bool {
        !self.parties.iter().any(|party| party.plan.as_ref().is_some_and(|p| p.accepts_from))
    }
}
