//! Bodies beside the session description.

use simnet::{CARRIER, PBX, Ua, World};
use sip_proto::{HeaderName, Message};

const MIXED: &str = "multipart/mixed;boundary=\"=_b?1\"";
const ISUP: &str = "Content-Type: application/ISUP;version=itu-t92+\r\n\
                    Content-Disposition: signal;handling=optional\r\n\r\n\u{1}\u{0}I\r\n\r\n\u{3}";
const LOCATION: &str = "Content-Type: application/pidf+xml\r\nContent-ID: <here@pbx>\r\n\r\n\
                        <presence entity=\"sip:alice@pbx\"/>";

fn mixed(sdp: &str) -> String {
    let boundary = "=_b?1";
    format!(
        "--{boundary}\r\n{LOCATION}\r\n--{boundary}\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n\
         --{boundary}\r\n{ISUP}\r\n--{boundary}--\r\n"
    )
}

/// Asserts that everything but the description came as it was, and returns that.
fn description(message: &Message) -> String {
    assert_eq!(message.header(HeaderName::ContentType), Some(MIXED));
    let body = String::from_utf8(message.body_bytes().to_vec()).unwrap();
    let start = body.find("v=0").unwrap();
    let end = body[start..].find("\r\n\r\n--").unwrap() + start + 2;
    assert_eq!(body, mixed(&body[start..end]), "the other parts stay byte for byte");
    body[start..end].to_owned()
}

#[test]
fn the_parts_beside_the_description_pass_both_ways() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = mixed(&pbx.sdp(30_000));
    let headers =
        [("MIME-Version", "1.0"), ("Geolocation", "<cid:here@pbx>"), ("Geolocation-Routing", "no")];
    pbx.request(&mut w, "INVITE", &headers, Some((MIXED, &offer)));
    let mut pstn = w.callee(CARRIER);
    let invite = pstn.invited.clone().unwrap();
    let told = description(&invite);
    assert!(told.contains("203.0.113.1") && !told.contains("192.0.2.10"), "{told}");
    assert_eq!(invite.header(HeaderName::MimeVersion), Some("1.0"));
    assert_eq!(invite.header(HeaderName::Geolocation), Some("<cid:here@pbx>"));
    let ring = mixed(&pstn.sdp(40_000));
    reply(&mut w, &pstn, 183, &ring);
    description(&pbx.expect(&mut w, "183"));
    reply(&mut w, &pstn, 200, &ring);
    pstn.expect(&mut w, "ACK");
    let answer = description(&pbx.expect(&mut w, "200"));
    assert!(answer.contains("203.0.113.1") && !answer.contains("198.51.100.20"), "{answer}");
    pbx.answered();
    pbx.ack(&mut w, None);
    // So does a change of media.
    let change = mixed(&pbx.sdp_with(30_000, 2, "sendonly"));
    pbx.request(&mut w, "INVITE", &[], Some((MIXED, &change)));
    pbx.answered();
    let offer = pstn.expect(&mut w, "INVITE");
    assert!(description(&offer).contains("a=sendonly"));
    let held = mixed(&pstn.sdp_with(40_000, 2, "recvonly"));
    reply(&mut w, &pstn, 200, &held);
    pstn.expect(&mut w, "ACK");
    assert!(description(&pbx.expect(&mut w, "200")).contains("a=recvonly"));
    pbx.ack(&mut w, None);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

fn reply(w: &mut World, ua: &Ua, status: u16, body: &str) {
    let invite = ua.invited.clone().unwrap();
    let raw = ua.response(&invite, status, &[], Some((MIXED, body)));
    w.send(ua.at, raw);
}

#[test]
fn a_location_by_reference_stays_on_its_side() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = mixed(&pbx.sdp(30_000));
    let headers = [("Geolocation", "<https://192.0.2.10/where>, <cid:here@pbx>")];
    pbx.request(&mut w, "INVITE", &headers, Some((MIXED, &offer)));
    let mut pstn = w.callee(CARRIER);
    assert_eq!(pstn.invited.as_ref().unwrap().header(HeaderName::Geolocation), None);
    pstn.reply(&mut w, 486, None);
    pbx.expect(&mut w, "486");
    pbx.answered();
    pbx.ack_failure(&mut w);
    w.finish();
}

#[test]
fn parts_without_a_description_pass_with_a_delayed_offer() {
    let mut w = World::new();
    let mut pbx = w.caller(PBX, "+12065550123");
    let body = format!("--b\r\n{ISUP}\r\n--b--\r\n");
    let content_type = "multipart/mixed;boundary=b";
    pbx.request(&mut w, "INVITE", &[], Some((content_type, &body)));
    pbx.answered();
    let mut pstn = w.callee(CARRIER);
    let invite = pstn.invited.clone().unwrap();
    assert_eq!(invite.header(HeaderName::ContentType), Some(content_type));
    assert_eq!(invite.body_bytes(), body.as_bytes());
    let offer = pstn.sdp(40_000);
    pstn.reply(&mut w, 200, Some(&offer));
    pbx.expect(&mut w, "200");
    let answer = pbx.sdp(30_000);
    pbx.ack(&mut w, Some(&answer));
    pstn.expect(&mut w, "ACK");
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_body_that_is_no_description_is_needed_or_not() {
    for (disposition, status) in [
        ("render;handling=optional", None),
        ("render; Handling = Optional", None),
        ("render;handling=required", Some("415")),
        ("render", Some("415")),
        ("handling=optional", Some("415")),
    ] {
        let mut w = World::new();
        let mut pbx = w.caller(PBX, "+12065550123");
        let headers = [("Content-Disposition", disposition)];
        pbx.request(&mut w, "INVITE", &headers, Some(("application/x-thing", "x")));
        pbx.answered();
        match status {
            Some(status) => {
                let refused = pbx.expect(&mut w, status);
                assert_eq!(refused.header(HeaderName::Accept), Some("application/sdp"));
            }
            None => {
                let mut pstn = w.callee(CARRIER);
                assert_eq!(pstn.invited.as_ref().unwrap().body_bytes(), b"");
                pstn.reply(&mut w, 486, None);
                pbx.expect(&mut w, "486");
            }
        }
        pbx.ack_failure(&mut w);
        w.finish();
    }
}
