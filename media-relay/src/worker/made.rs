//! Sends the packets that are made here.

use super::Worker;
use super::streams::{Stream, StreamKey};
use crate::counters::WorkerCounters;
use crate::random::draw;
use codecs::AudioFormat;
use model::{Instant, LegSide, MediaId};
use relay_core::{LONGEST_MADE, MadePacket, PacketKind};
use std::io;
use std::time::Duration;

/// A worker's buffer for one packet.
#[derive(Debug)]
pub(super) struct MadeBuffer([u8; LONGEST_MADE]);

impl Default for MadeBuffer {
    fn default() -> Self {
        MadeBuffer([0; LONGEST_MADE])
    }
}

impl Stream {
    /// Sends the packets that are due.
    pub(super) fn send_made(
        &mut self,
        counters: &WorkerCounters,
        buffer: &mut MadeBuffer,
        now: Instant,
    ) {
        self.count_warnings(counters);
        if self.session.made_deadline().is_none_or(|at| now < at) {
            return;
        }
        while let Some(packet) = self.session.poll_made(now, &mut buffer.0) {
            let MadePacket { to, destination, len } = packet;
            counters.sent(PacketKind::Rtp, len);
            counters.made_packets.add(1);
            let sent = match buffer.0.get(..len) {
                Some(octets) => self.sockets[to.index()].rtp.send_to(octets, destination),
                None => Err(io::ErrorKind::InvalidInput.into()),
            };
            if sent.is_err() {
                counters.send_failed(PacketKind::Rtp, len);
                self.session.send_failed(to, PacketKind::Rtp, len);
            }
        }
    }

    /// Before what counts them is dropped, and as they are sent.
    pub(super) fn count_warnings(&mut self, counters: &WorkerCounters) {
        let tones = self.session.take_warnings();
        if tones > 0 {
            counters.warning_tones.add(tones);
        }
    }

    /// Before and after a new plan, and now and then.
    pub(super) fn count_transcoding(&mut self, counters: &WorkerCounters) {
        let after = self.session.has_transcoding();
        let before = std::mem::replace(&mut self.is_transcoded, after);
        if !before && !after {
            return;
        }
        counters.transcoded_streams.add(u64::from(after && !before));
        counters.transcoded_streams.subtract(u64::from(before && !after));
        self.session.take_transcoded(&mut |formats, heard| counters.chains.heard(formats, heard));
        let formats = LegSide::BOTH.map(|from| self.session.transcoded_formats(from));
        self.count_chains(formats, counters);
    }

    /// The stream ends.
    pub(super) fn forget_transcoding(&mut self, counters: &WorkerCounters) {
        self.count_transcoding(counters);
        counters.transcoded_streams.subtract(u64::from(self.is_transcoded));
        self.count_chains([None; 2], counters);
    }

    fn count_chains(&mut self, now: [Option<[AudioFormat; 2]>; 2], counters: &WorkerCounters) {
        for (before, now) in self.transcoded.iter_mut().zip(now) {
            if *before != now {
                counters.chains.count_direction(*before, false);
                counters.chains.count_direction(now, true);
                *before = now;
            }
        }
    }
}

impl Worker {
    /// Sends what packets that came have left waiting, and arms the timer for what is due later.
    pub(super) fn send_what_waits(&mut self, key: StreamKey, now: Instant) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.send_made(&self.parts.counters, &mut self.made, now);
        if let Some(at) = stream.session.made_deadline()
            && at < stream.deadline
        {
            stream.deadline = at;
            self.timers.set(at, key);
        }
    }

    /// Orders a key for a leg.
    pub(super) fn send_event(&mut self, id: MediaId, leg: LegSide, event: u8, duration: Duration) {
        let now = self.parts.clock.now();
        let counters = &self.parts.counters;
        let (Some(key), Some(stream)) = (self.streams.key_of(id), self.streams.find(id)) else {
            counters.unknown_streams.add(1);
            return;
        };
        if let Some(lane) = &mut self.lane {
            // What the kernel forwards has numbers that no longer fit.
            stream.leave_fast_path(lane, counters, now);
        }
        if let Err(error) = stream.session.send_event(leg, event, duration, now, &mut draw) {
            counters.unsent_keys.add(1);
            tracing::debug!(media = id.0, ?leg, %error, "a key is not sent");
            return;
        }
        self.schedule_made(key);
    }

    /// Arms the stream's timer for what is made here.
    pub(super) fn schedule_made(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let deadlines = [stream.session.made_deadline(), stream.session.rtcp_deadline()];
        if let Some(at) = deadlines.into_iter().flatten().min()
            && at < stream.deadline
        {
            stream.deadline = at;
            self.timers.set(at, key);
        }
    }
}
