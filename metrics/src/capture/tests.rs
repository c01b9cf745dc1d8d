//! What a capture file has in it, octet by octet where a reader depends on it.

use super::*;
use crate::report::tests::{good_call, rung};
use packet::checksum;

const ID: &str = "00000000-0000-4000-8000-000000000007";

fn line(at: u64, message: &str) -> String {
    let line = serde_json::json!({
        "voice_connector_id": "v", "aws_region": "r", "event_timestamp": at, "call_id": ID,
        "sip_message": message,
    });
    format!("{line}\n")
}

/// A packet: its time in µs, IP protocol, ends, number in its stream, what it carries.
#[derive(Debug)]
struct Seen {
    at: u64,
    protocol: u8,
    from: String,
    to: String,
    numbers: [u32; 2],
    payload: Vec<u8>,
}

fn word(octets: &[u8]) -> u32 {
    u32::from_be_bytes(octets.try_into().unwrap())
}

fn read(mut rest: &[u8]) -> Vec<Seen> {
    assert_eq!(rest[..4], 0xa1b2_c3d4_u32.to_le_bytes());
    rest = &rest[24..];
    let mut seen = Vec::new();
    while !rest.is_empty() {
        let of = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let (at, length) = (u64::from(of(0)) * 1_000_000 + u64::from(of(4)), of(8) as usize);
        let packet = &rest[16..16 + length];
        let (protocol, addresses, transport) = match packet[0] >> 4 {
            4 => {
                assert_eq!(checksum(&[&packet[..20]]), 0);
                assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), length);
                (packet[9], &packet[12..20], &packet[20..])
            }
            _ => {
                assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])), length - 40);
                (packet[6], &packet[8..40], &packet[40..])
            }
        };
        let size = (transport.len() as u16).to_be_bytes();
        let sum = checksum(&[addresses, &[0, protocol], &size, transport]);
        assert!(sum == 0, "the checksum holds");
        let end = |ip: &[u8], port: &[u8]| {
            let port = u16::from_be_bytes([port[0], port[1]]);
            match <[u8; 4]>::try_from(ip) {
                Ok(v4) => std::net::SocketAddr::from((v4, port)).to_string(),
                Err(_) => std::net::SocketAddr::from((<[u8; 16]>::try_from(ip).unwrap(), port))
                    .to_string(),
            }
        };
        let (a, b) = addresses.split_at(addresses.len() / 2);
        let (from, to) = (end(a, transport), end(b, &transport[2..]));
        let (header, numbers) = match protocol {
            17 => (8, [0, 0]),
            _ => (20, [word(&transport[4..8]), word(&transport[8..12])]),
        };
        let payload = transport[header..].to_vec();
        seen.push(Seen { at, protocol, from, to, numbers, payload });
        rest = &rest[16 + length..];
    }
    seen
}

/// The call of all tests here: its ladder is what is given.
fn call(ladder: &[(u64, &str, &str, &str, &str)]) -> CallRecord {
    let mut call = good_call();
    call.ladder = ladder
        .iter()
        .map(|(at, leg, direction, protocol, line)| {
            let mut rung = rung(*at, leg, direction, line);
            rung.protocol = (*protocol).to_owned();
            rung
        })
        .collect();
    call
}

const INVITE: &str = "INVITE sip:b@t SIP/2.0";

fn invite(via: &str, length: &str, body: &str) -> String {
    format!("{INVITE}\r\nVia: {via}\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[test]
fn streams_go_on_where_they_were_and_datagrams_stand_alone() {
    let mut call = call(&[
        (0, "A", "received", "tls", INVITE),
        (0, "B", "sent", "tcp", INVITE),
        (40, "B", "received", "tcp", "SIP/2.0 200 OK"),
        (41, "A", "sent", "tls", "SIP/2.0 200 OK"),
        (90, "B", "sent", "tcp", "BYE sip:b@t SIP/2.0"),
        (95, "A", "sent", "udp", "BYE sip:b@t SIP/2.0"),
    ]);
    call.ladder[5].peer = "[2001:db8::7]:5060".to_owned();
    let at = call.times.attempted;
    let ours = "SIP/2.0/TCP 127.0.0.1:5062;branch=z9";
    let theirs = "SIP/2.0/TLS 10.0.0.9;branch=z9";
    let answer = |via: &str| {
        let contact = "<sips:u@127.0.0.1:5067;transport=tls>";
        format!("SIP/2.0 200 OK\r\nVia: {via}\r\nContact: {contact}\r\nl: 0\r\n\r\n")
    };
    let bye = format!("BYE sip:b@t SIP/2.0\r\nVia: {ours}\r\n\r\n");
    let log: String = [
        line(at, &invite(theirs, "3", "abc")),
        line(at + 1, &invite(ours, "3", "abc")),
        line(at + 40, &answer(ours)),
        line(at + 41, &answer(theirs)),
        line(at + 90, &bye),
        line(at + 95, &bye),
    ]
    .concat();
    let seen = read(&capture_from(log.as_bytes(), &call).unwrap().unwrap());
    let [one, two, three, four, five, six] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!((one.protocol, one.at), (6, at * 1_000));
    assert_eq!((one.from.as_str(), one.to.as_str()), ("127.0.0.3:5070", "127.0.0.1:5067"));
    assert_eq!((two.from.as_str(), two.to.as_str()), ("127.0.0.1:5062", "127.0.0.2:5080"));
    let length = two.payload.len() as u32;
    assert_eq!((two.numbers, three.numbers), ([1, 1], [1, 1 + length]));
    assert_eq!(four.to, "127.0.0.3:5070");
    assert_eq!(five.numbers, [1 + length, 1 + three.payload.len() as u32]);
    assert_eq!((six.protocol, six.to.as_str()), (17, "[2001:db8::7]:5060"));
    assert_eq!(six.from, "[::ffff:127.0.0.1]:5062", "one family in a packet");
}

#[test]
fn a_message_that_the_ladder_left_out_tells_its_own_way() {
    let call = call(&[(0, "A", "received", "tcp", INVITE), (1, "B", "sent", "tcp", INVITE)]);
    let at = call.times.attempted;
    let (ours, theirs) = (
        "SIP/2.0/TCP 127.0.0.1:5062;branch=z9",
        "SIP/2.0/TCP 10.0.0.9:5066;rport=41000;received=192.0.2.4;branch=z9",
    );
    let info = |via: &str| format!("INFO sip:b@t SIP/2.0\r\nv: {via}\r\n\r\n");
    let answer = |via: &str| format!("SIP/2.0 200 OK\r\nVIA : {via}\r\n\r\n");
    let log: String = [
        line(at, &invite(theirs, "0", "")),
        line(at + 1, &invite(ours, "0", "")),
        line(at + 9_000, &info(theirs)),
        line(at + 9_001, &answer(theirs)),
        line(at + 9_002, &info(ours)),
        line(at + 9_003, &answer(ours)),
    ]
    .concat();
    let seen = read(&capture_from(log.as_bytes(), &call).unwrap().unwrap());
    let ways: Vec<_> =
        seen.iter().skip(2).map(|p| (p.protocol, p.from.as_str(), p.to.as_str())).collect();
    let (us, them, last) = ("127.0.0.1:5062", "192.0.2.4:41000", "127.0.0.2:5080");
    assert_eq!(ways, [(6, them, us), (6, us, them), (6, us, last), (6, last, us)]);
}

#[test]
fn a_reader_of_a_stream_finds_the_next_message() {
    let call = call(&[(0, "A", "received", "tcp", INVITE), (5, "A", "received", "tcp", INVITE)]);
    let at = call.times.attempted;
    let via = "SIP/2.0/TCP 127.0.0.3:5070";
    let long = "x".repeat(150_000);
    let log = [line(at, &invite(via, "99", "v=0\r\n***")), line(at + 5, &invite(via, "1", &long))];
    let seen = read(&capture_from(log.concat().as_bytes(), &call).unwrap().unwrap());
    assert_eq!(seen.len(), 4, "the second in three segments");
    let first = String::from_utf8(seen[0].payload.clone()).unwrap();
    assert!(first.contains("\r\nContent-Length: 8\r\n\r\nv=0\r\n***"), "{first}");
    let mut next = 1 + seen[0].payload.len() as u32;
    let mut second = Vec::new();
    for part in &seen[1..] {
        assert_eq!(part.numbers[0], next);
        next += part.payload.len() as u32;
        second.extend_from_slice(&part.payload);
    }
    let second = String::from_utf8(second).unwrap();
    assert!(second.contains("Content-Length: 150000\r\n") && second.ends_with(&long));
}

#[test]
fn a_datagram_is_cut_to_what_one_can_hold() {
    let call = call(&[(0, "A", "received", "udp", INVITE)]);
    let message = invite("SIP/2.0/UDP 127.0.0.3:5070", "9", &"x".repeat(70_000));
    let log = line(call.times.attempted, &message);
    let seen = read(&capture_from(log.as_bytes(), &call).unwrap().unwrap());
    assert_eq!((seen.len(), seen[0].protocol, seen[0].payload.len()), (1, 17, 65_507));
    assert!(message.as_bytes().starts_with(&seen[0].payload), "as it was logged");
}

#[test]
fn other_calls_and_damaged_lines_are_left_out() {
    let log = b"{\"call_id\":\"x\",\"event_timestamp\":1,\"sip_message\":\"y\"}\nid damaged\n\
        {\"call_id\":\"id\",\"event_timestamp\":7,\"sip_message\":\"BYE\"}\n{\"call_id\":\"id\",\"ev";
    let messages = log::messages_of(log.as_slice(), "id").unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].event_timestamp, messages[0].sip_message.as_str()), (7, "BYE"));
    assert_eq!(capture_from(log.as_slice(), &call(&[])).unwrap(), None);
}
