//! Calls over SIP on UDP, without retransmission: there is nothing between the ends that would lose a packet.

use crate::rooms::{Codec, LOOPBACK, Outcome};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// Asks for options until somebody answers.
///
/// # Errors
/// When nobody does.
#[expect(clippy::disallowed_methods, reason = "a bench reads the clock while it waits for a start")]
pub fn wait_for_answer(at: SocketAddr, uri: &str) -> Outcome<()> {
    let socket = UdpSocket::bind((LOOPBACK, 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let asked = format!(
            "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch=z9hG4bK{1}\r\n\
             From: <sip:bench@{0}>;tag=1\r\nTo: <{uri}>\r\nCall-ID: {1}\r\n\
             CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            socket.local_addr()?,
            unique(),
        );
        let _ = socket.send_to(asked.as_bytes(), at);
        if socket.recv(&mut [0; 2_000]).is_ok() {
            return Ok(());
        }
    }
    Err("it does not answer".into())
}

/// Another one each time.
fn unique() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

/// A call to a room.
#[derive(Debug)]
pub struct Call {
    sip: UdpSocket,
    at: SocketAddr,
    uri: String,
    call_id: String,
    /// The server's To, with its tag.
    far: String,
}

impl Call {
    /// Calls `uri` at `at`, with RTP at `rtp`; where the server's is.
    ///
    /// # Errors
    /// When it is refused, or answered with something else.
    pub fn begin(
        (at, uri): (SocketAddr, &str),
        rtp: SocketAddr,
        codec: Codec,
    ) -> Outcome<(Call, SocketAddr)> {
        let sip = UdpSocket::bind((LOOPBACK, 0))?;
        sip.set_read_timeout(Some(PATIENCE))?;
        let (uri, far) = (uri.to_owned(), format!("<{uri}>"));
        let mut call = Call { sip, at, uri, call_id: unique(), far };
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

    /// Hangs up.
    ///
    /// # Errors
    /// When that is refused.
    pub fn end(&self) -> Outcome<()> {
        self.ask("BYE", 2, "")?;
        self.answer().map(drop)
    }

    fn ask(&self, method: &str, number: u32, body: &str) -> Outcome<()> {
        let (me, branch) = (self.sip.local_addr()?, unique());
        let Call { call_id, far, uri, .. } = self;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let request = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {me};branch=z9hG4bK{branch}\r\nFrom: <sip:bench@{me}>;tag=1\r\n\
             To: {far}\r\nCall-ID: {call_id}\r\nCSeq: {number} {method}\r\nMax-Forwards: 70\r\n\
             Contact: <sip:bench@{me}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.sip.send_to(request.as_bytes(), self.at)?;
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
