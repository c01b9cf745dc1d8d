//! A relay of the test's own: ports in order, reports as the test wants them.

use model::{
    Codec, Codecs, Instant, LegSide, LocalMedia, LossCounts, MediaCommand, MediaEvent, MediaId,
    MediaPlan, Mos, QualityReport, ReceivedView, RecordingFailure, ReportKind, SentView,
    TransactionId, UnixTime,
};
use ng_control::{Asker, Control, ControlConfig, Dictionary, Notice, Output, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) now: Instant,
    pub(crate) plans: BTreeMap<u64, MediaPlan>,
    pub(crate) open: BTreeMap<u64, [LocalMedia; 2]>,
    pub(crate) notices: Vec<Notice>,
    /// What was ordered to be played or sent.
    pub(crate) ordered: Vec<MediaCommand>,
    /// What the relay says when the last party is to hear something.
    pub(crate) says_of_plays: Vec<MediaEvent>,
    /// Why no recording begins; `None` while they do.
    pub(crate) cannot_record: Option<RecordingFailure>,
    /// The relay says nothing of recordings.
    pub(crate) is_mute: bool,
    /// Streams that the relay gives ports for.
    pub(crate) ports_left: usize,
    /// Packets that each leg A has sent; each leg B sends half as many.
    pub(crate) packets: u64,
    replies: VecDeque<Vec<u8>>,
    cookies: u64,
    drawn: u64,
    next_port: u16,
}

pub(crate) const ASKER: Asker = Asker::Udp {
    listener: 0,
    from: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5),
};

impl World {
    pub(crate) fn new(config: ControlConfig) -> Self {
        World {
            control: Control::new(ControlConfig {
                origin: UnixTime::from_millis(1_700_000_000_250),
                ..config
            }),
            now: Instant::from_millis(10_000),
            plans: BTreeMap::new(),
            open: BTreeMap::new(),
            notices: Vec::new(),
            ordered: Vec::new(),
            says_of_plays: Vec::new(),
            cannot_record: None,
            is_mute: false,
            ports_left: usize::MAX,
            packets: 0,
            replies: VecDeque::new(),
            cookies: 0,
            drawn: 0,
            next_port: 30_000,
        }
    }

    /// The reply to a request, or nothing.
    pub(crate) fn send(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let mut drawn = self.drawn;
        let mut draw = || {
            drawn += 1;
            drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        self.control.handle_request(self.now, ASKER, message, &mut draw);
        self.drawn = drawn;
        self.settle();
        self.replies.pop_front()
    }

    /// The reply to a request in JSON.
    pub(crate) fn ask(&mut self, request: &str) -> Dictionary {
        self.cookies += 1;
        let message = format!("{} {request}", self.cookies);
        let reply = self.send(message.as_bytes()).expect("a reply");
        let body = reply.strip_prefix(format!("{} ", self.cookies).as_bytes()).expect("our cookie");
        match json::parse(body) {
            Ok(Value::Dictionary(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.control.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            let mut drawn = self.drawn;
            self.control.handle_timeout(self.now, &mut || {
                drawn += 1;
                drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
            });
            self.drawn = drawn;
            self.settle();
        }
        self.now = end;
    }

    fn settle(&mut self) {
        while let Some(output) = self.control.poll_output() {
            match output {
                Output::Reply { to, octets } => {
                    assert_eq!(to, ASKER);
                    self.control.note_sent(self.now);
                    self.replies.push_back(octets);
                }
                Output::Notice(notice) => self.notices.push(notice),
                Output::Media(command) => self.obey(command),
            }
        }
    }

    fn obey(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Allocate { id, families, .. } if self.ports_left > 0 => {
                self.ports_left -= 1;
                let local = families.map(|family| {
                    let ip = match family {
                        model::IpFamily::V4 => "198.51.100.1",
                        model::IpFamily::V6 => "2001:db8::1",
                    };
                    self.next_port += 2;
                    let at = |port| SocketAddr::new(ip.parse().unwrap(), port);
                    LocalMedia { rtp: at(self.next_port - 2), rtcp: at(self.next_port - 1) }
                });
                self.open.insert(id.0, local);
                self.tell(MediaEvent::Allocated { id, local });
            }
            MediaCommand::Allocate { id, .. } => {
                let reason = model::AllocationFailure::PortsExhausted;
                self.tell(MediaEvent::AllocationFailed { id, reason });
            }
            MediaCommand::Apply { id, plan } => {
                assert!(self.open.contains_key(&id.0), "a plan for a stream without ports");
                self.plans.insert(id.0, *plan);
            }
            MediaCommand::Report { id } => self.report(id, ReportKind::Live),
            MediaCommand::Release { id } => {
                assert!(self.open.remove(&id.0).is_some(), "released without ports");
                self.report(id, ReportKind::Final);
            }
            MediaCommand::SendEvent { id, .. }
            | MediaCommand::Record { id, .. }
            | MediaCommand::StopRecording { id }
            | MediaCommand::Play { id, .. }
            | MediaCommand::StopPlaying { id, .. } => {
                assert!(self.open.contains_key(&id.0), "an order for a stream without ports");
                let plays = matches!(command, MediaCommand::Play { .. });
                let records = matches!(command, MediaCommand::Record { .. }) && !self.is_mute;
                self.ordered.push(command);
                if records {
                    self.tell(match self.cannot_record.clone() {
                        Some(failure) => MediaEvent::RecordingFailed { id, failure },
                        None => MediaEvent::Records { id },
                    });
                }
                if plays && !self.says_of_plays.is_empty() {
                    let said = self.says_of_plays.remove(0);
                    self.tell(said);
                }
            }
            MediaCommand::MoveLeg { .. }
            | MediaCommand::Listen { .. }
            | MediaCommand::UpdateListening { .. }
            | MediaCommand::StopListening { .. }
            | MediaCommand::Sit { .. }
            | MediaCommand::SitPicture { .. }
            | MediaCommand::RefreshPicture { .. }
            | MediaCommand::Announce { .. }
            | MediaCommand::RecordConference { .. }
            | MediaCommand::RecordUtterance { .. }
            | MediaCommand::StandUp { .. }
            | MediaCommand::Copy { .. } => panic!("nothing orders this"),
        }
    }

    /// A stream reports.
    pub(crate) fn report(&mut self, id: MediaId, kind: ReportKind) {
        for leg in LegSide::BOTH {
            let packets = self.packets >> leg.index();
            let report = report(id, leg, kind, self.now, packets);
            self.tell(MediaEvent::Report(Box::new(report)));
        }
    }

    fn tell(&mut self, event: MediaEvent) {
        let mut drawn = self.drawn;
        let mut draw = || {
            drawn += 1;
            drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        };
        self.control.handle_media_event(self.now, event, &mut draw);
        self.drawn = drawn;
        self.settle();
    }
}

fn report(id: MediaId, leg: LegSide, kind: ReportKind, at: Instant, packets: u64) -> QualityReport {
    let heard = packets > 0;
    let loss =
        LossCounts { expected: packets * 100 / 99, lost: (packets * 100 / 99 - packets) as i64 };
    QualityReport {
        id,
        transaction_id: TransactionId::from_random(0),
        line: Default::default(),
        leg,
        at,
        kind,
        codecs: Codecs { received: Some(Codec::Pcmu), transcoded: None },
        received: ReceivedView {
            rtp_packets: packets,
            rtp_bytes: packets * 172,
            rtcp_packets: packets / 250,
            rtcp_bytes: packets / 250 * 64,
            loss,
            interval_loss: loss,
            jitter: Duration::from_micros(2_600),
            ssrc: heard.then_some(0xfeed_0000 + leg.index() as u32),
            source: heard.then(|| SocketAddr::from(([192, 0, 2, 9], 4_000))),
            ..ReceivedView::default()
        },
        sent: SentView::default(),
        peer: None,
        peer_metrics: None,
        rtt: heard.then(|| Duration::from_micros(41_500)),
        mos: heard.then(|| Mos::new(4.36)),
        interval_mos: heard.then(|| Mos::new(4.36)),
        fax: None,
    }
}
