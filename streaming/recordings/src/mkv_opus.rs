//! One channel of Opus in Matroska (RFC 9559; the codec's mapping is that of its registry).

use crate::opus::pre_skip;
use codecs::opus::OpusWriter;
use mkv::{FileAudio, FileFacts, FileWriter};

/// Milliseconds of a packet.
pub(crate) const PACKET_MS: u64 = 20;
/// Octets of a packet at most (RFC 6716 section 3.2.1), with its first octet.
const MOST_OCTETS: usize = 1_277;
/// Work of the encoder: several of them may have to keep up on one thread.
const COMPLEXITY: u8 = 5;

/// Encodes samples into blocks.
pub(crate) struct MkvOpus {
    encoder: OpusWriter,
    file: FileWriter,
    sample_rate: u32,
    /// Samples that do not fill a packet yet.
    rest: Vec<i16>,
    samples: u64,
    packets: u64,
}

impl MkvOpus {
    /// Writes what stands before the first block; `None` for rates that Opus has not.
    pub(crate) fn begin(
        sample_rate: u32,
        (title, began_ms): (&str, u64),
        segment_uid: [u8; 16],
        out: &mut Vec<u8>,
    ) -> Option<Self> {
        let mut encoder = OpusWriter::new(sample_rate)?;
        encoder.set_complexity(COMPLEXITY);
        let audio = FileAudio::Opus { pre_skip: pre_skip(sample_rate) };
        let facts = FileFacts { audio, sample_rate, title, began_ms, segment_uid };
        let file = FileWriter::begin(&facts, out);
        Some(MkvOpus { encoder, file, sample_rate, rest: Vec::new(), samples: 0, packets: 0 })
    }

    /// Takes samples; each packet that is full is a block.
    pub(crate) fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        self.rest.extend_from_slice(samples);
        self.samples += samples.len() as u64;
        let size = self.packet_samples();
        let whole = self.rest.len() / size * size;
        let rest = self.rest.split_off(whole);
        for frame in std::mem::replace(&mut self.rest, rest).chunks_exact(size) {
            self.packet(frame, out);
        }
    }

    /// Writes the last packets: as many as it takes to get the last sample out of the encoder.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        let (rate, size) = (u64::from(self.sample_rate), self.packet_samples());
        let late = u64::from(pre_skip(self.sample_rate)) * rate / u64::from(crate::opus::CLOCK);
        while self.packets * (size as u64) < self.samples + late {
            self.rest.resize(size, 0);
            let frame = std::mem::take(&mut self.rest);
            self.packet(&frame, out);
        }
    }

    /// Where [`mkv::duration_element`] belongs.
    pub(crate) fn duration_at(&self) -> u64 {
        self.file.duration_at()
    }

    fn packet_samples(&self) -> usize {
        (self.sample_rate / 50) as usize
    }

    fn packet(&mut self, frame: &[i16], out: &mut Vec<u8>) {
        let mut octets = [0; MOST_OCTETS];
        let length = self.encoder.encode(frame, &mut octets).unwrap_or(0);
        // What cannot be encoded is a packet without a frame: 20 ms of silence, one channel (RFC 6716
        // section 3.1), whatever the rate.
        let packet = octets.get(..length).filter(|packet| !packet.is_empty()).unwrap_or(&[9 << 3]);
        self.file.block(self.packets * PACKET_MS, packet, out);
        self.packets += 1;
    }
}
