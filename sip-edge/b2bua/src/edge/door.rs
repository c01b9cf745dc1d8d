//! Who comes in: requests that belong to no call yet, admitted or refused.

use super::Edge;
use crate::admission::{self, Admission, Denied, Registered};
use crate::call::Call;
use crate::config::UnknownSources;
use crate::context::Context;
use crate::encryption;
use crate::policing::Policing;
use crate::{rooms, secure};
use bytes::Bytes;
use directory::{ReachedRooms, VoiceConnector};
use model::{CallDirection, Flow, Instant, Refusal, TransportProtocol};
use sip_proto::{HeaderName, Message, ServerKey};
use std::sync::Arc;

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
        let admission = match self.admit(now, server, &invite, flow) {
            Ok(Some(admission)) => admission,
            Ok(None) => return,
            Err(denied) => {
                let refusal = denied.refusal;
                let id = denied.voice_connector.as_deref();
                self.note_refusal(now, &invite, flow, refusal, id);
                let retry = Policing::retry_after(refusal);
                self.context.answer_outside(now, server, &invite, refusal.status(), |composer| {
                    encryption::explain(composer, refusal);
                    if let Some(seconds) = retry {
                        composer.header_args(HeaderName::RetryAfter, format_args!("{seconds}"));
                    }
                    secure::explain(composer, refusal);
                    rooms::explain(composer, refusal);
                    if refusal.tells_why() {
                        let (status, name) = (refusal.status(), refusal.name());
                        composer.header_args(
                            HeaderName::Reason,
                            format_args!("SIP;cause={status};text=\"{name}\""),
                        );
                    }
                });
                return;
            }
        };
        self.note_dry_run(now, &admission, flow);
        let key = self.calls.reserve();
        let mut call = Box::new(Call::new(&mut self.context, key, flow, &invite, &admission));
        call.counted_source = admission.source.map(|(source, _)| source);
        let statistics = &mut self.context.statistics;
        statistics.attempts += 1;
        statistics.active_calls += 1;
        match admission.proxy.as_ref().map(|proxy| proxy.session) {
            Some(Some(_)) => statistics.proxied_calls += 1,
            Some(None) => statistics.proxy_fallbacks += 1,
            None => {}
        }
        self.begin(now, key, call, server, invite, &admission);
    }

    /// `None` when the sender was asked for credentials.
    fn admit(
        &mut self,
        now: Instant,
        server: ServerKey,
        invite: &Message,
        flow: Flow,
    ) -> Result<Option<Admission>, Denied> {
        let denied = |refusal| Denied { refusal, voice_connector: None };
        let for_help = self.is_call_for_help(&flow, &invite.start_line());
        self.has_place(for_help).map_err(denied)?;
        if self.context.is_own_address(&flow.remote) {
            return Err(denied(Refusal::Loop));
        }
        if !secure::may_pass(&flow, invite) {
            return Err(denied(Refusal::SipsNotAllowed));
        }
        let unix = self.context.unix_time(now);
        let registered = Registered {
            carrier: self.calling_carrier(invite, &flow),
            is_contact: self.is_to_registered_contact(invite),
            connectors: self.context.registrar.connectors_at(flow.remote.ip()),
        };
        let mut admission =
            admission::admit(&self.context.directory, &registered, &flow, invite, unix)?;
        let connector = &admission.voice_connector;
        if admission.carrier.is_none()
            && admission.emergency.is_none()
            && !self.context.is_proved_customer(&flow, connector)
        {
            let voice_connector = Some(connector.clone());
            return Err(Denied { refusal: Refusal::CertificateRequired, voice_connector });
        }
        let verified = self.context.verify_caller(now, &admission, invite);
        admission.verification = verified.map_err(|refusal| {
            let voice_connector = Some(admission.voice_connector.clone());
            Denied { refusal, voice_connector }
        })?;
        if admission.emergency.is_some() {
            self.context.policing.count_in(now, &admission.voice_connector);
            return Ok(Some(admission));
        }
        // The number may be an emergency number of another customer at the same source.
        self.has_place(false).map_err(denied)?;
        if !self.authenticate(now, server, invite, flow, &mut admission)? {
            return Ok(None);
        }
        let by_source = match admission.source {
            Some((source, most)) => self.context.policing.admit_source(source, most),
            None => Ok(()),
        };
        let policed = by_source.and_then(|()| {
            let policed = self.police(now, &mut admission);
            if let (Err(_), Some((source, _))) = (policed, admission.source) {
                self.context.policing.release_source(source);
            }
            policed
        });
        match policed {
            Ok(()) => Ok(Some(admission)),
            Err(refusal) => {
                Err(Denied { refusal, voice_connector: Some(admission.voice_connector) })
            }
        }
    }

    /// Counts a call in by the limits that hold for it; a dry run only notes them.
    pub(super) fn police(
        &mut self,
        now: Instant,
        admission: &mut Admission,
    ) -> Result<(), Refusal> {
        match self.find_room(now, admission) {
            Err(refusal) if admission.voice_connector.dry_run => {
                self.context.policing.count_in(now, &admission.voice_connector);
                admission.would_refuse.get_or_insert(refusal);
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Counts the call in for its voice connector, or for the next one of the group that has room.
    fn find_room(&mut self, now: Instant, admission: &mut Admission) -> Result<(), Refusal> {
        let Context { policing, spending, config, .. } = &mut self.context;
        if admission.direction == CallDirection::Outbound && !admission.is_recording {
            spending.check(now, config.origin, &admission.voice_connector)?;
        }
        let (rate, most) = (admission.calls_per_second, admission.concurrent_calls);
        let first = policing.admit(now, &admission.voice_connector, rate, most);
        let Err(refusal) = first else { return Ok(()) };
        let has_room = |connector: &Arc<VoiceConnector>| {
            let most = admission::concurrent_calls(connector);
            policing.admit(now, connector, rate, most).is_ok()
        };
        let Some(position) = admission.alternates.iter().position(has_room) else {
            return Err(refusal);
        };
        let mut rest = admission.alternates.split_off(position);
        admission.voice_connector = rest.remove(0);
        admission.alternates = rest;
        Ok(())
    }

    /// Tells what a dry run lets pass.
    pub(super) fn note_dry_run(&mut self, now: Instant, admission: &Admission, flow: Flow) {
        if let Some(refusal) = admission.would_refuse {
            self.context.would_refuse(now, refusal, &admission.voice_connector, flow.remote);
        }
    }

    pub(super) fn note_refusal(
        &mut self,
        now: Instant,
        request: &Message,
        flow: Flow,
        refusal: Refusal,
        connector: Option<&VoiceConnector>,
    ) {
        self.context.note_refusal(now, request, flow, refusal, connector);
    }

    /// Requests outside every dialog from a source that nobody has configured cost no transaction:
    /// they get a stateless 403 while the rate allows it, and nothing beyond.
    pub(super) fn refuse_stranger(&mut self, now: Instant, flow: &Flow, raw: &Bytes) -> bool {
        if sip_proto::is_response(raw) {
            return false;
        }
        let rooms = self.rooms_of(raw);
        let is_for_rooms = rooms.is_some();
        if rooms.is_some_and(|rooms| rooms.allows_plain(flow.remote.ip())) {
            return false;
        }
        let known = self.is_of_a_call(raw)
            || admission::is_known_source(&self.context.directory, flow)
            || self.is_known_by_registration(flow, raw);
        let refusal = if !known {
            if self.is_of_a_past_call(raw) && self.may_answer_stranger(now, flow) {
                return false;
            }
            if is_for_rooms { Refusal::PlainSignalling } else { Refusal::UnknownSource }
        } else if !is_for_rooms
            && !self.context.is_proved_source(flow)
            && !self.is_call_for_help(flow, sip_proto::start_line_of(raw))
        {
            if raw.starts_with(b"ACK ") {
                // Of our refusal, which was stateless: nothing waits for it.
                return true;
            }
            Refusal::CertificateRequired
        } else {
            return false;
        };
        let unknown_sources = self.context.config.unknown_sources;
        let is_answered = known || unknown_sources == UnknownSources::Refuse;
        if !self.may_answer_stranger(now, flow) {
            self.context.statistics.strangers_dropped += 1;
            return true;
        }
        // Who comes over TCP is told to use TLS, where strangers are told anything. Over UDP anybody may
        // be who somebody says: such a one gets one answer without a transaction, as all strangers do.
        let is_udp = flow.protocol == TransportProtocol::Udp;
        let is_tls = flow.protocol == TransportProtocol::Tls;
        let may_join = is_for_rooms && (is_tls || is_answered && !is_udp);
        if !known && (may_join || self.may_register(raw)) {
            // From anywhere, for that is what meetings and registering are for; at the strangers' rate.
            return false;
        }
        // Whether it is answered or not, the log and the counters hear of it at the same rate.
        let request = if is_answered {
            let explain = |response: &mut _| encryption::explain(response, refusal);
            self.context.endpoint.refuse_statelessly(*flow, raw.clone(), 403, explain)
        } else {
            self.context.statistics.strangers_dropped += 1;
            Message::parse(raw.clone(), &self.context.config.limits).ok()
        };
        match request {
            Some(request) => self.note_refusal(now, &request, *flow, refusal, None),
            None if is_answered => self.context.statistics.strangers_dropped += 1,
            None => {}
        }
        self.observe_transmits(now);
        true
    }

    /// Whether a message from anywhere belongs to a call that there is: it bears a token that we
    /// made, and the Call-ID of a call. The token's form alone is no proof, anybody can write one:
    /// else a flood could fill the transaction table (CVE-2021-41145).
    fn is_of_a_call(&self, raw: &Bytes) -> bool {
        sip_proto::owner_of_message(raw) == Some(self.context.owner())
            && sip_proto::call_id_of(raw).is_some_and(|id| {
                self.context.call_ids.contains_key(id) || self.context.copies.contains_key(id)
            })
    }

    /// Whether a message looks as if the proxy of a peer repeated the end of a call that we have
    /// forgotten already: its transaction has the answer.
    fn is_of_a_past_call(&self, raw: &Bytes) -> bool {
        (raw.starts_with(b"BYE ") || raw.starts_with(b"ACK "))
            && sip_proto::owner_of_message(raw) == Some(self.context.owner())
    }

    /// The meeting rooms, if the request URI names them.
    fn rooms_of(&self, raw: &[u8]) -> Option<ReachedRooms<'_>> {
        let directory = &self.context.directory;
        directory.rooms()?;
        let line = std::str::from_utf8(sip_proto::start_line_of(raw)).ok()?;
        admission::rooms_at(directory, line.split(' ').nth(1)?)
    }

    fn may_answer_stranger(&mut self, now: Instant, flow: &Flow) -> bool {
        let config = &self.context.config;
        let (rate, share) =
            (config.stranger_answers_per_second, config.stranger_answers_per_source);
        self.strangers.may_answer(now, flow.remote.ip(), share, rate)
    }
}
