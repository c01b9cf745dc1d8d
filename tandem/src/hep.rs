//! What the recorder is told of `[hep]`, and TLS to the collector.

use crate::config::Config;
use crate::node::StartError;
use crate::trust::Trust;
use call_metrics::{HepConfig, HepLayer, HepTls, HepTransport};
use model::CallSample;
use rustls::{CertificateError, ClientConnection, StreamOwned};
use std::io::{self, Read as _, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// Octets of a collector that are read before its connection is given up; it has nothing to say.
const LAST_WORDS: usize = 64 * 1024;

/// `[hep]`, with the shares of the voice connectors that have their own.
///
/// # Errors
/// Files of TLS that cannot be used.
pub(crate) fn of_config(config: &Config) -> Result<Option<HepConfig>, StartError> {
    let Some(hep) = &config.hep else { return Ok(None) };
    let mut copies = hep.copies.clone();
    copies.sample = sample(config).unwrap_or_default();
    if let Some(tls) = &hep.tls {
        let trust = Trust::new(&tls.name, &tls.policy)
            .map_err(|error| StartError(format!("[hep] {error}")))?;
        copies.transport = HepTransport::Tls(HepTls(Arc::new(Layer(trust))));
    }
    Ok(Some(copies))
}

/// Which calls are copied.
fn sample(config: &Config) -> Option<CallSample> {
    let share = config.hep.as_ref()?.copies.sample.share;
    let connectors = config.directory.voice_connectors();
    let shares = connectors
        .filter_map(|connector| Some((connector.id.clone(), connector.logging.hep_share?)))
        .collect();
    Some(CallSample { share, shares })
}

/// The calls whose RTCP is copied.
pub(crate) fn rtcp_sample(config: &Config) -> Option<CallSample> {
    sample(config).filter(|_| config.hep.as_ref().is_some_and(|hep| hep.copies.rtcp))
}

/// Shakes hands with the collector.
struct Layer(Trust);

impl HepLayer for Layer {
    fn secure(&self, mut stream: TcpStream) -> io::Result<Box<dyn Write + Send>> {
        let Trust { config, name } = &self.0;
        let connection = ClientConnection::new(Arc::clone(config), name.clone());
        let mut connection = connection.map_err(|error| io::Error::other(error.to_string()))?;
        while connection.is_handshaking() || connection.wants_write() {
            connection.complete_io(&mut stream).map_err(|error| explained(&error))?;
        }
        Ok(Box::new(Secured { stream: StreamOwned::new(connection, stream), is_broken: false }))
    }
}

/// A failed handshake, with the setting to look at.
fn explained(error: &io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let advice = match cause {
        Some(rustls::Error::InvalidCertificate(fault)) => match fault {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "set tls_name of [hep] to the name that its certificate is for"
            }
            CertificateError::UnknownIssuer => {
                "set tls_ca of [hep] to the PEM file of the authority that signed its certificate"
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => {
                "the collector must renew its certificate; see this host's clock"
            }
            _ => "the collector must fix its certificate",
        },
        Some(rustls::Error::InvalidMessage(_)) => {
            "see whether the collector speaks TLS at this port, and transport of [hep]"
        }
        Some(rustls::Error::AlertReceived(_)) => {
            "see the collector's log; it may ask for tls_certificate of [hep]"
        }
        Some(_) => "see the collector's log",
        None => "see whether the collector speaks TLS at this port",
    };
    io::Error::new(error.kind(), format!("TLS: {error}: {advice}"))
}

/// A connection under TLS that is only written to.
struct Secured {
    stream: StreamOwned<ClientConnection, TcpStream>,
    is_broken: bool,
}

impl Secured {
    fn noted<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        self.is_broken |= outcome.is_err();
        outcome
    }
}

impl Write for Secured {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(octets);
        self.noted(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.stream.flush();
        self.noted(flushed)
    }
}

impl Drop for Secured {
    /// Says goodbye and waits for the collector's. What it sent behind its handshake (tickets) was never
    /// read: were the connection closed over it, the system would reset it, and what is still on its way
    /// would be lost.
    fn drop(&mut self) {
        if self.is_broken {
            return;
        }
        self.stream.conn.send_close_notify();
        let socket = &mut self.stream.sock;
        let said = self.stream.conn.write_tls(socket).is_ok();
        if !said || socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let (mut buffer, mut read) = ([0; 1_024], 0);
        while read < LAST_WORDS {
            match socket.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(octets) => read += octets,
            }
        }
    }
}

#[cfg(test)]
mod tests;
