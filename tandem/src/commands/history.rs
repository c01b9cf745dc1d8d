//! `tandem calls --since …`: calls that are over.

use super::calls::{clock, shorten};
use super::{complain, load, say, say_data};
use crate::clock::Origin;
use crate::config::Config;
use crate::privacy;
use call_history::{CallQuery, CallSummary, History, StatusRange};
use call_metrics::{Numbers, printable_line};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use model::UnixTime;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

/// Digits of the shortest international number.
const LEAST_WHOLE: usize = 7;

/// Which finished calls; those that fit everything that is given.
#[derive(clap::Args)]
#[group(id = "filter", multiple = true)]
pub(crate) struct Filter {
    /// Calls that ended since then: 30m, 2h, 7d, 2026-11-20, 2026-11-20T14:02 (UTC)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Calls that ended before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Calling or called number, or how it ends
    #[arg(long)]
    number: Option<String>,
    /// Of this voice connector
    #[arg(long, value_name = "ID")]
    connector: Option<String>,
    /// From or to this carrier
    #[arg(long, value_name = "ID")]
    carrier: Option<String>,
    /// Final status: 486, 4xx, 500-503, or failed (300 and more)
    #[arg(long)]
    status: Option<String>,
    /// A side's MOS is below
    #[arg(long, value_name = "MOS")]
    mos_below: Option<f64>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

impl Filter {
    /// Something of it is given, besides the limit.
    pub(crate) fn is_given(&self) -> bool {
        let texts =
            [&self.since, &self.until, &self.number, &self.connector, &self.carrier, &self.status];
        self.mos_below.is_some() || texts.into_iter().any(Option::is_some)
    }

    fn query(&self, now: UnixTime) -> Result<CallQuery, String> {
        let time = |option: &str, text: &Option<String>| {
            let read =
                |text: &String| time(text, now).map_err(|error| format!("{option}: {error}"));
            text.as_ref().map(read).transpose()
        };
        if let Some(number) = &self.number
            && !number.chars().any(char::is_alphanumeric)
        {
            return Err(format!("--number: {number:?} has neither digit nor letter"));
        }
        Ok(CallQuery {
            since: time("--since", &self.since)?,
            until: time("--until", &self.until)?,
            number: self.number.clone(),
            number_as: Vec::new(),
            voice_connector: self.connector.clone(),
            carrier: self.carrier.clone(),
            status: self.status.as_deref().map(status).transpose()?,
            mos_below: self.mos_below,
            limit: self.limit,
        })
    }
}

pub(crate) fn history(path: &Path, filter: &Filter, json: bool) -> ExitCode {
    let mut query = match filter.query(Origin::now().calendar) {
        Ok(query) => query,
        Err(error) => {
            complain(error);
            return ExitCode::from(2);
        }
    };
    let Some(config) = load(path) else { return ExitCode::FAILURE };
    if let Err(error) = ask_as_written(&config, &mut query) {
        complain(error);
        return ExitCode::FAILURE;
    }
    let found = History::open_to_read(&config.node.data_dir)
        .and_then(|history| history.map_or(Ok(Vec::new()), |history| history.search(&query)));
    let shown = match found {
        Ok(calls) if json => match serde_json::to_string(&calls) {
            Ok(text) => {
                say_data(&text);
                return ExitCode::SUCCESS;
            }
            Err(error) => Err(error.to_string()),
        },
        Ok(calls) => Ok(table(&calls, filter.limit)),
        Err(error) => Err(error.to_string()),
    };
    match shown {
        Ok(text) => {
            say(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

/// Has the query ask for its number as `[privacy]` writes it, and says what that cannot find.
fn ask_as_written(config: &Config, query: &mut CallQuery) -> Result<(), String> {
    let Some(number) = &query.number else { return Ok(()) };
    let numbers = privacy::of_history(config)?;
    query.number_as = numbers.questions(number);
    let digits = number.chars().filter(char::is_ascii_digit).count();
    match numbers {
        Numbers::Masked { shown: 0 } => complain(
            "numbers in the history are masked to their last digit ([privacy] shown_digits = 0): only \
             calls from before that, and names, are found by --number",
        ),
        Numbers::Masked { shown } if digits > usize::from(shown) => complain(format_args!(
            "numbers in the history are masked ([privacy]): shown are calls with any number that ends \
             with the same {shown} digits",
        )),
        Numbers::Hashed(_) if (1..LEAST_WHOLE).contains(&digits) => complain(
            "numbers in the history are hashed ([privacy]): write the whole number, as +12065550100; an \
             ending finds only calls from before that",
        ),
        Numbers::Plain | Numbers::Masked { .. } | Numbers::Hashed(_) => {}
    }
    Ok(())
}

fn table(calls: &[CallSummary], limit: u32) -> String {
    if calls.is_empty() {
        return "no such calls; the node adds a call a second or two after its end".to_owned();
    }
    let mut text = format!(
        "{:<19}  {:<8}  {:<17}  {:<17}  {:>6}  {:>8}  {:>4}  {:>4}  {:<12}  {:<36}\n",
        "ENDED (UTC)",
        "WAY",
        "FROM",
        "TO",
        "STATUS",
        "TALK",
        "CUST",
        "REM",
        "CARRIER",
        "TRANSACTION ID"
    );
    let mos = |mos: Option<f64>| mos.map_or_else(|| "-".to_owned(), |mos| format!("{mos:.2}"));
    for call in calls {
        let talk = call.answered.map(|answered| call.ended.saturating_sub(answered) / 1_000);
        let _ = writeln!(
            text,
            "{:<19}  {:<8}  {:<17}  {:<17}  {:>6}  {:>8}  {:>4}  {:>4}  {:<12}  {:<36}",
            written(call.ended),
            call.direction.to_lowercase(),
            shorten(&printable_line(&call.from_user), 17),
            shorten(&printable_line(&call.to_user), 17),
            if call.status == 0 { "-".to_owned() } else { call.status.to_string() },
            talk.map_or_else(|| "-".to_owned(), clock),
            mos(call.mos_customer),
            mos(call.mos_remote),
            shorten(&printable_line(call.carrier.as_deref().unwrap_or("-")), 12),
            call.transaction_id,
        );
    }
    if calls.len() >= limit as usize {
        let _ = writeln!(text, "the newest {limit}; --limit shows more");
    }
    text
}

fn written(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    let time = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment: so long ago, a day, or a time with or without an offset; without one it is UTC.
fn time(text: &str, now: UnixTime) -> Result<UnixTime, String> {
    let millis = |time: Timestamp| {
        UnixTime::from_millis(u64::try_from(time.as_millisecond()).unwrap_or_default())
    };
    let of =
        |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|time| millis(time.timestamp()));
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(millis(time));
    }
    if text.contains(['T', ' ', ':'])
        && let Some(time) = text.parse::<DateTime>().ok().and_then(of)
    {
        return Ok(time);
    }
    if let Some(time) =
        text.parse::<Date>().ok().and_then(|day| of(day.to_datetime(jiff::civil::Time::midnight())))
    {
        return Ok(time);
    }
    match text.parse::<SignedDuration>() {
        Ok(ago) if ago.is_positive() => {
            let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
            Ok(UnixTime::from_millis(now.as_millis().saturating_sub(ago)))
        }
        _ => days(text, now).ok_or_else(|| {
            format!("{text:?} is no time: write 30m, 2h, 7d, 2026-11-20 or 2026-11-20T14:02")
        }),
    }
}

/// `7d`, which is no exact duration everywhere; here all days are UTC's.
fn days(text: &str, now: UnixTime) -> Option<UnixTime> {
    let days: u64 = text.strip_suffix('d')?.parse().ok()?;
    let ago = days.checked_mul(86_400_000)?;
    Some(UnixTime::from_millis(now.as_millis().saturating_sub(ago)))
}

/// `486`, `4xx`, `500-503` or `failed`.
fn status(text: &str) -> Result<StatusRange, String> {
    let wrong = || format!("--status: {text:?}: write 486, 4xx, 500-503 or failed");
    let number = |text: &str| text.parse::<u16>().ok().filter(|s| (100..=699).contains(s));
    if text.eq_ignore_ascii_case("failed") {
        return Ok(StatusRange(300, 699));
    }
    if let Some(class) = text.strip_suffix("xx") {
        let first = number(&format!("{class}00")).ok_or_else(wrong)?;
        return Ok(StatusRange(first, first + 99));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = number(first).zip(number(last)).filter(|(first, last)| first <= last);
    range.map(|(first, last)| StatusRange(first, last)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T12:00:00Z.
    const NOW: u64 = 1_795_348_800_000;

    fn at(text: &str) -> Result<u64, String> {
        time(text, UnixTime::from_millis(NOW)).map(UnixTime::as_millis)
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, expected) in [
            ("30m", NOW - 30 * 60_000),
            ("2h", NOW - 2 * 3_600_000),
            ("7d", NOW - 7 * 86_400_000),
            ("2026-11-22", NOW - 12 * 3_600_000),
            ("2026-11-22T11:00", NOW - 3_600_000),
            ("2026-11-22 11:00:30", NOW - 3_600_000 + 30_000),
            ("2026-11-22T13:00:00+02:00", NOW - 3_600_000),
            ("2026-11-22T11:00:00Z", NOW - 3_600_000),
        ] {
            assert_eq!(at(text), Ok(expected), "{text}");
        }
        for text in ["", "yesterday", "-2h", "2026-13-01", "99999999999999999999d"] {
            let error = at(text).unwrap_err();
            assert!(error.contains("write 30m"), "{error}");
        }
    }

    #[test]
    fn statuses_are_one_a_class_a_range_or_all_failures() {
        assert_eq!(status("486"), Ok(StatusRange(486, 486)));
        assert_eq!(status("4xx"), Ok(StatusRange(400, 499)));
        assert_eq!(status("500-503"), Ok(StatusRange(500, 503)));
        assert_eq!(status("failed"), Ok(StatusRange(300, 699)));
        for text in ["", "xx", "7xx", "99", "503-500", "busy", "65535xx"] {
            assert!(status(text).unwrap_err().contains("write 486"), "{text}");
        }
    }

    #[test]
    fn a_caller_can_neither_command_the_terminal_nor_add_a_line() {
        let call = CallSummary {
            transaction_id: "00000000-0000-4000-8000-000000000007".to_owned(),
            voice_connector_id: "abcdef1ghij2klmno3pqr4".to_owned(),
            direction: "Outbound",
            from_user: "\x1b[2J\nfake".to_owned(),
            to_user: "+1206".to_owned(),
            carrier: None,
            attempted: NOW - 90_000,
            answered: Some(NOW - 65_000),
            ended: NOW,
            status: 200,
            cause: "normal".to_owned(),
            mos_customer: Some(4.381),
            mos_remote: None,
        };
        let text = table(&[call], 1);
        assert_eq!(text.lines().count(), 3, "{text:?}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.contains("2026-11-22 12:00:00") && text.contains("0:01:05"), "{text}");
        assert!(text.contains("4.38") && text.ends_with("--limit shows more\n"), "{text}");
    }
}
