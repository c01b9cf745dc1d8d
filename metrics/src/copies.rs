//! What the recorder copies to a HEP collector, and the socket that sends it.

use crate::Recorder;
use crate::hep::{self, HepConfig};
use model::{Instant, QualityReport, ReportKind, SipMessageEvent};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Copies that wait for [`Recorder::poll_copy`]. Full policy: the newest is dropped, and counted.
const WAITING: usize = 4_096;

impl Recorder {
    /// The next packet for the collector.
    pub fn poll_copy(&mut self) -> Option<Vec<u8>> {
        self.copies.pop_front()
    }

    pub(crate) fn copy_message(&mut self, event: &SipMessageEvent) {
        let Some(config) = self.config.hep.as_ref().filter(|config| config.messages) else {
            return;
        };
        let is_copied = match event.transaction_id {
            Some(call) => config.has(call, event.voice_connector.as_ref()),
            None => config.others,
        };
        let privacy = &self.config.privacy.hep;
        if is_copied
            && let Some(packet) = hep::of_message(config, privacy, self.micros(event.at), event)
        {
            self.copy(packet);
        }
    }

    /// Live reports are for eyes alone.
    pub(crate) fn copy_quality(&mut self, report: &QualityReport) {
        let Some(config) = self.config.hep.as_ref().filter(|config| config.quality) else { return };
        let parties =
            self.calls.get(&report.transaction_id).and_then(|call| call.parties.as_deref());
        if let Some(parties) = parties
            && report.kind != ReportKind::Live
            && config.has(report.transaction_id, Some(&parties.voice_connector))
        {
            let at = self.micros(report.at);
            let packet = hep::of_quality(config, at, report, &parties.call_id);
            self.copy(packet);
        }
    }

    /// The calendar time, in µs since 1970: milliseconds would give messages of one turn one time.
    fn micros(&self, at: Instant) -> u64 {
        let origin = self.config.origin.as_millis().saturating_mul(1_000);
        origin.saturating_add(at.as_nanos() / 1_000)
    }

    fn copy(&mut self, packet: Vec<u8>) {
        if self.copies.len() >= WAITING || packet.len() > hep::LONGEST {
            self.page.dropped("hep");
        } else {
            self.copies.push_back(packet);
        }
    }
}

/// The way to the collector. UDP, as HEP's senders do it: nobody waits for a collector.
#[derive(Debug)]
pub(crate) struct CopySender(UdpSocket);

impl CopySender {
    /// # Errors
    /// As `bind(2)` and `connect(2)`.
    pub(crate) fn new(config: &HepConfig) -> io::Result<Self> {
        let any: IpAddr = match config.target {
            std::net::SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            std::net::SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(config.target)?;
        Ok(CopySender(socket))
    }

    /// Whether the system took it. A collector that is not there answers one packet later (ICMP):
    /// that error is taken away, and the packet sent.
    pub(crate) fn send(&self, packet: &[u8]) -> bool {
        match self.0.send(packet) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                self.0.send(packet).is_ok()
            }
            sent => sent.is_ok(),
        }
    }
}
