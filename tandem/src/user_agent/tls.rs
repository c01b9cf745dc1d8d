//! TLS of the user agent: the layer of one connection.

use crate::trust::Trust;
use rustls::{ClientConnection, Connection, ServerConfig, ServerConnection};
use sip_proto::StreamFramer;
use std::fmt;
use std::io::{self, BufRead as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// The layer of one connection.
pub(super) struct Session(Box<Connection>);

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

fn wrong(error: &rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

impl Session {
    /// Shakes hands on a connection that we opened; waits for it.
    pub(super) fn connect(trust: &Trust, stream: &mut TcpStream) -> io::Result<Session> {
        let connection = ClientConnection::new(Arc::clone(&trust.config), trust.name.clone())
            .map_err(|error| wrong(&error))?;
        let mut connection = Connection::from(connection);
        stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
        stream.set_write_timeout(Some(HANDSHAKE_TIMEOUT))?;
        while connection.is_handshaking() || connection.wants_write() {
            connection.complete_io(stream).map_err(|error| {
                io::Error::new(error.kind(), format!("TLS with {:?}: {error}", trust.name.to_str()))
            })?;
        }
        Ok(Session(Box::new(connection)))
    }

    /// The side of a connection that a peer opened.
    pub(super) fn accept(config: &Arc<ServerConfig>) -> io::Result<Session> {
        let connection =
            ServerConnection::new(Arc::clone(config)).map_err(|error| wrong(&error))?;
        Ok(Session(Box::new(Connection::from(connection))))
    }

    /// Hands what came from the socket to the framer, and puts what TLS has to say into `out`.
    pub(super) fn take(
        &mut self,
        octets: &[u8],
        framer: &mut StreamFramer,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let mut rest = octets;
        let mut taken = Ok(());
        while !rest.is_empty() && taken.is_ok() {
            self.0.read_tls(&mut rest)?;
            taken = self.0.process_new_packets().map(drop);
            let mut reader = self.0.reader();
            while let Ok(plain) = reader.fill_buf() {
                let length = plain.len();
                if length == 0 {
                    break;
                }
                framer.push(plain);
                reader.consume(length);
            }
        }
        // Also the alert that says what was wrong.
        self.write(out)?;
        taken.map_err(|error| wrong(&error))
    }

    /// Puts what goes to the socket for `plain` into `out`.
    pub(super) fn give(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut rest = plain;
        while !rest.is_empty() {
            let written = self.0.writer().write(rest)?;
            rest = rest.get(written..).unwrap_or_default();
            self.write(out)?;
        }
        Ok(())
    }

    fn write(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        while self.0.wants_write() {
            self.0.write_tls(out)?;
        }
        Ok(())
    }
}
