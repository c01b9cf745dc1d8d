//! Three legs of a real relay in one conference, over sockets: each hears the others and not itself.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test panics where it fails")]

mod tapes;

use codecs::{AudioDecoder, AudioEncoder, AudioFormat, Decoder, Encoder};
use media_relay::{Announcement, Clock, Relay, RelayConfig, SeatNews};
use model::{
    AudioSource, Codec, CodecMapping, ConferenceId, ConferenceRecording,
    ConferenceRecordingFailure, ConferenceRecordingId, ConferenceRecordingOrder, Heard, IpFamily,
    LegPlan, LegSecurity, MediaCommand, MediaEvent, MediaId, MediaPlan, ParticipantId,
    RecordedPerson, Seat, TransactionId, XrWishes,
};
use room_media::{Mixing, MixingConfig, MixingOrders, MixingStatistics, Recorder, Recording};
use rtp_proto::{RtpHeader, RtpPacket};
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;
use tapes::Tapes;

const FRAME: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(30);

struct Rig {
    relay: Relay,
    events: Receiver<MediaEvent>,
    mixing: Mixing,
    tapes: Arc<Tapes>,
}

impl Rig {
    fn new(ports: std::ops::RangeInclusive<u16>) -> Rig {
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

    fn event(&self, wanted: impl Fn(&MediaEvent) -> bool) -> MediaEvent {
        loop {
            let event = self.events.recv_timeout(DEADLINE).expect("the relay answers in time");
            if wanted(&event) {
                return event;
            }
        }
    }

    fn seat(&self, id: u64, is_muted: bool) {
        let (conference, participant) = (ConferenceId(7), ParticipantId(id));
        let seat = Seat { conference, participant, leg: model::LegSide::A, is_muted };
        self.relay.command(MediaCommand::Sit { id: MediaId(id), seat }).unwrap();
    }

    fn sit(&self, id: u64, is_muted: bool) {
        self.seat(id, is_muted);
        self.event(|event| matches!(event, MediaEvent::Sits { id: of } if of.0 == id));
    }

    /// How legs were heard, as was told since this was last asked.
    fn heard(&self) -> BTreeMap<u64, Vec<Heard>> {
        let mut all = BTreeMap::<u64, Vec<Heard>>::new();
        for event in self.events.try_iter() {
            if let MediaEvent::Heard { id, heard } = event {
                all.entry(id.0).or_default().push(heard);
            }
        }
        all
    }

    fn until(&self, reached: impl Fn(&MixingStatistics) -> bool) -> MixingStatistics {
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
struct Phone {
    id: u64,
    socket: UdpSocket,
    to: SocketAddr,
    format: AudioFormat,
    hertz: f64,
    encoder: AudioEncoder,
    decoder: AudioDecoder,
    sent: u32,
    /// What it heard, at its format's rate.
    heard: Vec<i16>,
}

impl Phone {
    fn new(rig: &Rig, id: u64, (codec, rate): (Codec, u32), hertz: f64) -> Phone {
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
            heard: Vec::new(),
        }
    }

    fn say(&mut self) {
        let rate = self.format.sample_rate();
        let count = rate / 50;
        let step = std::f64::consts::TAU * self.hertz / f64::from(rate);
        // Words and pauses: a tone that never ends is noise to who looks for voices.
        let loudness = if self.sent % 30 < 22 { 6_000.0 } else { 0.0 };
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
    fn hear(&mut self) {
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
    fn level(&self, hertz: f64) -> f64 {
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
fn talk(phones: &mut [Phone], frames: u32) {
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
fn talk_until_told(phones: &mut [Phone], rig: &Rig, id: u64, is_speaking: bool) {
    let tries = DEADLINE.as_millis() / FRAME.as_millis();
    let is_told = (0..tries).any(|_| {
        talk(phones, 1);
        let told = rig.heard().remove(&id).unwrap_or_default();
        told.last().is_some_and(|last| last.is_speaking == is_speaking)
    });
    assert!(is_told, "nobody is told of phone {id} that it speaks: {is_speaking}");
}

#[test]
fn each_hears_the_others_and_not_itself() {
    let rig = Rig::new(21_100..=21_119);
    let kinds = [(Codec::Pcmu, 8_000), (Codec::Opus, 48_000), (Codec::G722, 8_000)];
    let tones = [440.0, 1_000.0, 1_700.0];
    let mut phones: Vec<_> = kinds
        .into_iter()
        .zip(tones)
        .zip(1..)
        .map(|((kind, hertz), id)| Phone::new(&rig, id, kind, hertz))
        .collect();
    (1..=3).for_each(|id| rig.sit(id, false));
    assert_eq!(rig.until(|s| s.participants == 3).conferences, 1);
    // Until voices are found and brought to one loudness.
    talk(&mut phones, 100);
    phones.iter_mut().for_each(|phone| phone.heard.clear());
    talk(&mut phones, 100);
    for phone in &phones {
        assert!(phone.heard.len() as u32 >= phone.format.sample_rate(), "a second of sound");
        for hertz in tones {
            let level = phone.level(hertz);
            let is_own = hertz == phone.hertz;
            let fits = if is_own { level < 0.003 } else { level > 0.012 };
            assert!(fits, "phone {} hears {hertz} Hz at {level}", phone.id);
        }
    }
    // Signalling knows that all three speak, how loud, and whom to look at.
    let told = rig.heard();
    for id in 1..=3 {
        let told = &told[&id];
        assert!(told.iter().any(|heard| heard.is_speaking && (5..40).contains(&heard.level)));
    }
    assert!(told.values().flatten().any(|heard| heard.is_active_speaker));
    // One is muted while it speaks, and another one leaves.
    talk_until_told(&mut phones, &rig, 2, true);
    // Without waiting for its answer, which would pass over what is told meanwhile.
    rig.seat(2, true);
    talk_until_told(&mut phones, &rig, 2, false);
    rig.relay.command(MediaCommand::StandUp { id: MediaId(3) }).unwrap();
    rig.until(|s| s.participants == 2);
    talk(&mut phones, 50);
    phones.iter_mut().for_each(|phone| phone.heard.clear());
    rig.heard();
    talk(&mut phones, 50);
    let muted = rig.heard().remove(&2).unwrap_or_default();
    assert!(muted.iter().all(|heard| !heard.is_speaking), "{muted:?}");
    let [first, second, _] = &phones[..] else { panic!("three") };
    assert!(first.level(1_000.0) < 0.003 && first.level(1_700.0) < 0.003, "nobody is heard");
    assert!(second.level(440.0) > 0.012, "who is muted hears");
    let statistics = rig.until(|s| s.made > 0);
    assert_eq!((statistics.refused, statistics.lost_packets), (0, 0), "{statistics:?}");
    rig.relay.shutdown();
    rig.mixing.stop();
}

/// A WAV file of 16 bits at 8,000 Hz with one tone.
fn wave(hertz: f64, millis: u32) -> Vec<u8> {
    let count = millis * 8;
    let step = std::f64::consts::TAU * hertz / 8_000.0;
    let samples = (0..count).flat_map(|n| {
        let sample = (f64::from(n) * step).sin() * 3_000.0;
        (sample as i16).to_le_bytes()
    });
    let mut file = b"RIFF".to_vec();
    file.extend((36 + 2 * count).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend([1_u16, 1].map(u16::to_le_bytes).concat());
    file.extend([8_000_u32, 16_000].map(u32::to_le_bytes).concat());
    file.extend([2_u16, 16].map(u16::to_le_bytes).concat());
    file.extend(b"data");
    file.extend((2 * count).to_le_bytes());
    file.extend(samples);
    file
}

#[test]
fn all_hear_what_is_announced_and_each_other_meanwhile() {
    let rig = Rig::new(21_120..=21_139);
    let kinds = [(Codec::Pcmu, 8_000), (Codec::G722, 8_000)];
    let mut phones: Vec<_> = kinds
        .into_iter()
        .zip([440.0, 1_000.0])
        .zip(1..)
        .map(|((kind, hertz), id)| Phone::new(&rig, id, kind, hertz))
        .collect();
    (1..=2).for_each(|id| rig.sit(id, false));
    rig.until(|s| s.participants == 2);
    talk(&mut phones, 100);
    let announce = |octets: Vec<u8>| {
        let source = AudioSource::Octets(octets.into());
        rig.relay.command(MediaCommand::Announce { id: MediaId(1), source }).unwrap();
    };
    announce(wave(2_300.0, 3_000));
    // What is no sound is counted, and so is what comes behind too many.
    announce(b"RIFF, or something like it".to_vec());
    rig.until(|s| s.left_out == 1);
    talk(&mut phones, 20);
    phones.iter_mut().for_each(|phone| phone.heard.clear());
    talk(&mut phones, 100);
    for (phone, other) in phones.iter().zip([1_000.0, 440.0]) {
        let (announced, other, own) =
            (phone.level(2_300.0), phone.level(other), phone.level(phone.hertz));
        assert!(announced > 0.03, "phone {} hears {announced} of it", phone.id);
        assert!(other > 0.004 && other < announced, "turned down, and heard: {other}");
        assert!(own < 0.003, "{own}");
    }
    talk(&mut phones, 100);
    phones.iter_mut().for_each(|phone| phone.heard.clear());
    talk(&mut phones, 50);
    assert!(phones.iter().all(|phone| phone.level(2_300.0) < 0.003), "it ends");
    for _ in 0..20 {
        announce(wave(2_300.0, 1_000));
    }
    rig.until(|s| s.left_out > 1);
    rig.relay.shutdown();
    rig.mixing.stop();
}

/// How loud a tone is in samples of 48,000 a second, of full scale.
fn level_of(samples: &[i16], hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / 48_000.0;
    let tenths = samples.chunks_exact(4_800);
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

fn recording(meeting: &str, name: &str, call: u64) -> ConferenceRecordingOrder {
    recording_of(1, meeting, name, call)
}

/// A meeting's recording with this number.
fn recording_of(number: u64, meeting: &str, name: &str, call: u64) -> ConferenceRecordingOrder {
    let call = TransactionId::from_random(call.into());
    let person = RecordedPerson { call, name: name.into(), is_moderator: false };
    let (meeting, name) = (meeting.into(), "Weekly".into());
    let id = ConferenceRecordingId(number);
    let people = vec![person];
    let recording = ConferenceRecording { id, meeting, name, people };
    ConferenceRecordingOrder::Record(Box::new(recording))
}

fn record(rig: &Rig, id: u64, recording: ConferenceRecordingOrder) {
    rig.relay.command(MediaCommand::RecordConference { id: MediaId(id), recording }).unwrap();
}

fn records(rig: &Rig, id: u64) {
    rig.event(|event| matches!(event, MediaEvent::ConferenceRecords { id: of } if of.0 == id));
}

fn why_not(rig: &Rig, id: u64) -> ConferenceRecordingFailure {
    let failed = rig.event(
        |event| matches!(event, MediaEvent::ConferenceRecordingFailed { id: of, .. } if of.0 == id),
    );
    let MediaEvent::ConferenceRecordingFailed { failure, .. } = failed else { unreachable!() };
    failure
}

#[test]
fn a_recording_has_all_in_the_mix_and_each_alone() {
    let rig = Rig::new(21_140..=21_159);
    let tones = [440.0, 1_000.0];
    let mut phones: Vec<_> = (1..=2)
        .map(|id| Phone::new(&rig, id, (Codec::G722, 8_000), tones[id as usize - 1]))
        .collect();
    // Whoever has no seat names no conference.
    record(&rig, 1, recording("m", "One", 1));
    assert_eq!(why_not(&rig, 1), ConferenceRecordingFailure::NoSeat);
    rig.sit(1, false);
    record(&rig, 1, recording("m", "One", 1));
    records(&rig, 1);
    rig.sit(2, false);
    record(&rig, 2, recording("m", "Two", 2));
    records(&rig, 2);
    rig.until(|s| s.participants == 2);
    let taped = rig.tapes.get(0);
    talk(&mut phones, 100);
    let from = taped.lock().unwrap().mix.len();
    talk(&mut phones, 100);
    let calls = [1, 2].map(TransactionId::from_random);
    {
        let taped = taped.lock().unwrap();
        assert_eq!((&*taped.meeting, &taped.named[..]), ("m", &["One".into(), "Two".into()][..]));
        assert_eq!(taped.joined[0].0, calls[0]);
        assert!(taped.joined[1].0 == calls[1] && taped.joined[1].1.is_multiple_of(960));
        let mix = &taped.mix[from..];
        assert!(mix.len() >= 48_000 && !taped.is_over, "a second of sound");
        for (n, hertz) in tones.into_iter().enumerate() {
            assert!(level_of(mix, hertz) > 0.012, "{hertz} Hz in the mix");
            for (m, call) in calls.iter().enumerate() {
                let level = level_of(&taped.alone[call][from..], hertz);
                let fits = if n == m { level > 0.012 } else { level < 0.001 };
                assert!(fits, "{hertz} Hz alone in {m}: {level}");
            }
        }
        assert!(taped.alone[&calls[1]].len().abs_diff(taped.mix.len()) <= 960, "they are aligned");
    }
    // The last one's end is the recording's; who comes after begins another.
    for id in 1..=2 {
        rig.relay.command(MediaCommand::StandUp { id: MediaId(id) }).unwrap();
    }
    rig.until(|s| s.conferences == 0);
    rig.until(|_| taped.lock().unwrap().is_over);
    assert_eq!(taped.lock().unwrap().left.len(), 2);
    rig.sit(1, false);
    record(&rig, 1, recording("m", "One", 1));
    records(&rig, 1);
    let second = rig.tapes.get(1);
    assert_eq!(second.lock().unwrap().joined.len(), 1);
    // What breaks off is told once, and nothing more is handed over.
    let full = ConferenceRecordingFailure::File("no space left".into());
    second.lock().unwrap().failure = Some(full.clone());
    assert_eq!(why_not(&rig, 1), full);
    rig.until(|_| second.lock().unwrap().is_over);
    record(&rig, 1, recording("m", "One", 1));
    records(&rig, 1);
    let stop = |number| ConferenceRecordingOrder::Stop(ConferenceRecordingId(number));
    record(&rig, 1, stop(1));
    let third = rig.tapes.get(2);
    rig.until(|_| third.lock().unwrap().is_over);
    // What comes late of one that was stopped begins nothing, and ends nothing of the next.
    record(&rig, 1, recording("m", "One", 1));
    record(&rig, 1, recording_of(2, "m", "One", 1));
    records(&rig, 1);
    let fourth = rig.tapes.get(3);
    record(&rig, 1, stop(1));
    record(&rig, 1, recording("m", "One", 1));
    record(&rig, 1, recording_of(2, "m", "Two", 1));
    records(&rig, 1);
    assert_eq!(fourth.lock().unwrap().named, ["One", "One", "Two"].map(String::from));
    assert!(!fourth.lock().unwrap().is_over);
    record(&rig, 1, stop(2));
    rig.until(|_| fourth.lock().unwrap().is_over);
    rig.relay.shutdown();
    rig.mixing.stop();
}
