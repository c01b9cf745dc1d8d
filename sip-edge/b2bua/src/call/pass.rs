//! REFER and NOTIFY of a transfer that the other leg is to carry out: what they name of our dialogs
//! is put into the other leg's terms.

use super::answer::host_of;
use super::{Call, ClientPurpose};
use crate::carry;
use crate::context::Context;
use crate::redirect::status_for_caller;
use model::{Instant, LegSide};
use sip_proto::{Composer, HeaderName, Message, Method, ServerKey, push_address};
use std::fmt::Write as _;

impl Call {
    /// A REFER goes to the other leg. `far_dialog` is the target when the REFER named a dialog of
    /// ours: see [`Call::far_dialog`].
    pub(crate) fn pass_refer(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
        target: &str,
    ) {
        let host = host_of(&self.legs[from.other().index()]);
        self.pass(context, now, from, server, request, |composer| {
            composer.header_pieces(HeaderName::ReferTo, &["<", target, ">"]);
            composer.copy_all(request, HeaderName::ReferSub);
            for value in request.values(HeaderName::ReferredBy) {
                if let Some(text) = carry::rehost(value, &host) {
                    composer.header(HeaderName::ReferredBy, &text);
                }
            }
        });
    }

    /// A number as the URI that the peer of `to` can call.
    pub(crate) fn target_at(&self, to: LegSide, number: &str) -> String {
        let mut target = String::from("sip:");
        let plain = |c: &char| c.is_ascii_alphanumeric() || "+-._*#".contains(*c);
        target.extend(number.chars().filter(plain));
        target.push('@');
        push_address(&mut target, self.legs[to.index()].flow.remote);
        target
    }

    /// The dialog of the leg opposite to `side`, as that leg's peer knows it: a Refer-To that tells
    /// another peer of the same network to replace it (RFC 5589 section 7).
    pub(crate) fn far_dialog(&self, side: LegSide) -> Option<String> {
        let leg = &self.legs[side.other().index()];
        let dialog = leg.dialog.as_ref()?;
        let uri = dialog.remote_target().split('?').next().unwrap_or_default();
        let mut target = format!("{uri}?Replaces=");
        push_escaped(&mut target, &leg.call_id);
        target.push_str("%3Bto-tag%3D");
        push_escaped(&mut target, dialog.remote_tag());
        target.push_str("%3Bfrom-tag%3D");
        push_escaped(&mut target, &leg.local_tag);
        Some(target)
    }

    /// A NOTIFY goes to the other leg, with its fragment: that is a status line, which names
    /// nobody.
    pub(super) fn pass_notify(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
    ) {
        let refers = request
            .header(HeaderName::Event)
            .is_some_and(|event| event.split(';').next().unwrap_or_default().trim() == "refer");
        if !refers {
            // RFC 6665 section 4.1.3.
            self.legs[from.index()].answer(context, now, server, request, 489);
            return;
        }
        self.pass(context, now, from, server, request, |composer| {
            composer.copy_all(request, HeaderName::Event);
            composer.copy_all(request, HeaderName::SubscriptionState);
        });
    }

    fn pass(
        &mut self,
        context: &mut Context,
        now: Instant,
        from: LegSide,
        server: ServerKey,
        request: &Message,
        headers: impl FnOnce(&mut Composer),
    ) {
        let to = from.other();
        let Some(method) = request.method() else { return };
        let method = if method == Method::Refer { Method::Refer } else { Method::Notify };
        let live = self.is_live();
        let leg = &mut self.legs[to.index()];
        let cseq = leg.next_cseq();
        let composed = leg.request(context, method, cseq).filter(|_| live);
        let Some((mut composer, branch, flow)) = composed else {
            self.legs[from.index()].answer(context, now, server, request, 481);
            return;
        };
        composer.header(HeaderName::Contact, self.legs[to.index()].contact());
        headers(&mut composer);
        carry::carry_in_dialog(&mut composer, request, self.is_masked());
        let body = request.body_bytes();
        let is_fragment = request
            .header(HeaderName::ContentType)
            .is_some_and(|t| t.trim().to_ascii_lowercase().starts_with("message/sipfrag"));
        // A fragment may hold more than its status line, and that is the other leg's.
        let line = body.split(|byte| *byte == b'\r' || *byte == b'\n').next().unwrap_or_default();
        let bytes = if is_fragment && line.starts_with(b"SIP/2.0 ") {
            let fragment = [line, b"\r\n"].concat();
            composer.body(Some("message/sipfrag;version=2.0"), &fragment)
        } else {
            composer.finish()
        };
        match context.send(now, flow, &branch, method, bytes) {
            Some(client) => self.open_client(context, client, ClientPurpose::Pass { to, server }),
            None => self.legs[from.index()].answer(context, now, server, request, 503),
        }
    }

    /// The other leg's response to what was passed, or its silence.
    pub(super) fn return_passed(
        &mut self,
        context: &mut Context,
        now: Instant,
        to: LegSide,
        server: ServerKey,
        response: Option<&Message>,
    ) {
        let Some(request) = context.endpoint.request_of(server).cloned() else { return };
        let status = response.and_then(Message::status).unwrap_or(500);
        // A subscription that is not there (481) is the asking leg's business.
        let told = if status >= 300 && status != 481 { status_for_caller(status) } else { status };
        let mut composer = self.legs[to.other().index()].response(context, &request, told);
        if let Some(response) = response {
            composer.copy_all(response, HeaderName::ReferSub);
            carry::carry_in_dialog(&mut composer, response, self.is_masked());
        }
        context.respond(now, server, told, composer.finish());
    }
}

/// Writes text as a header's value inside a URI (RFC 3261 section 25.1, `hvalue`).
fn push_escaped(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}
