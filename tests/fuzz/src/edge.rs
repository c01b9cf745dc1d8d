//! A whole signalling worker between a customer, a carrier and strangers.

use crate::endpoint::replaced;
use crate::{bounded, parts};
use b2bua::{Edge, EdgeConfig, Listener, Output};
use bytes::Bytes;
use directory::{
    Carrier, Host, Origination, OriginationRoute, Resources, Rooms, Snapshot, Termination,
    VoiceConnector,
};
use model::{
    AllocationFailure, ApplicationOrder, ApplicationTold, CarrierId, ConnectionId, Flow, Instant,
    LocalMedia, MediaCommand, MediaEvent, MediaId, TransportProtocol, VoiceConnectorId,
};
use sip_proto::locate::Target;
use sip_proto::{Composer, HeaderName, Limits, Message, Method, StepRandom};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Acts of one script.
const MOST_PARTS: usize = 64;
/// Deadlines until everything must have ended.
const MOST_STEPS: usize = 50_000;
/// Outputs that one input may cause.
const MOST_OUTPUTS: usize = 10_000;

const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100));
const CUSTOMER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5060);
const CARRIER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 5060);
const STRANGER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), 5060);

/// A script of what happens to one worker, in virtual time. A part's first byte says what it is:
///
/// | byte | the rest of the part |
/// |---|---|
/// | 1 | a datagram from the customer |
/// | 2 | a datagram from the carrier |
/// | 3 | a datagram from a stranger |
/// | 4 | a message from the customer over TCP |
/// | 5 | three digits and a body: the answer to the last request that we sent, with that status |
/// | 6 | one byte: so many tenths of a second pass |
/// | 7 | one byte: the TCP connection closes (even) or the carrier is unreachable (odd) |
///
/// Any other part is a datagram from the customer as a whole. `%T` stands for the last tag that we
/// gave in a response. In the end time passes until nothing is due: then no call, transaction,
/// timer or media port may be left.
///
/// # Panics
/// When something is left, or one input causes outputs without end.
pub fn edge(data: &[u8]) {
    run(data);
}

/// The start lines of what the worker sent.
#[cfg(test)]
pub(crate) fn trace(data: &[u8]) -> Vec<String> {
    let lines = run(data).sent;
    lines.iter().map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

fn run(data: &[u8]) -> World {
    let Some(mut world) = World::new() else { panic!("the fixed directory is valid") };
    for part in parts(bounded(data), MOST_PARTS) {
        let Some((&act, rest)) = part.split_first() else { continue };
        match act {
            1 => world.receive(udp(CUSTOMER), rest),
            2 => world.receive(udp(CARRIER), rest),
            3 => world.receive(udp(STRANGER), rest),
            4 => world.receive(tcp(), rest),
            5 => world.answer(rest),
            6 => {
                let tenths = rest.first().copied().unwrap_or(1);
                world.pass(Duration::from_millis(100) * u32::from(tenths));
            }
            7 => world.break_link(rest.first().copied().unwrap_or_default()),
            _ => world.receive(udp(CUSTOMER), part),
        }
    }
    world.finish();
    world
}

struct World {
    edge: Edge,
    now: Instant,
    last_request: Option<Message>,
    our_tag: String,
    media: HashSet<MediaId>,
    /// Start lines, in order.
    sent: Vec<Bytes>,
}

impl World {
    fn new() -> Option<World> {
        let listener = |protocol| {
            let local = SocketAddr::new(OURS, 5060);
            Listener { protocol, local, advertised: local }
        };
        let config = EdgeConfig {
            node: 1,
            worker: 1,
            listeners: [TransportProtocol::Udp, TransportProtocol::Tcp].map(listener).to_vec(),
            no_answer_timeout: Duration::from_secs(20),
            max_call_duration: Duration::from_secs(120),
            ..EdgeConfig::default()
        };
        let directory = Arc::new(Snapshot::build(resources()?).ok()?);
        Some(World {
            edge: Edge::new(config, directory, Box::new(StepRandom::new(1))),
            now: Instant::from_millis(1_000),
            last_request: None,
            our_tag: String::new(),
            media: HashSet::new(),
            sent: Vec::new(),
        })
    }

    fn receive(&mut self, flow: Flow, raw: &[u8]) {
        let raw = replaced(raw, b"%T", self.our_tag.as_bytes());
        self.edge.handle_input(self.now, flow, raw.into());
        self.act();
    }

    /// The peer answers the last request that we sent.
    fn answer(&mut self, text: &[u8]) {
        let Some(request) = self.last_request.clone() else { return };
        let (digits, body) = text.split_at_checked(3).unwrap_or((b"200", b""));
        let status = std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()).unwrap_or(200);
        let mut response = Composer::response_to(&request, status, "Because", Some("peer"));
        response.header(HeaderName::Contact, "<sip:peer@192.0.2.2:5060>");
        response.header(HeaderName::RecordRoute, "<sip:192.0.2.2;lr>");
        let response = if body.is_empty() {
            response.finish()
        } else {
            response.body(Some("application/sdp"), body)
        };
        self.edge.handle_input(self.now, udp(CARRIER), response);
        self.act();
    }

    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..MOST_STEPS {
            let Some(deadline) = self.edge.poll_timeout().filter(|at| *at <= end) else { break };
            self.now = self.now.max(deadline);
            self.edge.handle_timeout(self.now);
            self.act();
        }
        self.now = self.now.max(end);
    }

    fn break_link(&mut self, choice: u8) {
        if choice.is_multiple_of(2) {
            self.edge.handle_connection_closed(self.now, ConnectionId(1));
        } else {
            self.edge.handle_peer_unreachable(self.now, CARRIER);
        }
        self.act();
    }

    fn finish(&mut self) {
        for _ in 0..MOST_STEPS {
            let Some(deadline) = self.edge.poll_timeout() else { break };
            self.now = self.now.max(deadline);
            self.edge.handle_timeout(self.now);
            self.act();
        }
        assert!(self.edge.is_idle(), "something outlived its end: {:?}", self.edge.statistics());
        assert!(self.media.is_empty(), "media was never released: {:?}", self.media);
    }

    /// Does what the worker wants done.
    fn act(&mut self) {
        for _ in 0..MOST_OUTPUTS {
            let Some(output) = self.edge.poll_output() else { return };
            match output {
                Output::Transmit(transmit) => {
                    self.remember(&transmit.payload);
                    let dials = transmit.flow.protocol != TransportProtocol::Udp
                        && transmit.flow.connection.is_none();
                    if let (true, Some(client)) = (dials, transmit.client) {
                        self.edge.handle_unreachable(self.now, client);
                    }
                }
                Output::Media(command) => self.command_media(&command),
                Output::Application(event) => {
                    if matches!(event.told, ApplicationTold::Begun(_)) {
                        let answer = ApplicationOrder::Answer;
                        self.edge.order_application(self.now, event.call, 1, answer);
                    }
                }
                Output::Identity { .. } | Output::Kept(_) => {}
                Output::Resolve { id, .. } => {
                    let target = Target::literal(CARRIER, TransportProtocol::Udp);
                    let found = if id.0.is_multiple_of(2) { vec![target] } else { Vec::new() };
                    self.edge.handle_resolved(self.now, id, found);
                }
                Output::Call(_) | Output::Sip(_) => {}
            }
        }
        panic!("one input caused more than {MOST_OUTPUTS} outputs");
    }

    fn remember(&mut self, payload: &Bytes) {
        let sent = Message::parse(payload.clone(), &Limits::default());
        let Ok(sent) = sent else { return };
        self.sent.push(sent.start_line());
        if sent.is_request() {
            if sent.method() != Some(Method::Ack) {
                self.last_request = Some(sent);
            }
        } else if let Some(tag) = sent.to().ok().and_then(|to| to.tag()) {
            self.our_tag = tag.to_owned();
        }
    }

    fn command_media(&mut self, command: &MediaCommand) {
        match command {
            // Every seventh time there is no port left.
            MediaCommand::Allocate { id, .. } if id.0 % 7 == 6 => {
                let reason = AllocationFailure::PortsExhausted;
                let event = MediaEvent::AllocationFailed { id: *id, reason };
                self.edge.handle_media_event(self.now, event);
            }
            MediaCommand::Allocate { id, .. } => {
                assert!(self.media.insert(*id), "a media id is used once");
                let local = |port| LocalMedia {
                    rtp: SocketAddr::new(OURS, port),
                    rtcp: SocketAddr::new(OURS, port + 1),
                };
                let port = 10_000 + u16::try_from(self.media.len() % 1_000).unwrap_or(0) * 4;
                let local = [local(port), local(port + 2)];
                self.edge.handle_media_event(self.now, MediaEvent::Allocated { id: *id, local });
            }
            MediaCommand::Apply { id, .. }
            | MediaCommand::SendEvent { id, .. }
            | MediaCommand::Play { id, .. }
            | MediaCommand::StopPlaying { id, .. }
            | MediaCommand::Record { id, .. }
            | MediaCommand::StopRecording { id }
            | MediaCommand::Copy { id, .. }
            | MediaCommand::Listen { id, .. }
            | MediaCommand::UpdateListening { id, .. }
            | MediaCommand::StopListening { id }
            | MediaCommand::Sit { id, .. }
            | MediaCommand::SitPicture { id, .. }
            | MediaCommand::RefreshPicture { id, .. }
            | MediaCommand::Announce { id, .. }
            | MediaCommand::RecordConference { id, .. }
            | MediaCommand::RecordUtterance { id, .. }
            | MediaCommand::StandUp { id }
            | MediaCommand::MoveLeg { from: (id, _), .. }
            | MediaCommand::Report { id } => {
                assert!(self.media.contains(id), "a plan is for media that exists");
            }
            MediaCommand::Release { id } => {
                self.media.remove(id);
            }
        }
    }
}

fn udp(remote: SocketAddr) -> Flow {
    let local = SocketAddr::new(OURS, 5060);
    Flow { protocol: TransportProtocol::Udp, local, remote, connection: None, identity: None }
}

fn tcp() -> Flow {
    let protocol = TransportProtocol::Tcp;
    Flow { protocol, connection: Some(ConnectionId(1)), ..udp(CUSTOMER) }
}

/// One voice connector and two carriers, the first of them known by name.
fn resources() -> Option<Resources> {
    let everything = vec![Arc::from("+")];
    let named = Carrier {
        prefixes: vec![Arc::from("+1206")],
        ..Carrier::new(CarrierId::new("named").ok()?, Host::parse("carrier.example").ok()?)
    };
    let carrier = Carrier {
        prefixes: everything,
        inbound_cidrs: vec!["192.0.2.2/32".parse().ok()?],
        ..Carrier::new(CarrierId::new("pstn").ok()?, Host::parse("192.0.2.2").ok()?)
    };
    let customer = Host::parse("192.0.2.1").ok()?;
    let connector = VoiceConnector {
        numbers: vec![Arc::from("+12065550100")],
        termination: Some(Termination {
            cidr_allowed_list: vec!["192.0.2.1/32".parse().ok()?],
            cps_limit: 100,
            calling_regions: vec!["US"],
            ..Termination::default()
        }),
        origination: Origination {
            disabled: false,
            routes: vec![
                OriginationRoute::new(customer.clone()),
                OriginationRoute {
                    protocol: TransportProtocol::Tcp,
                    priority: 2,
                    ..OriginationRoute::new(customer)
                },
            ],
        },
        ..VoiceConnector::new(VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").ok()?)
    };
    Some(Resources {
        domain: "tandem.localhost".to_owned(),
        carriers: vec![named, carrier],
        voice_connectors: vec![connector],
        rooms: Some(Rooms {
            allow_plain: vec!["192.0.2.1/32".parse().ok()?],
            ..Rooms::new("tandem.localhost")
        }),
        ..Resources::default()
    })
}
