//! SIP transports, resolver and driver: the shell around the call logic.
//!
//! [`start`] binds the sockets and runs one [`b2bua::Edge`] on a thread of its own, with a
//! current-thread runtime. UDP sockets are read and written in batches by the driver itself; every
//! stream connection has a task that frames messages. The shell holds no policy beyond limits, and
//! each of its queues is bounded with a written rule for when it is full.

mod clock;
mod driver;
mod error;
mod handle;
mod logic;
mod ports;
mod random;
mod resolver;
mod start;
pub mod tls;
mod tls_thread;
mod transport;

pub use clock::Clock;
pub use error::StartError;
pub use handle::{
    ApplicationOrders, Bindings, Drained, MediaEventSender, ShellStatistics, SipEdge,
};
pub use ports::Ports;
pub use resolver::{Located, ResolverCounters, ResolverLimits, locate, look_up};
pub use start::{ShellConfig, start};
pub use transport::{
    MessageConnection, MessageConnections, MessageEnd, TcpLimits, TransportCounters,
};

#[cfg(test)]
mod tests;
