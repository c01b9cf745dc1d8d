//! The same callers in whichever room: they come, some speak by turns, and what is heard is kept.
#![expect(clippy::disallowed_methods, reason = "a load generator reads the clock and paces itself")]

use crate::cpu;
use crate::ends::wall_nanos;
use crate::network::use_precise_timers;
use crate::rooms::sounds::{self, Heard, TURN, Turn};
use crate::rooms::{Codec, LOOPBACK, Outcome, Server};
use crate::stamped::StampedSocket;
use rtp_proto::{RtpHeader, RtpPacket};
use std::fs;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

const FRAME: Duration = Duration::from_millis(20);
/// Of four voices, in Hz.
const PITCHES: [f32; 4] = [110.0, 145.0, 180.0, 215.0];
/// Those whose ears count.
const LISTENERS: usize = 5;
/// How many speak at once, one part of a run after the other.
const TALKERS: [usize; 2] = [1, 3];
/// What begins a part and does not count, in turns: until voices are found and the network is known.
const FIRST: usize = 2;
const LATER: usize = 1;
/// From one turn's speaker to the next: all are met, whatever their number.
const GOLDEN: f64 = 0.618_033_988_75;

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What everybody speaks.
    pub codec: Codec,
    /// How many there are, 2 at least.
    pub callers: usize,
    /// Seconds that count, of each part.
    pub seconds: usize,
    /// What everybody waits before the first packet, so that runs stand otherwise to the server's clock.
    pub shift: Duration,
}

/// What a run has shown.
#[derive(Debug, Default)]
pub struct Measured {
    /// With one, and with three who speak at once.
    pub parts: Vec<Part>,
    /// Packets that callers were sent and did not get, by their numbers, and that the kernel dropped because
    /// somebody did not read in time.
    pub lost: u64,
    /// Packets that callers were sent and got.
    pub received: u64,
    /// How late packets were sent, in ms, the 99th percentile.
    pub late: f64,
}

/// A part of a run, with so many who speak.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// How many speak at once.
    pub talkers: usize,
    /// From what was sent to what is heard, in ms.
    pub delays: Vec<f64>,
    /// Marks that somebody should have heard and did not.
    pub unheard: usize,
    /// The server's CPU, in cores.
    pub cores: f64,
}

/// Has callers speak in a server's room.
///
/// # Errors
/// When they are not let in, or sockets fail.
pub fn measure(server: &mut dyn Server, plan: &Plan) -> Outcome<Measured> {
    use_precise_timers();
    let crowd = Crowd::enter(server, plan)?;
    thread::sleep(plan.shift);
    let run = crowd.speak(server.pid(), plan)?;
    server.empty()?;
    run.judge(plan)
}

/// When a mark was sent: ms since the beginning, and in which part.
type Sent = (f64, usize);

/// A caller, as its packets go.
struct Caller {
    rtp: StampedSocket,
    to: SocketAddr,
    /// The number of the last packet that came.
    last: Option<u16>,
    /// Packets, and when they came, of who listens.
    kept: Option<Vec<(u64, Vec<u8>)>>,
}

struct Crowd {
    callers: Vec<Caller>,
    turns: Vec<Turn>,
    silence: Vec<u8>,
}

/// What was seen, before it is looked through.
struct Run {
    began: u64,
    callers: Vec<Caller>,
    marks: Vec<Sent>,
    parts: Vec<Part>,
    late: Vec<f64>,
    received: u64,
    lost: i64,
}

impl Crowd {
    fn enter(server: &mut dyn Server, plan: &Plan) -> Outcome<Crowd> {
        let turns = PITCHES.iter().map(|pitch| Turn::new(plan.codec, *pitch));
        let turns = turns.collect::<Outcome<_>>()?;
        let silence = sounds::silence(plan.codec)?;
        let mut callers = Vec::new();
        for at in 0..plan.callers {
            let rtp = StampedSocket::bind(LOOPBACK)?;
            let to = server.join(rtp.local_addr()?, plan.codec)?;
            let kept = (at >= voices(plan.callers)).then(Vec::new);
            callers.push(Caller { rtp, to, last: None, kept });
        }
        Ok(Crowd { callers, turns, silence })
    }

    fn speak(self, pid: u32, plan: &Plan) -> Outcome<Run> {
        let Crowd { callers, turns, silence } = self;
        let all = voices(plan.callers);
        let (parts, late) = (Vec::new(), Vec::new());
        let began = wall_nanos();
        let mut run = Run { began, callers, marks: Vec::new(), parts, late, received: 0, lost: 0 };
        let mut pace = Pace { began: Instant::now(), frames: 0, callers: plan.callers };
        let mut turn = 0;
        for talkers in TALKERS.into_iter().filter(|talkers| *talkers <= all) {
            let unmeasured = if turn == 0 { FIRST } else { LATER };
            let (mut used, mut since) = (Duration::ZERO, Instant::now());
            let mut dropped = 0;
            for number in 0..unmeasured + plan.seconds {
                let counts = number >= unmeasured;
                if number == unmeasured {
                    (used, since, dropped) = (cpu::of_process(pid)?, Instant::now(), drops());
                }
                let speakers = speakers(turn, talkers, all);
                let second = Second { turns: &turns, silence: &silence, speakers, counts };
                run.second(&second, plan.codec, &mut pace)?;
                turn += 1;
            }
            let cores =
                (cpu::of_process(pid)? - used).as_secs_f64() / since.elapsed().as_secs_f64();
            run.lost += i64::try_from(drops() - dropped).unwrap_or_default();
            run.parts.push(Part { talkers, cores, ..Part::default() });
        }
        Ok(run)
    }
}

/// How many may speak: the others listen.
fn voices(callers: usize) -> usize {
    callers - LISTENERS.min(callers / 2)
}

/// Who speaks in a turn.
fn speakers(turn: usize, talkers: usize, of: usize) -> Vec<usize> {
    let first = ((turn as f64 * GOLDEN).fract() * of as f64) as usize;
    (0..talkers).map(|n| (first + n * of / talkers) % of).collect()
}

/// When packets are due: each caller has a time of its own within the 20 ms.
struct Pace {
    began: Instant,
    frames: u32,
    callers: usize,
}

impl Pace {
    fn wait(&self, caller: usize) -> Duration {
        let due = FRAME * self.frames + FRAME.mul_f64(caller as f64 / self.callers as f64);
        let early = due.saturating_sub(self.began.elapsed());
        if !early.is_zero() {
            thread::sleep(early);
        }
        self.began.elapsed().saturating_sub(due)
    }
}

struct Second<'a> {
    turns: &'a [Turn],
    silence: &'a [u8],
    /// The first one has marks that count.
    speakers: Vec<usize>,
    counts: bool,
}

impl Run {
    fn second(&mut self, second: &Second<'_>, codec: Codec, pace: &mut Pace) -> Outcome<()> {
        let part = self.parts.len();
        for packet in 0..TURN {
            for at in 0..self.callers.len() {
                let late = pace.wait(at);
                let speaks = second.speakers.iter().position(|speaker| *speaker == at);
                let turn = speaks.and_then(|n| second.turns.get(n));
                let payload = turn.and_then(|turn| turn.payloads.get(packet));
                let payload = payload.map_or(second.silence, Vec::as_slice);
                let header = RtpHeader {
                    payload_type: codec.payload_type(),
                    marker: pace.frames == 0,
                    sequence: pace.frames as u16,
                    timestamp: pace.frames.wrapping_mul(codec.ticks()),
                    ssrc: 0x1000 + at as u32,
                };
                let Some(caller) = self.callers.get_mut(at) else { continue };
                let sent = wall_nanos();
                caller.rtp.send_to(&[&header.to_bytes(), payload].concat(), caller.to)?;
                if second.counts {
                    self.late.push(late.as_secs_f64() * 1e3);
                }
                if second.counts && speaks == Some(0) {
                    let marks = turn.into_iter().flat_map(|turn| &turn.marks);
                    let here = marks.filter(|(of, _)| *of == packet);
                    let sent = (sent - self.began) as f64 / 1e6;
                    self.marks.extend(here.map(|(_, ms)| (sent + ms, part)));
                }
                let (received, lost) = caller.hear(codec)?;
                if second.counts {
                    self.received += received;
                    self.lost += lost;
                }
            }
            pace.frames += 1;
        }
        Ok(())
    }

    fn judge(mut self, plan: &Plan) -> Outcome<Measured> {
        for caller in &mut self.callers {
            let Some(kept) = caller.kept.take() else { continue };
            let mut heard = Heard::new(plan.codec)?;
            for (came, octets) in &kept {
                let Ok(packet) = RtpPacket::parse(octets) else { continue };
                heard.packet(packet.payload(), came.saturating_sub(self.began) as f64 / 1e6);
            }
            for (sent, part) in &self.marks {
                let Some(part) = self.parts.get_mut(*part) else { continue };
                match heard.mark(*sent) {
                    Some(found) => part.delays.push(found - sent),
                    None => part.unheard += 1,
                }
            }
        }
        self.parts.iter_mut().for_each(|part| part.delays.sort_by(f64::total_cmp));
        self.late.sort_by(f64::total_cmp);
        Ok(Measured {
            late: percentile(&self.late, 0.99).unwrap_or_default(),
            parts: self.parts,
            lost: u64::try_from(self.lost).unwrap_or_default(),
            received: self.received,
        })
    }
}

impl Caller {
    /// Takes what has come; how many packets, and how many are missing between them.
    fn hear(&mut self, codec: Codec) -> Outcome<(u64, i64)> {
        let mut octets = [0; 2_000];
        let (mut received, mut lost) = (0, 0);
        while let Some((packet, came)) = self.rtp.receive(&mut octets)? {
            let Ok(read) = RtpPacket::parse(packet) else { continue };
            if read.payload_type() != codec.payload_type() {
                continue;
            }
            received += 1;
            let ahead =
                self.last.map_or(1, |last| read.sequence().wrapping_sub(last).cast_signed());
            lost += i64::from(ahead) - 1;
            if ahead > 0 {
                self.last = Some(read.sequence());
            } else {
                // Behind its time: it was counted as lost.
                lost -= i64::from(ahead);
            }
            if let Some(kept) = &mut self.kept {
                kept.push((came, packet.to_vec()));
            }
        }
        Ok((received, lost))
    }
}

/// What `share` of the values, which are in order, do not exceed.
pub fn percentile(values: &[f64], share: f64) -> Option<f64> {
    values.get(((values.len().checked_sub(1)?) as f64 * share).round() as usize).copied()
}

/// Datagrams that the kernel dropped because nobody had read those before, of all sockets here.
fn drops() -> u64 {
    let text = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let mut lines = text.lines().filter(|line| line.starts_with("Udp:"));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mut pairs = names.split_whitespace().zip(values.split_whitespace());
    pairs.find(|(name, _)| *name == "RcvbufErrors").and_then(|(_, n)| n.parse().ok()).unwrap_or(0)
}
