//! Floor control of a device in a meeting room: what its description says of it, told to the rooms.

use super::Call;
use crate::context::Context;
use model::{ApplicationNews, FloorAccess, FloorPeer, FloorTransport, Instant, LegSide};
use sdp::{FloorLine, SessionDescription};

/// How leg A reaches floor control, and what was agreed.
#[derive(Clone, Copy)]
pub(super) struct Flooring {
    access: FloorAccess,
    /// What the rooms were told last.
    told: Option<FloorPeer>,
}

impl Call {
    pub(super) fn control_floor_by_order(
        &mut self,
        access: FloorAccess,
    ) -> Result<(), &'static str> {
        if !self.is_in_room() {
            return Err("only meeting rooms have floor control");
        }
        if let Some(steering) = self.steering.as_mut() {
            let told = steering.flooring.and_then(|before| before.told);
            steering.flooring = Some(Flooring { access, told });
        }
        Ok(())
    }

    /// The line of floor control of an offer that its answer is to take.
    pub(super) fn take_floor_line(&mut self, offer: &SessionDescription) {
        let flooring = self.steering.as_ref().and_then(|steering| steering.flooring);
        let line = flooring.and_then(|flooring| FloorLine::of(offer, flooring.access));
        self.media.set_floor(LegSide::A, line);
    }

    /// The line of floor control of an offer of ours, where the rooms have it.
    pub(super) fn offer_floor_line(&mut self, own: &SessionDescription) {
        let flooring = self.steering.as_ref().and_then(|steering| steering.flooring);
        let line = flooring.and_then(|flooring| FloorLine::offered(own, flooring.access));
        self.media.set_floor(LegSide::A, line);
    }

    /// Whether the rooms have floor control for leg A.
    pub(super) fn has_floor_control(&self) -> bool {
        self.steering.as_ref().is_some_and(|steering| steering.flooring.is_some())
    }

    /// Whether leg A has agreed to it.
    pub(super) fn has_agreed_floor(&self) -> bool {
        let flooring = self.steering.as_ref().and_then(|steering| steering.flooring);
        flooring.is_some_and(|flooring| flooring.told.is_some())
    }

    /// Whether it has by an offer of its own over TCP, which ours do not have.
    pub(super) fn has_floor_over_tcp(&self) -> bool {
        let flooring = self.steering.as_ref().and_then(|steering| steering.flooring);
        let peer = flooring.and_then(|flooring| flooring.told);
        peer.is_some_and(|peer| peer.transport == FloorTransport::Tcp)
    }

    /// Tells the rooms what an answer of ours has made of floor control.
    pub(super) fn tell_floor(&mut self, context: &mut Context, now: Instant, answer: &[u8]) {
        let peer = self.media.agreed_floor(LegSide::A, answer);
        self.tell_floor_of(context, now, peer);
    }

    /// The same of what leg A has answered.
    pub(super) fn tell_floor_of(
        &mut self,
        context: &mut Context,
        now: Instant,
        peer: Option<FloorPeer>,
    ) {
        let steering = self.steering.as_mut();
        let Some(flooring) = steering.and_then(|steering| steering.flooring.as_mut()) else {
            return;
        };
        if std::mem::replace(&mut flooring.told, peer) != peer {
            self.tell(context, now, ApplicationNews::FloorControl(peer));
        }
    }
}
