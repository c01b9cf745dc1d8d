//! Who comes in: requests that belong to no call yet, admitted or refused.

use super::{Edge, Output};
use crate::admission::{self, Denied};
use crate::call::Call;
use crate::policing::Policing;
use crate::secure;
use bytes::Bytes;
use directory::VoiceConnector;
use model::{Flow, Instant, Refusal, RefusalEvent, SipObservation};
use sip_proto::{HeaderName, Message, ServerKey};

impl Edge {
    pub(super) fn handle_new_call(
        &mut self,
        now: Instant,
        server: ServerKey,
        invite: Message,
        flow: Flow,
    ) {
        match self.find_replaced(&flow, &invite) {
            Some(Ok(leg)) => {
                self.replace(now, server, invite, flow, leg);
                return;
            }
            Some(Err(status)) => {
                self.context.answer_outside(now, server, &invite, status, |_| {});
                return;
            }
            None => {}
        }
        let admission = match self.admit(now, &invite, flow) {
            Ok(admission) => admission,
            Err(denied) => {
                let refusal = denied.refusal;
                let id = denied.voice_connector.as_deref();
                self.note_refusal(now, &invite, flow, refusal, id);
                let retry = Policing::retry_after(refusal);
                self.context.answer_outside(now, server, &invite, refusal.status(), |composer| {
                    if let Some(seconds) = retry {
                        composer.header_args(HeaderName::RetryAfter, format_args!("{seconds}"));
                    }
                    secure::explain(composer, refusal);
                });
                return;
            }
        };
        let key = self.calls.reserve();
        let mut call = Box::new(Call::new(&mut self.context, key, flow, &invite, &admission));
        self.context.statistics.attempts += 1;
        self.context.statistics.active_calls += 1;
        call.start(&mut self.context, now, server, invite, &admission);
        self.put_back(now, key, call);
    }

    fn admit(
        &mut self,
        now: Instant,
        invite: &Message,
        flow: Flow,
    ) -> Result<admission::Admission, Denied> {
        let denied = |refusal| Denied { refusal, voice_connector: None };
        if self.context.draining {
            return Err(denied(Refusal::Draining));
        }
        if self.calls.is_full() {
            return Err(denied(Refusal::Overloaded));
        }
        if self.context.is_own_address(&flow.remote) {
            return Err(denied(Refusal::Loop));
        }
        if !secure::may_pass(&flow, invite) {
            return Err(denied(Refusal::SipsNotAllowed));
        }
        let admission = admission::admit(&self.context.directory, &flow, invite)?;
        let connector = &admission.voice_connector;
        if admission.carrier.is_none() && !self.context.is_proved_customer(&flow, connector) {
            let voice_connector = Some(connector.clone());
            return Err(Denied { refusal: Refusal::CertificateRequired, voice_connector });
        }
        self.context
            .policing
            .admit(now, connector, admission.calls_per_second, admission.concurrent_calls)
            .map_err(|refusal| Denied { refusal, voice_connector: Some(connector.clone()) })?;
        Ok(admission)
    }

    pub(super) fn note_refusal(
        &mut self,
        now: Instant,
        request: &Message,
        flow: Flow,
        refusal: Refusal,
        connector: Option<&VoiceConnector>,
    ) {
        self.context.statistics.refusals += 1;
        let mut start_line = request.start_line();
        start_line.truncate(200);
        self.context.outputs.push_back(Output::Sip(SipObservation::Refused(RefusalEvent {
            refusal,
            at: now,
            source: flow.remote,
            voice_connector: connector.map(|connector| connector.id.clone()),
            start_line,
        })));
    }

    /// Requests outside every dialog from a source that nobody has configured cost no transaction:
    /// they get a stateless 403 while the rate allows it, and nothing beyond.
    pub(super) fn refuse_stranger(&mut self, now: Instant, flow: &Flow, raw: &Bytes) -> bool {
        if sip_proto::is_response(raw) {
            return false;
        }
        let ours = sip_proto::owner_of_message(raw) == Some(self.context.owner());
        let known = ours || admission::is_known_source(&self.context.directory, flow);
        let refusal = if !known {
            Refusal::UnknownSource
        } else if !self.context.is_proved_source(flow) {
            Refusal::CertificateRequired
        } else {
            return false;
        };
        let rate = self.context.config.stranger_answers_per_second;
        if !self.strangers.take(rate, now) {
            self.context.statistics.strangers_dropped += 1;
            return true;
        }
        match self.context.endpoint.refuse_statelessly(*flow, raw.clone(), 403) {
            Some(request) => self.note_refusal(now, &request, *flow, refusal, None),
            None => self.context.statistics.strangers_dropped += 1,
        }
        self.observe_transmits(now);
        true
    }
}
