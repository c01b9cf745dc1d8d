//! Session descriptions that are wrong, and what happens to the ports.

use simnet::{CARRIER, EDGE, PBX, Ua, World, sdp};

fn refused(body: &str, content_type: &str, status: &str) {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let branch_body = Some((content_type, body));
    pbx.request(&mut w, "INVITE", &[], branch_body);
    pbx.expect(&mut w, status);
    assert!(w.take(CARRIER, None).is_none(), "{body}");
    assert_eq!(w.relay.open(), 0);
    w.finish();
}

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n";

#[test]
fn each_fault_gets_its_status() {
    let sdp_type = "application/sdp";
    refused("\u{1}\u{2}binary\u{0}", sdp_type, "400");
    refused("v=0\r\nno line of SDP\r\n", sdp_type, "400");
    refused(HEAD, sdp_type, "488");
    refused(&format!("{HEAD}m=video 5000 RTP/AVP 96\r\n"), sdp_type, "488");
    refused(&format!("{HEAD}m=audio 0 RTP/AVP 0\r\n"), sdp_type, "488");
    refused(&format!("{HEAD}m=audio 5000 RTP/SAVP 0\r\n"), sdp_type, "488");
    let multicast = format!("{HEAD}m=audio 5000 RTP/AVP 0\r\nc=IN IP4 239.1.2.3/127\r\n");
    refused(&multicast, sdp_type, "488");
    refused("<xml/>", "application/pidf+xml", "415");
}

#[test]
fn of_ten_streams_video_and_the_first_audio_are_relayed_and_the_others_declined() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let mut offer = format!("{HEAD}m=video 5000 RTP/AVP 96\r\n");
    for port in 0..9 {
        offer.push_str(&format!("m=audio {} RTP/AVP 0\r\n", 5002 + 2 * port));
    }
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let told = String::from_utf8_lossy(pstn.invited.as_ref().unwrap().body_bytes()).into_owned();
    let ports: Vec<_> = told
        .lines()
        .filter(|line| line.starts_with("m="))
        .map(|line| line.split(' ').nth(1).unwrap() != "0")
        .collect();
    assert_eq!(ports, [&[true, true][..], &[false; 8]].concat());
    let mut answer =
        format!("{}m=video 0 RTP/AVP 96\r\n", HEAD.replace("192.0.2.10", "198.51.100.20"));
    answer.push_str("m=audio 40000 RTP/AVP 0\r\n");
    answer.push_str(&"m=audio 0 RTP/AVP 0\r\n".repeat(8));
    pstn.answer(&mut w, &mut pbx, &answer);
    assert_eq!(w.plan().legs[0].remote_rtp.unwrap().port(), 5002);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_offer_on_hold_by_address_is_a_call_on_hold() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000).replace("c=IN IP4 192.0.2.10", "c=IN IP4 0.0.0.0");
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = sdp(CARRIER, 40_000, 1, "recvonly");
    pstn.answer(&mut w, &mut pbx, &answer);
    let leg = &w.plan().legs[0];
    assert_eq!((leg.remote_rtp, leg.sends_to, leg.accepts_from), (None, false, true));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn media_is_never_sent_back_into_our_own_relay() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let ours = w.relay.local()[1].rtp;
    assert_eq!(ours.ip(), EDGE.ip());
    // In a new call's offer, in a re-INVITE, and in an answer.
    let looping = sdp(ours, ours.port(), 1, "sendrecv");
    let mut other = w.caller(PBX, "+12065550124");
    other.invite(&mut w, Some(&looping));
    other.expect(&mut w, "488");
    other.ack_failure(&mut w);
    pbx.invite(&mut w, Some(&looping));
    pbx.expect(&mut w, "488");
    pbx.ack_failure(&mut w);
    let mut third = w.caller(PBX, "+12065550125");
    let offer = third.sdp(30_100);
    third.invite(&mut w, Some(&offer));
    let mut far = w.callee(CARRIER);
    far.reply(&mut w, 200, Some(&looping));
    far.expect(&mut w, "ACK");
    far.expect(&mut w, "BYE");
    far.ok(&mut w);
    third.expect(&mut w, "502");
    third.ack_failure(&mut w);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn addresses_in_a_description_stay_on_their_side_and_the_rest_passes() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = format!(
        "{}a=rtcp:30001 IN IP4 192.0.2.10\r\na=candidate:1 1 UDP 1 192.0.2.10 30000 typ host\r\n\
         a=x-feature:yes\r\n",
        pbx.sdp(30_000)
    );
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let told = String::from_utf8_lossy(pstn.invited.as_ref().unwrap().body_bytes()).into_owned();
    assert!(told.contains("a=x-feature:yes"), "{told}");
    assert!(told.contains("c=IN IP4 203.0.113.1"), "{told}");
    pstn.reply(&mut w, 603, None);
    pbx.expect(&mut w, "603");
    pbx.ack_failure(&mut w);
    w.finish();
}
