//! A relay on loopback, and endpoints that talk through it.

use media_relay::{Clock, EventSink, Relay, RelayConfig, RelayStatistics};
use model::{
    AllocationFailure, Codec, CodecMapping, IpFamily, LegPlan, LocalMedia, MediaCommand,
    MediaEvent, MediaId, MediaPlan, QualityReport, ReportKind, TransactionId,
};
use rtp_proto::RtpHeader;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

pub(crate) struct Rig {
    pub(crate) relay: Relay,
    pub(crate) events: Receiver<MediaEvent>,
    pub(crate) ip: IpAddr,
}

impl Rig {
    pub(crate) fn new(
        ip: &str,
        ports: RangeInclusive<u16>,
        change: impl FnOnce(&mut RelayConfig),
    ) -> Rig {
        let ip: IpAddr = ip.parse().unwrap();
        let mut config = RelayConfig::new(vec![ip], ports);
        // Tests send as fast as packets pass.
        config.max_packets_per_second = 0;
        change(&mut config);
        let (sender, events) = sync_channel(10_000);
        let sink: EventSink = Arc::new(move |event| sender.send(event).unwrap());
        #[expect(clippy::disallowed_methods, reason = "a test is a shell and chooses the origin")]
        let origin = std::time::Instant::now();
        let relay = Relay::start(config, Clock::new(origin), sink).unwrap();
        Rig { relay, events, ip }
    }

    pub(crate) fn event(&self) -> MediaEvent {
        self.events.recv_timeout(DEADLINE).expect("the relay answers in time")
    }

    pub(crate) fn allocate(&self, id: u64) -> Result<[LocalMedia; 2], AllocationFailure> {
        let families = [IpFamily::of(&SocketAddr::new(self.ip, 0)); 2];
        let transaction_id = TransactionId::from_random(u128::from(id));
        let id = MediaId(id);
        self.relay
            .command(MediaCommand::Allocate {
                id,
                transaction_id,
                families,
                emergency: false,
                line: Default::default(),
            })
            .unwrap();
        match self.event() {
            MediaEvent::Allocated { id: allocated, local } if allocated == id => Ok(local),
            MediaEvent::AllocationFailed { id: failed, reason } if failed == id => Err(reason),
            other => panic!("not an answer to the allocation: {other:?}"),
        }
    }

    pub(crate) fn release(&self, id: u64) -> [QualityReport; 2] {
        self.relay.command(MediaCommand::Release { id: MediaId(id) }).unwrap();
        // Live reports of before may still be in the queue.
        let last = || loop {
            let report = self.report();
            if report.kind == ReportKind::Final {
                return report;
            }
        };
        [last(), last()]
    }

    pub(crate) fn report(&self) -> QualityReport {
        loop {
            if let MediaEvent::Report(report) = self.event() {
                return *report;
            }
        }
    }

    pub(crate) fn apply(&self, id: u64, legs: [&Endpoint; 2]) {
        let plan = MediaPlan::rtp(legs.map(Endpoint::plan));
        self.relay.command(MediaCommand::Apply { id: MediaId(id), plan: plan.into() }).unwrap();
    }

    /// A moment, for what has no event to wait for.
    pub(crate) fn pause(&self) {
        let wait = UdpSocket::bind((self.ip, 0)).unwrap();
        wait.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let _ = wait.recv(&mut [0]);
    }

    pub(crate) fn until(&self, reached: impl Fn(&RelayStatistics) -> bool) -> RelayStatistics {
        // A counter has no event to wait for: look again as long as the deadline lasts.
        let wait = UdpSocket::bind((self.ip, 0)).unwrap();
        wait.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        for _ in 0..5_000 {
            let now = self.relay.statistics();
            if reached(&now) {
                return now;
            }
            let _ = wait.recv(&mut [0]);
        }
        panic!("not reached: {:?}", self.relay.statistics());
    }
}

pub(crate) struct Endpoint {
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
}

impl Endpoint {
    pub(crate) fn new(ip: IpAddr) -> Endpoint {
        let socket = || {
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket
        };
        Endpoint { rtp: socket(), rtcp: socket() }
    }

    pub(crate) fn plan(&self) -> LegPlan {
        LegPlan {
            remote_rtp: Some(self.rtp.local_addr().unwrap()),
            remote_rtcp: Some(self.rtcp.local_addr().unwrap()),
            signalling_source: None,
            rtcp_mux: false,
            accepts_from: true,
            sends_to: true,
            relearn: true,
            codecs: vec![CodecMapping {
                payload_type: 0,
                codec: Codec::Pcmu,
                clock_rate: 8_000,
                packet_duration: Duration::from_millis(20),
            }],
            telephone_event: Some(101),
            xr: model::XrWishes::default(),
            security: model::LegSecurity::Plain,
            ice: None,
        }
    }

    pub(crate) fn send(&self, to: SocketAddr, sequence: u16) {
        self.rtp.send_to(&rtp(sequence), to).unwrap();
    }

    pub(crate) fn receive(&self) -> (Vec<u8>, SocketAddr) {
        receive(&self.rtp)
    }
}

pub(crate) fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (len, from) =
        crate::impaired::receive(socket, &mut buffer).expect("the relay forwards in time");
    (buffer[..len].to_vec(), from)
}

pub(crate) fn rtp(sequence: u16) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 160;
    let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc: 5 };
    let mut packet = header.to_bytes().to_vec();
    packet.resize(172, sequence as u8);
    packet
}
