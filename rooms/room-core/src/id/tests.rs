use super::*;

/// SplitMix64.
fn generator(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[test]
fn numbers_have_their_digits_and_nothing_else() {
    for good in ["1000000000", "9999999999", "1234567890"] {
        assert_eq!(AttendeeNumber::parse(good).unwrap().to_string(), good);
    }
    for bad in
        ["", "0123456789", "123456789", "12345678901", "12345 7890", "+123456789", "１234567"]
    {
        let why = AttendeeNumber::parse(bad).unwrap_err().to_string();
        assert!(why.contains("10 digits"), "{why}");
    }
    assert!(ModeratorNumber::parse("1234567890123").is_ok());
    assert!(ModeratorNumber::parse("1234567890").is_err());
    let shown = format!("{:?}", ModeratorNumber::parse("1234567890123").unwrap());
    assert_eq!(shown, "123…");
}

#[test]
fn passcodes_are_shown_to_nobody() {
    let passcode = Passcode::parse("0042").unwrap();
    assert!(passcode.matches("0042"));
    assert!(!passcode.matches("42") && !passcode.matches("0043") && !passcode.matches(""));
    assert!(!format!("{passcode:?}").contains("0042"));
    for bad in ["", "123", "12345678901", "12a4"] {
        let why = Passcode::parse(bad).unwrap_err().to_string();
        assert!(why.contains("4 to 10") && (bad.is_empty() || !why.contains(bad)), "{why}");
    }
}

#[test]
fn no_two_meetings_share_a_number_or_its_beginning() {
    let number = |text| AttendeeNumber::parse(text).unwrap();
    let moderator = |text| ModeratorNumber::parse(text).unwrap();
    let mut numbers = Numbers::default();
    assert!(numbers.insert(number("1234567890"), moderator("5555555555001")));
    // The attendee's, the moderator's; a moderator's that begins like an attendee's, its own, and
    // an attendee's that a moderator's begins with.
    assert!(!numbers.insert(number("1234567890"), moderator("6666666666001")));
    assert!(!numbers.insert(number("2222222222"), moderator("5555555555001")));
    assert!(!numbers.insert(number("2222222222"), moderator("1234567890999")));
    assert!(!numbers.insert(number("2222222222"), moderator("2222222222000")));
    assert!(!numbers.insert(number("5555555555"), moderator("6666666666001")));
    assert_eq!(numbers.len(), 1);
    assert!(numbers.insert(number("2222222222"), moderator("6666666666001")));
    numbers.remove(number("1234567890"), moderator("5555555555001"));
    assert!(numbers.insert(number("5555555555"), moderator("1234567890999")));
}

#[test]
fn drawn_numbers_are_spread_evenly_and_none_follows_from_another() {
    let mut numbers = Numbers::default();
    let mut draw = generator(7);
    let mut first_digits = [0_u32; 10];
    let mut last = 0_u64;
    let mut near = 0;
    for _ in 0..18_000 {
        let (attendee, moderator) = numbers.draw(&mut draw).unwrap();
        assert_eq!(moderator.to_string().len(), 13);
        let text = attendee.to_string();
        assert_eq!(text.len(), 10);
        first_digits[usize::from(text.as_bytes()[0] - b'0')] += 1;
        near += u32::from(attendee.0.abs_diff(last) < 1_000_000);
        last = attendee.0;
    }
    assert_eq!(numbers.len(), 18_000);
    assert_eq!(first_digits[0], 0);
    // 2,000 each; five standard deviations are 211.
    assert!(first_digits[1..].iter().all(|n| n.abs_diff(2_000) < 211), "{first_digits:?}");
    // One in 4,500 is as near by chance.
    assert!(near < 30, "{near}");
}

#[test]
fn a_source_without_chance_gives_no_number_twice() {
    let mut numbers = Numbers::default();
    let mut stuck = || 42_u64;
    // Both would begin with the same digits, or the second be the same as the first.
    let drawn: Vec<_> = (0..3).filter_map(|_| numbers.draw(&mut stuck)).collect();
    assert!(drawn.len() <= 1, "{drawn:?}");
    let mut top = || u64::MAX;
    assert!(numbers.draw(&mut top).is_none());
}

#[test]
fn uuids_are_read_and_written() {
    let mut draw = generator(1);
    let id = MeetingId::draw(&mut draw);
    assert_eq!(MeetingId::parse(&id.to_string().to_uppercase()).unwrap(), id);
    assert!(MeetingId::parse("x").unwrap_err().to_string().contains("meeting id"));
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(json, format!("\"{id}\""));
    assert_eq!(serde_json::from_str::<MeetingId>(&json).unwrap(), id);
}
