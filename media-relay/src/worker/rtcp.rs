//! Sends the RTCP that is ours.

use super::Worker;
use super::copy::CopyDesk;
use super::streams::{Stream, StreamKey};
use crate::clock::Clock;
use crate::counters::WorkerCounters;
use crate::random::draw;
use model::{Instant, LegSide};
use relay_core::{LONGEST_REPORT, MediaSocket, OwnReport, PacketKind, SourceConflicts};
use std::io;

/// A worker's buffer for one report, so that none is allocated for each.
#[derive(Debug)]
pub(super) struct ReportBuffer(Vec<u8>);

impl ReportBuffer {
    pub(super) fn new() -> Self {
        ReportBuffer(Vec::with_capacity(LONGEST_REPORT))
    }
}

impl Stream {
    /// Sends the reports that are due.
    pub(super) fn send_reports(
        &mut self,
        clock: Clock,
        counters: &WorkerCounters,
        (buffer, copies): (&mut ReportBuffer, &mut CopyDesk),
        now: Instant,
    ) {
        if self.session.rtcp_deadline().is_none_or(|at| now < at) {
            return;
        }
        let ntp = clock.ntp();
        for side in LegSide::BOTH {
            let out = &mut buffer.0;
            if let Some(report) = self.session.poll_rtcp(side, now, ntp, draw(), out) {
                self.send_report(side, report, counters, (out, copies));
            }
        }
        let SourceConflicts { collisions, loops } = self.session.take_source_conflicts();
        counters.source_collisions.add(collisions.into());
        counters.source_loops.add(loops.into());
    }

    /// Takes leave of the legs that know us.
    pub(super) fn send_goodbyes(
        &mut self,
        clock: Clock,
        counters: &WorkerCounters,
        (buffer, copies): (&mut ReportBuffer, &mut CopyDesk),
        now: Instant,
    ) {
        let ntp = clock.ntp();
        for side in LegSide::BOTH {
            let out = &mut buffer.0;
            if let Some(report) = self.session.poll_goodbye(side, now, ntp, out) {
                self.send_report(side, report, counters, (out, copies));
            }
        }
    }

    fn send_report(
        &mut self,
        to: LegSide,
        report: OwnReport,
        counters: &WorkerCounters,
        (out, copies): (&[u8], &mut CopyDesk),
    ) {
        let OwnReport { socket, destination, len } = report;
        counters.sent(PacketKind::Rtcp, len);
        let leg = &self.sockets[to.index()];
        let socket = match socket {
            MediaSocket::Rtp => &leg.rtp,
            MediaSocket::Rtcp => &leg.rtcp,
        };
        let sent = match out.get(..len) {
            Some(octets) => socket.send_to(octets, destination),
            None => Err(io::ErrorKind::InvalidInput.into()),
        };
        if sent.is_ok() {
            return copies.take(self);
        }
        // Nobody gets it.
        let _ = self.session.take_rtcp_copy();
        counters.send_failed(PacketKind::Rtcp, len);
        self.session.send_failed(to, PacketKind::Rtcp, len);
    }
}

impl Worker {
    /// Arms the stream's timer for its reports.
    pub(super) fn schedule_reports(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        if let Some(at) = stream.session.rtcp_deadline()
            && at < stream.deadline
        {
            stream.deadline = at;
            self.timers.set(at, key);
        }
    }
}
