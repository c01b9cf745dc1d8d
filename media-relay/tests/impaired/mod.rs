//! A stream that goes through a lossy hop and then, packet by packet, through a relay with real
//! sockets. What the relay reports must be what the hop did: loss, duplicates and order exactly.
//! Jitter must lie between the two values that RFC 3550 gives when each packet came as early, or as
//! late, as it can have come: after it was sent and before it arrived behind the relay. So a busy
//! machine widens what is allowed, and fails nothing.

#[path = "../../relay-core/tests/impairments/hop.rs"]
pub(crate) mod hop;
#[allow(dead_code, reason = "the tests in virtual time use all of it")]
#[path = "../../relay-core/tests/impairments/reference.rs"]
mod reference;

use hop::{Hop, Loss, PACKET, Passage};
use model::QualityReport;
use reference::{Counted, G711};
use rtp_proto::RtpHeader;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// The number wraps after 36 packets.
const FIRST_SEQUENCE: u16 = 65_500;

/// A way through the relay: who sends, to where, and who gets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way<'a> {
    pub(crate) sender: &'a UdpSocket,
    pub(crate) relay: SocketAddr,
    pub(crate) receiver: &'a UdpSocket,
}

/// One sender's stream.
#[derive(Default)]
pub(crate) struct Impaired {
    /// Packets that were sent without harm before the hop; the hop's numbers go on from there.
    pub(crate) unharmed: u64,
    pub(crate) sent: u64,
    counted: Counted,
    arrivals: Vec<Window>,
}

/// A packet's time by its timestamp, and when it came to the relay at the earliest and the latest.
struct Window {
    stamp: f64,
    earliest: Instant,
    latest: Instant,
}

/// Loss in bursts, duplicates and overtaken packets. Sent as fast as it goes.
pub(crate) const HARM: Hop = Hop {
    loss: Loss::Bursts { begin: 0.04, end: 0.2, lost: 0.8 },
    duplicated: 0.05,
    held: 0.08,
    jitter: Duration::from_millis(30),
    drift_ppm: 0,
};

/// Random loss and jitter. Sent at its pace.
pub(crate) const PACED: Hop = Hop {
    loss: Loss::Random(0.05),
    duplicated: 0.02,
    held: 0.0,
    jitter: Duration::from_millis(35),
    drift_ppm: 200,
};

impl Impaired {
    /// Sends a packet before the hop begins to do harm, at most 500 a second.
    pub(crate) fn unharmed(&mut self, way: Way<'_>) {
        wait_for(Duration::from_millis(2));
        self.unharmed_at_once(way);
    }

    /// The same, as fast as it goes.
    pub(crate) fn unharmed_at_once(&mut self, way: Way<'_>) {
        self.pass(way, self.unharmed);
        self.unharmed += 1;
    }

    /// Sends what leaves the hop, one packet after the other.
    pub(crate) fn hurry(&mut self, way: Way<'_>, passage: &Passage) {
        for delivery in &passage.deliveries {
            self.pass(way, self.unharmed + delivery.number);
        }
    }

    /// Sends each packet when it leaves the hop.
    pub(crate) fn pace(&mut self, way: Way<'_>, passage: &Passage) {
        let begin = now();
        for delivery in &passage.deliveries {
            wait_for((begin + delivery.at).saturating_duration_since(now()));
            self.pass(way, self.unharmed + delivery.number);
        }
    }

    /// Sends a packet and waits for it behind the relay.
    fn pass(&mut self, way: Way<'_>, number: u64) {
        let packet = packet(number);
        let earliest = now();
        way.sender.send_to(&packet, way.relay).unwrap();
        let mut buffer = [0; 2048];
        let (length, _) = receive(way.receiver, &mut buffer).expect("the packet arrives");
        let latest = now();
        assert_eq!(buffer[..length], packet, "nothing is changed, nothing is made up");
        let stamp = number as f64 * PACKET.as_secs_f64();
        self.arrivals.push(Window { stamp, earliest, latest });
        self.counted.update(sequence(number));
        self.sent += 1;
    }

    /// Compares the report on the sender with what happened to `passage`.
    pub(crate) fn agrees(&self, report: &QualityReport, passage: &Passage) {
        let received = &report.received;
        assert_eq!(received.rtp_packets, self.sent);
        assert_eq!(received.loss.expected, self.counted.expected());
        assert_eq!(received.loss.lost, self.counted.lost());
        // The packets before keep the hop's first losses within what is expected.
        let (_, last) = passage.ends();
        let lost = passage.lost[..=last as usize].iter().filter(|lost| **lost).count();
        assert_eq!(received.loss.lost, lost as i64 - passage.duplicated as i64);
        assert_eq!(received.duplicated, passage.duplicated);
        assert_eq!(received.reordered, passage.overtaken());
        let [low, high] = self.jitter();
        let reported = received.jitter.as_secs_f64();
        // RFC 3550 counts in whole timestamp units.
        let unit = 1.0 / 8_000.0;
        let allowed = 0.98 * low - unit..=1.02 * high + unit;
        assert!(allowed.contains(&reported), "jitter {reported}, allowed {allowed:?}");
    }

    /// The score lies between those of the two jitters, give or take 0.05.
    pub(crate) fn scores(&self, report: &QualityReport, passage: &Passage) {
        let [low, high] = self.jitter();
        let mut whole = passage.clone();
        // What was sent before counts too.
        whole.lost.splice(0..0, std::iter::repeat_n(false, self.unharmed as usize));
        for delivery in &mut whole.deliveries {
            delivery.number += self.unharmed;
        }
        whole.deliveries[0].number = 0;
        let [best, worst] = [low, high].map(|jitter| reference::mos(G711, &whole, jitter));
        let scored = report.mos.unwrap().value();
        assert!((worst - 0.05..=best + 0.05).contains(&scored), "{scored}, {worst} to {best}");
    }

    /// RFC 3550's estimate for the least and for the greatest differences that are possible.
    fn jitter(&self) -> [f64; 2] {
        let mut bounds = [0.0, 0.0];
        for pair in self.arrivals.windows(2) {
            let [before, this] = pair else { continue };
            let step = this.stamp - before.stamp;
            let least = (this.earliest - before.latest.min(this.earliest)).as_secs_f64() - step;
            let most = (this.latest - before.earliest).as_secs_f64() - step;
            let smallest =
                if least <= 0.0 && most >= 0.0 { 0.0 } else { least.abs().min(most.abs()) };
            let differences = [smallest, least.abs().max(most.abs())];
            for (bound, difference) in bounds.iter_mut().zip(differences) {
                *bound += (difference - *bound) / 16.0;
            }
        }
        bounds
    }
}

fn sequence(number: u64) -> u16 {
    FIRST_SEQUENCE.wrapping_add(number as u16)
}

fn packet(number: u64) -> Vec<u8> {
    let timestamp = (number as u32).wrapping_mul(160);
    let sequence = sequence(number);
    let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: 11 };
    let mut packet = header.to_bytes().to_vec();
    packet.resize(172, sequence as u8);
    packet
}

#[expect(clippy::disallowed_methods, reason = "the pace of a sender is time, not an event")]
fn wait_for(time: Duration) {
    std::thread::sleep(time);
}

#[expect(clippy::disallowed_methods, reason = "the test's own clock")]
fn now() -> Instant {
    Instant::now()
}

/// A datagram. A wait with a limit ends when the process gets a signal, with or without `SA_RESTART`
/// (signal(7)); that is not the limit.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
    loop {
        match socket.recv_from(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
