//! What the hub did, as Prometheus is told.

use call_audio::TimelineCounts;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a hub did so far, and has now.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HubStatistics {
    /// Calls that are listened to now.
    pub calls: u64,
    /// Their channels now.
    pub channels: u64,
    /// Their listeners now.
    pub listeners: u64,
    /// Streams that came.
    pub streams: u64,
    /// Streams that came when there was no room for them, and changes that nobody was told.
    pub refused: u64,
    /// Listeners that were asked for and could not be opened.
    pub unopened: u64,
    /// Listeners that ended by a fault of ours.
    pub failed_listeners: u64,
    /// Packets that were taken.
    pub packets: u64,
    /// Packets that found no room in their rings, because they were not taken in time.
    pub lost_packets: u64,
    /// Packets that came twice or too late for their place.
    pub late_packets: u64,
    /// Packets that are none of their format, or of one that cannot be read.
    pub unreadable_packets: u64,
    /// Frames of one channel that were given away.
    pub frames: u64,
    /// Samples given away.
    pub samples: u64,
    /// Those of them that nobody sent, or that were lost.
    pub missing_samples: u64,
    /// Samples by which packets were made longer or shorter, for clocks that drift.
    pub slid_samples: u64,
    /// How often a thread looked after its calls more than 100 ms too late.
    pub overruns: u64,
    /// How long threads worked.
    pub worked: Duration,
}

/// What one turn of one thread did.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Tally {
    pub(super) frames: u64,
    pub(super) lost: u64,
    pub(super) failed: u64,
    pub(super) unopened: u64,
    pub(super) timelines: TimelineCounts,
}

impl Tally {
    /// Adds what a timeline counted since `told`.
    pub(super) fn add(&mut self, counts: TimelineCounts, told: TimelineCounts) {
        let sum = &mut self.timelines;
        sum.packets += counts.packets - told.packets;
        sum.late += counts.late - told.late;
        sum.unreadable += counts.unreadable - told.unreadable;
        sum.samples += counts.samples - told.samples;
        sum.missing += counts.missing - told.missing;
        sum.slid += counts.slid - told.slid;
    }
}

/// What all threads count in.
#[derive(Debug, Default)]
pub(super) struct Counters {
    calls: AtomicU64,
    channels: AtomicU64,
    listeners: AtomicU64,
    streams: AtomicU64,
    refused: AtomicU64,
    unopened: AtomicU64,
    failed: AtomicU64,
    packets: AtomicU64,
    lost: AtomicU64,
    late: AtomicU64,
    unreadable: AtomicU64,
    frames: AtomicU64,
    samples: AtomicU64,
    missing: AtomicU64,
    slid: AtomicU64,
    overruns: AtomicU64,
    worked_nanos: AtomicU64,
}

/// What a thread has at a moment: calls, channels, listeners.
pub(super) type Present = [u64; 3];

impl Counters {
    pub(super) fn refuse(&self) {
        add(&self.refused, 1);
    }

    pub(super) fn note_stream(&self) {
        add(&self.streams, 1);
    }

    pub(super) fn note_work(&self, is_late: bool, worked: Duration) {
        add(&self.overruns, u64::from(is_late));
        add(&self.worked_nanos, u64::try_from(worked.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn note(&self, tally: &Tally) {
        let timelines = &tally.timelines;
        for (counter, value) in [
            (&self.frames, tally.frames),
            (&self.lost, tally.lost),
            (&self.failed, tally.failed),
            (&self.unopened, tally.unopened),
            (&self.packets, timelines.packets),
            (&self.late, timelines.late),
            (&self.unreadable, timelines.unreadable),
            (&self.samples, timelines.samples),
            (&self.missing, timelines.missing),
            (&self.slid, timelines.slid),
        ] {
            if value > 0 {
                add(counter, value);
            }
        }
    }

    /// A thread has `now` where it had `before`.
    pub(super) fn note_present(&self, before: Present, now: Present) {
        let places = [&self.calls, &self.channels, &self.listeners];
        for ((counter, before), now) in places.into_iter().zip(before).zip(now) {
            // Wraps, and so subtracts.
            add(counter, now.wrapping_sub(before));
        }
    }

    pub(super) fn read(&self) -> HubStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        HubStatistics {
            calls: read(&self.calls),
            channels: read(&self.channels),
            listeners: read(&self.listeners),
            streams: read(&self.streams),
            refused: read(&self.refused),
            unopened: read(&self.unopened),
            failed_listeners: read(&self.failed),
            packets: read(&self.packets),
            lost_packets: read(&self.lost),
            late_packets: read(&self.late),
            unreadable_packets: read(&self.unreadable),
            frames: read(&self.frames),
            samples: read(&self.samples),
            missing_samples: read(&self.missing),
            slid_samples: read(&self.slid),
            overruns: read(&self.overruns),
            worked: Duration::from_nanos(read(&self.worked_nanos)),
        }
    }
}

fn add(counter: &AtomicU64, value: u64) {
    counter.fetch_add(value, Ordering::Relaxed);
}
