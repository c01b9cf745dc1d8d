//! T.38: a call becomes fax and audio again.

use crate::keys::{KEY, crypto_of, keys, one, secure};
use directory::Srtp;
use model::{LegSide, StreamKind};
use simnet::{CARRIER, PBX, Ua, World, config, directory};
use sip_proto::Message;

/// A description of fax; `before` are the lines of other streams before its own.
fn fax(ua: &Ua, port: u16, version: u32, before: &str) -> String {
    let ip = ua.at.ip();
    format!(
        "v=0\r\no=- 4711 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{before}\
         m=image {port} udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n\
         a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxBuffer:262\r\n\
         a=T38FaxMaxDatagram:90\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
    )
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body_bytes()).into_owned()
}

fn assert_fax(message: &Message, media: &[&str]) {
    let body = text(message);
    let lines: Vec<_> = body
        .lines()
        .filter(|line| line.starts_with("m="))
        .map(|line| {
            let (media, rest) = line.split_once(' ').unwrap();
            let (port, rest) = rest.split_once(' ').unwrap();
            let port = if port == "0" { "0" } else { "ours" };
            format!("{media} {port} {rest}")
        })
        .collect();
    assert_eq!(lines, media, "{body}");
    assert!(body.contains("a=T38FaxUdpEC:t38UDPRedundancy\r\n"), "{body}");
    assert!(body.contains("203.0.113.1") && !body.contains("a=rtcp"), "{body}");
}

pub(super) fn ports(w: &World) -> [u16; 2] {
    w.plan().legs.clone().map(|leg| leg.remote_rtp.unwrap().port())
}

/// The far end asks for fax, and the near end takes it.
pub(super) fn switch(w: &mut World, asking: &mut Ua, other: &mut Ua, before: &str, media: &[&str]) {
    let offer = fax(asking, 47_000, 2, before);
    asking.target = "sip:tandem@203.0.113.1:5060".to_owned();
    asking.invite(w, Some(&offer));
    assert_fax(&other.expect(w, "INVITE"), media);
    let answer = fax(other, 37_000, 2, before);
    assert_fax(&other.answer(w, asking, &answer), media);
    assert_eq!(w.plan().kind, StreamKind::Udptl);
}

#[test]
fn a_call_becomes_fax_and_audio_again() {
    for (before, media) in [
        ("", &["m=image ours udptl t38"][..]),
        // Beside audio that is switched off, in its place.
        ("m=audio 0 RTP/AVP 0\r\n", &["m=audio 0 RTP/AVP 0", "m=image ours udptl t38"]),
    ] {
        let mut w = World::new();
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        assert_eq!(w.plan().kind, StreamKind::Rtp);
        switch(&mut w, &mut pstn, &mut pbx, before, media);
        assert_eq!(ports(&w), [37_000, 47_000]);
        assert!(w.plan().legs.iter().all(|leg| leg.relearn && leg.codecs.is_empty()));
        let image = "m=image 0 udptl t38\r\n";
        let extra = if before.is_empty() { "" } else { image };
        let audio = format!("{}{extra}", pbx.sdp_with(30_000, 3, "sendrecv"));
        pbx.invite(&mut w, Some(&audio));
        let offer = text(&pstn.expect(&mut w, "INVITE"));
        let first = offer.lines().find(|line| line.starts_with("m=")).unwrap();
        assert!(first.starts_with("m=audio 2") && first.ends_with("RTP/AVP 0 101"), "{offer}");
        let answer = format!("{}{extra}", pstn.sdp_with(40_000, 3, "sendrecv"));
        pstn.answer(&mut w, &mut pbx, &answer);
        assert_eq!((w.plan().kind, ports(&w)), (StreamKind::Rtp, [30_000, 40_000]));
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

/// The carrier ends the fax; what the customer is offered then is what its audio was before.
#[test]
fn audio_with_srtp_comes_back_with_the_keys_it_had() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = secure(&mut w, PBX, 1, &one(4, KEY));
    pbx.invite(&mut w, Some(&offer));
    let mut pstn = w.callee(CARRIER);
    let answer = pstn.sdp(40_000);
    let ours = crypto_of(&pstn.answer(&mut w, &mut pbx, &answer));
    let before = keys(&w, LegSide::A);
    switch(&mut w, &mut pstn, &mut pbx, "", &["m=image ours udptl t38"]);

    let audio = pstn.sdp_with(40_000, 3, "sendrecv");
    pstn.invite(&mut w, Some(&audio));
    let asked = pbx.expect(&mut w, "INVITE");
    assert!(text(&asked).contains(" RTP/SAVP 0"), "{}", text(&asked));
    assert_eq!(crypto_of(&asked), ours, "the line that answered it, with the key in force");
    let answer = secure(&mut w, PBX, 3, &one(4, KEY));
    assert!(!text(&pbx.answer(&mut w, &mut pstn, &answer)).contains("SAVP"));
    assert_eq!((w.plan().kind, keys(&w, LegSide::A)), (StreamKind::Rtp, before));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn fax_that_is_refused_leaves_the_audio() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let plans = w.relay.plans.len();
    let offer = fax(&pstn, 47_000, 2, "");
    pstn.target = "sip:tandem@203.0.113.1:5060".to_owned();
    pstn.invite(&mut w, Some(&offer));
    pbx.expect(&mut w, "INVITE");
    pbx.reply(&mut w, 488, None);
    pbx.expect(&mut w, "ACK");
    pstn.expect(&mut w, "488");
    pstn.ack_failure(&mut w);
    assert_eq!((w.relay.plans.len(), w.plan().kind), (plans, StreamKind::Rtp));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn audio_is_taken_where_both_are_offered() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::establish(&mut w);
    let offer = fax(&pbx, 37_000, 2, "m=audio 30000 RTP/AVP 0\r\n");
    pbx.invite(&mut w, Some(&offer));
    let told = text(&pstn.expect(&mut w, "INVITE"));
    assert!(told.contains("m=image 0 udptl t38") && !told.contains("m=audio 0"), "{told}");
    let answer = format!("{}m=image 0 udptl t38\r\n", pstn.sdp_with(40_000, 2, "sendrecv"));
    pstn.answer(&mut w, &mut pbx, &answer);
    assert_eq!(w.plan().kind, StreamKind::Rtp);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_call_may_begin_as_fax() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| fax(ua, 37_000, 1, ""));
    assert_fax(pstn.invited.as_ref().unwrap(), &["m=image ours udptl t38"]);
    let answer = fax(&pstn, 47_000, 1, "");
    assert_fax(&pstn.answer(&mut w, &mut pbx, &answer), &["m=image ours udptl t38"]);
    assert_eq!((w.plan().kind, ports(&w)), (StreamKind::Udptl, [37_000, 47_000]));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_answer_of_another_kind_than_the_offer_is_none() {
    let mut w = World::new();
    let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| fax(ua, 37_000, 1, ""));
    let answer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&answer));
    pstn.expect(&mut w, "ACK");
    let told = text(&pbx.expect(&mut w, "200"));
    assert!(told.contains("m=image 0 udptl t38"), "declined: {told}");
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn other_images_and_protocols_are_no_fax() {
    for line in [
        "m=image 5000 tcp t38",
        "m=image 5000 udptl x",
        "m=image 5000 RTP/AVP 0",
        "m=audio 5000 udptl t38",
    ] {
        let mut w = World::new();
        let mut pbx = w.caller(PBX, "+12065550123");
        let offer = fax(&pbx, 37_000, 1, "").replace("m=image 37000 udptl t38", line);
        pbx.invite(&mut w, Some(&offer));
        pbx.expect(&mut w, "488");
        pbx.ack_failure(&mut w);
        w.finish();
    }
}

#[test]
fn a_carrier_that_requires_encryption_has_no_fax() {
    let mut resources = directory();
    resources.carriers[0].srtp = Srtp::Required;
    let mut w = World::with(config(), resources);
    let mut pstn = w.caller(CARRIER, "+12065550100");
    let offer = fax(&pstn, 47_000, 1, "");
    pstn.invite(&mut w, Some(&offer));
    pstn.expect(&mut w, "488");
    pstn.ack_failure(&mut w);
    w.finish();
}
