//! A name server over real sockets, UDP and TCP on one port, that says what a test has it say.

use simple_dns::rdata::{A, AAAA, CNAME, NAPTR, RData, SOA, SRV};
use simple_dns::{
    CLASS, CharacterString, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE,
};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the server does with queries, beside looking into its zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Behaviour {
    Answers,
    Silent,
    /// This status.
    Fails(RCODE),
    /// FORMERR for a query with an OPT record.
    OldFashioned,
    /// UDP answers are cut short.
    Truncates,
    /// Truncates, and hangs up on TCP.
    HangsUp,
    /// First answers with a wrong id, another question, a query, and noise.
    LiesFirst,
    /// Answers from another port.
    WrongSource,
    /// Puts records of other names beside the ones asked for.
    Stuffs,
    /// Sends ten times what was agreed on.
    Oversize,
    /// What cannot be read, under the right id.
    Garbles,
}

/// A zone, one record a line: name, seconds, type, data.
pub(super) struct Server {
    pub(super) at: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Work {
    zone: String,
    behaviour: Behaviour,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

const POLL: Duration = Duration::from_millis(20);

impl Server {
    pub(super) fn start(behaviour: Behaviour, zone: &str) -> Server {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            // The same number may be taken for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let at = udp.local_addr().unwrap();
        let work =
            Work { zone: zone.to_owned(), behaviour, asked: Arc::default(), stop: Arc::default() };
        let (asked, stop) = (Arc::clone(&work.asked), Arc::clone(&work.stop));
        let over_tcp = work.clone();
        let threads = vec![
            std::thread::spawn(move || work.serve_udp(&udp)),
            std::thread::spawn(move || over_tcp.serve_tcp(&tcp)),
        ];
        Server { at, asked, stop, threads }
    }

    /// Every query so far: transport, type and name.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

impl Work {
    fn serve_udp(&self, socket: &UdpSocket) {
        socket.set_read_timeout(Some(POLL)).unwrap();
        let mut buffer = [0; 4096];
        while !self.stop.load(Ordering::SeqCst) {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
            let query = Packet::parse(&buffer[..length]).unwrap();
            self.note("udp", &query);
            for message in self.datagrams(&query) {
                if self.behaviour == Behaviour::WrongSource {
                    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
                    other.send_to(&message, from).unwrap();
                } else {
                    socket.send_to(&message, from).unwrap();
                }
            }
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        listener.set_nonblocking(true).unwrap();
        while !self.stop.load(Ordering::SeqCst) {
            let Ok((mut stream, _)) = listener.accept() else {
                #[expect(clippy::disallowed_methods, reason = "a test server's own poll")]
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            stream.set_nonblocking(false).unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut query).unwrap();
            let query = Packet::parse(&query).unwrap();
            self.note("tcp", &query);
            if self.behaviour == Behaviour::HangsUp {
                continue;
            }
            let answer = self.answer(&query).build_bytes_vec_compressed().unwrap();
            stream.write_all(&u16::try_from(answer.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&answer).unwrap();
        }
    }

    fn note(&self, transport: &str, query: &Packet<'_>) {
        let question = &query.questions[0];
        let line = format!("{transport} {} {}", type_name(question.qtype), question.qname);
        self.asked.lock().unwrap().push(line);
    }

    fn datagrams(&self, query: &Packet<'_>) -> Vec<Vec<u8>> {
        let mut answer = self.answer(query);
        let good = answer.build_bytes_vec_compressed().unwrap();
        match self.behaviour {
            Behaviour::Silent => Vec::new(),
            Behaviour::Fails(code) => {
                answer.answers.clear();
                *answer.rcode_mut() = code;
                vec![answer.build_bytes_vec().unwrap()]
            }
            Behaviour::OldFashioned if query.opt().is_some() => {
                let mut refusal = Packet::new_reply(query.id());
                *refusal.rcode_mut() = RCODE::FormatError;
                vec![refusal.build_bytes_vec().unwrap()]
            }
            Behaviour::Truncates | Behaviour::HangsUp => {
                answer.answers.clear();
                answer.set_flags(PacketFlag::TRUNCATION);
                vec![answer.build_bytes_vec().unwrap()]
            }
            Behaviour::LiesFirst => {
                let mut false_id = good.clone();
                false_id[0] ^= 1;
                let mut other = answer.clone();
                other.questions[0].qname = Name::new("other.example").unwrap();
                let mut query = good.clone();
                query[2] &= 0x7f;
                let many = [&good[..4], &[0xff; 8], &good[12..]].concat();
                vec![false_id, other.build_bytes_vec().unwrap(), query, many, vec![0; 3], good]
            }
            Behaviour::Stuffs => {
                let stuffed = a("victim.example", "203.0.113.66");
                answer.answers.push(stuffed.clone());
                answer.additional_records.push(stuffed);
                vec![answer.build_bytes_vec().unwrap()]
            }
            Behaviour::Oversize => vec![[good, vec![0; 12_000]].concat()],
            Behaviour::Garbles => {
                vec![[&good[..2], &[0xff; 2], &[0, 1, 0, 9, 0, 0, 0, 0, 0xc0]].concat()]
            }
            Behaviour::Answers | Behaviour::OldFashioned | Behaviour::WrongSource => vec![good],
        }
    }

    fn answer(&self, query: &Packet<'_>) -> Packet<'static> {
        let mut reply = Packet::new_reply(query.id());
        reply.set_flags(PacketFlag::RECURSION_AVAILABLE | PacketFlag::RECURSION_DESIRED);
        let question = query.questions[0].clone().into_owned();
        let (name, kind) = (question.qname.to_string(), type_name(question.qtype));
        reply.questions.push(question);
        let mut wanted = name.clone();
        let mut known = false;
        for line in self.zone.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [owner, ttl, of_type, data @ ..] = words.as_slice() else { continue };
            if !owner.eq_ignore_ascii_case(&wanted) {
                continue;
            }
            known = true;
            if *of_type == "CNAME" {
                data[0].clone_into(&mut wanted);
            } else if *of_type != kind {
                continue;
            }
            reply.answers.push(record(owner, ttl.parse().unwrap(), of_type, data));
        }
        if !known {
            *reply.rcode_mut() = RCODE::NameError;
        }
        if reply.answers.is_empty() {
            reply.name_servers.push(soa());
        }
        reply
    }
}

fn owned(name: &str) -> Name<'static> {
    Name::new(name).unwrap().into_owned()
}

fn text(text: &str) -> CharacterString<'static> {
    CharacterString::new(text.as_bytes()).unwrap().into_owned()
}

fn record(owner: &str, ttl: u32, kind: &str, data: &[&str]) -> ResourceRecord<'static> {
    let number = |at: usize| data[at].parse().unwrap();
    let data = match kind {
        "A" => match data[0].parse().unwrap() {
            IpAddr::V4(ip) => RData::A(A::from(ip)),
            IpAddr::V6(_) => panic!("{owner}: an IPv4 address"),
        },
        "AAAA" => {
            let ip: std::net::Ipv6Addr = data[0].parse().unwrap();
            RData::AAAA(AAAA { address: ip.into() })
        }
        "SRV" => RData::SRV(SRV {
            priority: number(0),
            weight: number(1),
            port: number(2),
            target: owned(data[3]),
        }),
        "NAPTR" => RData::NAPTR(NAPTR {
            order: number(0),
            preference: number(1),
            flags: text(data[2]),
            services: text(data[3]),
            regexp: text(data.get(5).copied().unwrap_or_default()),
            replacement: owned(data[4]),
        }),
        "CNAME" => RData::CNAME(CNAME(owned(data[0]))),
        other => panic!("{other}"),
    };
    ResourceRecord::new(owned(owner), CLASS::IN, ttl, data)
}

fn a(owner: &str, ip: &str) -> ResourceRecord<'static> {
    record(owner, 60, "A", &[ip])
}

fn soa() -> ResourceRecord<'static> {
    let soa = SOA {
        mname: owned("ns.example"),
        rname: owned("admin.example"),
        serial: 1,
        refresh: 1,
        retry: 1,
        expire: 1,
        minimum: 17,
    };
    ResourceRecord::new(owned("example"), CLASS::IN, 3_600, RData::SOA(soa))
}

fn type_name(kind: QTYPE) -> &'static str {
    match kind {
        QTYPE::TYPE(TYPE::A) => "A",
        QTYPE::TYPE(TYPE::AAAA) => "AAAA",
        QTYPE::TYPE(TYPE::SRV) => "SRV",
        QTYPE::TYPE(TYPE::NAPTR) => "NAPTR",
        _ => "other",
    }
}
