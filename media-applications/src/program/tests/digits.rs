//! Keys that are asked for, and keys that are only listened to.

use super::*;

#[test]
fn digits_are_collected_to_their_end() {
    let mut call = Call::with(json!([get_digits(json!({ "InputDigitsRegex": r"^\d{4}$" }))]));
    call.answered();
    call.plays();
    call.press("12");
    assert_eq!(call.ordered().1, ApplicationOrder::StopPlaying { leg: LegSide::A });
    call.pass(999);
    call.press("34");
    call.pass(999);
    call.nothing();
    call.pass(1);
    let body = call.invoked("ACTION_SUCCESSFUL");
    assert_eq!(body["ActionData"]["ReceivedDigits"], "1234");
}

#[test]
fn a_terminator_ends_digits_and_counts_where_the_pattern_wants_it() {
    for (pattern, digits) in [(r"^\d{2}$", "12"), (r"^\d{2}#$", "12#")] {
        let mut call = Call::with(json!([get_digits(json!({ "InputDigitsRegex": pattern }))]));
        call.answered();
        call.plays();
        call.press("12#");
        call.output();
        let body = call.invoked("ACTION_SUCCESSFUL");
        assert_eq!(body["ActionData"]["ReceivedDigits"], digits);
    }
}

#[test]
fn as_many_digits_as_are_wanted_end_them() {
    let extra = json!({ "MinNumberOfDigits": 2, "MaxNumberOfDigits": 3 });
    let mut call = Call::with(json!([get_digits(extra)]));
    call.answered();
    call.plays();
    call.press("123");
    call.output();
    let body = call.invoked("ACTION_SUCCESSFUL");
    assert_eq!(body["ActionData"]["ReceivedDigits"], "123");
}

#[test]
fn wrong_digits_are_asked_again_and_then_fail() {
    let extra = json!({ "InputDigitsRegex": r"^9$", "Repeat": 2 });
    let mut call = Call::with(json!([get_digits(extra), play()]));
    call.answered();
    let prompt = call.plays();
    call.played(prompt);
    // Nobody presses anything.
    call.pass(2_999);
    call.nothing();
    call.pass(1);
    let failure = call.plays();
    call.press("9");
    call.played(failure);
    call.plays();
    call.press("8#");
    assert_eq!(call.ordered().1, ApplicationOrder::StopPlaying { leg: LegSide::A });
    let failure = call.plays();
    call.played(failure);
    let body = call.invoked("ACTION_FAILED");
    assert_eq!(body["ActionData"]["ErrorType"], "InvalidDigitsReceived");
    assert_eq!(body["ActionData"]["ErrorMessage"], "no valid digits in 2 attempts");
    assert_eq!(body["ActionData"]["ReceivedDigits"], "8");
    // What came after the failed action is not done, also when the answer has no list.
    call.respond(json!({ "SchemaVersion": "1.0" }));
    call.nothing();
}

#[test]
fn digits_are_received_beside_other_actions() {
    let receive = json!({ "Type": "ReceiveDigits", "Parameters": { "InputDigitsRegex": r"^\d{2}#$",
        "InBetweenDigitsDurationInMilliseconds": 1000, "FlushDigitsDurationInMilliseconds": 5000 } });
    let mut call = Call::with(json!([receive, play()]));
    call.answered();
    let order = call.plays();
    call.press("1");
    call.pass(1_000);
    call.nothing();
    call.press("2#");
    call.pass(1_000);
    let body = call.invoked("DIGITS_RECEIVED");
    assert_eq!(body["ActionData"]["ReceivedDigits"], "12#");
    assert_eq!(body["ActionData"]["Type"], "ReceiveDigits");
    // The answer's actions wait for the one that runs.
    call.answer(json!([{ "Type": "Pause", "Parameters": { "DurationInMilliseconds": "10" } }]));
    call.nothing();
    // What does not fit is forgotten in time.
    call.press("7");
    call.pass(5_000);
    call.nothing();
    call.press("34#");
    call.played(order);
    call.pass(1_000);
    call.invoked("ACTION_SUCCESSFUL");
    call.answer(json!([]));
    let body = call.invoked("DIGITS_RECEIVED");
    assert_eq!(body["ActionData"]["ReceivedDigits"], "34#");
}
