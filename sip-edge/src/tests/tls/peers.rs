//! Connections that we open, and peers that show a certificate.

use super::*;
use crate::tests::{client_key, no_lookup};
use crate::tls::self_signed_server;
use b2bua::{ExpectedPeer, Output};
use directory::Host;
use model::{Flow, PeerIdentity};
use rustls::ServerConnection;
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::sync::Arc;

/// A peer that takes TLS connections, with a certificate for `names`.
pub(super) struct Peer {
    pub(super) place: Place,
    listener: TcpListener,
    config: Arc<rustls::ServerConfig>,
}

impl Peer {
    pub(super) fn new(test: &str, domain: &str) -> Peer {
        let place = Place::new(test);
        let settings = TlsSettings::new(domain, &place.0);
        drop(rig_with(settings, TcpLimits::default()));
        let files = KeyPairFiles {
            certificate: place.certificate().into(),
            key: place.0.join("tls-self-signed.key").into(),
        };
        let config = self_signed_server(&[], Some(&files)).unwrap();
        Peer { place, listener: TcpListener::bind("127.0.0.2:0").unwrap(), config }
    }

    fn flow(&self, rig: &Rig, identity: u32) -> Flow {
        let remote = self.listener.local_addr().unwrap();
        let identity = NonZeroU32::new(identity).map(PeerIdentity);
        Flow { identity, ..Flow::new(TransportProtocol::Tls, rig.address(), remote) }
    }

    fn accept(&self) -> StreamOwned<ServerConnection, TcpStream> {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(ServerConnection::new(Arc::clone(&self.config)).unwrap(), stream)
    }
}

/// A rig whose directory has one carrier for each policy, so that their files are read.
fn rig_trusting(place: &Place, policies: &[Arc<TlsPolicy>], limits: TcpLimits) -> Rig {
    let mut config = config(&[], &[], limits);
    config.tls = LISTEN.iter().map(|text| text.parse().unwrap()).collect();
    config.tls_settings = Some(place.settings());
    let carriers = policies.iter().enumerate().map(|(n, policy)| {
        let id = model::CarrierId::new(&format!("carrier-{n}")).unwrap();
        let mut carrier = directory::Carrier::new(id, Host::parse("carrier.test").unwrap());
        carrier.transport = TransportProtocol::Tls;
        carrier.tls = Arc::clone(policy);
        carrier.client_certificate = directory::ClientCertificatePolicy {
            demand: directory::ClientCertificate::Optional,
            names: vec!["carrier.test".into()],
            ca: policy.ca.clone().filter(|_| policy.verify),
        };
        carrier
    });
    let resources = directory::Resources {
        domain: DOMAIN.to_owned(),
        carriers: carriers.collect(),
        voice_connectors: Vec::new(),
        ..directory::Resources::default()
    };
    let directory = Arc::new(directory::Snapshot::build(resources).unwrap());
    Rig::try_start_with(config, no_lookup(), directory).unwrap()
}

fn expect(rig: &Rig, identity: u32, name: &str, policy: &Arc<TlsPolicy>) {
    let identity = PeerIdentity(NonZeroU32::new(identity).unwrap());
    let expected = ExpectedPeer { name: Host::parse(name).unwrap(), policy: Arc::clone(policy) };
    rig.output(Output::Identity { identity, expected });
}

#[test]
fn an_opened_connection_must_lead_to_the_expected_name_and_serves_no_other() {
    let peer = Peer::new("expected-peer", "carrier.test");
    let place = Place::new("expected");
    let policy =
        Arc::new(TlsPolicy { ca: Some(peer.place.certificate().into()), ..TlsPolicy::default() });
    let rig = rig_trusting(&place, &[Arc::clone(&policy)], TcpLimits::default());
    expect(&rig, 1, "carrier.test", &policy);
    expect(&rig, 2, "other.test", &policy);
    let (right, wrong) = (peer.flow(&rig, 1), peer.flow(&rig, 2));
    let accepting = std::thread::spawn(move || {
        let mut first = peer.accept();
        read_exactly(&mut first, "one,two");
        // The one for the other name opens a connection of its own and finds no such name.
        let mut second = peer.accept();
        let refused = second.read(&mut [0; 16]);
        assert!(refused.is_err(), "{refused:?}");
        (peer, first)
    });
    rig.transmit(right, "one,", Some(client_key()));
    rig.transmit(right, "two", None);
    let key = client_key();
    rig.transmit(wrong, "never", Some(key));
    assert!(matches!(rig.next(), Seen::Unreachable(reported) if reported == key));
    wait_for(&rig, HandshakeFailure::WrongName, 1);
    let (peer, mut first) = accepting.join().unwrap();

    // What the peer says on it comes with the identity, and answers go back on it.
    first.write_all(message("OPTIONS", "z9hG4bK1", "").as_bytes()).unwrap();
    let (flow, _) = rig.next_input();
    assert_eq!((flow.identity, flow.remote), (right.identity, right.remote));
    rig.transmit(Flow { remote: "127.0.0.9:1".parse().unwrap(), ..flow }, "back", None);
    read_exactly(&mut first, "back");
    // Without an identity nothing is opened, and no verified connection is used.
    rig.transmit(Flow { identity: None, ..right }, "never", Some(key));
    assert!(matches!(rig.next(), Seen::Unreachable(reported) if reported == key));
    // A plain connection is not used either.
    let plain = Flow { protocol: TransportProtocol::Tcp, ..flow };
    rig.transmit(plain, "plain", None);
    let (mut stream, _) = peer.listener.accept().unwrap();
    read_exactly(&mut stream, "plain");
}

#[test]
fn an_unknown_authority_is_refused_unless_nothing_is_verified() {
    let peer = Peer::new("unknown-peer", "carrier.test");
    let place = Place::new("unknown");
    let stranger = Peer::new("unknown-ca", "ca.test");
    let strict = Arc::new(TlsPolicy {
        ca: Some(stranger.place.certificate().into()),
        ..TlsPolicy::default()
    });
    let lax = Arc::new(TlsPolicy { verify: false, ..TlsPolicy::default() });
    let policies = [Arc::clone(&strict), Arc::clone(&lax)];
    let rig = rig_trusting(&place, &policies, TcpLimits::default());
    expect(&rig, 1, "carrier.test", &strict);
    expect(&rig, 2, "anything.test", &lax);
    let (refused, taken) = (peer.flow(&rig, 1), peer.flow(&rig, 2));
    let accepting = std::thread::spawn(move || {
        assert!(peer.accept().read(&mut [0; 16]).is_err());
        let mut stream = peer.accept();
        read_exactly(&mut stream, "hello");
    });
    let key = client_key();
    rig.transmit(refused, "never", Some(key));
    assert!(matches!(rig.next(), Seen::Unreachable(reported) if reported == key));
    wait_for(&rig, HandshakeFailure::UnknownAuthority, 1);
    rig.transmit(taken, "hello", None);
    accepting.join().unwrap();
}

#[test]
fn a_connection_that_answers_no_keep_alive_is_closed() {
    let place = Place::new("keep-alive");
    let keep_alive = Some(Duration::from_millis(30));
    let limits = TcpLimits { keep_alive, missing_pongs: 2, ..TcpLimits::default() };
    let lax = Arc::new(TlsPolicy { verify: false, ..TlsPolicy::default() });
    let peer = Peer::new("keep-alive-peer", "carrier.test");
    let rig = rig_trusting(&place, &[Arc::clone(&lax)], limits);
    expect(&rig, 1, "carrier.test", &lax);
    let flow = peer.flow(&rig, 1);
    let accepting = std::thread::spawn(move || {
        let mut stream = peer.accept();
        read_exactly(&mut stream, "hello");
        for _ in 0..4 {
            read_exactly(&mut stream, "\r\n\r\n");
            stream.write_all(b"\r\n").unwrap();
        }
        let mut unanswered = Vec::new();
        let _ = stream.read_to_end(&mut unanswered);
        // A late answer to the ones before may have allowed one more.
        assert!((2..=4).contains(&(unanswered.len() / 4)), "{unanswered:?}");
    });
    rig.transmit(flow, "hello", None);
    accepting.join().unwrap();
    let deadline = rig.clock.now() + PATIENCE;
    while rig.edge.statistics().transport.tcp_no_pong == 0 {
        assert!(rig.clock.now() < deadline, "not counted");
    }
}

#[test]
fn a_client_certificate_is_judged_and_lets_its_connection_be_used_for_requests() {
    let peer = Peer::new("mutual-peer", "carrier.test");
    let place = Place::new("mutual");
    let files = KeyPairFiles {
        certificate: peer.place.certificate().into(),
        key: peer.place.0.join("tls-self-signed.key").into(),
    };
    let ca: Arc<Path> = peer.place.certificate().into();
    let policy = Arc::new(TlsPolicy { ca: Some(Arc::clone(&ca)), ..TlsPolicy::default() });
    let rig = rig_trusting(&place, &[Arc::clone(&policy)], TcpLimits::default());
    let ours = TlsPolicy {
        ca: Some(place.certificate().into()),
        certificate: Some(files),
        ..TlsPolicy::default()
    };
    let name = ServerName::try_from(DOMAIN).unwrap();
    let session = ClientConnection::new(client_config(&ours).unwrap(), name).unwrap();
    let mut stream = StreamOwned::new(session, tcp(&rig));
    let hello = message("OPTIONS", "z9hG4bK1", "")
        .replace("SIP/2.0/TCP 192.0.2.1;", "SIP/2.0/TLS 192.0.2.1:5071;alias;");
    stream.write_all(hello.as_bytes()).unwrap();
    let Seen::Certificate(id, certificate) = rig.next() else { panic!("no certificate") };
    assert!(certificate.names.iter().any(|name| &**name == "carrier.test"));
    assert_eq!(certificate.trusted_by, [Some(ca)]);
    let (flow, _) = rig.next_input();
    assert_eq!(flow.connection, Some(id));

    // A request to the port of its Via takes the same connection, for the proven name alone.
    expect(&rig, 1, "carrier.test", &policy);
    expect(&rig, 2, "other.test", &policy);
    let to = |identity| Flow {
        connection: None,
        identity: NonZeroU32::new(identity).map(PeerIdentity),
        remote: SocketAddr::new(flow.remote.ip(), 5071),
        ..flow
    };
    rig.transmit(to(1), "request", None);
    read_exactly(&mut stream, "request");
    assert_eq!(rig.edge.statistics().transport.tcp_opened, 0);
    let key = client_key();
    rig.transmit(to(2), "never", Some(key));
    assert!(matches!(rig.next(), Seen::Unreachable(reported) if reported == key));
    drop(stream);
    assert!(matches!(rig.next(), Seen::Closed(closed) if closed == id));
}

/// A client that shows the certificate of `peer`.
fn connect_with(rig: &Rig, place: &Place, peer: &Peer) -> Client {
    let files = KeyPairFiles {
        certificate: peer.place.certificate().into(),
        key: peer.place.0.join("tls-self-signed.key").into(),
    };
    let ours = TlsPolicy {
        ca: Some(place.certificate().into()),
        certificate: Some(files),
        ..TlsPolicy::default()
    };
    let name = ServerName::try_from(DOMAIN).unwrap();
    let session = ClientConnection::new(client_config(&ours).unwrap(), name).unwrap();
    StreamOwned::new(session, tcp(rig))
}

#[test]
fn what_waits_for_a_certificate_goes_to_nobody_who_shows_another_or_none() {
    let (first, second) = (Peer::new("back-1", "one.test"), Peer::new("back-2", "two.test"));
    let place = Place::new("back");
    let trusting = |peer: &Peer| {
        let ca = Some(peer.place.certificate().into());
        Arc::new(TlsPolicy { ca, ..TlsPolicy::default() })
    };
    let policies = [trusting(&first), trusting(&second)];
    let rig = rig_trusting(&place, &policies, TcpLimits::default());
    let hello = message("OPTIONS", "z9hG4bK1", "");
    let mut stream = connect_with(&rig, &place, &first);
    stream.write_all(hello.as_bytes()).unwrap();
    assert!(matches!(rig.next(), Seen::Certificate(..)));
    let (flow, _) = rig.next_input();
    drop(stream);
    assert!(matches!(rig.next(), Seen::Closed(_)));
    rig.transmit(flow, "for one", Some(client_key()));
    let mut other = connect_with(&rig, &place, &second);
    let mut nobody = connect(&rig, &place);
    for stream in [&mut other, &mut nobody] {
        stream.write_all(b"\r\n\r\n").unwrap();
        read_exactly(stream, "\r\n");
    }
    assert!(matches!(rig.next(), Seen::Certificate(..)));
    let mut back = connect_with(&rig, &place, &first);
    back.write_all(b"\r\n\r\n").unwrap();
    let mut octets = [0; 9];
    back.read_exact(&mut octets).unwrap();
    // In whatever order the two left.
    let text = String::from_utf8_lossy(&octets);
    assert!(text.contains("for one"), "{text:?}");
    assert!(matches!(rig.next(), Seen::Certificate(..)));
    // A later message finds the way at once.
    rig.transmit(flow, "again", None);
    read_exactly(&mut back, "again");
}
