//! Transfer (RFC 3515) and the methods that only matter to it. A transfer through a trunk lets one
//! party spend the other's money, so it is refused until a voice connector can allow it.

use super::Call;
use crate::context::Context;
use crate::leg::ALLOW;
use model::{Instant, LegSide};
use sip_proto::{HeaderName, Message, ServerKey};

impl Call {
    /// REFER and NOTIFY inside the call.
    pub(super) fn refuse_transfer(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) {
        self.refuse_method(context, now, from, server, request);
    }

    /// A method that is not served inside a call (RFC 3261 section 8.2.1).
    pub(super) fn refuse_method(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) {
        let leg = &self.legs[from.index()];
        let mut composer = leg.response(context, request, 405);
        composer.header(HeaderName::Allow, ALLOW);
        context.respond(now, server, 405, composer.finish());
    }
}
