//! Against a second implementation: ffmpeg's G.711 and G.722, and libopus through ffmpeg. Skipped,
//! with a line that says so, where ffmpeg is not installed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use codecs::opus::packet_samples;
use codecs::{AudioDecoder, AudioEncoder, AudioFormat, Decoder, Encoder};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What ffmpeg writes for `input` with `arguments`; `None` when it is not there.
fn ffmpeg(arguments: &str, input: &[u8]) -> Option<Vec<u8>> {
    let spawned = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error"])
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        println!("skipped: ffmpeg is not installed (tests/setup.sh does that)");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "ffmpeg {arguments}");
    Some(output.stdout)
}

/// A sweep over noise, loud and quiet by turns.
fn signal(rate: u32) -> Vec<i16> {
    let mut random = 1_u32;
    (0..rate * 4)
        .map(|at| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let time = f64::from(at) / f64::from(rate);
            let noise = f64::from(random >> 16) / 65_536.0 - 0.5;
            let loudness = 10_f64.powf(-1.5 * (1.0 - (time * 5.0).sin()) / 2.0);
            let sweep = (std::f64::consts::TAU * (200.0 + 300.0 * time) * time).sin();
            ((20_000.0 * sweep + 6_000.0 * noise) * loudness) as i16
        })
        .collect()
}

fn to_octets(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn to_samples(octets: &[u8]) -> Vec<i16> {
    octets.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn encode(format: AudioFormat, samples: &[i16]) -> Vec<u8> {
    let mut out = vec![0; samples.len()];
    let mut encoder = AudioEncoder::new(format, 8_000).unwrap();
    let octets = encoder.encode(samples, &mut out).unwrap();
    out.truncate(octets);
    out
}

fn decode(format: AudioFormat, payload: &[u8]) -> Vec<i16> {
    let mut out = vec![0; payload.len() * 2];
    let mut decoder = AudioDecoder::new(format, 8_000).unwrap();
    let samples = decoder.decode(payload, &mut out).unwrap();
    out.truncate(samples);
    out
}

#[test]
fn g711_decodes_every_octet_as_ffmpeg_does() {
    let every: Vec<u8> = (0..=255).collect();
    for (format, name) in [(AudioFormat::Pcmu, "mulaw"), (AudioFormat::Pcma, "alaw")] {
        let arguments = format!("-f {name} -ar 8000 -i - -f s16le -");
        let Some(theirs) = ffmpeg(&arguments, &every) else { return };
        assert_eq!(decode(format, &every), to_samples(&theirs), "{name}");
    }
}

#[test]
fn g722_is_bit_exact_both_ways() {
    let samples = signal(16_000);
    let arguments = "-f s16le -ar 16000 -i - -c:a g722 -f g722 -";
    let Some(theirs) = ffmpeg(arguments, &to_octets(&samples)) else { return };
    let ours = encode(AudioFormat::G722, &samples);
    let differing = ours.iter().zip(&theirs).filter(|(a, b)| a != b).count();
    assert_eq!(differing, 0, "of {} octets", ours.len());
    assert!(theirs.len().abs_diff(ours.len()) <= 2_000);
    let Some(back) = ffmpeg("-f g722 -i - -f s16le -", &ours) else { return };
    let (back, decoded) = (to_samples(&back), decode(AudioFormat::G722, &ours));
    let differing = decoded.iter().zip(&back).filter(|(a, b)| a != b).count();
    assert_eq!(differing, 0, "of {} samples", decoded.len());
}

#[test]
fn libopus_decodes_what_we_encode() {
    for rate in [8_000, 16_000, 48_000] {
        let samples = signal(rate);
        let mut encoder = AudioEncoder::new(AudioFormat::Opus, rate).unwrap();
        let mut out = [0; 1_500];
        let packets: Vec<Vec<u8>> = samples
            .chunks_exact(rate as usize / 50)
            .map(|frame| {
                let octets = encoder.encode(frame, &mut out).unwrap();
                out[..octets].to_vec()
            })
            .collect();
        let arguments = "-c:a libopus -f ogg -i - -f s16le -ac 1 -ar 48000 -";
        let Some(theirs) = ffmpeg(arguments, &ogg::write(&packets)) else { return };
        let ratio = likeness(&decode_opus(&packets), &to_samples(&theirs));
        println!("our packets of {rate} Hz: {ratio:.1} dB");
        assert!(ratio > 50.0, "{rate} Hz: {ratio:.1} dB");
    }
}

#[test]
fn we_decode_what_libopus_encodes() {
    // SILK, hybrid and CELT; frames of every length; packets of several frames.
    for options in [
        "-application voip -b:a 12k -frame_duration 20",
        "-application voip -b:a 28k -frame_duration 60",
        "-application audio -b:a 64k -frame_duration 10",
        "-application lowdelay -b:a 96k -frame_duration 5",
    ] {
        let arguments = format!("-f s16le -ar 48000 -ac 1 -i - -c:a libopus {options} -f ogg -");
        let Some(file) = ffmpeg(&arguments, &to_octets(&signal(48_000))) else { return };
        let arguments = "-c:a libopus -f ogg -i - -f s16le -ac 1 -ar 48000 -";
        let Some(theirs) = ffmpeg(arguments, &file) else { return };
        let packets = ogg::read(&file);
        let ratio = likeness(&decode_opus(&packets), &to_samples(&theirs));
        println!("libopus {options}: {} packets, {ratio:.1} dB", packets.len());
        assert!(ratio > 50.0, "{options}: {ratio:.1} dB");
    }
}

fn decode_opus(packets: &[Vec<u8>]) -> Vec<i16> {
    let mut decoder = AudioDecoder::new(AudioFormat::Opus, 48_000).unwrap();
    let mut out = [0; 5_760];
    let mut all = Vec::new();
    for packet in packets {
        let samples = decoder.decode(packet, &mut out).unwrap();
        assert_eq!(Some(samples), packet_samples(packet, 48_000));
        all.extend_from_slice(&out[..samples]);
    }
    all
}

/// How far both agree, in dB; `theirs` lacks some samples of the beginning (RFC 7845 pre-skip).
fn likeness(ours: &[i16], theirs: &[i16]) -> f64 {
    assert!(theirs.len() > 100_000 && theirs.len() <= ours.len());
    (0..1_000.min(ours.len() - 100_000))
        .map(|skipped| {
            let (mut signal, mut error) = (0.0, 1e-9);
            for (ours, theirs) in ours[skipped..].iter().zip(&theirs[..100_000]) {
                let (ours, theirs) = (f64::from(*ours), f64::from(*theirs));
                signal += ours * ours;
                error += (ours - theirs) * (ours - theirs);
            }
            10.0 * f64::log10(signal / error)
        })
        .fold(f64::MIN, f64::max)
}

/// As much of Ogg (RFC 3533) as a file of Opus (RFC 7845) needs.
mod ogg {
    pub(super) fn write(packets: &[Vec<u8>]) -> Vec<u8> {
        let head = b"OpusHead\x01\x01\x00\x00\x80\xbb\x00\x00\x00\x00\x00".to_vec();
        let tags = b"OpusTags\x00\x00\x00\x00\x00\x00\x00\x00".to_vec();
        let all = [head, tags].into_iter().chain(packets.iter().cloned());
        let (mut file, mut position) = (Vec::new(), 0_u64);
        for (number, packet) in all.enumerate() {
            if number >= 2 {
                position += 960;
            }
            let flags = [0, 2][usize::from(number == 0)];
            file.extend(page(flags, position, number as u32, &packet));
        }
        file
    }

    fn page(flags: u8, position: u64, number: u32, packet: &[u8]) -> Vec<u8> {
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend(position.to_le_bytes());
        page.extend(7_u32.to_le_bytes());
        page.extend(number.to_le_bytes());
        page.extend([0; 4]);
        let lacing = packet.len() / 255;
        page.push(lacing as u8 + 1);
        page.extend(std::iter::repeat_n(255, lacing));
        page.push((packet.len() % 255) as u8);
        page.extend(packet);
        let check = page.iter().fold(0_u32, |check, octet| {
            (0..8).fold(check ^ (u32::from(*octet) << 24), |check, _| {
                (check << 1) ^ if check >> 31 == 1 { 0x04c1_1db7 } else { 0 }
            })
        });
        page[22..26].copy_from_slice(&check.to_le_bytes());
        page
    }

    /// The packets of audio.
    pub(super) fn read(mut file: &[u8]) -> Vec<Vec<u8>> {
        let (mut packets, mut packet) = (Vec::new(), Vec::new());
        while file.starts_with(b"OggS") {
            let segments = usize::from(file[26]);
            let (lacing, mut rest) = file[27..].split_at(segments);
            for length in lacing {
                let (part, behind) = rest.split_at(usize::from(*length));
                packet.extend_from_slice(part);
                rest = behind;
                if *length < 255 {
                    packets.push(std::mem::take(&mut packet));
                }
            }
            file = rest;
        }
        packets.split_off(2)
    }
}
