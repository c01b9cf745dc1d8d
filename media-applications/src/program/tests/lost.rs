//! Ends that nobody tells of.

use super::*;

/// A WAV file of so many seconds.
fn wav(seconds: usize) -> AudioSource {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0".to_vec();
    file.extend(*b"\x01\0\x08\0data");
    file.extend((seconds as u32 * 8_000).to_le_bytes());
    file.resize(file.len() + seconds * 8_000, 0xff);
    AudioSource::Octets(file.into())
}

/// The action that runs fails at this time and not before, and the call goes on.
fn is_lost_after(call: &mut Call, millis: u64) {
    call.pass(millis - 1);
    call.nothing();
    call.pass(1);
}

fn failed(call: &mut Call, what: &str) {
    let data = &call.invoked("ACTION_FAILED")["ActionData"];
    assert_eq!(data["ErrorType"], "SystemException");
    let expected = format!("the end of what was {what} was lost in this node; the call goes on");
    assert_eq!(data["ErrorMessage"], expected);
    call.answer(json!([{ "Type": "Hangup" }]));
    assert!(matches!(call.ordered().1, ApplicationOrder::HangUp { .. }));
}

#[test]
fn what_is_played_ends_by_its_length_and_a_margin() {
    let mut thrice = play();
    thrice["Parameters"]["Repeat"] = 3.into();
    let mut call = Call::with(json!([thrice, play()]));
    call.answered();
    let Output::Fetch(number, _) = call.output() else { panic!("nothing is fetched") };
    call.program.handle_sound(call.now, number, Ok(wav(4)));
    let (order, _) = call.ordered();
    is_lost_after(&mut call, 12_000 + 30_000);
    assert_eq!(call.ordered().1, ApplicationOrder::StopPlaying { leg: LegSide::A });
    failed(&mut call, "played");
    // The end comes after all.
    call.played(order);
    call.nothing();
}

#[test]
fn a_prompt_is_lost_as_well_and_a_key_before_it_saves_it() {
    let mut call = Call::with(json!([get_digits(json!({}))]));
    call.answered();
    let Output::Fetch(number, _) = call.output() else { panic!("nothing is fetched") };
    call.program.handle_sound(call.now, number, Ok(wav(2)));
    call.ordered();
    is_lost_after(&mut call, 32_000);
    assert_eq!(call.ordered().1, ApplicationOrder::StopPlaying { leg: LegSide::A });
    failed(&mut call, "played");
    let mut call = Call::with(json!([get_digits(json!({}))]));
    call.answered();
    call.plays();
    call.press("1#");
    assert_eq!(call.ordered().1, ApplicationOrder::StopPlaying { leg: LegSide::A });
    call.invoked("ACTION_SUCCESSFUL");
}

#[test]
fn keys_that_are_sent_end_by_their_lengths_and_a_margin() {
    let send = json!({ "Type": "SendDigits", "Parameters": {
        "Digits": "12,3", "ToneDurationInMilliseconds": 100 } });
    let mut call = Call::with(json!([send]));
    call.answered();
    let (order, _) = call.ordered();
    call.news(ApplicationNews::KeysSent { order });
    call.pass(500);
    call.ordered();
    is_lost_after(&mut call, 200 + 30_000);
    failed(&mut call, "sent");
}
