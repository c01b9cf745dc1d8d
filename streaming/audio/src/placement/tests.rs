use super::*;

/// Packets of 20 ms at 8,000 samples a second.
fn talk(number: u32, heard_at: i64) -> Talk {
    Talk {
        ssrc: 1,
        clock_rate: 8_000,
        timestamp: number.wrapping_mul(160),
        marker: false,
        heard_at,
        len: 160,
    }
}

/// Places packets that come in order, and does what is said of their length.
struct Channel {
    placement: Placement,
    written: i64,
}

impl Channel {
    fn new() -> Self {
        Channel { placement: Placement::new(8_000), written: 0 }
    }

    fn place(&mut self, talk: &Talk) -> Place {
        let given = talk.heard_at - 8 * 120;
        let place = self.placement.place(talk, given, self.written);
        if let Place::At(at, owed) = place {
            self.placement.moved(owed);
            self.written = self.written.max(at + talk.len + owed);
        }
        place
    }
}

#[test]
fn timestamps_place_what_arrivals_blur() {
    let mut channel = Channel::new();
    for number in 0..500_u32 {
        let on_time = i64::from(number) * 160;
        // Every tenth packet is not delayed, the first one among them.
        let delay = i64::from(number % 10) * 40;
        assert_eq!(channel.place(&talk(number, on_time + delay)), Place::At(on_time, 0));
    }
    assert_eq!(channel.placement.jumps(), 1);
}

#[test]
fn a_first_packet_that_was_delayed_is_made_good() {
    let mut channel = Channel::new();
    channel.place(&talk(0, 50 * 8));
    // The second shows it by 50 ms: nothing was heard yet, it is placed anew.
    assert_eq!(channel.place(&talk(1, 160)), Place::At(160, 0));
    assert_eq!(channel.placement.jumps(), 2);
    // By 5 ms only: a sample of each packet.
    assert_eq!(channel.place(&talk(2, 320 - 40)), Place::At(320, -1));
    assert_eq!(channel.place(&talk(3, 480 - 40)), Place::At(479, -1));
}

#[test]
fn a_clock_that_is_slower_or_faster_is_followed() {
    for parts_per_million in [-5_000_i64, -1_000, -200, 200, 1_000, 5_000] {
        let mut channel = Channel::new();
        let mut worst = 0;
        for number in 0..90_000_u32 {
            let on_time = i64::from(number) * 160;
            let heard_at = on_time + on_time * parts_per_million / 1_000_000;
            let Place::At(at, owed) = channel.place(&talk(number, heard_at)) else {
                panic!("nothing is late");
            };
            assert!(owed.abs() <= 4);
            worst = worst.max((heard_at - at).abs());
        }
        assert_eq!(channel.placement.jumps(), 1);
        // The windows' four seconds of drift, and the tolerance.
        let allowed = 17 + parts_per_million.abs() * 4 * 8 / 1_000;
        assert!(worst <= allowed, "{parts_per_million}: {worst} samples");
    }
}

#[test]
fn a_way_that_became_longer_is_followed_without_a_jump() {
    let mut channel = Channel::new();
    let delayed = |number: u32| i64::from(number) * 160 + if number < 100 { 0 } else { 40 * 8 };
    for number in 0..600 {
        channel.place(&talk(number, delayed(number)));
    }
    let Place::At(at, _) = channel.place(&talk(600, delayed(600))) else { panic!("in time") };
    assert!((delayed(600) - at).abs() <= 16, "{}", delayed(600) - at);
    assert_eq!(channel.placement.jumps(), 1);
}

#[test]
fn what_was_held_back_and_let_go_at_once_is_late_and_nothing_else_moves() {
    let mut channel = Channel::new();
    for number in 0..100 {
        channel.place(&talk(number, i64::from(number) * 160));
    }
    // Two seconds of packets come together.
    for number in 100..200 {
        let place = channel.place(&talk(number, 200 * 160));
        let is_late = i64::from(number + 1) * 160 <= 200 * 160 - 960;
        assert_eq!(place == Place::TooLate, is_late, "{number}");
    }
    assert_eq!(channel.place(&talk(200, 200 * 160)), Place::At(200 * 160, 0));
    assert_eq!(channel.placement.jumps(), 1);
}

#[test]
fn a_sender_that_stopped_its_clock_is_placed_anew_after_a_while() {
    let mut channel = Channel::new();
    for number in 0..100 {
        channel.place(&talk(number, i64::from(number) * 160));
    }
    let resumed = |number: u32| i64::from(number) * 160 + 5 * 8_000;
    let places: Vec<_> =
        (100..150).map(|number| channel.place(&talk(number, resumed(number)))).collect();
    // It goes on at its own pace, which is known after 60 ms.
    assert_eq!(places.iter().filter(|place| **place == Place::TooLate).count(), 3);
    assert_eq!(places[3], Place::At(resumed(103), 0));
    // With a marker it is believed at once (RFC 3551 section 4.1).
    let again = Talk { marker: true, ..talk(150, resumed(150) + 8_000) };
    assert_eq!(channel.place(&again), Place::At(again.heard_at, 0));
}

#[test]
fn what_a_network_lets_go_a_little_faster_than_it_was_sent_is_not_placed_anew() {
    // At 1.2, 1.5 and 4 times its pace, until it is no longer too late.
    for (late, each) in [(170, 133), (200, 107), (900, 40)] {
        let mut channel = Channel::new();
        for number in 0..100 {
            channel.place(&talk(number, i64::from(number) * 160));
        }
        let mut number = 100;
        let mut now = 100 * 160 + late * 8;
        while now - i64::from(number) * 160 > 0 {
            channel.place(&talk(number, now));
            number += 1;
            now += each;
        }
        assert_eq!(channel.placement.jumps(), 1, "{late} ms late, one in {each} samples");
        let on_time = i64::from(number) * 160;
        assert_eq!(channel.place(&talk(number, on_time)), Place::At(on_time, 0));
    }
}

#[test]
fn timestamps_that_jump_are_placed_by_their_arrival() {
    let mut channel = Channel::new();
    channel.place(&talk(0, 0));
    for (number, heard_at) in [(1_000_000_u32, 160), (5, 320), (20_000_000, 480), (4_000, 640)] {
        assert_eq!(channel.place(&talk(number, heard_at)), Place::At(heard_at, 0), "{number}");
    }
}

#[test]
fn a_wrap_is_no_jump() {
    let mut channel = Channel::new();
    let first = u32::MAX / 160 - 2;
    for step in 0..10_u32 {
        let number = first.wrapping_add(step);
        let timestamp = (first * 160).wrapping_add(step * 160);
        let talk = Talk { timestamp, ..talk(number, i64::from(step) * 160) };
        assert_eq!(channel.place(&talk), Place::At(i64::from(step) * 160, 0));
    }
    assert_eq!(channel.placement.jumps(), 1);
}

#[test]
fn drift_of_a_pause_is_made_good_where_nobody_hears_it() {
    for (off_ms, expected_ms) in [(-90_i64, -90_i64), (-15, 0), (50, 0), (70, 70)] {
        let mut channel = Channel::new();
        for number in 0..100 {
            channel.place(&talk(number, i64::from(number) * 160));
        }
        // Ten minutes later.
        let on_time = 30_000_i64 * 160;
        let Place::At(at, _) = channel.place(&talk(30_000, on_time + off_ms * 8)) else {
            panic!("in time");
        };
        assert_eq!(at - on_time, expected_ms * 8, "{off_ms}");
    }
}

#[test]
fn another_source_or_clock_is_placed_by_its_arrival() {
    let mut channel = Channel::new();
    channel.place(&talk(0, 0));
    let other = Talk { ssrc: 2, ..talk(700, 170) };
    assert_eq!(channel.place(&other), Place::At(170, 0));
    let opus = Talk { ssrc: 2, clock_rate: 48_000, ..talk(701, 331) };
    assert_eq!(channel.place(&opus), Place::At(331, 0));
    let next = Talk { timestamp: opus.timestamp + 960, heard_at: 500, ..opus };
    assert_eq!(channel.place(&next), Place::At(491, 0));
    assert_eq!(channel.placement.expected(2, 48_000, next.timestamp + 960), Some(651));
    assert_eq!(channel.placement.expected(1, 8_000, 0), None);
}
