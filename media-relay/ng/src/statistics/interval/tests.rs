use super::*;
use crate::value::Value;

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

fn text(told: &Dictionary, name: &str) -> String {
    let value = told.get(name).unwrap_or_else(|| panic!("{name} in {told:?}"));
    String::from_utf8(value.text().unwrap().to_vec()).unwrap()
}

fn number(told: &Dictionary, name: &str) -> i64 {
    told.get(name).and_then(Value::integer).unwrap()
}

/// The places of two commands.
const PING: usize = 0;
const OFFER: usize = 1;

#[test]
fn the_first_minute_is_told_while_it_goes_on_and_then_each_that_is_over() {
    let mut interval = Interval::default();
    // Two calls for 30 s, then five.
    for second in 1..=59 {
        interval.note_second(at(second), if second < 30 { 2 } else { 5 });
    }
    let told = interval.told(at(59), 5);
    assert_eq!((number(&told, "minmanagedsessions"), number(&told, "maxmanagedsessions")), (0, 5));
    // None in the first second, two in 29 of them, five in the other 29.
    assert_eq!(text(&told, "totalcallsduration"), "203.000000");
    interval.note_second(at(60), 5);
    interval.note_second(at(61), 1);
    let told = interval.told(at(61), 1);
    assert_eq!(text(&told, "totalcallsduration"), "208.000000", "the minute that is over");
    for second in 62..=120 {
        interval.note_second(at(second), 1);
    }
    let told = interval.told(at(125), 9);
    assert_eq!((number(&told, "minmanagedsessions"), number(&told, "maxmanagedsessions")), (1, 5));
    assert_eq!(text(&told, "totalcallsduration"), "64.000000");
}

#[test]
fn delays_and_rates_are_those_of_each_command() {
    let mut interval = Interval::default();
    for (second, requests) in [3, 0, 6, 0].into_iter().enumerate() {
        for _ in 0..requests {
            interval.note_request(OFFER);
        }
        interval.note_second(at(second as u64 + 1), 0);
    }
    for micros in [700, 200, 300] {
        interval.note_delay(OFFER, Duration::from_micros(micros));
    }
    let told = interval.told(at(5), 0);
    let delays = ["min", "max", "avg"].map(|kind| text(&told, &format!("{kind}offerdelay")));
    assert_eq!(delays, ["0.000200", "0.000700", "0.000400"]);
    let rates = ["min", "max", "avg"].map(|kind| text(&told, &format!("{kind}offerrequestrate")));
    // 9 in 4 seconds.
    assert_eq!(rates, ["0", "6", "2"]);
    interval.note_delay(PING, Duration::from_millis(1));
    let told = interval.told(at(5), 0);
    assert_eq!(text(&told, "avgpingdelay"), "0.001000");
    assert_eq!(text(&told, "avgstart recordingdelay"), "0.000000");
    assert_eq!(text(&told, "maxunblock DTMFrequestrate"), "0");
}
