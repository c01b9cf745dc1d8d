//! Uploads to a bucket that takes everything.

use super::*;
use crate::scratch::Scratch;
use crate::testing::{answer, opening};
use crate::{Keep, Recordings, RecordingsConfig, Rotation, all_descriptions};
use aws_sinks::Endpoint;
use model::RecordingFormat;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Mutex;

/// Set in the child, which has credentials in its environment.
const CHILD: &str = "RECORDINGS_UPLOAD_CHILD";

/// Answers PUT, and HEAD with the length of what was put; one connection after the other.
fn serve(listener: &TcpListener) {
    let lengths = Mutex::default();
    for stream in listener.incoming() {
        let _ = answer(stream.unwrap(), &lengths, usize::MAX);
    }
}

#[test]
fn a_file_that_cannot_be_read_holds_up_no_other() {
    if std::env::var_os(CHILD).is_none() {
        let name = "upload::tests::a_file_that_cannot_be_read_holds_up_no_other";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .envs([(CHILD, "1"), ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")])
            .envs([("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_EC2_METADATA_DISABLED", "true")])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stderr);
        return assert!(child.status.success(), "{said}");
    }
    let scratch = Scratch::new();
    let root = scratch.path().join("recordings");
    for n in 0..2 {
        let mut opening = opening(8_000);
        opening.began = model::UnixTime::from_millis(opening.began.as_millis() + n);
        let mut of = Description::of(&opening, RecordingFormat::Wav, 1, 0);
        (of.state, of.audio) = (State::Finished, format!("{n}.wav"));
        let day = root.join("vc/2026/11/22");
        fs::create_dir_all(&day).unwrap();
        of.write(&day.join(format!("{n}.json"))).unwrap();
        // A directory can be opened and not be read, also by root.
        match n {
            0 => fs::create_dir(day.join("0.wav")).unwrap(),
            _ => fs::write(day.join("1.wav"), "audio").unwrap(),
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the process.
    std::thread::spawn(move || serve(&listener));
    let endpoint = Some(Endpoint::parse(&url).unwrap());
    let access = Access { region: "us-east-1".to_owned(), endpoint, authorities: None };
    let s3 = S3Config { bucket: "voices".to_owned(), prefix: String::new(), encryption: None };
    let recordings = Recordings::start(RecordingsConfig {
        root: root.clone(),
        node: "edge-1".to_owned(),
        writers: 1,
        rotation: Rotation { seconds: None, bytes: u64::MAX },
        keep: Keep { age: None, meetings: None, uploaded: None, bytes: u64::MAX },
        key: None,
        upload: Some(UploadConfig { access, s3 }),
        meetings: None,
        notices: None,
        outcomes: None,
    })
    .unwrap();
    let counters = recordings.counters();
    for _ in 0..600 {
        if counters.uploaded.load(Ordering::Relaxed) == 1 {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    drop(recordings);
    let states: Vec<State> =
        all_descriptions(&root).iter().map(|json| Description::read(json).unwrap().state).collect();
    assert_eq!(states, [State::Finished, State::Uploaded]);
    assert!(counters.upload_failures.load(Ordering::Relaxed) >= 1);
}
