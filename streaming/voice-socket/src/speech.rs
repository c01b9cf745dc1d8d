//! What the other end says, until the relay takes it.

use codecs::VoiceWriter;
use model::LegSide;
use std::collections::VecDeque;

/// The most that waits: whole answers come faster than they are spoken.
pub(crate) const LONGEST_SPEECH_SECONDS: u32 = 60;
/// How much stands in the relay's rings: what is in there goes on without this thread.
const AHEAD_MS: u32 = 120;
/// Marks that may wait. More are answered at once, as not played.
const MARKS: usize = 64;

/// A bounded queue of samples and marks.
#[derive(Debug)]
pub(crate) struct Speech {
    voices: [Option<VoiceWriter>; 2],
    sample_rate: u32,
    queue: VecDeque<i16>,
    /// Samples that went into the rings since the voices were given, and those there were before.
    fed: u64,
    /// Where each mark stands, in samples as `fed` counts them.
    marks: VecDeque<(u64, Box<str>)>,
    /// Of voices that are gone.
    gone: Counts,
}

/// What became of samples, as [`VoiceWriter`] tells it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Counts {
    pub(crate) gaps: u64,
    pub(crate) unheard: u64,
}

impl Speech {
    pub(crate) fn new(sample_rate: u32) -> Self {
        Speech {
            voices: [None, None],
            sample_rate,
            queue: VecDeque::new(),
            fed: 0,
            marks: VecDeque::new(),
            gone: Counts::default(),
        }
    }

    /// What is said goes there too from now on, in the place of what was given before.
    pub(crate) fn speak_to(&mut self, leg: LegSide, voice: VoiceWriter) {
        if voice.sample_rate() != self.sample_rate {
            return;
        }
        if let Some(place) = self.voices.get_mut(leg.index()) {
            self.gone.add(place.replace(voice).as_ref());
        }
    }

    /// Whether anybody can be spoken to.
    pub(crate) fn has_voice(&self) -> bool {
        self.voices.iter().flatten().any(|voice| !voice.is_closed())
    }

    /// Takes samples of 16 bits, little endian; an odd octet at the end is none. How many were dropped.
    pub(crate) fn hear(&mut self, octets: &[u8]) -> usize {
        let limit = (LONGEST_SPEECH_SECONDS * self.sample_rate) as usize;
        let room = if self.has_voice() { limit.saturating_sub(self.queue.len()) } else { 0 };
        let (samples, _) = octets.as_chunks::<2>();
        self.queue.extend(samples.iter().take(room).map(|sample| i16::from_le_bytes(*sample)));
        samples.len().saturating_sub(room)
    }

    /// Puts a mark behind what was said so far.
    ///
    /// # Errors
    /// The mark, when too many wait.
    pub(crate) fn mark(&mut self, name: Box<str>) -> Result<(), Box<str>> {
        if self.marks.len() >= MARKS {
            return Err(name);
        }
        self.marks.push_back((self.fed + self.queue.len() as u64, name));
        Ok(())
    }

    /// What was said and not heard yet is not to be heard. The marks in it.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = Box<str>> {
        self.queue.clear();
        self.voices.iter_mut().flatten().for_each(VoiceWriter::clear);
        std::mem::take(&mut self.marks).into_iter().map(|(_, name)| name)
    }

    /// Fills the rings. To be called every 20 ms while anything waits.
    pub(crate) fn feed(&mut self) {
        let ahead = (self.sample_rate / 1_000 * AHEAD_MS) as usize;
        let open = || self.voices.iter().flatten().filter(|voice| !voice.is_closed());
        // All get the same at once: as much as who has the most left lets in.
        let Some(most) = open().map(VoiceWriter::waiting).max() else {
            self.queue.clear();
            return;
        };
        let count = ahead.saturating_sub(most).min(self.queue.len());
        let queue = self.queue.make_contiguous();
        let samples = queue.get(..count).unwrap_or_default();
        for voice in self.voices.iter_mut().flatten() {
            voice.write(samples);
        }
        self.queue.drain(..count);
        self.fed += count as u64;
    }

    /// A mark that was reached, or never will be because what stands before it is gone with who was
    /// spoken to (`false`); to be asked until there is none.
    pub(crate) fn poll_mark(&mut self) -> Option<(Box<str>, bool)> {
        let open = self.voices.iter().flatten().filter(|voice| !voice.is_closed());
        let waiting = open.map(VoiceWriter::waiting).max();
        let heard = self.fed.saturating_sub(waiting.unwrap_or_default() as u64);
        let is_reached = self.marks.front().is_some_and(|(at, _)| *at <= heard);
        let is_lost = waiting.is_none() && self.queue.is_empty();
        if !is_reached && !is_lost {
            return None;
        }
        self.marks.pop_front().map(|(_, name)| (name, is_reached))
    }

    /// Whether [`Speech::feed`] or [`Speech::poll_mark`] has anything to do.
    pub(crate) fn waits(&self) -> bool {
        !self.queue.is_empty() || !self.marks.is_empty()
    }

    /// Samples and marks that wait.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.queue.len(), self.marks.len())
    }

    /// What became of samples so far.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = self.gone;
        self.voices.iter().for_each(|voice| counts.add(voice.as_ref()));
        counts
    }
}

impl Counts {
    fn add(&mut self, voice: Option<&VoiceWriter>) {
        if let Some(voice) = voice {
            self.gaps += voice.gaps();
            self.unheard += voice.unheard();
        }
    }
}

#[cfg(test)]
mod tests;
