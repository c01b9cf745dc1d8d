//! What is played to the legs of this worker's streams: which file in which format, and since when.

use super::Worker;
use super::streams::{Stream, StreamKey};
use crate::audio::ClipReply;
use crate::counters::WorkerCounters;
use crate::random::draw;
use codecs::Clip;
use model::{LegSide, MediaEvent, MediaId, PlayFailure, PlayOutcome, Playing};
use relay_core::{PlayableFormat, Track};
use std::sync::Arc;

/// What a leg is to hear.
#[derive(Debug)]
pub(super) struct LegPlaying {
    playing: Playing,
    /// In which format it is wanted.
    format: PlayableFormat,
    /// Of the wish for it; what comes for another one is of the past.
    ticket: u64,
    /// It has begun.
    begun: bool,
}

impl Worker {
    /// Plays something to a leg, as soon as it is there in the leg's format.
    pub(super) fn play(&mut self, id: MediaId, leg: LegSide, playing: Playing) {
        let Some(key) = self.streams.key_of(id) else {
            self.parts.counters.unknown_streams.add(1);
            return self.play_failed(id, leg, PlayFailure::NoStream);
        };
        self.fetch(key, leg, playing);
    }

    /// Plays nothing more to a leg.
    pub(super) fn stop_playing(&mut self, id: MediaId, leg: LegSide) {
        let now = self.parts.clock.now();
        match self.streams.find(id) {
            Some(stream) => {
                stream.forget_leg_playing(leg, &self.parts.counters);
                stream.session.stop_playing(leg, now);
            }
            None => self.parts.counters.unknown_streams.add(1),
        }
    }

    /// What the library made of a wish, or why it could not.
    pub(super) fn take_clip(
        &mut self,
        (id, leg): (MediaId, LegSide),
        ticket: u64,
        clip: Result<Arc<Clip>, PlayFailure>,
    ) {
        let Some(key) = self.streams.key_of(id) else { return };
        let Some(stream) = self.streams.get_mut(key) else { return };
        let is_wanted = stream.leg_playing(leg).is_some_and(|wanted| wanted.ticket == ticket);
        match clip {
            _ if !is_wanted => {}
            Ok(clip) => self.begin_playing(key, leg, clip),
            Err(failure) => self.give_up_playing(key, leg, failure),
        }
    }

    /// A new plan: what is played goes on in the format that the leg has now.
    pub(super) fn play_again(&mut self, key: StreamKey) {
        for leg in LegSide::BOTH {
            let Some(stream) = self.streams.get_mut(key) else { return };
            let playable = stream.session.playable(leg);
            let Some(wanted) = stream.leg_playing(leg) else { continue };
            if playable != Some(wanted.format) {
                let playing = wanted.playing.clone();
                self.fetch(key, leg, playing);
            }
        }
        self.schedule_made(key);
    }

    fn fetch(&mut self, key: StreamKey, leg: LegSide, playing: Playing) {
        let now = self.parts.clock.now();
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.forget_leg_playing(leg, &self.parts.counters);
        stream.session.stop_playing(leg, now);
        let Some(format) = stream.session.playable(leg) else {
            let id = stream.session.id();
            return self.play_failed(id, leg, PlayFailure::NoFormat);
        };
        self.tickets += 1;
        let (id, ticket, source) = (stream.session.id(), self.tickets, playing.source.clone());
        let wanted = LegPlaying { playing, format, ticket, begun: false };
        stream.playing.get_or_insert_default()[leg.index()] = Some(wanted);
        let PlayableFormat { format, packet_ms, .. } = format;
        if let Some(clip) = self.parts.audio.find(&source, format, packet_ms) {
            return self.begin_playing(key, leg, clip);
        }
        let reply = ClipReply { queue: Arc::clone(&self.parts.queue), to: (id, leg), ticket };
        if let Err(failure) = self.parts.audio.ask(source, format, packet_ms, reply) {
            self.give_up_playing(key, leg, failure);
        }
    }

    fn begin_playing(&mut self, key: StreamKey, leg: LegSide, clip: Arc<Clip>) {
        let now = self.parts.clock.now();
        let Some(stream) = self.streams.get_mut(key) else { return };
        if let Some(lane) = &mut self.lane {
            // What the kernel forwards has numbers that no longer fit.
            stream.leave_fast_path(lane, &self.parts.counters, now);
        }
        let Some(wanted) = stream.playing.as_mut().and_then(|legs| legs[leg.index()].as_mut())
        else {
            return;
        };
        let Some(first) = clip.packet_of(wanted.playing.start) else {
            return self.give_up_playing(key, leg, PlayFailure::PastEnd);
        };
        if !std::mem::replace(&mut wanted.begun, true) {
            self.parts.counters.played_legs.add(1);
        }
        let Playing { rounds, with, .. } = wanted.playing;
        let (duration, sample_rate) = (clip.duration(), clip.sample_rate());
        let track = Track { clip, payload_type: wanted.format.payload_type, first, rounds, with };
        stream.session.play(leg, track, now, &mut draw);
        let id = stream.session.id();
        self.schedule_made(key);
        self.emit(MediaEvent::Plays { id, leg, duration, sample_rate });
    }

    fn give_up_playing(&mut self, key: StreamKey, leg: LegSide, failure: PlayFailure) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.forget_leg_playing(leg, &self.parts.counters);
        let id = stream.session.id();
        self.play_failed(id, leg, failure);
    }

    fn play_failed(&mut self, id: MediaId, leg: LegSide, failure: PlayFailure) {
        self.parts.counters.play_failures.add(1);
        tracing::debug!(media = id.0, ?leg, %failure, "nothing is played");
        self.emit(MediaEvent::Played { id, leg, outcome: PlayOutcome::Failed(failure) });
    }
}

impl Stream {
    /// The legs that have heard all that was to be played to them.
    pub(super) fn note_played(&mut self, counters: &WorkerCounters) -> [Option<LegSide>; 2] {
        LegSide::BOTH.map(|_| {
            let leg = self.session.poll_played()?;
            self.forget_leg_playing(leg, counters);
            Some(leg)
        })
    }

    /// The stream ends.
    pub(super) fn forget_playing(&mut self, counters: &WorkerCounters) {
        for leg in LegSide::BOTH {
            self.forget_leg_playing(leg, counters);
        }
    }

    fn leg_playing(&self, leg: LegSide) -> Option<&LegPlaying> {
        self.playing.as_ref()?[leg.index()].as_ref()
    }

    fn forget_leg_playing(&mut self, leg: LegSide, counters: &WorkerCounters) {
        let wanted = self.playing.as_mut().and_then(|legs| legs[leg.index()].take());
        if wanted.is_some_and(|wanted| wanted.begun) {
            counters.played_legs.subtract(1);
        }
    }
}
