//! Who stands where in a composed picture. Nobody moves because somebody speaks: only who comes in takes a
//! place, of who left or, where there is none, of who was silent for the longest time.

use model::Instant;
use room_video::{Participant, TILES};

/// Somebody who could be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sender {
    pub(super) participant: Participant,
    /// Its place in the order in which they came.
    pub(super) order: usize,
    /// When it spoke last.
    pub(super) spoke: Option<Instant>,
    /// Its picture can be decoded; else there is its name alone.
    pub(super) has_picture: bool,
}

/// Somebody who is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Placed {
    pub(super) participant: Participant,
    /// The switch's number of what decodes it.
    pub(super) tile: u16,
    /// Its number for whoever composes: never that of somebody who has just left.
    pub(super) key: u16,
}

/// What is to be done about a tile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Gone(Placed),
    Come(Placed),
}

/// The places, in their order.
#[derive(Debug, Default)]
pub(super) struct Places {
    placed: Vec<Placed>,
    last_key: u16,
}

impl Places {
    pub(super) fn placed(&self) -> &[Placed] {
        &self.placed
    }

    pub(super) fn of_tile(&self, tile: u16) -> Option<&Placed> {
        self.placed.iter().find(|placed| placed.tile == tile)
    }

    pub(super) fn of_key(&self, key: u16) -> Option<&Placed> {
        self.placed.iter().find(|placed| placed.key == key)
    }

    /// Takes who could be shown now, in the order in which they came; tells what has changed. Of those who come
    /// at once, the ones who spoke last are first.
    pub(super) fn follow(&mut self, senders: &mut [Sender], change: &mut impl FnMut(Change)) {
        let is_there = |senders: &[Sender], placed: &Placed| {
            senders.iter().any(|sender| sender.participant == placed.participant)
        };
        self.placed.retain(|placed| {
            let stays = is_there(senders, placed);
            if !stays {
                change(Change::Gone(*placed));
            }
            stays
        });
        // Of those who never spoke, who came first. Sorting that is stable would allocate.
        senders.sort_unstable_by_key(|sender| (std::cmp::Reverse(sender.spoke), sender.order));
        let spoke = |participant: Participant, senders: &[Sender]| {
            let known = senders.iter().find(|sender| sender.participant == participant);
            known.and_then(|sender| sender.spoke)
        };
        for at in 0..senders.len() {
            let Some(sender) = senders.get(at).copied() else { continue };
            if self.placed.iter().any(|placed| placed.participant == sender.participant) {
                continue;
            }
            if self.placed.len() < usize::from(TILES) {
                let Some(tile) = self.free_tile() else { continue };
                let placed = self.place(sender.participant, tile);
                self.placed.push(placed);
                change(Change::Come(placed));
                continue;
            }
            let quietest = (0..self.placed.len()).min_by_key(|at| {
                self.placed.get(*at).and_then(|placed| spoke(placed.participant, senders))
            });
            let Some(before) = quietest.and_then(|at| self.placed.get(at).copied()) else {
                continue;
            };
            if sender.spoke <= spoke(before.participant, senders) {
                // Nor has any of those behind it spoken later.
                return;
            }
            let placed = self.place(sender.participant, before.tile);
            if let Some(place) = quietest.and_then(|at| self.placed.get_mut(at)) {
                *place = placed;
            }
            change(Change::Gone(before));
            change(Change::Come(placed));
        }
    }

    /// A participant has left: the tile that it had.
    pub(super) fn forget(&mut self, participant: Participant) -> Option<Placed> {
        let at = self.placed.iter().position(|placed| placed.participant == participant)?;
        Some(self.placed.remove(at))
    }

    /// Nobody is shown any more.
    pub(super) fn clear(&mut self, change: &mut impl FnMut(Change)) {
        self.placed.drain(..).for_each(|placed| change(Change::Gone(placed)));
    }

    fn free_tile(&self) -> Option<u16> {
        (0..TILES).find(|tile| self.of_tile(*tile).is_none())
    }

    fn place(&mut self, participant: Participant, tile: u16) -> Placed {
        loop {
            self.last_key = self.last_key.wrapping_add(1);
            if self.of_key(self.last_key).is_none() {
                return Placed { participant, tile, key: self.last_key };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows who sends, by number and the second in which each spoke, and says what changed.
    fn follow(places: &mut Places, senders: &[(u16, Option<u64>)]) -> Vec<(bool, u16)> {
        let sender = |(order, (number, spoke)): (usize, &(u16, Option<u64>))| Sender {
            participant: Participant(*number),
            order,
            spoke: spoke.map(|second| Instant::from_millis(second * 1_000)),
            has_picture: true,
        };
        let mut senders: Vec<_> = senders.iter().enumerate().map(sender).collect();
        let mut changes = Vec::new();
        places.follow(&mut senders, &mut |change| {
            changes.push(match change {
                Change::Gone(placed) => (false, placed.participant.0),
                Change::Come(placed) => (true, placed.participant.0),
            });
        });
        changes
    }

    fn order(places: &Places) -> Vec<u16> {
        places.placed().iter().map(|placed| placed.participant.0).collect()
    }

    #[test]
    fn who_comes_stands_behind_the_others_and_nobody_moves_to_speak() {
        let mut places = Places::default();
        follow(&mut places, &[(4, None), (2, None), (7, Some(9))]);
        assert_eq!(order(&places), [7, 4, 2], "who spoke is first, of those who come at once");
        assert_eq!(follow(&mut places, &[(4, None), (2, Some(12)), (7, Some(9))]), []);
        assert_eq!(order(&places), [7, 4, 2]);
        let all = [(4, None), (2, Some(12)), (7, Some(9)), (1, Some(13))];
        assert_eq!(follow(&mut places, &all), [(true, 1)]);
        assert_eq!(order(&places), [7, 4, 2, 1]);
        assert_eq!(follow(&mut places, &[(4, None), (2, None), (1, None)]), [(false, 7)]);
        assert_eq!(order(&places), [4, 2, 1]);
        assert_eq!(follow(&mut places, &[]).len(), 3);
    }

    #[test]
    fn a_tile_and_a_number_are_one_persons() {
        let mut places = Places::default();
        follow(&mut places, &[(0, None), (1, None)]);
        let before = places.placed().to_vec();
        follow(&mut places, &[(1, None)]);
        follow(&mut places, &[(1, None), (0, None)]);
        let after = places.placed();
        assert_eq!(after[0], before[1], "whoever stayed has what it had");
        assert_eq!(after[1].tile, before[0].tile, "a free tile is used again");
        assert_ne!(after[1].key, before[0].key, "and its number is not");
        assert_eq!(places.of_tile(after[1].tile), Some(&after[1]));
        assert_eq!(places.of_key(after[0].key), Some(&after[0]));
        assert_eq!(places.of_key(before[0].key), None);
    }

    #[test]
    fn of_more_than_there_is_room_for_who_speaks_takes_the_place_of_the_most_silent() {
        let mut places = Places::default();
        let mut all: Vec<(u16, Option<u64>)> =
            (0..16).map(|number| (number, Some(100 - u64::from(number)))).collect();
        follow(&mut places, &all);
        assert_eq!(order(&places), (0..16).collect::<Vec<_>>());
        // Two more, who have never spoken, or longer ago than anybody.
        all.extend([(16, None), (17, Some(3))]);
        assert_eq!(follow(&mut places, &all), []);
        all[17].1 = Some(120);
        assert_eq!(follow(&mut places, &all), [(false, 15), (true, 17)]);
        assert_eq!(order(&places), (0..15).chain([17]).collect::<Vec<_>>(), "in that place");
        // Of the most silent ones, not again and again.
        assert_eq!(follow(&mut places, &all), []);
        all[15].1 = Some(121);
        assert_eq!(follow(&mut places, &all), [(false, 14), (true, 15)]);
        assert_eq!(places.placed().len(), 16);
    }

    #[test]
    fn numbers_come_round_without_meeting() {
        let mut places = Places { last_key: u16::MAX - 1, ..Places::default() };
        follow(&mut places, &[(0, None)]);
        places.last_key = u16::MAX - 1;
        follow(&mut places, &[(0, None), (1, None), (2, None)]);
        let keys: Vec<_> = places.placed().iter().map(|placed| placed.key).collect();
        assert_eq!(keys, [u16::MAX, 0, 1]);
        let mut gone = 0;
        places.clear(&mut |_| gone += 1);
        assert_eq!((gone, places.placed().len()), (3, 0));
    }
}
