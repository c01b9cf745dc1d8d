//! What an edge and its relay say to each other, as each hears it of a hostile other side.

use crate::{MAX_INPUT, bounded};
use model::{Instant, MediaCommand, MediaEvent, MediaId, TransactionId};
use relay_control::{
    Claim, EdgeBody, EdgeHello, Edges, EdgesConfig, Frame, Frames, Greeting, PeerName, Purpose,
    Relays, RelaysConfig, SealKey, decode, decode_opening, encode, encode_opening,
};
use std::time::Duration;

/// A stream of frames. Those that a side takes as its opening are greeted; the others are told to a
/// relay and to an edge, whose answers are read by the other.
///
/// # Panics
/// When what one side writes cannot be read, or a relay's workers are asked for more than was said.
pub fn relay_control(data: &[u8]) {
    let mut frames = Frames::default();
    frames.push(bounded(data));
    let (mut relay, mut edge) = (relay(), edge());
    let mut now = Instant::from_millis(1_000);
    let (_, place) = relay.greet(now, 1, owner(), hello("edge"));
    let mut connection = 1;
    let (mut said, mut asked) = (0, 0);
    while let Ok(Some(frame)) = frames.next_frame() {
        now += Duration::from_millis(700);
        if let Ok(opening) = decode_opening::<EdgeHello>(frame) {
            connection += 1;
            let (greeting, _) = relay.greet(now, connection, owner(), opening);
            let mut out = Vec::new();
            assert!(encode_opening(&greeting, &mut out), "a greeting is short");
        }
        if let Ok(Greeting::Welcome(welcome)) = decode_opening::<Greeting>(frame) {
            edge.connected(0, &welcome);
        }
        if let Some(place) = place
            && let Ok(()) = relay.handle(now, place, frame)
        {
            said += frame.len();
            let mut out = Vec::new();
            while relay.poll_transmit(now, place, &mut out) && out.len() < MAX_INPUT {}
            hear(&out, |frame| edge.handle(now, 0, frame).is_ok());
        }
        if let Ok(()) = edge.handle(now, 0, frame) {
            let mut out = Vec::new();
            while edge.poll_transmit(0, &mut out) && out.len() < MAX_INPUT {}
            hear(&out, |frame| decode::<Frame<EdgeBody>>(frame).is_ok());
        }
        while let Some(command) = relay.poll_command() {
            asked += 1;
            if let MediaCommand::Release { id } = command {
                relay.deliver(now, MediaEvent::Lost { id });
            }
        }
        relay.handle_timeout(now);
        edge.handle_timeout(now);
        while edge.poll_event().is_some() {}
    }
    assert!(asked <= said, "{asked} commands of {said} octets");
}

fn hear(out: &[u8], mut take: impl FnMut(&[u8]) -> bool) {
    let mut frames = Frames::default();
    frames.push(out);
    loop {
        match frames.next_frame() {
            Ok(Some(frame)) => assert!(take(frame), "our own words"),
            Ok(None) => return,
            Err(error) => panic!("our own frames: {error}"),
        }
    }
}

fn relay() -> Edges {
    Edges::new(EdgesConfig {
        node: "relay".to_owned(),
        incarnation: 7,
        fingerprint: None,
        orphan_timeout: Duration::from_secs(10),
        live_interval: Duration::from_secs(5),
    })
}

fn edge() -> Relays {
    let config = RelaysConfig {
        node: "edge".to_owned(),
        incarnation: 3,
        seal: SealKey::new([5; 32]),
        addresses: vec![([192, 0, 2, 1], 5090).into()],
        allocation_timeout: Duration::from_secs(2),
    };
    Relays::new(config, Vec::new(), Instant::ZERO)
}

fn hello(node: &str) -> EdgeHello {
    EdgeHello {
        node: node.to_owned(),
        incarnation: 3,
        received: 0,
        relay: 0,
        purpose: Purpose::Serve,
        seal: SealKey::new([5; 32]),
    }
}

fn owner() -> PeerName {
    PeerName::of(b"a certificate", false)
}

/// A short conversation of each side.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let message = |number, body: EdgeBody| Frame::Message { number, acknowledged: 0, body };
    let allocate = MediaCommand::Allocate {
        id: MediaId(5),
        transaction_id: TransactionId::from_random(9),
        families: [model::IpFamily::V4; 2],
        emergency: false,
        line: model::MediaLine::Main,
    };
    let claim = Claim { old: MediaId(5), new: MediaId(6) };
    let mut up = Vec::new();
    encode_opening(&hello("other"), &mut up);
    for frame in [
        Frame::Ping { sent: 1, acknowledged: 0 },
        message(1, EdgeBody::Command(allocate)),
        message(2, EdgeBody::Claim(vec![claim])),
        message(3, EdgeBody::Claimed),
        message(4, EdgeBody::Command(MediaCommand::Report { id: MediaId(6) })),
        message(5, EdgeBody::Command(MediaCommand::Release { id: MediaId(6) })),
    ] {
        encode(&frame, &mut up);
    }
    let mut down = Vec::new();
    let (greeting, place) = relay().greet(Instant::ZERO, 1, owner(), hello("edge"));
    encode_opening(&greeting, &mut down);
    let mut relay = relay();
    relay.greet(Instant::ZERO, 1, owner(), hello("edge"));
    while place.is_some_and(|place| relay.poll_transmit(Instant::ZERO, place, &mut down)) {}
    vec![("edge", up), ("relay", down)]
}
