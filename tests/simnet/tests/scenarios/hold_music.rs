//! Who is put on hold hears music, and who is transferred hears the target ring.

use crate::transfer::{expect_notify, join, part, referred, released};
use b2bua::HoldMusicWhen;
use directory::Resources;
use model::{AudioSource, LegSide, OtherMedia, Playing, Ringback};
use simnet::{CARRIER_2, Ua, World, config, directory, sdp};
use sip_proto::Message;

const CUSTOMERS: &str = "customer.wav";
const CARRIERS: &str = "carrier.wav";

/// Both sides have music.
fn musical() -> Resources {
    let mut resources = directory();
    for connector in &mut resources.voice_connectors {
        connector.hold_music = Some(CUSTOMERS.into());
    }
    for carrier in &mut resources.carriers {
        carrier.hold_music = Some(CARRIERS.into());
    }
    resources
}

/// What leg A and leg B of the only stream hear of ours.
fn playing(w: &World) -> [Option<Playing>; 2] {
    let of = |leg| {
        let found = w.relay.playing.iter().find(|((_, to), _)| *to == leg);
        found.map(|(_, playing)| playing.clone())
    };
    LegSide::BOTH.map(of)
}

fn music(file: &str, with: OtherMedia) -> Option<Playing> {
    Some(Playing { source: AudioSource::File(file.into()), start: 0, rounds: None, with })
}

fn direction(message: &Message) -> String {
    let body = String::from_utf8_lossy(message.body_bytes()).into_owned();
    let found = body
        .lines()
        .rfind(|line| ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"].contains(line));
    found.unwrap_or("none").to_owned()
}

/// A re-INVITE that the other side answers as it should; what each of them sees.
fn renegotiate(w: &mut World, asker: &mut Ua, other: &mut Ua, offer: &str) -> [String; 2] {
    asker.invite(w, Some(offer));
    let seen = direction(&other.expect(w, "INVITE"));
    let answer = match &*seen {
        "a=sendonly" => "recvonly",
        "a=recvonly" => "sendonly",
        "a=inactive" => "inactive",
        _ => "sendrecv",
    };
    let body = other.sdp_with(41_000, 9, answer);
    let answered = direction(&other.answer(w, asker, &body));
    [seen, answered]
}

#[test]
fn every_way_to_hold_has_the_other_side_hear_the_holders_music() {
    for from_carrier in [false, true] {
        for way in ["sendonly", "inactive", "0.0.0.0"] {
            let mut w = World::with(config(), musical());
            let (mut pbx, mut pstn) = Ua::establish(&mut w);
            assert_eq!(playing(&w), [None, None]);
            let (asker, other) =
                if from_carrier { (&mut pstn, &mut pbx) } else { (&mut pbx, &mut pstn) };
            let hold = match way {
                "0.0.0.0" => {
                    let text = sdp(asker.at, 31_000, 2, "sendrecv");
                    let own = format!("c=IN IP4 {}", asker.at.ip());
                    assert!(text.contains(&own));
                    text.replace(&own, "c=IN IP4 0.0.0.0")
                }
                way => sdp(asker.at, 31_000, 2, way),
            };
            let seen = renegotiate(&mut w, asker, other, &hold);
            // The held side must be one that listens, whatever the holder said.
            let answered = if way == "inactive" { "a=inactive" } else { "a=recvonly" };
            assert_eq!(seen, ["a=sendonly", answered], "{way}");
            let held = if from_carrier { LegSide::A } else { LegSide::B };
            let file = if from_carrier { CARRIERS } else { CUSTOMERS };
            let mut expected = [None, None];
            expected[held.index()] = music(file, OtherMedia::Wins);
            assert_eq!(playing(&w), expected, "{way}");
            assert!(w.plan().legs[held.index()].sends_to);
            assert!(!w.plan().legs[held.index()].accepts_from);

            let resume = sdp(asker.at, 31_000, 3, "sendrecv");
            let seen = renegotiate(&mut w, asker, other, &resume);
            assert_eq!(seen, ["a=sendrecv"; 2], "{way}");
            assert_eq!(playing(&w), [None, None], "{way}");
            pbx.hang_up(&mut w, &mut pstn);
            w.finish();
        }
    }
}

#[test]
fn without_music_nothing_is_played_and_directions_pass() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let hold = sdp(pbx.at, 31_000, 2, "inactive");
    let seen = renegotiate(&mut w, &mut pbx, &mut pstn, &hold);
    assert_eq!(seen, ["a=inactive"; 2]);
    assert_eq!(playing(&w), [None, None]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_call_that_ends_on_hold_leaves_nothing_behind() {
    let mut w = World::with(config(), musical());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let hold = sdp(pbx.at, 31_000, 2, "sendonly");
    renegotiate(&mut w, &mut pbx, &mut pstn, &hold);
    assert!(playing(&w)[1].is_some());
    pbx.hang_up(&mut w, &mut pstn);
    assert!(w.relay.playing.is_empty());
    w.finish();
}

#[test]
fn who_holds_back_hears_nothing_and_neither_does_the_first() {
    let mut w = World::with(config(), musical());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let hold = sdp(pbx.at, 31_000, 2, "sendonly");
    renegotiate(&mut w, &mut pbx, &mut pstn, &hold);
    // The held side holds as well.
    let hold = sdp(pstn.at, 41_000, 10, "inactive");
    pstn.invite(&mut w, Some(&hold));
    assert_eq!(direction(&pbx.expect(&mut w, "INVITE")), "a=sendonly", "there is music for it");
    let answer = pbx.sdp_with(31_000, 3, "inactive");
    assert_eq!(direction(&pbx.answer(&mut w, &mut pstn, &answer)), "a=inactive");
    assert_eq!(playing(&w), [None, None]);
    // It resumes, and is held still.
    let resume = sdp(pstn.at, 41_000, 11, "sendrecv");
    pstn.invite(&mut w, Some(&resume));
    pbx.expect(&mut w, "INVITE");
    let answer = pbx.sdp_with(31_000, 4, "inactive");
    assert_eq!(direction(&pbx.answer(&mut w, &mut pstn, &answer)), "a=sendonly", "music comes");
    assert_eq!(playing(&w), [None, music(CUSTOMERS, OtherMedia::Wins)]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn music_may_be_heard_whatever_the_holder_sends() {
    let mut settings = config();
    settings.hold_music_when = HoldMusicWhen::Always;
    let mut w = World::with(settings, musical());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let hold = sdp(pbx.at, 31_000, 2, "sendonly");
    renegotiate(&mut w, &mut pbx, &mut pstn, &hold);
    assert_eq!(playing(&w), [None, music(CUSTOMERS, OtherMedia::Yields)]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_refused_hold_plays_nothing_and_an_unchanged_one_goes_on() {
    let mut w = World::with(config(), musical());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let hold = sdp(pbx.at, 31_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&hold));
    pstn.expect(&mut w, "INVITE");
    pstn.reply(&mut w, 488, None);
    pstn.expect(&mut w, "ACK");
    pbx.expect(&mut w, "488");
    pbx.ack(&mut w, None);
    assert_eq!(playing(&w), [None, None]);
    let hold = sdp(pbx.at, 31_000, 3, "sendonly");
    renegotiate(&mut w, &mut pbx, &mut pstn, &hold);
    let expected = [None, music(CUSTOMERS, OtherMedia::Wins)];
    assert_eq!(playing(&w), expected);
    // The same again is a refresh.
    pbx.invite(&mut w, Some(&hold));
    assert_eq!(direction(&pbx.expect(&mut w, "200")), "a=recvonly");
    pbx.ack(&mut w, None);
    assert_eq!(playing(&w), expected);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_call_that_begins_on_hold_is_none() {
    let mut w = World::with(config(), musical());
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| sdp(ua.at, 30_000, 1, "inactive"));
    assert_eq!(direction(pstn.invited.as_ref().unwrap()), "a=inactive");
    let answer = pstn.sdp_with(40_000, 1, "inactive");
    pstn.answer(&mut w, &mut pbx, &answer);
    assert_eq!(playing(&w), [None, None]);
    // A third party joins both: from now on there is something to hold.
    let offer = sdp(pbx.at, 30_000, 2, "sendrecv");
    renegotiate(&mut w, &mut pbx, &mut pstn, &offer);
    assert_eq!(playing(&w), [None, None]);
    let hold = sdp(pbx.at, 30_000, 3, "inactive");
    renegotiate(&mut w, &mut pbx, &mut pstn, &hold);
    assert_eq!(playing(&w), [None, music(CUSTOMERS, OtherMedia::Wins)]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

fn ringback() -> Option<Playing> {
    let source = AudioSource::Ringback(Ringback::NorthAmerica);
    Some(Playing { source, start: 0, rounds: None, with: OtherMedia::Yields })
}

#[test]
fn a_transferred_party_hears_the_target_ring_until_it_answers() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    assert_eq!(playing(&w), [None, None]);
    target.reply(&mut w, 180, None);
    assert_eq!(playing(&w), [None, ringback()]);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 180 Ringing");
    join(&mut w, &mut target, &mut pstn);
    assert!(w.relay.playing.is_empty(), "{:?}", w.relay.playing);
    released(&mut w, &mut pbx);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn a_transferor_that_leaves_early_leaves_the_ringback() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    target.reply(&mut w, 180, None);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 180 Ringing");
    pbx.request(&mut w, "BYE", &[], None);
    pbx.expect(&mut w, "200");
    assert_eq!(playing(&w), [None, ringback()]);
    join(&mut w, &mut target, &mut pstn);
    assert!(w.relay.playing.is_empty());
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn a_target_that_fails_gives_the_party_back_in_silence() {
    let (mut w, mut pbx, mut pstn, mut target) = referred();
    target.reply(&mut w, 183, None);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 183 Session Progress");
    assert_eq!(playing(&w), [None, ringback()]);
    target.reply(&mut w, 486, None);
    target.expect(&mut w, "ACK");
    expect_notify(&mut w, &mut pbx, "SIP/2.0 486 Busy Here");
    assert_eq!(playing(&w), [None, None]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_held_party_that_is_transferred_hears_ringback_and_then_its_music_again() {
    let mut w = World::with(config(), musical());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let hold = sdp(pbx.at, 31_000, 2, "inactive");
    renegotiate(&mut w, &mut pbx, &mut pstn, &hold);
    let mut target = crate::transfer::refer(&mut w, &mut pbx);
    assert_eq!(playing(&w), [None, music(CUSTOMERS, OtherMedia::Wins)]);
    target.reply(&mut w, 180, None);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 180 Ringing");
    assert_eq!(playing(&w), [None, ringback()]);
    // Another route is tried: it goes on.
    target.reply(&mut w, 503, None);
    target.expect(&mut w, "ACK");
    let mut target = w.callee(CARRIER_2);
    assert_eq!(playing(&w), [None, ringback()]);
    target.reply(&mut w, 486, None);
    target.expect(&mut w, "ACK");
    expect_notify(&mut w, &mut pbx, "SIP/2.0 486 Busy Here");
    assert_eq!(playing(&w), [None, music(CUSTOMERS, OtherMedia::Wins)]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn ringback_can_be_switched_off() {
    let mut settings = config();
    settings.ringback = None;
    let mut w = World::with(settings, directory());
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let mut target = crate::transfer::refer(&mut w, &mut pbx);
    target.reply(&mut w, 180, None);
    expect_notify(&mut w, &mut pbx, "SIP/2.0 180 Ringing");
    assert_eq!(playing(&w), [None, None]);
    join(&mut w, &mut target, &mut pstn);
    released(&mut w, &mut pbx);
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}
