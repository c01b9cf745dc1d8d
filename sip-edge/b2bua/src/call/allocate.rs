//! The relay's ports for a call that is being set up.

use super::Call;
use super::setup::SetupState;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::edge::Output;
use model::{
    AllocationFailure, CallEventKind, EndedBy, Instant, IpFamily, LegSide, LocalMedia,
    MediaCommand, MediaId, Refusal,
};
use sdp::SessionDescription;
use sip_proto::locate::Target;
use std::time::Duration;

/// How long the relay may take to say of every stream whether it has ports: longer than
/// `allocation_timeout` of a relay in a process of its own may be. Who waits hears nothing meanwhile.
const RELAY_PATIENCE: Duration = Duration::from_secs(32);

impl Call {
    /// Makes sure that the relay has ports of the right families, then calls.
    pub(super) fn place(&mut self, context: &mut Context, now: Instant, target: Target) {
        let address = target.address;
        if context.is_own_address(&address) {
            // A name with an address of ours among others is no loop unless it is the only one.
            if self.pending.as_ref().is_some_and(|pending| !pending.targets.is_empty()) {
                self.next_route(context, now);
                return;
            }
            self.fail(
                context,
                now,
                482,
                "the route leads back to us",
                EndedBy::Edge,
                Some(Refusal::Loop),
            );
            return;
        }
        let is_outbound_steered = self.is_outbound_steered();
        let Some(pending) = self.pending.as_mut() else { return };
        pending.destination = Some(target);
        let leg_a_family = match pending.offer.as_ref().and_then(SessionDescription::audio_ref) {
            // Nobody has offered: whom an application calls alone says which it is.
            Some(_) if is_outbound_steered => IpFamily::of(&address),
            Some(audio) => audio.ip_family,
            None => IpFamily::of(&self.legs[LegSide::A.index()].flow.remote),
        };
        let families = [leg_a_family, IpFamily::of(&address)];
        if self.media.fits(families) && self.media.is_allocated() {
            self.call_leg_b(context, now);
            return;
        }
        self.release_media(context);
        let id = self.next_media_id();
        self.media.requested(id, families);
        self.go_allocating(now);
        self.allocate(context, id, families);
        self.allocate_offered_lines(context, families);
    }

    /// The relay is asked, and must answer in time.
    pub(super) fn go_allocating(&mut self, now: Instant) {
        self.setup.go(SetupState::Allocating);
        self.deadlines.set(Deadline::NoResponse, now + RELAY_PATIENCE);
    }

    /// The relay has not: a call that has what it needs most goes on without the rest.
    pub(super) fn relay_silent(&mut self, context: &mut Context, now: Instant) {
        if self.is_recording() {
            self.recorded_unanswered(context, now);
        } else if self.media.is_allocated() {
            self.give_up_lines(context);
            self.media_ready(context, now);
        } else if let Some(id) = self.media.id() {
            self.media_refused(context, now, id, AllocationFailure::Unavailable);
        }
    }

    pub(super) fn media_allocated(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        local: [LocalMedia; 2],
    ) {
        if self.media.has_line(id) {
            return self.line_allocated(context, now, id, local);
        }
        if self.media.id() != Some(id) || self.setup.state() != SetupState::Allocating {
            // Of a route that is no longer tried, or of a call that has ended meanwhile.
            context.outputs.push_back(Output::Media(MediaCommand::Release { id }));
            return;
        }
        self.media.allocated(local);
        context.own_media.extend(local.iter().map(|media| media.rtp));
        context.event(self.id, now, CallEventKind::MediaAllocated { media: id });
        self.media_ready(context, now);
    }

    /// Calls, or answers, once the relay has said of every stream whether it has ports.
    pub(super) fn media_ready(&mut self, context: &mut Context, now: Instant) {
        let is_ready = self.media.is_allocated() && !self.media.waits_for_lines();
        if !is_ready || self.setup.state() != SetupState::Allocating {
            return;
        }
        self.deadlines.clear(Deadline::NoResponse);
        if self.takeover.is_replacement() {
            self.answer_replacement(context, now);
            return;
        }
        if self.is_steered() && !self.is_outbound_steered() {
            self.steered_ready(context, now);
            return;
        }
        self.call_leg_b(context, now);
    }

    pub(super) fn media_refused(
        &mut self,
        context: &mut Context,
        now: Instant,
        id: MediaId,
        reason: AllocationFailure,
    ) {
        if self.media.has_line(id) {
            return self.line_refused(context, now, id);
        }
        if self.media.id() != Some(id) {
            return;
        }
        if self.setup.state() != SetupState::Allocating {
            // It stands for news of this stream that found a queue full.
            return self.media_lost(context, now, id);
        }
        self.release_lines(context);
        self.media.release();
        self.refuse_without_ports(context, now, reason);
    }

    /// Refuses a call that has no ports.
    pub(super) fn refuse_without_ports(
        &mut self,
        context: &mut Context,
        now: Instant,
        reason: AllocationFailure,
    ) {
        match reason {
            AllocationFailure::NoAddress(_) => {
                self.fail(
                    context,
                    now,
                    488,
                    "no media address of the needed family",
                    EndedBy::Edge,
                    Some(Refusal::NotAcceptable),
                );
            }
            AllocationFailure::PortsExhausted => {
                self.refuse_overload(context, now, Refusal::PortsExhausted);
            }
            AllocationFailure::Unavailable => {
                self.refuse_overload(context, now, Refusal::RelayUnavailable);
            }
            AllocationFailure::Socket | AllocationFailure::Overloaded => {
                self.refuse_overload(context, now, Refusal::Overloaded);
            }
        }
    }
}
