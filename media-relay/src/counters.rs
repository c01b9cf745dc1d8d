//! What the workers count, and the sum that others read.

use crate::chains::{ChainCounters, ChainSums, TranscodedChain};
use crate::fast_path::Counted;
use relay_core::{DropReason, PacketKind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters and gauges of the whole relay. Counters are cumulative since its start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct RelayStatistics {
    /// Streams now.
    pub streams: u64,
    /// Legs whose RTP has a connected socket now.
    pub connected_legs: u64,
    /// Port pairs (RTP and RTCP) in use now; a stream has two.
    pub port_pairs_used: u64,
    /// Port pairs in quarantine now.
    pub port_pairs_quarantined: u64,
    /// Port pairs that can be given out now.
    pub port_pairs_free: u64,
    /// RTP packets sent on.
    pub rtp_packets: u64,
    /// Octets of them, without UDP and IP.
    pub rtp_bytes: u64,
    /// RTCP datagrams sent on.
    pub rtcp_packets: u64,
    /// Octets of them, without UDP and IP.
    pub rtcp_bytes: u64,
    /// Datagrams of T.38 fax (UDPTL) sent on.
    pub udptl_packets: u64,
    /// Octets of them, without UDP and IP.
    pub udptl_bytes: u64,
    /// Datagrams that the operating system did not take.
    pub send_failures: u64,
    /// Datagrams longer than the relay's buffers, dropped.
    pub oversized: u64,
    /// Errors of receiving.
    pub receive_failures: u64,
    /// Streams that could not be allocated because no port pair was free.
    pub ports_exhausted: u64,
    /// Streams that could not be allocated because the operating system refused a socket.
    pub socket_failures: u64,
    /// Commands for a stream that does not exist.
    pub unknown_streams: u64,
    /// Plans that named one of the relay's own ports as a leg's address, which would loop.
    pub own_addresses: u64,
    /// Keys (DTMF) of one leg, as events, that the other leg got as tones.
    pub events_to_tones: u64,
    /// Keys of one leg, as tones, that the other leg got as events.
    pub tones_to_events: u64,
    /// Keys that were forgotten: too many at once, or the other leg could not get them.
    pub lost_keys: u64,
    /// Handshakes for SRTP keys that came to nothing: that leg has no audio.
    pub handshake_failures: u64,
    /// RTP packets that were made here; they count in `rtp_packets` too.
    pub made_packets: u64,
    /// RTP packets that were copied for a recorder, and sent there.
    pub copied_packets: u64,
    /// Tones of recorded calls that a leg was sent whole.
    pub warning_tones: u64,
    /// Keys (RFC 4733) that were not sent: the leg was on hold, had not agreed to them, or too many
    /// waited.
    pub unsent_keys: u64,
    /// Feedback and extended reports of a leg whose RTCP ends here that could not be told the other
    /// leg.
    pub untold_rtcp: u64,
    /// Sources of ours that a leg used too, for which we took another (RFC 3550 section 8.2).
    pub source_collisions: u64,
    /// Times that our own packets were seen to come back from a leg.
    pub source_loops: u64,
    /// Streams with audio that is transcoded now.
    pub transcoded_streams: u64,
    /// Legs that something is played to now.
    pub played_legs: u64,
    /// Plays that came to nothing: no such file, none that can be played, or no format for it.
    pub play_failures: u64,
    /// Audio files of the configuration in memory.
    pub audio_files: u64,
    /// What was made of them and of others, ready to be sent: one for each format in use.
    pub audio_clips: u64,
    /// Octets that those take.
    pub audio_bytes: u64,
    /// Copies of RTCP that were told.
    pub copied_rtcp: u64,
    /// Copies of RTCP that were lost because too many came at once.
    pub uncopied_rtcp: u64,
    /// Recordings that are written now.
    pub recordings: u64,
    /// Packets in recordings.
    pub recorded_packets: u64,
    /// Packets that a recording lacks: the disk was too slow or full, or the file as long as it may be.
    pub unrecorded_packets: u64,
    /// Recordings that could not begin, go on or be finished, and streams that were refused one.
    pub recording_failures: u64,
    /// Streams whose audio goes to listeners now.
    pub listened_streams: u64,
    /// Streams that nobody listens to though it was ordered, and changes that listeners were not told.
    pub listen_failures: u64,
    /// Streams that take part in conferences now.
    pub seats: u64,
    /// Streams that do not though it was ordered.
    pub seat_failures: u64,
    /// Packets mixed for legs that could not hear them: on hold, or hearing something else.
    pub unheard_mixed: u64,
    /// Streams whose pictures take part in conferences now.
    pub picture_seats: u64,
    /// Packets of pictures that a leg could not be sent: on hold, or nobody knows where it is.
    pub unshown_pictures: u64,
    /// Packets of pictures that legs asked for again, and were sent again.
    pub pictures_again: u64,
    /// Packets of pictures that legs asked for again, and were not sent again.
    pub pictures_not_again: u64,
    /// Key frames that signalling was to ask legs for.
    pub pictures_wanted: u64,
    /// Interfaces whose packets the kernel can forward by itself now.
    pub fast_interfaces: u64,
    /// Directions of streams that the kernel forwards by itself now.
    pub fast_streams: u64,
    /// RTP packets that it forwarded; they count in `rtp_packets` too.
    pub fast_packets: u64,
    /// RTP packets that it forwarded and that could not be measured.
    pub unmeasured_packets: u64,
    /// Dropped datagrams, see [`RelayStatistics::dropped`].
    pub(crate) drops: [u64; DropReason::ALL.len()],
    pub(crate) chains: ChainSums,
}

impl RelayStatistics {
    /// What is transcoded, and ever was, by formats.
    pub fn transcoded_chains(&self) -> impl Iterator<Item = TranscodedChain> + '_ {
        self.chains.known()
    }

    /// Datagrams dropped for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason.index()]
    }

    /// Adds another relay's or worker's numbers.
    pub(crate) fn add(&mut self, counters: &WorkerCounters) {
        let read = |c: &Counter| c.0.load(Ordering::Relaxed);
        self.streams += read(&counters.streams);
        self.connected_legs += read(&counters.connected_legs);
        self.rtp_packets += read(&counters.rtp_packets);
        self.rtp_bytes += read(&counters.rtp_bytes);
        self.rtcp_packets += read(&counters.rtcp_packets);
        self.rtcp_bytes += read(&counters.rtcp_bytes);
        self.udptl_packets += read(&counters.udptl_packets);
        self.udptl_bytes += read(&counters.udptl_bytes);
        self.send_failures += read(&counters.send_failures);
        self.oversized += read(&counters.oversized);
        self.receive_failures += read(&counters.receive_failures);
        self.ports_exhausted += read(&counters.ports_exhausted);
        self.socket_failures += read(&counters.socket_failures);
        self.unknown_streams += read(&counters.unknown_streams);
        self.own_addresses += read(&counters.own_addresses);
        self.events_to_tones += read(&counters.events_to_tones);
        self.tones_to_events += read(&counters.tones_to_events);
        self.lost_keys += read(&counters.lost_keys);
        self.handshake_failures += read(&counters.handshake_failures);
        self.played_legs += read(&counters.played_legs);
        self.play_failures += read(&counters.play_failures);
        self.recording_failures += read(&counters.recording_failures);
        self.listened_streams += read(&counters.listened_streams);
        self.listen_failures += read(&counters.listen_failures);
        self.seats += read(&counters.seats);
        self.seat_failures += read(&counters.seat_failures);
        self.unheard_mixed += read(&counters.unheard_mixed);
        self.picture_seats += read(&counters.picture_seats);
        self.unshown_pictures += read(&counters.unshown_pictures);
        self.pictures_again += read(&counters.pictures_again);
        self.pictures_not_again += read(&counters.pictures_not_again);
        self.pictures_wanted += read(&counters.pictures_wanted);
        self.made_packets += read(&counters.made_packets);
        self.copied_packets += read(&counters.copied_packets);
        self.warning_tones += read(&counters.warning_tones);
        self.unsent_keys += read(&counters.unsent_keys);
        self.untold_rtcp += read(&counters.untold_rtcp);
        self.source_collisions += read(&counters.source_collisions);
        self.source_loops += read(&counters.source_loops);
        self.transcoded_streams += read(&counters.transcoded_streams);
        self.fast_streams += read(&counters.fast_streams);
        self.fast_packets += read(&counters.fast_packets);
        self.unmeasured_packets += read(&counters.unmeasured_packets);
        self.chains.add(&counters.chains);
        for (sum, counter) in self.drops.iter_mut().zip(&counters.drops) {
            *sum += read(counter);
        }
    }
}

/// A number that one thread writes and others read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// As it is now, or was a moment ago.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds without a locked instruction: only the owning worker writes.
    #[inline]
    pub(crate) fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn subtract(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(count), Ordering::Relaxed);
    }
}

/// One worker's numbers, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerCounters {
    pub(crate) streams: Counter,
    pub(crate) connected_legs: Counter,
    rtp_packets: Counter,
    rtp_bytes: Counter,
    rtcp_packets: Counter,
    rtcp_bytes: Counter,
    udptl_packets: Counter,
    udptl_bytes: Counter,
    send_failures: Counter,
    pub(crate) oversized: Counter,
    pub(crate) receive_failures: Counter,
    pub(crate) ports_exhausted: Counter,
    pub(crate) socket_failures: Counter,
    pub(crate) unknown_streams: Counter,
    pub(crate) own_addresses: Counter,
    pub(crate) events_to_tones: Counter,
    pub(crate) tones_to_events: Counter,
    pub(crate) lost_keys: Counter,
    pub(crate) handshake_failures: Counter,
    pub(crate) played_legs: Counter,
    pub(crate) play_failures: Counter,
    pub(crate) recording_failures: Counter,
    pub(crate) listened_streams: Counter,
    pub(crate) listen_failures: Counter,
    pub(crate) seats: Counter,
    pub(crate) seat_failures: Counter,
    pub(crate) unheard_mixed: Counter,
    pub(crate) picture_seats: Counter,
    pub(crate) unshown_pictures: Counter,
    pub(crate) pictures_again: Counter,
    pub(crate) pictures_not_again: Counter,
    pub(crate) pictures_wanted: Counter,
    pub(crate) made_packets: Counter,
    pub(crate) copied_packets: Counter,
    pub(crate) warning_tones: Counter,
    pub(crate) unsent_keys: Counter,
    pub(crate) untold_rtcp: Counter,
    pub(crate) source_collisions: Counter,
    pub(crate) source_loops: Counter,
    pub(crate) transcoded_streams: Counter,
    pub(crate) fast_streams: Counter,
    fast_packets: Counter,
    unmeasured_packets: Counter,
    drops: [Counter; DropReason::ALL.len()],
    pub(crate) chains: ChainCounters,
}

impl WorkerCounters {
    #[inline]
    pub(crate) fn sent(&self, kind: PacketKind, bytes: usize) {
        let (packets, octets) = match kind {
            PacketKind::Rtp => (&self.rtp_packets, &self.rtp_bytes),
            PacketKind::Rtcp => (&self.rtcp_packets, &self.rtcp_bytes),
            PacketKind::Udptl => (&self.udptl_packets, &self.udptl_bytes),
        };
        packets.add(1);
        octets.add(bytes as u64);
    }

    /// Counts what the kernel has forwarded.
    pub(crate) fn forwarded_fast(&self, counted: Counted) {
        self.rtp_packets.add(counted.packets + counted.unmeasured);
        self.rtp_bytes.add(counted.octets);
        self.fast_packets.add(counted.packets + counted.unmeasured);
        self.unmeasured_packets.add(counted.unmeasured);
    }

    #[cold]
    pub(crate) fn send_failed(&self, kind: PacketKind, bytes: usize) {
        let (packets, octets) = match kind {
            PacketKind::Rtp => (&self.rtp_packets, &self.rtp_bytes),
            PacketKind::Rtcp => (&self.rtcp_packets, &self.rtcp_bytes),
            PacketKind::Udptl => (&self.udptl_packets, &self.udptl_bytes),
        };
        packets.subtract(1);
        octets.subtract(bytes as u64);
        self.send_failures.add(1);
    }

    pub(crate) fn dropped(&self, reason: DropReason) {
        self.drops[reason.index()].add(1);
    }
}
