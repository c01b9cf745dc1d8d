//! The real call logic behind real sockets.

use super::{PATIENCE, config, empty_directory, message};
use crate::ports::Ports;
use crate::transport::TcpLimits;
use crate::{SipEdge, start};
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};

fn edge() -> SipEdge {
    let ports = Ports {
        directory: empty_directory(),
        media: Box::new(Err),
        calls: Box::new(|_| {}),
        applications: Box::new(Err),
        kept: Box::new(|_| {}),
        sip: Box::new(|_| {}),
    };
    start(config(&["127.0.0.1:0"], &["127.0.0.1:0"], TcpLimits::default()), ports).unwrap()
}

#[test]
fn options_is_answered_and_a_stranger_is_refused_over_udp() {
    let edge = edge();
    let (_, address) = edge.addresses()[0];
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let via = format!("SIP/2.0/UDP {};rport", peer.local_addr().unwrap());
    let ask = |method, branch| {
        let request = message(method, branch, "").replace("SIP/2.0/TCP 192.0.2.1", &via);
        peer.send_to(request.as_bytes(), address).unwrap();
        loop {
            let mut answer = [0; 4096];
            let length = peer.recv(&mut answer).unwrap();
            let answer = String::from_utf8(answer[..length].to_vec()).unwrap();
            if !answer.starts_with("SIP/2.0 1") {
                break answer;
            }
        }
    };
    let answer = ask("OPTIONS", "z9hG4bKoptions");
    assert!(answer.starts_with("SIP/2.0 "), "{answer}");
    assert!(answer.contains("z9hG4bKoptions"), "{answer}");
    let answer = ask("INVITE", "z9hG4bKinvite");
    assert!(answer.starts_with("SIP/2.0 4"), "{answer}");
}

#[test]
fn options_is_answered_on_its_connection() {
    let edge = edge();
    let (_, address) = edge.addresses()[1];
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(message("OPTIONS", "z9hG4bKtcp", "").as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut octets = [0; 1024];
        let length = stream.read(&mut octets).unwrap();
        assert!(length > 0, "the connection ended");
        answer.extend_from_slice(&octets[..length]);
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("SIP/2.0 "), "{answer}");
    assert!(answer.contains("z9hG4bKtcp"), "{answer}");
}
