//! The calls that applications steer: one thread that asks applications, over HTTPS or in AWS Lambda,
//! fetches what they want played, and has a [`Program`](media_applications::Program) for each call.
//!
//! Whoever has the calls gives their news to a [`NewsSender`] and takes orders as [`Calls`]. Bounds,
//! each with what happens when it is reached:
//! - calls ([`Settings::max_calls`]): the next one is refused, [`Refused::TooMany`];
//! - requests to applications at once ([`Settings::max_requests`]): the others wait, which counts as
//!   the application's time;
//! - news of all calls that wait for the thread (16,384), of one call (256): the call is ended, since
//!   nobody knows any more what has happened in it; a new call is refused;
//! - sounds: 8 MiB each, 64 MiB kept, the oldest go first; texts that are spoken at once: 8, the others
//!   wait within their 10 s.
#![forbid(unsafe_code)]

mod calls;
mod connections;
mod endpoint;
mod invoker;
mod one_call;
mod signature;
mod sounds;
mod speech;

pub use calls::{
    Applications, Calls, Exchanged, NewCall, NewsSender, NotUpdated, Refused, Settings, StartError,
};
pub use endpoint::{Application, Endpoint, EndpointError};
pub use invoker::AskedOutcome;
pub use signature::{SIGNATURE_HEADER, sign};
pub use sounds::{MAX_SOUND_BYTES, SoundCounts, SoundStore};

#[cfg(test)]
mod tests;
