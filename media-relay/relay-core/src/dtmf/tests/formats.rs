//! Keys as tones in audio of every format.

use super::*;
use codecs::{AudioEncoder, Encoder, LONGEST_PAYLOAD};

const AUDIO: u8 = 96;
const FORMATS: [(Codec, u32); 4] =
    [(Codec::G722, 8_000), (Codec::L16, 16_000), (Codec::L16, 48_000), (Codec::Opus, 48_000)];

fn plan_of(conversion: DtmfConversion, (codec, clock_rate): (Codec, u32)) -> MediaPlan {
    let mut plan = plan(conversion);
    for leg in &mut plan.legs {
        leg.codecs[0] = CodecMapping { clock_rate, ..mapping(AUDIO, codec) };
    }
    plan
}

/// A leg that speaks one format, in packets of 20 ms, or 10 of L16/48000.
struct Caller {
    format: AudioFormat,
    encoder: AudioEncoder,
    sequence: u16,
    timestamp: u32,
}

impl Caller {
    fn new((codec, clock_rate): (Codec, u32)) -> Self {
        let format = AudioFormat::new(codec, clock_rate).unwrap();
        let encoder = AudioEncoder::new(format, 16_000).unwrap();
        Caller { format, encoder, sequence: 65_500, timestamp: 8_000 }
    }

    /// Dials each key for 100 ms, between pauses.
    fn dial(&mut self, stage: &mut Stage, symbols: &str) {
        let rate = self.encoder.sample_rate() as usize;
        let mut audio = vec![0; rate / 10];
        for symbol in symbols.chars() {
            let event = DtmfKey::from_symbol(symbol).unwrap().event();
            let mut tone = vec![0; rate / 10];
            ToneGenerator::new(event, rate as u32).unwrap().generate(&mut tone);
            audio.extend(tone);
            audio.extend(vec![0; rate / 10]);
        }
        let millis = self.format.packet_ms(20);
        for samples in audio.chunks_exact(rate / 1_000 * millis as usize) {
            let mut packet = [0; RtpHeader::BYTES + LONGEST_PAYLOAD + GROWTH];
            let header = RtpHeader {
                payload_type: AUDIO,
                marker: false,
                sequence: self.sequence,
                timestamp: self.timestamp,
                ssrc: SSRC,
            };
            let begin = header.write_header(&mut packet).unwrap();
            let len = begin + self.encoder.encode(samples, &mut packet[begin..]).unwrap();
            self.sequence = self.sequence.wrapping_add(1);
            self.timestamp += self.format.clock_rate() / 1_000 * millis;
            let now = at(stage.now);
            let decision =
                stage.session.forward(A, MediaSocket::Rtp, address(A), &mut packet, len, now);
            let Decision::Send { len, .. } = decision else { panic!("{decision:?}") };
            stage.heard.push((stage.now, packet[..len].to_vec()));
            stage.poll();
            stage.wait(millis.into());
        }
    }
}

/// The keys that somebody finds who listens to B's audio in `format`.
fn audible(stage: &Stage, (codec, clock_rate): (Codec, u32)) -> String {
    let mut listener = Listener::new(AudioFormat::new(codec, clock_rate).unwrap()).unwrap();
    let (mut detector, mut found) = (ToneDetector::default(), String::new());
    for (_, packet) in &stage.heard {
        let packet = RtpPacket::parse(packet).unwrap();
        if packet.payload_type() == AUDIO {
            detector.take(listener.listen(packet.payload()), |step| {
                if let ToneStep::Pressed { event, .. } = step {
                    found.push(DtmfKey::from_event(event).unwrap().symbol());
                }
            });
        }
    }
    found
}

#[test]
fn tones_are_told_once_and_nobody_behind_us_hears_them() {
    for format in FORMATS {
        let mut stage = Stage::new(&plan_of(DtmfConversion::TonesToSignalling, format));
        Caller::new(format).dial(&mut stage, ALL);
        assert_eq!(stage.told(), ALL, "{format:?}");
        assert_eq!(audible(&stage, format), "", "{format:?}");
        stage.assert_continuous(0);
    }
}

#[test]
fn tones_become_events_whose_duration_fits_their_clock() {
    for format in FORMATS {
        for events in [8_000, format.1] {
            let mut plan = plan_of(DtmfConversion::TonesToEvents, format);
            let mapped =
                CodecMapping { clock_rate: events, ..mapping(EVENTS, Codec::TelephoneEvent) };
            plan.legs[1].codecs[1] = mapped;
            let mut stage = Stage::new(&plan);
            Caller::new(format).dial(&mut stage, ALL);
            let evented = stage.evented();
            let symbols: String = evented.iter().map(|(symbol, _)| *symbol).collect();
            assert_eq!(symbols, ALL, "{format:?}");
            for (_, eighths) in evented {
                // Told in eighths of a ms of 8,000 Hz.
                let millis = eighths * 8_000 / events;
                assert!((50..=120).contains(&millis), "{format:?}: {millis} ms");
            }
            assert_eq!(audible(&stage, format), "", "{format:?}");
            stage.assert_continuous(0);
        }
    }
}

#[test]
fn events_and_commands_become_tones() {
    for format in FORMATS {
        let mut stage = Stage::new(&plan_of(DtmfConversion::EventsToTones, format));
        for symbol in ALL.chars() {
            stage.events(symbol, 5, 3, |_| false);
            stage.wait(100);
        }
        let event = DtmfKey::from_symbol('7').unwrap().event();
        let (duration, now) = (Duration::from_millis(100), at(stage.now));
        stage.session.send_event(B, event, duration, now, &mut draw()).unwrap();
        stage.wait(300);
        assert_eq!(audible(&stage, format), format!("{ALL}7"), "{format:?}");
    }
}

#[test]
fn a_new_plan_has_its_formats_searched_as_well() {
    let [g722, .., opus] = FORMATS;
    let mut stage = Stage::new(&plan_of(DtmfConversion::TonesToSignalling, g722));
    Caller::new(g722).dial(&mut stage, "1");
    stage.session.apply(&plan_of(DtmfConversion::TonesToSignalling, opus), at(stage.now));
    Caller::new(opus).dial(&mut stage, "2");
    assert_eq!(stage.told(), "12");
}
