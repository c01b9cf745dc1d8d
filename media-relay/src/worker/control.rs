//! What shares the media ports with media and is rare: connectivity checks (ICE) and handshakes
//! (DTLS-SRTP) of the legs that have them.

use super::Worker;
use super::streams::{Stream, StreamKey};
use crate::clock::Clock;
use crate::counters::WorkerCounters;
use crate::dtls::{DtlsError, DtlsIdentity, Handshake};
use model::{DtlsPlan, Instant, LegSide, MediaPlan, SdesKeys};
use relay_core::{DropReason, LONGEST_RESPONSE};
use std::net::SocketAddr;

/// One leg's handshake and the plan that asked for it.
#[derive(Debug)]
pub(super) struct LegHandshake {
    plan: DtlsPlan,
    /// `None` when it has failed: no keys, no media, until a new plan.
    running: Option<Handshake>,
    /// What it gave last, for those that share the transport.
    keys: Option<SdesKeys>,
}

/// What the cold path needs of its worker.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) clock: Clock,
    pub(super) counters: &'a WorkerCounters,
    pub(super) now: Instant,
}

impl Stream {
    /// Starts, keeps or forgets the legs' handshakes as a new plan says.
    pub(super) fn plan_handshakes(
        &mut self,
        plan: &MediaPlan,
        identity: Option<&DtlsIdentity>,
        around: Surroundings<'_>,
    ) {
        // Fax is not protected, and leaves the association of the audio that comes back.
        if plan.kind.is_datagrams() {
            return;
        }
        let own = self.session.id();
        let is_shared = plan.bundled.as_deref().is_some_and(|bundled| bundled.on != own);
        for (side, leg) in LegSide::BOTH.into_iter().zip(&plan.legs) {
            // The handshake is that of the stream whose transport it is.
            if side == LegSide::A && is_shared {
                continue;
            }
            let model::LegSecurity::Dtls(wanted) = &leg.security else {
                if let Some(handshakes) = &mut self.handshakes {
                    handshakes[side.index()] = None;
                }
                continue;
            };
            let handshakes = self.handshakes.get_or_insert_default();
            if handshakes[side.index()].as_ref().is_none_or(|running| running.plan != **wanted) {
                let local = self.local[side.index()].rtp;
                let begun = identity
                    .ok_or(DtlsError::NoCertificate)
                    .and_then(|identity| Handshake::new(identity, wanted, local));
                handshakes[side.index()] =
                    Some(LegHandshake { plan: (**wanted).clone(), running: None, keys: None });
                match begun {
                    Ok(handshake) => self.set_running(side, Some(handshake)),
                    Err(error) => self.give_up(side, &error, around.counters),
                }
            }
            // With ICE the leg's first check says where to.
            if leg.ice.is_none()
                && let Some(to) = self.session.destination(side)
            {
                self.begin(side, to, around);
            }
        }
    }

    /// Answers a check, and begins the handshake on the path that it came over.
    pub(super) fn take_check(
        &mut self,
        from: LegSide,
        source: SocketAddr,
        datagram: &[u8],
        around: Surroundings<'_>,
    ) {
        let mut response = [0; LONGEST_RESPONSE];
        let Ok(outcome) = self.session.answer_check(from, source, datagram, &mut response) else {
            around.counters.dropped(DropReason::NotMedia);
            return;
        };
        if let Some(response) = response.get(..outcome.response) {
            // A lost response is asked for again.
            let _ = self.sockets[from.index()].rtp.send_to(response, source);
        }
        if outcome.authentic {
            self.begin(from, source, around);
        }
    }

    /// Gives a datagram to the leg's handshake; whether that has given keys.
    pub(super) fn take_handshake(
        &mut self,
        from: LegSide,
        source: SocketAddr,
        datagram: &[u8],
        around: Surroundings<'_>,
    ) -> bool {
        let now = around.clock.to_std(around.now);
        self.advance(from, around, |handshake| handshake.handle(now, source, datagram))
    }

    /// The keys that a leg's handshake has given.
    pub(super) fn handshake_keys(&self, side: LegSide) -> Option<&SdesKeys> {
        self.handshakes.as_ref()?[side.index()].as_ref()?.keys.as_ref()
    }

    /// Repeats what was not answered in time.
    pub(super) fn handshake_timeouts(&mut self, around: Surroundings<'_>) {
        let now = around.clock.to_std(around.now);
        for side in LegSide::BOTH {
            self.advance(side, around, |handshake| handshake.handle_timeout(now).map(|()| None));
        }
    }

    /// When [`Stream::handshake_timeouts`] is due.
    pub(super) fn handshake_deadline(&self, clock: Clock) -> Option<Instant> {
        let handshakes = self.handshakes.as_ref()?;
        let running = handshakes.iter().flatten().filter_map(|leg| leg.running.as_ref());
        running.filter_map(Handshake::poll_timeout).min().map(|at| clock.of_std(at))
    }

    fn begin(&mut self, side: LegSide, to: SocketAddr, around: Surroundings<'_>) {
        let now = around.clock.to_std(around.now);
        self.advance(side, around, |handshake| handshake.begin(now, to).map(|()| None));
    }

    /// Does a step of a leg's handshake, sends what it has to say, installs the keys it yields. Whether it has
    /// yielded any.
    fn advance(
        &mut self,
        side: LegSide,
        around: Surroundings<'_>,
        step: impl FnOnce(&mut Handshake) -> Result<Option<SdesKeys>, DtlsError>,
    ) -> bool {
        let leg = self.handshakes.as_mut().and_then(|legs| legs[side.index()].as_mut());
        let Some(leg) = leg else { return false };
        let Some(handshake) = leg.running.as_mut() else { return false };
        let outcome = step(handshake);
        while let Some((to, datagram)) = handshake.poll_transmit() {
            // What is lost here is repeated by the handshake's own timer.
            let _ = self.sockets[side.index()].rtp.send_to(&datagram, to);
        }
        match outcome {
            Ok(Some(keys)) => {
                self.session.install_keys(side, &keys, around.now);
                leg.keys = Some(keys);
                return true;
            }
            Ok(None) => {}
            Err(error) => self.give_up(side, &error, around.counters),
        }
        false
    }

    fn set_running(&mut self, side: LegSide, handshake: Option<Handshake>) {
        let leg = self.handshakes.as_mut().and_then(|legs| legs[side.index()].as_mut());
        if let Some(leg) = leg {
            leg.running = handshake;
        }
    }

    fn give_up(&mut self, side: LegSide, error: &DtlsError, counters: &WorkerCounters) {
        counters.handshake_failures.add(1);
        let media = self.session.id().0;
        tracing::warn!(media, leg = ?side, %error, "the DTLS handshake failed: no audio");
        self.set_running(side, None);
    }
}

impl Worker {
    /// Arms the stream's timer for its handshakes.
    pub(super) fn schedule_handshakes(&mut self, key: StreamKey) {
        let clock = self.parts.clock;
        let Some(stream) = self.streams.get_mut(key) else { return };
        if let Some(at) = stream.handshake_deadline(clock)
            && at < stream.deadline
        {
            stream.deadline = at;
            self.timers.set(at, key);
        }
    }
}

#[cfg(test)]
mod tests;
