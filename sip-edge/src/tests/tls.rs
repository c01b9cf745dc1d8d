mod peers;

use super::{PATIENCE, Rig, Seen, config, message};
use crate::tls::{HandshakeFailure, TlsSettings, check_pair, client_config};
use crate::transport::TcpLimits;
use directory::{KeyPairFiles, TlsPolicy};
use model::TransportProtocol;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LISTEN: [&str; 1] = ["127.0.0.1:0"];
const DOMAIN: &str = "tandem.localhost";

/// A directory that goes with its test.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Place {
        let path = std::env::temp_dir().join(format!("tandem-tls-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    fn settings(&self) -> TlsSettings {
        let poll = Duration::from_millis(20);
        TlsSettings { poll, ..TlsSettings::new(DOMAIN, &self.0) }
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("tls-self-signed.pem")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn rig(place: &Place, tcp_limits: TcpLimits) -> Rig {
    rig_with(place.settings(), tcp_limits)
}

fn rig_with(settings: TlsSettings, tcp_limits: TcpLimits) -> Rig {
    let mut config = config(&[], &[], tcp_limits);
    config.tls = LISTEN.iter().map(|text| text.parse().unwrap()).collect();
    config.tls_settings = Some(settings);
    Rig::try_start(config, super::no_lookup()).unwrap()
}

fn tcp(rig: &Rig) -> TcpStream {
    tcp_to(rig.address())
}

fn tcp_to(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

type Client = StreamOwned<ClientConnection, TcpStream>;

fn connect_as(rig: &Rig, ca: &Path, name: &str) -> Client {
    let policy = TlsPolicy { ca: Some(ca.into()), ..TlsPolicy::default() };
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let session = ClientConnection::new(client_config(&policy).unwrap(), name).unwrap();
    StreamOwned::new(session, tcp(rig))
}

fn connect(rig: &Rig, place: &Place) -> Client {
    connect_as(rig, &place.certificate(), DOMAIN)
}

fn read_exactly(stream: &mut impl Read, expected: &str) {
    let mut octets = vec![0; expected.len()];
    stream.read_exact(&mut octets).unwrap();
    assert_eq!(String::from_utf8(octets).unwrap(), expected);
}

/// Waits until the edge has counted `times` failures of a kind.
fn wait_for(rig: &Rig, kind: HandshakeFailure, times: u64) {
    let deadline = rig.clock.now() + PATIENCE;
    while rig.edge.statistics().transport.tls.failed(kind) < times {
        let counted = rig.edge.statistics().transport.tls;
        assert!(rig.clock.now() < deadline, "{kind} is not counted: {counted:?}");
    }
}

/// Reads until the peer closes, in whatever way.
fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut octets = Vec::new();
    if let Err(error) = stream.read_to_end(&mut octets) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    octets
}

#[test]
fn messages_pass_both_ways_over_an_accepted_connection() {
    let place = Place::new("accepted");
    let rig = rig(&place, TcpLimits::default());
    let mut stream = connect(&rig, &place);
    let (first, second) =
        (message("INVITE", "z9hG4bK1", "v=0\r\n"), message("BYE", "z9hG4bK2", ""));
    stream.write_all(format!("{first}{second}\r\n\r\n").as_bytes()).unwrap();
    let (flow, raw) = rig.next_input();
    assert_eq!(raw, first);
    assert_eq!((flow.protocol, flow.local), (TransportProtocol::Tls, rig.address()));
    assert_eq!(rig.next_input(), (flow, second.into()));
    read_exactly(&mut stream, "\r\n");
    // More than a TLS record and rustls's own buffers hold.
    let long = "x".repeat(300_000);
    rig.transmit(flow, &long, None);
    read_exactly(&mut stream, &long);
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    assert!(matches!(rig.next(), Seen::Closed(id) if Some(id) == flow.connection));
    assert_eq!(rig.edge.statistics().transport.tls.handshakes, 1);
}

#[test]
fn the_self_signed_pair_is_private_and_used_again() {
    let place = Place::new("self-signed");
    let files = KeyPairFiles {
        certificate: place.certificate().into(),
        key: place.0.join("tls-self-signed.key").into(),
    };
    drop(rig(&place, TcpLimits::default()));
    let made = std::fs::read(&files.key).unwrap();
    for path in [&files.certificate, &files.key] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(check_pair(&files).unwrap().names.iter().any(|name| &**name == DOMAIN));
    drop(rig(&place, TcpLimits::default()));
    assert_eq!(std::fs::read(&files.key).unwrap(), made);
}

/// Of version 1, as `openssl x509 -req` makes them without extensions, and its key, made for this test.
const VERSION_1: [&str; 2] = [
    "\
-----BEGIN CERTIFICATE-----
MIIBADCBpgIBATAKBggqhkjOPQQDAjAMMQowCAYDVQQDDAF4MB4XDTI1MDEwMTAw
MDAwMFoXDTI1MDIwMTAwMDAwMFowDDEKMAgGA1UEAwwBeDBZMBMGByqGSM49AgEG
CCqGSM49AwEHA0IABDHXKiBPBB2ltZW4Cow/0OL27+aPR5XJggzw8cVI4U8s+XxL
l/Ch+RVlPKl87t2zFAtoPUrE2gkR71N+GxyZFu0wCgYIKoZIzj0EAwIDSQAwRgIh
AO0Ih/CInTMM0oQrp0JBlawdTG4FgryxCpWUJNmXbOCiAiEA+jEihXyxzrvcf589
LvWNdRzgyQSVZ238i6VezoRTyUQ=
-----END CERTIFICATE-----
",
    "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgHviF1cW+YkWeJ8i0
NBTO5hba6POyBqnYbwXFOz+NQ82hRANCAAQx1yogTwQdpbWVuAqMP9Di9u/mj0eV
yYIM8PHFSOFPLPl8S5fwofkVZTypfO7dsxQLaD1KxNoJEe9TfhscmRbt
-----END PRIVATE KEY-----
",
];

#[test]
fn a_certificate_of_version_1_is_not_said_to_have_another_key() {
    let place = Place::new("version-1");
    let files = ["v1.pem", "v1.key"].map(|name| place.0.join(name));
    for (file, text) in files.iter().zip(VERSION_1) {
        std::fs::write(file, text).unwrap();
    }
    let [certificate, key] = files.map(Into::into);
    let error = check_pair(&KeyPairFiles { certificate, key }).unwrap_err();
    assert!(error.to_string().contains("v1.pem: its first certificate cannot be used"), "{error}");
    assert!(error.reason.ends_with("have one of X.509 version 3 made"), "{error}");
}

#[test]
fn a_new_certificate_is_taken_and_a_bad_one_is_not() {
    let place = Place::new("reload");
    let other = Place::new("reload-other");
    let rig = rig(&place, TcpLimits::default());
    let old = place.0.join("old.pem");
    std::fs::copy(place.certificate(), &old).unwrap();
    // Not PEM: the pair in use stays.
    std::fs::write(place.0.join("new"), "broken").unwrap();
    std::fs::rename(place.0.join("new"), place.certificate()).unwrap();
    let mut still = connect_as(&rig, &old, DOMAIN);
    still.write_all(b"\r\n\r\n").unwrap();
    read_exactly(&mut still, "\r\n");
    // Another pair, key first: in between the two do not match, and the old pair stays.
    drop(rig_with(other.settings(), TcpLimits::default()));
    for file in ["tls-self-signed.key", "tls-self-signed.pem"] {
        std::fs::rename(other.0.join(file), place.0.join(file)).unwrap();
    }
    let deadline = rig.clock.now() + PATIENCE;
    loop {
        let mut stream = connect(&rig, &place);
        if stream.write_all(b"\r\n\r\n").is_ok() {
            read_exactly(&mut stream, "\r\n");
            break;
        }
        assert!(rig.clock.now() < deadline, "the new certificate is not taken");
    }
    // A connection that was there is left alone.
    still.write_all(b"\r\n\r\n").unwrap();
    read_exactly(&mut still, "\r\n");
}

#[test]
fn plaintext_on_the_tls_port_is_closed_at_once_without_a_word() {
    let place = Place::new("plaintext");
    let rig = rig(&place, TcpLimits::default());
    let mut stream = tcp(&rig);
    stream.write_all(message("OPTIONS", "z9hG4bK1", "").as_bytes()).unwrap();
    assert_eq!(read_to_end(&mut stream), b"");
    wait_for(&rig, HandshakeFailure::Plaintext, 1);
}

#[test]
fn garbage_oversized_and_old_handshakes_are_refused_and_counted() {
    let place = Place::new("garbage");
    let rig = rig(&place, TcpLimits::default());
    // A handshake record of noise; one that claims more than a record may hold; a ClientHello that
    // claims 16 MB.
    let noise: Vec<u8> = [22, 3, 1, 0, 64].into_iter().chain((0..64).map(|n| n * 3)).collect();
    let oversized: Vec<u8> = [22, 3, 3, 0xff, 0xff].into_iter().chain([0; 70_000]).collect();
    let endless = [&[22, 3, 3, 0, 8, 1, 0xff, 0xff, 0xff][..], &[3; 4]].concat();
    for (octets, times) in [(noise, 1), (oversized, 2), (endless, 3)] {
        let mut stream = tcp(&rig);
        let _ = stream.write_all(&octets);
        read_to_end(&mut stream);
        wait_for(&rig, HandshakeFailure::Garbage, times);
    }
    // TLS 1.0: a hello of that version without the extension for later ones.
    let mut body = vec![3, 1];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x00, 0x2f, 1, 0]);
    let mut hello = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
    hello.extend(&body);
    let mut record = vec![22, 3, 1, 0, u8::try_from(hello.len()).unwrap()];
    record.extend(&hello);
    let mut stream = tcp(&rig);
    stream.write_all(&record).unwrap();
    let alert = read_to_end(&mut stream);
    assert_eq!(alert.first(), Some(&21), "{alert:?}");
    let tls = rig.edge.statistics().transport.tls;
    let refused =
        tls.failed(HandshakeFailure::Version) + tls.failed(HandshakeFailure::NothingInCommon);
    assert_eq!((refused, tls.handshakes), (1, 0), "{tls:?}");
}

#[test]
fn a_handshake_that_drips_is_cut_off_and_others_go_on() {
    let place = Place::new("drip");
    let handshake_timeout = Duration::from_millis(200);
    let rig = rig(&place, TcpLimits { handshake_timeout, ..TcpLimits::default() });
    let mut mute = tcp(&rig);
    let mut slow = tcp(&rig);
    let mut dripper = slow.try_clone().unwrap();
    dripper.write_all(&[22, 3, 1, 2, 0]).unwrap();
    let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(0);
    let dripping = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(5)).is_err() {
            if dripper.write_all(&[0]).is_err() {
                break;
            }
        }
    });
    let mut other = connect(&rig, &place);
    other.write_all(b"\r\n\r\n").unwrap();
    read_exactly(&mut other, "\r\n");
    read_to_end(&mut slow);
    read_to_end(&mut mute);
    drop(stop);
    dripping.join().unwrap();
    wait_for(&rig, HandshakeFailure::Timeout, 2);
}

#[test]
fn handshakes_under_way_are_bounded_and_idle_connections_leave_room() {
    let place = Place::new("bounded");
    let limits = TcpLimits {
        handshakes_per_source: 3,
        connections_per_source: 2_000,
        ..TcpLimits::default()
    };
    let rig = rig(&place, limits);
    let held: Vec<TcpStream> = (0..3).map(|_| tcp(&rig)).collect();
    // The places are taken when the edge has accepted all three.
    let mut refused = tcp(&rig);
    assert_eq!(read_to_end(&mut refused), b"");
    wait_for(&rig, HandshakeFailure::Busy, 1);
    drop(held);
    wait_for(&rig, HandshakeFailure::Closed, 3);
    let idle: Vec<Client> = (0..200)
        .map(|_| {
            let mut stream = connect(&rig, &place);
            stream.write_all(b"\r\n\r\n").unwrap();
            read_exactly(&mut stream, "\r\n");
            stream
        })
        .collect();
    let mut stream = connect(&rig, &place);
    stream.write_all(message("OPTIONS", "z9hG4bK1", "").as_bytes()).unwrap();
    rig.next_input();
    assert_eq!(rig.edge.statistics().transport.tcp_connections, idle.len() as u64 + 1);
}

#[test]
fn the_name_that_is_asked_for_chooses_the_certificate() {
    let (place, other) = (Place::new("sni"), peers::Peer::new("sni-other", "sip.other.test"));
    let files = KeyPairFiles {
        certificate: other.place.certificate().into(),
        key: other.place.0.join("tls-self-signed.key").into(),
    };
    let hosts = vec![crate::tls::TlsHost { name: "*.other.test".into(), files }];
    let rig = rig_with(TlsSettings { hosts, ..place.settings() }, TcpLimits::default());
    for (ca, name) in [(other.place.certificate(), "sip.other.test"), (place.certificate(), DOMAIN)]
    {
        let mut stream = connect_as(&rig, &ca, name);
        stream.write_all(b"\r\n\r\n").unwrap();
        read_exactly(&mut stream, "\r\n");
    }
    let names: Vec<_> = rig.edge.certificates().iter().map(|c| c.name.to_string()).collect();
    assert_eq!(names, ["default", "*.other.test"]);
    assert!(rig.edge.certificates().iter().all(|c| c.seconds_left() > 86_400));
}
