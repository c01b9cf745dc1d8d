//! Handshakes, within their deadline and their bounds, and who is told when they fail.

use super::failure::HandshakeFailure;
use super::judge;
use super::state::Tls;
use crate::clock::unix_seconds;
use b2bua::{ExpectedPeer, PeerCertificate};
use rustls::{ClientConnection, Connection, ServerConnection};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;

/// The content type of a handshake record: the first octet of every TLS connection.
const HANDSHAKE_RECORD: u8 = 22;

/// Read at a time. The plaintext of so much fits into rustls's own buffer.
const READ_BYTES: usize = 8 * 1024;

/// A connection whose handshake is complete, free of any runtime.
pub(crate) struct Secured {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) connection: Box<Connection>,
    /// What the peer that connected to us has proved.
    pub(crate) certificate: Option<PeerCertificate>,
}

/// What the log may say of failed handshakes: a few lines a second, whoever floods us.
#[derive(Default)]
pub(crate) struct Complaints {
    second: AtomicI64,
    said: AtomicU64,
    unsaid: AtomicU64,
}

const COMPLAINTS_A_SECOND: u64 = 5;

impl Complaints {
    /// How many were swallowed since the last one that was said; `None` to swallow this one too.
    fn may_say(&self, now: i64) -> Option<u64> {
        if self.second.swap(now, Ordering::Relaxed) != now {
            self.said.store(0, Ordering::Relaxed);
        }
        if self.said.fetch_add(1, Ordering::Relaxed) < COMPLAINTS_A_SECOND {
            return Some(self.unsaid.swap(0, Ordering::Relaxed));
        }
        self.unsaid.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Tls {
    /// Counts a failure and says what to change.
    pub(crate) fn complain(
        &self,
        peer: SocketAddr,
        expected: Option<&ExpectedPeer>,
        failure: HandshakeFailure,
        detail: &str,
    ) {
        self.tally.failed(failure);
        let Some(unsaid) = self.complaints.may_say(unix_seconds()) else { return };
        let name = expected.map(|expected| expected.name.to_string()).unwrap_or_default();
        let advice = failure.advice();
        tracing::warn!(%peer, name, kind = failure.name(), detail, unsaid, "TLS failed: {advice}");
    }
}

/// Our side of a connection that a peer opened.
pub(crate) async fn accept(
    tls: &Tls,
    stream: TcpStream,
    peer: SocketAddr,
    limit: Duration,
) -> Result<Secured, HandshakeFailure> {
    let failed = |failure: HandshakeFailure, detail: &str| {
        tls.complain(peer, None, failure, detail);
        failure
    };
    let loaded = tls.loaded();
    let connection = ServerConnection::new(loaded.server.clone())
        .map_err(|error| failed(HandshakeFailure::Settings, &error.to_string()))?;
    let mut connection = Box::new(Connection::from(connection));
    let shaken = tokio::time::timeout(limit, shake(&stream, &mut connection, true)).await;
    match shaken.unwrap_or(Err(Fault::new(HandshakeFailure::Timeout))) {
        Ok(()) => tls.tally.completed(),
        Err(fault) => return Err(failed(fault.kind, &fault.detail)),
    }
    let chain = connection.peer_certificates();
    let certificate = chain.and_then(|chain| judge::judge(&loaded.judges, chain));
    let stream =
        stream.into_std().map_err(|error| failed(HandshakeFailure::Closed, &error.to_string()))?;
    Ok(Secured { stream, connection, certificate })
}

/// Our side of a connection that we opened.
pub(crate) async fn connect(
    tls: &Tls,
    connecting: impl Future<Output = io::Result<TcpStream>>,
    peer: SocketAddr,
    expected: &ExpectedPeer,
    limits: [Duration; 2],
) -> io::Result<Secured> {
    let failed = |failure: HandshakeFailure, detail: &str| {
        tls.complain(peer, Some(expected), failure, detail);
        io::Error::other(failure.name())
    };
    let [connect_limit, handshake_limit] = limits;
    let loaded = tls.loaded();
    let config = loaded.client(&expected.policy);
    let name = super::client::server_name(&expected.name);
    let (Some(config), Some(name)) = (config, name) else {
        return Err(failed(HandshakeFailure::Settings, "its certificate files cannot be used"));
    };
    let stream = tokio::time::timeout(connect_limit, connecting).await??;
    let connection = ClientConnection::new(config.clone(), name)
        .map_err(|error| failed(HandshakeFailure::Settings, &error.to_string()))?;
    let mut connection = Box::new(Connection::from(connection));
    let shaken =
        tokio::time::timeout(handshake_limit, shake(&stream, &mut connection, false)).await;
    match shaken.unwrap_or(Err(Fault::new(HandshakeFailure::Timeout))) {
        Ok(()) => tls.tally.completed(),
        Err(fault) => return Err(failed(fault.kind, &fault.detail)),
    }
    Ok(Secured { stream: stream.into_std()?, connection, certificate: None })
}

struct Fault {
    kind: HandshakeFailure,
    detail: String,
}

impl Fault {
    fn new(kind: HandshakeFailure) -> Fault {
        Fault { kind, detail: String::new() }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault { kind: HandshakeFailure::Closed, detail: error.to_string() }
    }
}

/// Exchanges handshake messages until there are no more. What the peer sent behind them stays in
/// `connection`.
async fn shake(stream: &TcpStream, connection: &mut Connection, check: bool) -> Result<(), Fault> {
    let mut octets = vec![0_u8; READ_BYTES];
    let mut first = check;
    loop {
        write(stream, connection).await?;
        if !connection.is_handshaking() {
            return Ok(());
        }
        stream.readable().await?;
        let length = match stream.try_read(&mut octets) {
            Ok(0) => return Err(Fault::new(HandshakeFailure::Closed)),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        if std::mem::take(&mut first) && octets.first() != Some(&HANDSHAKE_RECORD) {
            // Not even an alert: it would be noise in a protocol that the peer does not speak.
            return Err(Fault::new(HandshakeFailure::Plaintext));
        }
        let mut rest = octets.get(..length).unwrap_or_default();
        while !rest.is_empty() {
            connection.read_tls(&mut rest)?;
            if let Err(error) = connection.process_new_packets() {
                // The alert tells the peer what it did wrong.
                let _ = write(stream, connection).await;
                let detail = error.to_string();
                return Err(Fault { kind: HandshakeFailure::of(&error), detail });
            }
        }
    }
}

async fn write(stream: &TcpStream, connection: &mut Connection) -> io::Result<()> {
    let mut octets = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut octets)?;
    }
    if octets.is_empty() {
        return Ok(());
    }
    write_all(stream, &octets).await
}

async fn write_all(stream: &TcpStream, octets: &[u8]) -> io::Result<()> {
    let mut rest = octets;
    while !rest.is_empty() {
        stream.writable().await?;
        match stream.try_write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failures_says_a_few_lines_and_how_many_it_did_not() {
        let complaints = Complaints::default();
        let said = (0..100).filter(|_| complaints.may_say(7).is_some()).count() as u64;
        assert_eq!(said, COMPLAINTS_A_SECOND);
        assert_eq!(complaints.may_say(8), Some(100 - COMPLAINTS_A_SECOND));
        assert_eq!(complaints.may_say(8), Some(0));
    }
}
