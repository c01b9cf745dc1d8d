//! Audio payloads on their way to another format.

use crate::{bounded, parts};
use codecs::{AudioFormat, Outgoing, Received, Taken, Transcoder};

/// Packets of one script.
const MOST_PARTS: usize = 64;
const FORMATS: [AudioFormat; 5] = [
    AudioFormat::Opus,
    AudioFormat::G722,
    AudioFormat::Pcma,
    AudioFormat::L16 { sample_rate: 16_000 },
    AudioFormat::Pcmu,
];
/// 60 ms of the widest format, with its header.
const LONGEST: usize = 5_772;

/// A script of packets: the first octet chooses both formats, the first of each part what it is and
/// how far its sequence number and timestamp go on.
///
/// # Panics
/// When more than 240 ms of audio come of one packet.
pub fn transcoder(data: &[u8]) {
    let Some((&choice, data)) = bounded(data).split_first() else { return };
    let pick = |at: u8| FORMATS.get(usize::from(at) % FORMATS.len()).copied();
    let (Some(from), Some(to)) = (pick(choice), pick(choice >> 4)) else { return };
    let out = Outgoing { payload_type: 96, ssrc: 1, sequence: 0, timestamp: 0, packet_ms: 10 };
    let Some(mut transcoder) = Transcoder::new(from, to, out) else { return };
    if choice & 0x80 != 0 {
        transcoder = transcoder.with_comfort_noise(13, true);
    }
    let (mut sequence, mut timestamp) = (0_u16, 0_u32);
    let mut buffer = [0; LONGEST];
    for part in parts(data, MOST_PARTS) {
        let Some((&kind, payload)) = part.split_first() else { continue };
        sequence = sequence.wrapping_add(1 + u16::from(kind >> 4));
        let packets = 1 + u32::from(kind >> 4);
        timestamp = timestamp.wrapping_add(packets * from.clock_rate() / 50);
        let packet = Received { ssrc: 1, sequence, timestamp, payload };
        match kind & 0x0f {
            13 => transcoder.take_comfort_noise(&packet),
            14 => {
                let rates = [from.clock_rate(), to.clock_rate()];
                transcoder.pass_event(&packet, rates, 101, false, &mut buffer);
            }
            15 => timestamp = timestamp.wrapping_sub(1 << 30),
            _ => {
                if let Taken::Audio { concealed_ms } = transcoder.take(&packet) {
                    assert!(concealed_ms <= 60, "what is made up is bounded");
                }
            }
        }
        let mut packets = 0;
        while transcoder.poll_packet(&mut buffer).is_some() {
            packets += 1;
            assert!(packets <= 24, "what waits is bounded");
        }
    }
}

/// A tone in each format, to each other one.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let names = ["opus", "g722", "pcma", "l16", "pcmu"];
    let scripts = FORMATS.iter().zip(names).enumerate().map(|(at, (format, name))| {
        // The next format is the one to go to.
        let choice = at as u8 | ((at as u8 + 1) % 5) << 4;
        (name, [&[choice], script(*format).as_slice()].concat())
    });
    scripts.collect()
}

fn script(format: AudioFormat) -> Vec<u8> {
    let l16 = AudioFormat::L16 { sample_rate: 16_000 };
    let out = Outgoing { payload_type: 96, ssrc: 1, sequence: 0, timestamp: 0, packet_ms: 20 };
    let mut script = Vec::new();
    let Some(mut transcoder) = Transcoder::new(l16, format, out) else { return script };
    let mut buffer = [0; LONGEST];
    for n in 0..10_u16 {
        let payload: Vec<u8> = (0..320_u32)
            .flat_map(|at| (((u32::from(n) * 320 + at) * 700) as i16).to_be_bytes())
            .collect();
        let timestamp = u32::from(n) * 320;
        transcoder.take(&Received { ssrc: 1, sequence: n, timestamp, payload: &payload });
        while let Some(octets) = transcoder.poll_packet(&mut buffer) {
            script.push(crate::PART);
            // Every fifth comes after a loss.
            script.push(if n % 5 == 4 { 0x10 } else { 0 });
            script.extend_from_slice(buffer.get(12..octets).unwrap_or_default());
        }
    }
    script
}
