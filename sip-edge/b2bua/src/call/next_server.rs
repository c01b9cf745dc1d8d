//! Requests inside a dialog whose next hop is a name with several servers: one that the transport
//! cannot reach is followed by the next (RFC 3263 section 4.3).

use super::{Call, ClientPurpose};
use crate::context::Context;
use bytes::Bytes;
use model::Instant;
use sip_proto::{Message, Method, with_branch};

impl Call {
    /// Sends `request`, which could not be sent, to the next server of its next hop's name; `false`
    /// when there is none, or nobody wants it any more.
    pub(crate) fn ask_next_server(
        &mut self,
        context: &mut Context,
        now: Instant,
        purpose: ClientPurpose,
        request: &Bytes,
    ) -> bool {
        // A new attempt has targets of its own.
        if matches!(purpose, ClientPurpose::Setup { .. } | ClientPurpose::Join(_)) {
            return false;
        }
        let Some(side) = purpose.leg() else { return false };
        let Ok(request) = Message::parse(request.clone(), &context.config.limits) else {
            return false;
        };
        let leg = &mut self.legs[side.index()];
        let failed = leg.flow_of(&request).remote;
        if !leg.next_hop.give_up(failed) {
            return false;
        }
        context.target_health.failed(now, failed, leg.flow.protocol, None);
        let flow = leg.flow_of(&request);
        if !self.is_still_wanted(purpose, &request) {
            return false;
        }
        let branch = context.new_branch();
        let Some(bytes) = with_branch(&request, &branch) else { return false };
        let method = request.method().unwrap_or(Method::Other(""));
        let Some(client) = context.send(now, flow, &branch, method, bytes) else { return false };
        context.statistics.target_failovers += 1;
        self.open_client(context, client, purpose);
        if let ClientPurpose::Renegotiation(_) = purpose
            && let Some(exchange) = self.renegotiation.exchange.as_mut()
        {
            exchange.client = Some(client);
        }
        true
    }
}
