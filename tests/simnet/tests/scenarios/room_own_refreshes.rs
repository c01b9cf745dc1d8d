//! Refreshes of ours with devices that leave the offer to the meeting rooms: what they are told once more, and
//! what stays as it was.

use crate::room_own_offers::{
    ANSWERED, ONLY_SLIDES, access, answered, answering, asks_again, floor,
};
use crate::room_pictures::{
    ALL, BOTH, CAMERA, LISTED, NEITHER, body_of, floor_line, leave, open, plain, sit, world,
};
use crate::steered::news;
use model::{ApplicationNews, FloorPeer, FloorTransport};
use std::net::SocketAddr;
use std::time::Duration;

const SDP: &str = "application/sdp";
/// A device that takes no UPDATE and has us refresh.
const TIMER: [(&str, &str); 2] = [("Supported", "timer"), ("Session-Expires", "120;refresher=uas")];
/// After so long, and less than a retransmission.
const REFRESHED: Duration = Duration::from_millis(60_100);
const AGREED: [(&str, &str); 2] = [("Session-Expires", "120;refresher=uac"), ("Require", "timer")];

#[test]
fn a_refresh_of_ours_says_no_port_that_was_given_back() {
    let mut w = world();
    let mut device = plain(&mut w);
    device.invite_with(&mut w, &TIMER, None);
    let (call, ours) = answered(&mut w, &mut device, Some(access()));
    device.ack(&mut w, Some(&answering(1, [true, false, false])));
    assert_eq!((news(&mut w), w.relay.open()), (vec![CAMERA, ANSWERED], 2));
    sit(&mut w, call, 3, ALL);
    let ports = |body: &str| -> Vec<String> {
        let lines = body.lines().filter(|line| line.starts_with("m="));
        lines.map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
    };
    let version = |body: &str| -> u64 {
        let origin = body.lines().find(|line| line.starts_with("o=")).unwrap();
        origin.split(' ').nth(2).unwrap().parse().unwrap()
    };
    let mut before = ours;
    for (round, taken) in
        [[true, false, false], [true, false, false], [false; 3]].iter().enumerate()
    {
        w.advance(Duration::from_secs(61));
        let again = body_of(&device.expect(&mut w, "INVITE"));
        let mut expected = ports(&before);
        expected[2..].fill("0".to_owned());
        assert_eq!(ports(&again), expected, "{again}");
        // The first one says what has gone, the others nothing new.
        assert_eq!(version(&again), version(&before) + u64::from(round == 0), "{round}");
        let answer = answering(2 + round as u32, *taken);
        device.reply_with(&mut w, 200, &AGREED, Some(&answer));
        device.expect(&mut w, "ACK");
        before = again;
    }
    assert_eq!((news(&mut w), w.relay.open()), (vec![NEITHER], 1), "its answer counts");
    // What it has of floor control stays.
    device.request(&mut w, "INVITE", &TIMER, None);
    device.answered();
    device.expect(&mut w, "200");
    device.ack(&mut w, Some(&answering(9, [false, true, true])));
    assert_eq!(news(&mut w), [floor(), ONLY_SLIDES]);
    w.advance(Duration::from_secs(61));
    let again = body_of(&device.expect(&mut w, "INVITE"));
    assert_eq!(open(&again), [true, false, true, true], "{again}");
    device.reply_with(&mut w, 200, &AGREED, Some(&answering(9, [false, true, true])));
    device.expect(&mut w, "ACK");
    assert_eq!(news(&mut w), []);
    leave(w, &mut device);
}

#[test]
fn floor_control_over_tcp_outlives_what_is_told_again() {
    let mut w = world();
    let mut device = plain(&mut w);
    device.invite_with(&mut w, &TIMER, None);
    answered(&mut w, &mut device, Some(access()));
    device.ack(&mut w, Some(&answering(1, [true, true, false])));
    assert_eq!(news(&mut w), [BOTH, ANSWERED]);
    // It takes the floor by an offer of its own.
    let over_tcp = |version| {
        answering(version, [true; 3]).replace("UDP/BFCP", "TCP/BFCP")
            + "a=setup:active\r\na=connection:new\r\n"
    };
    device.request(&mut w, "INVITE", &TIMER, Some((SDP, &over_tcp(2))));
    device.answered();
    let told = body_of(&device.expect(&mut w, "200"));
    device.ack(&mut w, None);
    assert!(floor_line(&told).starts_with("application 5070 TCP/BFCP *"), "{told}");
    let address = SocketAddr::new(LISTED.ip(), 5080);
    let peer = FloorPeer { transport: FloorTransport::Tcp, address };
    assert_eq!(news(&mut w), [ApplicationNews::FloorControl(Some(peer))]);
    // A refresh, and a re-INVITE without an offer: it is told the same.
    w.advance(REFRESHED);
    assert_eq!(body_of(&device.expect(&mut w, "INVITE")), told);
    device.reply_with(&mut w, 200, &AGREED, Some(&over_tcp(2)));
    device.expect(&mut w, "ACK");
    assert_eq!(asks_again(&mut w, &mut device), told);
    device.ack(&mut w, Some(&over_tcp(3)));
    assert_eq!((news(&mut w), w.relay.open()), (vec![], 3));
    leave(w, &mut device);
}

#[test]
fn a_refresh_that_is_refused_changes_nothing() {
    let mut w = world();
    let mut device = plain(&mut w);
    device.invite_with(&mut w, &TIMER, None);
    answered(&mut w, &mut device, Some(access()));
    let taken = answering(1, [true, false, false]);
    device.ack(&mut w, Some(&taken));
    assert_eq!(news(&mut w), [CAMERA, ANSWERED]);
    device.request(&mut w, "INVITE", &TIMER, Some((SDP, &taken)));
    device.answered();
    let told = body_of(&device.expect(&mut w, "200"));
    device.ack(&mut w, None);
    for status in [491, 500] {
        w.advance(REFRESHED);
        assert_ne!(body_of(&device.expect(&mut w, "INVITE")), told);
        device.reply_with(&mut w, status, &[], None);
        device.expect(&mut w, "ACK");
        // What it was told as an answer is still its answer.
        device.request(&mut w, "INVITE", &TIMER, Some((SDP, &taken)));
        device.answered();
        assert_eq!(body_of(&device.expect(&mut w, "200")), told, "{status}");
        device.ack(&mut w, None);
    }
    assert_eq!(news(&mut w), []);
    leave(w, &mut device);
}
