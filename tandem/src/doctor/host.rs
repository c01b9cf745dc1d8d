//! The host: limits, kernel settings, clock, addresses, files.

use super::finding::Finding;
use super::system;
use crate::config::{Config, Media};
use crate::exposure::Exposure;
use media_relay::FastPathMode;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

/// What Tandem asks for on a SIP socket; less loses messages in a burst.
const RECEIVE_BUFFER: u64 = 8 * 1024 * 1024;
/// Descriptors of a call: RTP and RTCP on both legs.
const FILES_A_CALL: u64 = 4;
/// Descriptors beside the calls: listeners, connections, files.
const FILES_BESIDE: u64 = 4_096;
/// Below this the records of a busy day may not fit.
const FREE_SPACE: u64 = 1024 * 1024 * 1024;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let calls = config.sip.max_calls as u64;
    let mut findings = Vec::new();
    findings.extend(system::open_file_limit().map(|limit| open_files(limit, calls)));
    findings.extend(system::kernel_number("net.core.rmem_max").map(receive_buffer));
    findings.extend(local_ports(
        system::kernel_text("net.ipv4.ip_local_port_range").as_deref(),
        system::kernel_text("net.ipv4.ip_local_reserved_ports").as_deref(),
        (*config.media.ports.start(), *config.media.ports.end()),
    ));
    findings.push(application_gateway(&system::modules()));
    findings.extend(
        system::kernel_number("net.netfilter.nf_conntrack_max").map(|max| tracking(max, calls)),
    );
    findings.push(fast_path(&config.media));
    findings.push(clock(system::clock_is_synchronized()));
    findings.push(data_directory(&config.node.data_dir));
    findings.push(exposure(&config.node.data_dir));
    let listeners = listeners(config);
    findings.extend(listeners.map(|(protocol, at)| listening(protocol, at, &config.node)));
    findings
}

/// Everything that a node of this configuration listens at, but for media.
fn listeners(config: &Config) -> impl Iterator<Item = (&'static str, SocketAddr)> {
    let sip = config.sip.listeners.iter();
    let sip = sip.map(|listener| (listener.protocol.uri_token(), listener.local));
    let rooms = config.rooms.iter();
    let rooms = rooms.flat_map(|rooms| {
        let guests = rooms.guests.iter().map(|guests| ("tcp", guests.listen));
        let floor = rooms.bfcp.iter().map(|bfcp| bfcp.listen);
        guests.chain(floor.flat_map(|listen| [("udp", listen), ("tcp", listen)]))
    });
    let pages = config.prometheus.into_iter().chain(config.api.iter().map(|api| api.listen));
    sip.chain(pages.map(|listen| ("tcp", listen))).chain(rooms)
}

fn open_files(limit: u64, calls: u64) -> Finding {
    let needed = calls.saturating_mul(FILES_A_CALL).saturating_add(FILES_BESIDE);
    let found = format!("{limit} allowed, {calls} calls need {needed}");
    if limit >= needed {
        return Finding::fine("open files", found);
    }
    let advice = format!(
        "raise the hard limit (LimitNOFILE={needed} in the unit file, or ulimit -Hn), or lower \
         [sip] max_calls to {}",
        limit.saturating_sub(FILES_BESIDE) / FILES_A_CALL
    );
    Finding::warning("open files", found, advice)
}

/// Whether the kernel can forward media by itself, see `docs/fast-path.md`.
fn fast_path(media: &Media) -> Finding {
    if media.fast_path == FastPathMode::Off {
        let found = "off by [media] fast_path; the sockets carry all media".to_owned();
        return Finding::fine("media fast path", found);
    }
    let on_loopback = media.bind.iter().all(IpAddr::is_loopback);
    match media_relay::probe_fast_path(&media.bind) {
        Ok(interfaces) => {
            Finding::fine("media fast path", format!("the kernel can forward media ({interfaces})"))
        }
        Err(reason) if on_loopback && media.fast_path == FastPathMode::Auto => {
            Finding::fine("media fast path", format!("not on this address: {reason}"))
        }
        Err(reason) => Finding::warning(
            "media fast path",
            format!("the sockets carry all media: {reason}"),
            "a call then costs about ten times the CPU; change what the reason names, or set \
             [media] fast_path = \"off\"",
        ),
    }
}

fn receive_buffer(max: u64) -> Finding {
    let found = format!("net.core.rmem_max is {max}");
    if max >= RECEIVE_BUFFER {
        return Finding::fine("receive buffers", found);
    }
    let advice =
        format!("sysctl -w net.core.rmem_max={RECEIVE_BUFFER}, or a burst of SIP loses messages");
    Finding::warning("receive buffers", found, advice)
}

/// Ports that the kernel gives to other programs' outgoing sockets are missing to calls, one by one.
fn local_ports(range: Option<&str>, reserved: Option<&str>, media: (u16, u16)) -> Option<Finding> {
    let mut numbers = range?.split_whitespace().map(str::parse::<u16>);
    let (Some(Ok(first)), Some(Ok(last))) = (numbers.next(), numbers.next()) else { return None };
    let (from, to) = (first.max(media.0), last.min(media.1));
    let found = format!("media {}-{}, the kernel hands out {first}-{last}", media.0, media.1);
    if from > to || reserves(reserved.unwrap_or_default(), (from, to)) {
        return Some(Finding::fine("port ranges", found));
    }
    let advice = format!(
        "sysctl -w net.ipv4.ip_local_reserved_ports={from}-{to}, or other programs take media ports"
    );
    Some(Finding::warning("port ranges", found, advice))
}

/// Whether one entry of a list such as `8080,10000-60000` covers all of `from..=to`.
fn reserves(list: &str, (from, to): (u16, u16)) -> bool {
    list.trim().split(',').any(|entry| {
        let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
        matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(a), Ok(b)) if a <= from && to <= b)
    })
}

fn application_gateway(modules: &[String]) -> Finding {
    let gateways: Vec<&str> = modules
        .iter()
        .map(String::as_str)
        .filter(|name| matches!(*name, "nf_conntrack_sip" | "nf_nat_sip"))
        .collect();
    if gateways.is_empty() {
        return Finding::fine("SIP gateway", "this kernel does not rewrite SIP");
    }
    let advice = format!(
        "modprobe -r {}: it rewrites addresses inside SIP messages and breaks calls",
        gateways.join(" ")
    );
    Finding::warning("SIP gateway", format!("{} is loaded", gateways.join(" and ")), advice)
}

fn tracking(max: u64, calls: u64) -> Finding {
    let needed = calls.saturating_mul(FILES_A_CALL);
    let found = format!("connection tracking holds {max} flows, {calls} calls have {needed}");
    if max >= needed {
        return Finding::fine("flow table", found);
    }
    let advice = "sysctl -w net.netfilter.nf_conntrack_max=… higher, or exempt the media ports \
                  (nft … notrack): a full table drops audio";
    Finding::warning("flow table", found, advice)
}

fn clock(synchronized: Option<bool>) -> Finding {
    match synchronized {
        Some(true) => Finding::fine("clock", "synchronized"),
        Some(false) => Finding::warning(
            "clock",
            "nothing keeps it in step",
            "run chrony or systemd-timesyncd: certificates, signed calls and records need the time",
        ),
        None => Finding::unknown("clock", "the system does not tell", ""),
    }
}

fn data_directory(path: &Path) -> Finding {
    let shown = path.display();
    // Where it will be made counts when it does not exist yet.
    let existing = path.ancestors().find(|p| p.exists() || p.as_os_str().is_empty());
    let place = match existing {
        Some(place) if !place.as_os_str().is_empty() => place,
        _ => Path::new("."),
    };
    let attempt = place.join(format!(".tandem-doctor-{}", std::process::id()));
    if let Err(error) = std::fs::write(&attempt, b"") {
        let advice = "give [node] data_dir a directory that this user may write";
        return Finding::broken("data_dir", format!("{shown} cannot be written: {error}"), advice);
    }
    let _ = std::fs::remove_file(&attempt);
    let Ok(space) = rustix::fs::statvfs(place) else {
        return Finding::fine("data_dir", format!("{shown} can be written"));
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    let found = format!("{shown} can be written, {} MiB free", free >> 20);
    if free >= FREE_SPACE {
        return Finding::fine("data_dir", found);
    }
    Finding::warning("data_dir", found, "free some space: records that do not fit are dropped")
}

fn exposure(data_dir: &Path) -> Finding {
    match Exposure::of(data_dir) {
        Some(exposure) => Finding::warning("data_dir", exposure.to_string(), exposure.advice()),
        None => Finding::fine("data_dir", "nobody but its owner can look into it"),
    }
}

fn listening(protocol: &str, address: SocketAddr, node: &crate::config::Node) -> Finding {
    let opened = match protocol {
        "udp" => UdpSocket::bind(address).map(drop),
        _ => TcpListener::bind(address).map(drop),
    };
    match opened {
        Ok(()) => Finding::fine("listener", format!("{protocol} {address} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_running(node) => {
            Finding::fine("listener", format!("{protocol} {address} is served by the running node"))
        }
        Err(error) => {
            let advice = crate::listening::advice(error.kind());
            Finding::broken("listener", format!("{protocol} {address}: {error}"), advice)
        }
    }
}

/// Whether a node answers at the control socket of this configuration.
fn is_running(node: &crate::config::Node) -> bool {
    std::os::unix::net::UnixStream::connect(node.data_dir.join(crate::control::SOCKET)).is_ok()
}

/// Whether an address means nothing outside its own network (RFC 1918, RFC 6598, RFC 4193, link
/// local, loopback).
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn every_listener_of_a_configuration_is_examined() {
        let config = crate::config::accepts(
            "[prometheus]\nlisten = \"127.0.0.1:9464\"\n[api]\nlisten = \"127.0.0.1:8080\"\n\
             [rooms]\nbfcp = \"127.0.0.1:5070\"\n[rooms.guests]\nlisten = \"127.0.0.1:8443\"\n",
        );
        let found: Vec<_> =
            listeners(&config).map(|(protocol, at)| (protocol, at.port())).collect();
        for wanted in [("tcp", 9464), ("tcp", 8080), ("udp", 5070), ("tcp", 5070), ("tcp", 8443)] {
            assert!(found.contains(&wanted), "{wanted:?} of {found:?}");
        }
    }

    #[test]
    fn limits_are_held_against_what_the_configured_calls_need() {
        assert_eq!(open_files(1_048_576, 20_000).state, State::Fine);
        let few = open_files(20_000, 20_000);
        assert_eq!(few.state, State::Warning);
        assert!(few.advice.contains("LimitNOFILE=84096"), "{}", few.advice);
        assert!(few.advice.contains("max_calls to 3976"), "{}", few.advice);
        assert_eq!(receive_buffer(212_992).state, State::Warning);
        assert_eq!(receive_buffer(RECEIVE_BUFFER).state, State::Fine);
        assert_eq!(tracking(65_536, 20_000).state, State::Warning);
        assert_eq!(tracking(262_144, 20_000).state, State::Fine);
    }

    #[test]
    fn media_ports_that_the_kernel_hands_out_are_named_unless_reserved() {
        let of = |range, reserved| local_ports(Some(range), reserved, (10_000, 60_000)).unwrap();
        let overlap = of("32768\t60999\n", None);
        assert_eq!(overlap.state, State::Warning);
        assert!(overlap.advice.contains("reserved_ports=32768-60000"), "{}", overlap.advice);
        assert_eq!(of("32768\t60999\n", Some("10000-60000\n")).state, State::Fine);
        assert_eq!(of("32768\t60999\n", Some("40000-60000")).state, State::Warning);
        assert_eq!(of("61000 65000", None).state, State::Fine);
        assert_eq!(local_ports(Some("nonsense"), None, (1, 2)), None);
    }

    #[test]
    fn a_kernel_that_rewrites_sip_and_a_clock_that_drifts_are_warned_about() {
        assert_eq!(application_gateway(&["veth".into()]).state, State::Fine);
        let loaded = application_gateway(&["nf_nat_sip".into(), "nf_conntrack_sip".into()]);
        assert_eq!(loaded.state, State::Warning);
        assert!(loaded.advice.starts_with("modprobe -r nf_nat_sip nf_conntrack_sip"));
        assert_eq!(clock(Some(true)).state, State::Fine);
        assert_eq!(clock(Some(false)).state, State::Warning);
        assert_eq!(clock(None).state, State::Unknown);
    }

    #[test]
    fn addresses_that_mean_nothing_outside_are_private() {
        for ip in ["10.1.2.3", "192.168.1.1", "172.16.0.1", "100.64.0.1", "127.0.0.1", "fd00::1"] {
            assert!(is_private(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["203.0.113.7", "100.128.0.1", "2001:db8::1", "::ffff:203.0.113.7"] {
            assert!(!is_private(ip.parse().unwrap()), "{ip}");
        }
    }
}
