use super::*;
use proptest::prelude::*;
use serde_json::json;

const NOW: UnixTime = UnixTime::from_millis(1_800_000_000_000);

fn checked_data(list: Value) -> Checked {
    let document = json!({"Namespace": "ignored", "MetricData": list}).to_string();
    data(0, document.as_bytes(), NOW, NOW).unwrap()
}

fn of_one(datum: Value) -> Result<Vec<Value>, String> {
    let mut checked = checked_data(json!([datum]));
    match checked.refused.pop() {
        Some(reason) => Err(reason),
        None => Ok(checked.data.iter().map(|d| serde_json::from_str(&d.json).unwrap()).collect()),
    }
}

fn with(key: &str, value: Value) -> Result<Vec<Value>, String> {
    let mut datum = json!({"MetricName": "M", "Value": 1});
    datum[key] = value;
    of_one(datum)
}

#[test]
fn each_documented_limit_of_a_datum_is_kept_on_both_sides() {
    let dimensions = |count: usize| Value::from(vec![json!({"Name": "n", "Value": "v"}); count]);
    let dimension =
        |name: usize, value: usize| json!([{"Name": "n".repeat(name), "Value": "v".repeat(value)}]);
    let bound = 2f64.powi(360);
    for (key, good, bad) in [
        ("MetricName", json!("n".repeat(255)), json!("n".repeat(256))),
        ("MetricName", json!("a b"), json!("Müll")),
        ("MetricName", json!("n"), json!("")),
        ("Dimensions", dimensions(30), dimensions(31)),
        ("Dimensions", dimension(255, 1_024), dimension(256, 1_024)),
        ("Dimensions", dimension(1, 1_024), dimension(1, 1_025)),
        ("Dimensions", json!([]), dimension(0, 1)),
        ("Value", json!(bound), json!(bound * 1.01)),
        ("Value", json!(-bound), json!("1")),
        ("Timestamp", json!(1_800_000_000 - 14 * 86_400), json!(1_800_000_000 - 14 * 86_400 - 1)),
        ("Timestamp", json!(1_800_000_000 + 7_200 + 86_400), json!(1_800_000_000 + 7_201 + 86_400)),
        ("Timestamp", json!("2027-01-15T08:00:00Z"), json!("yesterday")),
    ] {
        assert!(with(key, good.clone()).is_ok(), "{key} {good}");
        let reason = with(key, bad.clone()).unwrap_err();
        assert!(!reason.is_empty(), "{key} {bad}");
    }
}

#[test]
fn a_datum_has_exactly_one_kind_of_value() {
    let set = json!({"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1});
    assert!(of_one(json!({"MetricName": "M", "StatisticValues": set})).is_ok());
    for bad in [
        json!({"MetricName": "M"}),
        json!({"MetricName": "M", "Value": 1, "Values": [1]}),
        json!({"MetricName": "M", "StatisticValues": {"Sum": 1}}),
        json!({"MetricName": "M", "Values": []}),
        json!({"MetricName": "M", "Values": [1, 2], "Counts": [1]}),
        json!({"MetricName": "M", "Values": [1], "Counts": [0]}),
        json!("M"),
    ] {
        assert!(of_one(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn a_datum_without_a_time_keeps_that_of_its_record() {
    let document = json!({"MetricData": [{"MetricName": "M", "Value": 1}]}).to_string();
    let recorded = UnixTime::from_millis(NOW.as_millis() - 3_600_000);
    let checked = data(0, document.as_bytes(), recorded, NOW).unwrap();
    let datum: Value = serde_json::from_str(&checked.data[0].json).unwrap();
    assert_eq!(datum["Timestamp"], json!(1_799_996_400));
}

#[test]
fn what_is_ahead_of_the_service_s_clock_waits_until_it_is_taken() {
    let at =
        |seconds: u64| json!({"MetricName": "M", "Value": 1, "Timestamp": 1_800_000_000 + seconds});
    let checked = checked_data(json!([at(0), at(7_200)]));
    assert_eq!((checked.wait, checked.depends_on_time), (None, false));
    let checked = checked_data(json!([at(7_201), at(7_260), at(0)]));
    assert_eq!(checked.wait, Some(Duration::from_secs(60)));
    assert_eq!((checked.data.len(), checked.refused.len()), (3, 0));
    let checked = checked_data(json!([at(100_000)]));
    assert_eq!((checked.wait, checked.depends_on_time), (None, true));
    assert_eq!(checked.refused, ["M: is more than a day ahead of CloudWatch's clock"]);
}

#[test]
fn a_distribution_of_many_values_becomes_several_data() {
    let values: Vec<_> = (0..301).collect();
    let counts: Vec<_> = (1..302).collect();
    let parts = of_one(json!({"MetricName": "M", "Values": values, "Counts": counts})).unwrap();
    assert_eq!(parts.len(), 3);
    let mut seen = Vec::new();
    for part in &parts {
        let (values, counts) =
            (part["Values"].as_array().unwrap(), part["Counts"].as_array().unwrap());
        assert!(values.len() <= MAX_VALUES && values.len() == counts.len());
        seen.extend(
            values.iter().zip(counts).map(|(v, c)| (v.as_u64().unwrap(), c.as_u64().unwrap())),
        );
    }
    assert_eq!(seen, (0..301).map(|n| (n, n + 1)).collect::<Vec<_>>());
}

#[test]
fn what_is_no_document_is_said() {
    assert!(data(0, b"{", NOW, NOW).unwrap_err().contains("no JSON"));
    assert!(data(0, b"{\"MetricData\":1}", NOW, NOW).unwrap_err().contains("MetricData"));
}

fn datum(entry: usize, bytes: usize) -> Datum {
    Datum { entry, name: "M".to_owned(), json: "1".repeat(bytes) }
}

#[test]
fn a_request_of_the_most_data_is_not_divided() {
    let sizes = |list: Vec<Datum>| requests(list, 20).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(vec![datum(0, 1); 1_000]), [1_000]);
    assert_eq!(sizes(vec![datum(0, 1); 1_001]), [1_000, 1]);
    // An entry that would be divided gets a request of its own.
    let two = [vec![datum(0, 1); 600], vec![datum(1, 1); 600]].concat();
    assert_eq!(sizes(two), [600, 600]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_is_lost_and_no_limit_exceeded(
        entries in prop::collection::vec((1usize..1_500, 1usize..6_000), 0..8)
    ) {
        let mut all = Vec::new();
        for (n, (count, size)) in entries.iter().enumerate() {
            all.extend((0..*count).map(|_| datum(n, *size)));
        }
        let requests = requests(all.clone(), 255);
        for request in &requests {
            prop_assert!(!request.is_empty() && request.len() <= MAX_DATA);
            prop_assert!(body(&"n".repeat(255), request).len() <= MAX_BYTES);
        }
        prop_assert_eq!(requests.concat(), all);
    }
}
