//! Meetings as their callers see them: the same callers in a room of this node and in one of another server.
//!
//! A [`Server`] lets callers in, [`measure`] has them speak and hear, and what each listener got is searched
//! for the marks of what was said ([`sounds`]).

pub mod call;
pub mod janus;
pub mod run;
pub mod sounds;
pub mod tandem;

pub use run::{Measured, Plan, measure};

use std::error::Error;
use std::net::SocketAddr;

/// The address of everybody.
pub const LOOPBACK: std::net::Ipv4Addr = std::net::Ipv4Addr::LOCALHOST;

/// What a bench can fail with.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// What callers speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// G.711, 160 octets in 20 ms.
    Pcmu,
    /// Opus, 20 ms at 24 kbit/s.
    Opus,
}

impl Codec {
    /// As SDP says it.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Opus => "opus",
        }
    }

    /// What is asked for.
    pub const fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Opus => 111,
        }
    }

    /// Ticks of RTP in a packet of 20 ms.
    pub const fn ticks(self) -> u32 {
        match self {
            Codec::Pcmu => 160,
            Codec::Opus => 960,
        }
    }
}

/// A conference server with one room.
pub trait Server {
    /// What is measured.
    fn pid(&self) -> u32;

    /// Lets a caller in whose RTP is at `rtp`; where it is to send to.
    ///
    /// # Errors
    /// Why not.
    fn join(&mut self, rtp: SocketAddr, codec: Codec) -> Outcome<SocketAddr>;

    /// Everybody leaves.
    ///
    /// # Errors
    /// What was refused.
    fn empty(&mut self) -> Outcome<()>;
}
