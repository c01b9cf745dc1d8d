//! What the other end says, and what is answered: pure, without a socket and a clock.

use crate::message::{Command, Told};
use crate::speech::{Counts, LONGEST_SPEECH_SECONDS, Speech};
use codecs::VoiceWriter;
use model::LegSide;

/// Explanations of bad messages that are sent on one connection.
const EXPLANATIONS: u32 = 10;

/// What the other end of a call's connections says.
///
/// Each message goes to [`Conversation::text`] or [`Conversation::audio`], and every 20 ms, while
/// [`Conversation::waits`], time goes on by [`Conversation::move_on`]. Each of them gives the texts that
/// are to be sent to `answer`. What it holds is bounded, whatever comes.
#[derive(Debug)]
pub struct Conversation {
    speech: Speech,
    explained: u32,
    counts: Heard,
}

/// What was counted since it was asked last.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Heard {
    /// Samples that came.
    pub(crate) samples: u64,
    /// Samples of them that found no room, or nobody to be spoken to.
    pub(crate) dropped: u64,
    /// Messages that were none of the protocol.
    pub(crate) bad_messages: u64,
}

impl Conversation {
    /// Of a call whose voices have so many samples a second.
    pub fn new(sample_rate: u32) -> Self {
        Conversation { speech: Speech::new(sample_rate), explained: 0, counts: Heard::default() }
    }

    /// Another connection: it knows nothing of what was said over the one before.
    pub fn begin_anew(&mut self) {
        self.speech.clear().for_each(drop);
        self.explained = 0;
    }

    /// What is said goes there too from now on, in the place of what was given for that party before.
    pub fn speak_to(&mut self, leg: LegSide, voice: VoiceWriter) {
        self.speech.speak_to(leg, voice);
    }

    /// A text came.
    pub fn text(&mut self, text: &str, mut answer: impl FnMut(String)) {
        match Command::parse(text) {
            Ok(Command::Clear) => {
                for name in self.speech.clear() {
                    answer(mark(&name, false));
                }
            }
            Ok(Command::Mark(name)) => {
                if let Err(name) = self.speech.mark(name) {
                    answer(mark(&name, false));
                }
            }
            Err(error) => self.explain(error.to_string(), answer),
        }
    }

    /// A binary message came: samples of 16 bits, the low octet first.
    pub fn audio(&mut self, octets: &[u8], answer: impl FnMut(String)) {
        self.counts.samples += octets.len() as u64 / 2;
        let dropped = self.speech.hear(octets);
        self.counts.dropped += dropped as u64;
        if dropped > 0 {
            let why = match self.speech.has_voice() {
                true => {
                    format!("more than {LONGEST_SPEECH_SECONDS} s of audio wait; send less ahead")
                }
                false => "nobody may be spoken to: set `speaks_to`".to_owned(),
            };
            self.explain(why, answer);
        } else if !octets.len().is_multiple_of(2) {
            self.explain("a frame must hold whole samples of 16 bits".to_owned(), answer);
        }
    }

    /// Speaks on, and tells of marks that were reached.
    pub fn move_on(&mut self, mut answer: impl FnMut(String)) {
        self.speech.feed();
        while let Some((name, was_played)) = self.speech.poll_mark() {
            answer(mark(&name, was_played));
        }
    }

    /// Whether [`Conversation::move_on`] has anything to do.
    pub fn waits(&self) -> bool {
        self.speech.waits()
    }

    /// Samples and marks that wait.
    pub fn waiting(&self) -> (usize, usize) {
        self.speech.waiting()
    }

    /// What was counted since this was called the last time.
    pub(crate) fn take_counts(&mut self) -> Heard {
        std::mem::take(&mut self.counts)
    }

    /// What became of the voices' samples so far.
    pub(crate) fn voice_counts(&self) -> Counts {
        self.speech.counts()
    }

    /// Tells the other end what was wrong, a few times.
    fn explain(&mut self, message: String, mut answer: impl FnMut(String)) {
        self.counts.bad_messages += 1;
        if self.explained < EXPLANATIONS {
            self.explained += 1;
            answer(Told::Error { message }.to_json());
        }
    }
}

fn mark(name: &str, played: bool) -> String {
    Told::Mark { name, played }.to_json()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(conversation: &mut Conversation, text: &str) -> Vec<String> {
        let mut answers = Vec::new();
        conversation.text(text, |answer| answers.push(answer));
        answers
    }

    #[test]
    fn what_was_wrong_is_said_ten_times_on_each_connection() {
        let mut conversation = Conversation::new(8_000);
        for round in 0..2 {
            let answers: Vec<_> = (0..30).flat_map(|_| said(&mut conversation, "{}")).collect();
            assert_eq!(answers.len(), 10, "connection {round}");
            assert!(answers.iter().all(|answer| answer.contains(r#""type":"error""#)));
            conversation.begin_anew();
        }
        assert_eq!(conversation.take_counts().bad_messages, 60);
        assert_eq!(conversation.take_counts(), Heard::default());
    }

    #[test]
    fn samples_for_nobody_are_dropped_and_told() {
        let mut conversation = Conversation::new(8_000);
        let mut answers = Vec::new();
        conversation.audio(&[0; 320], |answer| answers.push(answer));
        assert!(answers.concat().contains("set `speaks_to`"), "{answers:?}");
        let heard = conversation.take_counts();
        assert_eq!((heard.samples, heard.dropped, heard.bad_messages), (160, 160, 1));
        assert!(!conversation.waits());
    }

    #[test]
    fn of_too_many_marks_the_last_are_told_as_not_played() {
        let mut conversation = Conversation::new(8_000);
        let (writer, _reader) = codecs::voice_ring(8_000);
        conversation.speak_to(LegSide::A, writer);
        conversation.audio(&[1; 16_000], |_| {});
        let name = |n: usize| format!(r#"{{"type":"mark","name":"{n}"}}"#);
        let answers: Vec<_> = (0..65).flat_map(|n| said(&mut conversation, &name(n))).collect();
        assert_eq!(answers, [r#"{"type":"mark","name":"64","played":false}"#]);
        assert_eq!(conversation.waiting(), (8_000, 64));
        assert_eq!(said(&mut conversation, r#"{"type":"clear"}"#).len(), 64);
        assert_eq!(conversation.waiting(), (0, 0));
    }
}
