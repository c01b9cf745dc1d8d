//! What it costs to protect and to unprotect one voice packet of 172 octets with each suite, beside
//! webrtc-srtp in the same run: `srtp-cost [PACKETS]`.
//!
//! Rounds are interleaved and the fastest counts, so that other work on the machine hurts less. The
//! peer returns a new buffer for each packet, because its interface is that; ours works in place on
//! a copy, which is counted.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use edge_bench::srtp::key;
use model::SrtpSuite;
use rtp_proto::RtpHeader;
use rtp_proto::srtp::{LONGEST_GROWTH, SrtpReceiver, SrtpSender};
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;
use webrtc_srtp::context::Context;
use webrtc_srtp::protection_profile::ProtectionProfile;

const PACKET: usize = 172;
const ROUNDS: usize = 15;

/// Nanoseconds for one packet.
#[derive(Clone, Copy)]
struct Cost {
    protect: f64,
    unprotect: f64,
}

impl Cost {
    const NONE: Cost = Cost { protect: f64::MAX, unprotect: f64::MAX };

    fn least(self, other: Cost) -> Cost {
        Cost {
            protect: self.protect.min(other.protect),
            unprotect: self.unprotect.min(other.unprotect),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(20_000), |n| n.parse::<usize>())?;
    let packets: Vec<[u8; PACKET]> = (0..count).map(packet).collect();
    println!("SRTP, ns for a packet of {PACKET} octets (x webrtc-srtp in this run)");
    println!("{:26}{:>18}{:>18}", "suite", "protect", "unprotect");
    for suite in SrtpSuite::ALL {
        let (mut ours, mut theirs) = (Cost::NONE, None);
        for _ in 0..ROUNDS {
            ours = ours.least(measure_ours(suite, &packets)?);
            if let Some(profile) = profile(suite) {
                let cost = measure_theirs(suite, profile, &packets)?;
                theirs = Some(theirs.unwrap_or(Cost::NONE).least(cost));
            }
        }
        let cell = |ours: f64, theirs: Option<f64>| match theirs {
            Some(theirs) => format!("{ours:.0} ({:.2}x)", ours / theirs),
            None => format!("{ours:.0}"),
        };
        let protect = cell(ours.protect, theirs.map(|cost| cost.protect));
        let unprotect = cell(ours.unprotect, theirs.map(|cost| cost.unprotect));
        println!("{:26}{protect:>18}{unprotect:>18}", suite.name());
    }
    Ok(())
}

fn packet(number: usize) -> [u8; PACKET] {
    let header = RtpHeader { sequence: number as u16, ssrc: 7, ..RtpHeader::default() };
    let mut packet = [0xd5; PACKET];
    header.write_header(&mut packet);
    packet
}

fn measure_ours(suite: SrtpSuite, packets: &[[u8; PACKET]]) -> Result<Cost, Box<dyn Error>> {
    let mut sender = SrtpSender::new(&key(suite, 1));
    let mut receiver = SrtpReceiver::new(&key(suite, 1));
    let mut protected = vec![([0; PACKET + LONGEST_GROWTH], 0); packets.len()];
    let begin = Instant::now();
    for (plain, (buffer, len)) in packets.iter().zip(&mut protected) {
        buffer[..PACKET].copy_from_slice(plain);
        *len = sender.protect_rtp(black_box(buffer), PACKET)?;
    }
    let protect = nanos(begin, packets);
    let begin = Instant::now();
    for (buffer, len) in &protected {
        let mut buffer = *buffer;
        black_box(receiver.unprotect_rtp(black_box(&mut buffer[..*len]))?);
    }
    Ok(Cost { protect, unprotect: nanos(begin, packets) })
}

fn measure_theirs(
    suite: SrtpSuite,
    profile: ProtectionProfile,
    packets: &[[u8; PACKET]],
) -> Result<Cost, Box<dyn Error>> {
    let master = key(suite, 1);
    let context = || Context::new(master.master_key(), master.master_salt(), profile, None, None);
    let (mut sender, mut receiver) = (context()?, context()?);
    let mut protected = Vec::with_capacity(packets.len());
    let begin = Instant::now();
    for plain in packets {
        protected.push(sender.encrypt_rtp(black_box(plain))?);
    }
    let protect = nanos(begin, packets);
    let begin = Instant::now();
    for packet in &protected {
        black_box(receiver.decrypt_rtp(black_box(packet))?);
    }
    Ok(Cost { protect, unprotect: nanos(begin, packets) })
}

fn nanos(begin: Instant, packets: &[[u8; PACKET]]) -> f64 {
    begin.elapsed().as_nanos() as f64 / packets.len().max(1) as f64
}

fn profile(suite: SrtpSuite) -> Option<ProtectionProfile> {
    Some(match suite {
        SrtpSuite::AesCm128HmacSha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        SrtpSuite::AesCm128HmacSha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        SrtpSuite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        SrtpSuite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
        SrtpSuite::AesCm256HmacSha1_80 | SrtpSuite::AesCm256HmacSha1_32 => return None,
    })
}
