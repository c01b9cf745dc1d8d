//! The SRTP contexts of a stream: which key is in force, and what a new plan does to it.

use crate::decision::{DropReason, PacketKind};
use model::{DtlsPlan, Instant, LegSide, SdesKeys};
use rtp_proto::srtp::{LONGEST_GROWTH, SrtpError, SrtpReceiver, SrtpSender};
use std::time::Duration;

/// Octets of room that [`crate::RtpSession::forward`] needs behind a datagram.
pub const GROWTH: usize = LONGEST_GROWTH;
/// How long the former receive key is taken after a new one: as long as a re-INVITE's answer may
/// be under way (RFC 3261 section 13.3.1.4).
const FORMER_KEY_AT_MOST: Duration = Duration::from_secs(32);
/// How long after the first packet under the new key: what is reordered is not later.
const FORMER_KEY_OVERLAP: Duration = Duration::from_secs(1);
/// Octets of the longest packet that is tried under both keys. A longer one is tried under the new.
const LONGEST_TRIAL: usize = 2048;

/// How the legs of a stream are protected: one pointer while neither is.
#[derive(Debug, Default)]
pub(crate) struct StreamSecurity(Option<Box<[LegSecurity; 2]>>);

#[derive(Debug, Default)]
struct LegSecurity {
    in_force: Option<Box<Contexts>>,
    /// Those of a leg whose last plan is plain: a plan with the same key finds them again, and no
    /// keystream is used twice.
    laid_by: Option<Box<Contexts>>,
    /// Those of the stream that the leg comes from, until its first keys here.
    arrived: Option<Box<LegContexts>>,
    /// The handshake that gives the keys (DTLS-SRTP); nothing passes before it is done.
    handshake: Option<Box<DtlsPlan>>,
    /// Packets that the leg's key did not prove.
    unauthentic: u64,
}

/// What SRTP remembers of a leg, on its way from one stream to another.
#[derive(Debug)]
pub struct LegContexts {
    receive: SrtpReceiver,
    send: SrtpSender,
}

#[derive(Debug)]
struct Contexts {
    receive: SrtpReceiver,
    former_receive: Option<Former>,
    send: SrtpSender,
    /// Only for a plan that returns to its key.
    former_send: Option<SrtpSender>,
}

#[derive(Debug)]
struct Former {
    receive: SrtpReceiver,
    /// Its packets are taken before this.
    until: Instant,
}

impl StreamSecurity {
    /// Takes a leg's keys. A key that is in force, or was just before, keeps its context.
    pub(crate) fn apply(&mut self, leg: LegSide, plan: &model::LegSecurity, now: Instant) {
        match plan {
            model::LegSecurity::Plain => {
                if let Some(leg) = self.0.as_mut().map(|legs| &mut legs[leg.index()]) {
                    leg.lay_by();
                    leg.handshake = None;
                }
            }
            model::LegSecurity::Sdes(keys) => {
                self.install(leg, keys, now);
                self.0.get_or_insert_default()[leg.index()].handshake = None;
            }
            model::LegSecurity::Dtls(plan) => {
                let leg = &mut self.0.get_or_insert_default()[leg.index()];
                // The same association goes on (RFC 5763 section 6.6).
                if leg.handshake.as_ref() != Some(plan) {
                    leg.lay_by();
                    leg.handshake = Some(plan.clone());
                }
            }
        }
    }

    /// Puts keys into force. A key that is in force, or was just before, keeps its context.
    pub(crate) fn install(&mut self, leg: LegSide, keys: &SdesKeys, now: Instant) {
        let leg = &mut self.0.get_or_insert_default()[leg.index()];
        let own = leg.in_force.take().or_else(|| leg.laid_by.take());
        let mut contexts = match (own, leg.arrived.take()) {
            // What was here belongs to the peer whose place the leg has taken.
            (Some(own), Some(arrived)) if *own.receive.key() != keys.receive => {
                let mut contexts = Box::new(arrived.under(keys));
                if *own.send.key() == keys.send {
                    contexts.send = own.send;
                }
                contexts
            }
            (Some(own), _) => own,
            (None, Some(arrived)) => Box::new(arrived.under(keys)),
            (None, None) => Box::new(Contexts::new(keys)),
        };
        contexts.rekey(keys, now);
        leg.in_force = Some(contexts);
    }

    /// A copy of what is remembered of a leg; `None` when it never had SRTP.
    pub(crate) fn copy_contexts(&self, leg: LegSide) -> Option<LegContexts> {
        let leg = &self.0.as_ref()?[leg.index()];
        if let Some(contexts) = leg.in_force.as_ref().or(leg.laid_by.as_ref()) {
            let (receive, send) = (contexts.receive.copy(), contexts.send.copy());
            return Some(LegContexts { receive, send });
        }
        leg.arrived.as_deref().map(LegContexts::copy)
    }

    /// Takes what another stream remembers of the leg. Where its key is in force already, what was
    /// seen here counts; else it waits for the next keys.
    pub(crate) fn adopt(&mut self, leg: LegSide, contexts: LegContexts) {
        let leg = &mut self.0.get_or_insert_default()[leg.index()];
        match &mut leg.in_force {
            Some(in_force) if in_force.receive.key() == contexts.receive.key() => {
                in_force.receive.learn(&contexts.receive);
                if in_force.send.key() == contexts.send.key() {
                    in_force.send.learn(&contexts.send);
                }
            }
            _ => leg.arrived = Some(Box::new(contexts)),
        }
    }

    /// Counts a packet that the leg's key does not prove.
    #[cold]
    pub(crate) fn count_unauthentic(&mut self, leg: LegSide) {
        if let Some(legs) = &mut self.0 {
            let count = &mut legs[leg.index()].unauthentic;
            *count = count.saturating_add(1);
        }
    }

    /// How many those are.
    pub(crate) fn unauthentic(&self, leg: LegSide) -> u64 {
        self.0.as_ref().map_or(0, |legs| legs[leg.index()].unauthentic)
    }

    /// Whether the leg's keys come from a handshake, done or not.
    pub(crate) fn has_handshake(&self, leg: LegSide) -> bool {
        self.0.as_ref().is_some_and(|legs| legs[leg.index()].handshake.is_some())
    }

    #[inline]
    pub(crate) fn is_plain(&self, leg: LegSide) -> bool {
        self.0.as_ref().is_none_or(|legs| {
            let leg = &legs[leg.index()];
            leg.in_force.is_none() && leg.handshake.is_none()
        })
    }

    #[inline]
    fn contexts(&mut self, leg: LegSide) -> Option<&mut Contexts> {
        self.0.as_mut()?[leg.index()].in_force.as_deref_mut()
    }

    /// Unprotects a packet of a leg in place; the whole of it when the leg is plain.
    #[inline]
    pub(crate) fn unprotect<'a>(
        &mut self,
        leg: LegSide,
        kind: PacketKind,
        packet: &'a mut [u8],
        now: Instant,
    ) -> Result<&'a [u8], DropReason> {
        let Some(contexts) = self.contexts(leg) else {
            return if self.has_handshake(leg) { Err(DropReason::NoKeys) } else { Ok(packet) };
        };
        let opened = match &mut contexts.former_receive {
            Some(former) if now < former.until => {
                open_either(&mut contexts.receive, former, kind, packet, now)
            }
            _ => open(&mut contexts.receive, kind, packet),
        };
        let len = opened.map_err(|error| match error {
            SrtpError::Malformed => DropReason::SrtpMalformed,
            SrtpError::UnknownMki | SrtpError::Authentication => DropReason::SrtpAuthentication,
            SrtpError::Replayed => DropReason::SrtpReplayed,
            SrtpError::TooManySources | SrtpError::KeyExhausted | SrtpError::NoRoom => {
                DropReason::SrtpExhausted
            }
        })?;
        packet.get(..len).ok_or(DropReason::SrtpMalformed)
    }

    /// Under which source what passes as `ssrc` can go on to a leg that has SRTP: the same one where
    /// packets of it were sent, else that of the last packet; and its highest sequence number.
    pub(crate) fn sent_before(&mut self, leg: LegSide, ssrc: u32) -> Option<(u32, u16)> {
        self.contexts(leg)?.send.sent_before(ssrc)
    }

    /// Protects the first `len` octets for a leg in place; the length then.
    #[inline]
    pub(crate) fn protect(
        &mut self,
        leg: LegSide,
        kind: PacketKind,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<usize, DropReason> {
        let Some(contexts) = self.contexts(leg) else {
            return if self.has_handshake(leg) { Err(DropReason::NoKeys) } else { Ok(len) };
        };
        let sealed = match kind {
            PacketKind::Rtp | PacketKind::Udptl => contexts.send.protect_rtp(buffer, len),
            PacketKind::Rtcp => contexts.send.protect_rtcp(buffer, len),
        };
        sealed.map_err(|error| match error {
            SrtpError::Replayed => DropReason::SrtpRepeated,
            SrtpError::Malformed => DropReason::SrtpMalformed,
            _ => DropReason::SrtpExhausted,
        })
    }
}

impl LegSecurity {
    fn lay_by(&mut self) {
        self.laid_by = self.in_force.take().or_else(|| self.laid_by.take());
    }
}

impl LegContexts {
    /// The same once more, for another stream.
    #[must_use]
    pub fn copy(&self) -> Self {
        LegContexts { receive: self.receive.copy(), send: self.send.copy() }
    }

    /// Learns the sources that `earlier` knows under the same keys and this does not, 256 each at most.
    pub fn learn(&mut self, earlier: &Self) {
        if self.receive.key() == earlier.receive.key() {
            self.receive.learn(&earlier.receive);
        }
        if self.send.key() == earlier.send.key() {
            self.send.learn(&earlier.send);
        }
    }

    /// The contexts under the leg's first keys at another address. The peer's key may be the one
    /// that it had; ours is a new one, and its roll-over counters begin at 0 (RFC 4568 section
    /// 7.1.4), unless it is the same against that rule: then no keystream is used twice.
    fn under(self, keys: &SdesKeys) -> Contexts {
        let LegContexts { mut receive, mut send } = self;
        if *receive.key() != keys.receive {
            receive = receive.successor(&keys.receive);
        }
        if *send.key() != keys.send {
            send = SrtpSender::new(&keys.send);
        }
        Contexts { receive, former_receive: None, send, former_send: None }
    }
}

impl Contexts {
    fn new(keys: &SdesKeys) -> Self {
        Contexts {
            receive: SrtpReceiver::new(&keys.receive),
            former_receive: None,
            send: SrtpSender::new(&keys.send),
            former_send: None,
        }
    }

    fn rekey(&mut self, keys: &SdesKeys, now: Instant) {
        if *self.receive.key() != keys.receive {
            let former = self.former_receive.take().map(|former| former.receive);
            let next = former
                .filter(|former| *former.key() == keys.receive)
                .unwrap_or_else(|| self.receive.successor(&keys.receive));
            let receive = std::mem::replace(&mut self.receive, next);
            self.former_receive = Some(Former { receive, until: now + FORMER_KEY_AT_MOST });
        }
        if *self.send.key() != keys.send {
            let next = self
                .former_send
                .take()
                .filter(|former| *former.key() == keys.send)
                .unwrap_or_else(|| self.send.successor(&keys.send));
            self.former_send = Some(std::mem::replace(&mut self.send, next));
        }
        self.receive.make_room();
        self.send.make_room();
    }
}

#[inline]
fn open(
    receiver: &mut SrtpReceiver,
    kind: PacketKind,
    packet: &mut [u8],
) -> Result<usize, SrtpError> {
    match kind {
        PacketKind::Rtp | PacketKind::Udptl => receiver.unprotect_rtp(packet),
        PacketKind::Rtcp => receiver.unprotect_rtcp(packet),
    }
}

/// Under the new key, else under the former; a failed attempt may destroy the packet.
#[cold]
fn open_either(
    receiver: &mut SrtpReceiver,
    former: &mut Former,
    kind: PacketKind,
    packet: &mut [u8],
    now: Instant,
) -> Result<usize, SrtpError> {
    let mut copy = [0; LONGEST_TRIAL];
    let Some(copy) = copy.get_mut(..packet.len()) else { return open(receiver, kind, packet) };
    copy.copy_from_slice(packet);
    match open(receiver, kind, packet) {
        Ok(len) => {
            former.until = former.until.min(now + FORMER_KEY_OVERLAP);
            Ok(len)
        }
        Err(SrtpError::Authentication | SrtpError::UnknownMki | SrtpError::Malformed) => {
            packet.copy_from_slice(copy);
            open(&mut former.receive, kind, packet)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
