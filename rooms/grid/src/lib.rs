//! Pictures of a meeting composed into one: decoded, scaled, laid out, named and encoded again.
//!
//! Threads of their own do it ([`GridPool`]); the thread that switches a conference's pictures has a [`Grid`], whose
//! methods never wait. Packets of the tiles' sources go in, units of H.264 come out. Everything between is
//! a core without threads and clocks.
#![deny(unsafe_code)]

mod access_units;
mod canvas;
mod clock;
mod closing;
mod codec;
mod composer;
mod frame;
mod governor;
mod grid;
mod layout;
mod pool;
mod scale;
mod settings;
mod signs;
mod worker;

pub use composer::{Composer, ComposerTally};
pub use grid::Grid;
pub use pool::GridPool;
pub use settings::{
    GridError, GridPace, GridSettings, GridSize, GridState, GridStatistics, GridUnit, GridView,
    LEAST_RATE, MOST_PICTURE, MOST_TILES, MOST_UNIT, MOST_UNITS, OutputSettings, TAKEN_FORMAT,
    Tile,
};
