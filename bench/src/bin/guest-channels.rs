//! What guests' channels cost a node: how soon a change in a meeting is seen by all, CPU and memory.
//!
//! ```text
//! guest-channels TANDEM DIRECTORY [--guests 200] [--changes 20]
//! ```
//!
//! Starts a node below DIRECTORY with a page for guests, and joins its meeting so often, as the page does: SIP over
//! a WebSocket, and the channel beside it. No media: nobody says or hears anything. One guest after the
//! other raises its hand and lowers it.
#![expect(clippy::print_stdout, reason = "a command line tool")]
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and waits between changes"
)]

use edge_bench::cpu;
use edge_bench::rooms::Outcome;
use edge_bench::rooms::run::percentile;
use edge_bench::rooms::tandem::{ATTENDEE, Tandem};
use sha2::{Digest, Sha256};
use std::env;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message, WebSocket, client};

const USAGE: &str = "guest-channels TANDEM DIRECTORY [--guests 200] [--changes 20]";
const PAGE: &str = "127.0.0.1:15980";
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two changes: all have seen the one before.
const CHANGE: Duration = Duration::from_millis(500);
/// How often connections are looked at whose messages do not count.
const LOOK: Duration = Duration::from_millis(100);
/// A thread that reads needs little.
const STACK: usize = 128 * 1_024;

type Socket = WebSocket<TcpStream>;

fn main() -> Outcome<()> {
    let mut words = env::args().skip(1);
    let (tandem, directory) = words.next().zip(words.next()).ok_or(USAGE)?;
    let (mut guests, mut changes) = (200, 20);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(USAGE)?;
        match word.as_str() {
            "--guests" => guests = value.parse()?,
            "--changes" => changes = value.parse()?,
            _ => return Err(USAGE.into()),
        }
    }
    if !(2..=240).contains(&guests) || changes < 2 {
        return Err("2 to 240 guests, two changes at least".into());
    }
    let more = format!("[rooms.guests]\nlisten = \"{PAGE}\"\nplain = true\n");
    let node = Tandem::start_with(Path::new(&tandem), Path::new(&directory), &more)?;
    measure(node.process(), guests, changes)
}

fn measure(node: u32, guests: usize, changes: usize) -> Outcome<()> {
    // The first one pays for what is made once.
    let mut calls = vec![Call::begin(0)?];
    let bare = cpu::memory_kib(node)?;
    for number in 1..guests {
        calls.push(Call::begin(number)?);
    }
    let called = cpu::memory_kib(node)?;
    let mut channels = Vec::new();
    for call in &calls {
        channels.push(call.open_channel()?);
    }
    let opened = cpu::memory_kib(node)?;
    println!("{guests} guests in one meeting, without media");
    println!(
        "memory of a call over SIP on a WebSocket: {:.1} KiB",
        (called - bare) as f64 / (guests - 1) as f64
    );
    println!(
        "memory of a channel: {:.1} KiB",
        (opened.saturating_sub(called)) as f64 / guests as f64
    );

    let ends = Arc::new(AtomicBool::new(false));
    let sip = keep_calls(calls.into_iter().map(|call| call.sip).collect(), &ends)?;
    let octets = Arc::new(AtomicU64::new(0));
    let mut hands = Vec::new();
    let mut readers = Vec::new();
    for channel in channels {
        hands.push(channel.get_ref().try_clone()?);
        readers.push(read(channel, &ends, &octets)?);
    }
    let idle = used(node, || thread::sleep(Duration::from_secs(3)))?;
    println!("CPU while nothing happens: {:.2} % of a core", idle * 100.0);

    let mut asked = Vec::new();
    octets.store(0, Ordering::Relaxed);
    let busy = used(node, || {
        for change in 0..changes {
            let (on, who) = (change % 2 == 0, change / 2 % hands.len());
            asked.push((Instant::now(), on));
            let text = format!(r#"{{"number":{change},"do":"hand","on":{on}}}"#);
            if let Some(stream) = hands.get(who) {
                // What is written to a connection beside its reader is a frame of its own.
                let _ = write_text(stream, &text);
            }
            thread::sleep(CHANGE);
        }
    })?;
    let octets = octets.load(Ordering::Relaxed);
    ends.store(true, Ordering::Release);
    let seen = readers.into_iter().map(|reader| reader.join().unwrap_or_default());
    let seen: Vec<Vec<(Instant, bool)>> = seen.collect();
    let _ = sip.join();
    show(&asked, &seen);
    println!(
        "CPU with {:.0} changes a second: {:.2} % of a core; {:.1} KiB sent to each guest with a change",
        1.0 / CHANGE.as_secs_f64(),
        busy * 100.0,
        octets as f64 / 1_024.0 / (changes * guests) as f64,
    );
    Ok(())
}

/// How long changes took to all guests.
fn show(asked: &[(Instant, bool)], seen: &[Vec<(Instant, bool)>]) {
    let (mut each, mut last, mut missing) = (Vec::new(), Vec::new(), 0);
    for (at, on) in asked {
        let until = *at + CHANGE;
        let first = |seen: &Vec<(Instant, bool)>| {
            let found =
                seen.iter().find(|(came, state)| (*at..until).contains(came) && state == on);
            found.map(|(came, _)| came.duration_since(*at).as_secs_f64() * 1e3)
        };
        let times: Vec<f64> = seen.iter().filter_map(first).collect();
        missing += seen.len() - times.len();
        last.push(times.iter().copied().fold(0.0, f64::max));
        each.extend(times);
    }
    each.sort_by(f64::total_cmp);
    last.sort_by(f64::total_cmp);
    let at = |values: &[f64], share| percentile(values, share).unwrap_or_default();
    println!(
        "a hand, until a guest sees it: p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms; until the last one does: p50 {:.1} ms, most {:.1} ms",
        at(&each, 0.5),
        at(&each, 0.95),
        at(&each, 0.99),
        at(&last, 0.5),
        at(&last, 1.0),
    );
    println!(
        "not seen within {} ms: {missing} of {}",
        CHANGE.as_millis(),
        asked.len() * seen.len()
    );
}

/// The node's share of a core while something is done.
fn used(node: u32, work: impl FnOnce()) -> Outcome<f64> {
    let (before, began) = (cpu::of_process(node)?, Instant::now());
    work();
    Ok((cpu::of_process(node)? - before).as_secs_f64() / began.elapsed().as_secs_f64())
}

/// A guest's call.
struct Call {
    sip: Socket,
    key: String,
}

impl Call {
    fn begin(number: usize) -> Outcome<Call> {
        let mut sip = connect("/sip", "sip")?;
        let key = format!("{number:048}");
        let shown: String =
            Sha256::digest(key.as_bytes()).iter().map(|octet| format!("{octet:02x}")).collect();
        let host = format!("guest-{number}.invalid");
        let to = format!("<sip:{ATTENDEE}@meet.localhost.test>");
        let head = |method: &str, to: &str, more: &str| {
            format!(
                "{method} sip:{ATTENDEE}@meet.localhost.test SIP/2.0\r\n\
                 Via: SIP/2.0/WS {host};branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\n\
                 From: \"Guest {number}\" <sip:guest@{host}>;tag=1\r\nTo: {to}\r\nCall-ID: c{number}@{host}\r\n\
                 CSeq: 1 {method}\r\nContact: <sip:guest@{host};transport=ws>\r\n{more}"
            )
        };
        let offer = offer();
        let body = format!(
            "X-Guest-Key: {shown}\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
            offer.len()
        );
        sip.send(Message::text(head("INVITE", &to, &body)))?;
        let answer = loop {
            let text = sip.read()?.into_text()?.to_string();
            match text.get(8..11) {
                Some("200") => break text,
                Some(status) if text.starts_with("SIP/2.0 ") && !status.starts_with('1') => {
                    let line = text.lines().next().unwrap_or_default();
                    return Err(format!("guest {number} is refused: {line}").into());
                }
                _ => {}
            }
        };
        let far = answer.lines().find_map(|line| line.strip_prefix("To: "));
        let far = far.ok_or("an answer without To")?;
        sip.send(Message::text(head("ACK", far, "Content-Length: 0\r\n\r\n")))?;
        Ok(Call { sip, key })
    }

    /// The channel beside the call, once the meeting is seen there.
    fn open_channel(&self) -> Outcome<Socket> {
        let mut channel = connect("/room", "tandem.room.1")?;
        channel.send(Message::text(format!(r#"{{"key":"{}"}}"#, self.key)))?;
        loop {
            let text = channel.read()?.into_text()?;
            if text.contains(r#""type":"meeting""#) {
                return Ok(channel);
            }
            if text.contains("no-call") {
                return Err("the node knows nothing of the channel's call".into());
            }
        }
    }
}

/// As a browser's, of one line of Opus; it will never connect.
fn offer() -> String {
    let fingerprint = vec!["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
         c=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=ice-ufrag:bench\r\n\
         a=ice-pwd:benchbenchbenchbenchbench\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:actpass\r\na=rtpmap:111 opus/48000/2\r\n"
    )
}

fn connect(path: &str, protocol: &'static str) -> Outcome<Socket> {
    let stream = TcpStream::connect(PAGE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("ws://{PAGE}{path}").into_client_request()?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse()?);
    let (socket, _) = client(request, stream).map_err(|error| error.to_string())?;
    Ok(socket)
}

/// Answers pings of calls.
fn keep_calls(mut calls: Vec<Socket>, ends: &Arc<AtomicBool>) -> Outcome<JoinHandle<()>> {
    for call in &calls {
        call.get_ref().set_nonblocking(true)?;
    }
    let ends = Arc::clone(ends);
    Ok(thread::spawn(move || {
        while !ends.load(Ordering::Acquire) {
            for call in &mut calls {
                while call.read().is_ok() {}
            }
            thread::sleep(LOOK);
        }
    }))
}

/// Reads a channel to the end: when meetings came, and whether somebody's hand was up.
fn read(
    mut channel: Socket,
    ends: &Arc<AtomicBool>,
    octets: &Arc<AtomicU64>,
) -> Outcome<JoinHandle<Vec<(Instant, bool)>>> {
    channel.get_ref().set_read_timeout(Some(LOOK))?;
    let (ends, octets) = (Arc::clone(ends), Arc::clone(octets));
    let reader = thread::Builder::new().stack_size(STACK).spawn(move || {
        let mut seen = Vec::new();
        while !ends.load(Ordering::Acquire) {
            match channel.read() {
                Ok(Message::Text(text)) => {
                    let came = Instant::now();
                    octets.fetch_add(text.len() as u64, Ordering::Relaxed);
                    if text.contains(r#""type":"meeting""#) {
                        seen.push((came, text.contains(r#""hand":true"#)));
                    }
                }
                Ok(_) => {}
                Err(SocketError::Io(error))
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        seen
    })?;
    Ok(reader)
}

/// A frame of its own, masked with nothing (RFC 6455 section 5.3 leaves the key to the client).
fn write_text(mut stream: &TcpStream, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap_or_default(), 0, 0, 0, 0];
    frame.extend(text.as_bytes());
    stream.write_all(&frame)
}
