//! Both parties of a recorded call hear that it is, and which carriers' calls are.

use crate::transfer::{join, part, refer, released};
use b2bua::EdgeConfig;
use directory::{Consent, Resources, Streaming};
use model::{
    AudioSource, CarrierId, LegSide, ListenFailure, OtherMedia, Playing, RecordingFormat,
    RecordingListener, UnixTime, WarningTone,
};
use simnet::{CARRIER, CARRIER_2, PBX, Ua, World, config, directory, sdp};
use std::time::Duration;

const FILE: &str = "recorded.wav";
const TONE: WarningTone = WarningTone {
    every: Duration::from_secs(12),
    length: Duration::from_millis(250),
    frequency: 1_260,
    level: -18,
};
const ON: [(&str, &str); 1] = [("X-Tandem-Streaming", "on")];
const OFF: [(&str, &str); 1] = [("X-Tandem-Streaming", "off")];

fn streaming(change: impl Fn(&mut Streaming)) -> Resources {
    let mut resources = directory();
    for connector in &mut resources.voice_connectors {
        let of = &mut connector.streaming;
        (of.enabled, of.by_header) = (true, true);
        of.recording = Some(RecordingListener { format: RecordingFormat::Wav });
        let announcement = Some(FILE.into());
        of.consent = Some(Consent { tone: Some(TONE), announcement, of_streams: false });
        change(of);
    }
    resources
}

fn world(change: impl Fn(&mut Streaming)) -> World {
    World::with(config(), streaming(change))
}

/// The tone of the only stream that is listened to; `None` of none.
fn tone(w: &World) -> Option<Option<WarningTone>> {
    assert!(w.relay.listened.len() <= 1);
    w.relay.listened.values().next().map(|listening| listening.tone)
}

/// What leg A and leg B hear of ours.
fn playing(w: &World) -> [Option<Playing>; 2] {
    LegSide::BOTH.map(|leg| {
        let found = w.relay.playing.iter().find(|((_, to), _)| *to == leg);
        found.map(|(_, playing)| playing.clone())
    })
}

fn announcement() -> Option<Playing> {
    let source = AudioSource::File(FILE.into());
    Some(Playing { source, start: 0, rounds: Some(1), with: OtherMedia::Yields })
}

fn switch(w: &mut World, pbx: &mut Ua, header: &[(&str, &str)]) {
    pbx.request(w, "INFO", header, None);
    pbx.expect(w, "200");
}

#[test]
fn a_recorded_call_has_its_tone_and_both_hear_the_announcement_once() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!(tone(&w), Some(Some(TONE)));
    assert_eq!(playing(&w), [announcement(), announcement()]);
    w.play_to_end(LegSide::A);
    assert_eq!(playing(&w), [None, announcement()], "leg B's has not ended");
    w.play_to_end(LegSide::B);
    assert_eq!(playing(&w), [None, None]);
    // A new plan does not begin it anew.
    let hold = sdp(pbx.at, 31_000, 2, "sendonly");
    pbx.invite(&mut w, Some(&hold));
    pstn.expect(&mut w, "INVITE");
    let answer = pstn.sdp_with(41_000, 2, "recvonly");
    pstn.answer(&mut w, &mut pbx, &answer);
    assert_eq!((playing(&w), tone(&w)), ([None, None], Some(Some(TONE))));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn what_is_switched_off_is_heard_no_more_and_on_again_from_the_beginning() {
    let mut w = world(|of| of.enabled = false);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!((tone(&w), playing(&w)), (None, [None, None]), "it is not recorded");
    switch(&mut w, &mut pbx, &ON);
    assert_eq!((tone(&w), playing(&w)), (Some(Some(TONE)), [announcement(), announcement()]));
    w.play_to_end(LegSide::A);
    switch(&mut w, &mut pbx, &OFF);
    assert_eq!((tone(&w), playing(&w)), (None, [None, None]), "in the middle of it");
    switch(&mut w, &mut pbx, &ON);
    assert_eq!((tone(&w), playing(&w)), (Some(Some(TONE)), [announcement(), announcement()]));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn nobody_hears_it_of_a_call_that_is_streamed_and_not_recorded_unless_told_so() {
    for of_streams in [false, true] {
        let mut w = world(|of| {
            of.recording = None;
            of.consent.as_mut().unwrap().of_streams = of_streams;
        });
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        assert_eq!(tone(&w), Some(of_streams.then_some(TONE)));
        assert_eq!(playing(&w)[0].is_some(), of_streams);
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn nothing_is_announced_before_the_relay_has_room() {
    let mut w = world(|_| {});
    w.relay.cannot_listen = Some(ListenFailure::TooMany);
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    assert_eq!((tone(&w), playing(&w)), (None, [None, None]));
    w.relay.cannot_listen = None;
    w.advance(Duration::from_secs(11));
    assert_eq!((tone(&w), playing(&w)), (Some(Some(TONE)), [announcement(), announcement()]));
    assert!(w.relay.listened.values().all(|listening| listening.is_retry));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn after_a_transfer_the_new_party_hears_it() {
    let mut w = world(|_| {});
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    LegSide::BOTH.iter().for_each(|leg| w.play_to_end(*leg));
    let mut target = refer(&mut w, &mut pbx);
    join(&mut w, &mut target, &mut pstn);
    released(&mut w, &mut pbx);
    assert_eq!(tone(&w), Some(Some(TONE)));
    let heard = playing(&w);
    assert_eq!(heard.iter().flatten().count(), 1, "{heard:?}");
    assert_eq!(heard.into_iter().flatten().next(), announcement());
    part(&mut w, &mut pstn, &mut target);
    w.finish();
}

#[test]
fn a_restart_of_the_edge_does_not_announce_it_again() {
    let origin = UnixTime::from_millis(1_893_456_000_000);
    let keeping = || EdgeConfig { keep_calls: true, origin, ..config() };
    let mut w = World::with(keeping(), streaming(|_| {}));
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    LegSide::BOTH.iter().for_each(|leg| w.play_to_end(*leg));
    w.restart(keeping(), streaming(|_| {}));
    assert_eq!((tone(&w), playing(&w)), (Some(Some(TONE)), [None, None]));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

fn only_by(of: &mut Streaming, carrier: &str) {
    of.carriers = [CarrierId::new(carrier).unwrap()].into();
}

#[test]
fn the_carrier_that_answers_decides() {
    for (carrier, is_one) in [("first", false), ("second", true)] {
        let mut w = world(|of| only_by(of, carrier));
        let mut pbx = w.caller(PBX, "+12065550123");
        let offer = pbx.sdp(30_000);
        pbx.invite(&mut w, Some(&offer));
        let mut first = w.callee(CARRIER);
        first.reply(&mut w, 503, None);
        first.expect(&mut w, "ACK");
        let mut second = w.callee(CARRIER_2);
        let answer = second.sdp(40_000);
        second.answer(&mut w, &mut pbx, &answer);
        assert_eq!(tone(&w).is_some(), is_one, "{carrier}");
        pbx.hang_up(&mut w, &mut second);
        w.finish();
    }
}

#[test]
fn the_carrier_that_calls_decides() {
    for (carrier, is_one) in [("first", true), ("second", false)] {
        let mut w = world(|of| only_by(of, carrier));
        let mut pstn = w.caller(CARRIER, "+12065550100");
        let offer = pstn.sdp(40_000);
        pstn.invite(&mut w, Some(&offer));
        let mut pbx = w.callee(PBX);
        let answer = pbx.sdp(30_000);
        pbx.answer(&mut w, &mut pstn, &answer);
        assert_eq!(tone(&w).is_some(), is_one, "{carrier}");
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn the_customers_word_goes_before_the_carrier() {
    for (carrier, header, is_one) in [("first", OFF, false), ("second", ON, true)] {
        let mut w = world(|of| only_by(of, carrier));
        let (mut pbx, mut pstn) = Ua::establish_with(&mut w, &header, &[]);
        assert_eq!(tone(&w).is_some(), is_one, "{carrier}");
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}
