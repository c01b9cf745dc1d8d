//! Whom connections over TLS that we open by ourselves must lead to.

use directory::{Host, TlsPolicy};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;

/// Whom connections that we open must lead to.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) config: Arc<ClientConfig>,
    /// What the certificate must be for.
    pub(crate) name: ServerName<'static>,
}

impl Trust {
    /// Whom `policy` asks for at `host`.
    pub(crate) fn new(host: &Host, policy: &TlsPolicy) -> Result<Trust, String> {
        let name = match host {
            Host::Ip(ip) => ServerName::IpAddress((*ip).into()),
            Host::Name(name) => {
                ServerName::try_from(name.to_string()).map_err(|error| error.to_string())?
            }
        };
        let config = sip_edge::tls::client_config(policy).map_err(|error| error.to_string())?;
        Ok(Trust { config, name })
    }
}
