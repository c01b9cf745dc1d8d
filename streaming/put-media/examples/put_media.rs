//! Sends tones into Kinesis video streams and says what becomes of them, a JSON object a line: the
//! interop tests drive it against their stand-in.
//!
//! ```text
//! put_media endpoint=URL streams=a,b,c [fragments=5] [every=300] [data=URL] [retention=24]
//!           [region=us-east-1] [tls_ca=FILE] [list=PREFIX] [bytes=OCTETS] [rotate=SECONDS]
//!           [idle=SECONDS] [silence=SECONDS] [finish=SECONDS] [linger=SECONDS] [age=SECONDS]
//!           [longest_pause=SECONDS]
//! ```
//!
//! Fragments are 1 s of audio each, handed over every `every` milliseconds, so that tests need not wait.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a test's program")]

use aws_sinks::{Access, Endpoint};
use mkv::{
    Audio, Encoding, FragmentWriter, StreamObserver, StreamOrder, StreamReport, StreamSink, Tags,
};
use put_media::{PutMedia, PutMediaConfig};
use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

const RATE: u32 = 8_000;

struct Printer(String);

impl StreamObserver for Printer {
    fn report(&mut self, report: StreamReport) {
        let stream = &self.0;
        println!(
            "{}",
            match report {
                StreamReport::Started { stream_arn, fragment_number, timecode_ms } => format!(
                    r#"{{"stream":"{stream}","report":"started","arn":"{}","number":"{fragment_number}","timecode":{timecode_ms}}}"#,
                    stream_arn
                ),
                StreamReport::Trouble { reason } => {
                    format!(r#"{{"stream":"{stream}","report":"trouble","reason":{reason:?}}}"#)
                }
                StreamReport::Failed { reason, is_usable } => format!(
                    r#"{{"stream":"{stream}","report":"failed","reason":{reason:?},"usable":{is_usable}}}"#
                ),
                StreamReport::Ended { fragment_number } => format!(
                    r#"{{"stream":"{stream}","report":"ended","number":"{}"}}"#,
                    fragment_number.unwrap_or_default()
                ),
            }
        );
    }
}

fn main() {
    let options: HashMap<String, String> = std::env::args()
        .skip(1)
        .filter_map(|argument| {
            argument.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()))
        })
        .collect();
    let text = |key: &str| options.get(key).cloned();
    let number = |key: &str, otherwise: u64| {
        text(key).map_or(otherwise, |value| value.parse().expect("a number"))
    };
    let access = Access {
        region: text("region").unwrap_or_else(|| "us-east-1".to_owned()),
        endpoint: text("endpoint").map(|url| Endpoint::parse(&url).expect("a URL")),
        authorities: text("tls_ca").map(|file| Path::new(&file).into()),
    };
    let mut config = PutMediaConfig::new(access, "edge-t");
    config.data_endpoint = text("data").map(|url| Endpoint::parse(&url).expect("a URL"));
    let seconds = |key: &str, otherwise: Duration| {
        text(key)
            .map_or(otherwise, |value| Duration::from_secs_f64(value.parse().expect("seconds")))
    };
    let producer = &mut config.producer;
    producer.rotate_after = seconds("rotate", producer.rotate_after);
    producer.idle = seconds("idle", producer.idle);
    producer.linger = seconds("linger", producer.linger);
    producer.max_age = seconds("age", producer.max_age);
    producer.silence = seconds("silence", producer.silence);
    producer.finish_within = seconds("finish", producer.finish_within);
    producer.longest_pause = seconds("longest_pause", producer.longest_pause);
    producer.max_bytes = usize::try_from(number("bytes", 4 << 20)).expect("octets");
    let service = PutMedia::start(config).expect("a thread");
    let streams = service.streams();
    if let Some(prefix) = text("list") {
        let (then, names) = mpsc::sync_channel(1);
        streams.list(&prefix, move |names| then.send(names).expect("somebody waits"));
        println!("{{\"listed\":{:?}}}", names.recv().expect("an answer").expect("names"));
    }
    let retention = u32::try_from(number("retention", 24)).expect("hours");
    let names = text("streams").unwrap_or_default();
    let names: Vec<_> = names.split(',').filter(|name| !name.is_empty()).collect();
    send(&streams, &names, retention, number("fragments", 5), number("every", 300));
    service.stop(Duration::from_secs(120));
    let view = streams.view();
    println!("{}", counters(&view));
}

fn send(streams: &impl StreamSink, names: &[&str], retention: u32, count: u64, every: u64) {
    let audio = Audio { encoding: Encoding::Linear, sample_rate: RATE };
    let mut sinks: Vec<_> = names
        .iter()
        .map(|name| {
            let observer = Box::new(Printer((*name).to_owned()));
            let order =
                StreamOrder { name: (*name).into(), retention_hours: retention, audio, observer };
            let mut tags = Tags::new();
            tags.add("TransactionId", "7b1c6c54-0d0e-4a3a-9a11-0c5a7f4f3f10").expect("a tag");
            let writer = FragmentWriter::new(audio, Duration::from_secs(1), tags, Tags::new());
            (streams.open(order).expect("a stream"), writer)
        })
        .collect();
    let began = outbox::clock::unix_time().as_millis();
    for index in 0..count {
        for (sink, writer) in &mut sinks {
            for frame in 0..50 {
                let at = began + index * 1_000 + frame * 20;
                // What each fragment holds tells which one it is.
                let sample = i16::try_from(index % 30_000).expect("a sample").to_le_bytes();
                let samples: Vec<_> = sample.iter().copied().cycle().take(320).collect();
                if let Some(fragment) = writer.push(at, &samples, 0).expect("frames in order") {
                    sink.fragment(fragment);
                }
            }
        }
        println!("{{\"handed\":{}}}", index + 1);
        #[expect(clippy::disallowed_methods, reason = "audio comes at a pace")]
        std::thread::sleep(Duration::from_millis(every));
    }
    for (sink, _) in sinks {
        sink.finish();
    }
}

fn counters(view: &put_media::PutMediaView) -> String {
    let c = &view.counters;
    let errors: Vec<_> = c
        .errors_by_id()
        .map(|(id, count)| {
            format!("\"{}\":{count}", id.map_or_else(|| "other".to_owned(), |id| id.to_string()))
        })
        .collect();
    format!(
        r#"{{"taken":{},"rejected":{},"sent":{},"bytes":{},"replayed":{},"persisted":{},"dropped":{},"unconfirmed":{},"refused":{},"connections":{},"broken":{},"refusals":{},"rotations":{},"malformed":{},"given_up":{},"errors":{{{}}},"open":{},"kept":{}}}"#,
        c.taken_fragments,
        c.rejected_fragments,
        c.sent_fragments,
        c.sent_bytes,
        c.replayed_fragments,
        c.persisted_fragments,
        c.dropped_fragments,
        c.unconfirmed_fragments,
        c.refused_fragments,
        c.connections,
        c.broken_connections,
        c.refused_connections,
        c.rotations,
        c.malformed_acknowledgements,
        c.given_up_streams,
        errors.join(","),
        view.open_streams,
        view.kept_bytes,
    )
}
