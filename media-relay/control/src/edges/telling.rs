//! What edges are told of their streams, and which streams end without them.

use super::{Edges, MediaEventOrList, Stream};
use crate::message::{DRAINING, Frame, RelayBody, encode};
use model::{Instant, MediaEvent, ReportKind};
use std::time::Duration;

/// Events that wait for one edge. Live reports and what is said again are kept only for an edge that is
/// connected. When there are more, whatever is not a final report goes first, the oldest first; then
/// the oldest final report.
const EVENTS_MAX: usize = 65_536;
/// Of these, how many there may be before another copy of RTCP: the newest is dropped.
const BEFORE_COPIES_MAX: usize = EVENTS_MAX / 4;
/// How long an edge without streams is remembered, for what it is still to be told.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);
/// Without its edge a stream counts as silent after so many live reports without a new packet, and
/// after this time at least.
const SILENT_REPORTS: u32 = 3;
const SILENT_AFTER: Duration = Duration::from_secs(15);
/// How long after its release a stream may still send reports.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Edges {
    /// Takes an event of the relay's workers for the edge whose stream it is about.
    pub fn deliver(&mut self, now: Instant, mut event: MediaEvent) {
        let local = event.id().0;
        let Some(stream) = self.streams.get_mut(&local) else { return };
        stream.note(now, &event);
        *event.id_mut() = stream.id;
        let (place, id) = (stream.edge, stream.id);
        let failed = matches!(event, MediaEvent::AllocationFailed { .. });
        if failed {
            self.streams.remove(&local);
        }
        let Some(edge) = self.edge(place) else { return };
        if failed && edge.streams.get(&id) == Some(&local) {
            edge.streams.remove(&id);
        }
        if edge.connection.is_none() && !must_be_told(&event) {
            return;
        }
        if matches!(event, MediaEvent::Rtcp(_)) && edge.outbound.len() >= BEFORE_COPIES_MAX {
            self.events_lost += 1;
            return;
        }
        self.tell(place, event);
    }

    pub(super) fn tell(&mut self, place: usize, event: MediaEvent) {
        let Some(edge) = self.edge(place) else { return };
        let mut lost = 0;
        while edge.outbound.len() >= EVENTS_MAX {
            lost += 1;
            let ordinary = |item: &MediaEventOrList| match item {
                MediaEventOrList::Event(event) => !is_final(event),
                MediaEventOrList::Held { .. } => false,
            };
            let any = |item: &MediaEventOrList| matches!(item, MediaEventOrList::Event(_));
            if !edge.outbound.give_up(ordinary) && !edge.outbound.give_up(any) {
                break;
            }
        }
        edge.outbound.push(MediaEventOrList::Event(Box::new(event)));
        self.events_lost += lost;
    }

    /// Writes the next frame for an edge; `false` when there is none.
    pub fn poll_transmit(&mut self, now: Instant, place: usize, out: &mut Vec<u8>) -> bool {
        let streams = if self.draining { DRAINING } else { self.streams.len() as u64 };
        let Some(edge) = self.edge(place) else { return false };
        let acknowledged = edge.inbound.last();
        if let Some(sent) = edge.pings.pop_front() {
            edge.acknowledge = false;
            return encode(&Frame::<RelayBody>::Pong { sent, acknowledged, streams }, out);
        }
        while let Some((number, item)) = edge.outbound.next() {
            edge.acknowledge = false;
            let body = item.written(now);
            if encode(&Frame::Message { number, acknowledged, body }, out) {
                return true;
            }
            tracing::error!("an event for an edge is too long for a frame, and is not sent");
        }
        if std::mem::take(&mut edge.acknowledge) {
            let sent = now.as_nanos();
            return encode(&Frame::<RelayBody>::Ping { sent, acknowledged }, out);
        }
        false
    }

    /// Ends streams that have been without their edge for too long and are silent, and forgets edges
    /// that are gone for good. To be called every second or more often.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.streams.retain(|_, stream| {
            stream.ended.is_none_or(|at| now.saturating_since(at) < LAST_WORDS)
        });
        let silent_after = (self.config.live_interval * SILENT_REPORTS).max(SILENT_AFTER);
        for place in 0..self.edges.len() {
            let orphan_timeout = self.config.orphan_timeout;
            let Some(edge) = self.edge(place) else { continue };
            let gone = now.saturating_since(edge.gone_since);
            if edge.connection.is_some() || gone < orphan_timeout {
                continue;
            }
            let all = edge.streams.iter().chain(&edge.held);
            let all: Vec<_> = all.map(|(id, local)| (*id, *local)).collect();
            if all.is_empty() && gone >= FORGET_AFTER.max(orphan_timeout) {
                if let Some(place) = self.edges.get_mut(place) {
                    *place = None;
                }
                continue;
            }
            for (id, local) in all {
                let silent = self
                    .streams
                    .get(&local)
                    .is_none_or(|stream| now.saturating_since(stream.last_media) >= silent_after);
                if !silent {
                    continue;
                }
                self.release(now, local);
                let Some(edge) = self.edge(place) else { continue };
                edge.held.remove(&id);
                if edge.streams.remove(&id).is_some() {
                    self.tell(place, MediaEvent::Lost { id });
                }
            }
        }
    }
}

impl Stream {
    fn note(&mut self, now: Instant, event: &MediaEvent) {
        let MediaEvent::Report(report) = event else { return };
        if let Some(packets) = self.packets.get_mut(report.leg.index())
            && *packets < report.received.rtp_packets
        {
            *packets = report.received.rtp_packets;
            self.last_media = now;
        }
    }
}

impl MediaEventOrList {
    fn written(&self, now: Instant) -> RelayBody {
        match self {
            MediaEventOrList::Event(event) => RelayBody::Event { event: event.clone(), now },
            MediaEventOrList::Held { streams, last } => {
                RelayBody::Held { streams: streams.clone(), last: *last }
            }
        }
    }
}

fn is_final(event: &MediaEvent) -> bool {
    matches!(event, MediaEvent::Report(report) if report.kind == ReportKind::Final)
}

/// What the record of a call needs.
pub(super) fn is_for_records(event: &MediaEvent) -> bool {
    matches!(event, MediaEvent::Report(report) if report.kind != ReportKind::Live)
}

/// What waits for an edge that is away.
fn must_be_told(event: &MediaEvent) -> bool {
    match event {
        MediaEvent::Allocated { .. }
        | MediaEvent::AllocationFailed { .. }
        | MediaEvent::Lost { .. } => true,
        // A recording that nobody takes ends, and it is not said twice.
        MediaEvent::Listens { .. } | MediaEvent::ListenFailed { .. } => true,
        // Nor that a meeting is recorded, or is not.
        MediaEvent::ConferenceRecords { .. } | MediaEvent::ConferenceRecordingFailed { .. } => true,
        // Nor is who takes part in a conference.
        MediaEvent::Sits { .. } | MediaEvent::SeatFailed { .. } => true,
        MediaEvent::Report(_) => is_for_records(event),
        MediaEvent::Silent { .. }
        | MediaEvent::TimedOut { .. }
        | MediaEvent::Unheard { .. }
        | MediaEvent::Dtmf { .. }
        | MediaEvent::PictureWanted { .. }
        // Whoever said it goes on without when nothing is told.
        | MediaEvent::Uttered { .. }
        | MediaEvent::Heard { .. }
        | MediaEvent::Rtcp(_)
        | MediaEvent::Plays { .. }
        | MediaEvent::Played { .. }
        | MediaEvent::Records { .. }
        | MediaEvent::RecordingFailed { .. } => false,
    }
}
