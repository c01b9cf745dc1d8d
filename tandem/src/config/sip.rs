//! `[sip]`.

use super::reader::Table;
use super::{tls, value};
use b2bua::UnknownSources;
use directory::KeyPairFiles;
use model::TransportProtocol;
use sip_edge::tls::TlsHost;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// SIP listeners, timers and bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sip {
    /// The domain of `<id>.voiceconnector.<domain>`.
    pub(crate) domain: String,
    /// UDP, TCP and TLS listeners, in that and the given order; at least one.
    pub(crate) listeners: Vec<SipListener>,
    /// The certificate of TLS; `None` makes a self-signed one.
    pub(crate) tls_certificate: Option<KeyPairFiles>,
    /// Host names with certificates of their own.
    pub(crate) tls_hosts: Vec<TlsHost>,
    /// How often files of TLS are looked at, 1 s to 1 h; default 10 s.
    pub(crate) tls_poll: Duration,
    /// How long nothing may pass on a connection of ours before a keep-alive (RFC 5626), 5 s to
    /// 1 h; none by default.
    pub(crate) keep_alive: Option<Duration>,
    /// How often a way over UDP to a registered system, or to a carrier that we are registered at, is
    /// used at the least, 5 s to 1 h; default 25 s, `None` for "off".
    pub(crate) udp_keep_alive: Option<Duration>,
    /// Calls at once on this node, 1 to 1,000,000; default 20,000.
    pub(crate) max_calls: usize,
    /// Emergency calls over `max_calls` that are still taken, 0 to 100,000; default 64.
    pub(crate) emergency_headroom: usize,
    /// What requests get whose source nobody has configured; default a 403.
    pub(crate) unknown_sources: UnknownSources,
    /// RFC 3261 T1, 100 ms to 5 s; default 500 ms.
    pub t1: Duration,
    /// How long a route may ring, 5 s to 10 min; default 3 min. Carriers and voice connectors can
    /// shorten it.
    pub(crate) no_answer_timeout: Duration,
    /// The longest life of a call, 1 s to 7 days; default 12 h.
    pub(crate) max_call_duration: Duration,
    /// RFC 4028 session interval, 90 s to 24 h and at least `min_se`; default 30 min.
    pub(crate) session_expires: Duration,
    /// Name servers to ask instead of those of `/etc/resolv.conf`; at most 8.
    pub(crate) dns_servers: Vec<SocketAddr>,
    /// Servers of one route's name that a call tries before its next route, 1 to 16; default 4.
    pub(crate) max_targets: usize,
    /// From a route's first server on: after this none of its further ones is tried, 1 s to 5 min;
    /// default 15 s.
    pub(crate) targets_timeout: Duration,
    /// The path MTU to every peer in octets, 576 to 65,535; a request within 200 of it takes TCP.
    /// Default unknown: a request over 1,300 does (RFC 3261 section 18.1.1).
    pub(crate) path_mtu: Option<usize>,
    /// The shortest session interval accepted, 90 s (RFC 4028 section 5) to 1 h; default 90 s.
    pub(crate) min_se: Duration,
}

/// One SIP listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SipListener {
    /// The transport.
    pub(crate) protocol: TransportProtocol,
    /// What the socket is bound to.
    pub(crate) local: SocketAddr,
    /// What stands in Via and Contact: `local`, or `advertise` with the port of `local`.
    pub(crate) advertised: SocketAddr,
}

/// A name that none of these knows is not known.
const MAX_DNS_SERVERS: usize = 8;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn read(mut table: Table<'_>) -> Sip {
    let domain = table.required("domain", "domain = \"tandem.example.com\"", value::string);
    let advertise = table.one_or_list("advertise", value::ip_address).unwrap_or_default();
    let mut listeners = listeners(&mut table, "udp", TransportProtocol::Udp, &advertise);
    listeners.extend(self::listeners(&mut table, "tcp", TransportProtocol::Tcp, &advertise));
    listeners.extend(self::listeners(&mut table, "tls", TransportProtocol::Tls, &advertise));
    let sip = Sip {
        // The stand-in keeps an absent domain from being reported twice.
        domain: domain.unwrap_or_else(|| "domain.invalid".to_owned()),
        listeners,
        tls_certificate: tls::pair(&mut table, "tls_certificate", "tls_key"),
        tls_hosts: table.tables("tls_host", tls::read_host),
        tls_poll: table.or("tls_poll", 10 * SECOND, |v| value::duration_within(v, SECOND, HOUR)),
        keep_alive: table.optional("keep_alive", |v| value::duration_within(v, 5 * SECOND, HOUR)),
        udp_keep_alive: table.or("udp_keep_alive", Some(25 * SECOND), udp_keep_alive),
        dns_servers: table.one_or_list("dns_servers", value::name_server).unwrap_or_default(),
        max_targets: table.or("max_targets", 4, |v| value::within(value::integer(v)?, 1..=16)),
        targets_timeout: table
            .or("targets_timeout", 15 * SECOND, |v| value::duration_within(v, SECOND, 5 * MINUTE)),
        path_mtu: table.optional("path_mtu", |v| value::within(value::integer(v)?, 576..=65_535)),
        max_calls: table
            .or("max_calls", 20_000, |v| value::within(value::integer(v)?, 1..=1_000_000)),
        emergency_headroom: table
            .or("emergency_headroom", 64, |v| value::within(value::integer(v)?, 0..=100_000)),
        unknown_sources: table.or(
            "unknown_sources",
            UnknownSources::Refuse,
            |v| match value::text(v)? {
                "refuse" => Ok(UnknownSources::Refuse),
                "drop" => Ok(UnknownSources::Drop),
                other => Err(format!("{other:?} is unknown; use \"refuse\" or \"drop\"")),
            },
        ),
        t1: table.or("t1", Duration::from_millis(500), |v| {
            value::duration_within(v, Duration::from_millis(100), 5 * SECOND)
        }),
        no_answer_timeout: table.or("no_answer_timeout", 3 * MINUTE, |v| {
            value::duration_within(v, 5 * SECOND, 10 * MINUTE)
        }),
        max_call_duration: table.or("max_call_duration", 12 * HOUR, |v| {
            value::duration_within(v, SECOND, 7 * 24 * HOUR)
        }),
        session_expires: table.or("session_expires", 30 * MINUTE, |v| {
            value::duration_within(v, 90 * SECOND, 24 * HOUR)
        }),
        min_se: table.or("min_se", 90 * SECOND, |v| value::duration_within(v, 90 * SECOND, HOUR)),
    };
    check(&table, &sip);
    table.finish();
    sip
}

fn udp_keep_alive(value: &toml::de::DeValue<'_>) -> Result<Option<Duration>, String> {
    if value.as_str() == Some("off") {
        return Ok(None);
    }
    let interval = value::duration_within(value, 5 * SECOND, HOUR);
    interval.map(Some).map_err(|error| format!("{error}, or \"off\""))
}

fn check(table: &Table<'_>, sip: &Sip) {
    if sip.listeners.is_empty() && table.is_present() {
        table.error("[sip] listens nowhere; add a line such as udp = [\"127.0.0.1:5060\"]");
    }
    for (position, listener) in sip.listeners.iter().enumerate() {
        let same = |other: &&SipListener| {
            other.protocol == listener.protocol && other.local == listener.local
        };
        if sip.listeners.iter().take(position).any(|other| same(&other)) {
            let message = format!("{} is listed twice; remove one", listener.local);
            table.error_at(listener.protocol.uri_token(), message);
        }
    }
    let names = sip.tls_hosts.iter().map(|host| &host.name);
    for (position, name) in names.clone().enumerate() {
        if names.clone().take(position).any(|other| other == name) {
            table.error_at("tls_host", format!("{name} has two certificates; remove one"));
        }
    }
    if sip.dns_servers.len() > MAX_DNS_SERVERS {
        let count = sip.dns_servers.len();
        let message = format!("{count} name servers are too many; give at most {MAX_DNS_SERVERS}");
        table.error_at("dns_servers", message);
    }
    if sip.min_se > sip.session_expires {
        let most = value::written(sip.session_expires);
        table.error_at("min_se", format!("must not be longer than session_expires, \"{most}\""));
    }
}

fn listeners(
    table: &mut Table<'_>,
    key: &'static str,
    protocol: TransportProtocol,
    advertise: &[IpAddr],
) -> Vec<SipListener> {
    let addresses = table.one_or_list(key, value::socket_address).unwrap_or_default();
    let mut listeners = Vec::new();
    for local in addresses {
        let ours = advertise.iter().find(|ip| ip.is_ipv4() == local.is_ipv4());
        if ours.is_none() && local.ip().is_unspecified() {
            table.error_at(
                key,
                format!(
                    "{local} names no address that peers could answer to; bind one address, or \
                     add advertise = \"…\" with the public one"
                ),
            );
        }
        let ip = ours.copied().unwrap_or(local.ip());
        listeners.push(SipListener { protocol, local, advertised: (ip, local.port()).into() });
    }
    listeners
}
