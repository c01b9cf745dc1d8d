//! Ways to carriers that we are registered at are kept open: their calls come over the NAT's or
//! firewall's entry that our REGISTER made. Over UDP a CRLF goes out now and then, which every peer
//! passes over; connections have their own (RFC 5626 section 3.5.1).

use super::entry::Registration;
use super::{Action, RegistrationId, Registrations};
use crate::context::Context;
use crate::edge::Output;
use bytes::Bytes;
use model::{Flow, Instant, TransportProtocol};
use sip_proto::Transmit;
use std::time::Duration;

impl Registration {
    /// Something passed at `now`: so it need not for `interval`.
    pub(super) fn keep_alive(&mut self, now: Instant, interval: Option<Duration>) {
        let is_udp =
            |target: &sip_proto::locate::Target| target.transport == TransportProtocol::Udp;
        let held = self.until.is_some() && self.target.as_ref().is_some_and(is_udp);
        self.keep_alive_at = interval.filter(|_| held).map(|interval| now + interval);
    }
}

impl Registrations {
    /// Sees whether the time has come.
    pub(super) fn keep_alive_passed(&mut self, now: Instant, id: RegistrationId) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        if entry.keep_alive_at.is_none_or(|at| at > now) {
            return;
        }
        entry.keep_alive(now, self.keep_alive);
        if entry.keep_alive_at.is_some() {
            self.actions.push_back(Action::KeepAlive { id });
        }
    }
}

impl Context {
    pub(super) fn keep_registration_alive(&mut self, id: RegistrationId) {
        let target = self.registrations.get_mut(id).and_then(|entry| entry.target.clone());
        let Some(target) = target else { return };
        let Some(listener) = self.listener_for(target.transport, &target.address) else { return };
        let flow = Flow::new(target.transport, listener.local, target.address);
        let payload = Bytes::from_static(b"\r\n\r\n");
        self.outputs.push_back(Output::Transmit(Transmit { flow, payload, client: None }));
        self.statistics.keep_alives += 1;
    }
}
