//! A node of its own with one meeting, called over SIP.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads the clock while it waits for a start"
)]

use crate::rooms::{Codec, LOOPBACK, Outcome, Server};
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SIP: &str = "127.0.0.1:15960";
/// The meeting's id for those who attend.
pub const ATTENDEE: &str = "4081234567";
const PATIENCE: Duration = Duration::from_secs(20);

/// The node that is measured; killed when it is dropped.
#[derive(Debug)]
pub struct Tandem {
    child: Child,
    calls: Vec<Call>,
}

impl Tandem {
    /// Starts the binary with what it keeps below `directory`, until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(binary: &Path, directory: &Path) -> Outcome<Tandem> {
        Tandem::start_with(binary, directory, "")
    }

    /// The same with more in its configuration.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn start_with(binary: &Path, directory: &Path, more: &str) -> Outcome<Tandem> {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory)?;
        let file = directory.join("edge.toml");
        fs::write(&file, configuration(directory) + more)?;
        let mut command = Command::new(binary);
        command.args(["run".as_ref(), "--config".as_ref(), file.as_os_str()]);
        command.stdout(Stdio::null()).stderr(fs::File::create(directory.join("log"))?);
        let node = Tandem { child: command.spawn()?, calls: Vec::new() };
        let socket = UdpSocket::bind((LOOPBACK, 0))?;
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
        Err(format!("the node does not answer; see {}", directory.join("log").display()).into())
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Tandem {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server for Tandem {
    fn pid(&self) -> u32 {
        self.process()
    }

    fn join(&mut self, rtp: SocketAddr, codec: Codec) -> Outcome<SocketAddr> {
        let (call, to) = Call::begin(rtp, codec)?;
        self.calls.push(call);
        Ok(to)
    }

    fn empty(&mut self) -> Outcome<()> {
        self.calls.drain(..).try_for_each(|call| call.end())
    }
}

fn configuration(directory: &Path) -> String {
    format!(
        "[node]\ndata_dir = {:?}\n\n[sip]\ndomain = \"localhost.test\"\nudp = [\"{SIP}\"]\n\n\
         [media]\nbind = [\"{LOOPBACK}\"]\nports = \"20000-21999\"\n\n\
         [limits]\nstranger_answers_per_second = 1000\nstranger_answers_per_source = 1000\n\n\
         [rooms]\nallow_plain = [\"{LOOPBACK}\"]\nmax_calls_per_source = 500\n\n[[rooms.meeting]]\nname = \"Bench\"\n\
         attendee_id = \"{ATTENDEE}\"\nmoderator_id = \"7035550123456\"\nannounce = \"off\"\n",
        directory.join("data").display().to_string()
    )
}

/// Another one each time.
fn unique() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

/// A call to the meeting.
#[derive(Debug)]
struct Call {
    sip: UdpSocket,
    call_id: String,
    /// The node's To, with its tag.
    far: String,
}

impl Call {
    fn begin(rtp: SocketAddr, codec: Codec) -> Outcome<(Call, SocketAddr)> {
        let sip = UdpSocket::bind((LOOPBACK, 0))?;
        sip.set_read_timeout(Some(PATIENCE))?;
        let far = format!("<sip:{ATTENDEE}@meet.localhost.test>");
        let mut call = Call { sip, call_id: unique(), far };
        let number = codec.payload_type();
        let map = match codec {
            Codec::Pcmu => String::new(),
            Codec::Opus => format!("a=rtpmap:{number} opus/48000/2\r\n"),
        };
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 {LOOPBACK}\r\ns=-\r\nc=IN IP4 {LOOPBACK}\r\nt=0 0\r\n\
             m=audio {} RTP/AVP {number} 101\r\n{map}a=rtpmap:101 telephone-event/8000\r\n",
            rtp.port()
        );
        call.ask("INVITE", 1, &offer)?;
        let answer = call.answer()?;
        let line = |start: &str| answer.lines().find_map(|line| line.strip_prefix(start));
        call.far = line("To: ").ok_or("an answer without To")?.to_owned();
        let mut audio = line("m=audio ").ok_or("no audio")?.split(' ');
        let port = audio.next().ok_or("no port")?.parse()?;
        if audio.nth(1).and_then(|text| text.parse().ok()) != Some(number) {
            return Err(format!("not answered with {}", codec.name()).into());
        }
        call.ask("ACK", 1, "")?;
        Ok((call, SocketAddr::new(LOOPBACK.into(), port)))
    }

    fn end(&self) -> Outcome<()> {
        self.ask("BYE", 2, "")?;
        self.answer().map(drop)
    }

    fn ask(&self, method: &str, number: u32, body: &str) -> Outcome<()> {
        let (me, branch) = (self.sip.local_addr()?, unique());
        let Call { call_id, far, .. } = self;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let request = format!(
            "{method} sip:{ATTENDEE}@meet.localhost.test SIP/2.0\r\n\
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
                    let line = text.lines().next().unwrap_or_default();
                    return Err(format!("refused: {line}").into());
                }
                _ => {}
            }
        }
    }
}
