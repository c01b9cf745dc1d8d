//! `statistics`.

use crate::call::Call;
use crate::control::{Asker, Control, result};
use crate::flags::normal;
use crate::value::{Dictionary, Value};
use model::{Instant, LegSide, Mos};
use std::net::IpAddr;
use std::time::Duration;

mod interval;
mod media;

use interval::Interval;

/// Proxies that are counted apart; what others ask is in the totals alone.
const MAX_PROXIES: usize = 32;
/// Commands, as our metrics and as rtpengine's counters call them.
const COMMANDS: [(&str, &str); 18] = [
    ("ping", "ping"),
    ("offer", "offer"),
    ("answer", "answer"),
    ("delete", "delete"),
    ("query", "query"),
    ("list", "list"),
    ("start_recording", "startrec"),
    ("stop_recording", "stoprec"),
    ("pause_recording", "pauserec"),
    ("block_dtmf", "blkdtmf"),
    ("unblock_dtmf", "unblkdtmf"),
    ("block_media", "blkmedia"),
    ("unblock_media", "unblkmedia"),
    ("silence_media", "slnmedia"),
    ("unsilence_media", "unslnmedia"),
    ("play_media", "playmedia"),
    ("stop_media", "stopmedia"),
    ("play_dtmf", "playdtmf"),
];

/// What the relay has forwarded since its start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Relayed {
    /// RTP and RTCP packets.
    pub packets: u64,
    /// Their octets.
    pub octets: u64,
    /// Datagrams that were dropped or not sent.
    pub errors: u64,
    /// Of the packets, those that the kernel forwarded by itself.
    pub packets_by_kernel: u64,
    /// Directions of streams now, two a stream.
    pub directions: u64,
    /// Those that the kernel forwards by itself now.
    pub directions_by_kernel: u64,
    /// Streams that are transcoded now.
    pub transcoded: u64,
    /// Recordings that are written now.
    pub recordings: u64,
    /// Packets in recordings, and those that they lack.
    pub recorded: [u64; 2],
}

/// The ports of one address for media.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterfacePorts {
    /// Where they are bound.
    pub address: IpAddr,
    /// The first and the last port of the range.
    pub range: (u16, u16),
    /// Ports that the relay can ever give out: whole pairs.
    pub all: usize,
    /// Those that it could give out now.
    pub free: usize,
}

/// Audio of one format that is transcoded to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TranscodedChain {
    /// What comes, as `a=rtpmap` names it.
    pub from: &'static str,
    /// What goes out.
    pub to: &'static str,
    /// Directions of streams now.
    pub directions: u64,
    /// Packets that came, since the relay's start.
    pub packets: u64,
    /// Octets of their payloads.
    pub octets: u64,
}

/// A request that waits for its reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    /// Its place in [`COMMANDS`].
    command: usize,
    at: Instant,
}

/// What the protocol has served since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ControlCounts {
    /// Calls now.
    pub calls: u64,
    /// Calls, or branches of them, that a proxy has deleted.
    pub deleted: u64,
    /// Those that were deleted because nothing came.
    pub timed_out: u64,
    /// Offers without ports or room.
    pub refused: u64,
    /// Requests of each command, one that came again counted once.
    pub requests: [(&'static str, u64); COMMANDS.len()],
    /// Requests that were answered with an error.
    pub failed: u64,
}

impl Default for ControlCounts {
    fn default() -> Self {
        let requests = COMMANDS.map(|(name, _)| (name, 0));
        ControlCounts { calls: 0, deleted: 0, timed_out: 0, refused: 0, requests, failed: 0 }
    }
}

/// Requests of one proxy, or of all.
#[derive(Clone, Copy, Default, Debug)]
struct Requests {
    counts: [u64; COMMANDS.len()],
    errors: u64,
}

/// Why a call was deleted that nobody deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timeout {
    /// Nothing came from parties that were to send.
    Media,
    /// Nothing came for long, and nobody was to send.
    Hold,
    /// No answer came.
    Offer,
}

/// Counts since the start.
#[derive(Clone, Default, Debug)]
pub(crate) struct Totals {
    pub(crate) managed: u64,
    pub(crate) rejected: u64,
    pub(crate) regular: u64,
    timed_out: [u64; 3],
    pub(crate) relayed: Relayed,
    /// What was relayed a while before, and when.
    before: Option<(Instant, Relayed)>,
    /// Packets, octets and errors in a second.
    rates: [u64; 3],
    all: Requests,
    proxies: Vec<(IpAddr, Requests)>,
    /// Calls that are over, the sum of their seconds and of the squares of those.
    over: (u64, f64, f64),
    /// Those that had media from one party alone, and from none.
    lame: [u64; 2],
    /// Scores, their sum and the sum of their squares.
    scores: (u64, f64, f64),
    interval: Interval,
    interfaces: Vec<InterfacePorts>,
    chains: Vec<(TranscodedChain, [u64; 2])>,
    chains_before: Option<Instant>,
}

impl Totals {
    /// A request that did not come before; `None` for a command that nobody counts.
    pub(crate) fn note_request(
        &mut self,
        now: Instant,
        asker: Asker,
        request: &Dictionary,
    ) -> Option<Asked> {
        let name = request.get("command").and_then(Value::text).map(normal).unwrap_or_default();
        let name = name.replace('-', "_");
        let command = COMMANDS.iter().position(|(command, _)| *command == name)?;
        self.all.counts[command] += 1;
        if let Some(proxy) = self.proxy(asker) {
            proxy.counts[command] += 1;
        }
        self.interval.note_request(command);
        Some(Asked { command, at: now })
    }

    /// A request was answered.
    pub(crate) fn note_sent(&mut self, now: Instant, asked: Asked) {
        self.interval.note_delay(asked.command, now.saturating_since(asked.at));
    }

    pub(crate) fn note_error(&mut self, asker: Asker) {
        self.all.errors += 1;
        if let Some(proxy) = self.proxy(asker) {
            proxy.errors += 1;
        }
    }

    fn proxy(&mut self, asker: Asker) -> Option<&mut Requests> {
        // Of a connection nothing is known but its number.
        let Asker::Udp { from, .. } = asker else { return None };
        let known = self.proxies.iter().position(|(ip, _)| *ip == from.ip());
        let at = match known {
            Some(at) => at,
            None if self.proxies.len() < MAX_PROXIES => {
                self.proxies.push((from.ip(), Requests::default()));
                self.proxies.len() - 1
            }
            None => return None,
        };
        self.proxies.get_mut(at).map(|(_, requests)| requests)
    }

    pub(crate) fn note_timeout(&mut self, timeout: Timeout) {
        self.timed_out[timeout as usize] += 1;
    }

    /// Dialogues that are over, with all that is known of them.
    pub(crate) fn note_over(&mut self, now: Instant, gone: &Call) {
        for dialogue in &gone.dialogues {
            let seconds = now.saturating_since(gone.created).as_secs_f64();
            let (calls, sum, squares) = self.over;
            self.over = (calls + 1, sum + seconds, squares + seconds * seconds);
            let heard = |side| dialogue.party(side).quality.received.rtp_packets > 0;
            match LegSide::BOTH.into_iter().filter(|side| heard(*side)).count() {
                0 => self.lame[1] += 1,
                1 => self.lame[0] += 1,
                _ => {}
            }
        }
    }

    pub(crate) fn note_score(&mut self, mos: Mos) {
        let (samples, sum, squares) = self.scores;
        self.scores = (samples + 1, sum + mos.value(), squares + mos.value() * mos.value());
    }

    fn note_relayed(&mut self, now: Instant, relayed: Relayed) {
        if let Some((at, before)) = self.before {
            let passed = now.saturating_since(at);
            // Shorter intervals say nothing of a second.
            if passed < Duration::from_millis(500) {
                self.relayed = relayed;
                return;
            }
            let rate = |count: u64, before: u64| {
                (count.saturating_sub(before) as f64 / passed.as_secs_f64()).round() as u64
            };
            self.rates = [
                rate(relayed.packets, before.packets),
                rate(relayed.octets, before.octets),
                rate(relayed.errors, before.errors),
            ];
        }
        (self.before, self.relayed) = (Some((now, relayed)), relayed);
    }

    fn current(&self, calls: u64) -> Dictionary {
        let (relayed, [packets, octets, errors]) = (&self.relayed, self.rates);
        let mut out = Dictionary::new();
        out.set("sessionsown", calls)
            .set("sessionsforeign", 0_u64)
            .set("sessionstotal", calls)
            .set("transcodedmedia", relayed.transcoded)
            .set("packetrate", packets)
            .set("byterate", octets)
            .set("errorrate", errors)
            .set("media_kernel", relayed.directions_by_kernel)
            .set("media_userspace", relayed.directions.saturating_sub(relayed.directions_by_kernel))
            .set("recordings", relayed.recordings);
        out
    }

    fn total(&self, now: Instant) -> Dictionary {
        let relayed = &self.relayed;
        let (calls, sum, squares) = self.over;
        let [media, hold, offer] = self.timed_out;
        let mut out = Dictionary::new();
        out.set("uptime", (now - Instant::ZERO).as_secs().to_string())
            .set("managedsessions", self.managed)
            .set("rejectedsessions", self.rejected)
            .set("timeoutsessions", media)
            .set("silenttimeoutsessions", hold)
            .set("finaltimeoutsessions", 0_u64)
            .set("offertimeoutsessions", offer)
            .set("regularterminatedsessions", self.regular)
            .set("forcedterminatedsessions", 0_u64)
            .set("relayedpackets_user", relayed.packets.saturating_sub(relayed.packets_by_kernel))
            .set("relayedpackets_kernel", relayed.packets_by_kernel)
            .set("relayedpackets", relayed.packets)
            .set("relayedbytes", relayed.octets)
            .set("relayedpacketerrors", relayed.errors)
            .set("zerowaystreams", self.lame[1])
            .set("onewaystreams", self.lame[0])
            .set("avgcallduration", decimal(mean(sum, calls)))
            .set("totalcallsduration", decimal(sum))
            .set("totalcallsduration2", decimal(squares))
            .set("totalcallsduration_stddev", decimal(deviation(self.over)))
            .set("recordedpackets", relayed.recorded[0])
            .set("unrecordedpackets", relayed.recorded[1]);
        out
    }

    fn mos(&self) -> Dictionary {
        let (samples, sum, squares) = self.scores;
        let mut out = Dictionary::new();
        out.set("mos_total", decimal(sum))
            .set("mos2_total", decimal(squares))
            .set("mos_samples_total", samples)
            .set("mos_average", decimal(mean(sum, samples)))
            .set("mos_stddev", decimal(deviation(self.scores)));
        out
    }

    fn control(&self) -> Dictionary {
        let mut out = Dictionary::new();
        let proxies = self.proxies.iter().map(|(ip, requests)| {
            let mut proxy = Dictionary::new();
            proxy.set("proxy", ip.to_string());
            for ((_, name), count) in COMMANDS.iter().zip(requests.counts) {
                proxy.set(format!("{name}count"), count);
            }
            proxy.set("errorcount", requests.errors);
            Value::from(proxy)
        });
        out.set("proxies", proxies.collect::<Vec<_>>());
        for ((_, name), count) in COMMANDS.iter().zip(self.all.counts) {
            out.set(format!("total{name}count"), count);
        }
        out.set("totalerrorcount", self.all.errors);
        out
    }
}

impl Control {
    /// In the names of rtpengine's `list jsonstats`, as far as there is such a number here.
    pub(crate) fn serve_statistics(&self, now: Instant) -> Dictionary {
        let mut statistics = Dictionary::new();
        statistics
            .set("currentstatistics", self.totals.current(self.calls.len() as u64))
            .set("totalstatistics", self.totals.total(now))
            .set("intervalstatistics", self.totals.interval.told(now, self.calls.len()))
            .set("mos", self.totals.mos())
            .set("controlstatistics", self.totals.control())
            .set("interfaces", self.totals.interfaces())
            .set("transcoders", self.totals.transcoders());
        let mut reply = result("ok");
        reply.set("statistics", statistics);
        reply
    }

    /// What the relay has forwarded in all, for `statistics`; to be told once a second.
    pub fn note_relayed(&mut self, now: Instant, relayed: Relayed) {
        self.totals.note_relayed(now, relayed);
        self.totals.interval.note_second(now, self.calls.len());
    }

    /// The relay's ports and what it transcodes, for `statistics`; to be told once a second.
    pub fn note_media(
        &mut self,
        now: Instant,
        interfaces: Vec<InterfacePorts>,
        chains: &[TranscodedChain],
    ) {
        self.totals.interfaces = interfaces;
        self.totals.note_chains(now, chains);
    }

    /// What was served so far.
    pub fn counts(&self) -> ControlCounts {
        let totals = &self.totals;
        let mut counts = ControlCounts {
            calls: self.calls.len() as u64,
            deleted: totals.regular,
            timed_out: totals.timed_out.iter().sum(),
            refused: totals.rejected,
            failed: totals.all.errors,
            ..ControlCounts::default()
        };
        let served = counts.requests.iter_mut().zip(totals.all.counts);
        served.for_each(|((_, count), served)| *count = served);
        counts
    }
}

fn mean(sum: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}

fn deviation((count, sum, squares): (u64, f64, f64)) -> f64 {
    let average = mean(sum, count);
    (mean(squares, count) - average * average).max(0.0).sqrt()
}

/// As rtpengine writes fractions.
fn decimal(number: f64) -> String {
    format!("{number:.6}")
}

#[cfg(test)]
mod tests;
