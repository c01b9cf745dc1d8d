//! rtpengine's ng control protocol, so that a proxy that drives rtpengine can drive Tandem's relay.
//!
//! Nothing here opens a socket, reads a clock or draws a random number. [`Control`] takes one
//! request at a time and the relay's [`model::MediaEvent`]s, and gives replies and
//! [`model::MediaCommand`]s. Session descriptions are rewritten by `sdp`, as for our own edge.
//!
//! - [`Control::handle_request`], [`Control::handle_media_event`] and [`Control::handle_timeout`]
//!   put something in; [`Control::poll_output`] is to be emptied after each of them, and
//!   [`Control::poll_timeout`] says when to call again.
//! - [`StreamFramer`] cuts what comes over TCP into requests.
//! - [`bencode`] and [`json`] read and write a [`Value`].
#![forbid(unsafe_code)]

pub mod bencode;
mod call;
mod control;
mod cookies;
mod deletion;
mod dialogue;
mod flags;
mod formats;
mod framing;
pub mod json;
mod lines;
mod muting;
mod negotiation;
mod offer_answer;
mod playing;
mod quality;
mod query;
mod recording;
mod request;
mod statistics;
mod text;
mod value;
mod wire;

pub use control::{Asker, Control, ControlConfig, Notice, Output};
pub use framing::{FramingError, StreamFramer};
pub use statistics::{ControlCounts, InterfacePorts, Relayed, TranscodedChain};
pub use value::{Dictionary, Malformed, Value};
pub use wire::MAX_MESSAGE;
