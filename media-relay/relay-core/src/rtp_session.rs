//! One relayed stream: two legs, each with its plan, its latches and its numbers.

use crate::bundle::MidExtension;
use crate::copied::CopyTap;
use crate::decision::PacketKind;
use crate::dtmf::Dtmf;
use crate::latch::{Latch, LearningPolicy};
use crate::listening::AudioTap;
use crate::made::Made;
use crate::mixed::Seated;
use crate::own_rtcp::OwnRtcp;
use crate::pictures::Pictured;
use crate::plan::{CompiledLeg, expectations};
use crate::rate::{PacketBucket, PacketRate};
use crate::renumbering::Renumbering;
use crate::rtcp_copies::KeptRtcp;
use crate::security::{LegContexts, StreamSecurity};
use crate::stream::LegStream;
use crate::tap::Tap;
use crate::timeout::Timeouts;
use crate::transcoding::Stage;
use crate::unheard::Unheard;
use model::{
    FaxView, IcePlan, Instant, LegSide, MediaId, MediaLine, MediaPlan, SdesKeys, TransactionId,
};
use std::net::SocketAddr;
use std::time::Duration;

/// One relayed stream. Fixed in size: nothing that arrives makes it grow.
#[derive(Debug)]
pub struct RtpSession {
    pub(crate) id: MediaId,
    pub(crate) transaction_id: TransactionId,
    pub(crate) policy: LearningPolicy,
    /// Which of the call's streams it is.
    pub(crate) line: MediaLine,
    /// What either leg may send.
    pub(crate) rate: PacketRate,
    pub(crate) legs: [Leg; 2],
    pub(crate) security: StreamSecurity,
    /// `None` before [`RtpSession::set_rtcp`].
    pub(crate) own_rtcp: Option<Box<OwnRtcp>>,
    /// RTP has brought [`RtpSession::rtcp_deadline`] nearer.
    pub(crate) rtcp_is_nearer: bool,
    pub(crate) timeouts: Timeouts,
    /// `None` while no keys are converted.
    pub(crate) dtmf: Option<Box<Dtmf>>,
    /// `None` while nobody is listened to.
    pub(crate) unheard: Option<Box<Unheard>>,
    /// What few streams have; one pointer while this one has nothing of it.
    pub(crate) rare: Option<Box<Rare>>,
    /// `None` while no packets are copied.
    pub(crate) tap: Option<Box<Tap>>,
    /// `None` while nobody listens.
    pub(crate) audio_tap: Option<Box<AudioTap>>,
    /// `None` while no leg takes part in a conference.
    pub(crate) seated: Option<Box<Seated>>,
    /// `None` while leg A takes part in no conference with pictures.
    pub(crate) pictured: Option<Box<Pictured>>,
    /// `None` while no leg is copied to another stream.
    pub(crate) copy_tap: Option<Box<CopyTap>>,
    /// `None` while RTCP is not copied.
    pub(crate) kept_rtcp: Option<Box<KeptRtcp>>,
}

/// What few streams have.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    /// Of the legs that have ICE.
    pub(crate) ice: [Option<IcePlan>; 2],
    /// The plan in force carries fax, or other datagrams that are not read.
    pub(crate) is_fax: bool,
    /// Of a stream that has ever carried such.
    pub(crate) fax: Option<[FaxView; 2]>,
    /// For packets of the legs whose payload types are other ones to the other leg.
    pub(crate) renumbering: [Option<Renumbering>; 2],
    /// For packets of the legs whose formats the other leg does not have.
    pub(crate) transcoding: [Option<Box<Stage>>; 2],
    /// Of stages that have been made.
    pub(crate) stages: u32,
    /// What packets for leg A say of their line, where several share its transport.
    pub(crate) mid: Option<MidExtension>,
}

#[derive(Debug)]
pub(crate) struct Leg {
    /// `None` until the first plan.
    pub(crate) plan: Option<CompiledLeg>,
    pub(crate) rtp: Latch,
    pub(crate) rtcp: Latch,
    /// Of everything that comes from the leg itself.
    pub(crate) bucket: PacketBucket,
    pub(crate) stream: LegStream,
    /// When the leg was last heard, or last began to be one that should send.
    pub(crate) heard: Instant,
    silence_said: bool,
    /// A plan has let the leg send.
    pub(crate) was_allowed: bool,
    /// `None` while nothing has been made for the leg.
    pub(crate) made: Option<Box<Made>>,
    /// For a leg with SRTP, should the other's source start over; `None` once `made` is there.
    pub(crate) spare: Option<Box<Made>>,
    /// The difference between the sources of media towards the leg and as the other leg has them;
    /// 0 where they pass unchanged. It makes different sources of different ones.
    pub(crate) ssrc_mask: u32,
}

impl RtpSession {
    /// A stream without a plan: everything that arrives is dropped and counted.
    pub fn new(
        id: MediaId,
        transaction_id: TransactionId,
        now: Instant,
        policy: LearningPolicy,
    ) -> Self {
        let leg = || Leg {
            plan: None,
            rtp: Latch::default(),
            rtcp: Latch::default(),
            bucket: PacketBucket::default(),
            stream: LegStream::default(),
            heard: now,
            silence_said: false,
            was_allowed: false,
            made: None,
            spare: None,
            ssrc_mask: 0,
        };
        let security = StreamSecurity::default();
        let (legs, timeouts) = ([leg(), leg()], Timeouts::default());
        RtpSession {
            id,
            transaction_id,
            policy,
            line: MediaLine::Main,
            rate: PacketRate::default(),
            legs,
            security,
            own_rtcp: None,
            rtcp_is_nearer: false,
            timeouts,
            dtmf: None,
            unheard: None,
            rare: None,
            tap: None,
            audio_tap: None,
            seated: None,
            pictured: None,
            copy_tap: None,
            kept_rtcp: None,
        }
    }

    /// Which of the call's streams it is, before the first plan; the main one unless told. Only audio
    /// is scored.
    pub fn set_line(&mut self, line: MediaLine) {
        self.line = line;
    }

    /// Which of the call's streams it is.
    pub fn line(&self) -> MediaLine {
        self.line
    }

    /// From now on each leg may send so many packets a second, RTP and RTCP together, and as many at
    /// once; more are dropped as [`crate::DropReason::RateExceeded`]. 0, as in the beginning, is no
    /// bound.
    pub fn limit_rate(&mut self, packets_per_second: u32) {
        self.rate = PacketRate::per_second(packets_per_second);
    }

    /// Swaps the whole plan. What was measured and, without `relearn`, what was latched stays; so do
    /// roll-over counters and replay windows of SRTP.
    pub fn apply(&mut self, plan: &MediaPlan, now: Instant) {
        self.forget_pictures_sent();
        // Fax is not protected, and leaves the keys of the audio that comes back as they are.
        if !plan.kind.is_datagrams() {
            for (side, plan) in LegSide::BOTH.into_iter().zip(&plan.legs) {
                self.security.apply(side, &plan.security, now);
            }
        }
        self.apply_rare(plan);
        self.copy_rtcp(plan.copies_rtcp && !plan.kind.is_datagrams());
        self.apply_dtmf(plan);
        if let Some(style) = plan.rtcp {
            self.choose_rtcp(style);
        }
        self.apply_unheard(plan);
        self.begin_rtcp(now);
        self.timeouts.apply(plan.timeouts, now);
        for ((leg, blocks_events), plan) in
            self.legs.iter_mut().zip(plan.blocked_events).zip(&plan.legs)
        {
            let [rtp, rtcp] = expectations(plan);
            let relearn = plan.relearn || leg.plan.is_none();
            leg.rtp.expect(rtp, relearn);
            leg.rtcp.expect(rtcp, relearn);
            leg.was_allowed |= plan.accepts_from;
            let was_sender = leg.plan.as_ref().is_some_and(|p| p.accepts_from);
            if plan.accepts_from && !was_sender {
                leg.heard = now;
                leg.silence_said = false;
            }
            let mut compiled = CompiledLeg::new(plan);
            compiled.blocks_events = blocks_events;
            if let Some(made) = leg.made.as_deref_mut() {
                made.speak(&compiled);
            }
            leg.plan = Some(compiled);
        }
        self.tune_voices();
        self.tune_warnings();
        self.prepare_for_restarts();
        self.renew_listened(now);
    }

    fn apply_rare(&mut self, plan: &MediaPlan) {
        let is_fax = plan.kind.is_datagrams();
        let fax = self.fax_counts().or(is_fax.then(Default::default));
        let has_ice = plan.legs.iter().any(|leg| leg.ice.is_some());
        let ice = plan.legs.each_ref().map(|leg| leg.ice.as_deref().cloned());
        let [a, b] = &plan.legs;
        let renumbering = [Renumbering::between(a, b), Renumbering::between(b, a)];
        let renumbers = renumbering.iter().any(Option::is_some) && !is_fax;
        let (transcoding, stages) = self.stages_for(plan);
        let transcodes = transcoding.iter().any(Option::is_some);
        let mid = plan.bundled.as_deref().and_then(MidExtension::of);
        let is_needed = has_ice || fax.is_some() || renumbers || transcodes || stages > 0;
        self.rare = (is_needed || mid.is_some())
            .then(|| Box::new(Rare { ice, is_fax, fax, renumbering, transcoding, stages, mid }));
    }

    /// Puts the keys of a finished handshake with `leg` into force.
    pub fn install_keys(&mut self, leg: LegSide, keys: &SdesKeys, now: Instant) {
        if self.security.has_handshake(leg) {
            self.security.install(leg, keys, now);
            self.forget_pictures_sent();
            self.prepare_for_restarts();
        }
    }

    /// A leg's media comes from this address and goes there: so says the stream whose transport it shares.
    pub fn follow(&mut self, leg: LegSide, source: SocketAddr) {
        let leg = &mut self.legs[leg.index()];
        leg.rtp.settle(source);
        leg.rtcp.settle(source);
    }

    /// A copy of what SRTP remembers of a leg that goes over to another stream; `None` when it never
    /// had SRTP.
    pub fn copy_contexts(&self, leg: LegSide) -> Option<LegContexts> {
        self.security.copy_contexts(leg)
    }

    /// Takes what SRTP remembers of a leg that comes from another stream.
    pub fn adopt_contexts(&mut self, leg: LegSide, contexts: LegContexts) {
        self.security.adopt(leg, contexts);
    }

    /// Where media of a leg goes: where it comes from, else where its description says.
    pub fn destination(&self, leg: LegSide) -> Option<SocketAddr> {
        self.legs[leg.index()].rtp.destination()
    }

    /// The stream's identity.
    pub fn id(&self) -> MediaId {
        self.id
    }

    /// The call that it belongs to.
    pub fn transaction_id(&self) -> TransactionId {
        self.transaction_id
    }

    /// Whether media came from either leg.
    pub fn has_media(&self) -> bool {
        self.legs.iter().any(|leg| leg.stream.rtp_packets > 0)
            || self.fax_counts().iter().flatten().any(|leg| leg.received_packets > 0)
    }

    /// The source that a leg's RTP is locked to.
    pub fn latched(&self, leg: LegSide) -> Option<SocketAddr> {
        self.legs[leg.index()].rtp.locked()
    }

    /// The same once no packet can move it any more: the learning window is over.
    pub fn settled(&self, leg: LegSide, now: Instant) -> Option<SocketAddr> {
        self.legs[leg.index()].rtp.settled(now)
    }

    /// RTP packets that came from a leg's own source.
    pub fn rtp_packets(&self, leg: LegSide) -> u64 {
        self.legs[leg.index()].stream.rtp_packets
    }

    /// Takes back a packet that [`RtpSession::forward`] sent to `to` and that the operating system
    /// did not take.
    #[cold]
    pub fn send_failed(&mut self, to: LegSide, kind: PacketKind, len: usize) {
        if kind == PacketKind::Udptl {
            self.fax_send_failed(to, len);
        } else {
            self.legs[to.index()].stream.send_failed(kind, len);
        }
    }

    /// Counts a datagram on a leg's socket that could not even be read whole.
    #[cold]
    pub fn count_malformed(&mut self, from: LegSide) {
        let stream = &mut self.legs[from.index()].stream;
        stream.malformed = stream.malformed.saturating_add(1);
    }

    /// Whether `leg` should send and has not been heard for `after`; said once per silence.
    pub fn poll_silence(&mut self, leg: LegSide, now: Instant, after: Duration) -> bool {
        let (leg, other) = crate::forward::pair(&mut self.legs, leg);
        let silent = leg.should_speak(other) && now - leg.heard >= after;
        if silent {
            leg.silence_said = true;
        }
        silent
    }

    /// When [`RtpSession::poll_silence`] can first say something if nothing more arrives.
    pub fn silence_deadline(&self, after: Duration) -> Option<Instant> {
        let [a, b] = &self.legs;
        let pairs = [(a, b), (b, a)].into_iter();
        pairs.filter(|(leg, other)| leg.should_speak(other)).map(|(leg, _)| leg.heard + after).min()
    }
}

impl Leg {
    /// What is played to the other leg speaks for this one.
    fn should_speak(&self, other: &Leg) -> bool {
        let may_speak = self.plan.as_ref().is_some_and(|plan| plan.accepts_from);
        !self.silence_said && may_speak && !other.is_played_to()
    }

    #[inline]
    pub(crate) fn note_heard(&mut self, now: Instant) {
        self.heard = now;
        self.silence_said = false;
    }
}
