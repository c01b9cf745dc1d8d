//! `bfcp` of `[rooms]`: where devices ask for the floor of the slides.

use super::super::reader::Table;
use super::super::sip::Sip;
use super::super::value;
use std::net::{IpAddr, SocketAddr};

/// Where the floor control server is, over UDP and TCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FloorListener {
    /// Where it is bound.
    pub(crate) listen: SocketAddr,
    /// How devices reach it.
    pub(crate) advertised: SocketAddr,
}

/// `addresses` are how devices reach the node.
pub(super) fn read(
    table: &mut Table<'_>,
    sip: &Sip,
    addresses: &[IpAddr],
) -> Option<FloorListener> {
    let listen = table.optional("bfcp", value::socket_address)?;
    let taken = sip.listeners.iter().find(|other| {
        let same_place = other.local.ip() == listen.ip()
            || other.local.ip().is_unspecified()
            || listen.ip().is_unspecified();
        other.local.port() == listen.port() && same_place
    });
    if let Some(other) = taken {
        let message =
            format!("{listen} is taken by [sip] {}; use another port, such as 5070", other.local);
        table.error_at("bfcp", message);
    }
    let fits = |ip: &&IpAddr| ip.is_ipv4() == listen.is_ipv4() && !ip.is_unspecified();
    let own = Some(listen.ip()).filter(|ip| !ip.is_unspecified());
    match addresses.iter().find(fits).copied().or(own) {
        Some(ip) => Some(FloorListener { listen, advertised: (ip, listen.port()).into() }),
        None => {
            let message = format!(
                "no device could reach {listen}; bind one address, or add advertise = \"…\" with the \
                 public one of that family to [media]"
            );
            table.error_at("bfcp", message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{accepts, errors, with};

    #[test]
    fn floor_control_is_where_media_are_unless_it_says_otherwise() {
        assert_eq!(accepts("[rooms]\n").rooms.unwrap().bfcp, None);
        let config = accepts("[rooms]\nbfcp = \"0.0.0.0:5070\"\n");
        let bfcp = config.rooms.unwrap().bfcp.unwrap();
        assert_eq!(bfcp.listen.to_string(), "0.0.0.0:5070");
        assert_eq!(
            (bfcp.advertised.ip(), bfcp.advertised.port()),
            (config.media.advertise[0], 5070)
        );
        let own = accepts("[rooms]\nbfcp = \"[::1]:5070\"\n").rooms.unwrap().bfcp.unwrap();
        assert_eq!(own.advertised, own.listen, "media have no address of the family");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let sip = accepts("").sip.listeners[0].local;
        for (text, message) in [
            ("bfcp = \"5070\"".to_owned(), "bfcp: expected an address and port such as".to_owned()),
            (
                format!("bfcp = \"0.0.0.0:{}\"", sip.port()),
                format!("bfcp: 0.0.0.0:{} is taken by [sip] {sip}; use another port", sip.port()),
            ),
            (
                "bfcp = \"[::]:5070\"".to_owned(),
                "bfcp: no device could reach [::]:5070; bind one address, or add".to_owned(),
            ),
        ] {
            let found = errors(&with(&format!("[rooms]\n{text}")));
            assert!(found.starts_with(&format!("t.toml:5: {message}")), "{text}: {found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }
}
