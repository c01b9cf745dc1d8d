use super::*;
use proptest::prelude::*;

fn read(pieces: &[&[u8]]) -> Vec<Result<Acknowledgement, Malformed>> {
    let (mut reader, mut out) = (AckReader::default(), Vec::new());
    for piece in pieces {
        reader.read(piece, |found| out.push(found));
    }
    out
}

fn events(text: &str) -> Vec<Result<AckEvent, Malformed>> {
    read(&[text.as_bytes()]).into_iter().map(|found| found.map(|ack| ack.event)).collect()
}

const PERSISTED: &str = r#"{"EventType":"PERSISTED","FragmentTimecode":1767323045678,"FragmentNumber":"91343852333181432392682062607743920146159169392"}"#;

#[test]
fn an_acknowledgement_is_read_in_each_of_its_forms() {
    let [Ok(ack)] = &read(&[PERSISTED.as_bytes()])[..] else { panic!() };
    assert_eq!(ack.event, AckEvent::Persisted);
    assert_eq!(ack.timecode, Some(1_767_323_045_678));
    let number = ack.number.as_ref().unwrap().as_str();
    assert_eq!(number, "91343852333181432392682062607743920146159169392");
    for (text, expected) in [
        (r#"{"AckEventType":"RECEIVED","FragmentTimecode":"12"}"#, AckEvent::Received),
        (r#"{"Acknowledgement":{"EventType":"IDLE"}}"#, AckEvent::Idle),
        (
            r#"{"EventType":"BUFFERING","FragmentTimecode":0,"FragmentNumber":7}"#,
            AckEvent::Buffering,
        ),
        (
            r#"{"EventType":"ERROR","ErrorId":4006,"ErrorCode":"INVALID_MKV_DATA"}"#,
            AckEvent::Error(4006),
        ),
        (r#"{"EventType":"ERROR","ErrorId":"5000","FragmentTimecode":3}"#, AckEvent::Error(5000)),
    ] {
        assert_eq!(events(text), [Ok(expected)], "{text}");
    }
}

#[test]
fn what_is_malformed_costs_nothing_but_itself() {
    let rest = format!("\r\n{PERSISTED}\n");
    for (text, fault) in [
        ("garbage", Malformed::Json),
        ("]]", Malformed::Json),
        (r#"{"EventType":"IDLE""#, Malformed::Json),
        (r#"{"EventType":"IDLE"#, Malformed::Json),
        (r#"{"EventType":IDLE}"#, Malformed::Json),
        (r#"{"EventType":"IDLE"]"#, Malformed::Json),
        (r#"{"EventType":"SLEEPING"}"#, Malformed::Event),
        (r#"{"EventType":"ERROR"}"#, Malformed::Event),
        (r#"{"EventType":"ERROR","ErrorId":99999}"#, Malformed::Event),
        (r#"{}"#, Malformed::Event),
        (r#"{"EventType":"PERSISTED"}"#, Malformed::Timecode),
        (r#"{"EventType":"PERSISTED","FragmentTimecode":-4}"#, Malformed::Timecode),
    ] {
        let found = events(&format!("{text}{rest}"));
        assert_eq!(found, [Err(fault), Ok(AckEvent::Persisted)], "{text}");
    }
    let long = format!("{{\"a\":\"{}\"}}{rest}", "x".repeat(MAX_BYTES));
    assert_eq!(events(&long), [Err(Malformed::TooLong), Ok(AckEvent::Persisted)]);
}

#[test]
fn strings_may_have_what_ends_objects() {
    let text = r#"{"note":"}{\"]\\","EventType":"IDLE","list":[{"a":{}},[1]]}"#;
    assert_eq!(events(text), [Ok(AckEvent::Idle)]);
}

#[test]
fn words_of_the_service_are_printable_and_short() {
    let text = format!(
        r#"{{"EventType":"ERROR","ErrorId":4006,"ErrorCode":"a\u001b[2J{}"}}"#,
        "ü".repeat(100)
    );
    let [Ok(ack)] = &read(&[text.as_bytes()])[..] else { panic!() };
    assert!(ack.code.len() <= 64 && !ack.code.chars().any(char::is_control), "{}", ack.code);
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        objects in proptest::collection::vec(0_u8..5, 1..20),
        cuts in proptest::collection::vec(any::<u16>(), 0..40),
    ) {
        let text: String = objects.iter().map(|which| match which {
            0 => PERSISTED.to_owned(),
            1 => "{\"EventType\":\"IDLE\"}\r\n".to_owned(),
            2 => "{ \"EventType\" : \"RECEIVED\",\n \"FragmentTimecode\": 4 }".to_owned(),
            3 => " x ".to_owned(),
            _ => "{\"EventType\":\"ERROR\",\"ErrorId\":4003}\n".to_owned(),
        }).collect();
        let whole = read(&[text.as_bytes()]);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| usize::from(*cut) % (text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|ends| &text.as_bytes()[ends[0]..ends[1]]).collect();
        prop_assert_eq!(read(&pieces), whole);
    }

    #[test]
    fn nothing_is_beyond_reading(octets in proptest::collection::vec(any::<u8>(), 0..6_000)) {
        let mut reader = AckReader::default();
        reader.read(&octets, |_| ());
        prop_assert!(reader.object.len() <= MAX_BYTES);
    }

    #[test]
    fn reading_always_finds_its_way_back(octets in proptest::collection::vec(0x20_u8..0x7f, 0..200)) {
        let mut found = Vec::new();
        let mut reader = AckReader::default();
        reader.read(&octets, |_| ());
        // Two lines of good acknowledgements: the first may end what was open.
        reader.read(format!("\n{PERSISTED}\n{PERSISTED}\n").as_bytes(), |ack| found.push(ack));
        prop_assert!(found.iter().any(Result::is_ok), "{:?}", found);
    }
}
