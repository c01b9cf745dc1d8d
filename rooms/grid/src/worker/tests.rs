//! Which of a thread's grids are closed.

use super::*;
use crate::pool::pair;
use crate::{Grid, OutputSettings};
use room_video::h264::Level;
use std::sync::mpsc::{SyncSender, sync_channel};

/// A thread that has not begun, and the way to it.
fn desk() -> (Desk, SyncSender<Seat>) {
    let (inbox, taken) = sync_channel(8);
    let signs = Arc::default();
    let worker = Worker { clock: Clock::new(), inbox: taken, signs, per_second: 15 };
    let governor = Governor::new(15);
    (Desk { worker, grids: Vec::new(), governor, turn: 0, octets: Vec::new() }, inbox)
}

/// Opens a grid that so many see in two sizes.
fn open(desk: &mut Desk, inbox: &SyncSender<Seat>, viewers: [u32; 2]) -> Grid {
    let (mut grid, seat) = pair(15, thread::current());
    desk.worker.signs.open.fetch_add(1, Ordering::Relaxed);
    inbox.try_send(seat).unwrap();
    assert!(desk.let_in());
    for (size, viewers) in [GridSize::Small, GridSize::Usual].into_iter().zip(viewers) {
        let settings = OutputSettings { bits_per_second: 300_000, level: Level::L3_1, viewers };
        grid.set_output(size, Some(settings));
    }
    grid
}

fn states(grids: &[&Grid]) -> Vec<bool> {
    grids.iter().map(|grid| grid.state() != GridState::Closed).collect()
}

#[test]
fn the_dearest_for_each_viewer_is_closed_and_its_holder_learns_it() {
    let (mut desk, inbox) = desk();
    let [many, alone, cheap] =
        [[6, 4], [0, 1], [1, 0]].map(|viewers| open(&mut desk, &inbox, viewers));
    // Who sees them comes with the orders of a turn.
    desk.take_turn(Instant::from_millis(66), false);
    let viewers: Vec<u32> = desk.grids.iter().map(|held| held.burden.viewers).collect();
    assert_eq!(viewers, [10, 1, 1]);
    let costs = [40, 20, 5].map(Duration::from_millis);
    for (held, cost) in desk.grids.iter_mut().zip(costs) {
        held.burden.cost = cost;
    }
    desk.follow(Change::Close);
    assert_eq!(states(&[&many, &alone, &cheap]), [true, false, true]);
    // Four milliseconds for each of the many, five for the last.
    desk.follow(Change::Close);
    assert_eq!(states(&[&many, &alone, &cheap]), [true, false, false]);
    desk.follow(Change::Close);
    desk.follow(Change::Close);
    assert_eq!(states(&[&many, &alone, &cheap]), [false; 3]);
    let signs = &desk.worker.signs;
    assert_eq!((signs.closed.load(Ordering::Relaxed), signs.open.load(Ordering::Relaxed)), (3, 0));
}

#[test]
fn a_turn_notes_what_each_grid_has_used() {
    let (mut desk, inbox) = desk();
    let mut grid = open(&mut desk, &inbox, [2, 0]);
    let _other = open(&mut desk, &inbox, [0, 3]);
    grid.set_tiles(&[Tile { key: 1, name: "Ada".into(), speaks: false }]);
    // What cannot be read is looked at all the same.
    for _ in 0..200 {
        assert!(grid.packet(1, &[0x80; 1_200]));
    }
    desk.take_turn(Instant::from_millis(66), false);
    let [first, second] = &desk.grids[..] else { panic!("{}", desk.grids.len()) };
    assert!(first.burden.cost > Duration::ZERO, "{:?}", first.burden);
    assert_eq!((first.burden.viewers, second.burden.viewers), (2, 3));
    assert_eq!((first.used, second.used), (Duration::ZERO, Duration::ZERO));
}
