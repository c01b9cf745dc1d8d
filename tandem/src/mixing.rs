//! The threads that mix the audio of meeting rooms and switch their pictures. They run where the relay does.

use crate::clock::Origin;
use crate::config::Config;
use crate::node::StartError;
use crate::readings::reading;
use crate::room_recordings::MeetingRecorder;
use call_metrics::{Reading, definitions};
use call_recordings::MeetingOpener;
use media_relay::{Announcement, EventSink, RelayConfig, SeatNews};
use room_media::{GridStatistics, Mixing, MixingOrders, MixingStatistics, Recorder, Recording};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

/// Legs that wait for those threads. Full policy: the next one has no seat, and its call ends.
const NEWS: usize = 1_024;
/// Announcements that wait to be read. Full policy: the newest is not heard.
const SOUNDS: usize = 256;

/// Starts them where rooms are configured, and has `relay` hand legs over. Meetings are recorded by
/// `recordings`, and what becomes of that is told `events`.
///
/// # Errors
/// When there is no thread, that mixes or that composes pictures.
pub(crate) fn start(
    config: &Config,
    origin: Origin,
    relay: &mut RelayConfig,
    (recordings, events): (Option<MeetingOpener>, EventSink),
) -> Result<Option<Arc<Mixing>>, StartError> {
    let Some(rooms) = &config.rooms else { return Ok(None) };
    let (sender, seats) = sync_channel::<SeatNews>(NEWS);
    let (announces, announcements) = sync_channel::<Announcement>(SOUNDS);
    let orders = MixingOrders { seats, announcements };
    let recorder = recordings.map(|opener| Arc::new(MeetingRecorder(opener)) as Arc<dyn Recorder>);
    let recording = Recording { recorder, events };
    let mixing = Mixing::start(rooms.mixing(), origin.monotonic, orders, recording);
    let mixing = mixing.map_err(|error| StartError(error.to_string()))?;
    relay.conferences = Some(sender);
    relay.announcements = Some(announces);
    relay.max_seats = rooms.max_participants;
    relay.max_picture_seats = rooms.max_pictures;
    Ok(Some(Arc::new(mixing)))
}

/// Their numbers for the Prometheus page.
pub(crate) fn read(mixing: &MixingStatistics, out: &mut Vec<Reading>) {
    for (definition, value) in [
        (&definitions::MIXED_CONFERENCES, mixing.conferences),
        (&definitions::MIXED_LEGS, mixing.participants),
        (&definitions::MIXED_LEGS_REFUSED, mixing.refused),
        (&definitions::MIXING_SKIPPED, mixing.skipped_frames),
        (&definitions::MIXING_UNHEARD, mixing.left_out),
        (&definitions::SWITCHED_LINES, mixing.picture_lines),
        (&definitions::SWITCHED_LINES_REFUSED, mixing.refused_pictures),
    ] {
        out.push(reading(definition, "", value));
    }
    for (outcome, count) in [
        ("heard", mixing.packets),
        ("lost", mixing.lost_packets),
        ("made", mixing.made),
        ("unsent", mixing.lost_made),
    ] {
        out.push(reading(&definitions::MIXED_PACKETS, outcome, count));
    }
    let pictures = mixing.pictures;
    for (outcome, count) in [
        ("taken", pictures.packets),
        ("lost", pictures.lost_packets),
        ("given", pictures.given),
        ("unsent", pictures.lost_given),
    ] {
        out.push(reading(&definitions::SWITCHED_PACKETS, outcome, count));
    }
    for (kind, count) in [
        ("key_frame", pictures.key_frames),
        ("limit", pictures.limits),
        ("packets", pictures.nacks),
    ] {
        out.push(reading(&definitions::PICTURE_REQUESTS, kind, count));
    }
    read_grids(&mixing.grids, out);
    let definition = &definitions::MIXING_SECONDS;
    out.push(Reading { definition, label: "".into(), value: mixing.worked.as_secs_f64() });
}

fn read_grids(grids: &GridStatistics, out: &mut Vec<Reading>) {
    out.push(reading(&definitions::GRIDS, "", grids.open));
    out.push(reading(&definitions::GRID_THREADS_DEGRADED, "", grids.degraded));
    for (reason, count) in [("refused", grids.refused), ("closed", grids.closed)] {
        out.push(reading(&definitions::GRIDS_REFUSED, reason, count));
    }
    for (what, count) in [
        ("made", grids.pictures),
        ("decoded", grids.decoded),
        ("undecodable", grids.refused_pictures),
        ("failed", grids.failed),
    ] {
        out.push(reading(&definitions::GRID_PICTURES, what, count));
    }
    for (what, count) in [("packets", grids.lost_packets), ("units", grids.lost_units)] {
        out.push(reading(&definitions::GRID_LOST, what, count));
    }
    let definition = &definitions::GRID_SECONDS;
    out.push(Reading { definition, label: "".into(), value: grids.used.as_secs_f64() });
}
