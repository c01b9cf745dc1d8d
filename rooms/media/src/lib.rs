//! Conferences are mixed here, beside the relay whose legs take part in them.
//!
//! A few threads, each with conferences of its own. Every 20 ms a thread takes what legs have said out of
//! their rings, has [`mixer::Room`] make of it what each is to hear, puts that into the legs' other rings
//! and rings the bells of the workers that are to send it. The relay never waits for it: what is not taken
//! in time is lost, and counted. Nor does a thread wait for who writes recordings ([`Tape`]).

mod clock;
mod conference;
mod mixing;
mod recording;
mod statistics;

pub use mixing::{Mixing, MixingConfig, Recording};
pub use recording::{Recorder, RecordingEvents, Tape, TapeState};
pub use statistics::MixingStatistics;
