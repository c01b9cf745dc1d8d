//! Announcements and music in one participant's ear, or in everybody's.

use crate::config::ParticipantId;
use crate::level::factor;
use crate::{SAMPLE_RATE, TICK_SAMPLES};
use codecs::{Recording, Resampler};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// How many recordings one ear may have before it: the one that plays, and those behind it. Joins and leaves of
/// ten seconds are ten at most, and what a meeting has to be told finds room behind them.
pub const MAX_QUEUED: usize = 16;
/// Bounds of a gain, in dB.
const LEAST_GAIN: f32 = -60.0;
const MOST_GAIN: f32 = 12.0;

/// Who hears a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ear {
    /// Everybody in the room; it is recorded with the mix.
    Everybody,
    /// One participant.
    One(ParticipantId),
}

/// Names a recording that is played, for its end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PlayId(pub u64);

/// How a recording is played.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PlayOptions {
    /// Its own gain, -60 to 12 dB.
    pub gain: f32,
    /// The gain of all else in that ear meanwhile, -60 to 0 dB.
    pub ducking: f32,
    /// It begins again when it ends, until it is stopped.
    pub repeat: bool,
}

impl Default for PlayOptions {
    fn default() -> Self {
        PlayOptions { gain: 0.0, ducking: -12.0, repeat: false }
    }
}

/// Why nothing is played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlayError {
    /// The participant is not in the room.
    Absent(ParticipantId),
    /// [`MAX_QUEUED`] recordings wait for this ear.
    QueueFull,
    /// Its sample rate is none of 8,000, 16,000 and 48,000 Hz.
    SampleRate(u32),
}

impl fmt::Display for PlayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlayError::Absent(id) => write!(f, "participant {} is not in the room", id.0),
            PlayError::QueueFull => {
                write!(f, "{MAX_QUEUED} recordings wait to be played already; stop one first")
            }
            PlayError::SampleRate(rate) => {
                write!(f, "its sample rate is {rate} Hz; make it 8000, 16000 or 48000 Hz")
            }
        }
    }
}

impl std::error::Error for PlayError {}

/// The recordings of one ear. The queue's memory is taken when it is made.
pub(crate) struct Player {
    queue: VecDeque<Clip>,
    /// The gain of all else, where the last frame ended, and whom that spared.
    ducking: f32,
    spared: Option<ParticipantId>,
}

struct Clip {
    id: PlayId,
    recording: Arc<Recording>,
    options: PlayOptions,
    resampler: Resampler,
    at: usize,
    /// Who does not hear it.
    except: Option<ParticipantId>,
}

/// What a player's frame does to all else: factors at its beginning and at its end.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Ducking {
    pub(crate) before: f32,
    pub(crate) after: f32,
}

impl Ducking {
    const NONE: Ducking = Ducking { before: 1.0, after: 1.0 };

    /// Turns down a frame.
    pub(crate) fn apply(self, mix: &mut [f32; TICK_SAMPLES]) {
        if self == Ducking::NONE {
            return;
        }
        let step = (self.after - self.before) / TICK_SAMPLES as f32;
        for (at, value) in mix.iter_mut().enumerate() {
            *value *= self.before + step * (at + 1) as f32;
        }
    }
}

impl Player {
    pub(crate) fn new() -> Self {
        Player { queue: VecDeque::with_capacity(MAX_QUEUED), ducking: 1.0, spared: None }
    }

    pub(crate) fn is_playing(&self) -> bool {
        !self.queue.is_empty() || self.ducking < 1.0
    }

    pub(crate) fn play(
        &mut self,
        id: PlayId,
        recording: Arc<Recording>,
        options: PlayOptions,
    ) -> Result<(), PlayError> {
        if self.queue.len() >= MAX_QUEUED {
            return Err(PlayError::QueueFull);
        }
        let rate = recording.sample_rate();
        let resampler = Resampler::new(rate, SAMPLE_RATE).ok_or(PlayError::SampleRate(rate))?;
        let options = PlayOptions {
            gain: options.gain.clamp(LEAST_GAIN, MOST_GAIN),
            ducking: options.ducking.clamp(LEAST_GAIN, 0.0),
            repeat: options.repeat,
        };
        self.queue.push_back(Clip { id, recording, options, resampler, at: 0, except: None });
        Ok(())
    }

    /// Stops a recording, or takes it from the queue; whether it was there.
    pub(crate) fn stop(&mut self, id: PlayId) -> bool {
        let before = self.queue.len();
        self.queue.retain(|clip| clip.id != id);
        self.queue.len() < before
    }

    /// From now on a participant does not hear a recording; whether it is still to be heard.
    pub(crate) fn except(&mut self, id: PlayId, who: ParticipantId) -> bool {
        let clip = self.queue.iter_mut().find(|clip| clip.id == id);
        clip.map(|clip| clip.except = Some(who)).is_some()
    }

    /// Who does not hear the next frame.
    pub(crate) fn spared(&self) -> Option<ParticipantId> {
        self.queue.front().map_or(self.spared, |clip| clip.except)
    }

    /// Whether a participant does not hear some of what is to be played.
    pub(crate) fn spares(&self, id: ParticipantId) -> bool {
        self.spared() == Some(id) || self.queue.iter().any(|clip| clip.except == Some(id))
    }

    /// Writes the next frame to `out`; what it does to all else, and what ended with it.
    pub(crate) fn frame(
        &mut self,
        scratch: &mut [i16; TICK_SAMPLES],
        out: &mut [f32; TICK_SAMPLES],
    ) -> (Ducking, Option<PlayId>) {
        let before = self.ducking;
        out.fill(0.0);
        let Some(clip) = self.queue.front_mut() else {
            (self.ducking, self.spared) = (1.0, None);
            return (Ducking { before, after: 1.0 }, None);
        };
        let has_ended = clip.next(scratch);
        let gain = factor(clip.options.gain);
        for (value, sample) in out.iter_mut().zip(scratch.iter()) {
            *value = f32::from(*sample) * gain;
        }
        self.ducking = factor(clip.options.ducking);
        self.spared = clip.except;
        let ended = has_ended.then_some(clip.id);
        if has_ended {
            self.queue.pop_front();
        }
        (Ducking { before, after: self.ducking }, ended)
    }
}

impl Clip {
    /// Writes 20 ms at 48,000 Hz; whether it has ended.
    fn next(&mut self, out: &mut [i16; TICK_SAMPLES]) -> bool {
        let all = self.recording.samples();
        let count = (self.recording.sample_rate() / 50) as usize;
        let mut frame = [0_i16; TICK_SAMPLES];
        let mut filled = 0;
        while filled < count {
            let rest = all.get(self.at..).unwrap_or_default();
            let some = rest.len().min(count - filled);
            if let (Some(to), Some(from)) = (frame.get_mut(filled..filled + some), rest.get(..some))
            {
                to.copy_from_slice(from);
            }
            filled += some;
            self.at += some;
            if self.at < all.len() {
                continue;
            }
            if !self.options.repeat || all.is_empty() {
                break;
            }
            self.at = 0;
        }
        self.resampler.resample(frame.get(..count).unwrap_or_default(), out);
        !self.options.repeat && self.at >= all.len()
    }
}
