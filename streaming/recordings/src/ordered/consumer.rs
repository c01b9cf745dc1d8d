//! The listener of one recording: it ends it by its own bounds, and hands its audio over.

use super::{OrderedCounters, QUEUE, RESERVE, SPARE};
use crate::calendar;
use call_audio::{AudioConsumer, ConsumerEnd, DELAY, Frame, Opening};
use crossbeam_channel::Sender;
use model::{LegSide, ListenedUpdate, OrderedRecording, RecordingSilence, TransactionId};
use outbox::clock::unix_time;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a consumer hands over.
pub(super) enum Message {
    Begin {
        id: u64,
        file: Box<Begun>,
    },
    Audio {
        id: u64,
        side: LegSide,
        at: u64,
        samples: Vec<i16>,
    },
    End {
        id: u64,
    },
    /// The node stops.
    Stop,
}

/// A recording that begins.
#[derive(Clone, Debug)]
pub(super) struct Begun {
    pub(super) call: TransactionId,
    pub(super) order: u32,
    pub(super) bucket: Arc<str>,
    pub(super) key: Arc<str>,
    /// Both parties' audio side by side; else that of one.
    pub(super) is_stereo: bool,
    pub(super) sample_rate: u32,
}

/// Hands over what is recorded, half a second at a time.
pub(super) struct Consumer {
    id: u64,
    legs: [bool; 2],
    queue: Sender<Message>,
    counters: Arc<OrderedCounters>,
    is_paused: Arc<AtomicBool>,
    /// Up to there each side is silent by a pause.
    silent_until: [u64; 2],
    sample_rate: u32,
    /// The place of its first sample on the call's timeline.
    first: Option<u64>,
    blocks: [(u64, Vec<i16>); 2],
    /// Samples of a channel at most.
    most: u64,
    silence: Option<(RecordingSilence, u64)>,
    is_over: bool,
}

impl Consumer {
    /// Begins a recording, which is counted as open; `None` when its thread has no room for it and for
    /// the ends of all that are open.
    pub(super) fn begin(
        id: u64,
        (ordered, opening): (&OrderedRecording, &Opening),
        queue: &Sender<Message>,
        counters: &Arc<OrderedCounters>,
        is_paused: Arc<AtomicBool>,
    ) -> Option<Self> {
        let ends = usize::try_from(counters.open.load(Ordering::Relaxed)).unwrap_or(QUEUE);
        if queue.len().saturating_add(ends) >= QUEUE - SPARE {
            return None;
        }
        let (call, order) = (opening.call.transaction_id, ordered.order);
        let key = format!("{}{}_{call}_{order}.wav", ordered.prefix, calendar::place(unix_time()));
        let file = Begun {
            call,
            order,
            bucket: ordered.bucket.clone(),
            key: key.into(),
            is_stereo: ordered.legs == [true; 2],
            sample_rate: opening.sample_rate,
        };
        queue.try_send(Message::Begin { id, file: Box::new(file) }).ok()?;
        Some(Consumer {
            id,
            legs: ordered.legs,
            queue: queue.clone(),
            counters: Arc::clone(counters),
            is_paused,
            silent_until: [0; 2],
            sample_rate: opening.sample_rate,
            first: None,
            blocks: [(0, Vec::new()), (0, Vec::new())],
            most: samples_of(ordered.longest, opening.sample_rate),
            silence: ordered.silence.map(|silence| (silence, 0)),
            is_over: false,
        })
    }

    /// Whether the silence that ends it is there.
    fn is_silent(&mut self, samples: &[i16]) -> bool {
        let Some((silence, heard)) = &mut self.silence else { return false };
        let sum: u64 = samples.iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
        let is_quiet = sum < u64::from(silence.threshold) * samples.len() as u64;
        *heard = if is_quiet { *heard + samples.len() as u64 } else { 0 };
        *heard >= samples_of(silence.length, self.sample_rate)
    }

    fn hand_over(&mut self, side: LegSide) {
        let (at, samples) = &mut self.blocks[side.index()];
        if samples.is_empty() {
            return;
        }
        let (at, samples) = (*at, std::mem::take(samples));
        let count = samples.len() as u64;
        let is_full = self.queue.len() >= QUEUE - RESERVE;
        let message = Message::Audio { id: self.id, side, at, samples };
        if is_full || self.queue.try_send(message).is_err() {
            self.counters.lost_samples.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn finish(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            LegSide::BOTH.into_iter().for_each(|side| self.hand_over(side));
            // There is room: see `begin`.
            let _ = self.queue.try_send(Message::End { id: self.id });
        }
    }
}

impl AudioConsumer for Consumer {
    fn audio(&mut self, frame: &Frame<'_>) {
        let Frame { side, at, samples, .. } = *frame;
        if self.is_over || !self.legs[side.index()] {
            return;
        }
        let first = *self.first.get_or_insert(at);
        // What of the other party came before the first sample of this one.
        let Some(at) = at.checked_sub(first) else { return };
        if at >= self.most {
            return self.finish();
        }
        let left = usize::try_from(self.most - at).unwrap_or(usize::MAX);
        let samples = samples.get(..left.min(samples.len())).unwrap_or(samples);
        let silent_until = &mut self.silent_until[side.index()];
        if self.is_paused.load(Ordering::Relaxed) {
            // What comes so long after a pause was heard in it.
            let delay = samples_of(DELAY, self.sample_rate);
            *silent_until = at + samples.len() as u64 + delay;
        }
        let is_silent = at < *silent_until;
        let block = &mut self.blocks[side.index()];
        if block.1.is_empty() {
            block.0 = at;
        }
        match is_silent {
            true => block.1.resize(block.1.len() + samples.len(), 0),
            false => block.1.extend_from_slice(samples),
        }
        if block.1.len() >= self.sample_rate as usize / 2 {
            self.hand_over(side);
        }
        if self.is_silent(samples) {
            self.finish();
        }
    }

    fn update(&mut self, _: &ListenedUpdate) {}

    fn end(self: Box<Self>, _: ConsumerEnd) {}
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.finish();
        self.counters.open.fetch_sub(1, Ordering::Relaxed);
    }
}

fn samples_of(length: Duration, sample_rate: u32) -> u64 {
    let samples = length.as_millis() * u128::from(sample_rate) / 1_000;
    u64::try_from(samples).unwrap_or(u64::MAX)
}
