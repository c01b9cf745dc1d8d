//! The life of a stream on its worker: allocate, apply plans, release.

use super::Worker;
use super::control::Surroundings;
use super::reports::Reports;
use super::streams::{Connection, LegSocket, LegSockets, Stream, Token};
use crate::ports::PortPool;
use crate::random::draw;
use crate::{sockets, sys};
use model::{
    AllocationFailure, Instant, IpFamily, LegSide, LocalMedia, MediaEvent, MediaId, MediaLine,
    MediaPlan, MediaType, ReportKind, TransactionId,
};
use relay_core::{DropReason, RtcpStyle, RtpSession};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::{MutexGuard, PoisonError};

/// Pairs to try when other programs sit on ports of the range.
const BIND_ATTEMPTS: usize = 8;
/// Octets of waiting datagrams, as the kernel accounts them, above which they are the past: about
/// a dozen voice packets.
const STALE_QUEUE: u32 = 12 * 1024;
/// More than a socket's buffer holds.
const DISCARDS: usize = 4_096;

/// What signalling wants of a new stream.
pub(super) struct Wanted {
    pub(super) transaction_id: TransactionId,
    pub(super) families: [IpFamily; 2],
    pub(super) emergency: bool,
    pub(super) line: MediaLine,
}

impl Worker {
    /// Reserves ports and opens the sockets of a stream. A repeated request for a living stream
    /// gets the same answer again.
    pub(super) fn allocate(
        &mut self,
        id: MediaId,
        wanted: &Wanted,
    ) -> Result<[LocalMedia; 2], AllocationFailure> {
        if let Some(stream) = self.streams.find(id) {
            return Ok(stream.local);
        }
        let &Wanted { transaction_id, families, emergency, line } = wanted;
        let now = self.parts.clock.now();
        let (leg_a, local_a) = self.open_leg(families[0], now, emergency)?;
        let (leg_b, local_b) = match self.open_leg(families[1], now, emergency) {
            Ok(opened) => opened,
            Err(reason) => {
                self.close_leg(leg_a, now);
                return Err(reason);
            }
        };
        let key = self.streams.vacancy();
        let sockets = [leg_a, leg_b];
        let local = [local_a, local_b];
        let mut session = RtpSession::new(id, transaction_id, now, self.parts.config.learning);
        session.set_line(line);
        let config = &self.parts.config;
        // Feedback about pictures must reach whoever sends them: their RTCP never ends here.
        let rtcp = match line.media() {
            MediaType::Audio => config.rtcp,
            _ if config.rtcp == RtcpStyle::BackToBack => RtcpStyle::Auto,
            _ => config.rtcp,
        };
        session.set_rtcp(rtcp, config.rtcp_interval, &mut draw);
        session.limit_rate(match line.media() {
            MediaType::Video => config.max_video_packets_per_second,
            _ => config.max_packets_per_second,
        });
        let reports = Reports::begin(id, now, &self.parts.config);
        let deadline = reports.next();
        let stream = Stream {
            session,
            sockets,
            local,
            reports,
            watched: false,
            deadline,
            handshakes: None,
            is_transcoded: false,
            transcoded: [None; 2],
            fast: None,
            playing: None,
            recording: None,
            copies: [None; 2],
            listened_call: None,
            seat: None,
            picture: None,
            shared: None,
            shares: None,
        };
        self.streams.fill(key, id, Box::new(stream));
        self.timers.set(deadline, key);
        self.parts.counters.streams.add(1);
        Ok(local)
    }

    /// Replaces a stream's plan.
    pub(super) fn apply(&mut self, id: MediaId, mut plan: MediaPlan) {
        let now = self.parts.clock.now();
        self.refuse_own_addresses(id, &mut plan);
        if plan.copies_rtcp {
            self.prepare_copies();
        }
        let silence_after = self.parts.config.silence_after;
        let Some(stream) = self.streams.find(id) else {
            self.parts.counters.unknown_streams.add(1);
            tracing::debug!(media = id.0, "a plan for a stream that does not exist");
            return;
        };
        if let Some(lane) = &mut self.lane {
            stream.leave_fast_path(lane, &self.parts.counters, now);
        }
        stream.count_transcoding(&self.parts.counters);
        stream.session.apply(&plan, now);
        stream.session.begin_transcoding(now, &mut draw);
        stream.count_transcoding(&self.parts.counters);
        let (clock, counters) = (self.parts.clock, &self.parts.counters);
        let identity = self.parts.config.dtls.as_deref();
        stream.plan_handshakes(&plan, identity, Surroundings { clock, counters, now });
        let first = !std::mem::replace(&mut stream.watched, true);
        match &plan.bundled {
            Some(bundled) => {
                self.share_transport(id, bundled, &plan.legs[LegSide::A.index()]);
            }
            // What comes is its own again, whatever mids and payload types it had among others.
            None => stream.shared = None,
        }
        let Some(stream) = self.streams.find(id) else { return };
        let silences =
            [stream.session.silence_deadline(silence_after), stream.session.timeout_deadline()];
        if let Some(at) = silences.into_iter().flatten().min()
            && at < stream.deadline
        {
            stream.deadline = at;
            if let Some(key) = self.streams.key_of(id) {
                self.timers.set(at, key);
            }
        }
        if first {
            self.watch(id);
        }
        if let Some(key) = self.streams.key_of(id) {
            self.schedule_handshakes(key);
            self.schedule_reports(key);
            self.play_again(key);
            if first && self.lane.is_some() {
                self.visits.add(key);
            }
        }
    }

    /// Ends a stream: final reports, sockets closed, ports into quarantine.
    pub(super) fn release(&mut self, id: MediaId) {
        let now = self.parts.clock.now();
        let key = self.streams.key_of(id);
        let Some(mut stream) = self.streams.remove(id) else {
            self.parts.counters.unknown_streams.add(1);
            return;
        };
        self.parts.counters.streams.subtract(1);
        stream.forget_transcoding(&self.parts.counters);
        stream.forget_playing(&self.parts.counters);
        stream.count_warnings(&self.parts.counters);
        self.forget_listening(stream.listened_call);
        self.parts.counters.unheard_mixed.add(stream.session.take_unheard_mixed());
        stream.count_pictures(&self.parts.counters);
        if let Some(key) = key {
            self.forget_seat(key);
        }
        if let Some(lane) = &mut self.lane {
            stream.release_fast_path(lane, &self.parts.counters, now);
        }
        let buffers = (&mut self.report, &mut self.copies);
        stream.send_goodbyes(self.parts.clock, &self.parts.counters, buffers, now);
        if let (Some(key), Some(owner)) = (key, stream.shares) {
            self.leave_transport(key, owner, stream.session.copy_contexts(LegSide::A));
        }
        let reports = stream.session.poll_report(now, ReportKind::Final);
        for leg in stream.sockets {
            self.close_leg(leg, now);
        }
        let streams = &mut self.streams;
        self.timers.sweep(streams.len(), |at, key| {
            streams.get_mut(key).is_some_and(|stream| stream.deadline == at)
        });
        for report in reports {
            self.emit(MediaEvent::Report(Box::new(report)));
        }
    }

    /// Ends every stream.
    pub(super) fn release_all(&mut self) {
        for id in self.streams.ids() {
            self.release(id);
        }
    }

    fn open_leg(
        &self,
        family: IpFamily,
        now: Instant,
        emergency: bool,
    ) -> Result<(LegSockets, LocalMedia), AllocationFailure> {
        let (ip, advertised) =
            self.parts.config.address(family).ok_or(AllocationFailure::NoAddress(family))?;
        for _ in 0..BIND_ATTEMPTS {
            let Some(port) = self.ports().take(ip, now, emergency) else {
                self.parts.counters.ports_exhausted.add(1);
                return Err(AllocationFailure::PortsExhausted);
            };
            match open_pair(ip, port, self.parts.config.dscp) {
                Ok(sockets) => {
                    let local = LocalMedia {
                        rtp: SocketAddr::new(advertised, port),
                        rtcp: SocketAddr::new(advertised, port + 1),
                    };
                    return Ok((sockets, local));
                }
                Err(error) => {
                    self.ports().release(ip, port, now);
                    if error.kind() != io::ErrorKind::AddrInUse {
                        return Err(self.socket_refused(&error));
                    }
                    tracing::warn!(%ip, port, "another program uses a port of [media] ports");
                }
            }
        }
        self.parts.counters.socket_failures.add(1);
        Err(AllocationFailure::Socket)
    }

    fn socket_refused(&self, error: &io::Error) -> AllocationFailure {
        self.parts.counters.socket_failures.add(1);
        tracing::warn!(%error, "no media socket: raise the limit of open files (ulimit -n)");
        AllocationFailure::Socket
    }

    fn close_leg(&self, leg: LegSockets, now: Instant) {
        let (ip, port) = (leg.ip, leg.port);
        self.parts.counters.connected_legs.subtract(u64::from(leg.connected.remote().is_some()));
        // Closed before the port can be taken again.
        drop(leg);
        self.ports().release(ip, port, now);
    }

    /// Begins to read a stream's sockets. The few packets that came just before are heard; a queue
    /// that has filled for longer would play the past, late and in one burst.
    fn watch(&mut self, id: MediaId) {
        let (Some(key), counters) = (self.streams.key_of(id), &self.parts.counters) else { return };
        let Some(stream) = self.streams.get_mut(key) else { return };
        for side in LegSide::BOTH {
            // What comes from that leg comes to another stream, and from there.
            if side == LegSide::A && stream.shares.is_some() {
                continue;
            }
            let leg = &stream.sockets[side.index()];
            let rtp = leg.rtp.as_fd();
            if sys::queued_octets(rtp) > STALE_QUEUE {
                for _ in 0..DISCARDS {
                    if !sys::discard_datagram(rtp) {
                        break;
                    }
                    counters.dropped(DropReason::NoPlan);
                }
            }
            let added =
                self.epoll.add(rtp, Token::new(key, side, LegSocket::Rtp).0).and_then(|()| {
                    let token = Token::new(key, side, LegSocket::Rtcp).0;
                    self.epoll.add(leg.rtcp.as_fd(), token)
                });
            if let Err(error) = added {
                counters.socket_failures.add(1);
                tracing::error!(%error, media = id.0, "a media socket cannot be watched: no audio");
            }
        }
    }

    /// A description that names one of our own ports would send media round in circles for ever:
    /// such an address is taken as none, unless the edge joins two streams by it.
    fn refuse_own_addresses(&self, id: MediaId, plan: &mut MediaPlan) {
        let telephones = plan.legs.iter_mut().zip(plan.joined).filter(|(_, joined)| !joined);
        for (leg, _) in telephones {
            for remote in [&mut leg.remote_rtp, &mut leg.remote_rtcp] {
                if remote.is_some_and(|address| self.is_own(address)) {
                    *remote = None;
                    self.parts.counters.own_addresses.add(1);
                    tracing::warn!(media = id.0, "a leg describes one of our own media ports");
                }
            }
        }
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let config = &self.parts.config;
        [IpFamily::V4, IpFamily::V6].into_iter().any(|family| {
            config.address(family).is_some_and(|(bound, advertised)| {
                (ip == bound || ip == advertised) && self.ports().is_used(bound, address.port())
            })
        })
    }

    /// Never held across a system call; taken for calls, not for packets.
    fn ports(&self) -> MutexGuard<'_, PortPool> {
        self.parts.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_pair(ip: IpAddr, port: u16, dscp: u8) -> io::Result<LegSockets> {
    Ok(LegSockets {
        ip,
        port,
        rtp: sockets::open(ip, port, dscp)?,
        rtcp: sockets::open(ip, port.saturating_add(1), dscp)?,
        connected: Connection::None,
    })
}
