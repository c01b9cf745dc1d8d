//! A route that leads to wherever the customer's systems are registered: their bindings are tried
//! one after the other, the newest first, each over the way that its registration came.

use super::Call;
use crate::context::Context;
use crate::registrar::Binding;
use model::Instant;
use sip_proto::locate::Target;
use sip_proto::{Composer, HeaderName};
use std::sync::Arc;

impl Call {
    /// Tries the next binding of the present route; `false` when there is none.
    pub(super) fn next_binding(&mut self, context: &mut Context, now: Instant) -> bool {
        let Some(pending) = self.pending.as_mut() else { return false };
        pending.binding = pending.bindings.pop_front();
        let Some(binding) = &pending.binding else { return false };
        let flow = binding.flow;
        self.place(context, now, Target::literal(flow.remote, flow.protocol));
        true
    }

    /// Looks up who is registered, when the present route leads there. `false` when it does not.
    pub(super) fn follow_registered_route(&mut self, context: &mut Context, now: Instant) -> bool {
        let Some(pending) = self.pending.as_mut() else { return false };
        let Some(route) = pending.route.as_ref().filter(|route| route.registered) else {
            return false;
        };
        let connector = route.voice_connector.as_ref();
        let bindings = connector.map(|c| context.registrar.bindings(&c.id)).unwrap_or_default();
        pending.bindings = bindings.into();
        if !self.next_binding(context, now) {
            // Nobody is there at present (RFC 3261 section 21.4.18).
            if let Some(pending) = self.pending.as_mut() {
                pending.hunt.note(480);
            }
            self.next_route(context, now);
        }
        true
    }
}

/// What a request to a registered Contact has besides others: the route that was registered with it
/// (RFC 3327), and who was called, which its request URI does not tell (RFC 7315 section 4.2).
pub(super) fn address_binding(composer: &mut Composer, binding: &Arc<Binding>, called: &str) {
    for hop in &binding.path {
        composer.header(HeaderName::Route, hop);
    }
    composer.header_named("P-Called-Party-ID", called);
}
