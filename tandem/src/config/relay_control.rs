//! `[relay_control]`: the channel between an edge and relays in processes of their own.

use super::reader::Table;
use super::sip::{HOUR, MINUTE, SECOND};
use super::tls::{self, TlsFileKind};
use super::value;
use relay_control::{Credentials, Heartbeat, Trust, parse_fingerprint};
use std::net::SocketAddr;
use std::time::Duration;
use toml::de::DeValue;

/// Relays that one edge can use.
const RELAYS_MAX: usize = 32;

/// Both ends of the channel; a file may serve either role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RelayControl {
    /// Where a relay listens for edges.
    pub(crate) listen: Option<SocketAddr>,
    /// Where an edge finds its relays, up to 32.
    pub(crate) relays: Vec<SocketAddr>,
    /// Our certificate, and what the other side must show.
    pub(crate) credentials: Credentials,
    /// The name that a relay's certificate must be for, where an authority vouches for it; `None`
    /// for its address.
    pub(crate) name: Option<String>,
    /// Questions every 100 ms to 1 min, default 1 s; silence for 300 ms to 5 min, default 5 s.
    pub(crate) heartbeat: Heartbeat,
    /// How long a relay keeps streams without their edge, 10 s to 24 h; default 5 min.
    pub(crate) orphan_timeout: Duration,
    /// How long a relay may take to reserve ports, 100 ms to 30 s; default 2 s.
    pub(crate) allocation_timeout: Duration,
}

/// `None` without the section, or when it is wrong.
pub(super) fn read(mut table: Table<'_>) -> Option<RelayControl> {
    if !table.is_present() {
        table.finish();
        return None;
    }
    let listen = table.optional("listen", value::socket_address);
    let relays = table.one_or_list("relays", value::socket_address);
    if listen.is_none() && relays.is_none() {
        table.error(
            "[relay_control] needs `listen` on a relay, such as listen = \"192.0.2.2:5090\", or \
             `relays` on an edge, such as relays = [\"192.0.2.2:5090\"]",
        );
    }
    let relays = relays.unwrap_or_default();
    if relays.len() > RELAYS_MAX {
        table.error_at("relays", format!("give {RELAYS_MAX} relays at most"));
    }
    let pair = tls::pair(&mut table, "certificate", "key");
    if pair.is_none() {
        table.error(
            "[relay_control] needs `certificate` and `key`, PEM files: both sides prove who they \
             are; docs/split.md says how to make them",
        );
    }
    let trust = read_trust(&mut table);
    let heartbeat = read_heartbeat(&mut table);
    let control = RelayControl {
        listen,
        relays,
        name: table.optional("name", value::string),
        heartbeat,
        orphan_timeout: table.or("orphan_timeout", 5 * MINUTE, |v| {
            value::duration_within(v, 10 * SECOND, 24 * HOUR)
        }),
        allocation_timeout: table.or("allocation_timeout", 2 * SECOND, |v| {
            value::duration_within(v, SECOND / 10, 30 * SECOND)
        }),
        credentials: Credentials {
            certificate: pair.as_ref()?.certificate.to_path_buf(),
            key: pair.as_ref()?.key.to_path_buf(),
            trust: trust?,
        },
    };
    table.finish();
    Some(control)
}

fn read_trust(table: &mut Table<'_>) -> Option<Trust> {
    let ca = table.optional("ca", value::path);
    let pins = table.one_or_list("fingerprints", fingerprint);
    match (ca, pins) {
        (Some(path), None) => {
            let authorities = TlsFileKind::Authorities(path.as_path().into());
            table.note_tls_file("ca", authorities);
            Some(Trust::Authority(path))
        }
        (None, Some(pins)) if !pins.is_empty() => Some(Trust::Pinned(pins)),
        (Some(_), Some(_)) => {
            table.error_at("ca", "an authority or fingerprints, not both; leave one out");
            None
        }
        (None, _) => {
            table.error(
                "[relay_control] must know the other side: give `fingerprints`, the SHA-256 of its \
                 certificate, which `tandem check` says there, or `ca`, the authority that signed it",
            );
            None
        }
    }
}

fn read_heartbeat(table: &mut Table<'_>) -> Heartbeat {
    let heartbeat = Heartbeat {
        interval: table.or("heartbeat", SECOND, |v| value::duration_within(v, SECOND / 10, MINUTE)),
        timeout: table.or("heartbeat_timeout", 5 * SECOND, |v| {
            value::duration_within(v, SECOND * 3 / 10, 5 * MINUTE)
        }),
    };
    if heartbeat.timeout < heartbeat.interval * 3 {
        let message = "must be three times `heartbeat` at least: one lost segment is no lost peer";
        table.error_at("heartbeat_timeout", message);
    }
    heartbeat
}

fn fingerprint(value: &DeValue<'_>) -> Result<[u8; 32], String> {
    let text = value::text(value)?;
    parse_fingerprint(text).ok_or_else(|| {
        format!("{text:?} is no SHA-256 fingerprint; give its 64 hexadecimal digits")
    })
}
