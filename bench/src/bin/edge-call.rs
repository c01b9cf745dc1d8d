//! Whole calls through the pure call logic, in virtual time and with scripted ends:
//! `edge-call CALLS`. Prints what the edge allocated for one call. For instruction counts run it
//! under callgrind with `--toggle-collect='*edge_turn*'`, once with N and once with 2 N calls.
//!
//! A call is INVITE, 100, 180, 200, ACK, BYE, 200 on both sides, with media addresses from a relay
//! that answers at once; 500 calls a second. At the end time goes on until every timer is over.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use b2bua::{Edge, EdgeConfig, Listener, Output};
use bytes::Bytes;
use edge_bench::allocations::{Allocated, Counting, allocated};
use edge_bench::directory::{CONNECTOR, DOMAIN, snapshot};
use model::{Flow, Instant, LocalMedia, MediaCommand, MediaEvent, TransportProtocol};
use sip_proto::{Composer, HeaderName, Limits, Message, Method, StepRandom};
use std::collections::VecDeque;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BETWEEN_CALLS: Duration = Duration::from_millis(2);

enum Input {
    Datagram(SocketAddr, Bytes),
    Media(MediaEvent),
    Timeout,
}

fn main() -> Result<(), Box<dyn Error>> {
    let calls: u64 = std::env::args().nth(1).map_or(Ok(1000), |n| n.parse())?;
    let mut bench = Bench::new()?;
    for number in 0..calls {
        bench.now += BETWEEN_CALLS;
        bench.fire_timers();
        bench.call(number);
    }
    // Past every timer of RFC 3261.
    for _ in 0..100 {
        bench.now += Duration::from_secs(1);
        bench.fire_timers();
    }
    if bench.finished != calls || !bench.edge.is_idle() {
        return Err(format!("{} of {calls} calls were complete", bench.finished).into());
    }
    println!(
        "calls {calls}  turns/call {:.2}  allocations/call {:.1}  bytes allocated/call {:.0}",
        bench.turns as f64 / calls as f64,
        bench.allocated.count as f64 / calls as f64,
        bench.allocated.bytes as f64 / calls as f64,
    );
    Ok(())
}

struct Bench {
    edge: Edge,
    now: Instant,
    at: SocketAddr,
    caller: SocketAddr,
    callee: SocketAddr,
    inputs: VecDeque<Input>,
    outputs: Vec<Output>,
    allocated: Allocated,
    turns: u64,
    finished: u64,
    port: u16,
    number: u64,
}

impl Bench {
    fn new() -> Result<Bench, Box<dyn Error>> {
        let at: SocketAddr = "203.0.113.1:5060".parse()?;
        let caller = "192.0.2.10:5070".parse()?;
        let callee = "198.51.100.20:5080".parse()?;
        let listener = Listener { protocol: TransportProtocol::Udp, local: at, advertised: at };
        let config = EdgeConfig { listeners: vec![listener], ..EdgeConfig::default() };
        Ok(Bench {
            edge: Edge::new(config, snapshot(caller, callee), Box::new(StepRandom::new(1 << 40))),
            now: Instant::from_millis(1),
            at,
            caller,
            callee,
            inputs: VecDeque::new(),
            outputs: Vec::with_capacity(64),
            allocated: Allocated::default(),
            turns: 0,
            finished: 0,
            port: 10_000,
            number: 0,
        })
    }

    fn call(&mut self, number: u64) {
        self.number = number;
        let invite = Bytes::from(invite(number, self.caller));
        self.inputs.push_back(Input::Datagram(self.caller, invite));
        self.settle();
    }

    fn fire_timers(&mut self) {
        while self.edge.poll_timeout().is_some_and(|at| at <= self.now) {
            self.inputs.push_back(Input::Timeout);
            self.settle();
        }
    }

    fn settle(&mut self) {
        while let Some(input) = self.inputs.pop_front() {
            let flow_of = |remote| Flow {
                protocol: TransportProtocol::Udp,
                local: self.at,
                remote,
                connection: None,
                identity: None,
            };
            let flow = flow_of(match &input {
                Input::Datagram(from, _) => *from,
                _ => self.caller,
            });
            let before = allocated();
            edge_turn(&mut self.edge, self.now, flow, input, &mut self.outputs);
            let after = allocated();
            self.allocated.count += after.count - before.count;
            self.allocated.bytes += after.bytes - before.bytes;
            self.turns += 1;
            let mut outputs = std::mem::take(&mut self.outputs);
            for output in outputs.drain(..) {
                self.react(output);
            }
            self.outputs = outputs;
        }
    }

    fn react(&mut self, output: Output) {
        match output {
            Output::Media(MediaCommand::Allocate { id, .. }) => {
                self.port = if self.port > 60_000 { 10_000 } else { self.port + 4 };
                let at = |port| LocalMedia {
                    rtp: SocketAddr::new(self.at.ip(), port),
                    rtcp: SocketAddr::new(self.at.ip(), port + 1),
                };
                let local = [at(self.port), at(self.port + 2)];
                self.inputs.push_back(Input::Media(MediaEvent::Allocated { id, local }));
            }
            Output::Transmit(transmit) => {
                let Ok(message) = Message::parse(transmit.payload, &Limits::default()) else {
                    return;
                };
                if transmit.flow.remote == self.callee {
                    self.callee_hears(&message);
                } else {
                    self.caller_hears(&message);
                }
            }
            _ => {}
        }
    }

    fn callee_hears(&mut self, message: &Message) {
        let mut say = |status: u16, reason: &str, body: bool| {
            let mut response = Composer::response_to(message, status, reason, Some("callee-tag"));
            response.header(HeaderName::Contact, format!("<sip:callee@{}>", self.callee));
            let response = if body {
                response.body(Some("application/sdp"), sdp(self.callee).as_bytes())
            } else {
                response.finish()
            };
            self.inputs.push_back(Input::Datagram(self.callee, response));
        };
        match message.method() {
            Some(Method::Invite) => {
                say(180, "Ringing", false);
                say(200, "OK", true);
            }
            Some(Method::Bye) => say(200, "OK", false),
            _ => {}
        }
    }

    fn caller_hears(&mut self, message: &Message) {
        if message.status() != Some(200) {
            return;
        }
        let of_invite = message.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        if !of_invite {
            self.finished += 1;
            return;
        }
        let to = message.header(HeaderName::To).unwrap_or_default().to_owned();
        let target = match message.contact() {
            Ok(Some(contact)) => contact.uri_text.to_owned(),
            _ => return,
        };
        for (method, cseq) in [("ACK", 1), ("BYE", 2)] {
            let request = in_dialog(method, cseq, self.number, self.caller, &target, &to);
            self.inputs.push_back(Input::Datagram(self.caller, Bytes::from(request)));
        }
    }
}

/// All that is counted: one input and the outputs that it brings.
#[inline(never)]
fn edge_turn(edge: &mut Edge, now: Instant, flow: Flow, input: Input, outputs: &mut Vec<Output>) {
    match input {
        Input::Datagram(_, raw) => edge.handle_input(now, flow, raw),
        Input::Media(event) => edge.handle_media_event(now, event),
        Input::Timeout => edge.handle_timeout(now),
    }
    while let Some(output) = edge.poll_output() {
        outputs.push(output);
    }
    std::hint::black_box(edge.poll_timeout());
}

fn invite(number: u64, from: SocketAddr) -> String {
    let host = format!("{CONNECTOR}.voiceconnector.{DOMAIN}");
    let body = sdp(from);
    format!(
        "INVITE sip:+12065550100@{host} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {from};branch=z9hG4bK-{number}-i;rport\r\n\
         Max-Forwards: 70\r\n\
         Contact: <sip:+14255550123@{from};transport=udp>\r\n\
         To: <sip:+12065550100@{host}>\r\n\
         From: \"Reception\" <sip:+14255550123@{from}>;tag=t{number}\r\n\
         Call-ID: call-{number}@192.0.2.10\r\n\
         CSeq: 1 INVITE\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO\r\n\
         Supported: replaces\r\n\
         User-Agent: Example PBX 4.2\r\n\
         X-Trace: {number}\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn in_dialog(
    method: &str,
    cseq: u32,
    number: u64,
    from: SocketAddr,
    target: &str,
    to: &str,
) -> String {
    format!(
        "{method} {target} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {from};branch=z9hG4bK-{number}-{cseq}{method};rport\r\n\
         Max-Forwards: 70\r\n\
         To: {to}\r\n\
         From: \"Reception\" <sip:+14255550123@{from}>;tag=t{number}\r\n\
         Call-ID: call-{number}@192.0.2.10\r\n\
         CSeq: {cseq} {method}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn sdp(at: SocketAddr) -> String {
    let ip = at.ip();
    format!(
        "v=0\r\no=- 3847362 3847362 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}
