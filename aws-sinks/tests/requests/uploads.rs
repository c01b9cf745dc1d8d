//! Uploads in pieces that are interrupted: what S3 has of them is aborted, at once or at the next start.

use super::server::{Reply, Seen, Server};
use super::{access, run};
use aws_sinks::{BegunUpload, Objects, S3Config};
use std::io;
use std::path::{Path, PathBuf};

const OBJECT: &str = "/voices/p/call.wav";
const BEGUN: &str =
    "<InitiateMultipartUploadResult><UploadId>id-1/+</UploadId></InitiateMultipartUploadResult>";
const LENGTH: u64 = 17 * 1_048_576;

/// The bucket takes the beginning and no piece; `abort` is what it says of the end.
fn bucket(abort: (u16, &'static str)) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| match (seen.method.as_str(), seen.path.contains("?uploads=")) {
        ("POST", true) => Reply::Answer(200, BEGUN),
        ("DELETE", _) => Reply::Answer(abort.0, abort.1),
        ("PUT", _) => Reply::Silence,
        _ => Reply::Answer(500, ""),
    }
}

fn objects(server: &Server, notes: &Path) -> Objects {
    let (bucket, prefix) = ("voices".to_owned(), "p/".to_owned());
    let config = S3Config { bucket, prefix, encryption: None };
    Objects::new(&access(server), config).noting(notes.to_owned())
}

/// A place of its own for the note.
fn notes(name: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("tandem-uploads-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&file);
    file
}

/// Begins to store, and drops it once a piece is on its way.
async fn interrupted(server: &Server, objects: &mut Objects) {
    let mut silence = io::repeat(0);
    let store = objects.store("call.wav", "audio/wav", &mut silence, LENGTH);
    let is_on_its_way = async {
        while !server.seen().iter().any(|seen| seen.method == "PUT") {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        stored = store => panic!("{stored:?}"),
        () = is_on_its_way => {}
    }
}

fn aborts(server: &Server) -> Vec<String> {
    let seen = server.seen();
    let aborts = seen.into_iter().filter(|seen| seen.method == "DELETE");
    aborts.map(|seen| seen.path).collect()
}

#[test]
fn an_upload_that_is_dropped_is_aborted() {
    run("uploads::an_upload_that_is_dropped_is_aborted", async {
        let (server, notes) = (Server::start(bucket((204, ""))).await, notes("dropped"));
        let mut objects = objects(&server, &notes);
        interrupted(&server, &mut objects).await;
        let begun = objects.begun().cloned().unwrap();
        assert_eq!((&*begun.bucket, &*begun.key), ("voices", "p/call.wav"));
        assert_eq!(BegunUpload::noted(&notes), Some(begun));
        objects.abort_begun().await.unwrap();
        assert_eq!(aborts(&server), [format!("{OBJECT}?uploadId=id-1%2F%2B")]);
        assert!(objects.begun().is_none() && !notes.exists());
        objects.abort_begun().await.unwrap();
        assert_eq!(aborts(&server).len(), 1);
    });
}

#[test]
fn what_a_crash_interrupted_is_aborted_by_the_next_start() {
    run("uploads::what_a_crash_interrupted_is_aborted_by_the_next_start", async {
        let notes = notes("crash");
        let server = Server::start(bucket((503, "<Error><Code>SlowDown</Code></Error>"))).await;
        let mut before = objects(&server, &notes);
        interrupted(&server, &mut before).await;
        // It cannot be now, and is not forgotten.
        before.abort_begun().await.unwrap_err();
        assert!(before.begun().is_some() && notes.exists());
        drop(before);
        // Of another bucket it is not this one's.
        let config = S3Config { bucket: "other".into(), prefix: String::new(), encryption: None };
        let other = Objects::new(&access(&server), config).noting(notes.clone());
        assert!(other.begun().is_none() && notes.exists());
        let gone = "<Error><Code>NoSuchUpload</Code></Error>";
        let server = Server::start(bucket((404, gone))).await;
        let mut after = objects(&server, &notes);
        after.abort_begun().await.unwrap();
        assert_eq!(aborts(&server).len(), 1);
        assert!(!notes.exists());
        // A file that is no note is none.
        std::fs::write(&notes, "voices\n").unwrap();
        assert!(objects(&server, &notes).begun().is_none());
        let _ = std::fs::remove_file(&notes);
    });
}
