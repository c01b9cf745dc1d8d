//! Telephones around a room, in simulated time: what each says goes over a network of its own, what
//! each is sent is decoded.
#![allow(dead_code, reason = "each test uses a part of it")]

use codecs::{AudioDecoder, AudioEncoder, AudioFormat, Decoder, Encoder};
use mixer::{Format, OutgoingPacket, ParticipantId, Recorded, Room, RoomConfig, RoomEvent, Sink};
use mixer::{TICK_SAMPLES, Taken};
use model::Instant;
use rtp_proto::RtpHeader;
use std::collections::BTreeMap;
use std::f32::consts::TAU;

pub(crate) const MS: u64 = 1_000_000;

/// A generator that repeats.
pub(crate) struct Luck(pub(crate) u64);

impl Luck {
    pub(crate) fn draw(&mut self) -> f32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }
}

/// What somebody says, by the time in seconds.
pub(crate) type Says = Box<dyn FnMut(f64) -> f32>;
/// What the network does to a packet: its delay in ms, or nothing of it.
pub(crate) type Network = Box<dyn FnMut(u64) -> Option<f32>>;

pub(crate) struct Phone {
    pub(crate) id: ParticipantId,
    pub(crate) format: Format,
    pub(crate) says: Says,
    pub(crate) network: Network,
    /// How fast its clock is, in millionths.
    pub(crate) ppm: f64,
    /// Octets that the room sent it, with and without 40 of headers for each packet.
    pub(crate) octets: u64,
    pub(crate) packets: u64,
    /// Timestamps, payload types and markers of what it was sent.
    pub(crate) sent: Vec<(u32, u8, bool)>,
    /// What it heard, at the decoder's rate, in its place.
    pub(crate) heard: Vec<i16>,
    encoder: AudioEncoder,
    decoder: AudioDecoder,
    count: u64,
    pub(crate) ssrc: u32,
    /// Packets on their way, by their arrival.
    flying: BTreeMap<(u64, u64), Vec<u8>>,
}

impl Phone {
    pub(crate) fn new(id: u64, format: Format, says: Says) -> Self {
        let audio = format.receive.audio[0].1;
        Phone {
            id: ParticipantId(id),
            // Opus at 16,000, where its encoder keeps its bit rate.
            encoder: AudioEncoder::new(audio, audio.sample_rate().min(16_000)).unwrap(),
            decoder: AudioDecoder::new(format.format, format.format.sample_rate()).unwrap(),
            format,
            says,
            network: Box::new(|_| Some(0.0)),
            ppm: 0.0,
            octets: 0,
            packets: 0,
            sent: Vec::new(),
            heard: Vec::new(),
            count: 0,
            ssrc: id as u32 + 1,
            flying: BTreeMap::new(),
        }
    }

    /// From now on its packets tell twice what is lost, if their format can.
    pub(crate) fn tell_twice(&mut self) {
        if let AudioEncoder::Opus(opus) = &mut self.encoder {
            opus.set_packet_loss(15);
            opus.set_bitrate(24_000);
        }
    }

    pub(crate) fn rate(&self) -> usize {
        self.decoder.sample_rate() as usize
    }

    /// Sends what is complete by `now`.
    fn send(&mut self, now: u64) {
        loop {
            let end = ((self.count + 1) as f64 * 20e6 / (1.0 + self.ppm * 1e-6)) as u64;
            if end > now {
                return;
            }
            let rate = self.encoder.sample_rate();
            let count = (rate / 50) as usize;
            let first = self.count * count as u64;
            let samples: Vec<i16> = (0..count)
                .map(|k| {
                    // By the sender's own clock.
                    (self.says)((first + k as u64) as f64 / f64::from(rate)) as i16
                })
                .collect();
            let mut payload = vec![0; 4_000];
            let len = self.encoder.encode(&samples, &mut payload).unwrap();
            let (number, audio) = self.format.receive.audio[0];
            let header = RtpHeader {
                payload_type: number,
                marker: self.count == 0,
                sequence: (self.count as u16).wrapping_add(65_000),
                timestamp: (self.count * u64::from(audio.clock_rate() / 50)) as u32,
                ssrc: self.ssrc,
            };
            if let Some(delay) = (self.network)(self.count) {
                let octets = [header.to_bytes().as_slice(), &payload[..len]].concat();
                let arrival = end + (delay * MS as f32) as u64;
                self.flying.insert((arrival, self.count), octets);
            }
            self.count += 1;
        }
    }

    fn take(&mut self, packet: &OutgoingPacket<'_>) {
        self.octets += packet.payload.len() as u64;
        self.packets += 1;
        self.sent.push((packet.timestamp, packet.payload_type, packet.marker));
        if packet.payload_type != self.format.payload_type {
            return;
        }
        let mut out = vec![0; 6_000];
        let count = self.decoder.decode(packet.payload, &mut out).unwrap();
        let ratio = self.format.format.clock_rate() as usize;
        let at = packet.timestamp as usize * self.rate() / ratio;
        assert!(at >= self.heard.len(), "no two packets for one place");
        self.heard.resize(at, 0);
        self.heard.extend(&out[..count]);
    }
}

pub(crate) struct Hall {
    pub(crate) room: Room,
    pub(crate) phones: Vec<Phone>,
    pub(crate) now: u64,
    pub(crate) events: Vec<(u64, RoomEvent)>,
    pub(crate) recorded: Vec<i16>,
    /// What packets became, other than audio.
    pub(crate) taken: Vec<Taken>,
}

impl Hall {
    pub(crate) fn new(config: RoomConfig) -> Self {
        Hall {
            room: Room::new(config, Instant::ZERO),
            phones: Vec::new(),
            now: 0,
            events: Vec::new(),
            recorded: Vec::new(),
            taken: Vec::new(),
        }
    }

    pub(crate) fn join(&mut self, format: Format, says: Says) -> usize {
        let id = self.phones.len() as u64;
        self.room.join(ParticipantId(id), &format).unwrap();
        self.phones.push(Phone::new(id, format, says));
        self.phones.len() - 1
    }

    /// Lets time go by.
    pub(crate) fn run(&mut self, ms: u64) {
        self.run_with(ms, |_, _| {});
    }

    /// The same, and looks at the room after each tick.
    pub(crate) fn run_with(&mut self, ms: u64, mut look: impl FnMut(u64, &mut Room)) {
        let end = self.now + ms * MS;
        while self.now < end {
            self.now += 20 * MS;
            for phone in &mut self.phones {
                phone.send(self.now);
                while let Some(entry) = phone.flying.first_entry() {
                    let arrival = entry.key().0;
                    if arrival > self.now {
                        break;
                    }
                    let octets = entry.remove();
                    let taken = self.room.packet(phone.id, &octets, Instant::from_nanos(arrival));
                    self.taken.extend(taken.filter(|taken| *taken != Taken::Audio));
                }
            }
            let mut ears = Ears {
                phones: &mut self.phones,
                events: &mut self.events,
                recorded: &mut self.recorded,
                now: self.now,
            };
            assert_eq!(self.room.tick(Instant::from_nanos(self.now), &mut ears), 1);
            look(self.now, &mut self.room);
        }
    }
}

struct Ears<'a> {
    phones: &'a mut [Phone],
    events: &'a mut Vec<(u64, RoomEvent)>,
    recorded: &'a mut Vec<i16>,
    now: u64,
}

impl Sink for Ears<'_> {
    fn packet(&mut self, packet: &OutgoingPacket<'_>) {
        self.phones[packet.participant.0 as usize].take(packet);
    }

    fn recorded(&mut self, what: Recorded, samples: &[i16; TICK_SAMPLES]) {
        if what == Recorded::Mix {
            self.recorded.extend(samples);
        }
    }

    fn event(&mut self, event: RoomEvent) {
        self.events.push((self.now, event));
    }
}

pub(crate) fn tone(frequency: f32, amplitude: f32) -> Says {
    Box::new(move |at| {
        let turns = (f64::from(frequency) * at).fract() as f32;
        (turns * TAU).sin() * amplitude
    })
}

pub(crate) fn nothing() -> Says {
    Box::new(|_| 0.0)
}

/// Something like a voice: a harmonic sound whose pitch glides, in syllables of 400 ms, with noise.
pub(crate) fn voice(pitch: f32, amplitude: f32, seed: u64) -> Says {
    let mut luck = Luck(seed);
    let mut phase = 0.0_f64;
    let mut before = 0.0_f64;
    Box::new(move |at| {
        let glide = 1.0 + 0.15 * (at * 1.7).sin();
        phase += (at - before) * f64::from(pitch) * glide;
        before = at;
        let syllable = ((at * 2.5).fract() * std::f64::consts::TAU).sin().max(0.0) as f32;
        let turn = (phase.fract() as f32) * TAU;
        let sound: f32 = (1..12).map(|k| (turn * k as f32).sin() / k as f32).sum();
        (sound * syllable + (luck.draw() - 0.5) * 0.02) * amplitude
    })
}

pub(crate) const FORMATS: [(u8, AudioFormat); 5] = [
    (0, AudioFormat::Pcmu),
    (8, AudioFormat::Pcma),
    (9, AudioFormat::G722),
    (96, AudioFormat::L16 { sample_rate: 16_000 }),
    (111, AudioFormat::Opus),
];

pub(crate) fn format(at: usize) -> Format {
    let (number, format) = FORMATS[at % FORMATS.len()];
    Format::symmetric(number, format)
}

/// The amplitude of a tone (Goertzel), under a Hann window.
pub(crate) fn amplitude(samples: &[i16], rate: usize, frequency: f32) -> f32 {
    let turn = f64::from(frequency) / rate as f64 * std::f64::consts::TAU;
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (n as f64 / samples.len() as f64 * std::f64::consts::TAU).cos();
        let value = f64::from(*sample) * window;
        real += value * (turn * n as f64).cos();
        imaginary += value * (turn * n as f64).sin();
    }
    (4.0 * real.hypot(imaginary) / samples.len() as f64) as f32
}

pub(crate) fn last(samples: &[i16], count: usize) -> &[i16] {
    &samples[samples.len() - count..]
}
