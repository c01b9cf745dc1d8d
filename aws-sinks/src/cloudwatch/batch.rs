//! What one PutMetricData may carry, and the requests that a batch becomes.

use jiff::Timestamp;
use model::UnixTime;
use serde_json::{Map, Value};
use std::time::Duration;

/// Data of a request.
pub const MAX_DATA: usize = 1_000;
/// Octets of a request before it is compressed. The service says 1 MB; this is the smaller reading.
pub const MAX_BYTES: usize = 1_000_000;
/// Values, each with its count, of a datum.
pub const MAX_VALUES: usize = 150;
/// Dimensions of a datum.
pub const MAX_DIMENSIONS: usize = 30;
/// Characters of a metric's or a dimension's name.
pub const MAX_NAME: usize = 255;
/// Characters of a dimension's value.
pub const MAX_VALUE: usize = 1_024;
/// How old a datum may be.
pub const OLDEST: Duration = Duration::from_secs(14 * 86_400);
/// How far ahead it may be.
pub const NEWEST: Duration = Duration::from_secs(2 * 3_600);
/// How long data of the future are kept until the service takes them: those of a clock that was
/// wrong by hours. What is farther ahead would hold up too much.
pub const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3_600);
/// Octets that a request needs around its data and its namespace.
const ENVELOPE: usize = 64;

/// A datum of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datum {
    /// The place of its entry in the batch.
    pub entry: usize,
    /// The metric's name.
    pub name: String,
    /// As it is sent.
    pub json: String,
}

/// What becomes of a document.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Checked {
    /// What may be sent.
    pub data: Vec<Datum>,
    /// Why others never will be.
    pub refused: Vec<String>,
    /// When something of it lies so far in the future that the service refuses it: after which time it
    /// takes all of it.
    pub wait: Option<Duration>,
    /// Whether something is refused, or waits, for its time alone.
    pub depends_on_time: bool,
}

/// What becomes of a document `{"MetricData":[…]}` that is part of a batch as `entry`. A datum of too
/// many values becomes several; one without a time gets `time`, when it was recorded. `now` is the
/// service's time.
///
/// # Errors
/// In words, when the text is no such document.
pub fn data(
    entry: usize,
    document: &[u8],
    time: UnixTime,
    now: UnixTime,
) -> Result<Checked, String> {
    let parsed: Value = serde_json::from_slice(document)
        .map_err(|error| format!("it is no JSON document: {error}"))?;
    let Some(Value::Array(list)) = parsed.get("MetricData") else {
        return Err("it has no list MetricData".to_owned());
    };
    let mut out = Checked { data: Vec::with_capacity(list.len()), ..Checked::default() };
    for datum in list {
        let (name, parts, millis) = match checked(datum, time) {
            Ok(checked) => checked,
            Err(reason) => {
                out.refused.push(reason);
                continue;
            }
        };
        match age(millis, now) {
            Age::Fits => {}
            Age::Ahead(wait) => {
                out.wait = out.wait.max(Some(wait));
                out.depends_on_time = true;
            }
            Age::Beyond(reason) => {
                out.refused.push(format!("{name}: {reason}"));
                out.depends_on_time = true;
                continue;
            }
        }
        out.data.extend(parts.into_iter().map(|part| Datum {
            entry,
            name: name.clone(),
            json: Value::Object(part).to_string(),
        }));
    }
    Ok(out)
}

/// Puts data into requests to a namespace of `namespace_bytes` octets, in their order and each
/// within every limit. An entry's data are in one request where they fit.
pub fn requests(data: Vec<Datum>, namespace_bytes: usize) -> Vec<Vec<Datum>> {
    let room = MAX_BYTES.saturating_sub(ENVELOPE + namespace_bytes);
    let size = |datum: &Datum| datum.json.len() + 1;
    let (mut requests, mut request, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut data = data.into_iter().peekable();
    while let Some(first) = data.next() {
        let entry = first.entry;
        let mut whole = vec![first];
        while let Some(next) = data.next_if(|datum| datum.entry == entry) {
            whole.push(next);
        }
        let more: usize = whole.iter().map(size).sum();
        let fits_beside = request.len() + whole.len() <= MAX_DATA && bytes + more <= room;
        if !fits_beside && !request.is_empty() {
            requests.push(std::mem::take(&mut request));
            bytes = 0;
        }
        for datum in whole {
            if request.len() == MAX_DATA || (bytes + size(&datum) > room && !request.is_empty()) {
                requests.push(std::mem::take(&mut request));
                bytes = 0;
            }
            bytes += size(&datum);
            request.push(datum);
        }
    }
    if !request.is_empty() {
        requests.push(request);
    }
    requests
}

/// The body of a request.
pub fn body(namespace: &str, data: &[Datum]) -> String {
    let list = data.iter().map(|datum| datum.json.as_str()).collect::<Vec<_>>().join(",");
    format!("{{\"Namespace\":{},\"MetricData\":[{list}]}}", Value::from(namespace))
}

type Part = Map<String, Value>;

/// The name of a datum, what is sent of it, and its time in milliseconds.
fn checked(datum: &Value, time: UnixTime) -> Result<(String, Vec<Part>, u64), String> {
    let Value::Object(datum) = datum else { return Err("a datum is no object".to_owned()) };
    let name = datum.get("MetricName").and_then(Value::as_str).unwrap_or_default();
    let wrong = |reason: &str| format!("{name}: {reason}");
    if !is_name(name, MAX_NAME) {
        return Err(wrong("MetricName is not 1 to 255 printable ASCII characters"));
    }
    check_dimensions(datum).map_err(|reason| wrong(&reason))?;
    let mut datum = datum.clone();
    let millis = match datum.get("Timestamp") {
        None | Some(Value::Null) => time.as_millis(),
        Some(value) => millis(value).ok_or_else(|| wrong("Timestamp is no time"))?,
    };
    // Seconds, as JSON 1.0 has it; whole minutes and seconds stay whole numbers.
    let seconds = match millis % 1_000 {
        0 => Value::from(millis / 1_000),
        _ => Value::from(millis as f64 / 1_000.0),
    };
    datum.insert("Timestamp".to_owned(), seconds);
    check_numbers(&datum).map_err(wrong)?;
    let parts = split_values(datum).map_err(wrong)?;
    Ok((name.to_owned(), parts, millis))
}

fn is_name(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|b| (b' '..=b'~').contains(&b))
        && !text.trim().is_empty()
}

fn check_dimensions(datum: &Part) -> Result<(), String> {
    let dimensions = match datum.get("Dimensions") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(dimensions)) => dimensions,
        Some(_) => return Err("Dimensions is no list".to_owned()),
    };
    if dimensions.len() > MAX_DIMENSIONS {
        return Err(format!("has more than {MAX_DIMENSIONS} dimensions"));
    }
    let text =
        |dimension: &Value, key| dimension.get(key).and_then(Value::as_str).map(str::to_owned);
    for dimension in dimensions {
        let name = text(dimension, "Name").unwrap_or_default();
        let value = text(dimension, "Value").unwrap_or_default();
        if !is_name(&name, MAX_NAME) || name.starts_with(':') || !is_name(&value, MAX_VALUE) {
            return Err(format!("dimension {name:?} is not within the limits of CloudWatch"));
        }
    }
    Ok(())
}

/// Whether the service takes a time.
enum Age {
    Fits,
    /// It does after this.
    Ahead(Duration),
    /// It does not, and will not within reason.
    Beyond(&'static str),
}

fn age(millis: u64, now: UnixTime) -> Age {
    let now = now.as_millis();
    let since = Duration::from_millis(now.saturating_sub(millis));
    let ahead = Duration::from_millis(millis.saturating_sub(now));
    match ahead.saturating_sub(NEWEST) {
        _ if since > OLDEST => Age::Beyond("is older than CloudWatch takes (two weeks)"),
        Duration::ZERO => Age::Fits,
        wait if wait <= LONGEST_WAIT => Age::Ahead(wait),
        _ => Age::Beyond("is more than a day ahead of CloudWatch's clock"),
    }
}

/// JSON has no NaN and no infinity; CloudWatch's own bounds are ±2^360.
fn check_numbers(datum: &Part) -> Result<(), &'static str> {
    let bound = 2f64.powi(360);
    let fits = |value: &Value| value.as_f64().is_some_and(|number| number.abs() <= bound);
    let one = datum.get("Value").filter(|value| !value.is_null());
    let statistics = datum.get("StatisticValues").filter(|value| !value.is_null());
    let values = datum.get("Values").filter(|value| !value.is_null());
    let fits = match (one, statistics, values) {
        (Some(value), None, None) => fits(value),
        (None, Some(Value::Object(set)), None) => ["SampleCount", "Sum", "Minimum", "Maximum"]
            .iter()
            .all(|key| set.get(*key).is_some_and(fits)),
        (None, None, Some(Value::Array(values))) => !values.is_empty() && values.iter().all(fits),
        _ => return Err("has not one of Value, Values and StatisticValues"),
    };
    if fits { Ok(()) } else { Err("has a value that is no number, or beyond 2^360") }
}

/// Several data of at most [`MAX_VALUES`] values each, which CloudWatch adds up again.
fn split_values(mut datum: Part) -> Result<Vec<Part>, &'static str> {
    let Some(Value::Array(values)) = datum.remove("Values") else { return Ok(vec![datum]) };
    let counts = match datum.remove("Counts") {
        Some(Value::Array(counts)) => counts,
        None | Some(Value::Null) => vec![Value::from(1); values.len()],
        Some(_) => return Err("Counts is no list"),
    };
    let are_counts = counts.iter().all(|count| count.as_f64().is_some_and(|count| count > 0.0));
    if counts.len() != values.len() || !are_counts {
        return Err("has not one count above zero for each value");
    }
    let parts = values.chunks(MAX_VALUES).zip(counts.chunks(MAX_VALUES));
    Ok(parts
        .map(|(values, counts)| {
            let mut part = datum.clone();
            part.insert("Values".to_owned(), Value::from(values));
            part.insert("Counts".to_owned(), Value::from(counts));
            part
        })
        .collect())
}

/// A time in milliseconds: seconds since 1970 as a number, or ISO 8601.
fn millis(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => {
            let seconds = number.as_f64().filter(|seconds| (0.0..1e12).contains(seconds))?;
            Some((seconds * 1_000.0).round() as u64)
        }
        Value::String(text) => {
            let time: Timestamp = text.parse().ok()?;
            u64::try_from(time.as_millisecond()).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
