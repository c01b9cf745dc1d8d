//! Calls whose audio is listened to while they run: threads that take packets from the streams' rings,
//! put them on the call's timeline and give them to the listeners; events and records of it.
//!
//! The [`Hub`] is all of it: the relay hands it streams over a bounded channel
//! ([`relay_core::ListenNews`]), the binary says how listeners are opened ([`Openers`]).
#![forbid(unsafe_code)]

pub mod events;
mod hub;
pub mod kinesis;

pub use hub::{Hub, HubConfig, HubStatistics, Open, Openers, Refuse};
