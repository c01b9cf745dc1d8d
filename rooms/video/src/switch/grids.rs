//! Composed pictures: what shows several sources at once comes from outside the switch, which knows its
//! decoders as receivers (tiles) and what its encoders make as sources (grids).
//!
//! A tile is pinned to the source that it decodes, so key frames, parameter sets, reordering and refreshes
//! work as for anybody. A grid is shown to those receivers alone that ask for it, and only as long as it sends:
//! without it they see what all the others see.

use super::{
    MAX_PARTICIPANTS, Participant, ReceiverSettings, SourceSettings, StreamKey,
    TooManyParticipants, VideoSwitch, place, receiver_of, source_of,
};
use model::Instant;

/// Tiles of a switch.
pub const TILES: u16 = 16;
/// Grids of a switch, one for each size of picture.
pub const GRIDS: u16 = 3;

/// What stands behind a number of the switch that is no participant's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Composed {
    /// What decodes one source; its number, below [`TILES`].
    Tile(u16),
    /// What was encoded of several; its number, below [`GRIDS`].
    Grid(u16),
}

impl Composed {
    /// Its number in the switch: behind those of participants.
    const fn participant(self) -> Participant {
        match self {
            Composed::Tile(number) => Participant(MAX_PARTICIPANTS + number),
            Composed::Grid(number) => Participant(MAX_PARTICIPANTS + TILES + number),
        }
    }

    /// Its line in the switch.
    pub const fn key(self) -> StreamKey {
        StreamKey::main(self.participant())
    }

    /// What stands behind a line; `None` for a participant's.
    pub const fn of(key: StreamKey) -> Option<Composed> {
        match key.participant.0.checked_sub(MAX_PARTICIPANTS) {
            Some(number) if number < TILES => Some(Composed::Tile(number)),
            Some(number) if number < TILES + GRIDS => Some(Composed::Grid(number - TILES)),
            _ => None,
        }
    }
}

impl VideoSwitch {
    /// A tile decodes this participant's main line from now on, from its next key frame, and in a stream that
    /// begins anew.
    ///
    /// # Errors
    /// [`TooManyParticipants`] for a number that is none of a tile.
    pub fn set_tile(
        &mut self,
        now: Instant,
        tile: u16,
        settings: ReceiverSettings,
        shown: Participant,
    ) -> Result<(), TooManyParticipants> {
        if tile >= TILES {
            return Err(TooManyParticipants);
        }
        let mut receiver = receiver_of(settings);
        receiver.pinned = Some(shown);
        *place(&mut self.receivers, Composed::Tile(tile).key())? = Some(receiver);
        self.choose(now);
        Ok(())
    }

    /// A tile decodes nothing any more.
    pub fn remove_tile(&mut self, now: Instant, tile: u16) {
        self.remove_receiver(now, Composed::Tile(tile).key());
    }

    /// A grid may be shown, once something of it has come.
    ///
    /// # Errors
    /// [`TooManyParticipants`] for a number that is none of a grid.
    pub fn add_grid(
        &mut self,
        now: Instant,
        grid: u16,
        settings: SourceSettings,
    ) -> Result<(), TooManyParticipants> {
        if grid >= GRIDS {
            return Err(TooManyParticipants);
        }
        let key = Composed::Grid(grid).key();
        self.forget(key);
        *place(&mut self.sources, key)? = Some(source_of(settings));
        self.choose(now);
        Ok(())
    }

    /// A grid is shown to nobody any more.
    pub fn remove_grid(&mut self, now: Instant, grid: u16) {
        self.remove_source(now, Composed::Grid(grid).key());
    }

    /// Whether a participant's main line sees a grid, and which; `None` for the speaker. Who is pinned to
    /// somebody sees that one all the same, and slides where there is no line for them.
    pub fn ask_grid(&mut self, now: Instant, receiver: Participant, grid: Option<u16>) {
        let grid = grid.map(|number| Composed::Grid(number).participant());
        let key = StreamKey::main(receiver);
        if let Some(Some(receiver)) = self.receivers.get_mut(key.index())
            && receiver.grid != grid
        {
            receiver.grid = grid;
            self.choose(now);
        }
    }

    /// How many tiles decode something.
    pub(super) fn tiles(&self) -> usize {
        let first = Composed::Tile(0).key().index();
        let last = Composed::Grid(0).key().index();
        self.receivers.get(first..last.min(self.receivers.len())).map_or(0, |tiles| {
            tiles.iter().flatten().filter(|tile| tile.wanted().is_some()).count()
        })
    }
}
