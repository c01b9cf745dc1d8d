//! RTCP of the relay's own with real sockets on loopback: one end speaks RTCP, the other never does.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test helpers outside of #[test] functions"
)]

use media_relay::{Clock, EventSink, Relay, RelayConfig, RtcpStyle};
use model::{
    Codec, CodecMapping, IpFamily, LegPlan, LegSecurity, LocalMedia, MediaCommand, MediaEvent,
    MediaId, MediaPlan, QualityReport, ReportKind, TransactionId, XrWishes,
};
use rtp_proto::RtpHeader;
use rtp_proto::rtcp::{
    ReportBlock, RtcpPacket, SenderReport, XrBlock, parse_compound, validate_compound,
    write_receiver_report,
};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(10);
/// Between two reports of the relay.
const INTERVAL: Duration = Duration::from_millis(60);
/// The sources of the two ends.
const SSRCS: [u32; 2] = [0xaaaa_0001, 0xbbbb_0002];

struct End {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    ssrc: u32,
}

impl End {
    fn new(ssrc: u32) -> End {
        let socket = || {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket
        };
        End { rtp: socket(), rtcp: socket(), ssrc }
    }

    fn plan(&self, rtcp_mux: bool) -> LegPlan {
        let rtp = self.rtp.local_addr().unwrap();
        let rtcp = self.rtcp.local_addr().unwrap();
        LegPlan {
            remote_rtp: Some(rtp),
            remote_rtcp: Some(if rtcp_mux { rtp } else { rtcp }),
            signalling_source: None,
            rtcp_mux,
            accepts_from: true,
            sends_to: true,
            relearn: true,
            codecs: vec![CodecMapping {
                payload_type: 0,
                codec: Codec::Pcmu,
                clock_rate: 8_000,
                packet_duration: Duration::from_millis(20),
            }],
            telephone_event: None,
            xr: XrWishes { voip_metrics: true, receiver_rtt: false },
            security: LegSecurity::Plain,
            ice: None,
        }
    }

    fn send(&self, to: SocketAddr, sequence: u16) {
        let timestamp = u32::from(sequence) * 160;
        let ssrc = self.ssrc;
        let header = RtpHeader { payload_type: 0, marker: false, sequence, timestamp, ssrc };
        let mut packet = header.to_bytes().to_vec();
        packet.resize(172, 0xd5);
        self.rtp.send_to(&packet, to).unwrap();
    }
}

struct Call {
    relay: Relay,
    events: Receiver<MediaEvent>,
    local: [LocalMedia; 2],
    ends: [End; 2],
}

impl Call {
    /// A call through the relay in which audio has passed both ways.
    fn new(first_port: u16, rtcp_mux: bool, style: RtcpStyle) -> Call {
        let ports = first_port..=first_port + 3;
        let mut config = RelayConfig::new(vec!["127.0.0.1".parse().unwrap()], ports);
        config.rtcp = style;
        config.rtcp_interval = INTERVAL;
        config.live_interval = Duration::ZERO;
        let (sender, events) = sync_channel(1_000);
        let sink: EventSink = Arc::new(move |event| sender.send(event).unwrap());
        #[expect(clippy::disallowed_methods, reason = "a test is a shell and chooses the origin")]
        let origin = std::time::Instant::now();
        let relay = Relay::start(config, Clock::new(origin), sink).unwrap();
        let command = MediaCommand::Allocate {
            id: MediaId(1),
            transaction_id: TransactionId::from_random(1),
            families: [IpFamily::V4; 2],
            emergency: false,
            line: Default::default(),
        };
        relay.command(command).unwrap();
        let event = events.recv_timeout(DEADLINE).unwrap();
        let MediaEvent::Allocated { local, .. } = event else { panic!("{event:?}") };
        let ends = SSRCS.map(End::new);
        let plan = Box::new(MediaPlan::rtp(ends.each_ref().map(|end| end.plan(rtcp_mux))));
        relay.command(MediaCommand::Apply { id: MediaId(1), plan }).unwrap();
        let call = Call { relay, events, local, ends };
        for (from, to) in [(0, 1), (1, 0)] {
            call.ends[from].send(call.local[from].rtp, 1);
            receive_rtp(&call.ends[to].rtp);
        }
        call
    }

    fn release(self) -> [QualityReport; 2] {
        self.relay.command(MediaCommand::Release { id: MediaId(1) }).unwrap();
        [(); 2].map(|()| {
            loop {
                let event = self.events.recv_timeout(DEADLINE).unwrap();
                match event {
                    MediaEvent::Report(report) if report.kind == ReportKind::Final => {
                        break *report;
                    }
                    _ => {}
                }
            }
        })
    }
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2048];
    let (len, from) = socket.recv_from(&mut buffer).expect("the relay sends in time");
    (buffer[..len].to_vec(), from)
}

fn sender_report(compound: &[u8]) -> SenderReport<'_> {
    assert!(validate_compound(compound), "{compound:?}");
    match parse_compound(compound).next() {
        Some(Ok(RtcpPacket::SenderReport(report))) => report,
        other => panic!("{other:?}"),
    }
}

/// The first end answers the relay's sender reports, the second is silent: RTT and remote loss of
/// the first exist.
fn round_trip_beside_a_silent_end(first_port: u16, rtcp_mux: bool, style: RtcpStyle) {
    let call = Call::new(first_port, rtcp_mux, style);
    let speaking = &call.ends[0];
    let (socket, remote) = match rtcp_mux {
        true => (&speaking.rtp, call.local[0].rtp),
        false => (&speaking.rtcp, call.local[0].rtcp),
    };
    let mut heard = 0;
    for answer in 1..=3 {
        // A sender is who sends between reports.
        call.ends[1].send(call.local[1].rtp, 1 + answer as u16);
        let (compound, from) = receive_rtcp(socket);
        heard += 1;
        assert_eq!(from, remote);
        let report = sender_report(&compound);
        assert_eq!(report.ssrc == SSRCS[1], style == RtcpStyle::Auto);
        assert!((1..=4).contains(&report.info.packet_count), "{report:?}");
        let told = parse_compound(&compound).flatten().find_map(|packet| match packet {
            RtcpPacket::ExtendedReport(report) => report.blocks.clone().next(),
            _ => None,
        });
        assert!(
            matches!(told, Some(XrBlock::VoipMetrics(metrics)) if metrics.ssrc == SSRCS[0]),
            "{told:?}"
        );
        let block = ReportBlock {
            ssrc: report.ssrc,
            cumulative_lost: answer,
            last_sender_report: report.info.ntp.mid(),
            ..ReportBlock::default()
        };
        let mut answer = Vec::new();
        write_receiver_report(&mut answer, SSRCS[0], &[block]);
        socket.send_to(&answer, remote).unwrap();
    }
    // The answers have been taken in when what was sent behind them has passed.
    call.ends[0].send(call.local[0].rtp, 2);
    receive_rtp(&call.ends[1].rtp);
    if !rtcp_mux {
        // The other socket's queue is another: the next report comes after it was read.
        receive_rtcp(socket);
        heard += 1;
    }
    let ends = call.ends.each_ref().map(|end| match rtcp_mux {
        true => end.rtp.try_clone().unwrap(),
        false => end.rtcp.try_clone().unwrap(),
    });
    let statistics = call.relay.statistics();
    assert!(statistics.rtcp_packets >= heard, "{statistics:?}");
    let [a, b] = call.release();
    assert!(a.rtt.is_some_and(|rtt| rtt < Duration::from_secs(1)), "{:?}", a.rtt);
    assert_eq!(a.peer.map(|peer| peer.packets_lost), Some(3));
    assert_eq!((b.rtt, b.peer), (None, None));
    assert_eq!(a.received.rtcp_packets, 3);
    assert!(a.sent.rtcp_packets >= heard);
    // Both legs have been spoken to, and get a goodbye behind all that came before.
    for end in ends.iter().take(if style == RtcpStyle::BackToBack { 2 } else { 1 }) {
        loop {
            let (datagram, _) = receive_rtcp(end);
            let packets = parse_compound(&datagram).flatten();
            if packets.last().is_some_and(|last| matches!(last, RtcpPacket::Goodbye(_))) {
                break;
            }
        }
    }
}

/// The next RTP packet, past reports on the same port.
fn receive_rtp(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    next_that(socket, |second| second & 0x7f == 0)
}

/// The next compound, past RTP on the same port.
fn receive_rtcp(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    next_that(socket, |second| (200..=207).contains(&second))
}

fn next_that(socket: &UdpSocket, wanted: impl Fn(u8) -> bool) -> (Vec<u8>, SocketAddr) {
    loop {
        let (datagram, from) = receive(socket);
        if wanted(datagram[1]) {
            return (datagram, from);
        }
    }
}

#[test]
fn an_end_without_rtcp_leaves_the_other_its_round_trip() {
    round_trip_beside_a_silent_end(20_170, false, RtcpStyle::Auto);
}

#[test]
fn it_does_with_rtcp_on_the_port_of_rtp() {
    round_trip_beside_a_silent_end(20_174, true, RtcpStyle::Auto);
}

#[test]
fn back_to_back_gives_it_to_both_with_sources_of_our_own() {
    round_trip_beside_a_silent_end(20_178, false, RtcpStyle::BackToBack);
}
