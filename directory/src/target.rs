//! Targets: the carriers and origination routes that calls are sent to, as health and limits see
//! them.

use crate::carrier::Carrier;
use crate::route::Host;
use crate::tls::TlsPolicy;
use crate::voice_connector::{OriginationRoute, VoiceConnector};
use model::{CarrierId, TransportProtocol, VoiceConnectorId};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A carrier, or one origination route of a voice connector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// What tells it from every other one; the same after a reload that does not touch it.
    pub key: Arc<str>,
    /// Its name in logs and metrics: the carrier's id, or `<voice connector>/origination/<n>` with
    /// the route's position in the file, from 1. It holds no address.
    pub name: Arc<str>,
    /// Whose it is.
    pub owner: TargetOwner,
    /// Where requests to it are sent.
    pub destination: Destination,
    /// How often it is asked with OPTIONS whether it is alive; `None` never.
    pub options_ping: Option<Duration>,
    /// Calls at once that are sent to it; `None` without a limit.
    pub max_calls: Option<u32>,
    /// Calls a second that are sent to it; `None` without a limit.
    pub cps_limit: Option<u32>,
}

/// Whose target it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TargetOwner {
    /// A carrier.
    Carrier(CarrierId),
    /// A voice connector's customer.
    Customer(VoiceConnectorId),
}

/// Where requests are sent. Two targets with the same one are the same machine, and are asked once.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Destination {
    /// The host.
    pub host: Host,
    /// The port; `None` means the same as in [`Carrier::port`].
    pub port: Option<u16>,
    /// The transport.
    pub protocol: TransportProtocol,
    /// The same as in [`Carrier::choose_transport`].
    pub choose_transport: bool,
    /// How a TLS connection there is made.
    pub tls: Arc<TlsPolicy>,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}/{}", self.host, self.protocol),
            None => write!(f, "{}/{}", self.host, self.protocol),
        }
    }
}

impl Target {
    pub(crate) fn of_carrier(carrier: &Carrier) -> Target {
        Target {
            key: format!("carrier {}", carrier.id).into(),
            name: carrier.id.as_str().into(),
            owner: TargetOwner::Carrier(carrier.id.clone()),
            destination: Destination {
                host: carrier.host.clone(),
                port: carrier.port,
                protocol: carrier.transport,
                choose_transport: carrier.choose_transport,
                tls: carrier.tls.clone(),
            },
            options_ping: carrier.options_ping,
            max_calls: carrier.max_calls,
            cps_limit: carrier.cps_limit,
        }
    }

    /// The target of the route at `position`, counted from 0.
    pub(crate) fn of_route(vc: &VoiceConnector, position: usize, route: &OriginationRoute) -> Self {
        let destination = Destination {
            host: route.host.clone(),
            port: route.port,
            protocol: route.protocol,
            choose_transport: route.choose_transport,
            tls: route.tls.clone(),
        };
        Target {
            key: format!("{} {destination}", vc.id).into(),
            name: format!("{}/origination/{}", vc.id, position + 1).into(),
            owner: TargetOwner::Customer(vc.id.clone()),
            destination,
            options_ping: route.options_ping,
            max_calls: route.max_calls,
            cps_limit: None,
        }
    }
}
