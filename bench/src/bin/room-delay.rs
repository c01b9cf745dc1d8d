//! How long a sound takes through a meeting of a real node, and what each caller costs it.
//!
//! ```text
//! room-delay TANDEM DIRECTORY [--callers 2,10,50] [--rounds 10] [--seconds 10]
//! ```
//!
//! Starts a node below DIRECTORY with a meeting, and calls it over SIP and RTP on 127.0.0.1. The first
//! caller says a short sound twice a second, the second one hears, all others send silence; G.711, packets
//! of 20 ms without jitter. Each round has calls of its own, so that the callers' clocks and the mixer's
//! stand otherwise to each other.
#![expect(clippy::print_stdout, reason = "a command line tool")]
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads the clock, and sleeps between packets"
)]

use edge_bench::cpu;
use rtp_proto::codecs::g711::{decode_mu_law, encode_mu_law};
use rtp_proto::{RtpHeader, RtpPacket};
use std::error::Error;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const SIP: &str = "127.0.0.1:15960";
const CALLERS: &str = "127.0.0.1";
const MEETING: &str = "4081234567";
const FRAME: Duration = Duration::from_millis(20);
/// Samples of a packet, and of a millisecond.
const SAMPLES: usize = 160;
const MILLI: f64 = 8.0;
/// Packets from one sound to the next, and those that it fills.
const PERIOD: u32 = 25;
const SOUND: u32 = 3;
/// Until voices are found, brought to their loudness and waited for no longer than the network wants.
const WARM: Duration = Duration::from_secs(3);
/// Of a decoded sample: of the sound, not of comfort noise.
const LOUD: i16 = 300;
const PATIENCE: Duration = Duration::from_secs(20);

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Options {
    tandem: PathBuf,
    directory: PathBuf,
    callers: Vec<usize>,
    rounds: u32,
    seconds: u64,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Outcome<Options> {
        let usage = "room-delay TANDEM DIRECTORY [--callers 2,10] [--rounds 10] [--seconds 10]";
        let (tandem, directory) = words.next().zip(words.next()).ok_or(usage)?;
        let (tandem, directory) = (PathBuf::from(tandem), PathBuf::from(directory));
        let (callers, rounds, seconds) = (vec![2, 10, 50], 10, 10);
        let mut options = Options { tandem, directory, callers, rounds, seconds };
        while let Some(word) = words.next() {
            let value = words.next().ok_or(usage)?;
            match word.as_str() {
                "--callers" => {
                    let counts = value.split(',').map(str::parse::<usize>);
                    options.callers = counts.collect::<Result<_, _>>()?;
                }
                "--rounds" => options.rounds = value.parse()?,
                "--seconds" => options.seconds = value.parse()?,
                _ => return Err(usage.into()),
            }
        }
        let is_fine = options.callers.iter().all(|count| (2..=250).contains(count));
        if !is_fine || options.rounds == 0 || options.seconds < 2 {
            return Err("2 to 250 callers, one round and two seconds at least".into());
        }
        Ok(options)
    }
}

fn main() -> Outcome<()> {
    let options = Options::read(env::args().skip(1))?;
    println!(
        "{:>7} {:>6} {:>7} {:>7} {:>7} {:>16}",
        "callers", "sounds", "p50", "p95", "max", "% of core each"
    );
    for callers in &options.callers {
        let node = Node::start(&options)?;
        let (mut delays, mut shares) = (Vec::new(), Vec::new());
        for round in 0..options.rounds {
            let measured = measure(&node, *callers, options.seconds, round)?;
            delays.extend(measured.delays);
            shares.push(measured.cpu / *callers as f64 * 100.0);
        }
        delays.sort_by(f64::total_cmp);
        shares.sort_by(f64::total_cmp);
        let at = |share: f64| delays.get(((delays.len().max(1) - 1) as f64 * share) as usize);
        let (half, most, last) = (at(0.5), at(0.95), at(1.0));
        let written = |delay: Option<&f64>| delay.map_or("-".to_owned(), |ms| format!("{ms:.1}"));
        println!(
            "{callers:>7} {:>6} {:>7} {:>7} {:>7} {:>16.3}",
            delays.len(),
            written(half),
            written(most),
            written(last),
            shares.get(shares.len() / 2).copied().unwrap_or_default()
        );
    }
    println!("ms from a sample in a packet that is sent to the same one in a packet that comes");
    Ok(())
}

/// The node that is measured.
struct Node(Child);

impl Node {
    fn start(options: &Options) -> Outcome<Node> {
        fs::create_dir_all(&options.directory)?;
        let file = options.directory.join("edge.toml");
        fs::write(&file, configuration(&options.directory))?;
        let mut command = Command::new(&options.tandem);
        command.args(["run".as_ref(), "--config".as_ref(), file.as_os_str()]);
        command.stdout(Stdio::null()).stderr(fs::File::create(options.directory.join("log"))?);
        let node = Node(command.spawn()?);
        let socket = UdpSocket::bind((CALLERS, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let asked = format!(
                "OPTIONS sip:meet.localhost.test SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch=z9hG4bK{1}\r\n\
                 From: <sip:bench@{0}>;tag=1\r\nTo: <sip:meet.localhost.test>\r\nCall-ID: {1}\r\n\
                 CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
                socket.local_addr()?,
                unique(),
            );
            let _ = socket.send_to(asked.as_bytes(), SIP);
            if socket.recv(&mut [0; 2_000]).is_ok() {
                return Ok(node);
            }
        }
        Err(format!("the node does not answer; see {}", options.directory.join("log").display())
            .into())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn configuration(directory: &Path) -> String {
    format!(
        "[node]\ndata_dir = {:?}\n\n[sip]\ndomain = \"localhost.test\"\nudp = [\"{SIP}\"]\n\n\
         [media]\nbind = [\"{CALLERS}\"]\nports = \"20000-21999\"\n\n\
         [rooms]\nallow_plain = [\"{CALLERS}\"]\n\n[[rooms.meeting]]\nname = \"Bench\"\n\
         attendee_id = \"{MEETING}\"\nmoderator_id = \"7035550123456\"\nannounce = \"off\"\n",
        directory.join("data").display().to_string()
    )
}

/// Another one each time.
fn unique() -> String {
    use std::sync::atomic::AtomicU64;
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

struct Measured {
    /// In ms.
    delays: Vec<f64>,
    /// Of one core.
    cpu: f64,
}

fn measure(node: &Node, callers: usize, seconds: u64, round: u32) -> Outcome<Measured> {
    let mut calls = Vec::new();
    for _ in 0..callers {
        calls.push(Caller::join()?);
    }
    // The mixer's frames begin whenever the first caller came; ours stand otherwise to them in each round.
    thread::sleep(Duration::from_micros(u64::from(round) * 7_300 % 20_000));
    let began = Instant::now();
    let listener = calls.get(1).ok_or("two callers at least")?.rtp.try_clone()?;
    let stops = Arc::new(AtomicBool::new(false));
    let heard = {
        let stops = Arc::clone(&stops);
        thread::spawn(move || hear(&listener, began, &stops))
    };
    let frames = u32::try_from((WARM + Duration::from_secs(seconds)).as_millis() / 20)?;
    let warm = u32::try_from(WARM.as_millis() / 20)?;
    let mut made = Vec::new();
    let mut used = Duration::ZERO;
    for frame in 0..frames {
        if frame == warm {
            used = cpu::of_process(node.0.id())?;
        }
        let is_sound = frame % PERIOD < SOUND;
        for (at, call) in calls.iter().enumerate() {
            let sent = call.say(frame, at == 0 && is_sound)?;
            if at == 0 && frame % PERIOD == 0 && frame >= warm {
                made.push(sent.duration_since(began).as_secs_f64() * 1e3);
            }
        }
        thread::sleep((began + FRAME * (frame + 1)).saturating_duration_since(Instant::now()));
    }
    let used = cpu::of_process(node.0.id())? - used;
    stops.store(true, Ordering::Release);
    let heard = heard.join().map_err(|_| "the listener has panicked")??;
    for call in &mut calls {
        call.leave()?;
    }
    let within = |at: &f64| heard.iter().find(|onset| (*at..*at + 400.0).contains(*onset)).copied();
    let delays = made.iter().filter_map(|at| Some(within(at)? - at)).collect();
    Ok(Measured { delays, cpu: used.as_secs_f64() / seconds as f64 })
}

/// When sounds begin in what is heard, in ms after `began`.
fn hear(rtp: &UdpSocket, began: Instant, stops: &AtomicBool) -> Result<Vec<f64>, String> {
    let (mut octets, mut onsets, mut quiet) = ([0; 2_000], Vec::new(), 0_usize);
    rtp.set_read_timeout(Some(Duration::from_millis(100))).map_err(|error| error.to_string())?;
    while !stops.load(Ordering::Acquire) {
        let len = match rtp.recv(&mut octets) {
            Ok(len) => len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(error) => return Err(error.to_string()),
        };
        let came = began.elapsed().as_secs_f64() * 1e3;
        let Ok(packet) = RtpPacket::parse(octets.get(..len).unwrap_or_default()) else { continue };
        if packet.payload_type() != 0 {
            continue;
        }
        for (at, octet) in packet.payload().iter().enumerate() {
            if decode_mu_law(*octet).unsigned_abs() < LOUD.unsigned_abs() {
                quiet += 1;
                continue;
            }
            // A tone's own zeros are no silence.
            if std::mem::take(&mut quiet) > 100 * MILLI as usize {
                onsets.push(came + at as f64 / MILLI);
            }
        }
    }
    Ok(onsets)
}

/// A call to the meeting.
struct Caller {
    sip: UdpSocket,
    rtp: UdpSocket,
    to: SocketAddr,
    call_id: String,
    /// The node's To, with its tag.
    far: String,
    ssrc: u32,
}

impl Caller {
    fn join() -> Outcome<Caller> {
        let (sip, rtp) = (UdpSocket::bind((CALLERS, 0))?, UdpSocket::bind((CALLERS, 0))?);
        sip.set_read_timeout(Some(PATIENCE))?;
        let call_id = unique();
        let far = format!("<sip:{MEETING}@meet.localhost.test>");
        let ssrc = u32::from(rtp.local_addr()?.port());
        let mut caller = Caller { sip, rtp, to: SIP.parse()?, call_id, far, ssrc };
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 {CALLERS}\r\ns=-\r\nc=IN IP4 {CALLERS}\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
            caller.rtp.local_addr()?.port()
        );
        caller.ask("INVITE", 1, &offer)?;
        let answer = caller.answer()?;
        let line = |start: &str| answer.lines().find_map(|line| line.strip_prefix(start));
        caller.far = line("To: ").ok_or("an answer without To")?.to_owned();
        let port = line("m=audio ").and_then(|line| line.split(' ').next());
        caller.to = SocketAddr::new(CALLERS.parse()?, port.ok_or("no audio")?.parse()?);
        caller.ask("ACK", 1, "")?;
        Ok(caller)
    }

    fn leave(&mut self) -> Outcome<()> {
        self.ask("BYE", 2, "")?;
        self.answer().map(drop)
    }

    fn ask(&self, method: &str, number: u32, body: &str) -> Outcome<()> {
        let (me, branch) = (self.sip.local_addr()?, unique());
        let Caller { call_id, far, .. } = self;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let request = format!(
            "{method} sip:{MEETING}@meet.localhost.test SIP/2.0\r\n\
             Via: SIP/2.0/UDP {me};branch=z9hG4bK{branch}\r\nFrom: <sip:bench@{me}>;tag=1\r\n\
             To: {far}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:bench@{me}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.sip.send_to(request.as_bytes(), SIP)?;
        Ok(())
    }

    /// The final answer.
    fn answer(&self) -> Outcome<String> {
        let mut octets = [0; 4_000];
        loop {
            let len = self.sip.recv(&mut octets)?;
            let text = String::from_utf8_lossy(octets.get(..len).unwrap_or_default()).into_owned();
            match text.get(8..11) {
                Some("200") => return Ok(text),
                Some(status) if text.starts_with("SIP/2.0 ") && !status.starts_with('1') => {
                    return Err(
                        format!("refused: {}", text.lines().next().unwrap_or_default()).into()
                    );
                }
                _ => {}
            }
        }
    }

    /// Sends a packet; when that was.
    fn say(&self, frame: u32, is_sound: bool) -> Outcome<Instant> {
        let header = RtpHeader {
            payload_type: 0,
            marker: frame == 0,
            sequence: frame as u16,
            timestamp: frame * SAMPLES as u32,
            ssrc: self.ssrc,
        };
        let mut packet = vec![0xff; RtpHeader::BYTES + SAMPLES];
        header.write_header(&mut packet).ok_or("no room for a header")?;
        if is_sound {
            for (n, octet) in packet.iter_mut().skip(RtpHeader::BYTES).enumerate() {
                // 1,000 Hz, from its crest on.
                let turn = n as f64 / MILLI * std::f64::consts::TAU;
                *octet = encode_mu_law((turn.cos() * 8_000.0) as i16);
            }
        }
        let sent = Instant::now();
        self.rtp.send_to(&packet, self.to)?;
        Ok(sent)
    }
}
