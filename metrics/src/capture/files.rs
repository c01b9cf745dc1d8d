//! The files of a SIP log: the one that grows, and those that were put aside of it.

use crate::{CallRecord, calendar};
use flate2::read::MultiGzDecoder;
use model::UnixTime;
use outbox::PutAside;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The log as it is now, behind those of its files that were put aside on the call's days: each line
/// once, also when the node puts the file aside, or compresses one, meanwhile.
pub(super) fn logs_of(log: &Path, record: &CallRecord) -> io::Result<Box<dyn Read>> {
    // Opened before the others are looked for: if it is put aside in between, it is among them.
    let present = found(File::open(log))?;
    let mut is_aside = false;
    let mut logs: Vec<Box<dyn Read>> = Vec::new();
    for aside in asides(log, record)? {
        let open = |is_compressed| {
            let name = PutAside { is_compressed, ..aside.clone() }.name();
            found(File::open(log.with_file_name(name)))
        };
        let plain = open(false)?;
        if is_same(plain.as_ref(), present.as_ref())? {
            is_aside = true;
        } else if let Some(file) = open(true)? {
            // Where there are both, it is whole and the other is to go.
            logs.push(Box::new(MultiGzDecoder::new(file)));
        } else if let Some(file) = plain {
            logs.push(Box::new(file));
        }
    }
    // Without a name it was put aside and compressed since it was opened, and read above.
    if let Some(file) = present
        && (is_aside || file.metadata()?.nlink() > 0)
    {
        logs.push(Box::new(file));
    }
    // A line that was cut at the end of one file is none of the next one's.
    let nothing: Box<dyn Read> = Box::new(io::empty());
    Ok(logs.into_iter().fold(nothing, |all, one| Box::new(all.chain(one).chain(&b"\n"[..]))))
}

/// What was put aside of the log and may have the call's messages, oldest first.
fn asides(log: &Path, record: &CallRecord) -> io::Result<Vec<PutAside>> {
    let stem = log.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let (Some(directory), first) = (log.parent(), UnixTime::from_millis(record.times.attempted))
    else {
        return Ok(Vec::new());
    };
    let first = calendar::day(first);
    let mut asides = Vec::new();
    for entry in found(fs::read_dir(directory))?.into_iter().flatten() {
        let name = entry?.file_name();
        // A day is that of a file's last line: the call's are in none of an earlier one.
        if let Some(aside) = name.to_str().and_then(PutAside::parse)
            && aside.stem == stem
            && aside.day >= first
        {
            asides.push(PutAside { is_compressed: false, ..aside });
        }
    }
    asides.sort();
    asides.dedup();
    Ok(asides)
}

fn is_same(one: Option<&File>, other: Option<&File>) -> io::Result<bool> {
    let (Some(one), Some(other)) = (one, other) else { return Ok(false) };
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::super::log::messages_of;
    use super::*;
    use std::io::BufReader;

    #[test]
    fn a_log_is_read_through_what_was_put_aside_of_it_each_line_once() {
        let root = std::env::temp_dir().join(format!("capture-test-{}", std::process::id()));
        let log = root.join("abc.jsonl");
        let line = |text: &str| {
            format!("{{\"call_id\":\"id\",\"event_timestamp\":1,\"sip_message\":\"{text}\"}}\n")
        };
        let put = |name: &str, text: &str| fs::write(root.join(name), line(text)).unwrap();
        let packed = |name: &str, text: &str| {
            let file = File::create(root.join(name)).unwrap();
            let mut to = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            io::Write::write_all(&mut to, line(text).as_bytes()).unwrap();
            to.finish().unwrap();
        };
        fs::create_dir_all(&root).unwrap();
        put("abc.1969-12-31.0001.jsonl", "of an earlier day");
        put("other.1970-01-01.0001.jsonl", "of another log");
        packed("abc.1970-01-01.0001.jsonl.gz", "first");
        put("abc.1970-01-01.0002.jsonl", "second");
        // A crash came between compressing it and its removal.
        packed("abc.1970-01-01.0002.jsonl.gz", "second");
        put("abc.1970-01-02.0001.jsonl", "third");
        put("abc.jsonl", "fourth");
        let mut record = crate::report::tests::good_call();
        record.times.attempted = 5;
        let texts = |logs: Box<dyn Read>| -> Vec<String> {
            let messages = messages_of(BufReader::new(logs), "id").unwrap();
            messages.into_iter().map(|message| message.sip_message).collect()
        };
        let all = ["first", "second", "third", "fourth"];
        assert_eq!(texts(logs_of(&log, &record).unwrap()), all);
        fs::hard_link(&log, root.join("abc.1970-01-02.0002.jsonl")).unwrap();
        assert_eq!(texts(logs_of(&log, &record).unwrap()), all, "put aside while it is read");
        fs::remove_file(&log).unwrap();
        assert_eq!(texts(logs_of(&log, &record).unwrap()), all, "put aside before");
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(texts(logs_of(&log, &record).unwrap()), [""; 0]);
    }
}
