//! A recorder that asks who we are (RFC 3261 section 22): our request again, with credentials.

use super::{Call, CopyPhase, PATIENCE};
use crate::call::{ClientPurpose, CopyRequest};
use crate::context::Context;
use crate::deadline::Deadline;
use bytes::Bytes;
use model::{Flow, Instant};
use sip_proto::auth::with_credentials;
use sip_proto::{ClientKey, Message, Method};

impl Call {
    /// Sends `request`, of ours to the recorder, again with credentials if `response` asks for some that
    /// we have; `false` when the response stands as it is.
    ///
    /// A BYE is not sent again: nothing is left of the dialog by then, and what the recorder asked for
    /// before is in it already.
    pub(in crate::call) fn answer_recorder(
        &mut self,
        context: &mut Context,
        now: Instant,
        (client, asked): (ClientKey, CopyRequest),
        response: &Message,
        request: &Bytes,
        flow: Flow,
    ) -> bool {
        let Some(copying) = self.copying.as_deref_mut() else { return false };
        let is_wanted = match asked {
            CopyRequest::Take => {
                copying.phase() == CopyPhase::Calling && copying.invite == Some(client)
            }
            CopyRequest::Refresh => copying.phase() == CopyPhase::Copying,
            CopyRequest::End => false,
        };
        let Some(leg) = copying.leg.as_deref_mut().filter(|_| is_wanted) else { return false };
        let Some(authentication) = leg.authentication.as_deref_mut() else { return false };
        let Ok(request) = Message::parse(request.clone(), &context.config.limits) else {
            return false;
        };
        let source = flow.remote.ip();
        let answer = authentication.answer(&request, response, source, context.random.as_mut());
        // What is not answered fails by its status.
        let Ok((headers, tries)) = answer else { return false };
        let cseq = leg.next_cseq();
        let branch = context.new_branch();
        let Some(bytes) = with_credentials(&request, &branch, cseq, &headers) else { return false };
        let path = Flow { connection: flow.connection, ..leg.flow_of(&request) };
        let Some(again) = context.send(now, path, &branch, Method::Invite, bytes) else {
            return false;
        };
        if let Some(authentication) = leg.authentication.as_deref_mut() {
            authentication.note_sent(cseq, tries, true, headers);
        }
        if asked == CopyRequest::Take {
            (copying.invite, copying.has_progress) = (Some(again), false);
            self.deadlines.set(Deadline::Copy, now + PATIENCE);
        }
        self.open_client(context, again, ClientPurpose::Copy(asked));
        true
    }
}
