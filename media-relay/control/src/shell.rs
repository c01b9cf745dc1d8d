//! Sockets, TLS and threads around [`Relays`](crate::Relays) and [`Edges`](crate::Edges).

mod ask;
mod client;
mod connection;
mod server;

pub use ask::{AskConfig, ask_seals, probe};
pub use client::{ClientConfig, Connected, connect};
pub use server::{Served, ServerConfig, serve};

use std::time::Duration;

/// When the other side counts as gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// Time between two questions.
    pub interval: Duration,
    /// Nothing came for so long.
    pub timeout: Duration,
}
