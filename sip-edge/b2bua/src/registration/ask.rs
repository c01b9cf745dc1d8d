//! Carries out what the registrations want: REGISTER requests and questions to the resolver.

use super::{Action, Granted, RegistrationId};
use crate::context::{CallKey, Context};
use crate::edge::{Output, ResolveId};
use crate::leg::{ALLOW, transport_parameter, via};
use bytes::Bytes;
use directory::{Carrier, Host};
use model::{Flow, Instant, SipObservation, TransportProtocol};
use sip_proto::auth::with_credentials;
use sip_proto::locate::Target;
use sip_proto::{ClientKey, Composer, HeaderName, Message, Method, push_address};
use std::fmt::Write;
use std::time::Duration;

impl Context {
    /// Begins and ends rounds whose time has come.
    pub(crate) fn run_registrations(&mut self, now: Instant) {
        self.registrations.handle_timeout(now, self.random.as_mut());
        self.carry_out_registrations(now);
    }

    /// Follows the directory.
    pub(crate) fn follow_registrations(&mut self) {
        let (owner, random) = (self.owner(), &mut self.random);
        let mut new_token = || owner.new_token(random.as_mut()).into();
        self.registrations.follow(&self.directory, &mut new_token);
    }

    fn carry_out_registrations(&mut self, now: Instant) {
        while let Some(action) = self.registrations.poll_action() {
            match action {
                Action::Resolve { id, serial, wanted } => {
                    let id = CallKey::of_registration(id).resolve_id(serial);
                    self.outputs.push_back(Output::Resolve { id, wanted });
                }
                Action::Send { id } => {
                    let client = self.send_register(now, id);
                    self.registrations.sent(now, id, client, self.random.as_mut());
                }
                Action::KeepAlive { id } => self.keep_registration_alive(id),
            }
        }
        while let Some(event) = self.registrations.poll_news() {
            self.outputs.push_back(Output::Sip(SipObservation::Registration(event)));
        }
    }

    /// Takes a response if it is to a REGISTER of ours; `false` when it is not.
    pub(crate) fn take_registration_response(
        &mut self,
        now: Instant,
        client: ClientKey,
        response: &Message,
        request: Option<&Bytes>,
        flow: Flow,
    ) -> bool {
        let Some(id) = self.registrations.of_client(client) else { return false };
        let status = response.status().unwrap_or_default();
        if status < 200 {
            return true;
        }
        if let Some(request) = request
            && self.register_with_credentials(now, id, response, request, flow)
        {
            return true;
        }
        let granted = self.granted(id, response);
        let random = self.random.as_mut();
        self.registrations.handle_response(now, id, granted, flow, random);
        self.carry_out_registrations(now);
        true
    }

    /// Takes the end of a REGISTER of ours without a response; `false` when it is none.
    pub(crate) fn take_registration_failure(
        &mut self,
        now: Instant,
        client: ClientKey,
        status: u16,
    ) -> bool {
        let Some(id) = self.registrations.of_client(client) else { return false };
        self.registrations.handle_no_response(now, id, status, self.random.as_mut());
        self.carry_out_registrations(now);
        true
    }

    /// Takes the resolver's answer if a registration asked; `false` when it did not.
    pub(crate) fn take_registration_resolved(
        &mut self,
        now: Instant,
        id: ResolveId,
        targets: &[Target],
    ) -> bool {
        let Some((registration, serial)) = CallKey::of_resolve(id).registration(id) else {
            return false;
        };
        let random = self.random.as_mut();
        self.registrations.handle_resolved(now, registration, serial, targets, random);
        self.carry_out_registrations(now);
        true
    }

    fn register_with_credentials(
        &mut self,
        now: Instant,
        id: RegistrationId,
        response: &Message,
        request: &Bytes,
        flow: Flow,
    ) -> bool {
        let Ok(request) = Message::parse(request.clone(), &self.config.limits) else {
            return false;
        };
        let Some(entry) = self.registrations.get_mut(id) else { return false };
        let Some(authentication) = entry.authentication.as_deref_mut() else { return false };
        let (source, random) = (flow.remote.ip(), self.random.as_mut());
        let (headers, tries) = match authentication.answer(&request, response, source, random) {
            Ok(answer) => answer,
            Err(problem) => {
                let carrier = entry.carrier.clone();
                self.note_credential(now, &carrier, flow, problem);
                return false;
            }
        };
        entry.cseq = entry.cseq.wrapping_add(1) & 0x7fff_ffff;
        let cseq = entry.cseq;
        authentication.note_sent(cseq, tries, false, Vec::new());
        let branch = self.new_branch();
        let Some(bytes) = with_credentials(&request, &branch, cseq, &headers) else { return false };
        let client = self.send(now, flow, &branch, Method::Register, bytes);
        self.registrations.sent(now, id, client, self.random.as_mut());
        self.carry_out_registrations(now);
        true
    }

    fn send_register(&mut self, now: Instant, id: RegistrationId) -> Option<ClientKey> {
        let branch = self.new_branch();
        let entry = self.registrations.get_mut(id)?;
        let (carrier, target) = (entry.carrier.clone(), entry.target.clone()?);
        let connection = entry.connection;
        let listener = self.listener_for(target.transport, &target.address)?;
        let identity = match target.transport {
            TransportProtocol::Tls => Some(self.identity_of(&carrier.host, &carrier.tls)?),
            _ => None,
        };
        let flow = Flow {
            connection,
            identity,
            ..Flow::new(target.transport, listener.local, target.address)
        };
        let alias = self.identities.alias(&flow);
        let entry = self.registrations.get_mut(id)?;
        entry.cseq = entry.cseq.wrapping_add(1) & 0x7fff_ffff;
        let expires = if entry.is_removal() { 0 } else { entry.expires };
        let uri = registrar_uri(&carrier, target.transport);
        let address_of_record = address_of_record(&carrier);
        let mut contact = "<sip:".to_owned();
        contact.push_str(&entry.token);
        contact.push('@');
        push_address(&mut contact, listener.advertised);
        contact.push_str(transport_parameter(listener.protocol));
        let _ = write!(contact, ">;expires={expires}");
        let mut composer = Composer::request("REGISTER", &uri);
        via(&mut composer, &listener, &branch, alias);
        composer
            .header(HeaderName::MaxForwards, "70")
            .header_pieces(HeaderName::From, &["<", &address_of_record, ">;tag=", &entry.tag])
            .header_pieces(HeaderName::To, &["<", &address_of_record, ">"])
            .header(HeaderName::CallId, &entry.call_id)
            .cseq(entry.cseq, Method::Register)
            .header(HeaderName::Contact, contact)
            .header_number(HeaderName::Expires, expires)
            .header(HeaderName::Allow, ALLOW)
            .header(HeaderName::UserAgent, &self.config.product);
        if let Some(authentication) = &entry.authentication {
            authentication.write(&mut composer, Method::Register, &uri, flow);
        }
        self.send(now, flow, &branch, Method::Register, composer.finish())
    }

    /// What a final response grants.
    fn granted(&mut self, id: RegistrationId, response: &Message) -> Granted {
        let status = response.status().unwrap_or_default();
        if status == 423 {
            let min = response.header(HeaderName::MinExpires).and_then(|min| min.parse().ok());
            return match min {
                Some(min_seconds) => Granted::TooBrief { min_seconds },
                None => Granted::Refused { status, retry_after: None },
            };
        }
        if !(200..300).contains(&status) {
            let seconds = response.retry_after().ok().flatten();
            let retry_after = seconds.map(|seconds| Duration::from_secs(seconds.into()));
            return Granted::Refused { status, retry_after };
        }
        let Some(entry) = self.registrations.get_mut(id) else { return Granted::For(0) };
        let ours = response
            .addresses(HeaderName::Contact)
            .flatten()
            .find(|contact| contact.uri().is_ok_and(|uri| uri.user == Some(&*entry.token)));
        let of_contact = ours
            .and_then(|contact| contact.params.get("expires").flatten())
            .and_then(|expires| expires.parse().ok());
        let of_header = || response.expires().ok().flatten();
        Granted::For(of_contact.or_else(of_header).unwrap_or(entry.expires))
    }
}

/// Where the carrier's registrar is, as a URI (RFC 3261 section 10.2: without a user).
fn registrar_uri(carrier: &Carrier, transport: TransportProtocol) -> String {
    let mut uri = format!("sip:{}", carrier.host);
    if let Some(port) = carrier.port.filter(|_| matches!(carrier.host, Host::Ip(_))) {
        let _ = write!(uri, ":{port}");
    }
    uri.push_str(transport_parameter(transport));
    uri
}

/// The user name at the carrier's host; one that names its own host stays as it is.
fn address_of_record(carrier: &Carrier) -> String {
    let name = carrier.credential.as_ref().map_or("", |credential| &credential.username);
    let (user, host) = match name.rsplit_once('@') {
        Some((user, host)) => (user, host.to_owned()),
        None => (name, carrier.host.to_string()),
    };
    let mut uri = "sip:".to_owned();
    for byte in user.bytes() {
        // RFC 3261 section 25.1: `unreserved` and `user-unreserved`.
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push('@');
    uri.extend(host.chars().filter(|c| c.is_ascii_alphanumeric() || ".-:[]_".contains(*c)));
    uri
}

impl CallKey {
    /// A handle that no call has: questions of registrations to the resolver carry it.
    fn of_registration(id: RegistrationId) -> Self {
        CallKey { index: crate::slab::REGISTRATIONS, generation: id.0 }
    }

    fn registration(self, id: ResolveId) -> Option<(RegistrationId, u8)> {
        (self.index == crate::slab::REGISTRATIONS)
            .then_some((RegistrationId(self.generation), (id.0 >> 56) as u8))
    }
}
