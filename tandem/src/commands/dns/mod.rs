//! `tandem dns`: the records that lead devices to the meeting rooms, and whether they are there.

mod records;
#[cfg(test)]
mod tests;

use super::{complain, load, say, say_data};
use records::{Wanted, is_private, wanted, words};
use serde_json::json;
use sip_proto::locate::{Question, Record};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

/// What is asked for beside the configuration.
#[derive(clap::Args)]
pub(crate) struct DnsArgs {
    /// Ask a name server for each record, and exit 1 when one is missing.
    #[arg(long)]
    check: bool,
    /// The name server to ask, an address with or without a port [default: `dns_servers` of `[sip]`, else the
    /// system's]
    #[arg(long, value_name = "ADDRESS", requires = "check", value_parser = server)]
    server: Option<SocketAddr>,
    /// How long a record may be kept, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    ttl: u32,
    /// One JSON array instead of lines.
    #[arg(long)]
    json: bool,
}

fn server(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
    address.or_else(|_| text.parse()).map_err(|_| {
        format!("{text:?} is no address; write one such as 192.0.2.53 or 192.0.2.53:5353")
    })
}

pub(crate) fn dns(path: &Path, args: &DnsArgs) -> ExitCode {
    let Some(config) = load(path) else { return ExitCode::FAILURE };
    let Some(rooms) = &config.resources.rooms else {
        complain(format_args!(
            "{}: there are no meeting rooms, so no records are needed; for rooms add [rooms] (without \
             enabled = false), and tls = [\"0.0.0.0:5061\"] to [sip]",
            path.display()
        ));
        return ExitCode::FAILURE;
    };
    let wanted = wanted(&config, rooms);
    if wanted.is_empty() {
        complain(format_args!(
            "{}: nobody can call the rooms; add tls = [\"0.0.0.0:5061\"] to [sip]",
            path.display()
        ));
        return ExitCode::FAILURE;
    }
    if args.check {
        let servers = args.server.map_or_else(|| config.sip.dns_servers.clone(), |one| vec![one]);
        return check(&wanted, &servers, args.json);
    }
    if args.json {
        let records: Vec<_> = wanted.iter().map(|each| each.json(args.ttl)).collect();
        say_data(&json!(records).to_string());
    } else {
        say_data(zone(&wanted, args.ttl).trim_end());
    }
    ExitCode::SUCCESS
}

/// The records as lines of a zone file.
fn zone(wanted: &[Wanted], seconds: u32) -> String {
    let mut text = String::new();
    let mut name = "";
    for each in wanted {
        let host = each.name.trim_start_matches("_sips._tcp.").trim_start_matches("_sip._tcp.");
        let host = host.trim_start_matches("_sip._udp.");
        if host != name {
            name = host;
            text.push_str(&format!("; meeting rooms at {host}\n"));
        }
        if let Some(ip) = each.address().filter(|ip| is_private(*ip)) {
            text.push_str(&format!(
                "; {ip} is not reached from everywhere: put the public address here, and into \
                 advertise of [sip]\n"
            ));
        }
        text.push_str(&each.line(seconds));
        text.push('\n');
    }
    text
}

/// What became of a question about wanted records.
struct Checked<'a> {
    wanted: &'a Wanted,
    outcome: Outcome,
}

enum Outcome {
    There,
    /// These are there in its place.
    Missing(Vec<Record>),
    Unanswered,
}

fn check(wanted: &[Wanted], servers: &[SocketAddr], json: bool) -> ExitCode {
    let questions = questions(wanted);
    let answers = match sip_edge::look_up(&questions, servers) {
        Ok(answers) => answers,
        Err(error) => {
            complain(format_args!("name servers cannot be asked: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let checked = compare(wanted, &questions, answers);
    if json {
        let told: Vec<_> = checked.iter().map(Checked::json).collect();
        say_data(&json!(told).to_string());
    } else {
        checked.iter().for_each(|each| say(each.line()));
    }
    match checked.iter().all(|each| matches!(each.outcome, Outcome::There)) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Each question once.
fn questions(wanted: &[Wanted]) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    for question in wanted.iter().map(Wanted::question) {
        if !questions.contains(&question) {
            questions.push(question);
        }
    }
    questions
}

fn compare<'a>(
    wanted: &'a [Wanted],
    questions: &[Question],
    answers: Vec<Option<Vec<Record>>>,
) -> Vec<Checked<'a>> {
    let of = |wanted: &Wanted| {
        let at = questions.iter().position(|question| *question == wanted.question())?;
        answers.get(at)?.as_ref()
    };
    let check = |wanted: &'a Wanted| {
        let outcome = match of(wanted) {
            None => Outcome::Unanswered,
            Some(found) if found.iter().any(|record| wanted.is_met_by(record)) => Outcome::There,
            Some(found) => Outcome::Missing(found.clone()),
        };
        Checked { wanted, outcome }
    };
    wanted.iter().map(check).collect()
}

impl Checked<'_> {
    fn line(&self) -> String {
        let wanted = self.wanted;
        match &self.outcome {
            Outcome::There => format!("ok       {wanted}"),
            Outcome::Unanswered => {
                format!("unknown  {wanted}: no name server answers; see --server")
            }
            Outcome::Missing(found) if found.is_empty() => {
                format!("missing  {wanted}: there is none; add it to the zone")
            }
            Outcome::Missing(found) => {
                let found: Vec<String> = found.iter().map(|record| words(record).1).collect();
                format!("missing  {wanted}: found {} instead", found.join(", "))
            }
        }
    }

    fn json(&self) -> serde_json::Value {
        let (kind, data) = words(&self.wanted.record);
        let (outcome, found) = match &self.outcome {
            Outcome::There => ("ok", None),
            Outcome::Unanswered => ("unknown", None),
            Outcome::Missing(found) => {
                ("missing", Some(found.iter().map(|record| words(record).1).collect::<Vec<_>>()))
            }
        };
        let name = &self.wanted.name;
        json!({ "name": name, "type": kind, "data": data, "outcome": outcome, "found": found })
    }
}
