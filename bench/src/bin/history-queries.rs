//! Finding calls among many: `history-queries [CALLS]`, a million when nothing is given.
//!
//! It writes day files of records as a node does, has the history follow them, and times questions
//! that people ask. The peer is `grep` over the same files, which answers the same question without a
//! database; both from the page cache, the fastest of some rounds.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use call_history::{CallQuery, History, StatusRange};
use model::{TransactionId, UnixTime};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// 2026-01-01T00:00:00Z.
const BEGIN: u64 = 1_767_225_600_000;
const DAYS: u64 = 30;
const DAY_MILLIS: u64 = 86_400_000;
const CONNECTORS: u64 = 20;
const ROUNDS: usize = 5;

/// Goes with what is in it.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Question {
    what: &'static str,
    query: CallQuery,
    /// What grep looks for; empty where lines cannot tell.
    pattern: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let calls: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |n| n.parse())?;
    let scratch = Scratch(std::env::temp_dir().join(format!("history-{}", std::process::id())));
    fs::create_dir_all(scratch.0.join("calls"))?;
    let octets = write_calls(&scratch.0, calls)?;
    let mut history = History::open(&scratch.0)?;
    let begin = Instant::now();
    while history.take_in()?.more {}
    let took = begin.elapsed();
    let database = fs::metadata(scratch.0.join(call_history::FILE))?.len();
    println!(
        "{calls} calls of {} octets a record: {:.0} calls/s into the history, {:.0} octets a call \
         in the database",
        octets / calls.max(1),
        calls as f64 / took.as_secs_f64(),
        database as f64 / calls as f64
    );
    println!(
        "{:44}{:>8}{:>14}{:>12}{:>10}",
        "question", "calls", "history, ms", "grep, ms", "ratio"
    );
    for question in questions(calls) {
        let mut found = 0;
        let own = fastest(|| {
            found = history.search(&question.query)?.len();
            Ok(())
        })?;
        let peer = match question.pattern.as_str() {
            "" => None,
            pattern => Some(fastest(|| grep(&scratch.0, pattern))?),
        };
        let millis = |time: Duration| time.as_secs_f64() * 1e3;
        let cells = peer.map_or_else(
            || format!("{:>12}{:>10}", "-", "-"),
            |peer| format!("{:>12.1}{:>9.4}x", millis(peer), millis(own) / millis(peer)),
        );
        println!("{:44}{found:>8}{:>14.2}{cells}", question.what, millis(own));
    }
    Ok(())
}

fn fastest(
    mut run: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<Duration, Box<dyn Error>> {
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        run()?;
        best = best.min(begin.elapsed());
    }
    Ok(best)
}

/// Some tenths of calls and numbers are spread so that common and rare ones are asked for.
fn write_calls(root: &Path, calls: u64) -> io::Result<u64> {
    let mut octets = 0;
    let a_day = calls.div_ceil(DAYS);
    for day in 0..DAYS {
        let path = root.join(format!("calls/2026-01-{:02}.jsonl", day + 1));
        let mut file = BufWriter::new(File::create(path)?);
        for number in day * a_day..calls.min((day + 1) * a_day) {
            let ended = BEGIN + day * DAY_MILLIS + number % a_day * DAY_MILLIS / a_day;
            let line = line(number, ended);
            octets += line.len() as u64;
            file.write_all(line.as_bytes())?;
        }
        file.flush()?;
    }
    Ok(octets)
}

/// A number that looks drawn and is the same each time.
fn mixed(number: u64) -> u64 {
    let mixed = (number ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ mixed >> 31).wrapping_mul(0x94d0_49bb_1331_11eb) >> 20
}

fn line(number: u64, ended: u64) -> String {
    let drawn = mixed(number);
    let id = TransactionId::from_random(u128::from(number) << 64 | u128::from(drawn));
    let status = [200, 200, 200, 200, 200, 200, 200, 486, 480, 487][(drawn % 10) as usize];
    let status = if drawn.is_multiple_of(1_009) { 503 } else { status };
    let mos =
        4.4 - (drawn % 100) as f64 / 1_000.0 - if drawn.is_multiple_of(997) { 2.0 } else { 0.0 };
    let quality = format!(
        "{{\"codec\":\"PCMU\",\"received_packets\":9000,\"received_bytes\":1548000,\
         \"received_rtcp_packets\":36,\"expected_packets\":9000,\"lost_packets\":0,\
         \"jitter_us\":210,\"jitter_max_us\":900,\"reordered\":0,\"duplicated\":0,\
         \"burst_ratio\":1.0,\"wrong_source\":0,\"malformed\":0,\"sent_packets\":9000,\
         \"sent_bytes\":1548000,\"sent_rtcp_packets\":36,\"send_dropped\":0,\
         \"peer_lost_packets\":0,\"peer_jitter_us\":300,\"rtt_us\":20000,\"rtt_max_us\":21000,\
         \"mos\":{mos:.3},\"intervals\":[]}}"
    );
    format!(
        "{{\"transaction_id\":\"{id}\",\"node\":\"edge-1\",\"region\":\"us-east-1\",\
         \"voice_connector_id\":\"{}\",\"direction\":\"Outbound\",\"call_id\":\"{drawn:x}\",\
         \"from_user\":\"+1206{:07}\",\"from_country\":\"US\",\"to_user\":\"+81{:08}\",\
         \"to_country\":\"JP\",\"source\":\"192.0.2.9:5060\",\"times\":{{\"attempted\":{},\
         \"ringing\":{},\"answered\":{},\"ended\":{ended}}},\"routes\":[{{\"offset_ms\":2,\
         \"attempt\":1,\"carrier\":\"pstn-{}\",\"destination\":\"198.51.100.1:5060\",\
         \"protocol\":\"udp\"}}],\"end\":{{\"status\":{status},\"cause\":\"normal\",\
         \"ended_by\":\"leg_a\",\"refusal\":null}},\"ladder\":[],\"ladder_omitted\":0,\
         \"quality\":[{quality},{quality}]}}\n",
        connector(drawn % CONNECTORS),
        5_550_000 + drawn % 500,
        drawn / 7 % 100_000_000,
        ended - 190_000,
        ended - 188_000,
        ended - 180_000,
        drawn % 3,
    )
}

fn connector(number: u64) -> String {
    format!("connector{number:012}")
}

fn questions(calls: u64) -> Vec<Question> {
    let all = CallQuery::default();
    let rare = format!("+81{:08}", mixed(calls / 2) / 7 % 100_000_000);
    let common = "+12065550123";
    let number = |number: &str| CallQuery { number: Some(number.to_owned()), ..all.clone() };
    let status = |first, last| CallQuery { status: Some(StatusRange(first, last)), ..all.clone() };
    let below = |mos| CallQuery { mos_below: Some(mos), ..all.clone() };
    let carrier = |id: &str| Some(id.to_owned());
    let days = |first: u64, last: u64| {
        let at = |days: u64| Some(UnixTime::from_millis(BEGIN + days * DAY_MILLIS));
        CallQuery { since: at(first), until: at(last), ..all.clone() }
    };
    let one = Some(connector(7));
    let of_one = CallQuery { voice_connector: one.clone(), ..all.clone() };
    let every = CallQuery { limit: 100_000, ..number(common) };
    let several = CallQuery {
        voice_connector: one,
        status: Some(StatusRange(503, 503)),
        mos_below: Some(3.0),
        ..days(5, 12)
    };
    [
        ("the newest 100", all.clone(), ""),
        ("a day's last 100", days(9, 10), ""),
        ("a rare number", number(&rare), rare.as_str()),
        ("the last 7 digits of it", number(&rare[rare.len() - 7..]), ""),
        ("a number of one call in 500", number(common), common),
        ("all calls of that number", every, common),
        ("that number, MOS below 3", CallQuery { mos_below: Some(3.0), ..number(common) }, ""),
        ("one connector", of_one, connector(7).as_str()),
        ("status 503 (one in 1,000)", status(503, 503), "\"status\":503"),
        ("failed", status(300, 699), ""),
        ("MOS below 3 (one in 1,000)", below(3.0), ""),
        ("MOS below 4.35 (half)", below(4.35), ""),
        ("MOS below 1 (none)", below(1.0), ""),
        ("one connector, 503, MOS below 3, a week", several, ""),
        ("one carrier, 503", CallQuery { carrier: carrier("pstn-1"), ..status(503, 503) }, ""),
        ("a carrier that has no calls", CallQuery { carrier: carrier("pstn-9"), ..all }, ""),
    ]
    .into_iter()
    .map(|(what, query, pattern)| Question { what, query, pattern: pattern.to_owned() })
    .collect()
}

/// Every line with `pattern` in any day's file.
fn grep(root: &Path, pattern: &str) -> Result<(), Box<dyn Error>> {
    let mut files: Vec<PathBuf> = fs::read_dir(root.join("calls"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    files.sort();
    let mut grep = Command::new("grep")
        .args(["--fixed-strings", "--no-filename", "--", pattern])
        .args(files)
        .env("LC_ALL", "C")
        .stdout(Stdio::piped())
        .spawn()?;
    // Into the null device it would stop at the first line.
    let lines = grep.stdout.take().map_or(Ok(0), |mut out| io::copy(&mut out, &mut io::sink()))?;
    if grep.wait()?.success() && lines > 0 {
        Ok(())
    } else {
        Err(format!("grep found no {pattern}").into())
    }
}
