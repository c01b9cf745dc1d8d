//! Each user agent against a peer whose every message is written here.

use super::caller::place_call;
use super::options::CallOptions;
use super::{AnswerOptions, Answerer};
use sip_proto::{HeaderName, Limits, Message};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// A peer on a UDP socket.
struct Peer {
    socket: UdpSocket,
    at: SocketAddr,
}

impl Peer {
    fn new() -> Peer {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let at = socket.local_addr().unwrap();
        Peer { socket, at }
    }

    fn send(&self, to: SocketAddr, text: &str) {
        self.socket.send_to(text.as_bytes(), to).unwrap();
    }

    /// The next SIP message; keep-alives are skipped.
    fn receive(&self) -> (Message, SocketAddr) {
        let mut buffer = [0; 4_096];
        loop {
            let (length, from) = self.socket.recv_from(&mut buffer).unwrap();
            let raw = bytes::Bytes::copy_from_slice(&buffer[..length]);
            if length > 4 {
                return (Message::parse(raw, &Limits::default()).unwrap(), from);
            }
        }
    }

    fn receive_status(&self, status: u16) -> Message {
        loop {
            let (message, _) = self.receive();
            if message.status() == Some(status) {
                return message;
            }
        }
    }

    /// A request to an answerer, in the call that `to_tag` names.
    fn request(&self, method: &str, cseq: u32, to_tag: &str, body: &str) -> String {
        let at = self.at;
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:p@{at}>;tag=peer\r\nTo: <sip:a@127.0.0.1>{to_tag}\r\n\
             Call-ID: scripted\r\nCSeq: {cseq} {method}\r\nContact: <sip:p@{at}>\r\n{content}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

fn description(port: u16, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8\r\na={direction}\r\n"
    )
}

#[test]
fn the_answerer_takes_a_delayed_offer_repeats_its_200_and_obeys_a_hold() {
    let answerer = Answerer::start(AnswerOptions::new("127.0.0.1:0".parse().unwrap())).unwrap();
    let to = answerer.local();
    let peer = Peer::new();
    let media = Peer::new();

    peer.send(to, &peer.request("INVITE", 1, "", ""));
    let ok = peer.receive_status(200);
    assert!(String::from_utf8_lossy(ok.body_bytes()).contains("RTP/AVP 0 8 101"));
    let repeated = peer.receive_status(200);
    assert_eq!(ok.raw(), repeated.raw(), "the 200 comes again until its ACK");
    let tag = format!(";tag={}", ok.to().unwrap().tag().unwrap());

    peer.send(to, &peer.request("ACK", 1, &tag, &description(media.at.port(), "sendrecv")));
    let mut packet = [0; 512];
    let length = media.socket.recv(&mut packet).unwrap();
    assert_eq!((length, packet[1] & 0x7f), (172, 8), "A-law, as the answer in the ACK asks");

    peer.send(to, &peer.request("INVITE", 2, &tag, &description(media.at.port(), "sendonly")));
    let held = peer.receive_status(200);
    assert!(String::from_utf8_lossy(held.body_bytes()).contains("a=recvonly"));
    peer.send(to, &peer.request("ACK", 2, &tag, ""));

    for (method, cseq, tag, status) in [
        ("INFO", 3, tag.as_str(), 200),
        ("PUBLISH", 4, &tag, 405),
        ("INFO", 2, &tag, 500),
        ("OPTIONS", 5, "", 200),
        ("BYE", 6, ";tag=unknown", 481),
        ("BYE", 7, &tag, 200),
    ] {
        peer.send(to, &peer.request(method, cseq, tag, ""));
        let (response, _) = peer.receive();
        assert_eq!(response.status(), Some(status), "{method} {cseq}");
    }
    let statistics = answerer.stop();
    assert_eq!((statistics.answered, statistics.finished.len()), (1, 1));
}

#[test]
fn the_caller_acknowledges_every_200_through_the_route_set() {
    let (callee, proxy) = (Peer::new(), Peer::new());
    let options = CallOptions { seconds: 1, ..CallOptions::new(format!("sip:a@{}", callee.at)) };
    let call = std::thread::spawn(move || place_call(&options));

    let (invite, from) = callee.receive();
    let via = invite.header(HeaderName::Via).unwrap().replace(";rport", "");
    let head = |message: &Message| {
        let [from, to] =
            [HeaderName::From, HeaderName::To].map(|name| message.header(name).unwrap());
        let call_id = message.call_id().unwrap();
        let cseq = message.header(HeaderName::CSeq).unwrap();
        let tag = if to.contains("tag=") { "" } else { ";tag=callee" };
        format!("From: {from}\r\nTo: {to}{tag}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n")
    };
    let body = description(callee.at.port(), "sendrecv");
    let ok = format!(
        "SIP/2.0 200 OK\r\nVia: {via}\r\n{}Record-Route: <sip:{};lr>\r\n\
         Contact: <sip:desk@192.0.2.9>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        head(&invite),
        proxy.at,
        body.len()
    );
    for _ in 0..2 {
        callee.send(from, &ok);
        let (ack, _) = proxy.receive();
        assert_eq!(ack.start_line(), "ACK sip:desk@192.0.2.9 SIP/2.0");
        assert_eq!(ack.cseq().unwrap().number, 1);
        assert_eq!(ack.header(HeaderName::Route), Some(format!("<sip:{};lr>", proxy.at).as_str()));
    }
    let (bye, from) = proxy.receive();
    assert_eq!(bye.start_line(), "BYE sip:desk@192.0.2.9 SIP/2.0");
    let via = bye.header(HeaderName::Via).unwrap();
    let done = format!("SIP/2.0 200 OK\r\nVia: {via}\r\n{}Content-Length: 0\r\n\r\n", head(&bye));
    proxy.send(from, &done);
    let outcome = call.join().unwrap().unwrap();
    assert!(!outcome.is_good(), "nobody spoke");
    assert_eq!((outcome.media.received.mos, outcome.media.far_end), (None, None));
}
