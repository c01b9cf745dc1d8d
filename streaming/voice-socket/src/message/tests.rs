use super::*;
use crate::test_calls::{listener, opening};
use proptest::prelude::*;

#[test]
fn the_first_message_says_who_speaks_and_how() {
    let to = WebSocketListener { speaks_to: [true, false], ..listener("ws://bot/") };
    let opening = opening(8_000);
    let text = Told::Start(Start::new(&opening, &to, 2)).to_json();
    let found: Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({
        "type": "start",
        "version": 1,
        "transaction_id": opening.call.transaction_id.to_string(),
        "voice_connector_id": "abcdef1ghij2klmno3pqr4",
        "call_id": "a84b4c76e66710@pbx.example.com",
        "direction": "outbound",
        "from": "+12065550100",
        "to": "+12065550199",
        "encoding": "L16",
        "sample_rate": 8_000,
        "channels": 2,
        "message_ms": 20,
        "parties": [
            { "channel": 0, "role": "caller", "label": null },
            { "channel": 1, "role": "callee", "label": "2" },
        ],
        "speaks_to": ["caller"],
        "began_ms": 1_700_000_000_000_u64,
        "reconnects": 2,
        "headers": { "x-campaign": "spring" },
        "siprec_metadata": null,
    });
    assert_eq!(found, expected);
}

#[test]
fn what_is_mixed_is_one_channel() {
    let to = WebSocketListener { layout: ChannelLayout::Mixed, ..listener("ws://bot/") };
    let opening = opening(16_000);
    let text = Told::Start(Start::new(&opening, &to, 0)).to_json();
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&found["channels"], &found["sample_rate"]), (&1.into(), &16_000.into()));
    assert_eq!(found["parties"][1]["channel"], 0);
}

#[test]
fn what_follows_is_as_short() {
    let headers = vec![("x-agent".into(), "7".into())];
    let news = ListenedUpdate { headers, siprec_metadata: None };
    let expected = r#"{"type":"update","headers":{"x-agent":"7"},"siprec_metadata":null}"#;
    assert_eq!(update(&news), expected);
    let stop = Told::Stop { reason: StopReason::CallEnded }.to_json();
    assert_eq!(stop, r#"{"type":"stop","reason":"call_ended"}"#);
    let mark = Told::Mark { name: "a \"b\"", played: true }.to_json();
    assert_eq!(mark, r#"{"type":"mark","name":"a \"b\"","played":true}"#);
}

#[test]
fn commands_are_read_and_what_is_none_is_explained() {
    let mark = |name: &str| Ok(Command::Mark(name.into()));
    let long = "x".repeat(LONGEST_MARK + 1);
    for (text, expected) in [
        (r#"{"type":"clear"}"#.to_owned(), Ok(Command::Clear)),
        (r#"{ "type":"mark", "name":"one", "more":[1] }"#.to_owned(), mark("one")),
        (r#"{"type":"mark"}"#.to_owned(), Err(CommandError::Name)),
        (r#"{"type":"mark","name":""}"#.to_owned(), Err(CommandError::Name)),
        (r#"{"type":"mark","name":7}"#.to_owned(), Err(CommandError::Name)),
        (format!(r#"{{"type":"mark","name":"{long}"}}"#), Err(CommandError::Name)),
        (r#"{"type":"hangup"}"#.to_owned(), Err(CommandError::Unknown("hangup".into()))),
        (r#"{"type":5}"#.to_owned(), Err(CommandError::Malformed)),
        ("[]".to_owned(), Err(CommandError::Malformed)),
        (String::new(), Err(CommandError::Malformed)),
        ("[".repeat(100_000), Err(CommandError::Malformed)),
    ] {
        let found = Command::parse(&text);
        assert_eq!(found, expected, "{text}");
        if let Err(error) = found {
            assert!(error.to_string().len() < 120, "{error}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in ".{0,200}", kind in ".{0,80}") {
        let _ = Command::parse(&text);
        let text = serde_json::json!({ "type": kind, "name": text }).to_string();
        match Command::parse(&text) {
            Err(error) => prop_assert!(error.to_string().len() < 700),
            Ok(command) => prop_assert!(kind == "clear" || matches!(command, Command::Mark(_))),
        }
    }
}
