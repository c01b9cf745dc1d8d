//! The rounds of RFC 3263 section 4.

use super::srv::rank;
use super::{
    Abilities, Answer, LocateFailure, MAX_ADDRESSES, MAX_HOSTS, MAX_SERVICES, MAX_TARGETS, Naptr,
    Question, Record, RecordKind, Srv, Target, Wanted, is_domain_name,
};
use crate::random::Random;
use model::{Instant, IpFamily, TransportProtocol};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The search for the servers of one host.
///
/// Take [`Locate::poll_question`] until it gives none, answer each with [`Locate::handle_answer`]
/// in any order, and again until [`Locate::outcome`] says something. A question is asked once.
#[derive(Debug)]
pub struct Locate {
    wanted: Wanted,
    abilities: Abilities,
    round: Round,
    questions: VecDeque<Question>,
    until: Option<Instant>,
    /// A question of the present or an earlier round was not answered.
    failed: bool,
    /// The transport that the domain likes best, by its NAPTR records.
    preferred: Option<TransportProtocol>,
}

#[derive(Debug)]
enum Round {
    Services,
    Servers(Vec<Service>),
    Addresses { servers: Vec<Server>, hosts: Vec<Host> },
    Over(Result<Vec<Target>, LocateFailure>),
}

/// One SRV name to ask about.
#[derive(Debug)]
struct Service {
    transport: TransportProtocol,
    name: Arc<str>,
    found: Option<Found>,
}

#[derive(Debug)]
enum Found {
    Servers(Vec<Srv>),
    Declined,
}

/// One server, by its place among the hosts.
#[derive(Debug)]
struct Server {
    transport: TransportProtocol,
    port: u16,
    host: usize,
}

/// One name to ask for addresses; `None` until that family is answered.
#[derive(Debug)]
struct Host {
    name: Arc<str>,
    addresses: [Option<Vec<IpAddr>>; 2],
    /// When the first of its answers grows stale.
    until: Option<Instant>,
}

const FAMILIES: [(IpFamily, RecordKind); 2] =
    [(IpFamily::V6, RecordKind::Aaaa), (IpFamily::V4, RecordKind::A)];

impl Locate {
    /// Begins. The outcome of a literal address is there at once.
    pub fn new(wanted: Wanted, abilities: Abilities) -> Self {
        let mut locate = Locate {
            wanted,
            abilities,
            round: Round::Services,
            questions: VecDeque::new(),
            until: None,
            failed: false,
            preferred: None,
        };
        if let Err(failure) = locate.begin() {
            locate.round = Round::Over(Err(failure));
        }
        locate
    }

    /// The next question to ask, if there is one at present.
    pub fn poll_question(&mut self) -> Option<Question> {
        self.questions.pop_front()
    }

    /// Takes the answer to a question. One that is not awaited changes nothing.
    pub fn handle_answer(&mut self, question: &Question, answer: &Answer, random: &mut dyn Random) {
        let (records, until) = match answer {
            Answer::Records(records, until) => (&**records, Some(*until)),
            Answer::Failed => (&[][..], None),
        };
        let awaited = match question.kind {
            RecordKind::Naptr => self.take_services(question, records),
            RecordKind::Srv => self.take_servers(question, records),
            RecordKind::A | RecordKind::Aaaa => self.take_addresses(question, records, until),
        };
        if !awaited {
            return;
        }
        self.failed |= until.is_none();
        // An empty answer decides as much as a full one; that of one host is kept with it.
        if matches!(question.kind, RecordKind::Naptr | RecordKind::Srv) {
            self.until = earlier(self.until, until);
        }
        self.advance(random);
    }

    /// What came of it; `None` while answers are awaited.
    pub fn outcome(&self) -> Option<Result<&[Target], LocateFailure>> {
        match &self.round {
            Round::Over(outcome) => Some(outcome.as_deref().map_err(|failure| *failure)),
            _ => None,
        }
    }

    fn begin(&mut self) -> Result<(), LocateFailure> {
        let host = &*self.wanted.host;
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let literal: Option<IpAddr> = bare.parse().ok();
        let fixed = match self.named_transport()? {
            Some(transport) => Some(transport),
            None if literal.is_some() || self.wanted.port.is_some() => {
                Some(self.default_transport(&[]).ok_or(LocateFailure::NoTransport)?)
            }
            None => None,
        };
        match (literal, fixed) {
            (Some(ip), Some(transport)) => {
                let port = self.wanted.port.unwrap_or(transport.default_port());
                let address = SocketAddr::new(ip, port);
                if !self.abilities.reach(transport, IpFamily::of(&address)) {
                    return Err(LocateFailure::NoAddress);
                }
                self.round = Round::Over(Ok(vec![Target::literal(address, transport)]));
                return Ok(());
            }
            _ if !is_domain_name(host) => return Err(LocateFailure::NotAHost),
            (_, Some(transport)) => match self.wanted.port {
                Some(port) => self.ask_own_addresses(transport, port),
                None => self.ask_services(vec![transport]),
            },
            (_, None) => {
                self.ask(self.domain(), RecordKind::Naptr);
            }
        }
        Ok(())
    }

    /// The transport that the URI names. `sips` makes TLS of TCP (RFC 3261 section 26.2.2).
    fn named_transport(&self) -> Result<Option<TransportProtocol>, LocateFailure> {
        let named = match (self.wanted.transport, self.wanted.secure) {
            (Some(TransportProtocol::Udp), true) => return Err(LocateFailure::NoTransport),
            (Some(_), true) => Some(TransportProtocol::Tls),
            (named, _) => named,
        };
        match named {
            Some(transport) if !self.abilities.has(transport) => Err(LocateFailure::NoTransport),
            named => Ok(named),
        }
    }

    /// The transport where nothing names one (section 4.1): UDP, for `sips` TLS; our next one when
    /// we do not have it or the domain has declined it.
    fn default_transport(&self, declined: &[TransportProtocol]) -> Option<TransportProtocol> {
        use TransportProtocol::{Tcp, Tls, Udp};
        let candidates: &[_] = if self.wanted.secure { &[Tls] } else { &[Udp, Tcp, Tls] };
        let usable = |t: &&TransportProtocol| self.abilities.has(**t) && !declined.contains(t);
        candidates.iter().find(usable).copied()
    }

    fn domain(&self) -> Arc<str> {
        if self.wanted.host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.wanted.host.to_ascii_lowercase().into();
        }
        Arc::clone(&self.wanted.host)
    }

    fn ask(&mut self, name: Arc<str>, kind: RecordKind) {
        self.questions.push_back(Question { name, kind });
    }

    /// Section 4.1: SRV names made from the domain, for each of `transports`.
    fn ask_services(&mut self, transports: Vec<TransportProtocol>) {
        let domain = self.domain();
        let services = transports.into_iter().map(|transport| {
            let name = [service_prefix(transport), &*domain].concat().into();
            Service { transport, name, found: None }
        });
        // A prefix can make a long name too long to be asked about.
        let services = services.filter(|service| is_domain_name(&service.name)).collect();
        self.ask_servers(services);
    }

    fn ask_servers(&mut self, services: Vec<Service>) {
        if services.is_empty() {
            self.ask_domain(&[]);
            return;
        }
        let mut asked: Vec<Arc<str>> = Vec::new();
        for service in &services {
            if !asked.contains(&service.name) {
                asked.push(Arc::clone(&service.name));
            }
        }
        for name in asked {
            self.ask(name, RecordKind::Srv);
        }
        self.round = Round::Servers(services);
    }

    /// Section 4.2: without SRV records, the domain's own addresses.
    fn ask_domain(&mut self, declined: &[TransportProtocol]) {
        let chosen = self.named_transport().ok().flatten().or(self.preferred);
        let transport = match chosen {
            Some(transport) => Some(transport).filter(|t| !declined.contains(t)),
            None => self.default_transport(declined),
        };
        match transport {
            Some(transport) => self.ask_own_addresses(transport, transport.default_port()),
            None => self.round = Round::Over(Err(LocateFailure::Declined)),
        }
    }

    fn ask_own_addresses(&mut self, transport: TransportProtocol, port: u16) {
        let domain = self.domain();
        self.ask_addresses(vec![(transport, port, domain)]);
    }

    fn ask_addresses(&mut self, found: Vec<(TransportProtocol, u16, Arc<str>)>) {
        let (mut servers, mut hosts) = (Vec::new(), Vec::<Host>::new());
        for (transport, port, name) in found {
            let known = hosts.iter().position(|host| host.name == name);
            let host = match known {
                Some(host) => host,
                None if hosts.len() >= MAX_HOSTS => continue,
                None => {
                    hosts.push(Host { name, addresses: [None, None], until: None });
                    hosts.len() - 1
                }
            };
            servers.push(Server { transport, port, host });
        }
        for (index, host) in hosts.iter_mut().enumerate() {
            for (slot, (family, kind)) in host.addresses.iter_mut().zip(FAMILIES) {
                let useful = servers
                    .iter()
                    .any(|s| s.host == index && self.abilities.reach(s.transport, family));
                if useful {
                    let name = Arc::clone(&host.name);
                    self.questions.push_back(Question { name, kind });
                } else {
                    *slot = Some(Vec::new());
                }
            }
        }
        self.round = Round::Addresses { servers, hosts };
    }

    fn take_services(&mut self, question: &Question, records: &[Record]) -> bool {
        if !matches!(self.round, Round::Services) || question.name != self.domain() {
            return false;
        }
        let mut offered: Vec<(&Naptr, TransportProtocol)> = records
            .iter()
            .filter_map(|record| match record {
                Record::Naptr(naptr) => Some((naptr, self.transport_of(naptr)?)),
                _ => None,
            })
            .collect();
        offered.sort_by_key(|(naptr, _)| (naptr.order, naptr.preference));
        offered.truncate(MAX_SERVICES);
        let services: Vec<Service> = offered
            .into_iter()
            .map(|(naptr, transport)| {
                let name = naptr.replacement.to_ascii_lowercase().into();
                Service { transport, name, found: None }
            })
            .collect();
        self.preferred = services.first().map(|service| service.transport);
        if services.is_empty() {
            let secure = self.wanted.secure;
            let mut transports = self.abilities.transports();
            transports.retain(|transport| !secure || *transport == TransportProtocol::Tls);
            self.ask_services(transports);
        } else {
            self.ask_servers(services);
        }
        true
    }

    /// The transport of a service that we can use (RFC 3263 section 4.1); `sips` takes no other
    /// than `SIPS+D2T`.
    fn transport_of(&self, naptr: &Naptr) -> Option<TransportProtocol> {
        let transport = match naptr.service.to_ascii_uppercase().as_str() {
            "SIP+D2U" => TransportProtocol::Udp,
            "SIP+D2T" => TransportProtocol::Tcp,
            "SIPS+D2T" => TransportProtocol::Tls,
            _ => return None,
        };
        let usable = naptr.flags.eq_ignore_ascii_case("s")
            && self.abilities.has(transport)
            && (!self.wanted.secure || transport == TransportProtocol::Tls)
            && is_domain_name(&naptr.replacement);
        usable.then_some(transport)
    }

    fn take_servers(&mut self, question: &Question, records: &[Record]) -> bool {
        let Round::Servers(services) = &mut self.round else { return false };
        let mut awaited = false;
        for service in services.iter_mut().filter(|s| s.name == question.name) {
            if service.found.is_some() {
                continue;
            }
            let all = records.iter().filter_map(|record| match record {
                Record::Srv(srv) => Some(srv),
                _ => None,
            });
            let declined = all.clone().any(|srv| is_root(&srv.target));
            let servers: Vec<Srv> = all
                .filter(|srv| srv.port != 0 && is_domain_name(&srv.target))
                .filter(|srv| srv.target.parse::<IpAddr>().is_err())
                .cloned()
                .collect();
            let nothing = servers.is_empty() && declined;
            service.found = Some(if nothing { Found::Declined } else { Found::Servers(servers) });
            awaited = true;
        }
        awaited
    }

    fn take_addresses(
        &mut self,
        question: &Question,
        records: &[Record],
        until: Option<Instant>,
    ) -> bool {
        let Round::Addresses { hosts, .. } = &mut self.round else { return false };
        let Some(host) = hosts.iter_mut().find(|host| host.name == question.name) else {
            return false;
        };
        let slot = usize::from(question.kind == RecordKind::A);
        let Some(addresses) = host.addresses.get_mut(slot).filter(|a| a.is_none()) else {
            return false;
        };
        let of_kind = |ip: &IpAddr| ip.is_ipv4() == (question.kind == RecordKind::A);
        let found = records.iter().filter_map(|record| match record {
            Record::Address(ip) => Some(*ip),
            _ => None,
        });
        *addresses = Some(found.filter(of_kind).filter(is_sendable).take(MAX_ADDRESSES).collect());
        host.until = earlier(host.until, until);
        true
    }

    /// Goes on to the next round once this one's questions are all answered.
    fn advance(&mut self, random: &mut dyn Random) {
        match &mut self.round {
            Round::Servers(services) if services.iter().all(|s| s.found.is_some()) => {
                let services = std::mem::take(services);
                self.servers_known(services, random);
            }
            Round::Addresses { hosts, servers } => {
                let answered = |host: &Host| host.addresses.iter().all(Option::is_some);
                if hosts.iter().all(answered) {
                    let (servers, hosts) = (std::mem::take(servers), std::mem::take(hosts));
                    self.addresses_known(&servers, &hosts);
                }
            }
            Round::Services | Round::Servers(_) | Round::Over(_) => {}
        }
    }

    fn servers_known(&mut self, services: Vec<Service>, random: &mut dyn Random) {
        let (mut found, mut declined) = (Vec::new(), Vec::new());
        for service in services {
            match service.found {
                Some(Found::Servers(servers)) => {
                    found.extend(rank(servers, random).into_iter().map(|srv| {
                        let name = srv.target.to_ascii_lowercase().into();
                        (service.transport, srv.port, name)
                    }));
                }
                Some(Found::Declined) => declined.push(service.transport),
                None => {}
            }
        }
        if !found.is_empty() {
            self.ask_addresses(found);
            return;
        }
        self.ask_domain(&declined);
    }

    fn addresses_known(&mut self, servers: &[Server], hosts: &[Host]) {
        let mut targets: Vec<Target> = Vec::new();
        for server in servers {
            let Some(host) = hosts.get(server.host) else { continue };
            let until = earlier(self.until, host.until);
            for ip in alternating(&host.addresses) {
                let address = SocketAddr::new(ip, server.port);
                let new = !targets
                    .iter()
                    .any(|t| t.address == address && t.transport == server.transport);
                let reached = self.abilities.reach(server.transport, IpFamily::of(&address));
                if new && reached && targets.len() < MAX_TARGETS {
                    let secure = server.transport == TransportProtocol::Tls;
                    let tls_name = secure.then(|| self.domain());
                    targets.push(Target { address, transport: server.transport, tls_name, until });
                }
            }
        }
        self.round = Round::Over(match targets.is_empty() {
            false => Ok(targets),
            true if self.failed => Err(LocateFailure::Unanswered),
            true => Err(LocateFailure::NoAddress),
        });
    }
}

/// Addresses of both families in turn, so that a family that leads nowhere costs one attempt before
/// the other is tried (RFC 7984 section 4 leaves the order to RFC 6724; IPv6 comes first there).
fn alternating(addresses: &[Option<Vec<IpAddr>>; 2]) -> Vec<IpAddr> {
    let [first, second] = addresses.each_ref().map(|found| found.as_deref().unwrap_or_default());
    (0..MAX_ADDRESSES).flat_map(|n| [first.get(n), second.get(n)]).flatten().copied().collect()
}

/// Whether a request can be sent to an address: one host's own.
fn is_sendable(ip: &IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !(ip.is_unspecified() || ip.is_multicast() || broadcast)
}

fn is_root(name: &str) -> bool {
    name.is_empty() || name == "."
}

const fn service_prefix(transport: TransportProtocol) -> &'static str {
    match transport {
        TransportProtocol::Udp => "_sip._udp.",
        TransportProtocol::Tcp => "_sip._tcp.",
        TransportProtocol::Tls => "_sips._tcp.",
        // RFC 7118 section 7: a WebSocket's server is found by its URI, and a browser not at all.
        TransportProtocol::Ws | TransportProtocol::Wss => "_invalid.",
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    a.into_iter().chain(b).min()
}
