//! HEP version 3 (the Homer Encapsulation Protocol, EEP): copies of SIP messages, RTCP and quality
//! reports for a collector such as Homer, heplify-server or sngrep.
//!
//! A packet is `HEP3`, its whole length, and chunks of vendor, type, length and value, all numbers in
//! network byte order. The types here are the generic ones (vendor 0).

mod rtcp;

pub(crate) use rtcp::of_rtcp;

use crate::MessagePrivacy;
use model::{CallSample, MessageDirection, QualityReport, SipMessageEvent};
use serde::Serialize;
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

/// The most octets that a packet may have; what is longer cannot be sent in one datagram.
pub(crate) const LONGEST: usize = 65_000;

/// How packets get to the collector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HepTransport {
    /// A packet is a datagram.
    Udp,
    /// Packets one behind the other in a connection.
    Tcp,
    /// The same in a connection that nobody else can read.
    Tls(HepTls),
}

/// Makes connections to a collector secure.
pub trait HepLayer: Send + Sync {
    /// Shakes hands on a connection that was just made, whose reads and writes have time limits. What is
    /// written into what it returns is on its way when that is flushed. Dropped without an error before,
    /// it brings what is on its way to the collector.
    ///
    /// # Errors
    /// Why not, and which setting to look at.
    fn secure(&self, stream: TcpStream) -> io::Result<Box<dyn Write + Send>>;
}

/// The layer of [`HepTransport::Tls`]; cheap to clone.
#[derive(Clone)]
pub struct HepTls(pub Arc<dyn HepLayer>);

impl PartialEq for HepTls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for HepTls {}

impl fmt::Debug for HepTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HepTls").finish_non_exhaustive()
    }
}

/// What is copied, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct HepConfig {
    /// Where to.
    pub target: SocketAddr,
    /// Over what.
    pub transport: HepTransport,
    /// The agent's number, which tells several nodes apart at the collector.
    pub capture_id: u32,
    /// What the collector asks for as its authentication key, in the clear; `None` for nothing.
    pub password: Option<String>,
    /// Copy SIP messages.
    pub messages: bool,
    /// Copy RTCP.
    pub rtcp: bool,
    /// Copy quality reports.
    pub quality: bool,
    /// Copy messages that belong to no call (OPTIONS, REGISTER, what was refused).
    pub others: bool,
    /// Which calls are copied.
    pub sample: CallSample,
}

impl fmt::Debug for HepConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HepConfig")
            .field("target", &self.target)
            .field("capture_id", &self.capture_id)
            .field("sample", &self.sample)
            .finish_non_exhaustive()
    }
}

impl HepConfig {
    /// Everything to `target`.
    pub fn new(target: SocketAddr) -> Self {
        HepConfig {
            target,
            transport: HepTransport::Udp,
            capture_id: 1,
            password: None,
            messages: true,
            rtcp: true,
            quality: true,
            others: true,
            sample: CallSample::default(),
        }
    }
}

/// The protocol of a payload.
#[derive(Clone, Copy)]
enum Payload {
    Sip = 1,
    /// RTCP as JSON.
    Rtcp = 5,
}

/// What a packet says beside its payload.
struct Envelope<'a> {
    source: SocketAddr,
    destination: SocketAddr,
    /// Number of the IP protocol.
    protocol: u8,
    /// Microseconds since 1970.
    at: u64,
    payload: Payload,
    correlation: &'a str,
}

const UDP: u8 = 17;
const TCP: u8 = 6;
const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 10;

/// A packet with a SIP message, credentials masked; `None` without the message. `at` is in µs since
/// 1970.
pub(crate) fn of_message(
    config: &HepConfig,
    privacy: &MessagePrivacy,
    at: u64,
    event: &SipMessageEvent,
) -> Option<Vec<u8>> {
    let message = event.message.as_ref()?;
    let flow = &event.flow;
    let (source, destination) = match event.direction {
        MessageDirection::Received => (flow.remote, flow.local),
        MessageDirection::Sent => (flow.local, flow.remote),
    };
    let protocol = if flow.protocol.is_reliable() { TCP } else { UDP };
    let correlation = event.transaction_id.map(|id| id.to_string()).unwrap_or_default();
    let envelope = Envelope {
        source,
        destination,
        protocol,
        at,
        payload: Payload::Sip,
        correlation: &correlation,
    };
    Some(write(config, &envelope, &privacy.of_message(message)))
}

/// A packet with what was measured of one leg, in the form that collectors know from RTCP: the
/// report block is what we received from the leg, the sender's part what we sent to it. Loss is
/// that of the interval, which is what a fraction can be made of; `cumulative_lost` is the call's.
///
/// `call_id` is the leg's, by which collectors find the call.
pub(crate) fn of_quality(
    config: &HepConfig,
    at: u64,
    report: &QualityReport,
    call_id: &str,
) -> Vec<u8> {
    let received = &report.received;
    let interval = &received.interval_loss;
    let body = Rtcp {
        kind: 200,
        ssrc: received.ssrc.unwrap_or_default(),
        report_count: 1,
        sender_information: Sender {
            ntp_timestamp_sec: at / 1_000_000,
            ntp_timestamp_usec: at % 1_000_000,
            rtp_timestamp: 0,
            packets: report.sent.rtp_packets,
            octets: report.sent.rtp_bytes,
        },
        report_blocks: [Block {
            source_ssrc: received.ssrc.unwrap_or_default(),
            fraction_lost: (interval.loss_ratio() * 256.0).min(255.0) as u8,
            packets_lost: interval.lost.max(0),
            cumulative_lost: received.loss.lost.max(0),
            highest_seq_no: 0,
            ia_jitter: received.jitter.as_micros() as u64,
            lsr: 0,
            dlsr: 0,
        }],
        mos: report.interval_mos.or(report.mos).map(|mos| crate::quality::rounded(mos.value())),
        rtt: report.rtt.map(|rtt| rtt.as_micros() as u64),
        packets_received: received.rtp_packets,
        leg: if report.leg == model::LegSide::A { "A" } else { "B" },
    };
    // Serialising plain fields into memory cannot fail.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let source = received.source.unwrap_or(nowhere);
    let destination = match source {
        SocketAddr::V4(_) => nowhere,
        SocketAddr::V6(_) => SocketAddr::new(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 0),
    };
    let envelope = Envelope {
        source,
        destination,
        protocol: UDP,
        at,
        payload: Payload::Rtcp,
        correlation: call_id,
    };
    write(config, &envelope, &body)
}

#[derive(Serialize)]
struct Rtcp {
    #[serde(rename = "type")]
    kind: u8,
    ssrc: u32,
    report_count: u8,
    sender_information: Sender,
    report_blocks: [Block; 1],
    /// Of the interval, 1.0 to 4.5.
    mos: Option<f64>,
    /// Microseconds.
    rtt: Option<u64>,
    packets_received: u64,
    leg: &'static str,
}

#[derive(Serialize)]
struct Sender {
    ntp_timestamp_sec: u64,
    ntp_timestamp_usec: u64,
    rtp_timestamp: u32,
    packets: u64,
    octets: u64,
}

#[derive(Serialize)]
struct Block {
    source_ssrc: u32,
    /// Of 256.
    fraction_lost: u8,
    packets_lost: i64,
    cumulative_lost: i64,
    highest_seq_no: u32,
    /// Microseconds.
    ia_jitter: u64,
    lsr: u32,
    dlsr: u32,
}

/// Chunk types.
mod chunk {
    pub(super) const FAMILY: u16 = 0x01;
    pub(super) const PROTOCOL: u16 = 0x02;
    pub(super) const SOURCE_V4: u16 = 0x03;
    pub(super) const DESTINATION_V4: u16 = 0x04;
    pub(super) const SOURCE_V6: u16 = 0x05;
    pub(super) const DESTINATION_V6: u16 = 0x06;
    pub(super) const SOURCE_PORT: u16 = 0x07;
    pub(super) const DESTINATION_PORT: u16 = 0x08;
    pub(super) const SECONDS: u16 = 0x09;
    pub(super) const MICROSECONDS: u16 = 0x0a;
    pub(super) const PAYLOAD_KIND: u16 = 0x0b;
    pub(super) const CAPTURE_ID: u16 = 0x0c;
    pub(super) const KEY: u16 = 0x0e;
    pub(super) const PAYLOAD: u16 = 0x0f;
    pub(super) const CORRELATION: u16 = 0x11;
}

const HEADER: usize = 6;
const CHUNK_HEADER: usize = 6;

fn write(config: &HepConfig, envelope: &Envelope<'_>, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 256);
    out.extend_from_slice(b"HEP3\0\0");
    let is_v4 = envelope.source.is_ipv4();
    let family = if is_v4 { FAMILY_V4 } else { FAMILY_V6 };
    put(&mut out, chunk::FAMILY, &[family]);
    put(&mut out, chunk::PROTOCOL, &[envelope.protocol]);
    let ends = if is_v4 {
        [chunk::SOURCE_V4, chunk::DESTINATION_V4]
    } else {
        [chunk::SOURCE_V6, chunk::DESTINATION_V6]
    };
    for (kind, end) in ends.into_iter().zip([envelope.source, envelope.destination]) {
        match end.ip() {
            IpAddr::V4(ip) => put(&mut out, kind, &ip.octets()),
            IpAddr::V6(ip) => put(&mut out, kind, &ip.octets()),
        }
    }
    put(&mut out, chunk::SOURCE_PORT, &envelope.source.port().to_be_bytes());
    put(&mut out, chunk::DESTINATION_PORT, &envelope.destination.port().to_be_bytes());
    put(&mut out, chunk::SECONDS, &((envelope.at / 1_000_000) as u32).to_be_bytes());
    put(&mut out, chunk::MICROSECONDS, &((envelope.at % 1_000_000) as u32).to_be_bytes());
    put(&mut out, chunk::PAYLOAD_KIND, &[envelope.payload as u8]);
    put(&mut out, chunk::CAPTURE_ID, &config.capture_id.to_be_bytes());
    if let Some(password) = &config.password {
        put(&mut out, chunk::KEY, password.as_bytes());
    }
    if !envelope.correlation.is_empty() {
        put(&mut out, chunk::CORRELATION, envelope.correlation.as_bytes());
    }
    put(&mut out, chunk::PAYLOAD, payload);
    let length = u16::try_from(out.len()).unwrap_or(u16::MAX).to_be_bytes();
    if let Some(place) = out.get_mut(HEADER - 2..HEADER) {
        place.copy_from_slice(&length);
    }
    out
}

/// A chunk that is too long for its length's sixteen bits makes the packet too long to be sent, and
/// its length says nothing then.
fn put(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(CHUNK_HEADER + value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests;
