//! A call over a WebSocket (RFC 6455): its audio goes out, a voice comes in.
//!
//! [`VoiceSockets`] opens a connection for each call that is listened to, and gives an
//! [`call_audio::AudioConsumer`] that brings the call's frames there. What the other end says is
//! written into the call's [`codecs::VoiceWriter`]s, from where the relay takes it packet by packet.
//! The messages of both ways are described in `docs/voice-socket.md`.
//!
//! A socket fails alone: nothing of it waits for the call, and the call for nothing of it.
#![forbid(unsafe_code)]

mod call;
mod clock;
mod connect;
mod connection;
mod conversation;
mod counters;
mod endpoint;
mod interleave;
mod message;
mod outgoing;
mod replay;
mod retry;
mod sockets;
mod speech;
#[cfg(test)]
mod test_calls;
mod token;

pub use connect::ConnectError;
pub use conversation::Conversation;
pub use counters::{SocketCounters, SocketCounts};
pub use endpoint::{Endpoint, EndpointError, LONGEST_URL};
pub use replay::replay;
pub use sockets::{GivenUp, OpenError, Settings, StartError, VoiceSockets};
pub use token::{TokenError, read_token};
