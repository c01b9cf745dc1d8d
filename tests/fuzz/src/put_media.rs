//! What Kinesis Video Streams answers to PutMedia.

use crate::{PART, bounded, parts};
use aws_sinks::ServiceError;
use bytes::Bytes;
use model::Instant;
use put_media::acknowledgement::{AckReader, Acknowledgement, Malformed};
use put_media::rule::Refusal;
use put_media::{Counters, End, Fragment, Output, Producer, ProducerConfig};
use std::time::Duration;

/// Acts of one script.
const MOST_PARTS: usize = 200;
/// What a producer may say at one moment: it says when it is done.
const MOST_OUTPUTS: usize = 64;

/// The first octet chooses: acknowledgements in pieces of its length, the body of a refusal, or a script of
/// what happens to a producer. The first octet of each part says what: a fragment, octets of the answer, a
/// refusal, the end of the connection, time going by.
///
/// # Panics
/// When pieces tell something else than the whole, when a fragment is not accounted for, or when a producer
/// does not come to an end.
pub fn put_media(data: &[u8]) {
    let Some((&choice, data)) = bounded(data).split_first() else { return };
    match choice & 3 {
        0 => pieces(data, usize::from(choice >> 2) + 1),
        1 => drop(refusal(u16::from(choice) + 300, data)),
        _ => script(data),
    }
}

fn read(data: &[u8], piece: usize) -> Vec<Result<Acknowledgement, Malformed>> {
    let (mut reader, mut found) = (AckReader::default(), Vec::new());
    for piece in data.chunks(piece) {
        reader.read(piece, |result| found.push(result));
    }
    found
}

fn pieces(data: &[u8], piece: usize) {
    let whole = read(data, data.len().max(1));
    assert_eq!(read(data, piece), whole, "pieces tell the same");
    for acknowledgement in whole.into_iter().flatten() {
        assert!(acknowledgement.code.len() <= 64 && !acknowledgement.code.contains('\n'));
    }
}

fn refusal(status: u16, body: &[u8]) -> Refusal {
    let error = ServiceError::read(status, None, None, body);
    for text in [&error.code, &error.message] {
        assert!(text.len() <= 512 && !text.chars().any(char::is_control), "{text:?}");
    }
    Refusal::new("PutMedia", error)
}

/// A producer and what is known of it.
struct World {
    producer: Producer,
    now: Instant,
    timecode: u64,
    counters: Counters,
    end: Option<End>,
}

fn script(data: &[u8]) {
    let producer = Producer::new(ProducerConfig::default(), data.len() as u64);
    let (now, counters) = (Instant::from_millis(1_000), Counters::default());
    let mut world = World { producer, now, timecode: 1, counters, end: None };
    for part in parts(data, MOST_PARTS) {
        let Some((&kind, payload)) = part.split_first() else { continue };
        world.act(kind, payload);
        world.settle();
    }
    world.producer.handle_end(world.now);
    // Whatever the service said, it is over after it lingered, with what was going on before.
    for _ in 0..600 {
        world.settle();
        if world.end.is_some() {
            break;
        }
        world.pass(Duration::from_secs(1));
    }
    assert!(world.end.is_some(), "a producer ends");
    world.account(0);
}

impl World {
    fn act(&mut self, kind: u8, payload: &[u8]) {
        let now = self.now;
        match kind & 15 {
            0..=3 => {
                self.timecode += u64::from(kind >> 4);
                let octets = Bytes::from(vec![0x1f; 1 + payload.len()]);
                let fragment = Fragment { octets, timecode: self.timecode };
                // One that is not later is refused, and counted.
                let _ = self.producer.handle_fragment(now, fragment, 1 << 20);
            }
            4..=9 => self.producer.handle_octets(now, payload),
            10 => {
                let status = 300 + 13 * u16::from(kind >> 4);
                self.producer.handle_refusal(now, &refusal(status, payload));
            }
            11 => self.producer.handle_closed(now),
            12 => self.producer.handle_failure(now, "it broke".to_owned()),
            13 => self.producer.handle_stream(kind & 16 != 0),
            14 => self.pass(Duration::from_millis(20 << (kind >> 4))),
            _ => self.producer.handle_connected(now, Bytes::from_static(b"head")),
        }
    }

    fn pass(&mut self, by: Duration) {
        self.now += by;
        self.producer.handle_timeout(self.now);
    }

    /// Does what the producer says, as a network that works does it.
    fn settle(&mut self) {
        for _ in 0..MOST_OUTPUTS {
            let Some(output) = self.producer.poll_output(self.now) else {
                let kept = self.producer.kept_fragments() as u64;
                return self.account(kept);
            };
            assert!(self.end.is_none(), "{output:?} after the end");
            match output {
                Output::Connect { .. } => {
                    self.producer.handle_connected(self.now, Bytes::from_static(b"head"));
                }
                Output::Send(octets) => {
                    assert!(!octets.is_empty());
                    self.producer.handle_room();
                }
                Output::Over(end) => self.end = Some(end),
                Output::Finish
                | Output::Close
                | Output::Started { .. }
                | Output::Trouble { .. } => {}
            }
        }
        panic!("a producer has always something to say");
    }

    /// Every fragment that was taken is kept, or counted as what became of it.
    fn account(&mut self, kept: u64) {
        self.counters.add(&self.producer.take_counters());
        let c = &self.counters;
        let left = c.dropped_fragments + c.unconfirmed_fragments + c.refused_fragments;
        assert_eq!(c.taken_fragments, c.persisted_fragments + left + kept, "{c:?}");
    }
}

/// Acknowledgements of a stream, refusals, and what happens to a producer.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let event = |kind: &str, timecode: u64| {
        format!(
            r#"{{"EventType":"{kind}","FragmentTimecode":{timecode},"FragmentNumber":"91343852333181432392682062607583920509190{timecode:06}"}}"#
        )
    };
    let acknowledgements = [
        event("BUFFERING", 16),
        event("RECEIVED", 16),
        event("PERSISTED", 16),
        r#"{"EventType":"IDLE"}"#.to_owned(),
        r#"{"Acknowledgement":{"AckEventType":"ERROR","FragmentTimecode":"32","ErrorId":4006,"ErrorCode":"INVALID_MKV_DATA"}}"#.to_owned(),
    ]
    .join("\r\n");
    let part = |kind: u8, payload: &[u8]| [&[PART, kind], payload].concat();
    let fragments = [0x10, 0x20, 0x30].map(|kind| part(kind, &[0x55; 40])).concat();
    let told = part(4, acknowledgements.as_bytes());
    let again = [part(15, &[]), part(14 | 0x80, &[])].concat();
    let refused =
        part(10 | 0x70, br#"{"__type":"ConnectionLimitExceededException","message":"one"}"#);
    let deep = [b"\x00{\"a\":".as_slice(), &b"[".repeat(5_000)].concat();
    let xml = b"\x01<Error><Code>SlowDown</Code><Message>later</Message></Error>";
    let script = |parts: &[&[u8]]| [[2].as_slice(), &parts.concat()].concat();
    vec![
        ("acknowledgements", [b"\x1c".as_slice(), acknowledgements.as_bytes()].concat()),
        ("deep", deep),
        ("xml", xml.to_vec()),
        ("works", script(&[&fragments, &told, &part(14 | 0x60, &[]), &fragments])),
        ("refused", script(&[&fragments, &refused, &again, &fragments, &told])),
        ("breaks", script(&[&fragments, &part(12, &[]), &again, &told, &part(11, &[]), &again])),
    ]
}
