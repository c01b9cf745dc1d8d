use super::*;
use codecs::{VoiceReader, voice_ring};
use proptest::prelude::*;

fn octets(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn speech() -> (Speech, VoiceReader) {
    let (writer, reader) = voice_ring(8_000);
    let mut speech = Speech::new(8_000);
    speech.speak_to(LegSide::A, writer);
    (speech, reader)
}

fn heard(speech: &mut Speech, reader: &mut VoiceReader, ms: usize) -> Vec<i16> {
    let mut all = Vec::new();
    for _ in 0..ms / 20 {
        speech.feed();
        let mut packet = [0; 160];
        let count = reader.take(&mut packet);
        all.extend_from_slice(&packet[..count]);
    }
    all
}

fn marks(speech: &mut Speech) -> Vec<String> {
    std::iter::from_fn(|| speech.poll_mark()).map(|(name, _)| String::from(name)).collect()
}

#[test]
fn an_answer_that_comes_at_once_is_heard_in_its_time() {
    let (mut speech, mut reader) = speech();
    let answer: Vec<i16> = (0..8_000).collect();
    assert_eq!(speech.hear(&octets(&answer)), 0);
    speech.feed();
    assert_eq!(reader.waiting(), 960, "no more than 120 ms ahead");
    assert_eq!(heard(&mut speech, &mut reader, 1_000), answer);
    assert!(!speech.waits());
}

#[test]
fn a_mark_is_reached_when_what_stands_before_it_was_taken() {
    let (mut speech, mut reader) = speech();
    assert_eq!(speech.mark("at once".into()), Ok(()));
    assert_eq!(marks(&mut speech), ["at once"]);
    speech.hear(&octets(&[1; 800]));
    speech.mark("first".into()).unwrap();
    speech.hear(&octets(&[1; 800]));
    speech.mark("second".into()).unwrap();
    assert_eq!(heard(&mut speech, &mut reader, 80).len(), 640);
    assert_eq!(marks(&mut speech), Vec::<String>::new());
    heard(&mut speech, &mut reader, 20);
    assert_eq!(marks(&mut speech), ["first"]);
    assert_eq!(heard(&mut speech, &mut reader, 200).len(), 800);
    assert_eq!((marks(&mut speech), speech.waits()), (vec!["second".to_owned()], false));
}

#[test]
fn what_is_cleared_is_not_heard_and_its_marks_come_back() {
    let (mut speech, mut reader) = speech();
    speech.hear(&octets(&[1; 4_000]));
    speech.mark("end".into()).unwrap();
    heard(&mut speech, &mut reader, 40);
    assert_eq!(speech.clear().collect::<Vec<_>>(), ["end".into()]);
    assert!(heard(&mut speech, &mut reader, 200).is_empty());
    speech.hear(&octets(&[2; 160]));
    speech.mark("next".into()).unwrap();
    assert_eq!(marks(&mut speech), Vec::<String>::new());
    assert_eq!(heard(&mut speech, &mut reader, 20), [2; 160]);
    assert_eq!(marks(&mut speech), ["next"]);
}

#[test]
fn more_than_a_minute_is_dropped_and_an_odd_octet_is_none() {
    let (mut speech, mut reader) = speech();
    assert_eq!(speech.hear(&vec![0; 60 * 16_000 - 1]), 0);
    assert_eq!(speech.hear(&[0, 0, 0, 0, 9]), 1);
    assert_eq!(heard(&mut speech, &mut reader, 20).len(), 160);
    assert_eq!(speech.hear(&[0; 2]), 0);
    let mut full = 0;
    while speech.mark("again".into()).is_ok() {
        full += 1;
    }
    assert_eq!(full, MARKS);
}

#[test]
fn both_parties_hear_the_same_and_who_is_gone_is_not_waited_for() {
    let (mut speech, mut a) = speech();
    let (writer, mut b) = voice_ring(8_000);
    speech.speak_to(LegSide::B, writer);
    speech.hear(&octets(&[1; 2_000]));
    for _ in 0..3 {
        assert_eq!(heard(&mut speech, &mut a, 20).len(), 160);
        assert_eq!(b.take(&mut [0; 160]), 160);
    }
    drop(b);
    assert_eq!(heard(&mut speech, &mut a, 1_000).len(), 2_000 - 480);
    drop(a);
    assert!(!speech.has_voice());
    assert_eq!(speech.hear(&octets(&[1; 10])), 10, "nobody to speak to");
    speech.mark("end".into()).unwrap();
    speech.feed();
    assert_eq!((marks(&mut speech), speech.waits()), (vec!["end".to_owned()], false));
}

#[test]
fn a_mark_behind_what_nobody_could_hear_any_more_comes_back() {
    let (mut speech, mut reader) = speech();
    speech.hear(&octets(&[1; 4_000]));
    speech.mark("end".into()).unwrap();
    heard(&mut speech, &mut reader, 40);
    speech.mark("behind it".into()).unwrap();
    drop(reader);
    speech.feed();
    assert_eq!(speech.poll_mark(), Some(("end".into(), false)));
    assert_eq!(speech.poll_mark(), Some(("behind it".into(), false)));
    assert!(!speech.waits());
    // And is not taken for reached when somebody else is spoken to.
    let (writer, mut next) = voice_ring(8_000);
    speech.speak_to(LegSide::A, writer);
    speech.hear(&octets(&[2; 160]));
    speech.mark("next".into()).unwrap();
    assert_eq!(marks(&mut speech), Vec::<String>::new());
    assert_eq!(heard(&mut speech, &mut next, 20), [2; 160]);
    assert_eq!(marks(&mut speech), ["next"]);
}

#[test]
fn another_stream_of_the_call_takes_over() {
    let (mut speech, reader) = speech();
    speech.hear(&octets(&[1; 4_000]));
    speech.feed();
    reader.count_unheard(100);
    let (writer, mut next) = voice_ring(8_000);
    speech.speak_to(LegSide::A, writer);
    assert!(reader.is_closed());
    assert_eq!(heard(&mut speech, &mut next, 1_000).len(), 4_000 - 960);
    assert_eq!(speech.counts(), Counts { gaps: 0, unheard: 100 });
    let (other_rate, _reader) = voice_ring(16_000);
    speech.speak_to(LegSide::B, other_rate);
    assert!(speech.voices[1].is_none(), "it would be heard too slowly");
}

proptest! {
    /// Whatever is said and cleared: each mark comes once, in its order, and nothing grows.
    #[test]
    fn every_mark_comes_back(steps in prop::collection::vec((0_usize..3_000, 0_u8..4), 1..60)) {
        let (mut speech, mut reader) = speech();
        let (mut put, mut back) = (Vec::new(), Vec::new());
        for (n, (samples, what)) in steps.into_iter().enumerate() {
            match what {
                0 => prop_assert_eq!(speech.hear(&octets(&vec![1; samples])), 0),
                1 => {
                    prop_assert_eq!(speech.mark(n.to_string().into()), Ok(()));
                    put.push(n.to_string());
                }
                2 if samples < 500 => back.extend(speech.clear().map(String::from)),
                _ => drop(heard(&mut speech, &mut reader, samples / 8)),
            }
            back.extend(marks(&mut speech));
        }
        heard(&mut speech, &mut reader, 60_000);
        back.extend(marks(&mut speech));
        prop_assert_eq!(put, back);
        prop_assert!(!speech.waits());
    }
}
