//! Copies of what legs say, from their call's stream to the one that a recorder gets (RFC 7866). Both are
//! streams of this worker: nothing is queued, locked or allocated between them.

use super::Worker;
use super::streams::StreamKey;
use crate::batch::BATCH;
use model::{Instant, LegSide, MediaId, MediaLine};
use relay_core::{Decision, GROWTH, LONGEST_COPIED, PacketKind};
use std::io;

/// Copies of one batch, until their stream has them.
pub(super) struct ForkDesk {
    packets: Box<[[u8; LONGEST_COPIED + GROWTH]; BATCH]>,
    lens: [usize; BATCH],
    count: usize,
}

impl Default for ForkDesk {
    fn default() -> Self {
        let packets = Box::new([[0; LONGEST_COPIED + GROWTH]; BATCH]);
        ForkDesk { packets, lens: [0; BATCH], count: 0 }
    }
}

impl ForkDesk {
    /// Keeps one more; there are no more of them than packets in a batch.
    #[inline]
    pub(super) fn keep(&mut self, octets: &[u8]) {
        let room = self.packets.get_mut(self.count).and_then(|room| room.get_mut(..octets.len()));
        if let (Some(room), Some(len)) = (room, self.lens.get_mut(self.count)) {
            room.copy_from_slice(octets);
            *len = octets.len();
            self.count += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Worker {
    /// Copies what a leg says to another stream from now on, or no more.
    pub(super) fn copy_leg(&mut self, id: MediaId, leg: LegSide, to: Option<MediaId>) {
        let now = self.parts.clock.now();
        let is_copy = |line| matches!(line, MediaLine::Copy { .. });
        let target = to.filter(|to| {
            self.streams.find(*to).is_some_and(|stream| is_copy(stream.session.line()))
        });
        let target = target.and_then(|to| self.streams.key_of(to));
        if to.is_some() && target.is_none() {
            self.parts.counters.unknown_streams.add(1);
            tracing::warn!(
                media = id.0,
                "a leg is not copied: there is no such stream to copy it to"
            );
        }
        let Some(stream) = self.streams.find(id) else {
            self.parts.counters.unknown_streams.add(1);
            return;
        };
        if let Some(lane) = &mut self.lane {
            // What the kernel forwards is copied by nobody; what needs not be copied goes back to it.
            stream.leave_fast_path(lane, &self.parts.counters, now);
        }
        stream.session.copy_leg(leg, target.is_some());
        stream.copies[leg.index()] = target;
    }

    /// Hands the copies of a batch to the stream that is to send them.
    pub(super) fn send_copies(&mut self, to: StreamKey, arrival: Instant) {
        let count = std::mem::take(&mut self.forks.count);
        let Some(stream) = self.streams.get_mut(to) else { return };
        let counters = &self.parts.counters;
        let copies = self.forks.packets.iter_mut().zip(self.forks.lens).take(count);
        for (buffer, len) in copies {
            match stream.session.forward_copied(buffer, len, arrival) {
                Decision::Send { to, destination, len, kind, .. } => {
                    counters.sent(kind, len);
                    counters.copied_packets.add(1);
                    let sent = match buffer.get(..len) {
                        Some(octets) => stream.sockets[to.index()].rtp.send_to(octets, destination),
                        None => Err(io::ErrorKind::InvalidInput.into()),
                    };
                    if sent.is_err() {
                        counters.send_failed(PacketKind::Rtp, len);
                        stream.session.send_failed(to, PacketKind::Rtp, len);
                    }
                }
                Decision::Drop(reason) => counters.dropped(reason),
                Decision::Kept | Decision::Check | Decision::Handshake | Decision::Taken => {}
            }
        }
        let has_made = stream.session.made_deadline().is_some();
        let is_nearer = stream.session.take_rtcp_is_nearer();
        if has_made {
            self.send_what_waits(to, arrival);
        }
        if is_nearer {
            self.schedule_reports(to);
        }
    }
}
