//! One meeting's grid, as the thread that switches its pictures has it.

use crate::{GridSize, GridState, GridUnit, OutputSettings, Tile};

/// A grid. Nothing here waits; it is closed when it is dropped.
#[derive(Debug)]
pub struct Grid {
    _not_yet: (),
}

impl Grid {
    /// Who is shown, in the order of the places; [`crate::MOST_TILES`] at most. A tile stays the same while its key
    /// is among them.
    pub fn set_tiles(&mut self, tiles: &[Tile]) {
        let _ = tiles;
    }

    /// Takes an RTP packet of a tile's source, as a receiver of packetization-mode 1 is given it: numbers without a
    /// gap where nothing was lost. `false` when there is no room: it is lost, and counted.
    pub fn packet(&mut self, key: u16, packet: &[u8]) -> bool {
        let _ = (key, packet);
        false
    }

    /// A tile whose source is to send a key frame; each once a second at most.
    pub fn want(&mut self) -> Option<u16> {
        None
    }

    /// Makes a size, with other settings than before, or no longer.
    pub fn set_output(&mut self, size: GridSize, settings: Option<OutputSettings>) {
        let _ = (size, settings);
    }

    /// Somebody who sees this size needs a key frame: one comes soon, a second after the one before at the earliest.
    pub fn ask_key_frame(&mut self, size: GridSize) {
        let _ = size;
    }

    /// Takes a unit, without a start code, into `unit`, in the place of what was there.
    pub fn read(&mut self, unit: &mut Vec<u8>) -> Option<GridUnit> {
        let _ = unit;
        None
    }

    /// What becomes of it.
    pub fn state(&self) -> GridState {
        GridState::Closed
    }
}
