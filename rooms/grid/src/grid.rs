//! One meeting's grid, as the thread that switches its pictures has it.

use crate::signs::GridSign;
use crate::worker::{Order, PACKET_KEY, UNIT_ENDS, UNIT_KEY, UNIT_SIZE};
use crate::{GridSize, GridState, GridUnit, MOST_TILES, OutputSettings, Tile};
use relay_core::{RingReader, RingWriter};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Weak};

/// A grid. Nothing here waits; it is closed when it is dropped.
#[derive(Debug)]
pub struct Grid {
    packets: RingWriter<1>,
    units: RingReader<2>,
    orders: SyncSender<Order>,
    wanted: Receiver<u16>,
    sign: Arc<GridSign>,
    tiles: Arc<[Tile]>,
    outputs: [Option<OutputSettings>; 3],
    unsaid: Unsaid,
}

/// What its thread was not told yet.
#[derive(Debug, Default)]
struct Unsaid {
    tiles: bool,
    outputs: [bool; 3],
    key_frames: [bool; 3],
    any: bool,
}

impl Grid {
    pub(crate) fn new(
        packets: RingWriter<1>,
        units: RingReader<2>,
        orders: SyncSender<Order>,
        wanted: Receiver<u16>,
        sign: Arc<GridSign>,
    ) -> Self {
        Grid {
            packets,
            units,
            orders,
            wanted,
            sign,
            tiles: Arc::new([]),
            outputs: [None; 3],
            unsaid: Unsaid::default(),
        }
    }

    /// Who is shown, in the order of the places; [`MOST_TILES`] at most. A tile stays the same while its key
    /// is among them.
    pub fn set_tiles(&mut self, tiles: &[Tile]) {
        let tiles = tiles.get(..MOST_TILES).unwrap_or(tiles);
        if *self.tiles != *tiles {
            self.tiles = tiles.into();
            self.unsaid.tiles = true;
            self.say();
        }
    }

    /// Takes an RTP packet of a tile's source, as a receiver of packetization-mode 1 is given it: numbers without a
    /// gap where nothing was lost. `false` when there is no room: it is lost, and counted.
    pub fn packet(&mut self, key: u16, packet: &[u8]) -> bool {
        self.packets.write([u64::from(key) << PACKET_KEY], packet)
    }

    /// A tile whose source is to send a key frame; each once a second at most.
    pub fn want(&mut self) -> Option<u16> {
        self.wanted.try_recv().ok()
    }

    /// Makes a size, with other settings than before, or no longer.
    pub fn set_output(&mut self, size: GridSize, settings: Option<OutputSettings>) {
        if let (Some(known), Some(unsaid)) = (
            self.outputs.get_mut(size as usize).filter(|known| **known != settings),
            self.unsaid.outputs.get_mut(size as usize),
        ) {
            (*known, *unsaid) = (settings, true);
            self.say();
        }
    }

    /// Somebody who sees this size needs a key frame: one comes soon, a second after the one before at the earliest.
    pub fn ask_key_frame(&mut self, size: GridSize) {
        if let Some(unsaid) = self.unsaid.key_frames.get_mut(size as usize) {
            *unsaid = true;
            self.say();
        }
    }

    /// Takes a unit, without a start code, into `unit`, in the place of what was there.
    pub fn read(&mut self, unit: &mut Vec<u8>) -> Option<GridUnit> {
        if self.unsaid.any {
            self.say();
        }
        let [head, timestamp] = self.units.read(unit)?;
        let size = GridSize::ALL.get((head >> UNIT_SIZE & 0xff) as usize)?;
        Some(GridUnit {
            size: *size,
            timestamp: timestamp as u32,
            ends_picture: head & UNIT_ENDS != 0,
            is_key: head & UNIT_KEY != 0,
        })
    }

    /// What becomes of it.
    pub fn state(&self) -> GridState {
        self.sign.get()
    }

    pub(crate) fn sign(&self) -> Weak<GridSign> {
        Arc::downgrade(&self.sign)
    }

    /// Tells the thread what is new; what finds no room is told with the next call.
    fn say(&mut self) {
        let Grid { orders, tiles, outputs, unsaid, .. } = self;
        let say = |unsaid: &mut bool, order: &dyn Fn() -> Order| {
            if *unsaid {
                *unsaid = orders.try_send(order()).is_err();
            }
            *unsaid
        };
        let mut any = say(&mut unsaid.tiles, &|| Order::Tiles(Arc::clone(tiles)));
        for (size, unsaid) in GridSize::ALL.into_iter().zip(&mut unsaid.outputs) {
            let settings = outputs.get(size as usize).copied().flatten();
            any |= say(unsaid, &|| Order::Output(size, settings));
        }
        for (size, unsaid) in GridSize::ALL.into_iter().zip(&mut unsaid.key_frames) {
            any |= say(unsaid, &|| Order::KeyFrame(size));
        }
        unsaid.any = any;
    }
}
