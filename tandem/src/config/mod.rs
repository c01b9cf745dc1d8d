//! The configuration file: TOML text in, checked and typed values out.
//!
//! Reading is a function of the text alone ([`Config::parse`]), so that a reload can be refused
//! without having changed anything. All that is wrong is reported at once, each with its line and
//! what to do. What a later version will serve is understood, but refused with a clear word where
//! ignoring it would be insecure, and warned about where it would only be missing.

mod api;
mod authentication;
mod carrier;
mod credential;
mod error;
mod group;
mod health;
mod hep;
mod history;
mod hold_music;
mod limits;
mod media;
mod media_application;
mod media_applications;
mod node;
mod number_pool;
mod outbox;
mod policy;
mod privacy;
mod reader;
mod recordings;
mod redirects;
mod registration;
mod relay_control;
mod retention;
mod rooms;
mod sinks;
mod sip;
mod siprec_client;
mod stir;
mod streaming;
mod tls;
mod traces;
mod transcoding;
mod value;
mod voice_connector;
mod web_socket;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::accepts;

pub(crate) use api::ApiConfig;
pub(crate) use error::{ConfigErrors, Finding};
pub(crate) use hep::Hep;
pub(crate) use history::HistoryConfig;
pub(crate) use hold_music::AudioFile;
pub(crate) use limits::{Drain, Limits};
pub(crate) use media::Media;
pub(crate) use media_application::Function;
pub(crate) use media_applications::{MediaApplications, RecordingsTo};
pub(crate) use node::Node;
pub(crate) use outbox::Outbox;
pub(crate) use privacy::{NumbersKind, PrivacyConfig};
pub(crate) use recordings::RecordingsSection;
pub(crate) use relay_control::RelayControl;
pub(crate) use retention::Retention;
pub(crate) use rooms::{FileMeeting, GuestsSection, RoomPrompts, RoomsSection};
pub(crate) use sinks::{AuditEvents, EventSinks, Sinks};
pub(crate) use sip::Sip;
#[cfg(test)]
pub(crate) use stir::SignerFiles;
pub(crate) use stir::Stir;
pub(crate) use streaming::NodeStreaming;
pub(crate) use tls::{TlsFileKind, TlsFiles};
pub(crate) use traces::Traces;
pub(crate) use web_socket::TokenFile;

use b2bua::{AuthenticationConfig, HealthConfig};
use call_metrics::CloudWatchConfig;
use directory::{Resources, Rooms, Snapshot};
use reader::{Document, Table};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// A checked configuration.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Who this node is.
    pub(crate) node: Node,
    /// SIP listeners, timers and bounds.
    pub(crate) sip: Sip,
    /// The media relay.
    pub(crate) media: Media,
    /// The channel to relays, or to edges, in processes of their own; `None` when the section is absent.
    pub(crate) relay_control: Option<RelayControl>,
    /// How the control API is served; `None` when the section is absent.
    pub(crate) api: Option<ApiConfig>,
    /// Where the Prometheus page is served; `None` when the section is absent.
    pub(crate) prometheus: Option<SocketAddr>,
    /// Which records go to services.
    pub(crate) sinks: Sinks,
    /// The queues of what is to be delivered to services.
    pub(crate) outbox: Outbox,
    /// Bounds on messages and tables.
    pub(crate) limits: Limits,
    /// When a carrier or route counts as dead.
    pub(crate) health: HealthConfig,
    /// How customers prove who they are.
    pub(crate) authentication: AuthenticationConfig,
    /// How callers are signed and verified.
    pub(crate) stir: Stir,
    /// A collector that gets copies; `None` for none.
    pub(crate) hep: Option<Hep>,
    /// Where traces of calls go; `None` for nowhere.
    pub(crate) traces: Option<Traces>,
    /// What CloudWatch gets.
    pub(crate) cloudwatch: CloudWatchConfig,
    /// How long finished calls are kept.
    pub(crate) history: HistoryConfig,
    /// When files are put aside, and for how long they are kept.
    pub(crate) retention: Retention,
    /// How calls are recorded.
    pub(crate) recordings: RecordingsSection,
    /// What of people's numbers and messages is written where.
    pub(crate) privacy: PrivacyConfig,
    /// How the node stops.
    pub(crate) drain: Drain,
    /// How applications that steer calls are asked.
    pub(crate) media_applications: MediaApplications,
    /// What is of this node in the meeting rooms; `None` without any.
    pub(crate) rooms: Option<RoomsSection>,
    /// What is of this node in streaming.
    pub(crate) streaming: NodeStreaming,
    /// Carriers and voice connectors, as the file says them.
    pub(crate) resources: Arc<Resources>,
    /// The same, ready for call routing.
    pub(crate) directory: Arc<Snapshot>,
    /// The files of TLS, to be looked at.
    pub(crate) tls_files: Vec<TlsFiles>,
    /// The audio files that it names, to be read; each as often as it is named.
    pub(crate) audio_files: Vec<AudioFile>,
    /// Files of tokens for programs behind WebSockets, with the lines that name them.
    pub(crate) token_files: Vec<TokenFile>,
    /// What is fine but probably not meant.
    pub(crate) warnings: Vec<Finding>,
}

/// Reads and checks the file at `path`.
///
/// # Errors
/// That the file cannot be read, or everything that is wrong in it.
pub(crate) fn load(path: &Path) -> Result<Config, ConfigErrors> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => Config::parse(&text, &name),
        Err(error) => Err(ConfigErrors::unreadable(&name, &error)),
    }
}

/// Reads and checks `[media]` of the file at `path`, and nothing else of it; its defaults without a
/// file.
///
/// # Errors
/// That the file cannot be read, or what is wrong in the section.
pub(crate) fn load_media(path: Option<&Path>) -> Result<Media, ConfigErrors> {
    let name = path.map_or_else(String::new, |path| path.display().to_string());
    let text = path.map_or_else(|| Ok(String::new()), std::fs::read_to_string);
    let text = text.map_err(|error| ConfigErrors::unreadable(&name, &error))?;
    let document = Document::parse(&text, &name)?;
    let media = media::read(document.root().table("media"));
    document.into_warnings()?;
    Ok(media)
}

impl Config {
    /// Reads and checks `text`; `file_name` is only for the messages.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of lines.
    pub(crate) fn parse(text: &str, file_name: &str) -> Result<Config, ConfigErrors> {
        let document = Document::parse(text, file_name)?;
        let mut root = document.root();
        let node = node::read(root.table("node"));
        let sip = sip::read(root.table("sip"));
        let media = media::read(root.table("media"));
        let relay_control = relay_control::read(root.table("relay_control"));
        let api = api::read(root.table("api"));
        let prometheus = node::read_prometheus(root.table("prometheus"));
        let (sinks, cloudwatch) = sinks::read(root.table("sinks"), &node.region);
        let outbox = outbox::read(root.table("outbox"));
        let limits = limits::read_limits(root.table("limits"));
        let health = health::read(root.table("health"));
        let authentication = authentication::read(root.table("authentication"));
        let drain = limits::read_drain(root.table("drain"));
        let hep = hep::read(root.table("hep"));
        let traces = traces::read(root.table("traces"), &node);
        let history = history::read(root.table("history"));
        let retention = retention::read(root.table("retention"));
        let recordings = recordings::read(root.table("recordings"), &sinks);
        let trace_numbers = traces.as_ref().map(|traces| traces.numbers);
        let others =
            privacy::Others { sinks: &sinks, has_hep: hep.is_some(), traces: trace_numbers };
        let privacy = privacy::read(root.table("privacy"), others);
        let stir = stir::read(root.table("stir"));
        let streaming = streaming::read_of_node(root.table("streaming"));
        let media_applications = media_applications::read(root.table("media_applications"));
        let has_relay = relay_control.as_ref().is_none_or(|control| control.relays.is_empty());
        let advertised: Vec<_> = match has_relay {
            true => media.advertise.clone(),
            false => sip.listeners.iter().map(|each| each.advertised.ip()).collect(),
        };
        let table = root.table("rooms");
        let (reached, rooms) = rooms::read(table, &sip, &advertised, has_relay).unzip();
        let directory = read_directory(&mut root, &sip, &media, &stir, reached);
        root.finish();
        let relays = relay_control.as_ref().map_or(0, |control| control.relays.len());
        if rooms.is_some() && relays > 1 {
            let message = "callers of a meeting hear each other only at one relay, and \
                 [relay_control] relays has several; give an edge with rooms one";
            document.warn("rooms", message);
        }
        // They may have made way for a rule that has their name.
        let are_there = directory.as_ref().is_none_or(|(resources, _)| resources.rooms.is_some());
        let rooms = rooms.filter(|_| are_there);
        if let Some((_, directory)) = &directory {
            sinks::warn_of_untold(&document, directory, &sinks.events);
        }
        let tls_files = document.take_tls_files();
        let audio_files = document.take_audio_files();
        let token_files = document.take_token_files();
        // A value that could not be read has its error already; the stand-ins never get out.
        let warnings = document.into_warnings()?;
        let directory = directory.ok_or_else(|| ConfigErrors::unexplained(file_name))?;
        let (resources, directory) = (Arc::new(directory.0), Arc::new(directory.1));
        Ok(Config {
            node,
            sip,
            media,
            relay_control,
            api,
            prometheus,
            sinks,
            outbox,
            limits,
            health,
            authentication,
            stir,
            hep,
            traces,
            cloudwatch,
            history,
            retention,
            recordings,
            privacy,
            drain,
            media_applications,
            rooms,
            streaming,
            resources,
            directory,
            tls_files,
            audio_files,
            token_files,
            warnings,
        })
    }

    /// The audio files that the relay is to read, each once.
    pub(crate) fn audio_paths(&self) -> Vec<Arc<str>> {
        let read = self.audio_files.iter().filter(|file| !file.is_sent);
        let mut paths: Vec<_> = read.map(|file| file.path.clone()).collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

fn read_directory(
    root: &mut Table<'_>,
    sip: &Sip,
    media: &Media,
    stir: &Stir,
    rooms: Option<Rooms>,
) -> Option<(Resources, Snapshot)> {
    let carriers = root.tables("carrier", |table| carrier::read(table, sip, media, stir));
    let voice_connectors =
        root.tables("voice_connector", |table| voice_connector::read(table, sip, media));
    let groups = root.tables("voice_connector_group", group::read);
    let media_applications = root.tables("sip_media_application", media_application::read);
    let sip_rules = root.tables("sip_rule", media_application::read_rule);
    let high_risk_prefixes = policy::read_fraud(root.table("fraud"));
    let domain = sip.domain.clone();
    let number_pools = root.tables("phone_number_pool", number_pool::read);
    let resources = Resources {
        domain,
        carriers,
        voice_connectors,
        groups,
        media_applications,
        sip_rules,
        high_risk_prefixes,
        number_pools,
        rooms,
        ..Resources::default()
    }
    .without_unwanted_rooms();
    match Snapshot::build(resources.clone()) {
        Ok(snapshot) => Some((resources, snapshot)),
        Err(problems) => {
            root.document().add_problems(problems);
            None
        }
    }
}
