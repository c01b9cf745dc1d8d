use super::*;
use call_metrics::{CallRecord, KEY_LENGTH, NumberKey, Numbers};
use model::{TransactionId, UnixTime};
use proptest::prelude::*;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// 2026-01-02T00:00:00Z.
const DAY: u64 = 1_767_312_000_000;
const HOUR: u64 = 3_600_000;
const CONNECTORS: [&str; 2] = ["abcdef1ghij2klmno3pqr4", "zbcdef1ghij2klmno3pqr4"];

/// A directory of its own that goes with it.
struct DataDir(PathBuf);

impl DataDir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("tandem-history-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("calls")).unwrap();
        DataDir(path)
    }

    fn file(&self, day: &str) -> PathBuf {
        self.0.join(format!("calls/{day}.jsonl"))
    }

    fn append(&self, day: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.file(day)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// A history of `calls`, each in the file of its day.
    fn with(calls: &[Call]) -> (DataDir, History) {
        let data_dir = DataDir::new();
        for call in calls {
            data_dir.append(&call.day(), &call.line());
        }
        let mut history = History::open(&data_dir.0).unwrap();
        take_all(&mut history);
        (data_dir, history)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Clone, Debug)]
struct Call {
    id: u128,
    ended: u64,
    outbound: bool,
    connector: usize,
    from: String,
    to: String,
    carrier: Option<String>,
    status: u16,
    /// Of leg A and of leg B.
    mos: [Option<f64>; 2],
}

fn call(id: u128, ended: u64) -> Call {
    Call {
        id,
        ended,
        outbound: true,
        connector: 0,
        from: "+12065550100".to_owned(),
        to: "+81312345678".to_owned(),
        carrier: Some("pstn-1".to_owned()),
        status: 200,
        mos: [Some(4.3), Some(4.2)],
    }
}

impl Call {
    fn id(&self) -> TransactionId {
        TransactionId::from_random(self.id)
    }

    fn day(&self) -> String {
        let at = jiff::Timestamp::from_millisecond(self.ended.cast_signed()).unwrap();
        at.strftime("%Y-%m-%d").to_string()
    }

    fn line(&self) -> String {
        let quality = self.mos.map(|mos| {
            mos.map(|mos| {
                json!({
                    "codec": "PCMU", "received_packets": 1, "received_bytes": 172,
                    "received_rtcp_packets": 0, "expected_packets": 1, "lost_packets": 0,
                    "jitter_us": 0, "jitter_max_us": 0, "reordered": 0, "duplicated": 0,
                    "burst_ratio": 1.0, "wrong_source": 0, "malformed": 0, "sent_packets": 1,
                    "sent_bytes": 172, "sent_rtcp_packets": 0, "send_dropped": 0,
                    "peer_lost_packets": null, "peer_jitter_us": null, "rtt_us": null,
                    "rtt_max_us": null, "mos": mos, "intervals": [],
                })
            })
        });
        let routes = self.carrier.iter().map(|carrier| {
            json!({
                "offset_ms": 1, "attempt": 1, "carrier": carrier,
                "destination": "192.0.2.1:5060", "protocol": "udp",
            })
        });
        let record = json!({
            "transaction_id": self.id().to_string(),
            "node": "edge-1",
            "region": "us-east-1",
            "voice_connector_id": CONNECTORS[self.connector],
            "direction": if self.outbound { "Outbound" } else { "Inbound" },
            "call_id": "c",
            "from_user": self.from, "from_country": "",
            "to_user": self.to, "to_country": "",
            "source": "192.0.2.9:5060",
            "times": {
                "attempted": self.ended - 60_000, "ringing": null,
                "answered": self.ended - 50_000, "ended": self.ended,
            },
            "routes": routes.collect::<Vec<_>>(),
            "end": {
                "status": self.status, "cause": "normal", "ended_by": "leg_a", "refusal": null,
            },
            "ladder": [], "ladder_omitted": 0,
            "quality": quality,
        });
        serde_json::from_value::<CallRecord>(record.clone()).expect("a record");
        format!("{record}\n")
    }
}

fn take_all(history: &mut History) -> TakenIn {
    let mut all = TakenIn::default();
    loop {
        let taken = history.take_in().unwrap();
        all.calls += taken.calls;
        all.damaged += taken.damaged;
        if !taken.more {
            return all;
        }
    }
}

fn found(history: &History, query: &CallQuery) -> Vec<String> {
    let calls = history.search(query).unwrap();
    assert!(calls.is_sorted_by(|a, b| a.ended >= b.ended), "newest first");
    calls.into_iter().map(|call| call.transaction_id).collect()
}

fn ids(calls: &[&Call]) -> Vec<String> {
    calls.iter().map(|call| call.id().to_string()).collect()
}

#[test]
fn files_are_followed_and_a_torn_line_waits() {
    let data_dir = DataDir::new();
    let [one, two] = [call(1, DAY), call(2, DAY + 1)];
    let mut history = History::open(&data_dir.0).unwrap();
    assert_eq!(take_all(&mut history), TakenIn::default());
    let second = two.line();
    let (begin, rest) = second.split_at(40);
    data_dir.append("2026-01-02", &(one.line() + begin));
    assert_eq!(take_all(&mut history).calls, 1);
    assert_eq!(take_all(&mut history).calls, 0, "the second is not whole");
    data_dir.append("2026-01-02", rest);
    drop(history);
    let mut history = History::open(&data_dir.0).unwrap();
    assert_eq!(take_all(&mut history).calls, 1, "only what is new");
    assert_eq!(found(&history, &CallQuery::default()), ids(&[&two, &one]));
    let record = history.record(two.id()).unwrap().unwrap();
    assert_eq!(record.transaction_id, two.id().to_string());
    assert_eq!(history.record(TransactionId::from_random(99)).unwrap(), None);
}

#[test]
fn damaged_lines_and_other_files_are_passed_over() {
    let data_dir = DataDir::new();
    data_dir.append("2026-01-02", "{\"transaction_id\":\n\u{0}\n\n");
    data_dir.append("2026-01-02", &call(1, DAY).line());
    data_dir.append("notes", "something\n");
    let mut history = History::open(&data_dir.0).unwrap();
    assert_eq!(take_all(&mut history), TakenIn { calls: 1, damaged: 3, more: false });
    assert_eq!(take_all(&mut history), TakenIn::default());
}

#[test]
fn a_file_that_became_shorter_is_read_again_without_doubling() {
    let [one, two] = [call(1, DAY), call(2, DAY + 1)];
    let (data_dir, mut history) = DataDir::with(&[one.clone(), two]);
    fs::write(data_dir.file("2026-01-02"), one.line()).unwrap();
    assert_eq!(take_all(&mut history).calls, 1);
    assert_eq!(history.count().unwrap(), 2);
    let by_number = CallQuery { number: Some(one.from), ..CallQuery::default() };
    assert_eq!(found(&history, &by_number).len(), 2);
}

#[test]
fn calls_are_found_by_what_they_were() {
    let good = call(1, DAY);
    let bad = Call { mos: [Some(4.3), Some(2.1)], outbound: false, ..call(2, DAY + HOUR) };
    let busy = Call {
        status: 486,
        mos: [None, None],
        from: "Alice".to_owned(),
        carrier: None,
        ..call(3, DAY + 2 * HOUR)
    };
    let other = Call { connector: 1, to: "+442079460000".to_owned(), ..call(4, DAY + 3 * HOUR) };
    let (_data_dir, history) =
        DataDir::with(&[good.clone(), bad.clone(), busy.clone(), other.clone()]);
    let all = CallQuery::default();
    let find = |query: CallQuery| found(&history, &query);
    assert_eq!(find(all.clone()), ids(&[&other, &busy, &bad, &good]));
    assert_eq!(find(CallQuery { limit: 2, ..all.clone() }), ids(&[&other, &busy]));
    let at = |time| Some(UnixTime::from_millis(time));
    let window = CallQuery { since: at(DAY + HOUR), until: at(DAY + 3 * HOUR), ..all.clone() };
    assert_eq!(find(window), ids(&[&busy, &bad]));
    let connector = |id: &str| CallQuery { voice_connector: Some(id.to_owned()), ..all.clone() };
    assert_eq!(find(connector(CONNECTORS[1])), ids(&[&other]));
    assert!(find(connector("nobody")).is_empty());
    let status = |first, last| CallQuery { status: Some(StatusRange(first, last)), ..all.clone() };
    assert_eq!(find(status(486, 486)), ids(&[&busy]));
    assert_eq!(find(status(200, 299)), ids(&[&other, &bad, &good]));
    assert_eq!(find(CallQuery { mos_below: Some(3.5), ..all.clone() }), ids(&[&bad]));
    let carrier = CallQuery { carrier: Some("pstn-1".to_owned()), ..all.clone() };
    assert_eq!(find(carrier), ids(&[&other, &bad, &good]));
    let number = |text: &str| CallQuery { number: Some(text.to_owned()), ..all.clone() };
    assert_eq!(find(number("+1 (206) 555-0100")), ids(&[&other, &bad, &good]));
    assert_eq!(find(number("9460000")), ids(&[&other]));
    assert_eq!(find(number("alice")), ids(&[&busy]));
    assert!(find(number("99")).is_empty() && find(number("+")).is_empty());
    let both = CallQuery { mos_below: Some(3.5), ..number("5678") };
    assert_eq!(find(both), ids(&[&bad]));
    // Leg A of an inbound call is the remote side.
    let summary = &history.search(&CallQuery { mos_below: Some(3.5), ..all }).unwrap()[0];
    assert_eq!((summary.mos_customer, summary.mos_remote), (Some(2.1), Some(4.3)));
    assert_eq!((summary.direction, summary.answered), ("Inbound", Some(bad.ended - 50_000)));
}

#[test]
fn an_end_of_too_many_numbers_is_refused() {
    let calls: Vec<Call> = (0..120_u64)
        .map(|n| Call { from: format!("+120655{n:03}77"), ..call(u128::from(n), DAY + n) })
        .collect();
    let (_data_dir, history) = DataDir::with(&calls);
    let number = |text: &str| CallQuery { number: Some(text.to_owned()), ..CallQuery::default() };
    let error = history.search(&number("77")).unwrap_err();
    assert_eq!(error.to_string(), "more than 100 numbers end with \"77\": give more of it");
    assert_eq!(found(&history, &number("00777")).len(), 1);
    assert_eq!(found(&history, &number("777")).len(), 12);
}

#[test]
fn masked_and_hashed_numbers_are_found_by_what_was_made_of_the_question() {
    let keys = [[7; KEY_LENGTH], [8; KEY_LENGTH]].map(NumberKey::new);
    let earlier = Numbers::Hashed(Arc::new([keys[1].clone()]));
    let hashed = Numbers::Hashed(Arc::new(keys));
    let masked = Numbers::Masked { shown: 4 };
    let number = "+12065550199";
    let of = |n: u128, numbers: &Numbers, number: &str| {
        let from = numbers.user(number).into_owned();
        Call { from, to: "+4930".to_owned(), ..call(n, DAY + n as u64) }
    };
    let calls = [
        of(1, &Numbers::Plain, number),
        of(2, &hashed, number),
        of(3, &earlier, number),
        of(4, &masked, number),
        of(5, &masked, "+442055550199"),
        of(6, &hashed, "+12065550198"),
        of(7, &masked, "1001"),
    ];
    let (_data_dir, history) = DataDir::with(&calls);
    let ask = |numbers: &Numbers, number: &str| {
        let number_as = numbers.questions(number);
        let number = Some(number.to_owned());
        let found = found(&history, &CallQuery { number, number_as, ..CallQuery::default() });
        let is = |call: &&Call| found.contains(&call.id().to_string());
        calls.iter().filter(is).map(|call| call.ended - DAY).collect::<Vec<_>>()
    };
    assert_eq!(ask(&Numbers::Plain, number), [1]);
    assert_eq!(ask(&hashed, number), [1, 2, 3], "the key of today and the one before");
    assert_eq!(ask(&hashed, "001 206 555-0199"), [2, 3], "as it is dialled");
    assert_eq!(ask(&masked, number), [1, 4, 5], "all that end so");
    assert_eq!(ask(&masked, "50199"), [1, 4, 5]);
    assert_eq!(ask(&masked, "1001"), [7]);
    assert_eq!(ask(&hashed, "0199"), [1, 4, 5], "a hash has no ending");
}

#[test]
fn old_calls_go_with_their_files_and_parties() {
    let [old, young] = [call(1, DAY - HOUR), call(2, DAY + HOUR)];
    let (data_dir, mut history) = DataDir::with(&[old, young.clone()]);
    let removed = history.remove(UnixTime::from_millis(DAY + 1)).unwrap();
    assert_eq!(removed, Removed { calls: 1, files: 1, more: false });
    assert!(!data_dir.file("2026-01-01").exists() && data_dir.file("2026-01-02").exists());
    assert_eq!(found(&history, &CallQuery::default()), ids(&[&young]));
    let number = CallQuery { number: Some(young.from.clone()), ..CallQuery::default() };
    assert_eq!(found(&history, &number), ids(&[&young]));
    assert_eq!(take_all(&mut history).calls, 0, "nothing comes back");
    let removed = history.remove(UnixTime::from_millis(DAY + 24 * HOUR)).unwrap();
    assert_eq!((removed.calls, removed.files), (1, 1));
    let parties = "SELECT count(*) FROM parties";
    let left: i64 = history.connection.query_row(parties, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn a_day_goes_on_in_parts_that_go_with_it() {
    let calls = [1, 2, 3, 4].map(|id| call(id, DAY + id as u64));
    let [one, two, three, young] = &calls;
    let young = &Call { ended: DAY + 24 * HOUR, ..young.clone() };
    let data_dir = DataDir::new();
    let mut history = History::open(&data_dir.0).unwrap();
    data_dir.append("2026-01-02", &one.line());
    assert_eq!(take_all(&mut history).calls, 1);
    data_dir.append("2026-01-02.0002", &three.line());
    data_dir.append("2026-01-02.0001", &two.line());
    data_dir.append("2026-01-03", &young.line());
    data_dir.append("2026-01-02.01", &call(7, DAY).line());
    assert_eq!(take_all(&mut history), TakenIn { calls: 3, damaged: 0, more: false });
    assert_eq!(found(&history, &CallQuery::default()), ids(&[young, three, two, one]));
    for call in [one, two, three, young] {
        let record = history.record(call.id()).unwrap().unwrap();
        assert_eq!(record.transaction_id, call.id().to_string());
    }
    let removed = history.remove(UnixTime::from_millis(DAY + 24 * HOUR)).unwrap();
    assert_eq!((removed.calls, removed.files), (3, 3));
    assert!(data_dir.file("2026-01-03").exists() && data_dir.file("2026-01-02.01").exists());
    assert_eq!(found(&history, &CallQuery::default()), ids(&[young]));
    assert_eq!(take_all(&mut history).calls, 0, "nothing comes back");
}

#[test]
fn readers_look_on_and_a_damaged_database_is_known() {
    let (data_dir, _writer) = DataDir::with(&[call(1, DAY)]);
    let reader = History::open_to_read(&data_dir.0).unwrap().unwrap();
    assert_eq!(reader.count().unwrap(), 1);
    let mode = fs::metadata(data_dir.0.join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let none = DataDir::new();
    assert!(History::open_to_read(&none.0).unwrap().is_none());
    fs::write(none.0.join(FILE), "no database, but long enough to be looked at ".repeat(50))
        .unwrap();
    assert!(History::open(&none.0).unwrap_err().is_damage());
}

prop_compose! {
    fn any_call()(
        id in 0..1_000_000_u128,
        ended in DAY..DAY + 50 * HOUR,
        outbound: bool,
        connector in 0..2_usize,
        from in "\\+1206555010[0-9]|alice|bob",
        to in "\\+1206555010[0-9]",
        status in prop::sample::select(vec![0_u16, 200, 404, 486, 503]),
        mos in prop::array::uniform2(prop::option::of((10..45_u32).prop_map(|m| f64::from(m) / 10.0))),
    ) -> Call {
        Call { id, ended, outbound, connector, from, to, carrier: None, status, mos }
    }
}

prop_compose! {
    fn any_query()(
        since in prop::option::of(DAY..DAY + 50 * HOUR),
        until in prop::option::of(DAY..DAY + 50 * HOUR),
        number in prop::option::of("[0-9]{1,3}|alice|ice"),
        connector in prop::option::of(0..2_usize),
        status in prop::option::of(prop::sample::select(vec![(200_u16, 299_u16), (486, 486), (400, 599)])),
        mos_below in prop::option::of(1.0..4.5_f64),
        limit in 1..40_u32,
    ) -> CallQuery {
        CallQuery {
            number_as: Vec::new(),
            since: since.map(UnixTime::from_millis),
            until: until.map(UnixTime::from_millis),
            number,
            voice_connector: connector.map(|connector| CONNECTORS[connector].to_owned()),
            carrier: None,
            status: status.map(|(first, last)| StatusRange(first, last)),
            mos_below,
            limit,
        }
    }
}

/// What a look at every call would say.
fn fits(call: &Call, query: &CallQuery) -> bool {
    let ends = |user: &String, end: &str| user.trim_start_matches('+').ends_with(end);
    query.since.is_none_or(|since| call.ended >= since.as_millis())
        && query.until.is_none_or(|until| call.ended < until.as_millis())
        && query.number.as_ref().is_none_or(|end| ends(&call.from, end) || ends(&call.to, end))
        && query.voice_connector.as_ref().is_none_or(|id| id == CONNECTORS[call.connector])
        && query.status.is_none_or(|StatusRange(a, b)| (a..=b).contains(&call.status))
        && query.mos_below.is_none_or(|most| call.mos.iter().flatten().any(|mos| *mos < most))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_search_finds_what_a_look_at_every_call_would(
        calls in prop::collection::btree_map(0..1_000_000_u128, any_call(), 0..60),
        queries in prop::collection::vec(any_query(), 6),
    ) {
        let calls: Vec<Call> = calls.into_iter().map(|(id, call)| Call { id, ..call }).collect();
        let (_data_dir, history) = DataDir::with(&calls);
        for query in queries {
            let mut expected: Vec<&Call> = calls.iter().filter(|call| fits(call, &query)).collect();
            expected.sort_by_key(|call| std::cmp::Reverse(call.ended));
            let times: Vec<u64> = history.search(&query).unwrap().iter().map(|c| c.ended).collect();
            let limit = query.limit as usize;
            prop_assert_eq!(
                times,
                expected.iter().take(limit).map(|call| call.ended).collect::<Vec<_>>(),
                "{:?}", query
            );
            let all: Vec<String> = found(&history, &CallQuery { limit: 1_000, ..query });
            prop_assert_eq!(all.len(), expected.len());
        }
    }
}
