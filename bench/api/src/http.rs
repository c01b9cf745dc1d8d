//! Requests over HTTP/1.1, each connection a thread of its own that asks again when it has the answer;
//! and a peer that answers without looking, for what connections and this client cost alone.

use crate::fail;
use crate::signer::{Signer, amz_time};
use crate::{Ask, Asks};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// An answer of the peer that does not look.
const LIMIT_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
    content-length: 2\r\n\r\n{}";
/// Longer heads are not read.
const HEAD_MAX: usize = 64 * 1024;
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    signer: Signer,
    /// Sent after the signed headers.
    more: &'static str,
    read: Vec<u8>,
    /// The last answer was of a server that keeps no connection.
    is_over: bool,
}

/// Now, as signatures have it.
pub(crate) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    amz_time(since.as_secs())
}

impl Connection {
    /// `None` when nobody listens.
    pub(crate) fn open(to: SocketAddr, key: (&str, &str), service: &str) -> Option<Connection> {
        let stream = TcpStream::connect(to).ok()?;
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(ANSWER_LIMIT));
        let more = match service {
            "sts" => "content-type: application/x-www-form-urlencoded\r\n",
            _ => "content-type: application/json\r\n",
        };
        let signer = Signer::new(key, &now(), service, &to.to_string());
        Some(Connection { stream, signer, more, read: Vec::new(), is_over: false })
    }

    /// The status and the length of the body.
    pub(crate) fn ask(&mut self, (method, path, query, body): &Ask) -> (u16, usize) {
        let mut head = String::with_capacity(512);
        let mark = if query.is_empty() { "" } else { "?" };
        let _ = write!(head, "{method} {path}{mark}{query} HTTP/1.1\r\n");
        for (name, value) in self.signer.headers(method, path, query, body.as_bytes()) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "{}content-length: {}\r\n\r\n{body}", self.more, body.len());
        if self.stream.write_all(head.as_bytes()).is_err() {
            fail("the connection broke");
        }
        let (status, length) = self.head();
        while self.read.len() < length {
            self.more();
        }
        self.read.drain(..length);
        (status, length)
    }

    /// Takes the head of an answer: its status and the length of its body.
    fn head(&mut self) -> (u16, usize) {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(self.read.get(..end).unwrap_or_default());
                let head = head.to_ascii_lowercase();
                self.is_over = head.starts_with("http/1.0") || head.contains("\nconnection: close");
                let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
                let length = length.and_then(|text| text.trim().parse().ok());
                let (Some(status), Some(length)) = (status, length) else {
                    fail(&format!("an answer without a status or a length: {head}"));
                };
                self.read.drain(..end + 4);
                return (status, length);
            }
            if self.read.len() > HEAD_MAX {
                fail("an answer's head is too long");
            }
            self.more();
        }
    }

    fn more(&mut self) {
        let mut octets = [0; 16 * 1024];
        match self.stream.read(&mut octets) {
            Ok(0) | Err(_) => fail("the connection broke before the answer"),
            Ok(count) => self.read.extend_from_slice(octets.get(..count).unwrap_or_default()),
        }
    }
}

/// What a server is asked over.
pub(crate) struct Target<'a> {
    pub(crate) address: SocketAddr,
    /// One for each connection, since a key has a rate.
    pub(crate) keys: &'a [(String, String)],
    pub(crate) service: &'a str,
}

/// Answers a second, when each connection asks for `limit`.
pub(crate) fn rate(target: &Target<'_>, limit: Duration, ask: &Asks) -> f64 {
    let (turn, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for key in target.keys {
            let (turn, done) = (&turn, &done);
            scope.spawn(move || {
                let key = (key.0.as_str(), key.1.as_str());
                let open = || {
                    let connection = Connection::open(target.address, key, target.service);
                    connection.unwrap_or_else(|| fail("nobody listens"))
                };
                let mut connection = open();
                while begin.elapsed() < limit {
                    let request = ask(turn.fetch_add(1, Ordering::Relaxed));
                    let (status, _) = connection.ask(&request);
                    if !(200..300).contains(&status) {
                        fail(&format!("{} {}: {status}", request.0, request.1));
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                    if connection.is_over {
                        connection = open();
                    }
                }
            });
        }
    });
    done.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64()
}

/// Runs `with` beside a peer that answers every request without looking at it.
pub(crate) fn beside_limit<T>(with: impl FnOnce(SocketAddr) -> T) -> T {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|why| fail(&why.to_string()));
    let address = listener.local_addr().unwrap_or_else(|why| fail(&why.to_string()));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                if let Ok(stream) = stream {
                    scope.spawn(move || answer_all(stream));
                }
            }
        });
        let told = with(address);
        over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(address);
        told
    })
}

/// Each read is one request: the client sends one in one piece, and no other before its answer.
fn answer_all(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut octets = [0; 16 * 1024];
    while matches!(stream.read(&mut octets), Ok(1..)) && stream.write_all(LIMIT_ANSWER).is_ok() {}
}
