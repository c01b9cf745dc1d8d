//! `statistics`.

use crate::control::{Control, result};
use crate::value::Dictionary;
use model::Instant;

/// What the relay has forwarded since its start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Relayed {
    /// RTP and RTCP packets.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// Datagrams that were dropped or not sent.
    pub errors: u64,
    /// Streams that are transcoded now.
    pub transcoded: u64,
    /// Recordings that are written now.
    pub recordings: u64,
    /// Packets in recordings, and those that they lack.
    pub recorded: [u64; 2],
}

/// Counts since the start.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Totals {
    pub(crate) managed: u64,
    pub(crate) rejected: u64,
    pub(crate) timed_out: u64,
    pub(crate) regular: u64,
    pub(crate) relayed: Relayed,
}

impl Control {
    /// In the names of rtpengine's `list jsonstats`, as far as there is such a number here.
    pub(crate) fn serve_statistics(&self, now: Instant) -> Dictionary {
        let calls = self.calls.len() as u64;
        let mut current = Dictionary::new();
        current.set("sessionsown", calls).set("sessionsforeign", 0_u64);
        current.set("sessionstotal", calls).set("transcodedmedia", self.totals.relayed.transcoded);
        current.set("recordings", self.totals.relayed.recordings);
        let totals = self.totals;
        let mut total = Dictionary::new();
        total
            .set("uptime", (now - Instant::ZERO).as_secs().to_string())
            .set("managedsessions", totals.managed)
            .set("rejectedsessions", totals.rejected)
            .set("timeoutsessions", totals.timed_out)
            .set("regularterminatedsessions", totals.regular)
            .set("relayedpackets", totals.relayed.packets)
            .set("relayedbytes", totals.relayed.octets)
            .set("relayedpacketerrors", totals.relayed.errors)
            .set("recordedpackets", totals.relayed.recorded[0])
            .set("unrecordedpackets", totals.relayed.recorded[1]);
        let mut statistics = Dictionary::new();
        statistics.set("currentstatistics", current).set("totalstatistics", total);
        let mut reply = result("ok");
        reply.set("statistics", statistics);
        reply
    }
}
