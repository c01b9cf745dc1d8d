//! What a grid is, and what is said about it.

use room_video::h264::{Level, Limits};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Tiles of a grid; further ones are not shown.
pub const MOST_TILES: usize = 16;
/// Octets of a unit that a grid gives: each fits a packet of packetization-mode 0.
pub const MOST_UNIT: usize = 1_200;
/// Macroblocks of a source's picture (level 4.0: 1920x1080); of a larger one nothing is shown.
pub const MOST_PICTURE: u32 = 8_192;
/// Units of a source's picture, slices and parameter sets: 600 KB in slices of 1,200 octets. One of more is dropped.
pub const MOST_UNITS: u32 = 512;
/// bit/s that a grid takes at least; who has less has losses.
pub const LEAST_RATE: u32 = 64_000;
/// What is decoded, as the parameters of a description: high profile, level 4.0, packetization-mode 1.
pub const TAKEN_FORMAT: &str = "profile-level-id=640028;packetization-mode=1";

/// How much is composed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GridSettings {
    /// Threads, 1 to 64. A grid is composed by one of them.
    pub threads: usize,
    /// Pictures a second, 5 to 30, while there is CPU for them.
    pub frames_per_second: u32,
    /// Grids at once, 1 to 4,096, of all threads.
    pub most_grids: usize,
}

impl Default for GridSettings {
    fn default() -> Self {
        GridSettings { threads: 1, frames_per_second: 15, most_grids: 16 }
    }
}

impl GridSettings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`GridError::Setting`] names the first value that is outside.
    pub fn check(&self) -> Result<(), GridError> {
        let outside = |name| Err(GridError::Setting(name));
        if !(1..=64).contains(&self.threads) {
            return outside("threads: 1 to 64");
        }
        if !(5..=30).contains(&self.frames_per_second) {
            return outside("frames_per_second: 5 to 30");
        }
        if !(1..=4_096).contains(&self.most_grids) {
            return outside("most_grids: 1 to 4096");
        }
        Ok(())
    }
}

/// Why nothing is composed.
#[derive(Debug)]
pub enum GridError {
    /// The program was built without the codec (cargo feature `openh264`).
    NotBuilt,
    /// A setting and its range.
    Setting(&'static str),
    /// The system has no thread.
    Thread(io::Error),
    /// There are as many grids as there may be.
    TooMany,
    /// The threads have no time for one more. It may be asked again later.
    Busy,
    /// The pool has ended.
    Ended,
}

impl fmt::Display for GridError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GridError::NotBuilt => f.write_str(
                "this program composes no pictures: it was built without the cargo feature `grid`",
            ),
            GridError::Setting(range) => write!(f, "composed pictures: {range}"),
            GridError::Thread(error) => write!(f, "no thread for [rooms.grid] threads: {error}"),
            GridError::TooMany => f.write_str(
                "as many meetings have a composed picture as [rooms.grid] max_meetings allows",
            ),
            GridError::Busy => f.write_str(
                "the threads that compose have no time for one more picture: raise [rooms.grid] threads where there \
                 are more cores",
            ),
            GridError::Ended => f.write_str("composing of pictures has ended"),
        }
    }
}

impl std::error::Error for GridError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GridError::Thread(error) => Some(error),
            _ => None,
        }
    }
}

/// The sizes that a grid is made in, each by an encoder of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum GridSize {
    /// 320x180.
    Small,
    /// 640x360.
    Usual,
    /// 1280x720.
    High,
}

impl GridSize {
    /// All of them, smallest first.
    pub const ALL: [GridSize; 3] = [GridSize::Small, GridSize::Usual, GridSize::High];

    /// Samples across and down.
    pub const fn samples(self) -> (usize, usize) {
        match self {
            GridSize::Small => (320, 180),
            GridSize::Usual => (640, 360),
            GridSize::High => (1_280, 720),
        }
    }

    /// Macroblocks of a picture.
    pub const fn macroblocks(self) -> u32 {
        let (width, height) = self.samples();
        (width.div_ceil(16) * height.div_ceil(16)) as u32
    }

    /// Whether a decoder of these limits takes it at so many pictures a second (ITU-T H.264 table A-1).
    pub const fn fits(self, limits: Limits, frames_per_second: u32) -> bool {
        self.macroblocks() <= limits.macroblocks
            && self.macroblocks() * frames_per_second <= limits.macroblocks_per_second
    }
}

/// What those who see one size of a grid take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputSettings {
    /// What the weakest of them takes; [`LEAST_RATE`] is the least that is sent.
    pub bits_per_second: u32,
    /// The least of their levels: the stream says no higher one.
    pub level: Level,
    /// How many they are; 0 while nobody sees it any more, and somebody may again.
    pub viewers: u32,
}

/// One place of a grid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tile {
    /// Whose packets it shows: see [`crate::Grid::packet`]. A number that was given to somebody else is left out of
    /// the tiles once before it is used again: until then it is the same person.
    pub key: u16,
    /// What stands in it, in one row; empty for nothing.
    pub name: Arc<str>,
    /// Is framed.
    pub speaks: bool,
}

/// What is known of a unit that a grid has made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GridUnit {
    /// Whose stream it belongs to.
    pub size: GridSize,
    /// When its picture is shown, in 1/90,000 s since the grid was opened, modulo 2^32.
    pub timestamp: u32,
    /// The last of its picture: its packet has the marker.
    pub ends_picture: bool,
    /// Of a picture that needs none before it, whose parameter sets are its first units.
    pub is_key: bool,
}

/// How many pictures are composed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum GridPace {
    /// As many as the settings say.
    #[default]
    Full,
    /// Half as many.
    Half,
    /// Five a second.
    Slow,
}

/// What becomes of a grid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GridState {
    /// It is composed.
    Open(GridPace),
    /// It was closed because there is no CPU for it; it gives nothing any more, and is to be dropped.
    Closed,
}

/// What one grid is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GridView {
    /// How whoever opened it calls it.
    pub name: u64,
    /// Pictures a second that are made of what changes.
    pub frames_per_second: u32,
    /// Those who are shown in it.
    pub tiles: u32,
    /// Those who see it.
    pub viewers: u32,
    /// Parts of a hundred of a core that it took in the last second or so.
    pub cpu_percent: u32,
}

/// What a pool has done since it was started.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct GridStatistics {
    /// Grids that are open.
    pub open: u64,
    /// Grids that were opened.
    pub opened: u64,
    /// Grids that nobody was given: [`GridError::Busy`] and [`GridError::TooMany`].
    pub refused: u64,
    /// Grids that were closed for want of CPU.
    pub closed: u64,
    /// Threads that compose fewer pictures than they are to.
    pub degraded: u64,
    /// Pictures of sources that were decoded.
    pub decoded: u64,
    /// Pictures of sources that could not be: damaged, too large, of a profile that is not decoded.
    pub refused_pictures: u64,
    /// Pictures that were made, of all sizes.
    pub pictures: u64,
    /// Packets of sources that found no room.
    pub lost_packets: u64,
    /// Units that found no room, and those behind them in their pictures.
    pub lost_units: u64,
    /// Pictures that an encoder failed at.
    pub failed: u64,
    /// CPU time of the threads.
    pub used: Duration,
}
