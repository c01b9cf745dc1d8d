//! `tandem call` and `tandem answer`.

use super::answerer::{AnswerOptions, AnsweredCall, Answerer, AnswererStatistics};
use super::caller::place_call_watched;
use super::error::CallError;
use super::options::{CallOptions, Progress};
use super::outcome::{CallOutcome, EndedBy};
use super::quality::{MediaQuality, percent, score, show_milliseconds};
use call_metrics::printable;
use directory::{KeyPairFiles, TlsPolicy};
use model::TransportProtocol;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Place a test call with speech-like audio and print how good it was.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct CallArgs {
    /// Whom to call, for example sip:+12065550123@127.0.0.1:5060
    #[arg(value_name = "SIP_URI")]
    pub(crate) target: String,
    /// The caller's number or SIP URI [default: +12065550100]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) from: Option<String>,
    /// udp, tcp or tls; overrides the URI's transport parameter
    #[arg(long, value_parser = protocol, value_name = "PROTOCOL")]
    pub(crate) transport: Option<TransportProtocol>,
    /// PEM file of the authorities that may vouch for the peer over TLS [default: the system's]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Take whatever certificate the peer shows over TLS
    #[arg(long, conflicts_with = "tls_ca")]
    pub(crate) tls_insecure: bool,
    /// Encrypt media (SRTP, keys in the session description); no call without
    #[arg(long)]
    pub(crate) srtp: bool,
    /// How long to talk
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
    /// How many seconds to wait for an answer
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) patience: u64,
    /// Call from this address of this host
    #[arg(long, value_name = "IP")]
    pub(crate) local: Option<IpAddr>,
    /// Ask this name server for the target's servers [default: the system's]
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) dns_server: Vec<SocketAddr>,
    /// Print the outcome as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Answer calls, as a stand-in for a PBX or a carrier.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AnswerArgs {
    /// Where to listen, over UDP and TCP, for example 127.0.0.2:5060
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: SocketAddr,
    /// Where to listen over TLS as well, for example 127.0.0.2:5061
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) tls: Option<SocketAddr>,
    /// Certificate for TLS, PEM, the full chain [default: a self-signed one]
    #[arg(long, value_name = "FILE", requires_all = ["tls", "tls_key"])]
    pub(crate) tls_certificate: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Seconds to ring before answering
    #[arg(long, default_value_t = 0.2, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) ring: f64,
    /// Refuse every call with this status, for example 486 or 503
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(300..=699))]
    pub(crate) refuse: Option<u16>,
    /// Calls at once; more get 486 Busy Here
    #[arg(long, default_value_t = 500)]
    pub(crate) max_calls: usize,
    /// Print each finished call as a line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs `tandem call`: exit code 0 when audio came, 1 when the call failed or stayed silent, 2 when
/// the command line is wrong.
pub(crate) fn run_call(args: &CallArgs) -> ExitCode {
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_ctrl_c(&stop);
    let options = CallOptions {
        target: args.target.clone(),
        from: args.from.clone(),
        transport: args.transport,
        tls: TlsPolicy {
            verify: !args.tls_insecure,
            ca: args.tls_ca.as_deref().map(Into::into),
            certificate: None,
        },
        srtp: args.srtp,
        seconds: args.seconds,
        local: args.local,
        dns_servers: args.dns_server.clone(),
        setup_timeout: Duration::from_secs(args.patience),
        stop,
    };
    let target = args.target.clone();
    let mut watch = |progress| {
        if !args.json {
            say(&show_progress(&target, args.seconds, &progress));
        }
    };
    match place_call_watched(&options, &mut watch) {
        Ok(outcome) => {
            if args.json {
                say_data(&json(&outcome));
            } else {
                say(&show_outcome(&outcome));
            }
            if outcome.is_good() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
        }
        Err(error) => {
            if args.json {
                say_data(&json_error(&error));
            } else {
                complain(&error.to_string());
            }
            ExitCode::from(if error.is_usage() { USAGE } else { FAILED })
        }
    }
}

/// Runs `tandem answer` until Ctrl-C: exit code 0, or 1 when it cannot listen.
pub(crate) fn run_answer(args: &AnswerArgs) -> ExitCode {
    let mut options = AnswerOptions::new(args.listen);
    options.ring = Duration::from_secs_f64(args.ring);
    options.refuse_with = args.refuse;
    options.tls = args.tls;
    options.tls_files =
        args.tls_certificate.as_deref().zip(args.tls_key.as_deref()).map(|(certificate, key)| {
            KeyPairFiles { certificate: certificate.into(), key: key.into() }
        });
    options.max_calls = args.max_calls;
    let answerer = match Answerer::start(options) {
        Ok(answerer) => answerer,
        Err(error) => {
            complain(&format!(
                "cannot listen at {}: {error}; is the address of this host, and the port free?",
                args.listen
            ));
            return ExitCode::from(FAILED);
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_ctrl_c(&stop);
    if !args.json {
        let tls = answerer.tls().map(|at| format!(" and at {at} over TLS")).unwrap_or_default();
        say(&format!(
            "Answering calls at {} over UDP and TCP{tls}; Ctrl-C ends it.\n\n{:<24}{:<9}{}",
            answerer.local(),
            "from",
            "talked",
            MediaQuality::ROW_HEADER
        ));
    }
    let show = |call: &AnsweredCall| {
        if args.json { say_data(&json(call)) } else { say(&show_answered(call)) }
    };
    while !stop.load(Ordering::Relaxed) {
        if let Ok(call) = answerer.finished().recv_timeout(Duration::from_millis(100)) {
            show(&call);
        }
    }
    let last = answerer.finished().clone();
    let statistics = answerer.stop();
    last.try_iter().for_each(|call| show(&call));
    if !args.json {
        say(&show_statistics(&statistics));
    }
    ExitCode::SUCCESS
}

fn protocol(text: &str) -> Result<TransportProtocol, String> {
    TransportProtocol::parse(text).ok_or_else(|| "it is udp, tcp or tls".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "it is a number of seconds".to_owned())?;
    if (0.0..=3_600.0).contains(&value) { Ok(value) } else { Err("it is 0 to 3600".to_owned()) }
}

fn show_progress(target: &str, seconds: u32, progress: &Progress) -> String {
    match progress {
        Progress::Calling { to, protocol, local } => {
            let protocol = protocol.via_token();
            format!("Calling {target}\n  from {local} to {to} over {protocol}")
        }
        Progress::Ringing { status, after } => {
            let what = if *status == 180 { "ringing" } else { "in progress" };
            format!("  {what} after {} ({status})", show_milliseconds(*after))
        }
        Progress::Answered { after, codec, srtp } => {
            let after = show_milliseconds(*after);
            let srtp = srtp.map(|suite| format!(" over SRTP with {suite}")).unwrap_or_default();
            format!("  answered after {after}: {codec}{srtp}, talking for {seconds} s")
        }
    }
}

fn show_outcome(outcome: &CallOutcome) -> String {
    let CallOutcome { media, talked, ended_by, .. } = outcome;
    let by = if *ended_by == EndedBy::Caller { "us" } else { "the far side" };
    let mut text = format!("  ended by {by} after {:.1} s\n\n", talked.as_secs_f64());
    let _ = writeln!(text, "{:<13}packets    loss      jitter     MOS", "");
    let received = &media.received;
    let _ = writeln!(
        text,
        "{:<13}{:>7}  {:>6}  {:>10}  {:>6}   {}",
        "we heard",
        received.packets,
        percent(received.loss_ratio),
        show_milliseconds(received.jitter),
        score(received.mos),
        match received.level_dbov {
            Some(level) => format!("audio at {level:.0} dBov"),
            None if received.packets > 0 => "silence".to_owned(),
            None => "nothing: does a firewall stop UDP to our port?".to_owned(),
        }
    );
    let _ = match &media.far_end {
        Some(far) => writeln!(
            text,
            "{:<13}{:>7}  {:>6}  {:>10}  {:>6}   by its own reports (RTCP)",
            "they heard",
            far.expected.saturating_sub(u64::try_from(far.lost).unwrap_or(0)),
            percent(far.loss_ratio),
            show_milliseconds(far.jitter),
            score(far.mos)
        ),
        None => writeln!(
            text,
            "{:<13}      -       -           -       -   it sent no RTCP report; we sent {} packets",
            "they heard", media.packets_sent
        ),
    };
    let rtt = media.rtt.map_or_else(|| "not known".to_owned(), show_milliseconds);
    let _ = writeln!(text, "round trip   {rtt}");
    let _ = write!(text, "Call-ID      {}", outcome.call_id);
    text
}

fn show_answered(call: &AnsweredCall) -> String {
    let from = call.from.trim_start_matches("sip:");
    let talked = format!("{:.1} s", call.talked.as_secs_f64());
    format!("{from:<24}{talked:<9}{}", call.media.row())
}

fn show_statistics(statistics: &AnswererStatistics) -> String {
    let AnswererStatistics { answered, cancelled, busy, refused, peak, .. } = statistics;
    format!(
        "\n{answered} answered, {cancelled} cancelled, {busy} busy, {refused} refused; \
         {peak} at once at most"
    )
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"))
}

fn json_error(error: &CallError) -> String {
    serde_json::json!({ "error": error.to_string(), "status": error.status() }).to_string()
}

/// For people: what the far end says of itself can do nothing to their terminal.
fn say(text: &str) {
    say_data(&printable(text));
}

/// A closed pipe is no reason to leave a call hanging.
fn say_data(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "tandem: {}", printable(text));
}

/// Sets `stop` at Ctrl-C, so that calls are hung up. Where signals cannot be had, Ctrl-C ends the
/// process as ever.
fn stop_on_ctrl_c(stop: &Arc<AtomicBool>) {
    let stop = Arc::clone(stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let Ok(runtime) = runtime else { return };
    let wait = move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            stop.store(true, Ordering::Relaxed);
        }
    };
    // Detached: it ends with the process.
    drop(std::thread::Builder::new().name("ctrl-c".to_owned()).spawn(wait));
}
