//! The relays that are compared, each in a process of its own on a core of its own.

use crate::network::Network;
use crate::srtp::Srtp;
use model::SrtpKey;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The core that relays run on when there is more than one.
pub const RELAY_CORE: usize = 1;
/// The core of everything else.
pub const ENDS_CORE: usize = 0;

const NG: &str = "127.0.0.1:2224";
const PORTS: (u16, u16) = (10_000, 60_000);

/// A relay under test.
pub trait Relay {
    /// Anchors one call: where the caller's and where the callee's packets are to be sent.
    ///
    /// # Errors
    /// When the relay refuses or does not answer.
    fn open(&mut self, call: usize, ends: [SocketAddr; 2]) -> io::Result<[SocketAddr; 2]>;

    /// Its process.
    fn pid(&self) -> u32;
}

/// Tandem's relay.
#[derive(Debug)]
pub struct Tandem {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Tandem {
    /// Starts `relay-host` from beside this program; for `path` see there.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(network: &Network, path: &str, srtp: Option<Srtp>) -> io::Result<Tandem> {
        let host = std::env::current_exe()?.with_file_name("relay-host");
        let mut child = pinned(&host.to_string_lossy())
            .arg(network.relay.to_string())
            .arg(format!("{}-{}", PORTS.0, PORTS.1))
            .arg(path)
            .args(srtp.map(|srtp| srtp.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("relay-host has no pipes"));
        };
        Ok(Tandem { child, input, output: BufReader::new(output) })
    }
}

impl Relay for Tandem {
    fn open(&mut self, call: usize, ends: [SocketAddr; 2]) -> io::Result<[SocketAddr; 2]> {
        writeln!(self.input, "open {call} {} {}", ends[0], ends[1])?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let addresses: Vec<SocketAddr> =
            line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        match addresses[..] {
            [a, b] => Ok([a, b]),
            _ => Err(io::Error::other(format!("relay-host said {line:?}"))),
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Tandem {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// rtpengine without its kernel module.
#[derive(Debug)]
pub struct Rtpengine {
    child: Child,
    control: UdpSocket,
    cookie: u64,
    srtp: Option<Srtp>,
}

impl Rtpengine {
    /// Starts the daemon with one worker thread, since it gets one core.
    ///
    /// # Errors
    /// When it does not start or does not answer a ping.
    pub fn start(network: &Network, srtp: Option<Srtp>) -> io::Result<Rtpengine> {
        let child = pinned("rtpengine")
            .args(["--foreground", "--table=-1", "--delete-delay=0", "--num-threads=1"])
            .args(["--log-level=2", "--log-stderr"])
            .arg(format!("--interface={}", network.relay))
            .arg(format!("--listen-ng={NG}"))
            .arg(format!("--port-min={}", PORTS.0))
            .arg(format!("--port-max={}", PORTS.1))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let control = UdpSocket::bind("127.0.0.1:0")?;
        control.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut relay = Rtpengine { child, control, cookie: 0, srtp };
        for _ in 0..20 {
            if relay.ask(&[("command", "ping")]).is_ok() {
                return Ok(relay);
            }
            pause();
        }
        Err(io::Error::other("rtpengine does not answer a ping"))
    }

    fn ask(&mut self, request: &[(&str, &str)]) -> io::Result<String> {
        self.cookie += 1;
        let mut message = format!("bench{} d", self.cookie);
        // Keys of a bencoded dictionary are sorted.
        for (key, value) in request.iter().copied().collect::<BTreeMap<_, _>>() {
            message.push_str(&format!("{}:{key}", key.len()));
            match value.strip_prefix("[]") {
                Some(item) => message.push_str(&format!("l{}:{item}e", item.len())),
                None => message.push_str(&format!("{}:{value}", value.len())),
            }
        }
        message.push('e');
        self.control.send_to(message.as_bytes(), NG)?;
        let mut answer = [0; 8192];
        let length = self.control.recv(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        if answer.contains("2:ok") || answer.contains("4:pong") {
            return Ok(answer);
        }
        Err(io::Error::other(format!("rtpengine refused: {answer}")))
    }
}

impl Relay for Rtpengine {
    fn open(&mut self, call: usize, ends: [SocketAddr; 2]) -> io::Result<[SocketAddr; 2]> {
        let call_id = format!("bench-{call}");
        let crypto = |leg| self.srtp.and_then(|srtp| srtp.key(leg)).map(|key| crypto(&key, 1));
        let protections = [crypto(0), crypto(1)];
        let offer = sdp(ends[0], protections[0].as_deref());
        let protocol = if protections[1].is_some() { "RTP/SAVP" } else { "RTP/AVP" };
        let mut request = vec![
            ("call-id", call_id.as_str()),
            ("command", "offer"),
            ("from-tag", "caller"),
            ("ICE", "remove"),
            ("sdp", offer.as_str()),
            ("transport-protocol", protocol),
        ];
        let offered = self.ask(&request)?;
        let to_callee = address_in(&offered)?;
        let protection = match self.srtp.and_then(|srtp| srtp.key(1)) {
            Some(key) => Some(crypto_for(&key, &offered)?),
            None => None,
        };
        let answer = sdp(ends[1], protection.as_deref());
        request.pop();
        request[1].1 = "answer";
        request[4].1 = answer.as_str();
        request.push(("to-tag", "callee"));
        let to_caller = address_in(&self.ask(&request)?)?;
        // What the callee is told is where the callee sends to.
        Ok([to_caller, to_callee])
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Rtpengine {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// The `a=crypto` of a key (RFC 4568 section 9.1).
fn crypto(key: &SrtpKey, tag: u32) -> String {
    let material = [key.master_key(), key.master_salt()].concat();
    format!("a=crypto:{tag} {} inline:{}\r\n", key.suite(), base64(&material))
}

/// The same, with the tag under which `offer` has its suite.
fn crypto_for(key: &SrtpKey, offer: &str) -> io::Result<String> {
    let lines = offer.split("a=crypto:").skip(1);
    let tag = lines
        .filter_map(|line| line.split_once(' '))
        .find(|(_, rest)| rest.split(' ').next() == Some(key.suite().name()))
        .and_then(|(tag, _)| tag.parse().ok())
        .ok_or_else(|| io::Error::other(format!("{} is not in {offer:?}", key.suite())))?;
    Ok(crypto(key, tag))
}

/// RFC 4648 section 4, without padding for what needs none.
fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in octets.chunks(3) {
        let mut three = [0; 3];
        three[..group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            let sextet = bits >> (18 - 6 * place) & 63;
            out.push(if place <= group.len() {
                char::from(ALPHABET[sextet as usize])
            } else {
                '='
            });
        }
    }
    out
}

fn sdp(at: SocketAddr, crypto: Option<&str>) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} {profile} 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\na=rtcp-mux\r\n{crypto}",
        profile = if crypto.is_some() { "RTP/SAVP" } else { "RTP/AVP" },
        crypto = crypto.unwrap_or_default(),
        ip = at.ip(),
        port = at.port()
    )
}

fn address_in(answer: &str) -> io::Result<SocketAddr> {
    let after = |mark: &str| {
        let rest = answer.split_once(mark)?.1;
        rest.split(|c: char| c.is_whitespace()).next()
    };
    let ip = after("c=IN IP4 ").and_then(|text| text.parse::<IpAddr>().ok());
    let port = after("m=audio ").and_then(|text| text.parse().ok());
    match (ip, port) {
        (Some(ip), Some(port)) => Ok(SocketAddr::new(ip, port)),
        _ => Err(io::Error::other(format!("no address in {answer:?}"))),
    }
}

fn pinned(program: &str) -> Command {
    if crate::cpu::cores() < 2 {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    // taskset becomes the program, so its process is the program's.
    command.args(["-c", &RELAY_CORE.to_string(), program]);
    command
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[expect(clippy::disallowed_methods, reason = "another process starts up")]
fn pause() {
    std::thread::sleep(Duration::from_millis(100));
}
