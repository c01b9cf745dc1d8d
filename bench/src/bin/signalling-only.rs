//! Tandem's SIP edge without a relay and without records: every call gets media addresses at once,
//! behind which nothing is. For the signalling bench, where Kamailio does not anchor media either.
//!
//! Serves 127.0.0.1:5060 for callers at 127.0.0.1 and a callee at 127.0.0.2:5080 until killed. With
//! two arguments, a certificate and its key, also TLS on 127.0.0.1:5061.

use directory::KeyPairFiles;
use edge_bench::directory::snapshot;
use model::{LocalMedia, MediaCommand, MediaEvent};
use sip_edge::tls::TlsSettings;
use sip_edge::{Clock, MediaEventSender, Ports, ResolverLimits, ShellConfig, TcpLimits};
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

#[expect(clippy::disallowed_methods, reason = "the process's origin of time")]
fn main() -> Result<(), Box<dyn Error>> {
    let caller = "127.0.0.1:5070".parse()?;
    let callee = "127.0.0.2:5080".parse()?;
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let pair = match arguments.as_slice() {
        [certificate, key] => Some(KeyPairFiles {
            certificate: certificate.as_path().into(),
            key: key.as_path().into(),
        }),
        _ => None,
    };
    let events: Arc<OnceLock<MediaEventSender>> = Arc::default();
    let answers = Arc::clone(&events);
    let ports = Ports {
        directory: snapshot(caller, callee),
        media: Box::new(move |command| {
            if let (MediaCommand::Allocate { id, .. }, Some(events)) = (&command, answers.get()) {
                events.send(MediaEvent::Allocated { id: *id, local: [media(id.0), media(id.0)] });
            }
            Ok(())
        }),
        calls: Box::new(drop),
        applications: Box::new(Err),
        kept: Box::new(|_| {}),
        sip: Box::new(drop),
    };
    let config = ShellConfig {
        edge: b2bua::EdgeConfig { max_calls: 100_000, ..b2bua::EdgeConfig::default() },
        udp: vec!["127.0.0.1:5060".parse()?],
        tcp: Vec::new(),
        tls: if pair.is_some() { vec!["127.0.0.1:5061".parse()?] } else { Vec::new() },
        tls_settings: pair.map(|certificate| TlsSettings {
            certificate: Some(certificate),
            ..TlsSettings::new("tandem.localhost", ".")
        }),
        web_tls: false,
        // One client makes all handshakes, one after the other; the closed ones may overlap.
        tcp_limits: TcpLimits { connections_per_source: 10_000, ..TcpLimits::default() },
        resolver: ResolverLimits::default(),
        dns_servers: Vec::new(),
        clock: Clock::new(Instant::now()),
    };
    let edge = sip_edge::start(config, ports)?;
    let _ = events.set(edge.media_events());
    loop {
        std::thread::park();
    }
}

/// Addresses that nothing uses; different ones, as a relay would give.
fn media(id: u64) -> LocalMedia {
    let port = 10_000 + (id as u16 % 20_000) * 2;
    let at = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    LocalMedia { rtp: at(port), rtcp: at(port + 1) }
}
