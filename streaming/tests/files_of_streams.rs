//! Files of streams on a disk that is really full, and under kill -9.
//!
//! Where there can be no small disk (no root) the unit tests with a folder that cannot be written stand for
//! the first test.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test")]

#[path = "../../tests/hardship/killed.rs"]
mod killed;
#[path = "../../tests/hardship/small_disk.rs"]
mod small_disk;

use call_streaming::kinesis::{
    FileStreams, FileStreamsConfig, LegAudio, StoredCall, StreamName, stored_calls,
};
use mkv::{
    Audio, Encoding, Fragment, FragmentSink, FragmentWriter, StreamObserver, StreamOrder,
    StreamReport, StreamSink, Tags,
};
use model::VoiceConnectorId;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

const ROUNDS: u64 = 20;
const AUDIO: Audio = Audio { encoding: Encoding::Linear, sample_rate: 8_000 };
const BEGAN: u64 = 1_792_000_000_000;
const SECOND: usize = 8_000;

struct Tell(SyncSender<StreamReport>);

impl StreamObserver for Tell {
    fn report(&mut self, report: StreamReport) {
        let _ = self.0.try_send(report);
    }
}

fn open(root: &Path, bits: u128) -> (FileStreams, Box<dyn FragmentSink>, Receiver<StreamReport>) {
    let files =
        FileStreams::start(FileStreamsConfig::new(root, "us-east-1", "111122223333")).unwrap();
    let (tell, told) = sync_channel(100);
    let connector = VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap();
    let stream = files.open(StreamOrder {
        name: StreamName::from_random(&connector, bits).shared(),
        retention_hours: 1_000_000,
        audio: AUDIO,
        observer: Box::new(Tell(tell)),
    });
    (files, stream.unwrap(), told)
}

/// Second N of a call: its samples are N + 1.
fn second(number: u64) -> Fragment {
    let mut tags = Tags::new();
    tags.add("TransactionId", "call").unwrap();
    let mut writer = FragmentWriter::new(AUDIO, Duration::from_secs(1), tags.clone(), tags);
    let octets = (number as i16 + 1).to_le_bytes().repeat(160);
    let frames = (0..50)
        .filter_map(|frame| writer.push(BEGAN + number * 1_000 + frame * 20, &octets, 0).unwrap());
    frames.last().unwrap()
}

/// The samples of the call's one leg, a value for each second: 0 for silence.
fn heard(call: &StoredCall) -> Vec<i16> {
    let seconds = (call.ended_ns() - call.began_ns()) / 1_000_000_000;
    let mut audio = LegAudio::new(&call.legs[0], 8_000, call.began_ns());
    let mut samples = vec![0; seconds as usize * SECOND];
    audio.fill(&mut samples);
    let whole = samples.chunks(SECOND).map(|second| {
        assert!(second.iter().all(|sample| *sample == second[0]), "a second is whole or silent");
        second[0]
    });
    whole.collect()
}

#[test]
fn a_full_disk_costs_whole_fragments_and_heals() {
    let test = "a_full_disk_costs_whole_fragments_and_heals";
    let Some(disk) = small_disk::enter(test) else { return };
    let root = disk.join("kinesis-video");
    let (files, mut stream, told) = open(&root, 1);
    stream.fragment(second(0));
    files.flush();
    // Somebody else fills the disk, but for less than a fragment.
    let filler = disk.join("filler");
    assert!(fs::write(&filler, vec![0; 8 << 20]).is_err(), "the disk is small");
    fs::OpenOptions::new()
        .write(true)
        .open(&filler)
        .and_then(|file| file.set_len((4 << 20) - 48 * 1_024))
        .unwrap();
    for number in 1..6 {
        stream.fragment(second(number));
        files.flush();
    }
    let full = files.statistics();
    assert!((1..=5).contains(&full.failed_fragments), "{full:?}");
    fs::remove_file(&filler).unwrap();
    stream.fragment(second(6));
    stream.finish();
    files.flush();
    let kinds: String = told
        .try_iter()
        .map(|report| match report {
            StreamReport::Started { .. } => 'S',
            StreamReport::Trouble { reason } => {
                assert!(reason.contains("No space left"), "{reason}");
                'T'
            }
            StreamReport::Failed { .. } => 'F',
            StreamReport::Ended { .. } => 'E',
        })
        .collect();
    assert_eq!(kinds, "STSE");
    let stored = stored_calls(&root).unwrap();
    assert!(stored.unread.is_empty(), "{:?}", stored.unread);
    let seconds = heard(&stored.calls[0]);
    let lost = seconds.iter().filter(|value| **value == 0).count() as u64;
    assert_eq!((seconds[0], seconds[6], seconds.len()), (1, 7, 7));
    assert_eq!(lost, full.failed_fragments, "{seconds:?}");
    assert!(stored.calls[0].files().all(|file| !file.is_cut));
}

/// In the child: a second of audio after the other, each said when it is written, until it is killed.
#[test]
fn child() {
    let Some((root, _)) = killed::child() else { return };
    let (files, mut stream, _told) = open(&root, 2);
    for number in 0..20_000 {
        stream.fragment(second(number));
        if number % 3 == 0 {
            files.flush();
            // One write, so that the parent never reads a number cut short.
            std::io::stdout().write_all(format!("written {number}\n").as_bytes()).unwrap();
            std::io::stdout().flush().unwrap();
        }
    }
}

#[test]
fn whenever_it_is_killed_what_was_written_is_there_and_whole() {
    let root = killed::directory("streams-kill");
    let mut moments = killed::Moments::new();
    let mut got_far = 0;
    for round in 0..ROUNDS {
        let after = moments.next(8_000, 40_000);
        let last = killed::run_and_kill(&root, round, after, Some("written "));
        let stored = stored_calls(&root).unwrap();
        if let Some(last) = last {
            got_far += 1;
            let seconds = heard(&stored.calls[0]);
            let expected: Vec<i16> = (1..=seconds.len() as i16).collect();
            assert_eq!(seconds, expected, "none is lost between others");
            assert!(seconds.len() as u64 > last, "{last} was written, {} are there", seconds.len());
        }
        let _ = fs::remove_dir_all(&root);
    }
    assert!(got_far >= ROUNDS - ROUNDS.div_ceil(4), "{got_far} rounds got far");
    println!("{ROUNDS} kills, {got_far} with audio before them");
}
