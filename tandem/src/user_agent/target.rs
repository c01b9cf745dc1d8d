//! Whom to call and how to get there.

use super::error::CallError;
use model::{IpFamily, TransportProtocol};
use rustls::pki_types::ServerName;
use sip_proto::locate::{Abilities, Wanted};
use sip_proto::{Host, Scheme, Uri};
use std::net::{IpAddr, SocketAddr, UdpSocket};

/// A checked call target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Target {
    /// For the Request-URI.
    pub(super) uri: String,
    /// For To: the same without parameters.
    pub(super) to: String,
    pub(super) protocol: TransportProtocol,
    pub(super) address: SocketAddr,
    /// What a certificate must be for.
    pub(super) host: ServerName<'static>,
    /// Every hop is to be under TLS.
    pub(super) secure: bool,
}

impl Target {
    /// Reads and resolves a SIP URI. `protocol` wins over its `transport` parameter; with `local`
    /// only addresses of its family count.
    pub(super) fn resolve(
        text: &str,
        protocol: Option<TransportProtocol>,
        local: Option<IpAddr>,
        dns_servers: &[SocketAddr],
    ) -> Result<Target, CallError> {
        let wrong = |reason: String| CallError::Target { target: text.to_owned(), reason };
        let uri = Uri::parse(text)
            .map_err(|fault| wrong(format!("{fault}; write it as sip:+12065550123@host:port")))?;
        match uri.scheme {
            Scheme::Sip | Scheme::Sips => {}
            Scheme::Tel | Scheme::Other => {
                return Err(wrong("it must begin with sip:, as in sip:+12065550123@host".into()));
            }
        }
        let asked = match uri.param("transport").flatten() {
            Some(token) => Some(
                TransportProtocol::parse(token)
                    .ok_or_else(|| wrong(format!("transport={token} is not udp, tcp or tls")))?,
            ),
            None => None,
        };
        let secure = uri.scheme == Scheme::Sips;
        // `sips:…;transport=tcp` is TLS over TCP (RFC 3261 section 26.2.2).
        let asked = asked.filter(|asked| !secure || *asked == TransportProtocol::Udp);
        let wish = protocol.or(asked);
        if secure && wish.is_some_and(|wish| wish != TransportProtocol::Tls) {
            return Err(wrong("a sips: URI is called over tls".to_owned()));
        }
        let (protocol, address) = next_hop(&uri, wish, local, dns_servers)?;
        let user = uri.user.map(|user| format!("{user}@")).unwrap_or_default();
        let scheme = if secure { "sips" } else { "sip" };
        let to = format!("{scheme}:{user}{}", uri.host_port());
        let host = match uri.host {
            Host::Ip(ip) => ServerName::IpAddress(ip.into()),
            Host::Name(name) => {
                ServerName::try_from(name.to_owned()).map_err(|error| wrong(error.to_string()))?
            }
        };
        let request_uri = text.split('?').next().unwrap_or(text).to_owned();
        Ok(Target { uri: request_uri, to, protocol, address, host, secure })
    }
}

/// The first server behind a URI as the node would find it (RFC 3263), over `protocol` or, without
/// one, over what its domain prefers.
pub(super) fn next_hop(
    uri: &Uri<'_>,
    protocol: Option<TransportProtocol>,
    local: Option<IpAddr>,
    dns_servers: &[SocketAddr],
) -> Result<(TransportProtocol, SocketAddr), CallError> {
    let secure = uri.scheme == Scheme::Sips;
    let default = if secure { TransportProtocol::Tls } else { TransportProtocol::Udp };
    let name = match uri.host {
        Host::Ip(ip) => {
            let protocol = protocol.unwrap_or(default);
            let port = uri.port.unwrap_or(protocol.default_port());
            return Ok((protocol, SocketAddr::new(ip, port)));
        }
        Host::Name(name) => name,
    };
    let failed = |reason: String| CallError::Unresolvable { host: name.to_owned(), reason };
    let wanted = Wanted { host: name.into(), port: uri.port, transport: protocol, secure };
    let located = sip_edge::locate(wanted, abilities(local), dns_servers);
    let targets = located.map_err(|error| failed(error.to_string()))?.outcome;
    let targets = targets.map_err(|failure| failed(failure.to_string()))?;
    let first = targets.first().ok_or_else(|| failed("it has no address".to_owned()))?;
    Ok((first.transport, first.address))
}

/// What we can send over: UDP rather than TCP rather than TLS where a domain leaves the choice, and
/// without a wish IPv4 rather than IPv6: a carrier's IPv6 is often half-configured.
fn abilities(local: Option<IpAddr>) -> Abilities {
    let families: &[IpFamily] = match local {
        Some(IpAddr::V4(_)) => &[IpFamily::V4],
        Some(IpAddr::V6(_)) => &[IpFamily::V6],
        None => &[IpFamily::V4, IpFamily::V6],
    };
    let transports = [TransportProtocol::Udp, TransportProtocol::Tcp, TransportProtocol::Tls];
    Abilities::new(
        transports
            .into_iter()
            .flat_map(|transport| families.iter().map(move |family| (transport, *family))),
    )
}

/// The address that the operating system would send from. Nothing is sent.
pub(super) fn route_source(target: SocketAddr) -> Result<IpAddr, CallError> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(target)?;
        socket.local_addr()
    });
    socket.map(|address| address.ip()).map_err(|error| CallError::NoRoute { to: target, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Target, CallError> {
        Target::resolve(text, None, None, &[])
    }

    #[test]
    fn a_uri_says_where_and_over_what() {
        let target = resolve("sip:+12065550123@127.0.0.1:5070;transport=tcp?Subject=x").unwrap();
        assert_eq!(target.address, "127.0.0.1:5070".parse::<SocketAddr>().unwrap());
        assert_eq!(target.protocol, TransportProtocol::Tcp);
        assert_eq!(target.to, "sip:+12065550123@127.0.0.1:5070");
        assert_eq!(target.uri, "sip:+12065550123@127.0.0.1:5070;transport=tcp");
        let secure = resolve("sips:bob@127.0.0.1;transport=tcp").unwrap();
        assert_eq!(
            (secure.protocol, secure.to.as_str()),
            (TransportProtocol::Tls, "sips:bob@127.0.0.1")
        );
        assert_eq!(secure.address, "127.0.0.1:5061".parse::<SocketAddr>().unwrap());
        assert_eq!(
            resolve("sip:bob@[::1]").unwrap().address,
            "[::1]:5060".parse::<SocketAddr>().unwrap()
        );
    }

    #[test]
    fn what_cannot_be_called_is_said() {
        for (text, part) in [
            ("+12065550123", "sip:"),
            ("tel:+12065550123", "must begin with sip:"),
            ("sips:bob@127.0.0.1;transport=udp", "over tls"),
            ("sip:bob@127.0.0.1;transport=sctp", "not udp, tcp or tls"),
            ("sip:bob@nowhere.invalid", "nowhere.invalid"),
        ] {
            let error = resolve(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
