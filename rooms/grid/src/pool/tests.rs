use super::*;
use crate::codec::{Encoder, Made};
use crate::frame::Frame;
use crate::{GridPace, GridSize, GridState, OutputSettings, Tile};
use room_video::h264::Level;
use rtp_proto::RtpHeader;
use std::time::Duration;

const SETTINGS: OutputSettings =
    OutputSettings { bits_per_second: 300_000, level: Level::L3_1, viewers: 1 };

/// Does something each few milliseconds until it is so; a machine may be slow.
fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if is_so() {
            return;
        }
        thread::park_timeout(Duration::from_millis(5));
    }
    panic!("a minute is over");
}

/// The packets of a key frame of one colour.
fn key_frame(sequence: u16) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let frame = Frame::new((320, 180), [81, 90, 240]);
    let mut made = |made: Made<'_>| {
        let header = RtpHeader {
            payload_type: 97,
            marker: made.ends_picture,
            sequence: sequence + packets.len() as u16,
            timestamp: u32::from(sequence) * 6_000,
            ssrc: 1,
        };
        packets.push([&header.to_bytes()[..], made.unit].concat());
    };
    Encoder::new(SETTINGS, 15).unwrap().encode(&frame.view(), 0, true, &mut made).unwrap();
    packets
}

#[test]
fn a_grid_is_opened_fed_and_read_by_another_thread() {
    let pool = GridPool::start(GridSettings::default()).unwrap();
    let mut grid = pool.open(thread::current(), 7).unwrap();
    grid.set_tiles(&[Tile { key: 5, name: "Ada".into(), speaks: true }]);
    grid.set_output(GridSize::Small, Some(SETTINGS));
    until(|| grid.want() == Some(5));
    for packet in key_frame(7) {
        assert!(grid.packet(5, &packet));
    }
    let (mut unit, mut kinds, mut ends) = (Vec::new(), Vec::new(), 0);
    until(|| {
        while let Some(read) = grid.read(&mut unit) {
            assert!(read.size == GridSize::Small && unit.len() <= crate::MOST_UNIT);
            kinds.push((unit[0] & 0x1f, read.is_key));
            ends += u32::from(read.ends_picture);
        }
        ends > 0
    });
    assert_eq!(kinds[..3], [(7, true), (8, true), (5, true)]);
    // The same picture is sent again, and whole when it is asked for.
    grid.ask_key_frame(GridSize::Small);
    until(|| grid.read(&mut unit).is_some_and(|read| read.is_key));
    let statistics = pool.statistics();
    until(|| pool.grids().iter().any(|view| view.tiles == 1 && view.viewers == 1));
    let [view] = pool.grids()[..] else { panic!("{:?}", pool.grids()) };
    assert_eq!((view.name, view.frames_per_second), (7, 15));
    assert_eq!((statistics.open, statistics.opened, statistics.refused), (1, 1, 0));
    assert!(statistics.decoded == 1 && statistics.pictures >= 1);
    assert!(statistics.used > Duration::ZERO);
    drop(grid);
    until(|| pool.statistics().open == 0);
    until(|| pool.grids().is_empty());
}

#[test]
fn there_are_no_more_grids_than_there_may_be() {
    let settings = GridSettings { threads: 2, most_grids: 2, ..GridSettings::default() };
    let pool = GridPool::start(settings).unwrap();
    let grids = [(); 2].map(|()| pool.open(thread::current(), 7).unwrap());
    assert!(matches!(pool.open(thread::current(), 7), Err(GridError::TooMany)));
    // Each thread has one of them.
    let open = |thread: &PoolThread| thread.signs.open.load(Ordering::Relaxed);
    assert!(pool.threads.iter().all(|thread| open(thread) == 1));
    assert_eq!(pool.statistics().refused, 1);
    assert_eq!(grids[0].state(), GridState::Open(GridPace::Full));
    let [first, second] = grids;
    drop(first);
    until(|| pool.open(thread::current(), 7).is_ok());
    // Whoever has one when all ends learns it.
    drop(pool);
    assert_eq!(second.state(), GridState::Closed);
}

#[test]
fn a_grid_that_nobody_serves_never_waits() {
    let (mut grid, seat) = pair(15, thread::current());
    let packet = [0; 1_200];
    assert!((0..100).all(|_| grid.packet(1, &packet)));
    assert!((0..2_000).any(|_| !grid.packet(1, &packet)), "it is full");
    // Orders beyond what has room are kept, the last of each kind.
    let tiles = |key| [Tile { key, name: "".into(), speaks: false }];
    for key in 0..200 {
        grid.set_tiles(&tiles(key));
        grid.ask_key_frame(GridSize::High);
        grid.set_output(GridSize::High, (key % 2 == 0).then_some(SETTINGS));
    }
    let mut last = (None, None);
    let mut unit = Vec::new();
    for _ in 0..3 {
        while let Ok(order) = seat.orders.try_recv() {
            match order {
                crate::worker::Order::Tiles(tiles) => last.0 = Some(tiles[0].key),
                crate::worker::Order::Output(_, settings) => last.1 = Some(settings),
                crate::worker::Order::KeyFrame(_) => {}
            }
        }
        assert_eq!(grid.read(&mut unit), None);
    }
    assert_eq!(last, (Some(199), Some(None)));
    assert_eq!(grid.want(), None);
    drop(seat);
    assert_eq!(grid.state(), GridState::Closed);
}

#[test]
fn a_turn_ends_before_all_has_come() {
    let (mut grid, mut seat) = pair(15, thread::current());
    assert!((0..3).all(|_| grid.packet(1, &[0; 100])));
    // Each look at the time finds it a millisecond later.
    let time = std::cell::Cell::new(0);
    let meter = || {
        time.set(time.get() + 1);
        Duration::from_millis(time.get())
    };
    let mut octets = Vec::new();
    seat.decode(&mut octets, Duration::from_millis(3), meter);
    assert!(seat.packets.has_more(), "two were taken");
    seat.decode(&mut octets, Duration::from_millis(4), meter);
    assert!(seat.packets.has_more(), "its time had passed");
    seat.decode(&mut octets, Duration::from_millis(6), meter);
    assert!(!seat.packets.has_more());
    assert_eq!(seat.packets.lost(), 0);
}

#[test]
fn a_thread_that_has_ended_is_given_no_grid() {
    let settings = GridSettings { threads: 2, ..GridSettings::default() };
    let mut pool = GridPool::start(settings).unwrap();
    let grid = pool.open(thread::current(), 7).unwrap();
    assert_eq!(pool.statistics().open, 1);
    let has_it = |thread: &PoolThread| thread.signs.open.load(Ordering::Relaxed) == 1;
    let at = pool.threads.iter().position(has_it).unwrap();
    // In its place one that has ended.
    let ended = thread::spawn(|| {});
    until(|| ended.is_finished());
    let runs = pool.threads[at].handle.replace(ended);
    assert_eq!(pool.statistics().open, 0, "it serves none any more");
    let others = [(); 3].map(|()| pool.open(thread::current(), 7).unwrap());
    assert_eq!(pool.threads[1 - at].signs.open.load(Ordering::Relaxed), 3);
    assert_eq!(pool.statistics().open, 3);
    pool.threads[1 - at].handle.take().into_iter().for_each(|handle| handle.thread().unpark());
    assert!(matches!(pool.open(thread::current(), 7), Err(GridError::Ended)));
    drop((pool, grid, others));
    assert!(runs.unwrap().join().is_ok());
}

#[test]
fn settings_outside_of_their_range_are_named() {
    for (settings, name) in [
        (GridSettings { threads: 0, ..GridSettings::default() }, "threads"),
        (GridSettings { threads: 65, ..GridSettings::default() }, "threads"),
        (GridSettings { frames_per_second: 4, ..GridSettings::default() }, "frames_per_second"),
        (GridSettings { frames_per_second: 31, ..GridSettings::default() }, "frames_per_second"),
        (GridSettings { most_grids: 0, ..GridSettings::default() }, "most_grids"),
    ] {
        let error = GridPool::start(settings).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}
