//! What lies between a connection's octets and its messages: nothing, or TLS.

use rustls::Connection;
use sip_proto::StreamFramer;
use std::io::{self, BufRead, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The layer of one connection. The lock is never contended: both halves of a connection are one
/// task.
pub(super) enum Layer {
    Plain,
    Tls(Mutex<Box<Connection>>),
}

/// What came of octets that were taken.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Taken {
    /// TLS has something to say itself.
    pub(super) must_write: bool,
    /// The peer has said that nothing more comes.
    pub(super) closed: bool,
}

fn locked(connection: &Mutex<Box<Connection>>) -> MutexGuard<'_, Box<Connection>> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Layer {
    pub(super) fn tls(connection: Box<Connection>) -> Layer {
        Layer::Tls(Mutex::new(connection))
    }

    /// Hands what came from the socket to the framer. With no octets: what the handshake left.
    pub(super) fn take(
        &self,
        mut octets: &[u8],
        framer: &mut StreamFramer,
    ) -> Result<Taken, rustls::Error> {
        let Layer::Tls(connection) = self else {
            framer.push(octets);
            return Ok(Taken::default());
        };
        let mut connection = locked(connection);
        let mut taken = Taken::default();
        loop {
            drain(&mut connection, framer);
            if octets.is_empty() {
                break;
            }
            let broken = |error: io::Error| rustls::Error::General(error.to_string());
            if connection.read_tls(&mut octets).map_err(broken)? == 0 {
                break;
            }
            taken.closed |= connection.process_new_packets()?.peer_has_closed();
        }
        taken.must_write = connection.wants_write();
        Ok(taken)
    }

    /// Makes of `plain` what goes to the socket. Over TLS also what TLS itself has to say.
    pub(super) fn give(&self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let Layer::Tls(connection) = self else {
            out.extend_from_slice(plain);
            return Ok(());
        };
        let mut connection = locked(connection);
        let mut rest = plain;
        loop {
            while connection.wants_write() {
                connection.write_tls(out)?;
            }
            if rest.is_empty() {
                return Ok(());
            }
            let written = connection.writer().write(rest)?;
            rest = rest.get(written..).unwrap_or_default();
        }
    }

    /// Says that nothing more comes from us.
    pub(super) fn finish(&self, out: &mut Vec<u8>) -> io::Result<()> {
        if let Layer::Tls(connection) = self {
            locked(connection).send_close_notify();
        }
        self.give(&[], out)
    }

    pub(super) const fn is_tls(&self) -> bool {
        matches!(self, Layer::Tls(_))
    }
}

fn drain(connection: &mut Connection, framer: &mut StreamFramer) {
    let mut reader = connection.reader();
    // An error says that there is nothing more, for now or for good.
    while let Ok(plain) = reader.fill_buf() {
        let length = plain.len();
        if length == 0 {
            break;
        }
        framer.push(plain);
        reader.consume(length);
    }
}
