//! Ids of resources for a shell's completion: which of them the word under the cursor may be, asked of the
//! control API as `tandem vc list` asks it.
//!
//! It helps and never disturbs: it says nothing but ids, asks for few of them, and gives up early.

use super::super::resources::known_config;
use crate::control_api::{Asked, Client};
use clap::{Arg, ArgAction, Command};
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The shell waits for no longer.
const LIMIT: Duration = Duration::from_secs(1);
/// Pages that are asked for, of 100 entries each.
const PAGES_MAX: usize = 5;
/// Ids that are printed: more are no help.
const SHOWN_MAX: usize = 200;

/// What a word can be an id of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Kind {
    operation: &'static str,
    entries: &'static str,
    id: &'static str,
}

const fn kind(operation: &'static str, entries: &'static str, id: &'static str) -> Kind {
    Kind { operation, entries, id }
}

pub(super) const CONNECTOR: Kind =
    kind("ListVoiceConnectors", "VoiceConnectors", "VoiceConnectorId");
pub(super) const GROUP: Kind =
    kind("ListVoiceConnectorGroups", "VoiceConnectorGroups", "VoiceConnectorGroupId");
pub(super) const RULE: Kind = kind("ListSipRules", "SipRules", "SipRuleId");
pub(super) const APPLICATION: Kind =
    kind("ListSipMediaApplications", "SipMediaApplications", "SipMediaApplicationId");
pub(super) const NUMBER: Kind = kind("ListPhoneNumbers", "PhoneNumbers", "E164PhoneNumber");
pub(super) const ORDER: Kind =
    kind("ListPhoneNumberOrders", "PhoneNumberOrders", "PhoneNumberOrderId");
pub(super) const PORTING: Kind = kind("ListPortingOrders", "PortingOrders", "PortingOrderId");
pub(super) const ROOM: Kind = kind("ListRooms", "Rooms", "AttendeeId");

/// The words of a line to be completed, when that is what is asked: `tandem complete-ids -- WORD...`.
pub(crate) fn asked_words(arguments: impl Iterator<Item = OsString>) -> Option<Vec<String>> {
    let mut arguments = arguments.skip(1).map(|word| word.to_string_lossy().into_owned());
    let is_asked = arguments.next()? == "complete-ids" && arguments.next()? == "--";
    is_asked.then(|| arguments.collect())
}

/// Prints the ids that the last of `words`, the line's without `tandem`, may become.
pub(crate) fn ids(command: Command, words: &[String]) -> ExitCode {
    let (unfinished, before) = match words.split_last() {
        Some((last, before)) => (last.clone(), before),
        None => return ExitCode::SUCCESS,
    };
    let Some(Wanted { kind, config }) = wanted(&command, before, &unfinished) else {
        return ExitCode::SUCCESS;
    };
    let (told, found) = mpsc::sync_channel(1);
    // It is left alone when it takes too long: the process ends.
    let asking = thread::Builder::new().spawn(move || {
        let _ = told.send(asked(kind, config, &unfinished));
    });
    if asking.is_ok()
        && let Ok(Some(ids)) = found.recv_timeout(LIMIT)
    {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(ids.as_bytes());
    }
    ExitCode::SUCCESS
}

/// What is to be asked, and of which node.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    pub(super) config: Option<PathBuf>,
}

/// Reads a line as clap would: which argument the unfinished word is.
pub(super) fn wanted(root: &Command, before: &[String], unfinished: &str) -> Option<Wanted> {
    if unfinished.starts_with('-') {
        return None;
    }
    let mut root = root.clone();
    root.build();
    let (mut at, mut path, mut config) = (&root, Vec::new(), None);
    // The option that waits for its value, and the positionals that have theirs.
    let (mut option, mut places): (Option<&Arg>, usize) = (None, 0);
    for word in before {
        if let Some(waiting) = option.take() {
            if waiting.get_id() == "path" {
                config = Some(PathBuf::from(word));
            }
            continue;
        }
        if let Some(name) = word.strip_prefix("--") {
            let (name, value) = name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v)));
            let found = at.get_arguments().find(|arg| arg.get_long() == Some(name));
            match (found, value) {
                (Some(arg), Some(value)) if arg.get_id() == "path" => {
                    config = Some(PathBuf::from(value));
                }
                (Some(arg), None) if takes_value(arg) => option = Some(arg),
                _ => {}
            }
        } else if let Some(below) = at.find_subcommand(word) {
            path.push(below.get_name());
            at = below;
        } else if !word.starts_with('-') {
            places += 1;
        }
    }
    let name = match option {
        Some(arg) => arg.get_long()?,
        None => {
            let all: Vec<&Arg> = at.get_positionals().collect();
            let last = all.last().filter(|arg| matches!(arg.get_action(), ArgAction::Append));
            all.get(places).or(last)?.get_id().as_str()
        }
    };
    let kind = kind_of(&path, name, option.is_some())?;
    Some(Wanted { kind, config })
}

fn takes_value(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append)
}

fn kind_of(path: &[&str], name: &str, is_option: bool) -> Option<Kind> {
    match (*path.first()?, name, is_option) {
        ("number", "vc", true) | ("vc", "id", false) => Some(CONNECTOR),
        ("number", "group", true) | ("group", "id", false) => Some(GROUP),
        ("number", "rule", true) | ("rule", "id", false) => Some(RULE),
        ("rule", "application", true) | ("application", "id", false) => Some(APPLICATION),
        ("room", "room", false) => Some(ROOM),
        ("number", "order", false) => Some(PORTING),
        ("number", "id", false) => Some(ORDER),
        // These are numbers that are not there yet.
        ("number", _, _) if matches!(path.get(1), Some(&("order" | "port" | "search"))) => None,
        ("number", "number" | "numbers", false) => Some(NUMBER),
        _ => None,
    }
}

/// The ids that begin so, a line each.
fn asked(kind: Kind, config: Option<PathBuf>, begin: &str) -> Option<String> {
    let config = known_config(config)?;
    let mut client = Client::of(&config, false).ok()?;
    let mut lines = String::new();
    let (mut shown, mut members) = (0, Map::new());
    for _ in 0..PAGES_MAX {
        let Ok(mut reply) = client.ask(kind.operation, &members) else { break };
        let entries = reply.value[kind.entries].as_array();
        let ids = entries.into_iter().flatten().filter_map(|each| each[kind.id].as_str());
        for id in ids.filter(|id| id.starts_with(begin)).take(SHOWN_MAX - shown) {
            lines.push_str(id);
            lines.push('\n');
            shown += 1;
        }
        match reply.value["NextToken"].take() {
            Value::String(token) if shown < SHOWN_MAX => {
                members.insert("NextToken".to_owned(), token.into());
            }
            _ => break,
        }
    }
    Some(lines)
}
