//! One call that is listened to.

use super::listeners::{Listeners, Openers};
use super::statistics::Tally;
use super::stream::CallStream;
use call_audio::{ConsumerEnd, DELAY, LONGEST_BURST, Opening, Scratch, Timeline, TimelineCounts};
use model::{Channel, Instant, ListenedUpdate, Listener, MAX_LISTENERS};
use relay_core::{ListenedStream, VoiceWriter};
use std::time::Duration;

/// Streams of one call at a time: two of a recorded call, each with the one that takes its place.
const MOST_STREAMS: usize = 4;
/// How long a call without streams waits for another.
const LINGER: Duration = Duration::from_secs(2);

/// A call, its channels and who listens.
pub(super) struct Call {
    opening: Opening,
    began: Instant,
    timelines: [Option<Timeline>; 2],
    told: [TimelineCounts; 2],
    streams: Vec<CallStream>,
    listeners: Listeners,
    /// Of streams that came before the listeners were opened.
    voices: [Option<VoiceWriter>; 2],
    /// The listeners were opened.
    is_open: bool,
    /// All that came until then was taken.
    reached: Instant,
    /// Since when there is no stream.
    silent_since: Option<Instant>,
}

impl Call {
    /// A call that begins with this stream; `None` where it has no channel, or an unknown sample rate.
    pub(super) fn new(
        stream: ListenedStream,
        now: Instant,
        openers: &Openers,
        scratch: &mut Scratch,
    ) -> Option<Self> {
        let listening = &stream.listening;
        let mut call = Call {
            opening: Opening {
                call: listening.call.clone(),
                channels: [None, None],
                sample_rate: listening.sample_rate,
                began: stream.began_at,
            },
            began: stream.began,
            timelines: [None, None],
            told: [TimelineCounts::default(); 2],
            streams: Vec::new(),
            listeners: Listeners::default(),
            voices: [None, None],
            is_open: false,
            reached: stream.began,
            silent_since: None,
        };
        // Nothing is told before the listeners are opened.
        call.join(stream, now, openers, scratch, &mut Tally::default());
        call.timelines.iter().any(Option::is_some).then_some(call)
    }

    pub(super) fn channels(&self) -> usize {
        self.timelines.iter().flatten().count()
    }

    pub(super) fn listeners(&self) -> usize {
        self.listeners.count()
    }

    /// Another stream of the call, or the same anew; whether there was room for it.
    pub(super) fn join(
        &mut self,
        mut stream: ListenedStream,
        now: Instant,
        openers: &Openers,
        scratch: &mut Scratch,
        tally: &mut Tally,
    ) -> bool {
        let replaced = self.streams.iter().position(|other| other.id == stream.id);
        let is_full = self.streams.len() >= MOST_STREAMS && replaced.is_none();
        if is_full {
            return false;
        }
        if let Some(replaced) = replaced {
            // What it still had was there before the new one.
            let mut replaced = self.streams.remove(replaced);
            replaced.read(stream.began, &mut self.timelines, scratch);
            tally.lost += replaced.newly_lost();
        }
        if let Some(since) = self.silent_since.take() {
            self.end_silence(since, &stream, openers, scratch, tally);
        }
        for channel in stream.listening.channels.iter().flatten() {
            self.add_channel(channel, now, tally);
        }
        for (place, voice) in self.voices.iter_mut().zip(std::mem::take(&mut stream.voices)) {
            *place = voice.or(place.take());
        }
        let stream = CallStream::new(stream);
        for side in stream.sides.iter().flatten() {
            // A channel is one stream's at a time.
            let others = self.streams.iter_mut().flat_map(|other| &mut other.sides);
            others.filter(|other| **other == Some(*side)).for_each(|other| *other = None);
        }
        self.streams.push(stream);
        self.renew_listeners(openers, tally);
        true
    }

    /// Tells the listeners what has changed.
    pub(super) fn update(&mut self, update: &ListenedUpdate, openers: &Openers, tally: &mut Tally) {
        self.open(openers, tally);
        self.listeners.update(update, tally);
    }

    /// Takes what came until `now` and gives away the frames that are due; whether the call goes on.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        openers: &Openers,
        scratch: &mut Scratch,
        tally: &mut Tally,
    ) -> bool {
        if let Some(since) = self.silent_since {
            if since + LINGER > now {
                self.end_ordered(since, now, openers, scratch, tally);
                return true;
            }
            self.finish(since, ConsumerEnd::Ended, scratch, tally);
            return false;
        }
        self.advance(now, openers, scratch, tally);
        self.count(tally);
        if self.streams.iter().any(CallStream::has_ended) {
            // Short as it may have been, it is told of.
            self.open(openers, tally);
            self.streams.retain(|stream| !stream.has_ended());
            match self.streams.is_empty() {
                true => self.silent_since = Some(now),
                false => self.renew_listeners(openers, tally),
            }
        }
        true
    }

    /// Takes what there is until `now` and ends.
    pub(super) fn stop(
        &mut self,
        now: Instant,
        openers: &Openers,
        scratch: &mut Scratch,
        tally: &mut Tally,
    ) {
        self.turn(now, openers, scratch, tally);
        self.open(openers, tally);
        let end = self.silent_since.unwrap_or(now);
        self.finish(end, ConsumerEnd::Stopping, scratch, tally);
    }

    /// Takes what came until `now` and gives away the frames that are due.
    fn advance(
        &mut self,
        now: Instant,
        openers: &Openers,
        scratch: &mut Scratch,
        tally: &mut Tally,
    ) {
        while self.reached < now {
            self.reached = now.min(self.reached + LONGEST_BURST);
            for stream in &mut self.streams {
                stream.read(self.reached, &mut self.timelines, scratch);
            }
            if self.began + DELAY <= self.reached {
                self.open(openers, tally);
            }
            self.give(None, scratch, tally);
        }
    }

    /// Without a stream a recording for an application ends as soon as all of it is given away: its
    /// application waits for the file, and nothing is ordered anew in such a call but on its streams.
    fn end_ordered(
        &mut self,
        since: Instant,
        now: Instant,
        openers: &Openers,
        scratch: &mut Scratch,
        tally: &mut Tally,
    ) {
        let given = since + DELAY;
        if given <= now && self.listeners.has_ordered() {
            self.advance(given, openers, scratch, tally);
            self.listeners.end_ordered(tally);
        }
    }

    /// A stream comes after a time without any, which is silence to those who listened before it and go
    /// on: who comes with the stream has not heard it, and who ends with the one before has ended then.
    fn end_silence(
        &mut self,
        since: Instant,
        stream: &ListenedStream,
        openers: &Openers,
        scratch: &mut Scratch,
        tally: &mut Tally,
    ) {
        self.advance(stream.began.min(since + DELAY), openers, scratch, tally);
        self.listeners.keep(stream.listening.listeners.iter().take(MAX_LISTENERS), tally);
        self.advance(stream.began, openers, scratch, tally);
    }

    fn add_channel(&mut self, channel: &Channel, now: Instant, tally: &mut Tally) {
        let at = channel.side.index();
        if self.timelines[at].is_none() {
            // Of one that comes before anything was given away nothing is missing.
            let from = if self.is_open { now } else { self.began };
            let rate = self.opening.sample_rate;
            self.timelines[at] = Timeline::new(channel.side, rate, self.began, from);
            if self.is_open {
                self.listeners.joined(channel.side, channel, tally);
            }
        }
        self.opening.channels[at] = Some(channel.clone());
    }

    fn open(&mut self, openers: &Openers, tally: &mut Tally) {
        if !self.is_open {
            self.is_open = true;
            self.renew_listeners(openers, tally);
        }
    }

    fn renew_listeners(&mut self, openers: &Openers, tally: &mut Tally) {
        if self.is_open {
            let wanted =
                self.streams.iter().flat_map(|stream| -> &[Listener] { &stream.listeners });
            self.listeners.want(wanted, &self.opening, openers, tally);
            self.listeners.voices(std::mem::take(&mut self.voices), tally);
        }
    }

    /// Gives away what is due, or, at the end, what was heard until then; the earliest first.
    fn give(&mut self, end: Option<Instant>, scratch: &mut Scratch, tally: &mut Tally) {
        while let Some(next) = next(&mut self.timelines) {
            let frame = match end {
                Some(end) => next.poll_last(end, scratch),
                None => next.poll_frame(self.reached, scratch),
            };
            let Some(frame) = frame else { return };
            tally.frames += 1;
            self.listeners.audio(&frame, tally);
        }
    }

    fn finish(&mut self, end: Instant, why: ConsumerEnd, scratch: &mut Scratch, tally: &mut Tally) {
        self.give(Some(end), scratch, tally);
        self.count(tally);
        self.listeners.end(why, tally);
    }

    fn count(&mut self, tally: &mut Tally) {
        tally.lost += self.streams.iter_mut().map(CallStream::newly_lost).sum::<u64>();
        for (timeline, told) in self.timelines.iter().zip(&mut self.told) {
            if let Some(timeline) = timeline {
                let counts = timeline.counts();
                tally.add(counts, *told);
                *told = counts;
            }
        }
    }
}

/// The channel whose frame is the next, A before B.
fn next(timelines: &mut [Option<Timeline>; 2]) -> Option<&mut Timeline> {
    timelines.iter_mut().flatten().min_by_key(|timeline| timeline.deadline())
}
