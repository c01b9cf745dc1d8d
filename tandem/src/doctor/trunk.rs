//! A trunk: can its SIP server be found, reached and spoken to?

use super::finding::Finding;
use super::host::is_private;
use crate::clock::Origin;
use crate::config::Config;
use crate::user_agent::{PingFailure, ping};
use directory::{Carrier, Host, OriginationRoute, Snapshot, TlsPolicy, VoiceConnector};
use model::{IpFamily, TransportProtocol};
use sip_proto::locate::{Abilities, Question, Record, Target, Wanted};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a SIP server may take to answer; some carriers answer no OPTIONS at all.
const ANSWER: Duration = Duration::from_secs(4);

/// How names are located: as the node on this configuration would.
#[derive(Clone, Debug)]
pub(super) struct Names {
    abilities: Abilities,
    servers: Vec<SocketAddr>,
}

impl Names {
    pub(super) fn of(config: &Config) -> Names {
        let listeners = config.sip.listeners.iter();
        Names {
            abilities: Abilities::new(listeners.map(|l| (l.protocol, IpFamily::of(&l.local)))),
            servers: config.sip.dns_servers.clone(),
        }
    }
}

/// One SIP server that calls are sent to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Trunk {
    /// Whose it is, as the configuration names it.
    pub(super) name: String,
    host: Host,
    port: Option<u16>,
    protocol: TransportProtocol,
    /// Whether the DNS may choose another transport.
    choose_transport: bool,
    tls: Arc<TlsPolicy>,
    /// The setting that holds its address.
    setting: &'static str,
}

/// The trunks of the directory: every carrier's and every origination route, or those of one voice
/// connector with the carriers that its calls may take.
pub(super) fn trunks(directory: &Snapshot, connector: Option<&VoiceConnector>) -> Vec<Trunk> {
    let mut trunks: Vec<Trunk> = directory.carriers().map(|c| of_carrier(c)).collect();
    match connector {
        Some(connector) => trunks.extend(of_connector(connector)),
        None => trunks.extend(directory.voice_connectors().flat_map(|vc| of_connector(vc))),
    }
    trunks
}

fn of_carrier(carrier: &Carrier) -> Trunk {
    Trunk {
        name: format!("carrier {}", carrier.id),
        host: carrier.host.clone(),
        port: carrier.port,
        protocol: carrier.transport,
        choose_transport: carrier.choose_transport,
        tls: Arc::clone(&carrier.tls),
        setting: "[[carrier]] host, port and transport",
    }
}

fn of_connector(connector: &VoiceConnector) -> impl Iterator<Item = Trunk> + use<'_> {
    let numbered = (1..).zip(&connector.origination.routes);
    numbered.map(|(number, route): (usize, &OriginationRoute)| Trunk {
        name: format!("voice connector {}, origination route {number}", connector.name),
        host: route.host.clone(),
        port: route.port,
        protocol: route.protocol,
        choose_transport: route.choose_transport,
        tls: Arc::clone(&route.tls),
        setting: "[[voice_connector.origination]] host, port and protocol",
    })
}

impl Trunk {
    /// Whether its configured address is on the internet.
    pub(super) fn is_public(&self) -> bool {
        matches!(self.host, Host::Ip(ip) if !is_private(ip))
    }

    /// Looks its server up, opens a connection, asks it.
    pub(super) fn examine(&self, names: &Names) -> Vec<Finding> {
        let mut findings = Vec::new();
        for Target { address, transport, .. } in self.targets(names, &mut findings) {
            if transport != TransportProtocol::Udp {
                let connected = self.connect(address);
                let failed = connected.state == super::finding::State::Broken;
                findings.push(connected);
                if failed {
                    continue;
                }
            }
            findings.push(self.ask(address, transport));
        }
        self.named(findings)
    }

    fn named(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let area = format!("{} ({} {}{port})", self.name, self.protocol, self.host);
        findings.into_iter().map(|finding| finding.of(&area)).collect()
    }

    /// Where requests would go, in the order in which they would be tried (RFC 3263).
    fn targets(&self, names: &Names, findings: &mut Vec<Finding>) -> Vec<Target> {
        let name = match &self.host {
            Host::Ip(ip) => {
                let port = self.port.unwrap_or(self.protocol.default_port());
                return vec![Target::literal(SocketAddr::new(*ip, port), self.protocol)];
            }
            Host::Name(name) => name,
        };
        // With a port there is nothing to choose (RFC 3263 section 4.1).
        let chosen = self.choose_transport && self.port.is_none();
        let transport = (!chosen).then_some(self.protocol);
        let wanted = Wanted { host: name.clone(), port: self.port, transport, secure: false };
        let advice = || format!("correct {}, or [sip] dns_servers", self.setting);
        let located = match sip_edge::locate(wanted, names.abilities.clone(), &names.servers) {
            Ok(located) => located,
            Err(error) => {
                findings.push(Finding::broken("name", format!("{name}: {error}"), advice()));
                return Vec::new();
            }
        };
        for (question, records) in &located.steps {
            findings.push(step(question, records.as_deref()));
        }
        match located.outcome {
            Ok(targets) => {
                let shown: Vec<String> =
                    targets.iter().map(|t| format!("{} ({})", t.address, t.transport)).collect();
                let found = format!("{name} is {}", shown.join(", then "));
                findings.push(Finding::fine("name", found));
                targets
            }
            Err(failure) => {
                findings.push(Finding::broken("name", format!("{name}: {failure}"), advice()));
                Vec::new()
            }
        }
    }

    fn connect(&self, address: SocketAddr) -> Finding {
        let began = Origin::now();
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(_) => Finding::fine(
                "connection",
                format!("{address} {}", milliseconds(began.monotonic.elapsed())),
            ),
            Err(error) => {
                let advice = format!("check {}, and firewalls on the way", self.setting);
                Finding::broken("connection", format!("{address}: {error}"), advice)
            }
        }
    }

    fn ask(&self, address: SocketAddr, transport: TransportProtocol) -> Finding {
        let subject = "OPTIONS";
        match ping(address, transport, &self.host, &self.tls, ANSWER) {
            Ok(pong) => {
                let product = pong.product.map(|product| format!(", {product}"));
                let found = format!(
                    "{address} answers {} {} in {}{}",
                    pong.status,
                    pong.reason,
                    milliseconds(pong.after),
                    product.unwrap_or_default()
                );
                match pong.status {
                    200..300 | 404 | 405 | 486 => Finding::fine(subject, found),
                    401 | 407 => Finding::fine(subject, format!("{found}: it wants credentials")),
                    403 | 603 => Finding::warning(
                        subject,
                        found,
                        "it knows SIP but not us: have this host's address admitted there",
                    ),
                    500..600 => Finding::warning(
                        subject,
                        found,
                        "the server is there but has a trouble of its own",
                    ),
                    _ => Finding::fine(subject, found),
                }
            }
            Err(PingFailure::Unreachable(why)) => Finding::broken(
                subject,
                format!("{address}: {why}"),
                format!("check {}, and that the server runs", self.setting),
            ),
            Err(PingFailure::Silence(waited)) => Finding::warning(
                subject,
                format!("{address} said nothing for {} s", waited.as_secs()),
                format!(
                    "check {}, firewalls on the way, and that the server admits this host's \
                     address; some answer no OPTIONS",
                    self.setting
                ),
            ),
        }
    }
}

/// What the DNS said to one question.
fn step(question: &Question, records: Option<&[Record]>) -> Finding {
    let kind = format!("{:?}", question.kind).to_uppercase();
    let asked = format!("{kind} of {}", question.name);
    let Some(records) = records else {
        return Finding::warning(
            "DNS",
            format!("{asked}: no answer"),
            "check /etc/resolv.conf or [sip] dns_servers, and that the servers are reachable",
        );
    };
    let shown: Vec<String> = records.iter().map(record).collect();
    let shown = if shown.is_empty() { "none".to_owned() } else { shown.join(", ") };
    Finding::fine("DNS", format!("{asked}: {shown}"))
}

fn record(record: &Record) -> String {
    match record {
        Record::Naptr(n) => {
            format!("{} {} {} -> {}", n.order, n.preference, n.service, n.replacement)
        }
        Record::Srv(s) => {
            format!("priority {} weight {} {}:{}", s.priority, s.weight, s.target, s.port)
        }
        Record::Address(ip) => ip.to_string(),
    }
}

fn milliseconds(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

/// Whether one of the trunks is on the internet.
pub(super) fn any_public(trunks: &[Trunk]) -> bool {
    trunks.iter().any(Trunk::is_public)
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use crate::user_agent::{AnswerOptions, Answerer};

    fn trunk(address: SocketAddr, protocol: TransportProtocol) -> Trunk {
        Trunk {
            name: "carrier test".to_owned(),
            host: Host::Ip(address.ip()),
            port: Some(address.port()),
            protocol,
            choose_transport: false,
            tls: Arc::new(TlsPolicy { verify: false, ..TlsPolicy::default() }),
            setting: "[[carrier]] host",
        }
    }

    /// A name server that nobody runs: what `/etc/hosts` does not know fails at once.
    fn names() -> Names {
        let families = [IpFamily::V4, IpFamily::V6];
        let protocols = [TransportProtocol::Udp, TransportProtocol::Tcp, TransportProtocol::Tls];
        let pairs = protocols.into_iter().flat_map(|p| families.map(|family| (p, family)));
        let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Names { abilities: Abilities::new(pairs), servers: vec![gone] }
    }

    #[test]
    fn a_server_that_answers_is_fine_over_every_transport() {
        let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let options = AnswerOptions { tls: Some(listen), ..AnswerOptions::new(listen) };
        let answerer = Answerer::start(options).unwrap();
        for protocol in [TransportProtocol::Udp, TransportProtocol::Tcp, TransportProtocol::Tls] {
            let tls = answerer.tls().filter(|_| protocol == TransportProtocol::Tls);
            let at = tls.unwrap_or(answerer.local());
            let findings = trunk(at, protocol).examine(&names());
            assert!(findings.iter().all(|f| f.state == State::Fine), "{findings:?}");
            let last = findings.last().unwrap();
            assert!(last.found.contains("answers 200 OK"), "{}", last.found);
            assert!(
                last.area.starts_with(&format!("carrier test ({protocol} 127.0.0.1:")),
                "{}",
                last.area
            );
        }
    }

    #[test]
    fn nobody_there_and_a_name_that_does_not_exist_are_broken() {
        let gone = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for protocol in [TransportProtocol::Udp, TransportProtocol::Tcp] {
            let findings = trunk(gone, protocol).examine(&names());
            assert_eq!(findings.last().unwrap().state, State::Broken, "{findings:?}");
        }
        let nameless = Trunk {
            host: Host::Name("nowhere.invalid".into()),
            ..trunk(gone, TransportProtocol::Udp)
        };
        let findings = nameless.examine(&names());
        let last = findings.last().unwrap();
        assert_eq!(last.state, State::Broken);
        assert!(last.found.contains("nowhere.invalid"), "{findings:?}");
        assert!(last.advice.contains("[[carrier]] host"));
        assert!(findings.iter().any(|f| f.subject == "DNS" && f.found.ends_with("no answer")));
    }

    #[test]
    fn a_server_that_says_nothing_is_a_warning() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let findings =
            trunk(silent.local_addr().unwrap(), TransportProtocol::Udp).examine(&names());
        assert_eq!(findings[0].state, State::Warning, "{findings:?}");
    }

    #[test]
    fn public_addresses_are_told_from_private_ones() {
        let public = trunk("203.0.113.7:5060".parse().unwrap(), TransportProtocol::Udp);
        let private = trunk("10.0.0.7:5060".parse().unwrap(), TransportProtocol::Udp);
        assert!(any_public(&[private.clone(), public]));
        assert!(!any_public(&[private]));
    }
}
