//! What a program behind a WebSocket says.

use crate::{PART, bounded, parts};
use codecs::{VoiceReader, voice_ring};
use model::LegSide;
use voice_socket::{Conversation, replay};

/// Messages of one script.
const MOST_PARTS: usize = 400;
/// A minute of samples, and marks, are what may wait.
const MOST_SECONDS: usize = 60;
const MOST_MARKS: usize = 64;
/// Explanations of one connection, and an answer for each mark.
const MOST_EXPLAINED: usize = 10;

/// The first octet chooses the sample rate, whom it may speak to, and what the rest is: octets of a
/// connection, or a script of messages. The first octet of each part says what it is: a text, samples, the
/// call's time going on, another connection, another voice.
///
/// # Panics
/// When more waits or is answered than is allowed, or an answer is no JSON object with a type.
pub fn voice_socket(data: &[u8]) {
    let Some((&choice, data)) = bounded(data).split_first() else { return };
    let rate = if choice & 1 == 0 { 8_000 } else { 16_000 };
    let mut talk = Talk::new(rate);
    for leg in LegSide::BOTH {
        if choice & (2 << leg.index()) != 0 {
            talk.speak_to(leg, rate);
        }
    }
    if choice & 8 == 0 {
        let (_, end) = replay(data, &mut talk.conversation, check(&mut talk.answers));
        assert!(!end.is_empty());
        talk.settle(data.len());
        return;
    }
    for part in parts(data, MOST_PARTS) {
        let Some((&kind, payload)) = part.split_first() else { continue };
        match kind & 7 {
            0..=2 => {
                let text = String::from_utf8_lossy(payload);
                talk.conversation.text(&text, check(&mut talk.answers));
            }
            3 | 4 => talk.conversation.audio(payload, check(&mut talk.answers)),
            5 => talk.go_on(usize::from(kind >> 3)),
            6 => {
                talk.settle(MOST_PARTS);
                talk.conversation.begin_anew();
                assert_eq!(talk.conversation.waiting(), (0, 0), "nothing is spoken on");
            }
            // Sometimes of another rate, which is not taken.
            _ => talk.speak_to(LegSide::A, if kind & 8 == 0 { rate } else { 8_000 }),
        }
        let (samples, marks) = talk.conversation.waiting();
        assert!(samples <= MOST_SECONDS * rate as usize && marks <= MOST_MARKS, "bounded");
    }
    talk.settle(MOST_PARTS);
}

/// A conversation, and the relay's ends of its voices.
struct Talk {
    conversation: Conversation,
    readers: Vec<VoiceReader>,
    answers: Answers,
}

/// On one connection.
#[derive(Default)]
struct Answers {
    explained: usize,
    others: usize,
}

impl Talk {
    fn new(rate: u32) -> Self {
        let (readers, answers) = (Vec::new(), Answers::default());
        Talk { conversation: Conversation::new(rate), readers, answers }
    }

    fn speak_to(&mut self, leg: LegSide, rate: u32) {
        let (writer, reader) = voice_ring(rate);
        self.conversation.speak_to(leg, writer);
        self.readers.push(reader);
    }

    /// So many packets of 20 ms are spoken.
    fn go_on(&mut self, packets: usize) {
        let mut samples = [0; 320];
        for _ in 0..packets {
            for reader in &mut self.readers {
                reader.take(&mut samples);
            }
            self.conversation.move_on(check(&mut self.answers));
        }
    }

    /// At the end of a connection, over which so many messages came at most.
    fn settle(&mut self, messages: usize) {
        let Answers { explained, others } = std::mem::take(&mut self.answers);
        assert!(explained <= MOST_EXPLAINED, "{explained} explanations");
        assert!(others <= messages + MOST_MARKS, "{others} answers of marks");
    }
}

fn check(answers: &mut Answers) -> impl FnMut(String) {
    |answer| {
        let value: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
        match value.get("type").and_then(serde_json::Value::as_str) {
            Some("error") => answers.explained += 1,
            Some("mark") => answers.others += 1,
            kind => assert!(kind.is_some(), "no answer: {answer}"),
        }
    }
}

/// Frames of a connection, and messages.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mark = br#"{"type":"mark","name":"sentence 1"}"#;
    let clear = br#"{"type":"clear"}"#;
    let samples = [0x34, 0x12].repeat(160);
    let frame = |head: u8, payload: &[u8]| {
        let mut frame = vec![head];
        match u8::try_from(payload.len()) {
            Ok(len) if len < 126 => frame.push(len),
            _ => {
                frame.push(126);
                frame.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    };
    let connection = [
        vec![0b0110],
        frame(0x82, &samples),
        frame(0x81, mark),
        frame(0x89, b"still there?"),
        // A text in two frames, with a pong between them.
        frame(0x01, br#"{"type":"#),
        frame(0x8a, b""),
        frame(0x80, br#""clear"}"#),
        frame(0x82, &[]),
        frame(0x88, b"\x03\xe8done"),
    ];
    let part = |kind: u8, payload: &[u8]| [&[PART, kind], payload].concat();
    let script = [
        vec![0b1110],
        part(3, &samples.repeat(20)),
        part(0, mark),
        part(5 | 31 << 3, &[]),
        part(0, clear),
        part(1, br#"{"type":"mark"}"#),
        part(6, &[]),
        part(7, &[]),
        part(4, &[1]),
    ];
    let marks: Vec<u8> = (0..100).flat_map(|_| part(0, mark)).collect();
    let wrong: Vec<u8> = (0..50).flat_map(|_| part(2, b"{}")).collect();
    vec![
        ("connection", connection.concat()),
        ("script", script.concat()),
        ("marks", [vec![0b1111], part(3, &samples), marks].concat()),
        ("wrong", [vec![0b1000], wrong].concat()),
    ]
}
