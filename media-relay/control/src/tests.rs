//! Both ends joined without sockets.

mod channel;
mod names;
mod wire;

use crate::edges::{Edges, EdgesConfig};
use crate::frame::Frames;
use crate::message::{Claim, Greeting};
use crate::relays::{Claimed, Relays, RelaysConfig};
use crate::seal::SealKey;
use crate::tls::PeerName;
use model::{
    Codecs, Instant, IpFamily, LegSide, LocalMedia, MediaCommand, MediaEvent, MediaId, MediaLine,
    MessageDirection, QualityReport, ReceivedView, ReportKind, RtcpCopy, SentView, TransactionId,
};
use std::time::Duration;

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn call(number: u64) -> TransactionId {
    TransactionId::from_random(u128::from(number))
}

pub(super) fn allocate(id: u64) -> MediaCommand {
    MediaCommand::Allocate {
        id: MediaId(id),
        transaction_id: call(id),
        families: [IpFamily::V4; 2],
        emergency: false,
        line: MediaLine::Main,
    }
}

pub(super) fn local() -> [LocalMedia; 2] {
    let leg = |port| LocalMedia {
        rtp: ([192, 0, 2, 1], port).into(),
        rtcp: ([192, 0, 2, 1], port + 1).into(),
    };
    [leg(10_000), leg(10_002)]
}

pub(super) fn report(id: u64, of: u64, kind: ReportKind, packets: u64) -> MediaEvent {
    MediaEvent::Report(Box::new(QualityReport {
        id: MediaId(id),
        transaction_id: call(of),
        line: MediaLine::Main,
        leg: LegSide::A,
        at: Instant::from_millis(500),
        kind,
        codecs: Codecs { received: None, transcoded: None },
        received: ReceivedView { rtp_packets: packets, ..ReceivedView::default() },
        sent: SentView::default(),
        peer: None,
        peer_metrics: None,
        rtt: None,
        mos: None,
        interval_mos: None,
        fax: None,
    }))
}

pub(super) fn rtcp(id: u64, of: u64) -> MediaEvent {
    MediaEvent::Rtcp(Box::new(RtcpCopy {
        id: MediaId(id),
        transaction_id: call(of),
        leg: LegSide::B,
        direction: MessageDirection::Received,
        local: ([192, 0, 2, 1], 10_003).into(),
        remote: ([198, 51, 100, 7], 4_001).into(),
        at: Instant::from_millis(500),
        octets: vec![0x80, 201, 0, 1, 0, 0, 0, 9],
    }))
}

/// An edge and a relay whose workers are this test.
pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) edge: Relays,
    pub(super) relay: Edges,
    /// The relay's place for the edge, while they are connected, and the connection.
    pub(super) place: Option<(usize, u64)>,
    connections: u64,
    /// What the relay's workers were told.
    pub(super) told: Vec<MediaCommand>,
}

impl Pair {
    pub(super) fn new() -> Self {
        let now = Instant::from_millis(1_000);
        Pair {
            now,
            edge: edge(1, Vec::new(), now),
            relay: relay(7),
            place: None,
            connections: 0,
            told: Vec::new(),
        }
    }

    /// Connects both and lets them speak.
    pub(super) fn connect(&mut self) {
        self.connections += 1;
        let hello = self.edge.hello(0).expect("a link");
        let (greeting, place) = self.relay.greet(self.now, self.connections, owner(), hello);
        let Greeting::Welcome(welcome) = greeting else { panic!("{greeting:?}") };
        self.place = place.map(|place| (place, self.connections));
        self.edge.connected(0, &welcome);
        self.speak();
    }

    pub(super) fn cut(&mut self) {
        if let Some((place, connection)) = self.place.take() {
            self.relay.disconnected(self.now, place, connection);
            self.edge.disconnected(0);
        }
    }

    /// Carries frames until neither side has any.
    pub(super) fn speak(&mut self) {
        let Some((place, _)) = self.place else { return };
        loop {
            let (mut up, mut down) = (Vec::new(), Vec::new());
            while self.edge.poll_transmit(0, &mut up) {}
            let mut frames = Frames::default();
            frames.push(&up);
            while let Some(frame) = frames.next_frame().expect("ours") {
                self.relay.handle(self.now, place, frame).expect("ours");
            }
            while let Some(command) = self.relay.poll_command() {
                self.told.push(command);
            }
            while self.relay.poll_transmit(self.now, place, &mut down) {}
            let mut frames = Frames::default();
            frames.push(&down);
            while let Some(frame) = frames.next_frame().expect("ours") {
                self.edge.handle(self.now, 0, frame).expect("ours");
            }
            if up.is_empty() && down.is_empty() {
                return;
            }
        }
    }

    pub(super) fn command(&mut self, command: MediaCommand) {
        self.edge.command(self.now, command).expect("room");
        self.speak();
    }

    /// The workers' word.
    pub(super) fn deliver(&mut self, event: MediaEvent) {
        self.relay.deliver(self.now, event);
        self.speak();
    }

    pub(super) fn events(&mut self) -> Vec<MediaEvent> {
        std::iter::from_fn(|| self.edge.poll_event()).collect()
    }

    /// A stream with ports; returns the relay's own number for it.
    pub(super) fn open(&mut self, id: u64) -> u64 {
        self.command(allocate(id));
        let local_id = self.told.last().expect("a command").id();
        self.deliver(MediaEvent::Allocated { id: local_id, local: local() });
        let events = self.events();
        let opened =
            |e: &MediaEvent| matches!(e, MediaEvent::Allocated { id: of, .. } if of.0 == id);
        assert!(events.iter().any(opened), "{events:?}");
        local_id.0
    }

    /// The edge is killed and comes again with these streams of its calls, as (old, new).
    pub(super) fn restart_edge(&mut self, claims: &[(u64, u64)]) {
        self.cut();
        let claims = claims.iter().map(|(old, new)| Claimed {
            ids: Claim { old: MediaId(*old), new: MediaId(*new) },
            transaction_id: call(*old),
        });
        self.edge = edge(2, claims.collect(), self.now);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.relay.handle_timeout(self.now);
        self.edge.handle_timeout(self.now);
        while let Some(command) = self.relay.poll_command() {
            self.told.push(command);
        }
        self.speak();
    }

    /// What the workers were told to end.
    pub(super) fn released(&self) -> Vec<u64> {
        let of = |command: &MediaCommand| match command {
            MediaCommand::Release { id } => Some(id.0),
            _ => None,
        };
        self.told.iter().filter_map(of).collect()
    }
}

/// Whom the edge's certificate shows.
pub(super) fn owner() -> PeerName {
    PeerName::of(b"a certificate", false)
}

pub(super) fn edge(incarnation: u64, claims: Vec<Claimed>, now: Instant) -> Relays {
    Relays::new(edge_config(incarnation), claims, now)
}

pub(super) fn edge_config(incarnation: u64) -> RelaysConfig {
    RelaysConfig {
        node: "edge-1".to_owned(),
        incarnation,
        seal: seal(incarnation),
        addresses: vec![([192, 0, 2, 1], 5090).into()],
        allocation_timeout: 2 * SECOND,
    }
}

/// That of an incarnation.
pub(super) fn seal(incarnation: u64) -> SealKey {
    SealKey::new([incarnation as u8; 32])
}

pub(super) fn relay(incarnation: u64) -> Edges {
    Edges::new(EdgesConfig {
        node: "relay-1".to_owned(),
        incarnation,
        fingerprint: None,
        orphan_timeout: 60 * SECOND,
        live_interval: 5 * SECOND,
    })
}
