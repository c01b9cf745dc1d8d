//! How a call of `tandem call` ends: hung up by either side, or cancelled.

use super::OutgoingCall;
use crate::user_agent::error::CallError;
use crate::user_agent::established::Established;
use crate::user_agent::outcome::{CallOutcome, EndedBy};
use sip_proto::{ClientKey, Dialog, Method, TransactionEvent};
use std::time::Duration;

/// How long to wait for the end of a cancelled INVITE, and for the response to BYE.
const GOODBYE: Duration = Duration::from_secs(4);
/// Between the last RTP packet and BYE, for what is still on its way.
const LINGER: Duration = Duration::from_millis(60);

impl OutgoingCall<'_> {
    pub(super) fn hang_up(
        mut self,
        mut call: Established,
        ended_by: EndedBy,
    ) -> Result<CallOutcome, CallError> {
        let talked = self.agent.clock.now().saturating_since(self.answered_at);
        call.media.fall_silent();
        if ended_by == EndedBy::Caller {
            let quiet = self.agent.clock.now() + LINGER;
            while self.agent.clock.now() < quiet {
                self.agent.wait(quiet);
                while let Some(event) = self.agent.poll_event() {
                    self.on_talk_event(&mut call, event);
                }
            }
            if let Some(bye) = call.hang_up(&mut self.agent) {
                self.await_end(bye);
            }
        }
        self.agent.flush();
        let (by, setup_time) = (self.target.address, self.setup_time());
        let media = call.media.finish().ok_or_else(|| CallError::BadAnswer {
            by,
            reason: "our media thread failed; please report this".to_owned(),
        })?;
        Ok(CallOutcome {
            target: self.options.target.clone(),
            call_id: self.call_id,
            transport: self.target.protocol.uri_token(),
            local: self.local,
            remote: by,
            setup_time,
            talked,
            ended_by,
            srtp: self.srtp,
            media,
        })
    }

    /// Cancels and waits for the end. A 200 that crosses the CANCEL is hung up.
    pub(super) fn cancel(&mut self) {
        self.agent.cancel(self.invite);
        let until = self.agent.clock.now() + GOODBYE;
        while self.agent.clock.now() < until {
            self.agent.wait(until);
            while let Some(event) = self.agent.poll_event() {
                let TransactionEvent::Response { key, message, .. } = event else { continue };
                if key != self.invite || message.status().is_none_or(|status| status < 200) {
                    continue;
                }
                if message.status().is_some_and(|status| status < 300)
                    && let Ok(mut dialog) = Dialog::from_response_uac(&message)
                {
                    let (cseq, protocol) = (dialog.local_cseq(), self.target.protocol);
                    self.agent.acknowledge(&dialog, cseq, protocol);
                    if let Some(bye) = self.agent.bye(&mut dialog, protocol) {
                        self.await_end(bye);
                    }
                }
                self.agent.flush();
                return;
            }
        }
    }

    /// Until BYE has its final response.
    fn await_end(&mut self, bye: ClientKey) {
        let until = self.agent.clock.now() + GOODBYE;
        while self.agent.clock.now() < until {
            self.agent.wait(until);
            while let Some(event) = self.agent.poll_event() {
                match event {
                    TransactionEvent::Response { key, message, .. }
                        if key == bye && message.status().is_some_and(|status| status >= 200) =>
                    {
                        return;
                    }
                    TransactionEvent::ClientTimeout { key }
                    | TransactionEvent::ClientUnreachable { key, .. }
                        if key == bye =>
                    {
                        return;
                    }
                    // Both hung up at once: theirs is answered too.
                    TransactionEvent::Request { key, message, .. } => {
                        let bye = message.method() == Some(Method::Bye);
                        self.agent.respond(key, &message, if bye { 200 } else { 481 }, None);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Lets a last BYE go out and be answered.
    pub(super) fn drain(&mut self) {
        let until = self.agent.clock.now() + LINGER;
        while self.agent.clock.now() < until {
            self.agent.wait(until);
            while self.agent.poll_event().is_some() {}
        }
    }
}
