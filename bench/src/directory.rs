//! The directory that the signalling programs route by.

use ::directory::{Carrier, Host, Resources, Snapshot, Termination, VoiceConnector};
use ::model::{CarrierId, VoiceConnectorId};
use std::net::SocketAddr;
use std::sync::Arc;

/// The voice connector's id; the scenarios call numbers at its host name.
pub const CONNECTOR: &str = "abcdef1ghij2klmno3pqr4";
/// The domain of the voice connector.
pub const DOMAIN: &str = "tandem.localhost";

/// One carrier for every number at `carrier`, and one voice connector at `customer`'s address with
/// no limit that a bench would reach.
///
/// # Panics
/// Never: the resources are valid.
#[expect(clippy::expect_used, reason = "constants that a run would show to be wrong at once")]
pub fn snapshot(customer: SocketAddr, carrier: SocketAddr) -> Arc<Snapshot> {
    let id = CarrierId::new("callee").expect("a valid id");
    let mut callee = Carrier::new(id, Host::Ip(carrier.ip()));
    callee.port = Some(carrier.port());
    callee.prefixes = vec!["+".into()];
    let id = VoiceConnectorId::new(CONNECTOR).expect("a valid id");
    let mut connector = VoiceConnector::new(id);
    connector.termination = Some(Termination {
        cidr_allowed_list: vec![customer.ip().into()],
        cps_limit: 100_000,
        concurrent_calls_limit: 1_000_000,
        calling_regions: vec!["US"],
        ..Termination::default()
    });
    let resources = Resources {
        domain: DOMAIN.to_owned(),
        carriers: vec![callee],
        voice_connectors: vec![connector],
        ..Resources::default()
    };
    Arc::new(Snapshot::build(resources).expect("valid resources"))
}
