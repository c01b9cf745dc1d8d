//! A call's media: two sockets and a thread that speaks, listens and reports.
//!
//! The thread starts with the sockets, before anybody knows where to send, so that every arrival is
//! stamped when it happens.

use super::clock::Clock;
use super::description::RemoteMedia;
use super::meter::{Meter, OwnStream};
use super::protection::Protection;
use super::quality::MediaQuality;
use super::random::OsRandom;
use super::speech::{SAMPLES_PER_PACKET, Speech, Voice};
use super::wait::{Interest, wait};
use model::{Codec, Instant, LegSecurity};
use rtp_proto::rtcp::{
    SenderInfo, write_bye, write_cname, write_receiver_report, write_sender_report,
};
use rtp_proto::{DatagramKind, RtpHeader, demultiplex};
use sip_proto::Random as _;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

const PACKET_INTERVAL: Duration = Duration::from_millis(20);
/// How late a packet may be before the schedule starts over: a suspended process does not burst.
const LATE_LIMIT: Duration = Duration::from_millis(200);
/// RFC 3550 section 6.2 asks for 5 s. Test calls are short and two: they report every second,
/// and first after a quarter.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
const FIRST_REPORT: Duration = Duration::from_millis(250);
const STACK_BYTES: usize = 256 * 1024;
const DATAGRAM_BYTES: usize = 2_048;

/// An RTP socket on an even port and an RTCP socket on the next one (RFC 3550 section 11).
#[derive(Debug)]
pub(super) struct MediaSockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    pub(super) rtp_address: SocketAddr,
    pub(super) rtcp_address: SocketAddr,
}

impl MediaSockets {
    /// Binds a pair of ports that the operating system has free.
    pub(super) fn bind(ip: IpAddr) -> io::Result<MediaSockets> {
        const ATTEMPTS: usize = 64;
        let mut last = io::Error::other("no free pair of an even and an odd UDP port");
        for _ in 0..ATTEMPTS {
            let rtp = UdpSocket::bind((ip, 0))?;
            let rtp_address = rtp.local_addr()?;
            if rtp_address.port() % 2 == 1 {
                continue;
            }
            match UdpSocket::bind((ip, rtp_address.port() + 1)) {
                Ok(rtcp) => {
                    rtp.set_nonblocking(true)?;
                    rtcp.set_nonblocking(true)?;
                    let rtcp_address = rtcp.local_addr()?;
                    return Ok(MediaSockets { rtp, rtcp, rtp_address, rtcp_address });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// A running stream.
#[derive(Debug)]
pub(super) struct MediaStream {
    control: Arc<Control>,
    thread: JoinHandle<MediaQuality>,
}

/// Read by the thread at every packet, that is within 20 ms.
#[derive(Debug)]
struct Control {
    remote: Mutex<(Option<RemoteMedia>, LegSecurity)>,
    phase: AtomicU8,
}

const RUNNING: u8 = 0;
/// Says goodbye in RTCP and sends nothing more, but still listens.
const QUIET: u8 = 1;
const STOPPED: u8 = 2;

impl MediaStream {
    /// Starts to listen. It speaks once [`direct`](Self::direct) says where to.
    pub(super) fn start(sockets: MediaSockets, voice: Voice, clock: Clock) -> io::Result<Self> {
        let control = Arc::new(Control { remote: Mutex::default(), phase: AtomicU8::new(RUNNING) });
        let shared = Arc::clone(&control);
        // Made here, because the first one takes a while and the thread is to be punctual.
        let speech = Speech::new(voice);
        let thread = Builder::new()
            .name("ua-media".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || Worker::new(sockets, speech, clock, shared).run())?;
        Ok(MediaStream { control, thread })
    }

    /// Says where to send and under which keys, or that this changed.
    pub(super) fn direct(&self, remote: RemoteMedia, security: LegSecurity) {
        let mut told = self.control.remote.lock().unwrap_or_else(PoisonError::into_inner);
        *told = (Some(remote), security);
    }

    /// Says goodbye in RTCP and falls silent, but goes on measuring.
    pub(super) fn fall_silent(&self) {
        self.control.phase.store(QUIET, Ordering::Release);
    }

    /// Ends the stream; [`finish`](Self::finish) fetches what it measured.
    pub(super) fn stop(&self) {
        self.control.phase.store(STOPPED, Ordering::Release);
    }

    /// Whether [`finish`](Self::finish) returns at once.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends the stream, waits for its thread (at most 20 ms) and returns what it measured; `None`
    /// if the thread panicked.
    pub(super) fn finish(self) -> Option<MediaQuality> {
        self.stop();
        self.thread.join().ok()
    }
}

struct Worker {
    sockets: MediaSockets,
    control: Arc<Control>,
    clock: Clock,
    random: OsRandom,
    speech: Speech,
    meter: Meter,
    own: OwnStream,
    remote: Option<RemoteMedia>,
    protection: Protection,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    cname: String,
    said_goodbye: bool,
    next_packet: Instant,
    next_report: Instant,
    datagram: Vec<u8>,
}

impl Worker {
    fn new(sockets: MediaSockets, speech: Speech, clock: Clock, control: Arc<Control>) -> Worker {
        let mut random = OsRandom;
        let drawn = random.next_u64();
        // Below 2^15, so that the first cycle of the receiver's extended number begins with ours.
        let first_sequence = (drawn as u16) >> 1;
        let now = clock.now();
        let cname = format!("{:012x}@{}", random.next_u64() >> 16, sockets.rtp_address.ip());
        Worker {
            sockets,
            control,
            clock,
            random,
            speech,
            meter: Meter::default(),
            own: OwnStream { ssrc: (drawn >> 32) as u32, first_sequence, packets: 0, bytes: 0 },
            remote: None,
            protection: Protection::default(),
            sequence: first_sequence,
            timestamp: random.next_u64() as u32,
            marker: true,
            cname,
            said_goodbye: false,
            next_packet: now,
            next_report: now + FIRST_REPORT,
            datagram: Vec::with_capacity(DATAGRAM_BYTES),
        }
    }

    fn run(mut self) -> MediaQuality {
        loop {
            let phase = self.control.phase.load(Ordering::Acquire);
            let now = self.clock.now();
            self.take_direction(now);
            if phase != RUNNING && !self.said_goodbye {
                self.report(now, true);
                self.said_goodbye = true;
            }
            if phase == STOPPED {
                let codec = self.remote.map(|remote| remote.codec);
                return self.meter.quality(&self.own, codec);
            }
            if now >= self.next_packet {
                self.tick(now);
            }
            if now >= self.next_report && !self.said_goodbye {
                self.report(now, false);
                self.next_report = now + self.report_interval();
            }
            self.listen();
        }
    }

    fn take_direction(&mut self, now: Instant) {
        let shared = self.control.remote.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, security) = &*shared;
        self.protection.agree(security);
        let told = *told;
        drop(shared);
        if self.remote == told {
            return;
        }
        if self.remote.is_none() {
            self.next_packet = now;
            self.next_report = now + FIRST_REPORT;
        }
        self.remote = told;
    }

    /// One packet interval: absolute deadlines, so that no delay adds up.
    fn tick(&mut self, now: Instant) {
        if now.saturating_since(self.next_packet) > LATE_LIMIT {
            self.next_packet = now;
        }
        self.next_packet += PACKET_INTERVAL;
        let Some(remote) = self.remote else { return };
        self.timestamp = self.timestamp.wrapping_add(SAMPLES_PER_PACKET as u32);
        match remote.rtp {
            Some(to) if remote.sends && !self.said_goodbye => self.send_packet(&remote, to),
            // A talkspurt begins after the pause (RFC 3551 section 4.1).
            _ => self.marker = true,
        }
    }

    fn send_packet(&mut self, remote: &RemoteMedia, to: SocketAddr) {
        let header = RtpHeader {
            payload_type: remote.payload_type,
            marker: std::mem::take(&mut self.marker),
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.own.ssrc,
        };
        self.datagram.clear();
        self.datagram.extend_from_slice(&header.to_bytes());
        self.speech.write_packet(remote.codec, &mut self.datagram);
        self.sequence = self.sequence.wrapping_add(1);
        // A datagram that the system does not take is lost like one in the network: the number is
        // used up, the count is not.
        let protected = self.protection.protect(&mut self.datagram);
        if protected && self.sockets.rtp.send_to(&self.datagram, to).is_ok() {
            self.own.packets += 1;
            self.own.bytes += SAMPLES_PER_PACKET as u64;
        }
    }

    /// SR once we have sent, else RR; then SDES, and BYE at the end (RFC 3550 section 6.1).
    fn report(&mut self, now: Instant, goodbye: bool) {
        let Some(remote) = self.remote else { return };
        let Some(to) = remote.rtcp else { return };
        let blocks = Vec::from_iter(self.meter.report_block(now));
        let mut compound = Vec::with_capacity(128);
        if self.own.packets > 0 {
            let info = SenderInfo {
                ntp: self.clock.ntp(now),
                rtp_timestamp: self.timestamp_at(now),
                packet_count: self.own.packets as u32,
                octet_count: self.own.bytes as u32,
            };
            write_sender_report(&mut compound, self.own.ssrc, &info, &blocks);
        } else {
            write_receiver_report(&mut compound, self.own.ssrc, &blocks);
        }
        write_cname(&mut compound, self.own.ssrc, self.cname.as_bytes());
        if goodbye {
            write_bye(&mut compound, self.own.ssrc, b"");
        }
        let socket = if remote.rtcp_mux { &self.sockets.rtp } else { &self.sockets.rtcp };
        // A report that is not taken is lost like one in the network; the next says all of it.
        if self.protection.protect(&mut compound) {
            let _ = socket.send_to(&compound, to);
        }
    }

    /// The RTP timestamp of this very moment: that of the last packet and the time since.
    fn timestamp_at(&self, now: Instant) -> u32 {
        let last = self.next_packet - PACKET_INTERVAL;
        let units = now.saturating_since(last).as_micros() / 125;
        self.timestamp.wrapping_add(units as u32)
    }

    /// Randomised within 0.75 to 1.25, so that two agents do not report in step.
    fn report_interval(&mut self) -> Duration {
        let share = (self.random.next_u64() % 512) as u32;
        REPORT_INTERVAL * (768 + share) / 1_024
    }

    /// Waits until the next packet or report is due and takes what arrives.
    fn listen(&mut self) {
        let until = match self.said_goodbye {
            true => self.next_packet,
            false => self.next_packet.min(self.next_report),
        };
        let timeout = until.saturating_since(self.clock.now()).min(PACKET_INTERVAL);
        let watched = [
            (self.sockets.rtp.as_fd(), Interest::Readable),
            (self.sockets.rtcp.as_fd(), Interest::Readable),
        ];
        let ready = wait(&watched, timeout);
        let arrival = self.clock.now();
        if ready.first() == Some(&true) {
            self.drain(arrival, false);
        }
        if ready.get(1) == Some(&true) {
            self.drain(arrival, true);
        }
    }

    fn drain(&mut self, arrival: Instant, rtcp_socket: bool) {
        let mut buffer = [0_u8; DATAGRAM_BYTES];
        // Bounded, so that a flood cannot stop the speaking.
        for _ in 0..64 {
            let socket = if rtcp_socket { &self.sockets.rtcp } else { &self.sockets.rtp };
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { return };
            let datagram = buffer.get_mut(..length).unwrap_or_default();
            self.take(arrival, datagram, from);
        }
    }

    fn take(&mut self, arrival: Instant, datagram: &mut [u8], from: SocketAddr) {
        const UNKNOWN: RemoteMedia = RemoteMedia {
            rtp: None,
            rtcp: None,
            rtcp_mux: false,
            codec: Codec::Pcmu,
            payload_type: 0,
            telephone_event: None,
            sends: false,
        };
        let remote = self.remote.unwrap_or(UNKNOWN);
        let expected = [remote.rtp, remote.rtcp];
        let known = expected.iter().flatten().any(|address| address.ip() == from.ip());
        if !known && expected.iter().any(Option::is_some) {
            self.meter.dropped += 1;
            return;
        }
        let kind = demultiplex(datagram);
        let Some(datagram) = self.protection.unprotect(kind, datagram) else {
            self.meter.dropped += 1;
            return;
        };
        match kind {
            DatagramKind::Rtp => self.meter.on_rtp(arrival, datagram, &remote),
            DatagramKind::Rtcp => {
                if self.meter.on_rtcp(arrival, datagram, &self.own, &self.clock) {
                    // The peer has said all: a report now is the one that covers all of it.
                    self.next_report = arrival;
                }
            }
            _ => self.meter.dropped += 1,
        }
    }
}
