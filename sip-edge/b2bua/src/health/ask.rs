//! Carries out what the probes want: OPTIONS (RFC 3261 section 11) and questions to the resolver.

use super::{Action, ProbeId};
use crate::context::{CallKey, Context};
use crate::edge::{Output, ResolveId};
use crate::leg::{contact_of, transport_parameter, via};
use directory::{Destination, Host};
use model::{
    Flow, HealthCause, Instant, SipObservation, TerminationHealth, TransportProtocol,
    VoiceConnectorId,
};
use sip_proto::locate::{Target, Wanted};
use sip_proto::{ClientKey, Composer, HeaderName, Message, Method, Uri, push_address};
use std::net::SocketAddr;

impl Context {
    /// Begins and ends rounds of pings whose time has come.
    pub(crate) fn run_health(&mut self, now: Instant) {
        self.health.probes.handle_timeout(now, self.random.as_mut());
        self.carry_out_health(now);
    }

    /// Does what the probes want and tells what is new.
    pub(crate) fn carry_out_health(&mut self, now: Instant) {
        while let Some(action) = self.health.probes.poll_action() {
            match action {
                Action::Resolve { probe, serial, host, port, transport } => {
                    let id = CallKey::of_probe(probe).resolve_id(serial);
                    let wanted = Wanted { host, port, transport, secure: false };
                    self.outputs.push_back(Output::Resolve { id, wanted });
                }
                Action::Ask { probe, destination, address } => {
                    let client = self.send_options(now, &destination, address);
                    self.statistics.pings += 1;
                    self.health.probes.asked(now, probe, client, self.random.as_mut());
                }
            }
        }
        self.tell_health();
    }

    /// Tells what is new.
    pub(crate) fn tell_health(&mut self) {
        while let Some(event) = self.health.poll_news() {
            self.outputs.push_back(Output::Sip(SipObservation::Health(event)));
        }
    }

    /// Takes a response if it is to a ping; `false` when it is not.
    pub(crate) fn take_ping_response(
        &mut self,
        now: Instant,
        client: ClientKey,
        response: &Message,
    ) -> bool {
        let Some(probe) = self.health.probes.of_client(client) else { return false };
        let status = response.status().unwrap_or_default();
        if status >= 200 {
            self.health.probes.handle_response(now, probe, status, self.random.as_mut());
            self.carry_out_health(now);
        }
        true
    }

    /// Takes a ping's end without a response.
    pub(crate) fn take_ping_failure(
        &mut self,
        now: Instant,
        client: ClientKey,
        cause: HealthCause,
    ) {
        if let Some(probe) = self.health.probes.of_client(client) {
            self.health.probes.handle_no_response(now, probe, cause, self.random.as_mut());
            self.carry_out_health(now);
        }
    }

    /// Takes the resolver's answer if a probe asked; `false` when it did not.
    pub(crate) fn take_ping_resolved(
        &mut self,
        now: Instant,
        id: ResolveId,
        targets: &[Target],
    ) -> bool {
        let Some((probe, serial)) = CallKey::of_resolve(id).probe(id) else { return false };
        let random = self.random.as_mut();
        self.health.probes.handle_resolved(now, probe, serial, targets, random);
        self.carry_out_health(now);
        true
    }

    /// Remembers that a customer's system asked whether we are alive.
    pub(crate) fn note_customer_ping(&mut self, now: Instant, request: &Message, flow: &Flow) {
        let Some(voice_connector) = self.customer_of(request, flow) else { return };
        let health = TerminationHealth { voice_connector, source: flow.remote, at: now };
        self.health.note_termination(health);
        self.carry_out_health(now);
    }

    /// The voice connector that the request names, else the only one that lists its source or has a
    /// registration from there.
    fn customer_of(&self, request: &Message, flow: &Flow) -> Option<VoiceConnectorId> {
        let source = flow.remote.ip().to_canonical();
        let bound = self.registrar.connectors_at(source).iter();
        let mut listed = self
            .directory
            .voice_connectors_by_source(source)
            .chain(bound.filter_map(|id| self.directory.voice_connector(id)));
        let uri = Uri::parse(request.request_uri().unwrap_or_default()).ok();
        if let Some(sip_proto::Host::Name(name)) = uri.map(|uri| uri.host)
            && let Some(named) = self.directory.voice_connector_by_host(name)
        {
            return listed.find(|vc| vc.id == named.id).map(|vc| vc.id.clone());
        }
        let first = listed.next()?;
        // One that is both listed and registered, or registered twice, is still only one.
        listed.all(|other| other.id == first.id).then(|| first.id.clone())
    }

    fn send_options(
        &mut self,
        now: Instant,
        destination: &Destination,
        address: SocketAddr,
    ) -> Option<ClientKey> {
        let protocol = destination.protocol;
        let listener = self.listener_for(protocol, &address)?;
        let identity = match protocol {
            TransportProtocol::Tls => Some(self.identity_of(&destination.host, &destination.tls)?),
            _ => None,
        };
        let flow = Flow { identity, ..Flow::new(protocol, listener.local, address) };
        let mut uri = "sip:".to_owned();
        match &destination.host {
            Host::Ip(_) => push_address(&mut uri, address),
            Host::Name(name) => {
                uri.push_str(name);
                if let Some(port) = destination.port {
                    uri.push_str(&format!(":{port}"));
                }
            }
        }
        uri.push_str(transport_parameter(protocol));
        let mut ours = String::new();
        push_address(&mut ours, listener.advertised);
        let [call_id, tag] = [self.new_token(), self.new_token()];
        let branch = self.new_branch();
        let mut composer = Composer::request("OPTIONS", &uri);
        via(&mut composer, &listener, &branch, self.identities.alias(&flow));
        composer
            .header(HeaderName::MaxForwards, "70")
            .header_pieces(HeaderName::From, &["<sip:tandem@", &ours, ">;tag=", &tag])
            .header_pieces(HeaderName::To, &["<", &uri, ">"])
            .header(HeaderName::CallId, &call_id)
            .cseq(1, Method::Options)
            .header(HeaderName::Contact, contact_of(&listener, false))
            .header(HeaderName::Accept, "application/sdp")
            .header(HeaderName::UserAgent, &self.config.product);
        self.send(now, flow, &branch, Method::Options, composer.finish())
    }
}

impl CallKey {
    /// A handle that no call has: questions of probes to the resolver carry it.
    fn of_probe(probe: ProbeId) -> Self {
        CallKey { index: PROBES, generation: probe.0 }
    }

    fn probe(self, id: ResolveId) -> Option<(ProbeId, u8)> {
        (self.index == PROBES).then_some((ProbeId(self.generation), (id.0 >> 56) as u8))
    }
}

/// The one index that the table of calls never reaches.
const PROBES: u32 = crate::slab::MAX_CALLS as u32;
