//! Why a call did not come about, and what to do about it.

use model::TransportProtocol;
use sip_edge::tls::TlsFileError;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Why a call failed.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The call target is not a SIP URI that can be called.
    Target {
        /// As given.
        target: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The caller's address is neither a number nor a SIP URI.
    From {
        /// As given.
        from: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The files of TLS cannot be used.
    Tls(TlsFileError),
    /// The host name has no address.
    Unresolvable {
        /// The name.
        host: String,
        /// The resolver's words.
        reason: String,
    },
    /// The operating system has no way there.
    NoRoute {
        /// Where to.
        to: SocketAddr,
        /// Its words.
        error: io::Error,
    },
    /// A socket of ours cannot be opened.
    Local {
        /// Its address.
        local: IpAddr,
        /// The operating system's words.
        error: io::Error,
    },
    /// Nothing listens there, or the connection broke.
    Unreachable {
        /// Where to.
        to: SocketAddr,
        /// Over what.
        protocol: TransportProtocol,
        /// The operating system's words, if any.
        error: Option<io::Error>,
    },
    /// No response of any kind.
    NoResponse {
        /// Where to.
        to: SocketAddr,
        /// Over what.
        protocol: TransportProtocol,
        /// How long.
        waited: Duration,
    },
    /// There was a response, but nobody answered; the call was cancelled.
    NotAnswered {
        /// Where to.
        to: SocketAddr,
        /// Whether it rang.
        rang: bool,
        /// How long.
        waited: Duration,
    },
    /// A final response other than 2xx.
    Refused {
        /// Its status.
        status: u16,
        /// Its reason phrase, and the Reason or Warning header's text.
        reason: String,
        /// Who sent it.
        by: SocketAddr,
        /// The address that we called from.
        local: IpAddr,
        /// Retry-After, in seconds.
        retry_after: Option<u32>,
        /// Where a redirection (3xx) leads.
        contact: Option<String>,
    },
    /// It was answered, but not in a way that makes a call.
    BadAnswer {
        /// Who answered.
        by: SocketAddr,
        /// What is wrong.
        reason: String,
    },
    /// The user stopped it before it was answered.
    Stopped,
}

impl CallError {
    /// Whether the command line is at fault, not the call.
    pub(crate) const fn is_usage(&self) -> bool {
        matches!(self, CallError::Target { .. } | CallError::From { .. })
    }

    /// The status of the final response, if there was one.
    pub(crate) const fn status(&self) -> Option<u16> {
        match self {
            CallError::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Target { target, reason } => write!(f, "cannot call {target:?}: {reason}"),
            CallError::From { from, reason } => write!(
                f,
                "cannot call from {from:?}: {reason}; write a number, or a URI that begins with sip:"
            ),
            CallError::Tls(error) => write!(f, "cannot speak TLS: {error}"),
            CallError::Unresolvable { host, reason } => write!(
                f,
                "cannot resolve {host:?}: {reason}; check the name, or call its IP address"
            ),
            CallError::NoRoute { to, error } => write!(f, "no route to {to}: {error}"),
            CallError::Local { local, error } => write!(
                f,
                "cannot open a socket at {local}: {error}; --local must be an address of this host"
            ),
            CallError::Unreachable { to, protocol, error } => {
                let protocol = protocol.via_token();
                write!(f, "nothing listens at {to} ({protocol})")?;
                if let Some(error) = error {
                    write!(f, ": {error}")?;
                }
                write!(f, "; is tandem running, and is the address in its [sip] section?")
            }
            CallError::NoResponse { to, protocol, waited } => write!(
                f,
                "no answer from {to} within {} s: is tandem running? ({} {}, and no firewall in \
                 between)",
                waited.as_secs_f64().ceil(),
                protocol.via_token(),
                to.port()
            ),
            CallError::NotAnswered { to, rang, waited } => write!(
                f,
                "{} through {to}, but nobody answered within {} s; the call was cancelled",
                if *rang { "it rang" } else { "the call went out" },
                waited.as_secs_f64().ceil()
            ),
            CallError::Refused { .. } => self.write_refusal(f),
            CallError::BadAnswer { by, reason } => write!(f, "{by} answered, but {reason}"),
            CallError::Stopped => f.write_str("stopped before it was answered"),
        }
    }
}

impl CallError {
    fn write_refusal(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CallError::Refused { status, reason, by, local, retry_after, contact } = self else {
            return Ok(());
        };
        write!(f, "{status} {reason} from {by}")?;
        let hint = match status {
            300..=399 => match contact {
                Some(contact) => return write!(f, ": it has moved, call {contact}"),
                None => "it has moved, but the response does not say where to",
            },
            401 | 407 => "it asks for a password, which tandem call cannot give",
            403 => {
                return write!(
                    f,
                    ": this source address ({local}) is not in any voice connector's \
                     cidr_allowed_list, or the number's country is not in its calling_regions"
                );
            }
            404 => {
                "no voice connector or carrier takes this number; check the numbers and the routes, \
                 and that the number begins with + and a country code"
            }
            408 => "the far side did not respond in time; check the route that it took",
            480 => "the far side is not available now; is the called system registered and up?",
            481..=483 => "the call ran in a circle or was forgotten; check the routes",
            484 => "the number is incomplete: write it as + and country code",
            486 | 600 => "the called party is busy, or all its lines are in use",
            488 | 606 => {
                "no common format: tandem call offers PCMU and PCMA without encryption; does the \
                 voice connector require encryption?"
            }
            500..=502 | 504..=599 => "the far side failed; its log says why",
            503 => {
                "no capacity: a calls-per-second or concurrent-calls limit, no media port, no \
                 working route, or a node that drains"
            }
            603 | 607 | 608 => "the called party declined",
            _ => "the far side refused it",
        };
        write!(f, ": {hint}")?;
        match retry_after {
            Some(seconds) => write!(f, "; try again in {seconds} s"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            CallError::NoRoute { error, .. }
            | CallError::Local { error, .. }
            | CallError::Unreachable { error: Some(error), .. } => Some(error),
            _ => None,
        }
    }
}
