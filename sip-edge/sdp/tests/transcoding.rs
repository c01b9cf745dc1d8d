//! Offers and answers of legs whose audio may be transcoded.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod support;

use model::{Codec, LegPlan, TranscodableFormat};
use proptest::prelude::*;
use sdp::{Making, SessionDescription, in_formats_of, media_plan_leg, transcoding, with_formats};

const FORMATS: Making = Making { formats: true, noise: false, packets: false };
use support::{description, text};

const USUAL: &[TranscodableFormat] = &TranscodableFormat::USUAL;

fn audio(formats: &str, lines: &str) -> SessionDescription {
    text(&format!(
        "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n\
         m=audio 4000 RTP/AVP {formats}\n{lines}"
    ))
}

const KEYS: &str = "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n";
const OPUS: &str = "a=rtpmap:111 opus/48000/2\na=fmtp:111 minptime=10;useinbandfec=1\n";

/// The lines from the `m=` line on.
fn media(description: &SessionDescription) -> String {
    let text = String::from_utf8(description.write()).unwrap();
    let start = text.find("m=").unwrap();
    text[start..].replace("\r\n", "\n")
}

#[test]
fn formats_of_ours_stand_behind_the_offers_own() {
    let offer = audio("0 101", &format!("{KEYS}a=ptime:20\na=sendrecv\n"));
    let widened = with_formats(&offer, USUAL, None);
    assert_eq!(
        media(&widened),
        "m=audio 4000 RTP/AVP 0 101 8 9 96 97\n\
         a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:20\na=sendrecv\n\
         a=rtpmap:8 PCMA/8000\na=rtpmap:9 G722/8000\na=rtpmap:96 opus/48000/2\n\
         a=rtpmap:97 telephone-event/48000\na=fmtp:97 0-15\n"
    );
    let codecs: Vec<_> = widened.audio().unwrap().codecs.iter().map(|c| c.codec).collect();
    let events = Codec::TelephoneEvent;
    assert_eq!(codecs, [Codec::Pcmu, events, Codec::Pcma, Codec::G722, Codec::Opus, events]);
}

#[test]
fn an_offer_stays_as_it_is_where_nothing_could_be_transcoded() {
    for (formats, lines) in
        [("18", ""), ("18 101", KEYS), ("96", "a=rtpmap:96 L16/16000/2\n"), ("0 8 9 111", OPUS)]
    {
        let offer = audio(formats, lines);
        assert_eq!(media(&with_formats(&offer, USUAL, None)), media(&offer), "{formats}");
    }
    let offer = audio("0", "");
    assert_eq!(media(&with_formats(&offer, &[], None)), media(&offer));
}

#[test]
fn payload_types_keep_their_meaning_for_a_leg() {
    // The leg knows opus as 120, and 96 as something else.
    let told = audio("0 120 96", "a=rtpmap:120 opus/48000/2\na=rtpmap:96 iLBC/8000\n");
    let offer = audio("0 101", KEYS);
    let widened = with_formats(&offer, USUAL, told.audio_ref());
    let mapped: Vec<_> = media(&widened)
        .lines()
        .filter(|line| line.starts_with("a=rtpmap"))
        .map(str::to_owned)
        .collect();
    assert!(mapped.contains(&"a=rtpmap:120 opus/48000/2".to_owned()), "{mapped:?}");
    assert!(mapped.contains(&"a=rtpmap:97 telephone-event/48000".to_owned()), "{mapped:?}");
    // Nor does a number of the offer's get a second meaning.
    let offer = audio("8 0 96", "a=rtpmap:8 iLBC/8000\na=rtpmap:96 GSM/8000\n");
    let codecs = with_formats(&offer, USUAL, None).audio().unwrap().codecs;
    let mut numbers: Vec<u8> = codecs.iter().map(|mapping| mapping.payload_type).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), codecs.len());
    assert_eq!(codecs.iter().filter(|mapping| mapping.codec == Codec::Pcma).count(), 1);
}

#[test]
fn an_answer_in_our_format_becomes_one_in_the_offers_first() {
    let offer = audio("18 0 8 101", KEYS);
    let lines = format!(
        "{OPUS}a=rtcp-fb:111 transport-cc\na=rtpmap:97 telephone-event/48000\n\
         a=fmtp:97 0-15\na=ptime:40\na=x-kept:1\n"
    );
    let answer = audio("111 97", &lines);
    assert_eq!(
        media(&in_formats_of(&answer, &offer, false)),
        "m=audio 4000 RTP/AVP 0 101\na=ptime:40\na=x-kept:1\n\
         a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n"
    );
    // Without keys on one side there are none on the other.
    let answer = audio("111", OPUS);
    assert_eq!(media(&in_formats_of(&answer, &offer, false)), "m=audio 4000 RTP/AVP 0\n");
}

#[test]
fn what_both_have_stays_and_nothing_else() {
    let offer = audio("0 8 101", KEYS);
    let answer = audio("111 8 101", &format!("{OPUS}{KEYS}a=sendrecv\n"));
    assert_eq!(
        media(&in_formats_of(&answer, &offer, false)),
        format!("m=audio 4000 RTP/AVP 8 101\n{KEYS}a=sendrecv\n")
    );
    let same = audio("8 101", KEYS);
    assert_eq!(media(&in_formats_of(&same, &offer, false)), media(&same));
}

#[test]
fn an_answer_that_cannot_be_transcoded_passes_as_it_is() {
    let offer = audio("0", "");
    let answer = audio("18", "a=fmtp:18 annexb=no\n");
    assert_eq!(media(&in_formats_of(&answer, &offer, false)), media(&answer));
    // Numbers that name nothing are not judged.
    let answer = audio("0 77", "");
    assert_eq!(media(&in_formats_of(&answer, &offer, false)), media(&answer));
}

#[test]
fn the_relay_is_told_what_each_leg_lacks() {
    let plan = |formats: &str, lines: &str| leg(&audio(formats, lines));
    let [a_to_b, b_to_a] =
        transcoding([&plan("0 101", KEYS), &plan("111 101", &[OPUS, KEYS].concat())], FORMATS);
    let (a_to_b, b_to_a) = (a_to_b.unwrap(), b_to_a.unwrap());
    assert_eq!((a_to_b.from.len(), a_to_b.from[0].codec), (1, Codec::Pcmu));
    assert_eq!((a_to_b.to.codec, a_to_b.to.payload_type), (Codec::Opus, 111));
    assert_eq!((b_to_a.from[0].codec, b_to_a.to.codec), (Codec::Opus, Codec::Pcmu));
    assert_eq!(transcoding([&plan("0 8", ""), &plan("8 0", "")], FORMATS), [None, None]);
    // B may send what A has not, though they have one in common.
    let [a_to_b, b_to_a] = transcoding([&plan("0", ""), &plan("111 0", OPUS)], FORMATS);
    assert_eq!(a_to_b, None);
    assert_eq!(
        (b_to_a.clone().unwrap().from[0].codec, b_to_a.unwrap().to.codec),
        (Codec::Opus, Codec::Pcmu)
    );
    // What nobody can read stays.
    assert_eq!(transcoding([&plan("18", ""), &plan("18", "")], FORMATS), [None, None]);
    assert_eq!(transcoding([&plan("18", ""), &plan("0", "")], FORMATS), [None, None]);
}

#[test]
fn comfort_noise_stays_where_it_can_be_served() {
    let offer = audio("0 13 101", KEYS);
    let told = |answer: &SessionDescription, sends: bool| {
        media(&in_formats_of(answer, &offer, sends)).lines().next().unwrap().to_owned()
    };
    // Both have it; or we make it.
    assert_eq!(told(&audio("8 13", ""), false), "m=audio 4000 RTP/AVP 0 13");
    assert_eq!(told(&audio("8", ""), true), "m=audio 4000 RTP/AVP 0 13");
    assert_eq!(told(&audio("8", ""), false), "m=audio 4000 RTP/AVP 0");
    // Without transcoding it is for the answerer to say.
    assert_eq!(told(&audio("0", ""), true), "m=audio 4000 RTP/AVP 0");
    assert_eq!(told(&audio("0 13", ""), true), "m=audio 4000 RTP/AVP 0 13");
    // Of another clock than the audio's it stands for nothing.
    let offer = audio("111 13", OPUS);
    let answer = audio("0 13", "");
    assert_eq!(
        media(&in_formats_of(&answer, &offer, true)).lines().next().unwrap(),
        "m=audio 4000 RTP/AVP 111"
    );
}

#[test]
fn the_relay_is_told_who_takes_comfort_noise() {
    let noise = |a: &str, b: &str, noise: bool| {
        let legs = [leg(&audio(a, OPUS)), leg(&audio(b, "a=rtpmap:98 CN/8000\n"))];
        transcoding(legs.each_ref(), Making { noise, ..FORMATS })
            .map(|made| made.unwrap().comfort_noise)
    };
    let towards = |payload_type, in_place_of_silence| {
        Some(model::ComfortNoise { payload_type, in_place_of_silence })
    };
    assert_eq!(noise("0 13", "8 98", true), [towards(98, true), towards(13, true)]);
    assert_eq!(noise("0 13", "8", false), [None, towards(13, false)]);
    // Opus has its own.
    assert_eq!(noise("111 13", "8 98", true), [towards(98, true), None]);
}

#[test]
fn packets_are_made_anew_where_the_legs_want_other_durations() {
    let packets = Making { formats: false, noise: false, packets: true };
    let made = |formats: &str, lines: [&str; 2]| {
        let legs = lines.map(|lines| leg(&audio(formats, lines)));
        transcoding(legs.each_ref(), packets).map(|made| {
            made.map(|made| {
                (made.from[0].codec, made.to.codec, made.to.packet_duration.as_millis())
            })
        })
    };
    let pcmu = |millis| Some((Codec::Pcmu, Codec::Pcmu, millis));
    assert_eq!(made("0 8", ["a=ptime:30\n", "a=ptime:20\n"]), [pcmu(20), pcmu(30)]);
    assert_eq!(made("0", ["", "a=maxptime:10\n"]), [pcmu(10), pcmu(20)]);
    assert_eq!(made("0", ["a=ptime:20\n", ""]), [None, None]);
    // G.722 octet for octet; Opus would be encoded a second time.
    let g722 = |millis| Some((Codec::G722, Codec::G722, millis));
    assert_eq!(made("9", ["a=ptime:30\n", ""]), [g722(20), g722(30)]);
    assert_eq!(made("111", [&[OPUS, "a=ptime:40\n"].concat(), OPUS]), [None, None]);
    // Formats that differ.
    let legs = [leg(&audio("0", "a=ptime:30\n")), leg(&audio("8", ""))];
    assert_eq!(transcoding(legs.each_ref(), packets), [None, None]);
    let legs = [leg(&audio("0", "a=ptime:30\n")), leg(&audio("0", ""))];
    assert_eq!(transcoding(legs.each_ref(), FORMATS), [None, None]);
}

#[test]
fn packets_are_as_long_as_the_leg_wants_them() {
    let millis = |lines: &str| {
        let [a_to_b, _] = transcoding([&leg(&audio("0", "")), &leg(&audio("8", lines))], FORMATS);
        a_to_b.unwrap().to.packet_duration.as_millis()
    };
    assert_eq!(millis(""), 20);
    assert_eq!(millis("a=ptime:40\n"), 40);
    assert_eq!(millis("a=maxptime:60\n"), 20);
    assert_eq!(millis("a=maxptime:10\n"), 10);
    assert_eq!(millis("a=ptime:60\na=maxptime:30\n"), 30);
    assert_eq!(millis("a=ptime:60\na=maxptime:no\n"), 60);
}

fn leg(described: &SessionDescription) -> LegPlan {
    media_plan_leg(described.audio_ref(), None, None, None)
}

fn formats() -> impl Strategy<Value = (String, String)> {
    proptest::sample::subsequence(
        vec![
            ("0", ""),
            ("8", ""),
            ("9", ""),
            ("18", ""),
            ("101", "a=rtpmap:101 telephone-event/8000\n"),
            ("111", "a=rtpmap:111 opus/48000/2\n"),
            ("110", "a=rtpmap:110 L16/16000\n"),
            ("97", "a=rtpmap:97 telephone-event/48000\n"),
        ],
        1..8,
    )
    .prop_shuffle()
    .prop_map(|chosen| {
        let numbers: Vec<_> = chosen.iter().map(|(number, _)| *number).collect();
        (numbers.join(" "), chosen.iter().map(|(_, line)| *line).collect())
    })
}

proptest! {
    /// Whatever A offers and B takes of what it gets, A's answer has only what A offered, and every
    /// format that may come from either leg passes or is transcoded into one that the other has.
    #[test]
    fn both_legs_get_only_what_they_agreed_to(
        (offered, offer_lines) in formats(),
        taken in proptest::collection::vec(any::<bool>(), 16),
        reverse in any::<bool>(),
    ) {
        let offer = audio(&offered, &offer_lines);
        let added = TranscodableFormat::ALL;
        let widened = with_formats(&offer, &added, None).into_owned();
        prop_assert_eq!(&description(&widened.write()), &widened);
        let mut chosen: Vec<_> = widened.audio().unwrap().codecs;
        let mut at = taken.iter().cycle();
        chosen.retain(|_| *at.next().unwrap());
        if reverse {
            chosen.reverse();
        }
        let is_audio = |codec: Codec| codec != Codec::TelephoneEvent;
        prop_assume!(chosen.iter().any(|mapping| is_audio(mapping.codec)));
        let numbers: Vec<_> = chosen.iter().map(|m| m.payload_type.to_string()).collect();
        let lines: String = media(&widened)
            .lines()
            .filter(|line| {
                let about = line.split([':', ' ']).nth(1).unwrap_or_default();
                line.starts_with("a=rtpmap") && numbers.iter().any(|number| number == about)
            })
            .map(|line| format!("{line}\n"))
            .collect();
        let answer = audio(&numbers.join(" "), &lines);
        let told = in_formats_of(&answer, &offer, false).into_owned();
        let (offer, told) = (offer.audio().unwrap(), told.audio().unwrap());
        for mapping in &told.codecs {
            let has = offer.codecs.iter().any(|m| {
                (m.codec, m.clock_rate) == (mapping.codec, mapping.clock_rate)
            });
            prop_assert!(has, "{mapping:?} was not offered");
        }
        prop_assert!(told.codecs.iter().any(|mapping| is_audio(mapping.codec)));
        let a = media_plan_leg(Some(&offer), Some(&told), None, None);
        let b = media_plan_leg(answer.audio_ref(), widened.audio_ref(), None, None);
        let [a_to_b, b_to_a] = transcoding([&a, &b], FORMATS);
        for (from, to, stage) in [(&a, &b, a_to_b), (&b, &a, b_to_a)] {
            for mapping in from.codecs.iter().filter(|mapping| is_audio(mapping.codec)) {
                let passes = to.codecs.iter().any(|other| {
                    (other.codec, other.clock_rate) == (mapping.codec, mapping.clock_rate)
                });
                let made = stage.as_ref().is_some_and(|stage| stage.from.contains(mapping));
                prop_assert!(passes != made, "{mapping:?}: {passes} {made}");
            }
        }
    }
}
