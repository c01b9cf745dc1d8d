use super::*;
use proptest::prelude::*;

fn text(text: &str) -> Value {
    Value::from(text)
}

fn dictionary(entries: &[(&str, Value)]) -> Value {
    let mut dictionary = Dictionary::new();
    for (name, value) in entries {
        dictionary.set(name, value.clone());
    }
    Value::Dictionary(dictionary)
}

fn written(value: &Value) -> String {
    let mut out = Vec::new();
    write(value, &mut out);
    String::from_utf8(out).unwrap()
}

/// The examples of BEP 3 and of rtpengine's description of the protocol.
#[test]
fn reads_and_writes_the_published_examples() {
    for (bytes, value) in [
        ("4:spam", text("spam")),
        ("0:", text("")),
        ("i3e", Value::Integer(3)),
        ("i-3e", Value::Integer(-3)),
        ("i0e", Value::Integer(0)),
        ("l4:spam4:eggse", Value::List(vec![text("spam"), text("eggs")])),
        ("d3:cow3:moo4:spam4:eggse", dictionary(&[("cow", text("moo")), ("spam", text("eggs"))])),
        ("d4:spaml1:a1:bee", dictionary(&[("spam", Value::List(vec![text("a"), text("b")]))])),
        ("le", Value::List(Vec::new())),
        ("de", dictionary(&[])),
        ("d7:command4:pinge", dictionary(&[("command", text("ping"))])),
        ("d6:result4:ponge", dictionary(&[("result", text("pong"))])),
        ("i9223372036854775807e", Value::Integer(i64::MAX)),
        ("i-9223372036854775808e", Value::Integer(i64::MIN)),
    ] {
        assert_eq!(parse(bytes.as_bytes()), Ok(value.clone()), "{bytes}");
        assert_eq!(written(&value), bytes);
    }
}

#[test]
fn refuses_what_is_not_bencode() {
    for bytes in [
        "",
        "i",
        "ie",
        "i-0e",
        "i03e",
        "i+3e",
        "i3",
        "i9223372036854775808e",
        "3:ab",
        "03:abc",
        "-1:a",
        "l",
        "d",
        "d1:ae",
        "di1e1:ae",
        "4:spamx",
        "e",
        "x",
        "99999999999999999999:a",
        "1",
        "9223372036854775807:a",
        "dle1:ae",
    ] {
        assert!(parse(bytes.as_bytes()).is_err(), "{bytes}");
    }
}

#[test]
fn names_may_come_in_any_order_and_the_first_of_two_counts() {
    let value = parse(b"d1:bi2e1:ai1e1:bi3ee").unwrap();
    assert_eq!(value, dictionary(&[("a", Value::Integer(1)), ("b", Value::Integer(2))]));
}

#[test]
fn depth_and_number_of_values_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "l".repeat(depth), "e".repeat(depth));
    assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
    let fault = parse(nested(MAX_DEPTH + 1).as_bytes()).unwrap_err();
    assert_eq!((fault.offset, fault.reason), (MAX_DEPTH, "it is nested too deeply"));
    assert!(parse("l".repeat(1_000_000).as_bytes()).is_err());
    let many = |values: usize| format!("l{}e", "0:".repeat(values));
    assert!(parse(many(MAX_VALUES - 1).as_bytes()).is_ok());
    assert!(parse(many(MAX_VALUES).as_bytes()).is_err());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::Integer),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        let name = prop::collection::vec(any::<u8>(), 0..12);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
            prop::collection::vec((name, inner), 0..8).prop_map(|entries| {
                let mut dictionary = Dictionary::new();
                for (name, value) in entries {
                    dictionary.set(name, value);
                }
                Value::Dictionary(dictionary)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(value in any_value()) {
        let mut out = Vec::new();
        write(&value, &mut out);
        prop_assert_eq!(parse(&out), Ok(value));
    }

    #[test]
    fn any_octets_are_a_value_or_a_fault_within_them(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(fault) = parse(&bytes) {
            prop_assert!(fault.offset <= bytes.len());
        }
    }

    #[test]
    fn a_cut_message_is_no_message(value in any_value(), at in any::<prop::sample::Index>()) {
        let mut out = Vec::new();
        write(&value, &mut out);
        let cut = at.index(out.len());
        prop_assert!(parse(&out[..cut]).is_err());
    }
}
