//! A real relay over sockets, the threads that mix for it, and telephones around it.
#![allow(dead_code, reason = "each test uses a part of it")]

use crate::tapes::Tapes;
use codecs::{AudioDecoder, AudioEncoder, AudioFormat, Decoder, Encoder};
use media_relay::{Announcement, Clock, Relay, RelayConfig, SeatNews};
use model::{
    Codec, CodecMapping, ConferenceId, Heard, IpFamily, LegPlan, LegSecurity, MediaCommand,
    MediaEvent, MediaId, MediaPlan, ParticipantId, Seat, TransactionId, XrWishes,
};
use room_media::{Mixing, MixingConfig, MixingOrders, MixingStatistics, Recorder, Recording};
use rtp_proto::{RtpHeader, RtpPacket};
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

pub(crate) const FRAME: Duration = Duration::from_millis(20);
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    pub(crate) relay: Relay,
    events: Receiver<MediaEvent>,
    pub(crate) mixing: Mixing,
    pub(crate) tapes: Arc<Tapes>,
}

impl Rig {
    pub(crate) fn new(ports: std::ops::RangeInclusive<u16>) -> Rig {
        #[expect(clippy::disallowed_methods, reason = "a test is a shell and chooses the origin")]
        let origin = std::time::Instant::now();
        let (tells, seats) = sync_channel::<SeatNews>(64);
        let (announces, announcements) = sync_channel::<Announcement>(64);
        let mut config = RelayConfig::new(vec!["127.0.0.1".parse().unwrap()], ports);
        config.conferences = Some(tells);
        config.announcements = Some(announces);
        let (sender, events) = sync_channel(10_000);
        let sink: media_relay::EventSink = Arc::new(move |event| sender.send(event).unwrap());
        let told = Arc::clone(&sink);
        let relay = Relay::start(config, Clock::new(origin), sink).unwrap();
        let tapes = Arc::new(Tapes::default());
        let recorder: Arc<dyn Recorder> = Arc::<Tapes>::clone(&tapes);
        let recording = Recording { recorder: Some(recorder), events: told };
        let orders = MixingOrders { seats, announcements };
        let mixing = Mixing::start(MixingConfig::default(), origin, orders, recording).unwrap();
        Rig { relay, events, mixing, tapes }
    }

    pub(crate) fn event(&self, wanted: impl Fn(&MediaEvent) -> bool) -> MediaEvent {
        loop {
            let event = self.events.recv_timeout(DEADLINE).expect("the relay answers in time");
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Another conference than the one of all others.
    pub(crate) fn sit_in(&self, conference: u64, id: u64) {
        let (conference, participant) = (ConferenceId(conference), ParticipantId(id));
        let seat = Seat { conference, participant, leg: model::LegSide::A, is_muted: false };
        self.relay.command(MediaCommand::Sit { id: MediaId(id), seat }).unwrap();
        self.event(|event| matches!(event, MediaEvent::Sits { id: of } if of.0 == id));
    }

    pub(crate) fn seat(&self, id: u64, is_muted: bool) {
        let (conference, participant) = (ConferenceId(7), ParticipantId(id));
        let seat = Seat { conference, participant, leg: model::LegSide::A, is_muted };
        self.relay.command(MediaCommand::Sit { id: MediaId(id), seat }).unwrap();
    }

    pub(crate) fn sit(&self, id: u64, is_muted: bool) {
        self.seat(id, is_muted);
        self.event(|event| matches!(event, MediaEvent::Sits { id: of } if of.0 == id));
    }

    /// How legs were heard, as was told since this was last asked.
    pub(crate) fn heard(&self) -> BTreeMap<u64, Vec<Heard>> {
        let mut all = BTreeMap::<u64, Vec<Heard>>::new();
        for event in self.events.try_iter() {
            if let MediaEvent::Heard { id, heard } = event {
                all.entry(id.0).or_default().push(heard);
            }
        }
        all
    }

    pub(crate) fn until(&self, reached: impl Fn(&MixingStatistics) -> bool) -> MixingStatistics {
        let pause = UdpSocket::bind("127.0.0.1:0").unwrap();
        pause.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        for _ in 0..6_000 {
            let now = self.mixing.statistics();
            if reached(&now) {
                return now;
            }
            let _ = pause.recv(&mut [0]);
        }
        panic!("not reached: {:?}", self.mixing.statistics());
    }
}

/// A telephone that says one tone.
pub(crate) struct Phone {
    pub(crate) id: u64,
    socket: UdpSocket,
    to: SocketAddr,
    pub(crate) format: AudioFormat,
    pub(crate) hertz: f64,
    encoder: AudioEncoder,
    decoder: AudioDecoder,
    sent: u32,
    /// It says nothing now.
    pub(crate) is_silent: bool,
    /// What it heard, at its format's rate.
    pub(crate) heard: Vec<i16>,
}

impl Phone {
    pub(crate) fn new(rig: &Rig, id: u64, (codec, rate): (Codec, u32), hertz: f64) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let transaction_id = TransactionId::from_random(id.into());
        let (families, line) = ([IpFamily::V4; 2], Default::default());
        let command = MediaCommand::Allocate {
            id: MediaId(id),
            transaction_id,
            families,
            emergency: false,
            line,
        };
        rig.relay.command(command).unwrap();
        let MediaEvent::Allocated { local, .. } =
            rig.event(|event| matches!(event, MediaEvent::Allocated { id: of, .. } if of.0 == id))
        else {
            panic!("no ports")
        };
        let mapping =
            CodecMapping { payload_type: 96, codec, clock_rate: rate, packet_duration: FRAME };
        let leg = LegPlan {
            remote_rtp: Some(socket.local_addr().unwrap()),
            remote_rtcp: None,
            signalling_source: None,
            rtcp_mux: true,
            accepts_from: true,
            sends_to: true,
            relearn: true,
            codecs: vec![mapping],
            telephone_event: None,
            xr: XrWishes::default(),
            security: LegSecurity::Plain,
            ice: None,
        };
        let nobody =
            LegPlan { remote_rtp: None, accepts_from: false, sends_to: false, ..leg.clone() };
        let plan = Box::new(MediaPlan::rtp([leg, nobody]));
        rig.relay.command(MediaCommand::Apply { id: MediaId(id), plan }).unwrap();
        let format = AudioFormat::new(codec, rate).unwrap();
        let rate = format.sample_rate();
        Phone {
            id,
            socket,
            to: local[0].rtp,
            format,
            hertz,
            encoder: AudioEncoder::new(format, rate).unwrap(),
            decoder: AudioDecoder::new(format, rate).unwrap(),
            sent: 0,
            is_silent: false,
            heard: Vec::new(),
        }
    }

    pub(crate) fn say(&mut self) {
        let rate = self.format.sample_rate();
        let count = rate / 50;
        let step = std::f64::consts::TAU * self.hertz / f64::from(rate);
        // Words and pauses: a tone that never ends is noise to who looks for voices.
        let speaks = !self.is_silent && self.sent % 30 < 22;
        let loudness = if speaks { 6_000.0 } else { 0.0 };
        let sample = |n: u32| ((f64::from(self.sent * count + n) * step).sin() * loudness) as i16;
        let samples: Vec<_> = (0..count).map(sample).collect();
        let header = RtpHeader {
            payload_type: 96,
            marker: self.sent == 0,
            sequence: self.sent as u16,
            timestamp: self.sent * (self.format.clock_rate() / 50),
            ssrc: self.id as u32,
        };
        let mut packet = vec![0; 2_000];
        header.write_header(&mut packet).unwrap();
        let payload = &mut packet[RtpHeader::BYTES..];
        let len = self.encoder.encode(&samples, payload).unwrap();
        self.socket.send_to(&packet[..RtpHeader::BYTES + len], self.to).unwrap();
        self.sent += 1;
    }

    /// Takes what has come.
    pub(crate) fn hear(&mut self) {
        self.socket.set_nonblocking(true).unwrap();
        let (mut packet, mut samples) = ([0; 2_000], [0; 5_760]);
        while let Ok(len) = self.socket.recv(&mut packet) {
            let Ok(packet) = RtpPacket::parse(&packet[..len]) else { continue };
            if packet.payload_type() == 96 {
                let count = self.decoder.decode(packet.payload(), &mut samples).unwrap();
                self.heard.extend_from_slice(&samples[..count]);
            }
        }
    }

    /// How loud a tone is in what was heard, of full scale: the mean over tenths of a second, so that
    /// nothing depends on where a packet that came late has moved the rest to.
    pub(crate) fn level(&self, hertz: f64) -> f64 {
        let rate = self.format.sample_rate();
        let step = std::f64::consts::TAU * hertz / f64::from(rate);
        let tenths = self.heard.chunks_exact(rate as usize / 10);
        let count = tenths.len().max(1) as f64;
        let levels = tenths.map(|tenth| {
            let (mut real, mut imaginary) = (0.0, 0.0);
            for (n, sample) in tenth.iter().enumerate() {
                real += f64::from(*sample) * (n as f64 * step).cos();
                imaginary += f64::from(*sample) * (n as f64 * step).sin();
            }
            real.hypot(imaginary) * 2.0 / tenth.len() as f64 / 32_768.0
        });
        levels.sum::<f64>() / count
    }
}

/// All speak for so many frames, in real time, and hear meanwhile.
#[expect(clippy::disallowed_methods, reason = "a talker speaks in real time")]
pub(crate) fn talk(phones: &mut [Phone], frames: u32) {
    let began = std::time::Instant::now();
    for frame in 0..frames {
        for phone in &mut *phones {
            phone.say();
            phone.hear();
        }
        std::thread::sleep((FRAME * (frame + 1)).saturating_sub(began.elapsed()));
    }
}

/// All speak until it was told that one of them is heard speaking, or that it is not.
pub(crate) fn talk_until_told(phones: &mut [Phone], rig: &Rig, id: u64, is_speaking: bool) {
    let tries = DEADLINE.as_millis() / FRAME.as_millis();
    let is_told = (0..tries).any(|_| {
        talk(phones, 1);
        let told = rig.heard().remove(&id).unwrap_or_default();
        told.last().is_some_and(|last| last.is_speaking == is_speaking)
    });
    assert!(is_told, "nobody is told of phone {id} that it speaks: {is_speaking}");
}
