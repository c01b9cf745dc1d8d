//! The requests that a batch of events becomes.

use model::UnixTime;
use outbox::Entry;

/// Events of a request, at each of the services.
pub const MAX_ENTRIES: usize = 10;
/// Octets of all events of a request. SNS takes no more; EventBridge and SQS have come to take up to
/// 1 MiB, but what they hand events on to, and backends like them, often do not.
pub const MAX_BYTES: usize = 262_144;

/// An event of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// The place of its entry in the batch.
    pub entry: usize,
    /// Events of one group keep their order; empty for one that needs none.
    pub group: String,
    /// The same for each attempt, and for no other event.
    pub key: String,
    /// When it happened.
    pub time: UnixTime,
    /// What kind of event; empty where it is part of the text.
    pub detail_type: String,
    /// JSON.
    pub text: String,
    /// It may be there already.
    pub is_repeated: bool,
}

impl Notice {
    /// # Errors
    /// Why no service would take it.
    pub(super) fn of(place: usize, entry: &Entry) -> Result<Notice, &'static str> {
        let record = &entry.record;
        let text = std::str::from_utf8(&record.body).map_err(|_| "it is not UTF-8")?;
        if text.is_empty() {
            return Err("it is empty");
        }
        Ok(Notice {
            entry: place,
            group: record.stream.clone(),
            key: entry.idempotency_key.clone(),
            time: record.time,
            detail_type: record.attribute(super::DETAIL_TYPE).unwrap_or_default().to_owned(),
            text: text.to_owned(),
            is_repeated: entry.possible_duplicate,
        })
    }
}

/// Puts `notices` into requests, each within both limits and all in their order; `overhead` is what an
/// event counts beside its text. With `one_of_a_group` no request has two of one group, so that one
/// which fails is never overtaken. What no request can carry is in the second list.
pub fn requests(
    notices: Vec<Notice>,
    overhead: usize,
    one_of_a_group: bool,
) -> (Vec<Vec<Notice>>, Vec<Notice>) {
    let (mut requests, mut refused) = (Vec::new(), Vec::new());
    let (mut request, mut bytes): (Vec<Notice>, usize) = (Vec::new(), 0);
    for notice in notices {
        let size = notice.text.len() + overhead;
        if size > MAX_BYTES {
            refused.push(notice);
            continue;
        }
        let has_group = || request.iter().any(|before| before.group == notice.group);
        let is_full = request.len() == MAX_ENTRIES
            || bytes + size > MAX_BYTES
            || (one_of_a_group && has_group());
        if is_full {
            requests.push(std::mem::take(&mut request));
            bytes = 0;
        }
        bytes += size;
        request.push(notice);
    }
    if !request.is_empty() {
        requests.push(request);
    }
    (requests, refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn notice(entry: usize, group: u8, length: usize) -> Notice {
        Notice {
            entry,
            group: format!("g{group}"),
            key: entry.to_string(),
            time: UnixTime::from_millis(0),
            detail_type: String::new(),
            text: "x".repeat(length),
            is_repeated: false,
        }
    }

    fn sizes(notices: Vec<Notice>, one_of_a_group: bool) -> Vec<usize> {
        requests(notices, 14, one_of_a_group).0.iter().map(Vec::len).collect()
    }

    #[test]
    fn each_limit_is_reached_and_not_exceeded() {
        let of = |count: usize| (0..count).map(|n| notice(n, 0, 10)).collect();
        assert_eq!(sizes(of(10), false), [10]);
        assert_eq!(sizes(of(11), false), [10, 1]);
        let half = MAX_BYTES / 2 - 14;
        assert_eq!(sizes(vec![notice(0, 0, half), notice(1, 0, half)], false), [2]);
        assert_eq!(sizes(vec![notice(0, 0, half), notice(1, 0, half + 1)], false), [1, 1]);
        let most = MAX_BYTES - 14;
        let (good, refused) = requests(vec![notice(0, 0, most + 1), notice(1, 0, most)], 14, false);
        assert_eq!((good.len(), refused.len(), refused[0].entry), (1, 1, 0));
    }

    #[test]
    fn of_a_group_one_after_the_other() {
        let two = |group| vec![notice(0, 1, 9), notice(1, group, 9)];
        assert_eq!(sizes(two(1), true), [1, 1]);
        assert_eq!(sizes(two(2), true), [2]);
        assert_eq!(sizes(two(1), false), [2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_is_lost_and_no_limit_exceeded(
            shapes in prop::collection::vec((0u8..6, prop_oneof![
                9 => 0usize..60_000, 1 => 200_000usize..300_000]), 0..60),
            one_of_a_group: bool,
        ) {
            let notices: Vec<_> =
                shapes.iter().enumerate().map(|(n, (group, size))| notice(n, *group, *size)).collect();
            let (requests, refused) = requests(notices, 14, one_of_a_group);
            for request in &requests {
                prop_assert!((1..=MAX_ENTRIES).contains(&request.len()));
                let bytes: usize = request.iter().map(|notice| notice.text.len() + 14).sum();
                prop_assert!(bytes <= MAX_BYTES);
                let mut groups: Vec<_> = request.iter().map(|notice| &notice.group).collect();
                groups.sort();
                groups.dedup();
                prop_assert!(!one_of_a_group || groups.len() == request.len());
            }
            let sent: Vec<_> = requests.concat().iter().map(|notice| notice.entry).collect();
            prop_assert!(sent.is_sorted(), "{sent:?}");
            let mut all: Vec<_> = sent.into_iter().chain(refused.iter().map(|n| n.entry)).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..shapes.len()).collect::<Vec<_>>());
        }
    }
}
