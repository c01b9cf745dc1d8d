//! The user agents of the command line: `tandem call` places a test call with speech-like audio
//! and says how good it was, `tandem answer` stands in for a PBX or a carrier.
//!
//! They are ordinary user agents on real sockets, built of the edge's own parts: `sip_proto` for
//! transactions and dialogs, `rtp_proto` for the wire, `relay_core::quality` for the numbers, so
//! that a test call and the relay measure alike. They speak UDP and TCP, G.711, RTP and RTCP.
//!
//! One thread per agent does the signalling (`agent`), one per call the media (`media`).

mod agent;
mod answerer;
mod caller;
mod cli;
mod clock;
mod description;
mod error;
mod established;
mod media;
mod meter;
mod options;
mod outcome;
mod ping;
mod protection;
mod quality;
mod random;
mod speech;
mod target;
mod tls;
mod transport;
mod wait;

pub(crate) use answerer::{AnswerOptions, Answerer};
pub(crate) use caller::place_call;
pub(crate) use cli::{AnswerArgs, CallArgs, run_answer, run_call};
pub(crate) use options::CallOptions;
pub(crate) use outcome::CallOutcome;
pub(crate) use ping::{Ping, PingFailure, Pong, Shown};
#[cfg(test)]
pub(crate) use random::OsRandom;

#[cfg(test)]
mod scripted_tests;
#[cfg(test)]
mod tests;
