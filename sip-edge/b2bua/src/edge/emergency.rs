//! Calls for help: recognised before anything is kept of them, taken when other calls are not.

use super::Edge;
use crate::admission::{Admission, user_of};
use crate::call::Call;
use crate::context::CallKey;
use bytes::Bytes;
use model::{Flow, Instant, Refusal};
use sip_proto::{Message, Precedence, ServerKey};

impl Edge {
    /// How a message stands whose source is known here: those of emergency calls, and the INVITE
    /// that may become one, find room when others find none.
    pub(super) fn precedence_of(&self, flow: &Flow, raw: &Bytes) -> Precedence {
        let call = sip_proto::call_id_of(raw)
            .and_then(|id| self.context.call_ids.get(id))
            .and_then(|(key, _)| self.calls.get(*key));
        match call {
            Some(call) => call.precedence(),
            None if self.is_call_for_help(flow, sip_proto::start_line_of(raw)) => {
                Precedence::Emergency
            }
            None => Precedence::Ordinary,
        }
    }

    /// Whether a start line is that of an INVITE to an emergency number, or to the service's URN, of
    /// a customer that the source belongs to. Reads nothing else: it is asked before every limit.
    pub(super) fn is_call_for_help(&self, flow: &Flow, start_line: &[u8]) -> bool {
        let Some(rest) = start_line.strip_prefix(b"INVITE ") else { return false };
        let uri = std::str::from_utf8(rest).ok().and_then(|rest| rest.split(' ').next());
        let Some(called) = uri.and_then(user_of) else { return false };
        let directory = &self.context.directory;
        let source = flow.remote.ip().to_canonical();
        let bound = self.context.registrar.connectors_at(source);
        directory
            .voice_connectors_by_source(source)
            .chain(bound.iter().filter_map(|id| directory.voice_connector(id)))
            .filter_map(|connector| connector.emergency.as_ref())
            .any(|emergency| emergency.find(&called, None).is_some())
    }

    /// Whether one more call is taken. A drain and `max_calls` are not for emergency calls, which
    /// have the `emergency_headroom`; the end of a drain is for everybody.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn has_place(&self, is_emergency: bool) -> Result<(), Refusal> {
        if self.context.closed || (self.context.draining && !is_emergency) {
            return Err(Refusal::Draining);
        }
        if self.has_room(is_emergency) { Ok(()) } else { Err(Refusal::Overloaded) }
    }

    /// Whether the table has room for one more call; the last places are for emergency calls.
    pub(super) fn has_room(&self, is_emergency: bool) -> bool {
        !self.calls.is_full() && (is_emergency || self.calls.len() < self.context.config.max_calls)
    }

    /// Sets a call going that has just been made.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        key: CallKey,
        mut call: Box<Call>,
        server: ServerKey,
        invite: Message,
        admission: &Admission,
    ) {
        self.context.precedence = call.precedence();
        call.start(&mut self.context, now, server, invite, admission);
        self.context.precedence = Precedence::Ordinary;
        self.put_back(now, key, call);
    }
}
