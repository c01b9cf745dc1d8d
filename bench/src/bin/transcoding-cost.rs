//! What it costs to transcode, and how many calls one core would carry: `transcoding-cost [SECONDS]`
//! of audio for each pair of formats.
//!
//! Two columns: the codecs alone, and with what the relay does around them (latch, measuring, numbers),
//! without sockets. A call is two directions of 50 packets a second. Rounds are interleaved and the
//! fastest counts, so that other work on the machine hurts less.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use codecs::{AudioFormat, Outgoing, Received, Transcoder};
use model::{
    CodecMapping, LegPlan, LegSecurity, LegSide, MediaId, MediaPlan, TransactionId,
    TranscodableFormat, Transcoding, XrWishes,
};
use relay_core::{GROWTH, LONGEST_MADE, LearningPolicy, MediaSocket, RtpSession};
use rtp_proto::RtpPacket;
use std::error::Error;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const ROUNDS: usize = 3;
const PACKETS_PER_SECOND: usize = 50;
const PAYLOAD_TYPE: u8 = 96;
const LONGEST: usize = 2_048;

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(10), |n| n.parse::<usize>())?;
    println!("transcoding, 20 ms of speech-like audio a packet, one core");
    println!(
        "{:24}{:>16}{:>12}{:>16}{:>12}",
        "pair", "codecs, µs", "calls", "in relay, µs", "calls"
    );
    let mut measured = Vec::new();
    for from in TranscodableFormat::ALL {
        let packets = packets(from, seconds * PACKETS_PER_SECOND)?;
        for to in TranscodableFormat::ALL.into_iter().filter(|to| *to != from) {
            let (mut alone, mut relayed) = (f64::MAX, f64::MAX);
            for _ in 0..ROUNDS {
                alone = alone.min(measure_codecs(from, to, &packets)?);
                relayed = relayed.min(measure_relay(from, to, &packets));
            }
            measured.push((from, to, alone, relayed));
        }
    }
    for (from, to, alone, relayed) in &measured {
        let back = measured.iter().find(|(f, t, _, _)| (f, t) == (to, from));
        let Some((_, _, alone_back, relayed_back)) = back else { continue };
        let calls = |micros: f64| (1_000_000.0 / (PACKETS_PER_SECOND as f64 * micros)) as u64;
        println!(
            "{:24}{alone:>16.2}{:>12}{relayed:>16.2}{:>12}",
            format!("{} > {}", from.name(), to.name()),
            calls(alone + alone_back),
            calls(relayed + relayed_back),
        );
    }
    Ok(())
}

fn format(format: TranscodableFormat) -> Result<AudioFormat, String> {
    AudioFormat::new(format.codec, format.clock_rate).ok_or(format!("no {}", format.name()))
}

fn outgoing() -> Outgoing {
    Outgoing { payload_type: PAYLOAD_TYPE, ssrc: 7, sequence: 0, timestamp: 0, packet_ms: 20 }
}

/// Harmonics of a gliding pitch, in syllables.
fn packets(to: TranscodableFormat, count: usize) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let source = AudioFormat::L16 { sample_rate: 16_000 };
    let mut sender = Transcoder::new(source, format(to)?, outgoing()).ok_or("no such pair")?;
    let (mut angle, mut packets) = (0.0_f64, Vec::with_capacity(count));
    let mut out = [0; LONGEST];
    for number in 0..count {
        let mut payload = Vec::with_capacity(640);
        for at in 0..320 {
            let time = (number * 320 + at) as f64 / 16_000.0;
            angle += (140.0 + 30.0 * (2.0 * time).sin()) / 16_000.0 * std::f64::consts::TAU;
            let voice: f64 =
                (1..=10).map(|h| (f64::from(h) * angle).sin() / f64::from(h)).sum::<f64>();
            let syllable = 0.55 + 0.45 * (std::f64::consts::TAU * 3.0 * time).sin();
            payload.extend(((6_000.0 * syllable * voice) as i16).to_be_bytes());
        }
        let timestamp = number as u32 * 320;
        sender.take(&Received { ssrc: 1, sequence: number as u16, timestamp, payload: &payload });
        while let Some(octets) = sender.poll_packet(&mut out) {
            packets.push(out[..octets].to_vec());
        }
    }
    Ok(packets)
}

/// Microseconds for a packet.
fn measure_codecs(
    from: TranscodableFormat,
    to: TranscodableFormat,
    packets: &[Vec<u8>],
) -> Result<f64, Box<dyn Error>> {
    let mut transcoder =
        Transcoder::new(format(from)?, format(to)?, outgoing()).ok_or("no such pair")?;
    let mut out = [0; LONGEST];
    let begin = Instant::now();
    for packet in packets {
        let rtp = RtpPacket::parse(packet).map_err(|error| format!("{error:?}"))?;
        let received = Received {
            ssrc: rtp.ssrc(),
            sequence: rtp.sequence(),
            timestamp: rtp.timestamp(),
            payload: rtp.payload(),
        };
        transcoder.take(black_box(&received));
        while let Some(octets) = transcoder.poll_packet(&mut out) {
            black_box(&out[..octets]);
        }
    }
    Ok(micros(begin, packets))
}

fn measure_relay(from: TranscodableFormat, to: TranscodableFormat, packets: &[Vec<u8>]) -> f64 {
    let id = TransactionId::from_random(1);
    let start = model::Instant::ZERO;
    let mut session = RtpSession::new(MediaId(1), id, start, LearningPolicy::default());
    session.apply(&plan(from, to), start);
    session.begin_transcoding(start, &mut || 7);
    let mut buffer = [0; LONGEST + GROWTH];
    let mut made = [0; LONGEST_MADE];
    let begin = Instant::now();
    for (number, packet) in packets.iter().enumerate() {
        buffer[..packet.len()].copy_from_slice(packet);
        let now = model::Instant::from_millis(number as u64 * 20);
        let len = packet.len();
        black_box(session.forward(LegSide::A, MediaSocket::Rtp, REMOTE, &mut buffer, len, now));
        while session.poll_made(now, &mut made).is_some() {}
    }
    micros(begin, packets)
}

const REMOTE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 4_000);

fn plan(from: TranscodableFormat, to: TranscodableFormat) -> MediaPlan {
    let mapping = |format: TranscodableFormat| CodecMapping {
        payload_type: PAYLOAD_TYPE,
        codec: format.codec,
        clock_rate: format.clock_rate,
        packet_duration: Duration::from_millis(20),
    };
    let leg = |format| LegPlan {
        remote_rtp: Some(REMOTE),
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from: true,
        sends_to: true,
        relearn: true,
        codecs: vec![mapping(format)],
        telephone_event: None,
        xr: XrWishes::default(),
        security: LegSecurity::Plain,
        ice: None,
    };
    let stage = Transcoding {
        from: vec![mapping(from)],
        to: mapping(to),
        bitrate: None,
        comfort_noise: None,
    };
    let transcoding = [Some(Box::new(stage)), None];
    MediaPlan { transcoding, ..MediaPlan::rtp([leg(from), leg(to)]) }
}

fn micros(begin: Instant, packets: &[Vec<u8>]) -> f64 {
    begin.elapsed().as_secs_f64() * 1_000_000.0 / packets.len() as f64
}
