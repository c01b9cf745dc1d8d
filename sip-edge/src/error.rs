//! Why the SIP edge cannot start.

use crate::tls::TlsFileError;
use model::TransportProtocol;
use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why [`crate::start`] failed. Nothing is left open.
#[derive(Debug)]
pub enum StartError {
    /// An address cannot be listened on.
    Listen {
        /// The transport, whose setting of the same name in `[sip]` holds the address.
        protocol: TransportProtocol,
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// A certificate, key or authority cannot be used.
    Tls(TlsFileError),
    /// Neither `[sip] udp` nor `tcp` nor `tls` has an address.
    NothingToListenOn,
    /// The operating system refused a thread, a poller or random numbers.
    System {
        /// What was refused.
        what: &'static str,
        /// What it said.
        source: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { protocol, address, source } => {
                write!(f, "[sip] {protocol} \"{address}\": ")?;
                match source.kind() {
                    io::ErrorKind::AddrInUse => {
                        f.write_str("address in use; another SIP server runs on this port")
                    }
                    io::ErrorKind::AddrNotAvailable => f.write_str(
                        "this host has no such address; `ip address` shows the ones it has",
                    ),
                    io::ErrorKind::PermissionDenied => f.write_str(
                        "permission denied; a port below 1024 needs root or CAP_NET_BIND_SERVICE",
                    ),
                    _ => source.fmt(f),
                }
            }
            StartError::Tls(error) => write!(f, "[sip] tls: {error}"),
            StartError::NothingToListenOn => f.write_str(
                "[sip] has no address to listen on; set udp or tcp, for example \
                 udp = [\"127.0.0.1:5060\"]",
            ),
            StartError::System { what, source } => {
                write!(f, "the operating system refused {what}: {source}")
            }
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Listen { source, .. } | StartError::System { source, .. } => Some(source),
            StartError::Tls(error) => Some(error),
            StartError::NothingToListenOn => None,
        }
    }
}
