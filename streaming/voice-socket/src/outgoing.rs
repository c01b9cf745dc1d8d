//! What waits to be sent, between the thread that serves all calls and the one that serves sockets.

use crate::message::StopReason;
use codecs::VoiceWriter;
use model::LegSide;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Audio that waits at most, in ms. When more comes, the oldest is dropped.
const LONGEST_WAIT_MS: usize = 2_000;
/// Texts that wait at most. When more come, the newest is dropped.
const TEXTS: usize = 256;

/// A bounded queue of messages in their order.
#[derive(Debug)]
pub(crate) struct Outgoing {
    waiting: Mutex<Waiting>,
    /// Something came.
    news: Notify,
    /// Octets of audio that wait at most.
    limit: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Message>,
    octets: usize,
    texts: usize,
    voices: [Option<VoiceWriter>; 2],
    ended: Option<StopReason>,
}

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Message {
    Audio(Vec<u8>),
    Text(String),
    /// The last one.
    Stop(StopReason),
}

impl Outgoing {
    /// For audio of so many octets a millisecond.
    pub(crate) fn new(octets_per_ms: usize) -> Self {
        let limit = octets_per_ms * LONGEST_WAIT_MS;
        Outgoing { waiting: Mutex::default(), news: Notify::new(), limit }
    }

    /// Adds audio; messages that were dropped for it.
    pub(crate) fn push_audio(&self, octets: Vec<u8>) -> u64 {
        let mut waiting = self.lock();
        waiting.octets += octets.len();
        waiting.messages.push_back(Message::Audio(octets));
        let mut dropped = 0;
        while waiting.octets > self.limit && waiting.drop_oldest_audio() {
            dropped += 1;
        }
        drop(waiting);
        self.news.notify_one();
        dropped
    }

    /// Adds a text; whether there was room.
    pub(crate) fn push_text(&self, text: String) -> bool {
        let mut waiting = self.lock();
        let has_room = waiting.texts < TEXTS;
        if has_room {
            waiting.texts += 1;
            waiting.messages.push_back(Message::Text(text));
        }
        drop(waiting);
        self.news.notify_one();
        has_room
    }

    /// Hands a voice over.
    pub(crate) fn give_voice(&self, leg: LegSide, voice: VoiceWriter) {
        if let Some(place) = self.lock().voices.get_mut(leg.index()) {
            *place = Some(voice);
        }
        self.news.notify_one();
    }

    /// Nothing more is added.
    pub(crate) fn end(&self, reason: StopReason) {
        self.lock().ended.get_or_insert(reason);
        self.news.notify_one();
    }

    /// Whether nothing more is added, and why.
    pub(crate) fn ended(&self) -> Option<StopReason> {
        self.lock().ended
    }

    /// The next message, at once or never.
    pub(crate) fn take(&self) -> Option<Message> {
        let mut waiting = self.lock();
        match waiting.messages.pop_front() {
            Some(Message::Audio(octets)) => {
                waiting.octets -= octets.len();
                Some(Message::Audio(octets))
            }
            Some(Message::Text(text)) => {
                waiting.texts -= 1;
                Some(Message::Text(text))
            }
            Some(Message::Stop(reason)) => Some(Message::Stop(reason)),
            None => waiting.ended.map(Message::Stop),
        }
    }

    /// Voices that were handed over since it was last asked.
    pub(crate) fn take_voices(&self) -> [Option<VoiceWriter>; 2] {
        std::mem::take(&mut self.lock().voices)
    }

    /// Waits until something may have come.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn drop_oldest_audio(&mut self) -> bool {
        let oldest = self.messages.iter().position(|m| matches!(m, Message::Audio(_)));
        let Some(Message::Audio(octets)) = oldest.and_then(|at| self.messages.remove(at)) else {
            return false;
        };
        self.octets -= octets.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_audio_goes_first_and_texts_stay() {
        let out = Outgoing::new(16);
        out.push_text("update".into());
        for n in 0..100 {
            assert_eq!(out.push_audio(vec![n; 320]), 0);
        }
        assert_eq!(out.push_audio(vec![100; 320]), 1, "two seconds");
        assert_eq!(out.take(), Some(Message::Text("update".into())));
        assert_eq!(out.take(), Some(Message::Audio(vec![1; 320])));
        assert_eq!(out.push_audio(vec![101; 320]), 0);
    }

    #[test]
    fn a_flood_of_texts_is_bounded() {
        let out = Outgoing::new(16);
        let taken = (0..1_000).filter(|n| out.push_text(n.to_string())).count();
        assert_eq!(taken, TEXTS);
        out.take();
        assert!(out.push_text("again".into()));
    }

    #[test]
    fn what_waits_is_sent_before_the_end() {
        let out = Outgoing::new(16);
        out.push_audio(vec![1; 320]);
        out.end(StopReason::CallEnded);
        out.end(StopReason::Stopping);
        assert_eq!(out.take(), Some(Message::Audio(vec![1; 320])));
        assert_eq!(out.take(), Some(Message::Stop(StopReason::CallEnded)));
        assert_eq!(out.ended(), Some(StopReason::CallEnded));
    }
}
