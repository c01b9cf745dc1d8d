//! `[api]`: the control API.

use super::reader::Table;
use super::{tls, value};
use directory::KeyPairFiles;
use std::net::{Ipv4Addr, SocketAddr};

/// How the control API is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ApiConfig {
    /// Where; default 127.0.0.1:8080.
    pub(crate) listen: SocketAddr,
    /// Certificate and key for https; `None`: http.
    pub(crate) tls: Option<KeyPairFiles>,
    /// Requests a second of one access key, 1 to 10,000; default 100.
    pub(crate) requests_per_second: u32,
    /// Requests a second of one address that no key vouches for, 1 to 10,000; default 10.
    pub(crate) unproven_per_second: u32,
    /// Connections at once, 1 to 10,000; default 256. More wait in the listener's backlog.
    pub(crate) max_connections: usize,
}

/// `None` when the section is absent: nothing is served.
pub(super) fn read(mut table: Table<'_>) -> Option<ApiConfig> {
    let present = table.is_present();
    let default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
    let api = ApiConfig {
        listen: table.or("listen", default, value::socket_address),
        tls: tls::pair(&mut table, "tls_certificate", "tls_key"),
        requests_per_second: table
            .or("requests_per_second", 100, |v| value::within(value::integer(v)?, 1..=10_000)),
        unproven_per_second: table
            .or("unproven_per_second", 10, |v| value::within(value::integer(v)?, 1..=10_000)),
        max_connections: table
            .or("max_connections", 256, |v| value::within(value::integer(v)?, 1..=10_000)),
    };
    if present && !api.listen.ip().is_loopback() {
        let message = match &api.tls {
            Some(_) => {
                "other hosts reach the control API; every request must be signed with an \
                        access key, but let a firewall say who may try"
            }
            None => {
                "other hosts reach the control API, and what it tells crosses the network in \
                     the clear; give tls_certificate and tls_key, or listen on 127.0.0.1"
            }
        };
        table.warn_at("listen", message);
    }
    table.finish();
    present.then_some(api)
}
