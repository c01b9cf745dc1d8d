//! The descriptions that we write ourselves, from parts of the one that they are made from, into
//! one buffer.

use crate::anchor::RecordState;
use crate::audio::{Address, AudioStream, MediaLine, Told};
use crate::crypto::CryptoAttribute;
use crate::direction::Direction;
use crate::dtls::{DtlsTold, LocalDtls};
use crate::extended_reports;
use crate::ice::candidate_value;
use model::MediaType;
use sdp_types::{Attribute, Bandwidth, Repeat, Time};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};

/// A description of ours. Whatever text it holds, no line comes out that was not asked for: NUL,
/// CR and LF are left out.
pub(crate) struct Written<'a> {
    pub(crate) session_id: u64,
    pub(crate) ip: IpAddr,
    pub(crate) session_name: &'a str,
    pub(crate) bandwidths: Vec<&'a Bandwidth>,
    pub(crate) times: &'a [Time],
    pub(crate) attributes: Vec<&'a Attribute>,
    /// The value of `a=group` of lines that share a transport.
    pub(crate) bundle: Option<String>,
    /// The place of the line that the call is about; `None` when it is declined.
    pub(crate) main: Option<usize>,
    pub(crate) medias: Vec<WrittenMedia<'a>>,
}

/// One `m=` section.
pub(crate) struct WrittenMedia<'a> {
    pub(crate) media: &'a str,
    pub(crate) port: u16,
    /// Where it is, if not where the description says.
    pub(crate) connection: Option<IpAddr>,
    pub(crate) proto: &'a str,
    pub(crate) formats: String,
    pub(crate) bandwidths: Vec<&'a Bandwidth>,
    pub(crate) attributes: Vec<&'a Attribute>,
    /// What follows the attributes that pass; `None` when the stream is declined.
    pub(crate) transport: Option<WrittenTransport>,
}

/// The attributes that are ours to say.
pub(crate) struct WrittenTransport {
    /// The value of `a=rtcp`, if that line is needed.
    pub(crate) rtcp: Option<String>,
    pub(crate) rtcp_mux: bool,
    /// The value of `a=rtcp-xr`, where it is not among the attributes that pass.
    pub(crate) xr: Option<String>,
    pub(crate) direction: Direction,
    /// What `a=record` says.
    pub(crate) recorded: Option<RecordState>,
    pub(crate) crypto: Vec<CryptoAttribute>,
    pub(crate) dtls: Option<LocalDtls>,
    /// Another line says how its transport is found and its keys are agreed (RFC 9143 section 7.1.3).
    pub(crate) is_shared: bool,
}

impl Written<'_> {
    /// The text, with this `sess-version`.
    pub(crate) fn to_bytes(&self, version: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(b"v=0\r\no=- ");
        push_number(&mut out, self.session_id);
        out.push(b' ');
        push_number(&mut out, version);
        out.push(b' ');
        let address = address_line(self.ip);
        out.extend_from_slice(&address);
        out.extend_from_slice(b"s=");
        push_text(&mut out, self.session_name);
        out.extend_from_slice(b"\r\nc=");
        out.extend_from_slice(&address);
        push_bandwidths(&mut out, &self.bandwidths);
        push_times(&mut out, self.times);
        push_attributes(&mut out, &self.attributes);
        if let Some(bundle) = &self.bundle {
            push_attribute(&mut out, "group", Some(bundle));
        }
        let has_ice = |media: &WrittenMedia<'_>| {
            let dtls = media.transport.as_ref().and_then(|transport| transport.dtls.as_ref());
            dtls.is_some_and(|dtls| dtls.ice.is_some())
        };
        if self.medias.iter().any(has_ice) {
            push_attribute(&mut out, "ice-lite", None);
        }
        for media in &self.medias {
            media.push(&mut out, self.ip);
        }
        out
    }

    /// What [`crate::SessionDescription::audio`] finds in the text.
    pub(crate) fn audio(&self) -> Option<AudioStream> {
        self.stream(self.main?, None)
    }

    /// What is found in it at line `index` beside the main one.
    pub(crate) fn line(&self, index: usize) -> Option<AudioStream> {
        let media = self.medias.get(index).filter(|_| self.main != Some(index))?;
        self.stream(index, Some(MediaType::parse(media.media)?))
    }

    fn stream(&self, index: usize, further: Option<MediaType>) -> Option<AudioStream> {
        let media = self.medias.get(index)?;
        let mut told = Told::default();
        told.take_media(media.attributes.iter().copied());
        if let Some(transport) = &media.transport {
            told.direction = Some(transport.direction);
            told.rtcp = transport.rtcp.as_deref();
            told.rtcp_mux = transport.rtcp_mux;
            told.xr = transport.xr.as_deref().map(extended_reports::wishes).or(told.xr);
            told.crypto = transport.crypto.clone();
            told.dtls = transport.dtls.as_ref().map(DtlsTold::of).unwrap_or_default();
        }
        told.take_session(self.attributes.iter().copied());
        let line = MediaLine {
            index,
            further,
            media: media.media,
            port: media.port,
            proto: media.proto,
            formats: &media.formats,
        };
        AudioStream::of(&line, &told, || Address::of_ip(self.ip))
    }
}

/// What `o=` and `c=` lines end with.
fn address_line(ip: IpAddr) -> Vec<u8> {
    let mut line = Vec::with_capacity(48);
    line.extend_from_slice(if ip.is_ipv4() { b"IN IP4 " } else { b"IN IP6 " });
    // Writing into a Vec cannot fail.
    let _ = write!(line, "{ip}\r\n");
    line
}

impl<'a> WrittenMedia<'a> {
    /// RFC 3264 section 6: the transport protocol of an answer is that of the offer.
    pub(crate) fn under(mut self, proto: &'a str) -> Self {
        self.proto = proto;
        self
    }
}

impl WrittenMedia<'_> {
    /// Of a line that is not declined: whether it is recorded here, in place of what passes.
    pub(crate) fn say_recorded(&mut self, recorded: RecordState) {
        if let Some(transport) = &mut self.transport {
            transport.recorded = Some(recorded);
            self.attributes.retain(|a| !a.attribute.trim().eq_ignore_ascii_case("record"));
        }
    }

    fn push(&self, out: &mut Vec<u8>, ip: IpAddr) {
        out.extend_from_slice(b"m=");
        push_text(out, self.media);
        out.push(b' ');
        push_number(out, u64::from(self.port));
        out.push(b' ');
        push_text(out, self.proto);
        out.push(b' ');
        push_text(out, &self.formats);
        out.extend_from_slice(b"\r\n");
        if let Some(own) = self.connection.filter(|own| *own != ip) {
            out.extend_from_slice(b"c=");
            out.extend_from_slice(&address_line(own));
        }
        push_bandwidths(out, &self.bandwidths);
        push_attributes(out, &self.attributes);
        let Some(transport) = &self.transport else { return };
        for line in &transport.crypto {
            push_attribute(out, "crypto", Some(&line.to_value()));
        }
        if let Some(dtls) = transport.dtls.as_ref().filter(|_| !transport.is_shared) {
            push_dtls(out, dtls, SocketAddr::new(ip, self.port));
        }
        if let Some(rtcp) = &transport.rtcp {
            push_attribute(out, "rtcp", Some(rtcp));
        }
        if transport.rtcp_mux {
            push_attribute(out, "rtcp-mux", None);
        }
        if let Some(xr) = &transport.xr {
            push_attribute(out, extended_reports::NAME, Some(xr));
        }
        if let Some(recorded) = transport.recorded {
            push_attribute(out, "record", Some(recorded.name()));
        }
        push_attribute(out, transport.direction.as_str(), None);
    }
}

fn push_dtls(out: &mut Vec<u8>, dtls: &LocalDtls, rtp: SocketAddr) {
    push_attribute(out, "fingerprint", Some(&dtls.attributes.fingerprint.to_string()));
    if let Some(setup) = dtls.attributes.setup {
        push_attribute(out, "setup", Some(setup.name()));
    }
    let Some(ice) = &dtls.ice else { return };
    push_attribute(out, "ice-ufrag", Some(&ice.fragment));
    push_attribute(out, "ice-pwd", Some(&ice.password));
    push_attribute(out, "candidate", Some(&candidate_value(rtp)));
    // RFC 8840 section 8.2: no other will follow.
    push_attribute(out, "end-of-candidates", None);
}

fn push_attributes(out: &mut Vec<u8>, attributes: &[&Attribute]) {
    for attribute in attributes {
        push_attribute(out, &attribute.attribute, attribute.value.as_deref());
    }
}

fn push_attribute(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    out.extend_from_slice(b"a=");
    push_text(out, name);
    if let Some(value) = value {
        out.push(b':');
        push_text(out, value);
    }
    out.extend_from_slice(b"\r\n");
}

fn push_bandwidths(out: &mut Vec<u8>, bandwidths: &[&Bandwidth]) {
    for bandwidth in bandwidths {
        out.extend_from_slice(b"b=");
        push_text(out, &bandwidth.bwtype);
        out.push(b':');
        push_number(out, bandwidth.bandwidth);
        out.extend_from_slice(b"\r\n");
    }
}

fn push_times(out: &mut Vec<u8>, times: &[Time]) {
    if times.is_empty() {
        out.extend_from_slice(b"t=0 0\r\n");
    }
    for time in times {
        out.extend_from_slice(b"t=");
        push_number(out, time.start_time);
        out.push(b' ');
        push_number(out, time.stop_time);
        out.extend_from_slice(b"\r\n");
        for repeat in &time.repeats {
            push_repeat(out, repeat);
        }
    }
}

fn push_repeat(out: &mut Vec<u8>, repeat: &Repeat) {
    out.extend_from_slice(b"r=");
    push_span(out, repeat.repeat_interval);
    out.push(b' ');
    push_span(out, repeat.active_duration);
    for offset in &repeat.offsets {
        out.push(b' ');
        push_span(out, *offset);
    }
    out.extend_from_slice(b"\r\n");
}

/// Seconds in the largest unit that divides them (RFC 8866 section 5.10).
fn push_span(out: &mut Vec<u8>, seconds: u64) {
    let units: [(u64, &[u8]); 3] = [(86_400, b"d"), (3600, b"h"), (60, b"m")];
    let whole = units.iter().find(|(unit, _)| seconds != 0 && seconds.is_multiple_of(*unit));
    let (unit, letter) = whole.copied().unwrap_or((1, b""));
    push_number(out, seconds / unit);
    out.extend_from_slice(letter);
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let is_line_byte = |byte: u8| matches!(byte, 0 | b'\r' | b'\n');
    // Looks at every byte rather than stopping at the first find: that runs many bytes at a time.
    if text.bytes().fold(false, |found, byte| found | is_line_byte(byte)) {
        out.extend(text.bytes().filter(|byte| !is_line_byte(*byte)));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Decimal digits.
pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdp_types::{Connection, Media, Session};

    fn attributes() -> Vec<Attribute> {
        vec![Attribute::new("a\r\nb"), Attribute::with_value("ptime", "20\0")]
    }

    /// The same description through the library's writer.
    fn by_the_library(written: &Written<'_>, version: u64) -> Vec<u8> {
        let media = |media: &WrittenMedia<'_>| Media {
            media: media.media.to_owned(),
            port: media.port,
            num_ports: None,
            proto: media.proto.to_owned(),
            fmt: media.formats.clone(),
            media_title: None,
            connections: Vec::new(),
            bandwidths: media.bandwidths.iter().copied().cloned().collect(),
            key: None,
            attributes: media.attributes.iter().copied().cloned().collect(),
        };
        let session = Session {
            origin: sdp_types::Origin::with_ip_addr(written.session_id, version, written.ip),
            session_name: written.session_name.to_owned(),
            session_description: None,
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            connection: Some(Connection::from_ip_addr(written.ip)),
            bandwidths: written.bandwidths.iter().copied().cloned().collect(),
            times: written.times.to_vec(),
            time_zones: Vec::new(),
            key: None,
            attributes: written.attributes.iter().copied().cloned().collect(),
            medias: written.medias.iter().map(media).collect(),
        };
        let mut out = Vec::new();
        session.write(&mut out).unwrap();
        out
    }

    #[test]
    fn writes_what_the_library_writes() {
        let attributes = attributes();
        let bandwidth = Bandwidth { bwtype: "AS".to_owned(), bandwidth: u64::MAX };
        let repeat = |interval| Repeat {
            repeat_interval: interval,
            active_duration: 3600,
            offsets: vec![0, 90_000, 7260, 61],
        };
        let times = [
            Time { start_time: 0, stop_time: 10, repeats: vec![repeat(604_800), repeat(1)] },
            Time { start_time: u64::MAX, stop_time: 0, repeats: Vec::new() },
        ];
        for (ip, times) in [("192.0.2.1", &times[..]), ("2001:db8::1", &[])] {
            let media = WrittenMedia {
                media: "au\ndio",
                port: 4000,
                connection: None,
                proto: "RTP/AVP",
                formats: "0 101".to_owned(),
                bandwidths: vec![&bandwidth],
                attributes: attributes.iter().collect(),
                transport: None,
            };
            let written = Written {
                session_id: 77,
                ip: ip.parse().unwrap(),
                session_name: "a\rb",
                bandwidths: vec![&bandwidth],
                times,
                attributes: attributes.iter().collect(),
                bundle: None,
                main: None,
                medias: vec![media],
            };
            for version in [0, 9, 10, u64::MAX] {
                let ours = String::from_utf8(written.to_bytes(version)).unwrap();
                assert_eq!(ours.as_bytes(), by_the_library(&written, version), "{ours}");
            }
        }
    }
}
