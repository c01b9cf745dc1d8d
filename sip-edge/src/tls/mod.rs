//! TLS (RFC 3261 section 26.3, RFC 5922): certificates and authorities, watched for changes, and
//! the handshakes, which run on a thread of their own so that a flood of them leaves the calls
//! alone.
//!
//! Versions 1.2 and 1.3, and suites with ephemeral keys only. There is no renegotiation and no
//! early data.

mod client;
mod failure;
mod files;
mod handshake;
mod judge;
mod self_signed;
mod server;
mod standalone;
mod state;

pub use failure::{HandshakeFailure, TlsCounters};
pub use files::{CertificateFacts, TlsFileError, check_authorities, check_pair};
pub use standalone::{client_config, pinned_client_config, self_signed_files, self_signed_server};
pub use state::{CertificateStatus, TlsHost, TlsSettings, WebTls};

pub(crate) use handshake::{Secured, accept, connect};
pub(crate) use state::Tls;

use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// A certificate with less than this left is warned about, in seconds.
pub const EXPIRY_WARNING_SECONDS: i64 = 30 * 86_400;

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
