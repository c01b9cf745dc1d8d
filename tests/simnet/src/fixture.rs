//! The addresses, the directory and the settings that every test begins with.

use b2bua::{EdgeConfig, Listener};
use directory::{
    Carrier, Host, Origination, OriginationRoute, Resources, Snapshot, Termination, VoiceConnector,
};
use model::{CarrierId, TransportProtocol, VoiceConnectorId};
use std::net::SocketAddr;
use std::sync::Arc;

/// Where the edge listens for datagrams.
pub const EDGE: SocketAddr = address([203, 0, 113, 1], 5060);
/// Where the edge listens for streams.
pub const EDGE_TCP: SocketAddr = address([203, 0, 113, 1], 5062);
/// Where the edge listens for TLS.
pub const EDGE_TLS: SocketAddr = address([203, 0, 113, 1], 5061);
/// Where the edge's WebSockets are served.
pub const EDGE_WSS: SocketAddr = address([203, 0, 113, 1], 8443);
/// The customer's PBX.
pub const PBX: SocketAddr = address([192, 0, 2, 10], 5070);
/// The same PBX, when it speaks over a stream.
pub const PBX_TCP: SocketAddr = address([192, 0, 2, 10], 41_234);
/// The carrier that is tried first.
pub const CARRIER: SocketAddr = address([198, 51, 100, 20], 5080);
/// The carrier that is tried next.
pub const CARRIER_2: SocketAddr = address([203, 0, 114, 30], 5081);
/// A carrier over a stream, for numbers that begin with +81.
pub const CARRIER_TCP: SocketAddr = address([203, 0, 115, 40], 5090);
/// Somebody that nobody has configured.
pub const STRANGER: SocketAddr = address([100, 64, 9, 9], 5060);
/// The voice connector's id.
pub const CONNECTOR: &str = "abcdef1ghij2klmno3pqr4";

const fn address(ip: [u8; 4], port: u16) -> SocketAddr {
    let [a, b, c, d] = ip;
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(a, b, c, d)), port)
}

/// The host name of the voice connector.
pub fn connector_host() -> String {
    format!("{CONNECTOR}.voiceconnector.tandem.example")
}

/// A carrier at an address, for numbers with a prefix.
pub fn carrier(id: &str, at: SocketAddr, prefix: &str, priority: u8) -> Carrier {
    let mut carrier = Carrier::new(CarrierId::new(id).unwrap(), Host::Ip(at.ip()));
    carrier.port = Some(at.port());
    carrier.prefixes = vec![prefix.into()];
    carrier.priority = priority;
    carrier.inbound_cidrs = vec![format!("{}/32", at.ip()).parse().unwrap()];
    carrier
}

/// The voice connector: the PBX may call the US, Canada and Japan, and takes +12065550100.
pub fn connector() -> VoiceConnector {
    let mut connector = VoiceConnector::new(VoiceConnectorId::new(CONNECTOR).unwrap());
    connector.numbers = vec!["+12065550100".into()];
    connector.termination = Some(Termination {
        cidr_allowed_list: vec![format!("{}/32", PBX.ip()).parse().unwrap()],
        cps_limit: 1000,
        calling_regions: vec!["US", "CA", "JP"],
        ..Termination::default()
    });
    let mut route = OriginationRoute::new(Host::Ip(PBX.ip()));
    route.port = Some(PBX.port());
    connector.origination = Origination { disabled: false, routes: vec![route] };
    connector.logging.sip_messages = true;
    connector
}

/// Two carriers for every number in order of priority, one over TCP for Japan, and [`connector`].
pub fn directory() -> Resources {
    let mut tcp = carrier("tcp", CARRIER_TCP, "+81", 1);
    tcp.transport = TransportProtocol::Tcp;
    Resources {
        domain: "tandem.example".to_owned(),
        carriers: vec![
            carrier("first", CARRIER, "+", 1),
            carrier("second", CARRIER_2, "+", 2),
            tcp,
        ],
        voice_connectors: vec![connector()],
        ..Resources::default()
    }
}

/// Builds a snapshot of resources that are right.
pub fn snapshot(resources: Resources) -> Arc<Snapshot> {
    Arc::new(Snapshot::build(resources).expect("the fixture is valid"))
}

/// The edge's settings.
pub fn config() -> EdgeConfig {
    let listener = |protocol, at| Listener { protocol, local: at, advertised: at };
    EdgeConfig {
        node: 7,
        worker: 1,
        listeners: vec![
            listener(TransportProtocol::Udp, EDGE),
            listener(TransportProtocol::Tcp, EDGE_TCP),
            listener(TransportProtocol::Tls, EDGE_TLS),
            listener(TransportProtocol::Wss, EDGE_WSS),
        ],
        ..EdgeConfig::default()
    }
}

/// A session description with PCMU and telephone events. `version` tells two of the same endpoint
/// apart, `direction` is the attribute.
pub fn sdp(at: SocketAddr, port: u16, version: u32, direction: &str) -> String {
    let ip = at.ip();
    format!(
        "v=0\r\no=inner-{ip} 4711 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na={direction}\r\n"
    )
}
