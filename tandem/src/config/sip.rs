//! `[sip]`.

use super::reader::Table;
use super::value;
use model::TransportProtocol;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// SIP listeners, timers and bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sip {
    /// The domain of `<id>.voiceconnector.<domain>`.
    pub(crate) domain: String,
    /// UDP and TCP listeners, UDP first, in the order given; at least one.
    pub(crate) listeners: Vec<SipListener>,
    /// Calls at once on this node, 1 to 1,000,000; default 20,000.
    pub(crate) max_calls: usize,
    /// RFC 3261 T1, 100 ms to 5 s; default 500 ms.
    pub t1: Duration,
    /// How long a route may ring, 5 s to 10 min; default 3 min. Carriers and voice connectors can
    /// shorten it.
    pub(crate) no_answer_timeout: Duration,
    /// The longest life of a call, 1 s to 7 days; default 12 h.
    pub(crate) max_call_duration: Duration,
    /// RFC 4028 session interval, 90 s to 24 h and at least `min_se`; default 30 min.
    pub(crate) session_expires: Duration,
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

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn read(mut table: Table<'_>) -> Sip {
    let domain = table.required("domain", "domain = \"tandem.example.com\"", value::string);
    let advertise = table.one_or_list("advertise", value::ip_address).unwrap_or_default();
    let mut listeners = listeners(&mut table, "udp", TransportProtocol::Udp, &advertise);
    listeners.extend(self::listeners(&mut table, "tcp", TransportProtocol::Tcp, &advertise));
    let sip = Sip {
        // The stand-in keeps an absent domain from being reported twice.
        domain: domain.unwrap_or_else(|| "domain.invalid".to_owned()),
        listeners,
        max_calls: table
            .or("max_calls", 20_000, |v| value::within(value::integer(v)?, 1..=1_000_000)),
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
    check_tls(&mut table);
    check(&table, &sip);
    table.finish();
    sip
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
    if sip.min_se > sip.session_expires {
        let most = value::written(sip.session_expires);
        table.error_at("min_se", format!("must not be longer than session_expires, \"{most}\""));
    }
}

/// TLS is understood but not served: its listeners are only warned about, because nothing that was
/// asked to be encrypted goes out in clear when they are missing.
fn check_tls(table: &mut Table<'_>) {
    let listeners = table.one_or_list("tls", value::socket_address).unwrap_or_default();
    if !listeners.is_empty() {
        table.warn_at("tls", "TLS is not served yet by this version; these listeners are ignored");
    }
    let certificate = table.optional("tls_certificate", value::path);
    let key = table.optional("tls_key", value::path);
    if certificate.is_some() != key.is_some() {
        let lonely = if key.is_some() { "tls_key" } else { "tls_certificate" };
        table.error_at(lonely, "tls_certificate and tls_key go together; give both or neither");
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
