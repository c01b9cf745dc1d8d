//! How many digest verifications one core does, beside the parsing of the same INVITE in the same
//! run: `digest-cost [REQUESTS]`.
//!
//! A verification is everything between a parsed INVITE and the verdict: reading the header, the
//! nonce's keyed hash, the three hashes of the response, the comparison and the nonce count. The
//! hash function of the challenge is only in the response, so that part is told apart: the same
//! credentials from another source end at the nonce. Rounds are interleaved and the fastest counts,
//! so that other work on the machine hurts less.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use bytes::Bytes;
use sip_proto::auth::{
    Answerer, ChallengedBy, HashFunction, Protected, Verdict, Verifier, VerifierConfig,
};
use sip_proto::{Limits, Message, StepRandom};
use std::error::Error;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const REALM: &str = "abcdef1ghij2klmno3pqr4.voiceconnector.tandem.example";
const URI: &str = "sip:+12065550123@abcdef1ghij2klmno3pqr4.voiceconnector.tandem.example";
const PASSWORD: &str = "correct horse battery staple";

/// Nanoseconds for one request.
#[derive(Clone, Copy)]
struct Cost {
    verify: f64,
    /// Of `verify`: what comes before the response, the same for every hash function.
    before: f64,
    parse: f64,
}

impl Cost {
    const fn of_each(self, other: Cost) -> Cost {
        Cost {
            verify: self.verify.min(other.verify),
            before: self.before.min(other.before),
            parse: self.parse.min(other.parse),
        }
    }
}

const FUNCTIONS: [(&str, HashFunction); 3] = [
    ("MD5", HashFunction::Md5),
    ("SHA-256", HashFunction::Sha256),
    ("SHA-512-256", HashFunction::Sha512_256),
];

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(20_000), |n| n.parse::<usize>())?;
    println!("digest, one core (x parsing the same INVITE in this run)");
    let mut least = [Cost { verify: f64::MAX, before: f64::MAX, parse: f64::MAX }; FUNCTIONS.len()];
    for _ in 0..ROUNDS {
        for ((_, hash), least) in FUNCTIONS.iter().zip(&mut least) {
            *least = least.of_each(measure(*hash, count)?);
        }
    }
    for ((name, _), cost) in FUNCTIONS.iter().zip(least) {
        let Cost { verify, before, parse } = cost;
        println!(
            "{name:12}{:>12.0} verifications/s{verify:>8.0} ns ({:.2}x), of it the response{:>8.0} ns",
            1e9 / verify,
            verify / parse,
            verify - before,
        );
    }
    Ok(())
}

fn measure(hash: HashFunction, count: usize) -> Result<Cost, Box<dyn Error>> {
    let random = &mut StepRandom::new(1);
    let now = model::Instant::from_millis(1_000);
    let protected = Protected {
        realm: REALM,
        source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
        offered: &[hash],
        by: ChallengedBy::Server,
    };
    let mut verifier = Verifier::new(VerifierConfig::default(), random);
    let challenge = verifier.challenges(now, &protected, false, random).remove(0);
    let answerer = Answerer::new(ChallengedBy::Server, challenge, random);
    let raw: Vec<Bytes> = (0..count).map(|_| invite(&answerer)).collect();
    let limits = Limits::default();
    let begin = Instant::now();
    let parsed: Result<Vec<Message>, _> =
        raw.iter().map(|raw| Message::parse(black_box(raw.clone()), &limits)).collect();
    let parse = nanos(begin.elapsed(), count);
    let parsed = parsed?;
    let begin = Instant::now();
    for request in &parsed {
        let verdict = verifier.verify(now, &protected, black_box(request), |user| {
            (user == "pbx").then_some(PASSWORD)
        });
        if !matches!(verdict, Verdict::Accepted { .. }) {
            return Err(format!("{verdict:?}").into());
        }
    }
    let verify = nanos(begin.elapsed(), count);
    let elsewhere = Protected { source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 11)), ..protected };
    let begin = Instant::now();
    for request in &parsed {
        let verdict = verifier.verify(now, &elsewhere, black_box(request), |_| None);
        if verdict != Verdict::Stale {
            return Err(format!("{verdict:?}").into());
        }
    }
    Ok(Cost { verify, before: nanos(begin.elapsed(), count), parse })
}

fn invite(answerer: &Answerer) -> Bytes {
    let (_, credentials) = answerer.answer("INVITE", URI, b"", "pbx", PASSWORD);
    let text = format!(
        "INVITE {URI} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bK776asdhds;rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Alice\" <sip:+12065550100@192.0.2.10>;tag=1928301774\r\n\
         To: <{URI}>\r\nCall-ID: a84b4c76e66710@192.0.2.10\r\nCSeq: 2 INVITE\r\n\
         Contact: <sip:+12065550100@192.0.2.10:5070>\r\nAuthorization: {credentials}\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\nSupported: timer\r\n\
         User-Agent: PBX/1.0\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n"
    );
    Bytes::from(text)
}

fn nanos(span: Duration, count: usize) -> f64 {
    span.as_nanos() as f64 / count.max(1) as f64
}
