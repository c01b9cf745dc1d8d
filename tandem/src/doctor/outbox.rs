//! The queues of what is to be delivered to services: what waits, for how long, and why.

use super::finding::Finding;
use crate::config::{Config, Sinks};
use crate::control::{self, QueueNow};
use aws_sinks::{EventTarget, Service};
use call_metrics::printable_line;
use model::UnixTime;
use outbox::{QueueInspection, RefusedInspection, Waiting};
use std::path::Path;
use std::time::Duration;

/// A record that waits for longer than this waits for something else than its turn.
const OLD: Duration = Duration::from_secs(600);
/// Streams of a queue that are shown.
const STREAMS: usize = 5;

/// What of the queues a finding needs beside their files.
struct Surroundings<'a> {
    sinks: &'a Sinks,
    /// Octets that one queue may have.
    most_bytes: u64,
    root: &'a Path,
    now: UnixTime,
    /// What the node that runs says; empty without one.
    running: &'a [QueueNow],
}

/// Each queue below `data_dir`, an area each; nothing without a queue.
pub(super) fn examine(config: &Config, now: UnixTime) -> Vec<Finding> {
    let root = config.node.data_dir.join("outbox");
    let queues = match outbox::inspect(&root) {
        Ok(queues) => queues,
        Err(error) => {
            let found = format!("{}: {error}", root.display());
            let advice = "ask as the user that runs Tandem; if that is so, look after the disk";
            return vec![Finding::unknown("queues", found, advice).of("outbox")];
        }
    };
    // Without a node nobody knows the last error.
    let running = control::queues(&config.node.data_dir).unwrap_or_default();
    let surroundings = Surroundings {
        sinks: &config.sinks,
        most_bytes: config.outbox.destination_max_bytes,
        root: &root,
        now,
        running: &running,
    };
    queues.iter().flat_map(|queue| surroundings.examine(queue)).collect()
}

impl Surroundings<'_> {
    fn examine(&self, queue: &QueueInspection) -> Vec<Finding> {
        let running = self.running.iter().find(|now| now.destination == queue.destination);
        let mut findings = vec![self.waiting(queue)];
        if queue.streams.len() > 1 {
            let shown = queue.streams.iter().take(STREAMS);
            findings.extend(shown.map(|(name, waiting)| self.stream(name, waiting)));
            let more = queue.streams.len().saturating_sub(STREAMS);
            if more > 0 {
                findings.push(Finding::fine("stream", format!("and {more} more")));
            }
        }
        findings.extend(running.map(|now| self.last_error(now)));
        findings.extend(self.full(queue));
        findings.extend(self.refused(queue));
        findings.extend(self.damaged(queue));
        let area = format!("outbox {}", queue.destination);
        findings.into_iter().map(|finding| finding.of(&area)).collect()
    }

    fn waiting(&self, queue: &QueueInspection) -> Finding {
        let (name, waiting) = (&queue.destination, &queue.waiting);
        if waiting.records == 0 {
            return Finding::fine("waiting", "nothing waits to be delivered");
        }
        let found = format!("{}, {} on disk", self.told(waiting), bytes(queue.bytes));
        if !self.is_served(name) {
            let advice = format!(
                "no sink of [sinks] delivers it any more: give {name} kind = \"aws\" until it is \
                 empty, or remove {}",
                self.root.join(name).display()
            );
            return Finding::warning("waiting", found, advice);
        }
        if self.age(waiting) < OLD {
            return Finding::fine("waiting", found);
        }
        let advice = if self.running.is_empty() {
            "start the node: it is delivered then, in the order of its streams".to_owned()
        } else {
            format!(
                "see the last error below, endpoint_url and region of [sinks] {name}, and the \
                 credentials; nothing is lost before the queue reaches [outbox] \
                 destination_max_bytes"
            )
        };
        Finding::warning("waiting", found, advice)
    }

    fn stream(&self, name: &str, waiting: &Waiting) -> Finding {
        let name = if name.is_empty() { "in any order".into() } else { printable_line(name) };
        Finding::fine("stream", format!("{name}: {}", self.told(waiting)))
    }

    fn last_error(&self, now: &QueueNow) -> Finding {
        let subject = "last error";
        let Some(error) = &now.last_error else {
            return Finding::fine(subject, "none since the node started");
        };
        let ago = self.since(UnixTime::from_millis(error.at_ms));
        let found = format!("{ago} ago: {}", printable_line(&error.reason));
        if now.failures_in_a_row == 0 {
            return Finding::fine(subject, format!("{found}; deliveries went well since"));
        }
        let attempts = now.failures_in_a_row;
        let advice = format!(
            "put right what it names; it is tried again by itself ({attempts} attempt(s) in a row \
             failed, pauses are at most a minute)"
        );
        Finding::warning(subject, found, advice)
    }

    /// Before the oldest records are dropped there is time to do something.
    fn full(&self, queue: &QueueInspection) -> Option<Finding> {
        let is_nearly_full = queue.bytes > self.most_bytes / 5 * 4;
        let found = format!("{} of {}", bytes(queue.bytes), bytes(self.most_bytes));
        let advice = "raise [outbox] destination_max_bytes (and max_bytes), or bring the service \
                      back: beyond it the oldest records are dropped";
        is_nearly_full.then(|| Finding::warning("room", found, advice))
    }

    fn refused(&self, queue: &QueueInspection) -> Option<Finding> {
        let RefusedInspection { records, last_at, last_reason } = &queue.refused;
        let file = self.root.join(&queue.destination).join("refused.jsonl");
        let ago = last_at.map(|at| format!(", the last one {} ago", self.since(at)));
        let found = format!(
            "{records} record(s) that the service will never take{}: {}",
            ago.unwrap_or_default(),
            printable_line(last_reason)
        );
        let advice = format!(
            "they are in {}, each with its reason; put right what it names for those that come, \
             and remove the file when you have read it",
            file.display()
        );
        (*records > 0).then(|| Finding::warning("refused", found, advice))
    }

    fn damaged(&self, queue: &QueueInspection) -> Option<Finding> {
        let QueueInspection { damaged, unreadable_files: files, .. } = queue;
        let found = format!("{damaged} place(s) and {files} file(s) cannot be read");
        let advice = format!(
            "look after the disk below {}; what is damaged is passed over and counted",
            self.root.display()
        );
        (damaged + files > 0).then(|| Finding::warning("damage", found, advice))
    }

    fn is_served(&self, destination: &str) -> bool {
        let events = &self.sinks.events;
        let target = EventTarget::ALL.into_iter().find(|target| target.name() == destination);
        if let Some(target) = target {
            return match target {
                EventTarget::EventBridge => events.bridge.is_some(),
                EventTarget::Sns => events.sns.is_some(),
                EventTarget::Sqs => events.sqs.is_some(),
            };
        }
        let service = Service::ALL.into_iter().find(|service| service.name() == destination);
        service.is_some_and(|service| match service {
            Service::CloudWatch => self.sinks.cloudwatch.is_some(),
            Service::Logs => self.sinks.logs.is_some(),
            Service::S3 => self.sinks.s3.is_some(),
        })
    }

    fn age(&self, waiting: &Waiting) -> Duration {
        let oldest = waiting.oldest.unwrap_or(self.now).as_millis();
        Duration::from_millis(self.now.as_millis().saturating_sub(oldest))
    }

    fn told(&self, waiting: &Waiting) -> String {
        format!("{} record(s), the oldest of {} ago", waiting.records, time(self.age(waiting)))
    }

    fn since(&self, at: UnixTime) -> String {
        time(Duration::from_millis(self.now.as_millis().saturating_sub(at.as_millis())))
    }
}

/// In the largest unit that leaves at least two of it.
fn time(span: Duration) -> String {
    let seconds = span.as_secs();
    [(86_400, "days"), (3_600, "h"), (60, "min")]
        .into_iter()
        .find(|(unit, _)| seconds >= 2 * unit)
        .map_or_else(|| format!("{seconds} s"), |(unit, name)| format!("{} {name}", seconds / unit))
}

fn bytes(octets: u64) -> String {
    if octets < 1 << 20 {
        format!("{} KiB", octets.div_ceil(1_024))
    } else {
        format!("{} MiB", octets >> 20)
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;
    use crate::config::accepts;
    use crate::control::ErrorNow;

    const NOW: UnixTime = UnixTime::from_millis(1_000_000_000);

    fn waiting(records: u64, seconds_ago: u64) -> Waiting {
        let at = UnixTime::from_millis(NOW.as_millis() - 1_000 * seconds_ago);
        Waiting { records, oldest: Some(at) }
    }

    fn logs(waiting: Waiting) -> QueueInspection {
        let destination = "logs".to_owned();
        QueueInspection { destination, bytes: 4_096, waiting, ..Default::default() }
    }

    fn found(sinks: &str, queue: &QueueInspection, running: &[QueueNow]) -> Vec<Finding> {
        let config = accepts(&format!("[sinks]\n{sinks}"));
        let (root, most_bytes) = (Path::new("/data/outbox"), 1 << 30);
        Surroundings { sinks: &config.sinks, most_bytes, root, now: NOW, running }.examine(queue)
    }

    const AWS: &str = "logs = { kind = \"aws\" }";

    #[test]
    fn a_queue_that_moves_is_fine_and_one_that_does_not_says_what_to_do() {
        let told = found(AWS, &logs(Waiting::default()), &[]);
        assert_eq!((told.len(), told[0].state), (1, State::Fine));
        assert_eq!(told[0].area, "outbox logs");
        assert_eq!(found(AWS, &logs(waiting(7, 599)), &[])[0].state, State::Fine);
        let old = found(AWS, &logs(waiting(7, 600)), &[]);
        assert_eq!(old[0].state, State::Warning);
        assert_eq!(old[0].found, "7 record(s), the oldest of 10 min ago, 4 KiB on disk");
        assert!(old[0].advice.starts_with("start the node"));
        let file = &found("kind = \"file\"", &logs(waiting(7, 1)), &[])[0];
        assert_eq!(file.state, State::Warning);
        assert!(file.advice.contains("remove /data/outbox/logs"), "{}", file.advice);
    }

    #[test]
    fn the_last_error_of_a_running_node_is_told() {
        let reason = "no credentials\x1b[2J".to_owned();
        let error = Some(ErrorNow { at_ms: NOW.as_millis() - 90_000, reason });
        let now = |failures_in_a_row| QueueNow {
            destination: "logs".to_owned(),
            last_error: error.clone(),
            failures_in_a_row,
        };
        let told = found(AWS, &logs(waiting(1, 900)), &[now(3)]);
        assert!(told[0].advice.contains("endpoint_url and region of [sinks] logs"));
        assert_eq!((told[1].subject, told[1].state), ("last error", State::Warning));
        assert_eq!(told[1].found, "90 s ago: no credentials\u{fffd}[2J");
        assert!(told[1].advice.contains("3 attempt(s) in a row"));
        assert_eq!(found(AWS, &logs(waiting(1, 1)), &[now(0)])[1].state, State::Fine);
    }

    #[test]
    fn refused_records_damage_and_a_full_queue_are_warned_about() {
        let queue = QueueInspection {
            refused: RefusedInspection {
                records: 2,
                last_at: Some(UnixTime::from_millis(NOW.as_millis() - 7_200_000)),
                last_reason: "too old".to_owned(),
            },
            damaged: 1,
            bytes: (1 << 30) - 1,
            ..logs(waiting(1, 1))
        };
        let told = found(AWS, &queue, &[]);
        let of = |subject: &str| told.iter().find(|finding| finding.subject == subject).unwrap();
        let refused = of("refused");
        assert!(refused.found.contains("the last one 2 h ago: too old"), "{}", refused.found);
        assert!(refused.advice.contains("/data/outbox/logs/refused.jsonl"));
        assert!(of("damage").found.starts_with("1 place(s)"));
        assert_eq!(of("room").found, "1023 MiB of 1024 MiB");
        assert!(told.iter().all(|finding| matches!(finding.state, State::Fine | State::Warning)));
    }

    #[test]
    fn streams_are_told_apart_the_longest_first() {
        let streams = (0..8).map(|n| (format!("group-{n}"), waiting(9 - n, 1))).collect();
        let told = found(AWS, &QueueInspection { streams, ..logs(waiting(44, 1)) }, &[]);
        let shown: Vec<_> = told.iter().filter(|finding| finding.subject == "stream").collect();
        assert_eq!(shown.len(), STREAMS + 1);
        assert_eq!(shown[0].found, "group-0: 9 record(s), the oldest of 1 s ago");
        assert_eq!(shown[STREAMS].found, "and 3 more");
    }
}
