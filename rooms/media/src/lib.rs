//! Conferences are mixed here, beside the relay whose legs take part in them.
//!
//! A few threads, each with conferences of its own. Every 20 ms a thread takes what legs have said out of
//! their rings, has [`mixer::Room`] make of it what each is to hear, puts that into the legs' other rings
//! and rings the bells of the workers that are to send it. The relay never waits for it: what is not taken
//! in time is lost, and counted. Nor does a thread wait for who writes recordings ([`Tape`]).
//!
//! The thread that mixes a conference also switches its pictures ([`room_video`]). They do not wait for the
//! frame: the relay wakes the thread when packets of pictures come, and it looks at once, but not more often
//! than every two milliseconds, so that packets which come together are taken together.

mod announcements;
mod cards;
mod clock;
mod conference;
mod desk;
mod door;
mod error;
mod inbox;
mod mixing;
mod pictures;
mod recording;
mod statistics;
mod stops;
mod telling;
mod uttering;

pub use error::MixingError;
pub use mixing::{Mixing, MixingConfig, MixingOrders};
pub use recording::{Recorder, Recording, RecordingEvents, Tape, TapeState};
pub use room_grid::{GridError, GridSettings, GridStatistics, GridView};
pub use statistics::{MixingStatistics, PictureTally};
