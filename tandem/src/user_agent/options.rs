//! What to ask of a test call, and what it tells meanwhile.

use directory::TlsPolicy;
use model::TransportProtocol;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What to call, and how.
#[derive(Clone, Debug)]
pub(crate) struct CallOptions {
    /// A SIP URI, as in `sip:+12065550123@127.0.0.1:5060;transport=tcp`.
    pub(crate) target: String,
    /// The caller: a number, or a whole SIP URI. Default +12065550100.
    pub(crate) from: Option<String>,
    /// Overrides the URI's transport. Default UDP.
    pub(crate) transport: Option<TransportProtocol>,
    /// Whom TLS connections must lead to. By default the certificate must be for the host of the
    /// target, and from an authority of the system.
    pub(crate) tls: TlsPolicy,
    /// SRTP with keys from the session description, or no call.
    pub(crate) srtp: bool,
    /// How long to talk.
    pub(crate) seconds: u32,
    /// The address to call from. Default: what the operating system would take.
    pub(crate) local: Option<IpAddr>,
    /// Name servers to ask for the target's host. Default: the system's.
    pub(crate) dns_servers: Vec<SocketAddr>,
    /// How long to wait for the answer.
    pub(crate) setup_timeout: Duration,
    /// Set it to end the call early; noticed within 50 ms.
    pub(crate) stop: Arc<AtomicBool>,
}

impl CallOptions {
    /// A call of 5 s with 30 s of patience.
    pub(crate) fn new(target: impl Into<String>) -> CallOptions {
        CallOptions {
            target: target.into(),
            from: None,
            transport: None,
            tls: TlsPolicy::default(),
            srtp: false,
            seconds: 5,
            local: None,
            dns_servers: Vec::new(),
            setup_timeout: Duration::from_secs(30),
            stop: Arc::default(),
        }
    }
}

/// How a call gets on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// The INVITE is on its way.
    Calling {
        /// Where to.
        to: SocketAddr,
        /// Over what.
        protocol: TransportProtocol,
        /// From where.
        local: SocketAddr,
    },
    /// A provisional response after 100: usually 180.
    Ringing {
        /// Its status.
        status: u16,
        /// Since the INVITE.
        after: Duration,
    },
    /// 200.
    Answered {
        /// Since the INVITE.
        after: Duration,
        /// The format that was agreed.
        codec: &'static str,
        /// The suite of SRTP, unless the media is plain RTP.
        srtp: Option<&'static str>,
    },
}
