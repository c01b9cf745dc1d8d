//! Events of a leg that signalling hears of.

use super::super::steps::WAITING;
use super::*;

#[test]
fn signalling_hears_each_event_once_with_its_duration_and_nothing_of_it_passes() {
    let mut stage = Stage::new(&plan(DtmfConversion::EventsToSignalling));
    stage.quiet(5);
    for symbol in ALL.chars() {
        stage.events(symbol, 5, 3, |_| false);
        stage.quiet(3);
    }
    assert_eq!(stage.told(), ALL);
    assert_eq!(stage.durations(), [100; 16]);
    assert_eq!(stage.replaced, 16 * 8);
    assert!(stage.heard.iter().all(|(_, packet)| packet[1] & 0x7f == 0), "audio alone passes");
}

#[test]
fn lost_and_repeated_packets_change_nothing_of_what_is_told() {
    for lost in [&[0][..], &[5, 6], &[0, 1, 2, 3, 4, 5, 6], &[1, 3, 5, 7]] {
        let mut stage = Stage::new(&plan(DtmfConversion::EventsToSignalling));
        for symbol in "5512".chars() {
            stage.events(symbol, 5, 3, |number| lost.contains(&number));
        }
        assert_eq!(stage.told(), "5512", "{lost:?}");
    }
}

#[test]
fn a_key_whose_ends_are_all_lost_is_over_after_a_quarter_of_a_second() {
    let mut stage = Stage::new(&plan(DtmfConversion::EventsToSignalling));
    stage.events('7', 5, 3, |number| number >= 5);
    // Three packets later; the last that came is 80 ms old.
    assert_eq!(stage.told(), "");
    let due = stage.session.dtmf_deadline().unwrap();
    stage.now = due.as_nanos() / 1_000_000 - 1;
    stage.poll();
    assert_eq!(stage.told(), "");
    stage.now += 1;
    stage.poll();
    assert_eq!((stage.told(), stage.durations()), ("7".to_owned(), vec![100]));
    assert_eq!(stage.session.dtmf_deadline(), None);
    // Its last packet at last: no second key.
    let header = stage.header(EVENTS, false, stage.timestamp - 8 * 160);
    stage.send(
        header,
        &TelephoneEvent { event: 7, end: true, volume: 10, duration: 800 }.to_bytes(),
    );
    assert_eq!(stage.told(), "7");
}

#[test]
fn another_source_begins_anew_whatever_its_timestamps_are() {
    let mut stage = Stage::new(&plan(DtmfConversion::EventsToSignalling));
    stage.timestamp = 3_000_000_000;
    stage.events('1', 5, 3, |_| false);
    stage.timestamp = 2_900_000_000;
    let header = RtpHeader { ssrc: 7, ..stage.header(EVENTS, true, 2_900_000_000) };
    stage.send(
        header,
        &TelephoneEvent { event: 2, end: true, volume: 10, duration: 800 }.to_bytes(),
    );
    assert_eq!(stage.told(), "12");
}

#[test]
fn a_long_key_is_one_key() {
    let mut stage = Stage::new(&plan(DtmfConversion::EventsToSignalling));
    stage.events('#', 200, 3, |number| number % 10 == 3);
    assert_eq!((stage.told(), stage.durations()), ("#".to_owned(), vec![4_000]));
}

#[test]
fn other_events_than_keys_are_kept_back_in_silence() {
    let mut stage = Stage::new(&plan(DtmfConversion::EventsToSignalling));
    for event in [16, 36, 255] {
        let header = stage.header(EVENTS, true, stage.timestamp);
        let payload = TelephoneEvent { event, end: true, volume: 0, duration: 800 }.to_bytes();
        stage.send(header, &payload);
        stage.timestamp += 1_600;
    }
    let short = stage.header(EVENTS, true, stage.timestamp);
    stage.send(short, &[5, 0x80]);
    assert_eq!((stage.news.len(), stage.replaced), (0, 4));
}

#[test]
fn a_flood_of_keys_is_bounded_and_the_rest_counted() {
    let mut stage = Stage::new(&plan(DtmfConversion::EventsToSignalling));
    for number in 0..1_000_u32 {
        let header = stage.header(EVENTS, true, number * 160);
        let event = (number % 16) as u8;
        stage
            .send(header, &TelephoneEvent { event, end: true, volume: 0, duration: 80 }.to_bytes());
        stage.now += 1;
    }
    // One second: the burst and the rate.
    let told = stage.told().len();
    assert!((38..=41).contains(&told), "{told}");
    let lost = stage.news.iter().filter(|news| **news == DtmfNews::Lost).count();
    assert_eq!(told + lost, 1_000);
}

#[test]
fn steps_that_nobody_takes_are_bounded() {
    let mut stage = Stage::new(&plan(DtmfConversion::EventsToSignalling));
    for number in 0..200_u32 {
        let header = stage.header(EVENTS, true, number * 160);
        let mut buffer = [0; 100];
        let len = header.write_header(&mut buffer).unwrap() + 4;
        let event = TelephoneEvent { event: 1, end: true, volume: 0, duration: 80 };
        buffer[12..16].copy_from_slice(&event.to_bytes());
        stage.session.forward(A, MediaSocket::Rtp, address(A), &mut buffer, len, at(number.into()));
    }
    assert!(stage.session.has_dtmf_news());
    stage.poll();
    assert!(stage.news.len() <= WAITING + 1, "{}", stage.news.len());
    assert!(!stage.session.has_dtmf_news());
}
