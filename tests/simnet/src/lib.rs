//! The edge between endpoints, in virtual time.
//!
//! Two ways to drive it share the fixture, the relay and the checks:
//! - [`World`] with [`Ua`]: a test sends and expects one message after the other, over a network
//!   that loses nothing, or one message that the test names. Time passes only when the test says so,
//!   or while it waits for what was lost.
//! - [`Simulation`]: endpoints of their own mind on both sides, over a network that loses, delays,
//!   reorders and repeats, all from one seed.
//!
//! Both check every message that leaves the edge: it parses, and no identifier of one endpoint
//! reaches another. Both check at their end that nothing of any call is left, and that every
//! attempted call has ended exactly once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test harness: what does not hold must fail the test at once"
)]

mod audit;
mod early;
mod endpoint;
mod fixture;
mod losing;
mod network;
mod relay;
mod secured;
mod simulation;
mod streams;
mod transferring;
mod ua;
mod world;
mod writing;

pub use audit::Audit;
pub use fixture::{
    CARRIER, CARRIER_2, CARRIER_TCP, CONNECTOR, EDGE, EDGE_TCP, EDGE_TLS, EDGE_WSS, PBX, PBX_TCP,
    STRANGER, carrier, config, connector, connector_host, directory, sdp, snapshot,
};
pub use relay::{FakeRelay, RelayMode};
pub use simulation::{Outcome, Simulation};
pub use ua::Ua;
pub use world::World;
