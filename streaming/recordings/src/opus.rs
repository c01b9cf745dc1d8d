//! Opus in Ogg (RFC 7845): two channels, each an Opus stream of its own, so that nothing of one party is
//! heard in the other's channel.

mod framing;

use crate::ogg::Pages;
use codecs::opus::OpusWriter;
use framing::self_delimited;

/// Positions are counted in these, whatever the samples' rate (RFC 7845 section 4).
pub(crate) const CLOCK: u32 = 48_000;
/// Packets of a page: a second.
const PACKETS: u32 = 50;
/// Octets of one channel's packet at most (RFC 6716 section 3.2.1), with its first octet.
const MOST_OCTETS: usize = 1_277;
/// Octets of all comments: they fit one page.
const MOST_COMMENTS: usize = 32_768;
const VENDOR: &str = concat!("Tandem ", env!("CARGO_PKG_VERSION"));

/// Encodes pairs of samples into pages.
pub(crate) struct OggOpus {
    channels: [OpusWriter; 2],
    sample_rate: u32,
    pages: Pages,
    /// Samples of each channel that do not fill a packet yet.
    rest: [Vec<i16>; 2],
    /// Pairs taken in, and packets made.
    pairs: u64,
    packets: u64,
    on_page: u32,
    packet: Vec<u8>,
}

impl OggOpus {
    /// `None` for rates that Opus has not. `serial` names the stream within its file.
    pub(crate) fn new(sample_rate: u32, serial: u32) -> Option<Self> {
        Some(OggOpus {
            channels: [OpusWriter::new(sample_rate)?, OpusWriter::new(sample_rate)?],
            sample_rate,
            pages: Pages::new(serial),
            rest: [Vec::new(), Vec::new()],
            pairs: 0,
            packets: 0,
            on_page: 0,
            packet: Vec::new(),
        })
    }

    /// Writes the two header pages (RFC 7845 section 5), with `comments` such as `("TITLE", "…")`.
    pub(crate) fn begin(&mut self, comments: &[(&str, String)], out: &mut Vec<u8>) {
        let mut head = b"OpusHead\x01\x02".to_vec();
        head.extend_from_slice(&pre_skip(self.sample_rate).to_le_bytes());
        head.extend_from_slice(&self.sample_rate.to_le_bytes());
        // No gain; family 1 (section 5.1.1.2): two streams, none of them of two channels, left and right.
        head.extend_from_slice(&[0, 0, 1, 2, 0, 0, 1]);
        self.pages.push(&head);
        self.pages.write(0, false, out);
        self.pages.push(&tags(comments));
        self.pages.write(0, false, out);
    }

    /// Takes pairs; pages are written as they become full.
    pub(crate) fn encode(&mut self, pairs: &[i16], out: &mut Vec<u8>) {
        for (channel, rest) in self.rest.iter_mut().enumerate() {
            rest.extend(pairs.iter().skip(channel).step_by(2));
        }
        self.pairs += pairs.len() as u64 / 2;
        while self.rest.iter().all(|rest| rest.len() >= self.packet_samples()) {
            self.make_packet(out);
        }
    }

    /// Writes the page out that is not full yet.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) {
        if !self.pages.is_empty() {
            self.pages.write(self.coded(), false, out);
            self.on_page = 0;
        }
    }

    /// Writes the last page. Its position cuts off what was only needed to get the last sample out of the
    /// encoder (RFC 7845 section 4.4).
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let factor = u64::from(CLOCK / self.sample_rate);
        let end = u64::from(pre_skip(self.sample_rate)) + self.pairs * factor;
        // There is at least one more packet: what is coded ends before `end`.
        while self.coded() < end {
            let samples = self.packet_samples();
            self.rest.iter_mut().for_each(|rest| rest.resize(samples.max(rest.len()), 0));
            self.flush_if_full(out);
            self.make_one();
        }
        self.pages.write(end, true, out);
    }

    fn packet_samples(&self) -> usize {
        (self.sample_rate / 50) as usize
    }

    /// The position behind the last packet.
    fn coded(&self) -> u64 {
        self.packets * u64::from(CLOCK / 50)
    }

    fn make_packet(&mut self, out: &mut Vec<u8>) {
        self.make_one();
        self.flush_if_full(out);
    }

    fn flush_if_full(&mut self, out: &mut Vec<u8>) {
        if self.on_page >= PACKETS {
            self.flush(out);
        }
    }

    /// Encodes 20 ms of both channels: the first stream's packet tells its length, the second one has the
    /// rest (RFC 7845 section 3).
    fn make_one(&mut self) {
        let samples = self.packet_samples();
        self.packet.clear();
        for (n, (writer, rest)) in self.channels.iter_mut().zip(&mut self.rest).enumerate() {
            let mut octets = [0; MOST_OCTETS];
            let frame = rest.get(..samples).unwrap_or_default();
            // What cannot be encoded is a packet of nothing: silence (RFC 6716 section 3.2.1).
            let length = writer.encode(frame, &mut octets).unwrap_or(0);
            let silence = [toc(self.sample_rate)];
            let packet = octets.get(..length).filter(|packet| !packet.is_empty());
            let packet = packet.unwrap_or(&silence);
            if n == 0 {
                if !self_delimited(packet, &mut self.packet) {
                    self.packet.extend_from_slice(&[silence[0], 0]);
                }
            } else {
                self.packet.extend_from_slice(packet);
            }
            rest.drain(..samples.min(rest.len()));
        }
        // A page of a second has room: 50 packets of at most 2,560 octets would not, but speech has 200.
        if !self.pages.push(&self.packet) {
            let silence = [toc(self.sample_rate), 0, toc(self.sample_rate)];
            self.pages.push(&silence);
        }
        self.packets += 1;
        self.on_page += 1;
    }
}

/// Samples at 48,000 a second by which what is decoded is later than what was encoded.
pub(crate) const fn pre_skip(sample_rate: u32) -> u16 {
    match sample_rate {
        8_000 => 312,
        _ => 312,
    }
}

/// The first octet of a packet of one SILK frame of 20 ms, one channel (RFC 6716 section 3.1).
fn toc(sample_rate: u32) -> u8 {
    let configuration = if sample_rate == 8_000 { 1 } else { 9 };
    configuration << 3
}

/// The comment header (RFC 7845 section 5.2). Comments that are too many are left out.
fn tags(comments: &[(&str, String)]) -> Vec<u8> {
    let mut tags = b"OpusTags".to_vec();
    let push = |text: &str, tags: &mut Vec<u8>| {
        tags.extend_from_slice(&(text.len() as u32).to_le_bytes());
        tags.extend_from_slice(text.as_bytes());
    };
    push(VENDOR, &mut tags);
    let comments = comments.iter().map(|(name, value)| format!("{name}={value}"));
    let mut room = MOST_COMMENTS;
    let kept: Vec<_> = comments
        .filter(|comment| {
            let fits = comment.len() + 4 <= room;
            room -= if fits { comment.len() + 4 } else { 0 };
            fits
        })
        .collect();
    tags.extend_from_slice(&(kept.len() as u32).to_le_bytes());
    for comment in kept {
        push(&comment, &mut tags);
    }
    tags
}

#[cfg(test)]
mod tests;
