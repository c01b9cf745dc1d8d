//! How the parts of a node are started.

use super::StartError;
use crate::clock::Origin;
use crate::config::{Config, Media};
use crate::guests;
use crate::history::HistoryFollower;
use crate::kept_calls::{self, Keeper, LastRun};
use crate::live_directory::{LiveDirectory, Watch};
use crate::media_applications::{About, MediaApplications};
use crate::media_plane::MediaPlane;
use crate::mixing;
use crate::ordered_recordings::{Ordered, unrecorded};
use crate::role::Role;
use call_metrics::{Numbers, Observation, ObservationSender, PerSink, RecorderView};
use call_recordings::MeetingOpener;
use media_relay::{DtlsIdentity, EventSink, Relay, RelayConfig};
use model::{MediaCommand, MediaEvent};
use relay_core::ListenNews;
use room_media::Mixing;
use sip_edge::{Clock, Ports, ShellConfig, SipEdge};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, OnceLock};

pub(super) fn dtls_identity() -> Result<DtlsIdentity, StartError> {
    DtlsIdentity::generate()
        .map_err(|error| StartError(format!("cannot make the certificate of DTLS-SRTP: {error}")))
}

/// Calls are routed by what is made from now on, by this process and by others.
pub(super) fn serve_directory(
    directory: &Arc<LiveDirectory>,
    edge: &Arc<SipEdge>,
    config: &Config,
) -> Result<Watch, StartError> {
    directory.serve(edge);
    Watch::start(directory, &config.node.data_dir)
        .map_err(|error| StartError(format!("cannot watch the directory: {error}")))
}

pub(super) fn start_history(config: &Config) -> Result<HistoryFollower, StartError> {
    let (data_dir, keep) = (&config.node.data_dir, config.history.keep);
    HistoryFollower::start(data_dir, keep, || Origin::now().calendar)
        .map_err(|error| StartError(format!("cannot start the history: {error}")))
}

/// The calls that outlived the process before.
pub(super) fn left_of_last_run(config: &Config, role: Role) -> LastRun {
    match role {
        Role::Edge => kept_calls::read(&config.node.data_dir),
        Role::All | Role::Relay => LastRun::default(),
    }
}

/// Starts what steers calls, and has it hear of what it orders to be recorded.
pub(super) fn start_applications(
    config: &Config,
    role: Role,
    ordered: Option<&Ordered>,
    events: (Arc<dyn call_streaming::events::EventSink>, PerSink<Numbers>, Numbers),
    (observations, view, clock): (ObservationSender, RecorderView, Clock),
) -> Result<MediaApplications, StartError> {
    let recordings = ordered.and_then(Ordered::opener);
    let unrecorded = unrecorded(config, role);
    let about = About { recordings, unrecorded, observations, view, clock };
    let applications = MediaApplications::start(config, events, about)?;
    if let Some(ordered) = ordered {
        ordered.connect(applications.news());
    }
    Ok(applications)
}

pub(super) fn start_relay(
    config: &Config,
    origin: Origin,
    (identity, news): (DtlsIdentity, SyncSender<ListenNews>),
    (observations, edge, meetings): (
        &ObservationSender,
        &Arc<OnceLock<sip_edge::MediaEventSender>>,
        Option<MeetingOpener>,
    ),
) -> Result<(Relay, Option<Arc<Mixing>>), StartError> {
    // Ports and keys are drawn from them.
    getrandom::u64()
        .map_err(|error| StartError(format!("no random numbers from the system: {error}")))?;
    let mut relay = RelayConfig {
        emergency_calls: config.sip.emergency_headroom,
        audio_files: config.audio_paths(),
        ..relay_config(&config.media, identity, Some(news))
    };
    let (observations, edge) = (observations.clone(), Arc::clone(edge));
    let sink: EventSink = Arc::new(move |event| match event {
        MediaEvent::Report(report) => observations.send(Observation::Quality(report)),
        MediaEvent::Rtcp(copy) => observations.send(Observation::Rtcp(copy)),
        other => {
            if let Some(edge) = edge.get() {
                edge.send(other);
            }
        }
    });
    let mixing = mixing::start(config, origin, &mut relay, (meetings, Arc::clone(&sink)))?;
    let relay = Relay::start(relay, media_relay::Clock::new(origin.monotonic), sink)
        .map_err(|error| StartError(error.to_string()))?;
    Ok((relay, mixing))
}

/// What `[media]` makes of a relay, whose streams are listened to by way of `listening`.
pub(crate) fn relay_config(
    media: &Media,
    identity: DtlsIdentity,
    listening: Option<SyncSender<ListenNews>>,
) -> RelayConfig {
    RelayConfig {
        advertise: media.advertise.clone(),
        workers: media.workers.unwrap_or_else(cores),
        quarantine: media.quarantine,
        report_interval: media.report_interval,
        live_interval: media.live_interval,
        silence_after: media.silence_after,
        fast_path: media.fast_path,
        fast_path_capacity: media.fast_path_capacity,
        dscp: media.dscp,
        rtcp: media.rtcp,
        max_packets_per_second: media.max_packets_per_second,
        max_video_packets_per_second: media.max_video_packets_per_second,
        dtls: Some(Arc::new(identity)),
        listening,
        max_listened_streams: media.max_listened_streams,
        ..RelayConfig::new(media.bind.clone(), media.ports.clone())
    }
}

/// Starts the edge, joined to what steers calls, and the page of guests.
pub(super) fn start_edge(
    config: &Config,
    mut shell: ShellConfig,
    observations: &ObservationSender,
    plane: &Arc<MediaPlane>,
    (keeper, applications, directory): (Option<Keeper>, &MediaApplications, &Arc<LiveDirectory>),
) -> Result<(Arc<SipEdge>, Option<room_guests::Guests>), StartError> {
    let door = guests::Door::open(config, &mut shell)?;
    let plane = Arc::clone(plane);
    let noting = keeper.clone();
    let (calls, sip) = (observations.clone(), observations.clone());
    let ports = Ports {
        directory: Arc::clone(&config.directory),
        media: Box::new(move |command: MediaCommand| plane.command(command)),
        calls: Box::new(move |event| {
            if let Some(keeper) = &noting {
                keeper.note(&event);
            }
            calls.send(Observation::Call(event));
        }),
        kept: Box::new(move |kept| {
            if let Some(keeper) = &keeper {
                keeper.keep(kept);
            }
        }),
        applications: applications.port(config, Arc::clone(directory)),
        sip: Box::new(move |event| sip.send(Observation::Sip(event))),
    };
    let edge = sip_edge::start(shell, ports).map_err(|error| StartError(error.to_string()))?;
    applications.connect(edge.application_orders());
    let guests = door.map(|door| door.serve(&edge, applications.rooms().guests())).transpose()?;
    Ok((Arc::new(edge), guests))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(64))
}
