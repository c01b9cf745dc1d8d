//! A trunk: can its SIP server be found, reached and spoken to?

use super::finding::Finding;
use super::host::is_private;
use crate::clock::Origin;
use crate::config::Config;
use crate::user_agent::{Ping, PingFailure, Pong, Shown};
use directory::{Carrier, Credential, Host, OriginationRoute, Snapshot, TlsPolicy, VoiceConnector};
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
    credential: Option<Credential>,
    /// The only realm that the credential is for.
    realm: Option<Arc<str>>,
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
        credential: carrier.credential.clone(),
        realm: carrier.realm.clone(),
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
        credential: None,
        realm: None,
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
        let ping = Ping {
            to: address,
            protocol: transport,
            host: &self.host,
            policy: &self.tls,
            credential: self.credential.as_ref(),
            realm: self.realm.as_deref(),
            patience: ANSWER,
        };
        match ping.ask() {
            Ok(pong) => judge(address, pong),
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

/// What an answer to OPTIONS says of the trunk.
fn judge(address: SocketAddr, pong: Pong) -> Finding {
    let subject = "OPTIONS";
    let product = pong.product.map(|product| format!(", {product}"));
    let found = format!(
        "{address} answers {} {} in {}{}",
        pong.status,
        pong.reason,
        milliseconds(pong.after),
        product.unwrap_or_default()
    );
    match (pong.status, pong.shown) {
        (401 | 407, Shown::Yes) => Finding::broken(
            subject,
            format!("{found}: it does not take the credentials"),
            "correct [[carrier]] username and password",
        ),
        (401 | 407, Shown::NotForThis) => Finding::broken(
            subject,
            format!("{found}: it asks for credentials that are not for it"),
            "correct [[carrier]] realm: it has to be the one that the carrier asks for",
        ),
        (401 | 407, _) => Finding::warning(
            subject,
            format!("{found}: it wants credentials"),
            "set [[carrier]] username and password",
        ),
        (403 | 603, _) => Finding::warning(
            subject,
            found,
            "it knows SIP but not us: have this host's address admitted there",
        ),
        (500..600, _) => {
            Finding::warning(subject, found, "the server is there but has a trouble of its own")
        }
        (_, Shown::Yes) => Finding::fine(subject, format!("{found}; it takes the credentials")),
        _ => Finding::fine(subject, found),
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
    use crate::user_agent::{AnswerOptions, Answerer, OsRandom};
    use bytes::Bytes;
    use model::Instant;
    use sip_proto::auth::{
        ChallengedBy, HashFunction, Protected, Verdict, Verifier, VerifierConfig,
    };
    use sip_proto::{Composer, HeaderName, Limits, Message};
    use std::net::UdpSocket;

    fn trunk(address: SocketAddr, protocol: TransportProtocol) -> Trunk {
        Trunk {
            name: "carrier test".to_owned(),
            host: Host::Ip(address.ip()),
            port: Some(address.port()),
            protocol,
            choose_transport: false,
            tls: Arc::new(TlsPolicy { verify: false, ..TlsPolicy::default() }),
            credential: None,
            realm: None,
            setting: "[[carrier]] host",
        }
    }

    /// A name server that nobody runs: what `/etc/hosts` does not know fails at once.
    fn names() -> Names {
        let families = [IpFamily::V4, IpFamily::V6];
        let protocols = [TransportProtocol::Udp, TransportProtocol::Tcp, TransportProtocol::Tls];
        let pairs = protocols.into_iter().flat_map(|p| families.map(|family| (p, family)));
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
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
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
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

    /// Answers OPTIONS of those who prove "pbx" and "secret" for the realm "carrier", over UDP.
    fn guarded() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut random = OsRandom;
            let mut verifier = Verifier::new(VerifierConfig::default(), &mut random);
            let mut buffer = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let raw = Bytes::copy_from_slice(&buffer[..length]);
                let Ok(request) = Message::parse(raw, &Limits::default()) else { continue };
                let protected = Protected {
                    realm: "carrier",
                    source: from.ip(),
                    offered: &[HashFunction::Sha256, HashFunction::Md5],
                    by: ChallengedBy::Server,
                };
                let password = |user: &str| (user == "pbx").then_some("secret");
                let verdict = verifier.verify(Instant::ZERO, &protected, &request, password);
                let accepted = matches!(verdict, Verdict::Accepted { .. });
                let (status, reason) = if accepted { (200, "OK") } else { (401, "Unauthorized") };
                let mut response = Composer::response_to(&request, status, reason, Some("tag"));
                if !accepted {
                    let asked = verifier.challenges(Instant::ZERO, &protected, false, &mut random);
                    for challenge in asked {
                        response.header(HeaderName::WwwAuthenticate, challenge.to_value());
                    }
                }
                socket.send_to(&response.finish(), from).unwrap();
            }
        });
        address
    }

    #[test]
    fn credentials_are_shown_where_they_are_wanted_and_judged() {
        let address = guarded();
        let asked = |password: Option<&str>, realm: Option<&str>| {
            let credential = password
                .map(|password| Credential { username: "pbx".into(), password: password.into() });
            let realm = realm.map(Into::into);
            let trunk = Trunk { credential, realm, ..trunk(address, TransportProtocol::Udp) };
            trunk.examine(&names()).pop().unwrap()
        };
        let taken = asked(Some("secret"), Some("carrier"));
        assert_eq!(taken.state, State::Fine, "{taken:?}");
        assert!(taken.found.ends_with("it takes the credentials"), "{}", taken.found);
        let wrong = asked(Some("other"), None);
        assert_eq!(wrong.state, State::Broken);
        assert!(wrong.advice.contains("username and password"), "{}", wrong.advice);
        assert!(!wrong.found.contains("other"), "no password is shown");
        let elsewhere = asked(Some("secret"), Some("elsewhere"));
        assert_eq!(elsewhere.state, State::Broken);
        assert!(elsewhere.advice.contains("realm"), "{}", elsewhere.advice);
        let none = asked(None, None);
        assert_eq!(none.state, State::Warning);
        assert!(none.advice.contains("username and password"));
    }

    #[test]
    fn a_server_that_says_nothing_is_a_warning() {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
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
