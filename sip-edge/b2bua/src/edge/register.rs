//! REGISTER: customers' systems tell where they are, and carriers' calls to our own registrations.

use super::Edge;
use crate::authentication::Decision;
use crate::config::Stir;
use crate::encryption;
use crate::registrar::{RegisterFault, SavedBinding};
use directory::{Carrier, VoiceConnector};
use model::{Flow, Instant, Refusal, UnixTime};
use sip_proto::{HeaderName, Host, Message, ServerKey, Uri};
use std::sync::Arc;

impl Edge {
    /// A REGISTER outside any dialog (RFC 3261 section 10.3).
    pub(super) fn handle_register(
        &mut self,
        now: Instant,
        server: ServerKey,
        request: &Message,
        flow: Flow,
    ) {
        let connector = match self.registering(request, &flow) {
            Ok(connector) => connector,
            Err((refusal, connector)) => {
                self.refuse_register(now, server, request, flow, refusal, connector.as_deref());
                return;
            }
        };
        let (Some(policy), Some(termination)) = (&connector.registration, &connector.termination)
        else {
            return;
        };
        let decision = self.authentication.decide(
            now,
            self.context.random.as_mut(),
            &super::authenticate::realm_of(&self.context.directory, &connector.id),
            flow.remote.ip(),
            &termination.credentials,
            &termination.digest_algorithms,
            request,
        );
        match decision {
            Decision::Admit(_) => {
                let registrar = &mut self.context.registrar;
                match registrar.register(now, &connector.id, policy, request, flow) {
                    Ok(()) => self.confirm_register(now, server, request, &connector),
                    Err(fault) => self.answer_fault(now, server, request, fault),
                }
            }
            Decision::Ask { challenges, wrong } => {
                if wrong {
                    let refusal = Refusal::WrongCredentials;
                    self.note_refusal(now, request, flow, refusal, Some(&connector));
                }
                self.ask(now, server, request, &challenges);
            }
            Decision::Block => {
                let refusal = Refusal::TooManyFailures;
                self.refuse_register(now, server, request, flow, refusal, Some(&connector));
            }
        }
    }

    /// The voice connector that the request names, if it takes registrations this way.
    fn registering(
        &self,
        request: &Message,
        flow: &Flow,
    ) -> Result<Arc<VoiceConnector>, (Refusal, Option<Arc<VoiceConnector>>)> {
        if self.context.draining {
            return Err((Refusal::Draining, None));
        }
        let named = |uri: &str| match Uri::parse(uri).ok()?.host {
            Host::Name(name) => self.context.directory.voice_connector_by_host(name).cloned(),
            Host::Ip(_) => None,
        };
        let connector = named(request.request_uri().unwrap_or_default())
            .or_else(|| named(request.to().ok()?.uri_text))
            .filter(|connector| connector.registration.is_some())
            .ok_or((Refusal::MethodNotAllowed, None))?;
        if !encryption::allows_signalling(&connector, flow.protocol) {
            return Err((Refusal::PlainSignalling, Some(connector)));
        }
        if !self.context.is_proved_customer(flow, &connector) {
            return Err((Refusal::CertificateRequired, Some(connector)));
        }
        Ok(connector)
    }

    fn refuse_register(
        &mut self,
        now: Instant,
        server: ServerKey,
        request: &Message,
        flow: Flow,
        refusal: Refusal,
        connector: Option<&VoiceConnector>,
    ) {
        self.note_refusal(now, request, flow, refusal, connector);
        self.context.answer_outside(now, server, request, refusal.status(), |composer| {
            encryption::explain(composer, refusal);
            if refusal == Refusal::MethodNotAllowed {
                composer.header(HeaderName::Allow, crate::leg::ALLOW);
            }
        });
    }

    fn answer_fault(
        &mut self,
        now: Instant,
        server: ServerKey,
        request: &Message,
        fault: RegisterFault,
    ) {
        self.context.answer_outside(now, server, request, fault.status(), |composer| {
            if let RegisterFault::TooBrief { min_seconds } = fault {
                composer.header_number(HeaderName::MinExpires, min_seconds);
            }
        });
    }

    /// 200 with every binding that there is now.
    fn confirm_register(
        &mut self,
        now: Instant,
        server: ServerKey,
        request: &Message,
        connector: &VoiceConnector,
    ) {
        let bindings = self.context.registrar.bindings(&connector.id);
        self.context.answer_outside(now, server, request, 200, |composer| {
            for binding in &bindings {
                let seconds = binding.seconds_left(now);
                let uri = &binding.uri;
                let q = binding.preference().map(|q| [";q=", &q].concat()).unwrap_or_default();
                composer
                    .header_args(HeaderName::Contact, format_args!("<{uri}>;expires={seconds}{q}"));
            }
            composer.copy_all(request, HeaderName::Path);
        });
    }

    /// The bindings that outlive a restart of the node, for [`crate::EdgeConfig::bindings`].
    pub fn bindings(&self, now: Instant) -> Vec<SavedBinding> {
        let unix = self.context.unix_time(now).unwrap_or_else(|| {
            let since_origin = now.saturating_since(Instant::ZERO).as_millis();
            let millis = u64::try_from(since_origin).unwrap_or(u64::MAX);
            UnixTime::from_millis(self.context.config.origin.as_millis().saturating_add(millis))
        });
        self.context.registrar.saved(now, unix)
    }

    /// Grows whenever [`Edge::bindings`] may have changed.
    pub const fn bindings_revision(&self) -> u64 {
        self.context.registrar.revision()
    }

    /// Takes other keys and certificates for callers' identities. Calls under way keep what they
    /// were verified by.
    pub fn set_stir(&mut self, stir: Stir) {
        self.context.config.stir = stir;
    }

    /// Whether a request may come from somebody that only a registration makes known: a customer's
    /// system that has one or asks for one, or a carrier that calls ours.
    pub(super) fn is_known_by_registration(&self, flow: &Flow, raw: &[u8]) -> bool {
        let line = sip_proto::start_line_of(raw);
        self.context.registrar.knows(flow.remote.ip())
            || self
                .context
                .registrations
                .carrier_of(user_of_request(line), flow.remote.ip())
                .is_some()
    }

    /// Whether it is a REGISTER that somebody here may want.
    pub(super) fn may_register(&self, raw: &[u8]) -> bool {
        raw.starts_with(b"REGISTER ")
            && self.context.directory.voice_connectors().any(|c| c.registration.is_some())
    }

    /// The carrier that calls one of our own registrations.
    pub(super) fn calling_carrier(&self, invite: &Message, flow: &Flow) -> Option<Arc<Carrier>> {
        let line = invite.start_line();
        let user = user_of_request(&line);
        self.context.registrations.carrier_of(user, flow.remote.ip()).cloned()
    }

    /// Whether the request URI is that of our own registered Contact: the called number is then in
    /// To.
    pub(super) fn is_to_registered_contact(&self, invite: &Message) -> bool {
        let line = invite.start_line();
        user_of_request(&line).is_some_and(|user| self.context.registrations.is_contact(user))
    }
}

/// The user part of a start line's URI, without reading the rest.
fn user_of_request(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    let (_, uri) = line.split_once(' ')?;
    let (_, rest) = uri.split_once(':')?;
    let (user, _) = rest.split_once('@')?;
    (!user.contains(' ')).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::user_of_request;

    #[test]
    fn the_user_of_a_start_line() {
        for (line, user) in [
            ("INVITE sip:token@192.0.2.1:5060 SIP/2.0", Some("token")),
            ("INVITE sip:192.0.2.1 SIP/2.0", None),
            ("INVITE sip:192.0.2.1 a@b", None),
            ("", None),
        ] {
            assert_eq!(user_of_request(line.as_bytes()), user, "{line}");
        }
    }
}
