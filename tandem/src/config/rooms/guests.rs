//! `[rooms.guests]`: the page by which browsers join meetings.

use crate::config::reader::Table;
use crate::config::sip::Sip;
use crate::config::value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use toml::de::DeValue;

/// Connections at a time, in all and from one source.
const CONNECTIONS: std::ops::RangeInclusive<usize> = 2..=100_000;

/// The page of guests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GuestsSection {
    /// Where it is served.
    pub(crate) listen: SocketAddr,
    /// Whether that is without TLS, for this host alone.
    pub(crate) plain: bool,
    /// What stands in our Contact, with the port of `listen`.
    pub(crate) advertise: IpAddr,
    /// Connections at a time; a guest in a meeting has two.
    pub(crate) max_connections: usize,
    /// Of these from one source.
    pub(crate) max_per_source: usize,
}

fn count(value: &DeValue<'_>) -> Result<usize, String> {
    value::within(value::integer(value)?, CONNECTIONS)
}

/// `None` without the section.
pub(super) fn read(mut table: Table<'_>, sip: &Sip) -> Option<GuestsSection> {
    if !table.is_present() {
        table.finish();
        return None;
    }
    let example = "listen = \"0.0.0.0:8443\"";
    let given = table.required("listen", example, value::socket_address);
    let listen = given.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 8443).into());
    let plain = table.or("plain", false, value::boolean);
    if plain && !listen.ip().is_loopback() {
        table.error_at(
            "plain",
            "browsers give a page no microphone without TLS, and other hosts would reach it at \
             listen; remove plain, or listen on 127.0.0.1 behind a proxy that speaks TLS",
        );
    }
    let same_family = |ip: &IpAddr| ip.is_ipv4() == listen.is_ipv4();
    let known = sip.listeners.iter().map(|listener| listener.advertised.ip()).find(same_family);
    let advertise = match listen.ip() {
        ip if ip.is_unspecified() => known.unwrap_or(ip),
        ip => ip,
    };
    if advertise.is_unspecified() {
        let message = format!(
            "{listen} names no address that browsers could answer to; listen on one address, or add \
             advertise = \"…\" with the public one to [sip]"
        );
        table.error_at("listen", message);
    }
    let section = GuestsSection {
        listen,
        plain,
        advertise,
        max_connections: table.or("max_connections", 1_000, count),
        max_per_source: table.or("max_per_source", 64, count),
    };
    if section.max_per_source > section.max_connections {
        table.error_at("max_per_source", "must not be more than max_connections");
    }
    table.finish();
    Some(section)
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{accepts, errors, with};

    #[test]
    fn without_the_section_no_page_is_served() {
        assert_eq!(accepts("[rooms]\n").rooms.unwrap().guests, None);
    }

    #[test]
    fn the_section_has_its_defaults() {
        let config = accepts("[rooms]\n[rooms.guests]\nlisten = \"192.0.2.1:8443\"\n");
        let guests = config.rooms.unwrap().guests.unwrap();
        assert_eq!(guests.listen.to_string(), "192.0.2.1:8443");
        assert_eq!(guests.advertise, guests.listen.ip());
        assert!(!guests.plain && guests.max_connections == 1_000 && guests.max_per_source == 64);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, message) in [
            ("", "t.toml:4: [rooms.guests] needs `listen`"),
            ("listen = \"8443\"", "t.toml:5: listen: "),
            ("listen = \"192.0.2.1:8443\"\nplain = true", "t.toml:6: plain: browsers give a page"),
            ("listen = \"127.0.0.1:1\"\nmax_connections = 1", "t.toml:6: max_connections: 1 is"),
            (
                "listen = \"127.0.0.1:1\"\nmax_connections = 4\nmax_per_source = 5",
                "t.toml:7: max_per_source: must not be more than max_connections",
            ),
            (
                "listen = \"127.0.0.1:1\"\nport = 1",
                "t.toml:6: unknown key `port` in [rooms.guests]",
            ),
        ] {
            let found = errors(&with(&format!("[rooms.guests]\n{text}")));
            assert!(found.starts_with(message), "{text}: {found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }
}
