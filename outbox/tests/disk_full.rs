//! A disk that is really full; where there can be none (no root) the unit tests with a scripted disk
//! (`queue::tests`) stand for it.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

#[path = "../../tests/hardship/small_disk.rs"]
mod small_disk;

use outbox::{
    BatchRules, Destination, DestinationName, Entry, Outbox, OutboxConfig, OutboxRecord, Outcome,
    Verdict,
};
use std::fs;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

/// Tells the first octets of each body.
struct Telling(SyncSender<String>);

impl Destination for Telling {
    fn rules(&self) -> BatchRules {
        BatchRules {
            max_entries: 100,
            max_bytes: 1 << 20,
            overhead_bytes: 0,
            one_stream: false,
            max_span: None,
        }
    }

    async fn deliver(&mut self, batch: &[Entry]) -> Outcome {
        for entry in batch {
            let text = String::from_utf8_lossy(&entry.record.body);
            self.0.send(text.trim_end().to_owned()).unwrap();
        }
        Outcome::PerEntry(vec![Verdict::Delivered; batch.len()])
    }
}

#[test]
fn a_full_disk_holds_up_nobody_and_heals() {
    let test = "a_full_disk_holds_up_nobody_and_heals";
    let Some(disk) = small_disk::enter(test) else { return };
    let (tell, told) = sync_channel(10_000);
    let mut outbox = Outbox::new(OutboxConfig {
        unwritten_records: 30,
        ..OutboxConfig::new(disk.join("outbox"))
    });
    let sender = outbox.start(&DestinationName::new("d").unwrap(), Telling(tell)).unwrap();
    let record = |number: u32| OutboxRecord {
        stream: "s".to_owned(),
        body: format!("{number:<10000}").into_bytes(),
        ..OutboxRecord::default()
    };
    sender.offer(record(0)).unwrap();
    assert!(sender.wait_accepted(LIMIT));
    // Somebody else fills the disk.
    let filler = disk.join("filler");
    assert!(fs::write(&filler, vec![0; 8 << 20]).is_err(), "the disk is small");
    let taken = (1..200).take_while(|number| sender.offer(record(*number)).is_ok()).count() as u32;
    assert!((30..200).contains(&taken), "{taken} wait in memory, then no more are taken");
    assert!(!sender.wait_accepted(Duration::from_millis(200)), "none of them is on disk");
    let full = outbox.statistics().remove(0);
    assert!(full.failed_writes > 0 && full.not_accepted == 1, "{full:?}");
    assert!(full.unwritten > 0 && full.accepted < u64::from(taken), "{full:?}");
    fs::remove_file(&filler).unwrap();
    assert!(sender.wait_accepted(LIMIT), "it heals");
    for number in 0..=taken {
        assert_eq!(told.recv_timeout(LIMIT).unwrap(), number.to_string());
    }
    let last = outbox.stop(LIMIT).remove(0);
    assert_eq!((last.delivered, last.depth_entries), (u64::from(taken) + 1, 0), "{last:?}");
    assert_eq!((last.damaged, last.dropped), (0, 0), "{last:?}");
}
