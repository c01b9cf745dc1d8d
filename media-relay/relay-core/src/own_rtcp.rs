//! RTCP that we send ourselves.
//!
//! Three styles ([`RtcpStyle`]). As a *transport translator* nothing is added. In *back-to-back RTP
//! sessions* RTCP ends here and every report is ours. Between them, the default watches which legs
//! speak RTCP: towards a leg whose other side is silent we report in that side's place, so that the
//! leg has somebody to answer and both directions are measured.
//!
//! The source of what we say towards a leg is that of the media which we send there (for a
//! translator the other side's own SSRC), because receivers tie sender reports to the media by it.

mod collision;
mod compose;
mod feedback;
mod heard;

pub use collision::SourceConflicts;
pub(crate) use heard::{Heard, note_report};

use crate::decision::{MediaSocket, PacketKind};
use crate::forward::rtcp_way;
use crate::rtcp_copies::{CopiedRtcp, KeptRtcp};
use crate::rtp_session::{Leg, RtpSession};
use crate::security::GROWTH;
use compose::Compound;
use model::{Instant, LegSide, MessageDirection, RtcpStyle};
use rtp_proto::NtpTime;
use std::net::SocketAddr;
use std::time::Duration;

/// Octets that the buffer for a report of ours should hold, so that building it allocates nothing.
pub const LONGEST_REPORT: usize = 512 + feedback::ROOM;

/// RFC 3550 section 6.2: the mean time between two reports.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// A report that is ready to be sent; its octets are in the buffer that was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OwnReport {
    /// The socket of the leg to send it from.
    pub socket: MediaSocket,
    /// Where to.
    pub destination: SocketAddr,
    /// Octets to send.
    pub len: usize,
}

/// What we say of ourselves, and when.
#[derive(Debug)]
pub(crate) struct OwnRtcp {
    style: RtcpStyle,
    /// What makes the sources of media towards each leg ours, where they are to be.
    masks: [u32; 2],
    interval: Duration,
    /// When the first plan came; `None` before.
    begun: Option<Instant>,
    towards: [Towards; 2],
    /// Messages that could not be told the other leg. Saturates.
    unpassed: u32,
    conflicts: SourceConflicts,
}

/// Towards one leg.
#[derive(Debug)]
pub(crate) struct Towards {
    /// Our source while there is no media that we send to the leg.
    ssrc: u32,
    /// Sixteen hexadecimal digits (RFC 7022 section 4.2: short-term, without an address in it).
    cname: [u8; 16],
    /// When to look whether a report is due.
    next: Instant,
    /// What the last report said of the leg's source.
    reported: Option<compose::Reported>,
    /// RTP packets sent to the leg at the last two reports, the older one first.
    sent: [u64; 2],
    /// The last report spoke for the media that goes to the leg, and no goodbye followed.
    speaks: bool,
    /// The other side has said goodbye, and the leg is to know.
    pass_goodbye: bool,
    /// Feedback of the other side; `None` where RTCP passes and will.
    feedback: Option<Box<feedback::Waiting>>,
    /// Where a source of ours came from last.
    conflict: Option<collision::Conflict>,
    /// A source of ours that the leg uses too; we are to take another.
    collided: Option<u32>,
}

/// How much to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Share {
    Nothing,
    /// Extended reports that nobody else sends.
    Metrics,
    Everything,
}

impl RtpSession {
    /// Chooses who speaks RTCP, before the first plan. `interval` is the mean time between reports,
    /// [`REPORT_INTERVAL`] on a real network. `draw` gives unguessable numbers.
    pub fn set_rtcp(
        &mut self,
        style: RtcpStyle,
        interval: Duration,
        draw: &mut dyn FnMut() -> u64,
    ) {
        // Any other than 0: the sources on both legs are never the same.
        let masks = LegSide::BOTH.map(|_| draw() as u32 | 1);
        let towards = LegSide::BOTH.map(|_| Towards::new(draw));
        let own = OwnRtcp {
            style,
            masks,
            interval,
            begun: None,
            towards,
            unpassed: 0,
            conflicts: SourceConflicts::default(),
        };
        self.own_rtcp = Some(Box::new(own));
        self.choose_rtcp(style);
    }

    /// The same of a stream that has had no plan yet, when its first one asks for a style.
    pub(crate) fn choose_rtcp(&mut self, style: RtcpStyle) {
        let own = self.own_rtcp.as_deref_mut().filter(|own| own.begun.is_none());
        let Some(own) = own else { return };
        // What is made for a leg ahead of the first plan has reports of ours, whatever is asked for.
        let is_made = self.legs.iter().any(|leg| leg.made.is_some());
        own.style = if is_made { RtcpStyle::BackToBack } else { style };
        let is_ours = style == RtcpStyle::BackToBack;
        for (leg, mask) in self.legs.iter_mut().zip(own.masks) {
            leg.ssrc_mask = if is_ours { mask } else { 0 };
        }
        if is_ours {
            own.towards.iter_mut().for_each(Towards::keep_feedback);
        }
    }

    /// The first plan came: the first report is due after half of an interval (RFC 3550 section
    /// 6.2).
    pub(crate) fn begin_rtcp(&mut self, now: Instant) {
        let Some(own) = self.own_rtcp.as_deref_mut() else { return };
        if own.begun.is_none() {
            own.begun = Some(now);
            for towards in &mut own.towards {
                towards.next = now + own.interval / 2;
            }
        }
    }

    /// Whether RTCP of the legs ends here.
    pub(crate) fn terminates_rtcp(&self) -> bool {
        self.own_rtcp.as_ref().is_some_and(|own| own.style == RtcpStyle::BackToBack)
    }

    /// RTCP ends here for the rest of the stream, because the legs' reports no longer fit what the
    /// other is sent.
    pub(crate) fn begin_own_reports(&mut self, now: Instant) {
        let own = self.own_rtcp.as_deref_mut();
        let Some(own) = own.filter(|own| own.style != RtcpStyle::BackToBack) else { return };
        own.style = RtcpStyle::BackToBack;
        for towards in &mut own.towards {
            towards.next = now + own.interval / 2;
            towards.keep_feedback();
        }
    }

    /// Takes the memory that [`RtpSession::begin_own_reports`] needs.
    pub(crate) fn prepare_own_reports(&mut self) {
        if let Some(own) = self.own_rtcp.as_deref_mut() {
            own.towards.iter_mut().for_each(Towards::keep_feedback);
        }
    }

    /// Whether [`RtpSession::rtcp_deadline`] may have come nearer by RTP since this was asked last.
    #[inline]
    pub fn take_rtcp_is_nearer(&mut self) -> bool {
        std::mem::take(&mut self.rtcp_is_nearer)
    }

    /// When [`RtpSession::poll_rtcp`] is to be asked for both legs; `None` for never.
    pub fn rtcp_deadline(&self) -> Option<Instant> {
        let own = self.own_rtcp.as_ref().filter(|own| own.begun.is_some())?;
        if own.style == RtcpStyle::Translator {
            return None;
        }
        own.towards.iter().map(Towards::deadline).min()
    }

    /// Writes the report that is due towards leg `to` into `out`, and counts it as sent; `None` when
    /// none is. `ntp` is the wall clock at `now`, `random` any number that peers cannot guess.
    pub fn poll_rtcp(
        &mut self,
        to: LegSide,
        now: Instant,
        ntp: NtpTime,
        random: u64,
        out: &mut Vec<u8>,
    ) -> Option<OwnReport> {
        let own = self.own_rtcp.as_deref()?;
        let towards = &own.towards[to.index()];
        let waits = towards.deadline() > now || own.style == RtcpStyle::Translator;
        own.begun.filter(|_| !waits)?;
        if towards.collided.is_some() {
            let former = self.resolve_collision(to, random)?;
            return self.send_rtcp(to, now, ntp, Compound::Goodbye(former), out);
        }
        if towards.has_feedback() {
            let sent = self.send_rtcp(to, now, ntp, Compound::Feedback, out);
            // Also where the leg cannot be reached.
            self.forget_feedback(to);
            return sent;
        }
        let share = self.share(own, to, now);
        let next = self.next_look(own, to, share, now, random);
        let own = self.own_rtcp.as_deref_mut()?;
        let towards = &mut own.towards[to.index()];
        towards.next = next;
        let goodbye = std::mem::take(&mut towards.pass_goodbye);
        match share {
            Share::Nothing => {
                towards.speaks = false;
                None
            }
            Share::Metrics => self.send_rtcp(to, now, ntp, Compound::Metrics, out),
            Share::Everything => self.send_rtcp(to, now, ntp, Compound::Report { goodbye }, out),
        }
    }

    /// Writes our goodbye towards leg `to`, at the end of the stream; `None` where the leg knows
    /// nothing of us (RFC 3550 section 6.3.7).
    pub fn poll_goodbye(
        &mut self,
        to: LegSide,
        now: Instant,
        ntp: NtpTime,
        out: &mut Vec<u8>,
    ) -> Option<OwnReport> {
        self.own_rtcp.as_deref().filter(|own| own.towards[to.index()].speaks)?;
        self.send_rtcp(to, now, ntp, Compound::Report { goodbye: true }, out)
    }

    /// A leg said goodbye where its RTCP ends: the other is told at once.
    pub(crate) fn pass_goodbye(&mut self, from: LegSide, now: Instant) {
        if let Some(own) = self.own_rtcp.as_deref_mut() {
            let towards = &mut own.towards[from.other().index()];
            if towards.speaks && !towards.pass_goodbye {
                towards.pass_goodbye = true;
                towards.next = now;
            }
        }
    }

    /// From now on what we say towards leg `to` has a name that all streams of its call have: what a receiver
    /// plays in time with each other has one (RFC 3550 section 6.5.1).
    pub(crate) fn name_after_call(&mut self, to: LegSide) {
        // FNV-1a: of the call's id as much as shows that two are the same.
        let octets = self.transaction_id.as_u128().to_be_bytes();
        let hash = octets.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(0x100_0000_01b3)
        });
        if let Some(own) = self.own_rtcp.as_deref_mut() {
            own.towards[to.index()].cname = name_of(hash);
        }
    }

    fn share(&self, own: &OwnRtcp, to: LegSide, now: Instant) -> Share {
        let is_fax = self.rare.as_ref().is_some_and(|rare| rare.is_fax);
        let has_media = self.has_media() || self.legs.iter().any(|leg| leg.made.is_some());
        if is_fax || !has_media {
            return Share::Nothing;
        }
        let (heard, metrics) = self.spoke(own, to);
        let silent = |since: Instant| now - since >= own.interval * 2;
        let wishes = self.legs[to.index()].plan.as_ref().is_some_and(|plan| plan.xr.voip_metrics);
        match own.style {
            RtcpStyle::Translator => Share::Nothing,
            RtcpStyle::BackToBack => Share::Everything,
            RtcpStyle::Auto if silent(heard) => Share::Everything,
            RtcpStyle::Auto if wishes && silent(metrics) => Share::Metrics,
            RtcpStyle::Auto => Share::Nothing,
        }
    }

    /// When the other side last sent reports, and VoIP metrics, that `to` got.
    fn spoke(&self, own: &OwnRtcp, to: LegSide) -> (Instant, Instant) {
        let begun = own.begun.unwrap_or(Instant::ZERO);
        let heard = &self.legs[to.other().index()].stream.heard;
        (heard.report_at.unwrap_or(begun), heard.metrics_at.unwrap_or(begun))
    }

    /// RFC 3550 section 6.3.1 without its compensation for timer reconsideration, which two
    /// participants do not need.
    fn next_look(
        &self,
        own: &OwnRtcp,
        to: LegSide,
        share: Share,
        now: Instant,
        random: u64,
    ) -> Instant {
        let thousandths = 500 + (random % 1_001) as u32;
        let next = now + own.interval * thousandths / 1_000;
        if own.style == RtcpStyle::Auto && share == Share::Nothing {
            // Not before the other side can have been silent for long enough.
            let (heard, _) = self.spoke(own, to);
            return (heard + own.interval * 2).max(now + own.interval / 2);
        }
        next
    }

    fn send_rtcp(
        &mut self,
        to: LegSide,
        now: Instant,
        ntp: NtpTime,
        compound: Compound,
        out: &mut Vec<u8>,
    ) -> Option<OwnReport> {
        let (socket, destination) = rtcp_way(&self.legs[to.index()])?;
        self.compose(to, now, ntp, compound, out)?;
        let (direction, peer) = (MessageDirection::Sent, destination);
        let copied = CopiedRtcp { leg: to, direction, socket, peer, at: now, octets: out };
        KeptRtcp::keep(&mut self.kept_rtcp, &copied);
        let plain = out.len();
        out.resize(plain + GROWTH, 0);
        let Ok(len) = self.security.protect(to, PacketKind::Rtcp, out, plain) else {
            // It is not sent.
            let _ = self.take_rtcp_copy();
            return None;
        };
        self.legs[to.index()].stream.sent(PacketKind::Rtcp, len);
        Some(OwnReport { socket, destination, len })
    }
}

impl Towards {
    fn new(draw: &mut dyn FnMut() -> u64) -> Self {
        let cname = name_of(draw());
        Towards {
            ssrc: draw() as u32,
            cname,
            next: Instant::ZERO,
            reported: None,
            sent: [0; 2],
            speaks: false,
            pass_goodbye: false,
            feedback: None,
            conflict: None,
            collided: None,
        }
    }

    /// From now on feedback of the other side is taken for the leg.
    fn keep_feedback(&mut self) {
        self.feedback.get_or_insert_with(feedback::Waiting::new);
    }

    fn has_feedback(&self) -> bool {
        self.feedback.as_deref().is_some_and(|waiting| waiting.since.is_some())
    }

    fn deadline(&self) -> Instant {
        let feedback = self.feedback.as_deref().and_then(|waiting| waiting.since);
        let at_once = self.collided.map(|_| Instant::ZERO);
        at_once.or(feedback.map(|since| since.min(self.next))).unwrap_or(self.next)
    }

    /// Our source towards the leg `leg`: that of the media which goes there from `other`, if any does.
    fn source(&self, leg: &Leg, other: &Leg) -> u32 {
        media_source(leg, other).unwrap_or(self.ssrc)
    }
}

fn name_of(mut number: u64) -> [u8; 16] {
    [0; 16].map(|_: u8| {
        number = number.rotate_left(4);
        b"0123456789abcdef"[(number & 15) as usize]
    })
}

/// The source of the media that `leg` gets from `other`, as it knows it.
fn media_source(leg: &Leg, other: &Leg) -> Option<u32> {
    let passing = other.stream.reception.ssrc().map(|ssrc| ssrc ^ leg.ssrc_mask);
    leg.made.as_deref().map(|made| made.outbound.ssrc()).or(passing)
}

#[cfg(test)]
mod tests;
