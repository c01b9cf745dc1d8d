use super::*;
use crate::scratch::Scratch;
use flate2::read::GzDecoder;
use std::os::unix::fs::MetadataExt as _;

const DAY: u64 = 24 * 3_600;

fn now() -> UnixTime {
    UnixTime::from_millis(1_795_348_800_000)
}

fn keeper(root: &Path, compress: bool) -> Keeper {
    // A channel that nobody closes: never told to stop.
    let (stop, stopped) = bounded(0);
    std::mem::forget(stop);
    Keeper {
        config: RetentionConfig {
            root: root.to_owned(),
            lines: vec![Lines {
                below: vec!["logs".to_owned()],
                keep: Some(Duration::from_secs(30 * DAY)),
                max_bytes: 1_000,
            }],
            compress,
            whole: vec![WholeFiles {
                below: "s3".to_owned(),
                keep: Duration::from_secs(10 * DAY),
                extensions: Vec::new(),
            }],
        },
        counters: Arc::default(),
        stopped,
    }
}

/// A file that was written last so many days before now.
fn file(root: &Path, name: &str, content: &str, days: u64) -> PathBuf {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    age(&path, days);
    path
}

fn age(path: &Path, days: u64) {
    let time = std::time::UNIX_EPOCH + Duration::from_millis(now().as_millis())
        - Duration::from_secs(days * DAY + 1);
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

#[test]
fn what_is_older_than_it_is_kept_goes_and_nothing_else() {
    let scratch = Scratch::new();
    let root = scratch.path();
    let old = file(root, "logs/aws/a.2026-10-01.0001.jsonl.gz", "x", 30);
    let young = file(root, "logs/aws/a.2026-10-02.0001.jsonl", "x", 29);
    let idle = file(root, "logs/aws/b.jsonl", "x", 31);
    let live = file(root, "logs/aws/a.jsonl", "x", 1);
    let record = file(root, "s3/vc/2026/11/01/one", "{}", 10);
    let kept = file(root, "s3/vc/2026/11/02/two", "{}", 9);
    let other = file(root, "calls/2020-01-01.jsonl", "x", 900);
    age(record.parent().unwrap(), 10);
    let keeper = keeper(root, false);
    let turn = keeper.turn(now(), true);
    assert_eq!((turn.files, turn.bytes), (2, 3));
    assert_eq!(turn.idle, std::slice::from_ref(&idle), "put aside by the sink, which writes it");
    assert!(!old.exists() && !record.exists());
    for path in [&young, &idle, &live, &kept, &other] {
        assert!(path.exists(), "{}", path.display());
    }
    assert_eq!(keeper.counters.removed_files.load(Ordering::Relaxed), 2);
    assert!(!record.parent().unwrap().exists(), "nothing is left in it");
}

#[test]
fn what_is_too_much_goes_oldest_first() {
    let scratch = Scratch::new();
    let paths: Vec<_> = (1..=4)
        .map(|number: u64| {
            let name = format!("logs/{}.2026-11-20.0001.jsonl", number % 2 + 10 * number);
            file(scratch.path(), &name, &"x".repeat(334), 5 - number)
        })
        .collect();
    let turn = keeper(scratch.path(), false).turn(now(), false);
    assert_eq!((turn.files, turn.bytes), (2, 668), "1,336 octets are 336 too many: two files");
    let left: Vec<_> = paths.iter().map(|path| path.exists()).collect();
    assert_eq!(left, [false, false, true, true]);
}

#[test]
fn what_was_put_aside_is_compressed_for_its_owner_alone_and_keeps_its_time() {
    let scratch = Scratch::new();
    let content = "{\"n\":1}\n".repeat(100);
    let path = file(scratch.path(), "logs/aws/a.2026-11-20.0001.jsonl", &content, 2);
    let before = fs::metadata(&path).unwrap().mtime();
    let keeper = keeper(scratch.path(), true);
    assert_eq!(keeper.turn(now(), false), Turn::default());
    let compressed = with_suffix(&path, ".gz");
    assert!(!path.exists());
    let metadata = fs::metadata(&compressed).unwrap();
    assert_eq!((metadata.mode() & 0o777, metadata.mtime()), (0o600, before));
    assert_eq!(unpacked(&compressed), content);
    assert_eq!(keeper.counters.compressed_files.load(Ordering::Relaxed), 1);
    assert_eq!(keeper.turn(now(), false), Turn::default(), "once");
}

#[test]
fn a_crash_while_compressing_leaves_each_line_in_one_file_again() {
    let scratch = Scratch::new();
    let root = scratch.path();
    // Before the rename: what was written so far is nobody's.
    let first = file(root, "logs/a.2026-11-20.0001.jsonl", "one\n", 2);
    file(root, "logs/a.2026-11-20.0001.jsonl.gz.partial", "cut", 0);
    // After it: the file itself was still to go.
    let second = file(root, "logs/b.2026-11-20.0001.jsonl", "two\n", 2);
    let whole = with_suffix(&second, ".gz");
    let mut encoder = GzEncoder::new(File::create(&whole).unwrap(), Compression::fast());
    encoder.write_all(b"two\n").unwrap();
    encoder.finish().unwrap();
    let nobody_s = file(root, "logs/c.2026-11-20.0001.jsonl.gz.partial", "cut", 0);
    keeper(root, true).turn(now(), false);
    let mut names: Vec<_> = entries(&root.join("logs")).into_iter().map(|(path, _)| path).collect();
    names.sort();
    assert_eq!(names, [with_suffix(&first, ".gz"), whole.clone()]);
    assert_eq!(unpacked(&names[0]) + &unpacked(&whole), "one\ntwo\n");
    assert!(!nobody_s.exists());
}

#[test]
fn of_recordings_only_recordings_go() {
    let scratch = Scratch::new();
    let root = scratch.path();
    let old = ["a.pcap", "a.json"].map(|name| file(root, name, "x", 8));
    let kept = [file(root, "b.pcap", "x", 6), file(root, "mine.txt", "x", 99)];
    let mut keeper = keeper(root, false);
    keeper.config.lines = Vec::new();
    keeper.config.whole = vec![WholeFiles {
        below: String::new(),
        keep: Duration::from_secs(7 * DAY),
        extensions: vec!["pcap".to_owned(), "json".to_owned()],
    }];
    assert_eq!(keeper.turn(now(), true).files, 2);
    assert!(old.iter().all(|path| !path.exists()) && kept.iter().all(|path| path.exists()));
}

#[test]
fn kinds_of_lines_have_bounds_of_their_own() {
    let scratch = Scratch::new();
    let root = scratch.path();
    let mut keeper = keeper(root, false);
    keeper.config.lines.push(Lines {
        below: vec!["audit".to_owned()],
        keep: None,
        max_bytes: 1_500,
    });
    let audit: Vec<_> = (1..=3u64)
        .map(|n| file(root, &format!("audit/a.2020-01-0{n}.0001.jsonl"), &"x".repeat(600), 900 - n))
        .collect();
    let log = file(root, "logs/a.2026-10-02.0001.jsonl", &"x".repeat(900), 2);
    assert_eq!(keeper.turn(now(), false).files, 1, "the oldest of those that are too many");
    let left: Vec<_> = audit.iter().map(|path| path.exists()).collect();
    assert_eq!((left, log.exists()), (vec![false, true, true], true));
}
