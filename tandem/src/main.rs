//! The `tandem` binary: configuration, wiring, command line, drain. No domain logic.

mod bindings;
mod cdr_bucket;
mod clock;
mod commands;
mod config;
mod control;
mod control_api;
mod doctor;
mod exposure;
mod guests;
mod held;
mod hep;
mod history;
mod http;
mod identity;
mod kept;
mod kept_calls;
mod listening;
mod live_directory;
mod media_applications;
mod media_plane;
mod mixing;
mod node;
mod ordered_recordings;
mod privacy;
mod process;
mod readiness;
mod readings;
mod recordings;
mod relay_node;
mod role;
mod room_recordings;
mod rooms;
mod sinks;
mod streaming;
mod traces;
mod trust;
mod user_agent;

use clap::{CommandFactory as _, Parser, Subcommand};
use commands::resources;
use std::path::PathBuf;
use std::process::ExitCode;

/// A call makes and drops some two hundred small values on one thread; the system's allocator gives
/// their pages back and asks for them again, a system call each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A self-hosted Voice Connector: SIP edge, media relay and call quality in one program.
#[derive(Parser)]
#[command(name = "tandem", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve calls until SIGTERM or Ctrl-C, then drain; SIGHUP reads the configuration again.
    Run {
        #[command(flatten)]
        file: ConfigFile,
        /// The whole node, or one half of it: the edge without a relay, or the relay alone, as
        /// [relay_control] says.
        #[arg(long, value_enum, default_value_t = role::Role::All)]
        role: role::Role,
        /// After the start, place one measured test call through the edge and print its quality.
        #[arg(long)]
        prove: bool,
    },
    /// Check a configuration; exit 1 and say where and what to do when it is wrong.
    Check {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Print the shapes of the control API's requests and replies (OpenAPI 3.0).
    ApiSchema,
    /// Say what is wrong with this host, this configuration, that trunk, and what to change.
    Doctor {
        /// The configuration file [default: configs/dev.toml]
        #[arg(value_name = "CONFIG", conflicts_with = "config")]
        file: Option<PathBuf>,
        /// The same, as the other commands take it.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Only what the calls of this voice connector need.
        #[arg(long, value_name = "ID")]
        connector: Option<String>,
        /// Ask nobody outside this host: no peer, relay, collector or service.
        #[arg(long)]
        offline: bool,
        /// Also send an event ("Tandem Test Event") to each of [sinks] events, sns and sqs.
        #[arg(long, conflicts_with_all = ["offline", "connector"])]
        send_event: bool,
        /// One JSON array instead of a page.
        #[arg(long)]
        json: bool,
    },
    /// Only the media relay, driven over rtpengine's ng protocol by a Kamailio or OpenSIPS.
    Relay(commands::relay::RelayArgs),
    /// Place a test call and print its quality.
    Call(user_agent::CallArgs),
    /// Answer calls as a stand-in PBX or carrier, with speech-like audio.
    Answer(user_agent::AnswerArgs),
    /// List the calls of the running node, with their quality; with --since or another filter,
    /// those that are over.
    Calls {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        filter: commands::history::Filter,
        /// Show the list again every second until Ctrl-C.
        #[arg(long, conflicts_with = "filter")]
        watch: bool,
        /// One JSON array instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Recordings of calls: list them, decrypt one, play one.
    Recording {
        #[command(subcommand)]
        command: commands::recording::RecordingCommand,
    },
    /// Access keys of the control API.
    Key {
        #[command(subcommand)]
        command: commands::key::KeyCommand,
    },
    /// Voice connectors, and what belongs to each.
    Vc(resources::vc::VcArgs),
    /// Phone numbers: the inventory, orders, and whose they are.
    Number(resources::number::NumberArgs),
    /// Groups of voice connectors, which share numbers.
    Group(resources::group::GroupArgs),
    /// SIP rules: which calls go to which SIP media application.
    Rule(resources::rule::RuleArgs),
    /// SIP media applications: programs that steer calls.
    Application(resources::application::ApplicationArgs),
    /// Meetings in the meeting rooms: their ids, and what goes on in them.
    Room(resources::room::RoomArgs),
    /// Any operation of the control API, by its name.
    Api(resources::api::ApiArgs),
    /// What is made through the control API, as a whole: copy it, check it.
    Directory {
        #[command(subcommand)]
        command: commands::directory::DirectoryCommand,
    },
    /// Print the DNS records that lead devices to the meeting rooms, or check that they are there.
    Dns {
        #[command(flatten)]
        file: ConfigFile,
        #[command(flatten)]
        args: commands::dns::DnsArgs,
    },
    /// What the running node knows of its peers' health: pings and customers' OPTIONS.
    Health {
        #[command(flatten)]
        file: ConfigFile,
        /// JSON instead of tables.
        #[arg(long)]
        json: bool,
    },
    /// One call that is over: its messages, the quality of both sides, and why it was good or bad.
    Report {
        /// The call's transaction id, as in every log.
        transaction_id: String,
        #[command(flatten)]
        file: ConfigFile,
        /// The record itself as JSON.
        #[arg(long)]
        json: bool,
        /// Write the report as one page of HTML, with plots.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Write the call's SIP messages as a capture file; the voice connector must log them.
        #[arg(long, value_name = "FILE")]
        pcap: Option<PathBuf>,
    },
    /// A call's audio as a stream: on and off while it lasts; streams under data_dir, written down, heard.
    Stream {
        #[command(subcommand)]
        command: commands::stream::StreamCommand,
    },
    /// Print the completion of this command line for a shell.
    Completion {
        /// The shell.
        #[arg(value_enum)]
        shell: commands::completion::For,
    },
    /// Print the manual page of this command line.
    Man,
}

#[derive(clap::Args)]
pub(crate) struct ConfigFile {
    /// The configuration file.
    #[arg(long = "config", value_name = "FILE", default_value = "configs/dev.toml")]
    pub(crate) path: PathBuf,
}

fn main() -> ExitCode {
    // Shells ask it, people do not: it is no command that they would be offered.
    if let Some(words) = commands::completion::asked_words(std::env::args_os()) {
        return commands::completion::ids(Cli::command(), &words);
    }
    match Cli::parse().command {
        Command::Run { file, role, prove } => commands::run::run(&file.path, role, prove),
        Command::Check { file } => commands::check::check(&file.path),
        Command::ApiSchema => commands::api_schema::api_schema(),
        Command::Doctor { file, config, connector, offline, send_event, json } => {
            let path = file.or(config).unwrap_or_else(|| "configs/dev.toml".into());
            let scope = doctor::Scope {
                connector: connector.as_deref(),
                is_offline: offline,
                sends_event: send_event,
            };
            doctor::doctor(&path, scope, json)
        }
        Command::Relay(args) => commands::relay::run(&args),
        Command::Call(args) => user_agent::run_call(&args),
        Command::Answer(args) => user_agent::run_answer(&args),
        Command::Calls { file, filter, watch, json } => match filter.is_given() {
            true => commands::history::history(&file.path, &filter, json),
            false => commands::calls::calls(&file.path, watch, json),
        },
        Command::Recording { command } => commands::recording::run(&command),
        Command::Key { command } => commands::key::run(&command),
        Command::Vc(args) => resources::run(&args.how, &args.command),
        Command::Number(args) => resources::run(&args.how, &args.command),
        Command::Group(args) => resources::run(&args.how, &args.command),
        Command::Rule(args) => resources::run(&args.how, &args.command),
        Command::Application(args) => resources::run(&args.how, &args.command),
        Command::Room(args) => resources::run(&args.how, &args.command),
        Command::Api(args) => resources::run(&args.how, &args.request),
        Command::Directory { command } => commands::directory::run(&command),
        Command::Completion { shell } => commands::completion::completion(Cli::command(), shell),
        Command::Man => commands::completion::man(Cli::command()),
        Command::Dns { file, args } => commands::dns::dns(&file.path, &args),
        Command::Health { file, json } => commands::health::health(&file.path, json),
        Command::Report { transaction_id, file, json, html, pcap } => {
            let files = commands::report::Files { html, pcap };
            commands::report::report(&file.path, &transaction_id, json, &files)
        }
        Command::Stream { command } => commands::stream::run(command),
    }
}
