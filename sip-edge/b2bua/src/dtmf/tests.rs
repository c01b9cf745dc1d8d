use super::*;
use model::{Codec, CodecMapping, LegSecurity, XrWishes};
use proptest::prelude::*;
use sdp::Limits;
use sip_proto::Limits as MessageLimits;

fn plan(codec: Codec, telephone_event: Option<u8>) -> LegPlan {
    let packet_duration = Duration::from_millis(20);
    let speech = CodecMapping { payload_type: 0, codec, clock_rate: 8_000, packet_duration };
    LegPlan {
        remote_rtp: None,
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: false,
        accepts_from: true,
        sends_to: true,
        relearn: false,
        codecs: vec![speech],
        telephone_event,
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    }
}

fn converted(a: (Dtmf, Option<u8>), b: (Dtmf, Option<u8>)) -> [DtmfConversion; 2] {
    let plans = [plan(Codec::Pcmu, a.1), plan(Codec::Pcmu, b.1)];
    conversions([a.0, b.0], plans.each_ref())
}

const NONE: [DtmfConversion; 2] = [DtmfConversion::None; 2];

#[test]
fn nothing_is_converted_that_need_not_be() {
    use Dtmf::{Auto, Inband, Info, Pass, Rfc4733};
    for (a, b) in [
        ((Rfc4733, Some(101)), (Rfc4733, Some(96))),
        ((Rfc4733, Some(101)), (Rfc4733, None)),
        ((Auto, Some(101)), (Auto, Some(101))),
        ((Auto, None), (Auto, None)),
        ((Auto, None), (Inband, None)),
        ((Inband, None), (Inband, None)),
        ((Info, None), (Info, None)),
        ((Rfc4733, None), (Info, None)),
        ((Rfc4733, None), (Inband, None)),
        ((Pass, Some(101)), (Info, None)),
        ((Info, None), (Pass, Some(101))),
    ] {
        assert_eq!(converted(a, b), NONE, "{a:?} {b:?}");
    }
}

#[test]
fn legs_that_speak_differently_are_converted_both_ways() {
    use Dtmf::{Auto, Inband, Info, Rfc4733};
    use DtmfConversion::{EventsToSignalling, EventsToTones, TonesToEvents, TonesToSignalling};
    let events = (Rfc4733, Some(101));
    for (b, wanted) in [
        ((Info, None), [EventsToSignalling, DtmfConversion::None]),
        ((Inband, None), [EventsToTones, TonesToEvents]),
        ((Auto, None), [EventsToTones, TonesToEvents]),
    ] {
        assert_eq!(converted(events, b), wanted, "{b:?}");
        let [first, second] = wanted;
        assert_eq!(converted(b, events), [second, first], "{b:?}");
    }
    assert_eq!(
        converted((Inband, None), (Info, None)),
        [TonesToSignalling, DtmfConversion::None],
        "what comes in INFO becomes tones by command"
    );
}

#[test]
fn tones_need_a_format_that_can_be_read() {
    let plans = [plan(Codec::G729, None), plan(Codec::G729, Some(101))];
    assert_eq!(conversions([Dtmf::Inband, Dtmf::Rfc4733], plans.each_ref()), NONE);
    for codec in [Codec::Pcma, Codec::G722] {
        let plans = [plan(codec, None), plan(codec, Some(101))];
        let wanted = [DtmfConversion::TonesToEvents, DtmfConversion::EventsToTones];
        assert_eq!(conversions([Dtmf::Inband, Dtmf::Rfc4733], plans.each_ref()), wanted);
    }
    let info = (Dtmf::Info, &plans[0]);
    assert_eq!(info_becomes(info, (Dtmf::Inband, &plans[0])), None);
    assert_eq!(info_becomes(info, (Dtmf::Rfc4733, &plans[1])), Some(InfoBecomes::Event));
}

fn description(events: &str) -> SessionDescription {
    let text = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0{events}\r\n"
    );
    SessionDescription::parse(text.as_bytes(), &Limits::default()).expect("valid SDP")
}

const EVENTS: &str = " 97\r\na=rtpmap:97 telephone-event/8000";

fn events_of(description: &SessionDescription) -> Option<u8> {
    description.audio_ref().and_then(|audio| audio.telephone_event)
}

#[test]
fn an_offer_has_events_for_whoever_speaks_them_and_for_nobody_else() {
    use Dtmf::{Auto, Inband, Info, Pass, Rfc4733};
    for (target, other, offered, wanted) in [
        (Rfc4733, Info, "", Some(101)),
        (Rfc4733, Inband, "", Some(101)),
        (Auto, Info, "", Some(101)),
        (Auto, Inband, "", None),
        (Rfc4733, Rfc4733, "", None),
        (Pass, Info, "", None),
        (Info, Rfc4733, EVENTS, None),
        (Inband, Auto, EVENTS, None),
        (Info, Pass, EVENTS, Some(97)),
        (Rfc4733, Rfc4733, EVENTS, Some(97)),
    ] {
        let offer = description(offered);
        let told = offer_for(target, other, None, Cow::Borrowed(&offer));
        assert_eq!(events_of(&told), wanted, "{target:?} from {other:?}");
    }
}

#[test]
fn an_answer_has_the_events_of_its_offer_or_none() {
    use Dtmf::{Auto, Inband, Info, Pass, Rfc4733};
    for (target, other, offered, answered, wanted) in [
        (Rfc4733, Info, EVENTS, "", Some(97)),
        (Rfc4733, Inband, EVENTS, "", Some(97)),
        (Auto, Inband, EVENTS, "", None),
        (Rfc4733, Rfc4733, EVENTS, "", None),
        (Info, Rfc4733, "", EVENTS, None),
        (Auto, Rfc4733, "", EVENTS, None),
        (Pass, Info, EVENTS, "", None),
        (Rfc4733, Auto, EVENTS, EVENTS, Some(97)),
    ] {
        let (offer, answer) = (description(offered), description(answered));
        let told = answer_for(target, other, &offer, Cow::Borrowed(&answer));
        assert_eq!(events_of(&told), wanted, "{target:?} from {other:?}");
    }
}

fn press(symbol: char, millis: u64) -> DtmfPress {
    let key = DtmfKey::from_symbol(symbol).expect("a key");
    DtmfPress { key, duration: Duration::from_millis(millis) }
}

#[test]
fn bodies_as_devices_write_them() {
    for (body, wanted) in [
        ("Signal=5\r\nDuration=160\r\n", press('5', 160)),
        ("Signal= 1\r\nDuration= 250\r\n", press('1', 250)),
        ("signal=*\nduration=100", press('*', 100)),
        ("Signal=11\r\nDuration=100\r\n", press('#', 100)),
        ("Signal=d\r\n", press('D', 160)),
        ("Duration=90\r\nSignal : 0\r\n", press('0', 90)),
        ("Signal=7\r\nDuration=0\r\n", press('7', 40)),
        ("Signal=7\r\nDuration=4294967295\r\n", press('7', 5_000)),
    ] {
        assert_eq!(parse(InfoBody::Relay, body.as_bytes()), Some(wanted), "{body:?}");
    }
    assert_eq!(parse(InfoBody::Plain, b"9"), Some(press('9', 160)));
    assert_eq!(parse(InfoBody::Plain, b" 10\r\n"), Some(press('*', 160)));
}

#[test]
fn bodies_that_are_none() {
    for body in [
        &b""[..],
        b"5",
        b"Signal=",
        b"Signal=55",
        b"Signal=16",
        b"Signal=-1",
        b"Signal=5\r\nDuration=long",
        b"Signal=5\r\nDuration=4294967296",
        b"Signal=\xff",
    ] {
        assert_eq!(parse(InfoBody::Relay, body), None, "{body:?}");
    }
    for body in [&b""[..], b"123", b"16", b"Signal=5", b"!"] {
        assert_eq!(parse(InfoBody::Plain, body), None, "{body:?}");
    }
}

fn info(headers: &str, body: &str) -> Message {
    let text = format!(
        "INFO sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1\r\n\
         From: <sip:b@192.0.2.2>;tag=1\r\nTo: <sip:a@192.0.2.1>;tag=2\r\nCall-ID: 1\r\n\
         CSeq: 1 INFO\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Message::parse(text.into_bytes().into(), &MessageLimits::default()).expect("a message")
}

#[test]
fn the_media_type_says_whether_there_is_a_key() {
    let found = key_in(&info("Content-Type: Application/DTMF-Relay;x=y\r\n", "Signal=5\r\n"));
    assert_eq!(found, Some(Ok(press('5', 160))));
    assert_eq!(key_in(&info("c: application/dtmf\r\n", "#")), Some(Ok(press('#', 160))));
    assert_eq!(key_in(&info("", "Signal=5\r\n")), None);
    assert_eq!(key_in(&info("Content-Type: application/media_control+xml\r\n", "<x/>")), None);
    let fault = key_in(&info("Content-Type: application/dtmf\r\n", "x"));
    assert_eq!(fault, Some(Err(KeyFault::Malformed)));
    let encoded = info("c: application/dtmf\r\nContent-Encoding: gzip\r\n", "5");
    assert_eq!(key_in(&encoded), Some(Err(KeyFault::Encoded)));
}

proptest! {
    #[test]
    fn no_body_is_too_strange(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        for form in [InfoBody::Relay, InfoBody::Plain] {
            let _ = parse(form, &body);
        }
    }

    #[test]
    fn what_is_written_is_read(event in 0_u8..16, millis in 40_u64..=5_000) {
        let key = DtmfKey::from_event(event).expect("a key");
        let press = DtmfPress { key, duration: Duration::from_millis(millis) };
        prop_assert_eq!(parse(InfoBody::Relay, InfoBody::Relay.write(press).as_bytes()), Some(press));
        let plain = parse(InfoBody::Plain, InfoBody::Plain.write(press).as_bytes());
        prop_assert_eq!(plain.map(|found| found.key), Some(key));
    }
}
