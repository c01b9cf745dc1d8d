//! What was mixed, as Prometheus is told.

use crate::Mixing;
use room_grid::{GridStatistics, GridView};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What was mixed so far, and is now.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct MixingStatistics {
    /// Conferences now.
    pub conferences: u64,
    /// Legs in them now.
    pub participants: u64,
    /// Legs that could not take part: no format that is known, or a thread that is behind.
    pub refused: u64,
    /// Packets of legs that were taken.
    pub packets: u64,
    /// Packets that found no room in their rings, because they were not taken in time.
    pub lost_packets: u64,
    /// Packets that were made for legs.
    pub made: u64,
    /// Those that found no room, because the relay did not send them in time.
    pub lost_made: u64,
    /// Frames of 20 ms that were left out because a thread came too late.
    pub skipped_frames: u64,
    /// Announcements that were not heard: too many at once, or no sound that is known.
    pub left_out: u64,
    /// How long threads worked.
    pub worked: Duration,
    /// Lines of pictures in conferences now.
    pub picture_lines: u64,
    /// Lines that have no pictures: parameters that cannot be read, or too many.
    pub refused_pictures: u64,
    /// What was done with pictures.
    pub pictures: PictureTally,
    /// What was composed.
    pub grids: GridStatistics,
}

/// What was done with pictures.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PictureTally {
    /// RTP packets that were taken of lines.
    pub packets: u64,
    /// What lines sent and found no room in their rings, because it was not taken in time.
    pub lost_packets: u64,
    /// RTP packets that were given to lines: one for each who sees it.
    pub given: u64,
    /// Packets and feedback that found no room, because the relay did not send them in time.
    pub lost_given: u64,
    /// Key frames that lines were asked for.
    pub key_frames: u64,
    /// Limits that lines were told.
    pub limits: u64,
    /// Messages that asked lines for lost packets again.
    pub nacks: u64,
}

impl Mixing {
    /// The composed pictures that there are now, by the numbers of their conferences.
    pub fn grids(&self) -> Vec<GridView> {
        self.composer.as_ref().map(|composer| composer.pool.grids()).unwrap_or_default()
    }
}

/// What threads add to.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    picture_lines: AtomicU64,
    refused_pictures: AtomicU64,
    /// In the order of [`PictureTally`].
    pictures: [AtomicU64; 7],
    conferences: AtomicU64,
    participants: AtomicU64,
    refused: AtomicU64,
    packets: AtomicU64,
    lost_packets: AtomicU64,
    made: AtomicU64,
    lost_made: AtomicU64,
    skipped_frames: AtomicU64,
    left_out: AtomicU64,
    worked_nanos: AtomicU64,
}

/// What one turn of one thread did.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Tally {
    pub(crate) packets: u64,
    pub(crate) lost_packets: u64,
    pub(crate) made: u64,
    pub(crate) lost_made: u64,
    pub(crate) skipped: u64,
}

impl Counters {
    pub(crate) fn read(&self) -> MixingStatistics {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        MixingStatistics {
            conferences: read(&self.conferences),
            participants: read(&self.participants),
            refused: read(&self.refused),
            packets: read(&self.packets),
            lost_packets: read(&self.lost_packets),
            made: read(&self.made),
            lost_made: read(&self.lost_made),
            skipped_frames: read(&self.skipped_frames),
            left_out: read(&self.left_out),
            worked: Duration::from_nanos(read(&self.worked_nanos)),
            picture_lines: read(&self.picture_lines),
            refused_pictures: read(&self.refused_pictures),
            pictures: {
                let [packets, lost_packets, given, lost_given, key_frames, limits, nacks] =
                    self.pictures.each_ref().map(read);
                PictureTally { packets, lost_packets, given, lost_given, key_frames, limits, nacks }
            },
            grids: GridStatistics::default(),
        }
    }

    pub(crate) fn add(&self, tally: Tally, worked: Duration) {
        let add = |count: &AtomicU64, more: u64| count.fetch_add(more, Ordering::Relaxed);
        add(&self.packets, tally.packets);
        add(&self.lost_packets, tally.lost_packets);
        add(&self.made, tally.made);
        add(&self.lost_made, tally.lost_made);
        add(&self.skipped_frames, tally.skipped);
        add(&self.worked_nanos, u64::try_from(worked.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn leave_out(&self) {
        self.left_out.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_pictures(&self, tally: PictureTally, worked: Duration) {
        let add = |count: &AtomicU64, more: u64| count.fetch_add(more, Ordering::Relaxed);
        let PictureTally { packets, lost_packets, given, lost_given, key_frames, limits, nacks } =
            tally;
        let counts = [packets, lost_packets, given, lost_given, key_frames, limits, nacks];
        for (count, more) in self.pictures.iter().zip(counts) {
            if more > 0 {
                add(count, more);
            }
        }
        add(&self.worked_nanos, u64::try_from(worked.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn refuse_picture(&self) {
        self.refused_pictures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// What a thread has now, and had before.
    pub(crate) fn hold(&self, now: [u64; 3], before: [u64; 3]) {
        let counts = [&self.conferences, &self.participants, &self.picture_lines];
        for ((count, now), before) in counts.into_iter().zip(now).zip(before) {
            count.fetch_add(now, Ordering::Relaxed);
            count.fetch_sub(before, Ordering::Relaxed);
        }
    }
}
