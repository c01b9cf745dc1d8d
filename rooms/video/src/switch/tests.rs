use super::*;
use crate::h264::{H264Format, PacketizationMode};
use crate::{LEAST_SHOWN, Mismatch};
use rtp_proto::RtpHeader;
use rtp_proto::rtcp::{self, FullIntraRequest, MaxBitRate, ReportBlock};

mod grids;

const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x02, 0xc4, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00,
    0x00, 0x07, 0xa3, 0xc4, 0x89, 0x92,
];
const PPS: &[u8] = &[0x68, 0xcb, 0x81, 0x12, 0xc8];
const IDR: &[u8] = &[0x65, 0x88, 0x84];
const SLICE: &[u8] = &[0x41, 0x9a];

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn key(participant: u16) -> StreamKey {
    StreamKey::main(Participant(participant))
}

fn format(text: &str) -> VideoFormat {
    VideoFormat::H264(Box::new(H264Format::parse(text).unwrap()))
}

const PLAIN: &str = "profile-level-id=42e01f;packetization-mode=1";

/// A room and the numbers of each source.
#[derive(Default)]
struct Room {
    switch: VideoSwitch,
    sequence: [u16; 16],
    now: u64,
}

impl Room {
    fn of(participants: u16) -> Self {
        let mut room = Room::default();
        for number in 0..participants {
            room.join(key(number), PLAIN);
        }
        room
    }

    fn join(&mut self, key: StreamKey, parameters: &str) {
        self.send_only(key, parameters);
        self.receive_only(key, parameters);
    }

    fn send_only(&mut self, key: StreamKey, parameters: &str) {
        let settings = SourceSettings {
            format: format(parameters),
            requests: RequestWays { picture_loss: true, full_intra: false },
            limits: LimitWays { remb: false, tmmbr: true },
            high_definition: false,
            sends_again: false,
        };
        self.switch.add_source(at(self.now), key, settings).unwrap();
    }

    fn receive_only(&mut self, key: StreamKey, parameters: &str) {
        let outbound = OutboundSettings {
            ssrc: 1_000 + key.index() as u32,
            payload_type: 96,
            first_sequence: 0,
            first_timestamp: 0,
            payload_limit: 1_200,
            mode: Some(PacketizationMode::NonInterleaved),
        };
        let format = format(parameters);
        let settings = ReceiverSettings { format, outbound, most_bits_per_second: u64::MAX };
        self.switch.add_receiver(at(self.now), key, settings).unwrap();
    }

    /// A unit of a source, and who got what of it: the first octets of payloads.
    fn send(&mut self, from: StreamKey, unit: &[u8]) -> Vec<(StreamKey, u8)> {
        let sequence = &mut self.sequence[from.index()];
        *sequence += 1;
        let header = RtpHeader {
            payload_type: 97,
            sequence: *sequence,
            ssrc: 50 + from.index() as u32,
            timestamp: self.now as u32 * 90,
            marker: true,
        };
        let bytes = [&header.to_bytes()[..], unit].concat();
        let packet = RtpPacket::parse(&bytes).unwrap();
        let mut got = Vec::new();
        self.switch.handle_rtp(at(self.now), from, &packet, &mut |to, out| {
            assert_eq!(out.header.ssrc, 1_000 + to.index() as u32);
            got.push((to, *out.head.iter().chain(out.body).next().unwrap()));
        });
        got
    }

    fn key_frame(&mut self, from: StreamKey) -> Vec<(StreamKey, u8)> {
        [SPS, PPS, IDR].into_iter().flat_map(|unit| self.send(from, unit)).collect()
    }

    /// Everybody sends, so that nobody vanishes, and time passes.
    fn pass(&mut self, millis: u64) {
        let until = self.now + millis;
        while self.now < until {
            self.now = (self.now + 500).min(until);
            self.switch.handle_timeout(at(self.now), &mut |_, _| {});
            for index in 0..16 {
                if self.sequence[index] > 0 {
                    self.send(StreamKey::of(index), SLICE);
                }
            }
        }
    }

    fn showing(&self, to: u16) -> Option<StreamKey> {
        self.switch.view(key(to)).unwrap().showing
    }

    /// Whom key frames are asked of now.
    fn asked(&mut self) -> Vec<StreamKey> {
        let mut asked = Vec::new();
        while let Some(feedback) = self.switch.poll_feedback(at(self.now)) {
            if let Feedback::KeyFrame { to, .. } = feedback {
                asked.push(to);
            }
        }
        asked
    }

    fn limits(&mut self) -> Vec<(StreamKey, u64)> {
        let mut limits = Vec::new();
        while let Some(feedback) = self.switch.poll_feedback(at(self.now)) {
            if let Feedback::Limit { to, bits_per_second, .. } = feedback {
                limits.push((to, bits_per_second));
            }
        }
        limits
    }
}

#[test]
fn the_old_picture_stays_until_the_new_one_can_begin() {
    let mut room = Room::of(3);
    room.switch.set_speaker(at(0), Some(Participant(0)));
    room.key_frame(key(0));
    room.key_frame(key(1));
    assert_eq!(room.showing(2), Some(key(0)));
    room.pass(5_000);
    room.switch.set_speaker(at(room.now), Some(Participant(1)));
    room.pass(1_000);
    assert_eq!(room.asked(), [key(1)]);
    let view = room.switch.view(key(2)).unwrap();
    assert_eq!((view.showing, view.waiting_for), (Some(key(0)), Some(key(1))));
    assert_eq!(room.send(key(0), SLICE), [(key(1), 0x41), (key(2), 0x41)]);
    // For long: the old one stays, and the new one is asked again.
    room.pass(10_000);
    assert_eq!(room.showing(2), Some(key(0)));
    assert_eq!(room.asked(), [key(1)]);
    // Parameter sets of before, as the source sends them seldom.
    let got = room.send(key(1), IDR);
    let units: Vec<_> = got.iter().filter(|(to, _)| *to == key(2)).map(|(_, unit)| *unit).collect();
    assert_eq!(units, [0x67, 0x68, 0x65]);
    assert_eq!(room.showing(2), Some(key(1)));
    assert_eq!(room.asked(), []);
}

#[test]
fn whoever_speaks_sees_who_spoke_before() {
    let mut room = Room::of(3);
    (0..3).for_each(|number| drop(room.key_frame(key(number))));
    for speaker in [0, 1, 2] {
        room.switch.set_speaker(at(room.now), Some(Participant(speaker)));
        room.pass(5_000);
        (0..3).for_each(|number| drop(room.key_frame(key(number))));
    }
    assert_eq!(room.switch.speaker(), Some(Participant(2)));
    assert_eq!(room.showing(0), Some(key(2)));
    assert_eq!(room.showing(1), Some(key(2)));
    assert_eq!(room.showing(2), Some(key(1)));
}

#[test]
fn nobody_sees_themselves_and_two_see_each_other_without_a_word() {
    let mut room = Room::of(2);
    assert_eq!(room.key_frame(key(0)).len(), 3, "the first key frame is shown at once");
    room.key_frame(key(1));
    assert_eq!((room.showing(0), room.showing(1)), (Some(key(1)), Some(key(0))));
    let mut alone = Room::of(1);
    assert_eq!(alone.key_frame(key(0)), []);
}

#[test]
fn who_joins_late_gets_a_picture_soon_and_requests_are_one() {
    let mut room = Room::of(2);
    room.key_frame(key(0));
    room.key_frame(key(1));
    room.pass(2_000);
    room.asked();
    for number in 2..8 {
        room.join(key(number), PLAIN);
    }
    assert_eq!(room.asked(), [key(0)]);
    room.pass(100);
    assert_eq!(room.asked(), [], "one a second");
    let got = room.send(key(0), IDR);
    assert_eq!(got.len(), 1 + 6 * 3, "who saw it before needs no parameter sets");
}

#[test]
fn a_source_that_vanishes_makes_way() {
    let mut room = Room::of(3);
    (0..3).for_each(|number| drop(room.key_frame(key(number))));
    room.switch.set_speaker(at(0), Some(Participant(0)));
    room.key_frame(key(0));
    assert_eq!(room.showing(2), Some(key(0)));
    let sequence = std::mem::take(&mut room.sequence[key(0).index()]);
    room.pass(2_500);
    assert_eq!(room.asked(), []);
    room.pass(1_000);
    assert_eq!(room.asked(), [key(1), key(2)], "2 is shown 1, and 1 is shown 2");
    room.key_frame(key(1));
    assert_eq!(room.showing(2), Some(key(1)));
    // It comes back.
    room.sequence[key(0).index()] = sequence;
    room.key_frame(key(0));
    assert_eq!(room.showing(2), Some(key(0)));
    room.switch.remove(at(room.now), Participant(0));
    assert_eq!(room.showing(2), None);
    assert!(room.switch.view(key(0)).is_none());
}

#[test]
fn slides_have_their_line_or_take_the_main_one() {
    let mut room = Room::of(3);
    let slides = StreamKey::slides(Participant(0));
    room.receive_only(StreamKey::slides(Participant(1)), PLAIN);
    room.send_only(slides, PLAIN);
    (0..3).for_each(|number| drop(room.key_frame(key(number))));
    room.switch.set_presenter(at(0), Some(Participant(0)));
    room.key_frame(slides);
    assert_eq!(room.switch.view(StreamKey::slides(Participant(1))).unwrap().showing, Some(slides));
    assert_eq!(room.showing(1), Some(key(0)), "the face stays");
    assert_eq!(room.showing(2), Some(slides), "no line for slides");
    assert_ne!(room.showing(0), Some(slides), "not one's own");
    room.switch.set_presenter(at(0), None);
    room.key_frame(key(0));
    assert_eq!(room.showing(2), Some(key(0)));
    assert_eq!(room.switch.view(StreamKey::slides(Participant(1))).unwrap().showing, None);
}

#[test]
fn what_is_withheld_is_not_shown_from_then_on() {
    let mut room = Room::of(3);
    let (slides, line) = (StreamKey::slides(Participant(0)), StreamKey::slides(Participant(1)));
    room.receive_only(line, PLAIN);
    room.send_only(slides, PLAIN);
    (0..3).for_each(|number| drop(room.key_frame(key(number))));
    room.switch.set_presenter(at(0), Some(Participant(0)));
    room.key_frame(slides);
    let showing = |room: &Room, key| room.switch.view(key).unwrap().showing;
    assert_eq!((room.showing(1), showing(&room, line)), (Some(key(0)), Some(slides)));
    assert_eq!(room.showing(2), Some(slides));
    // No cameras, neither by a pin; slides go on, in the place of cameras too.
    room.switch.withhold(at(0), key(1), [true, false]);
    room.switch.withhold(at(0), key(2), [true, false]);
    room.switch.pin(at(0), Participant(1), Some(Participant(2)));
    assert_eq!((room.showing(1), showing(&room, line)), (None, Some(slides)));
    assert_eq!(room.showing(2), Some(slides));
    assert_eq!(room.send(key(0), &[0x41, 0x9a]), [], "and nobody gets a packet of a camera");
    // No slides.
    room.switch.withhold(at(0), line, [true, true]);
    room.switch.withhold(at(0), key(2), [false, true]);
    assert_eq!(room.showing(2), None, "nor until a camera's key frame comes");
    assert_eq!(room.send(slides, SLICE), [], "and nobody gets a packet of slides");
    room.key_frame(slides);
    room.key_frame(key(0));
    assert_eq!((showing(&room, line), room.showing(2)), (None, Some(key(0))));
    room.switch.withhold(at(0), line, [false, false]);
    room.key_frame(slides);
    assert_eq!(showing(&room, line), Some(slides), "and again");
}

#[test]
fn a_pin_holds_whoever_speaks() {
    let mut room = Room::of(4);
    (0..4).for_each(|number| drop(room.key_frame(key(number))));
    room.switch.pin(at(0), Participant(3), Some(Participant(2)));
    room.key_frame(key(2));
    room.switch.set_speaker(at(room.now), Some(Participant(1)));
    room.key_frame(key(1));
    assert_eq!(room.showing(3), Some(key(2)));
    assert_eq!(room.showing(0), Some(key(1)));
    room.switch.pin(at(0), Participant(3), None);
    room.key_frame(key(1));
    assert_eq!(room.showing(3), Some(key(1)));
}

#[test]
fn who_cannot_be_shown_is_said_with_its_reason() {
    let mut room = Room::of(2);
    let high = "profile-level-id=64001f;packetization-mode=1";
    room.join(key(2), high);
    room.switch.set_speaker(at(0), Some(Participant(2)));
    room.send(key(2), SLICE);
    room.key_frame(key(0));
    let view = room.switch.view(key(1)).unwrap();
    assert_eq!(view.showing, Some(key(0)));
    assert!(matches!(view.refused, Some((who, Mismatch::Profile { .. })) if who == key(2)));
    // It sends constrained baseline, whatever was agreed.
    room.key_frame(key(2));
    room.key_frame(key(2));
    let view = room.switch.view(key(1)).unwrap();
    assert_eq!((view.showing, view.refused), (Some(key(2)), None));
}

#[test]
fn a_key_frame_without_parameter_sets_is_none() {
    let mut room = Room::of(2);
    assert_eq!(room.send(key(0), IDR), []);
    assert_eq!(room.asked(), [key(0)]);
    room.pass(1_000);
    assert_eq!(room.key_frame(key(0)).len(), 3);
}

#[test]
fn a_new_stream_of_a_source_is_shown_from_its_key_frame_on() {
    let mut room = Room::of(2);
    room.key_frame(key(0));
    room.pass(2_000);
    room.asked();
    let mut send = |ssrc: u32, sequence: u16, unit: &[u8]| {
        let header = RtpHeader { sequence, ssrc, ..RtpHeader::default() };
        let bytes = [&header.to_bytes()[..], unit].concat();
        let mut got = 0;
        let packet = RtpPacket::parse(&bytes).unwrap();
        room.switch.handle_rtp(at(3_000), key(0), &packet, &mut |_, _| got += 1);
        got
    };
    assert_eq!((send(99, 7, SLICE), send(99, 8, SLICE)), (0, 0));
    assert_eq!(send(99, 9, IDR), 3);
    assert_eq!(send(99, 10, SLICE), 1);
    room.now = 3_000;
    assert_eq!(room.asked(), [], "the key frame came before the request went out");
}

#[test]
fn receivers_ask_by_pli_fir_and_info() {
    let mut room = Room::of(2);
    room.key_frame(key(0));
    room.pass(20_000);
    room.asked();
    let ours = room.switch.outbound(key(1)).unwrap().settings().ssrc;
    let ask = |room: &mut Room, bytes: Vec<u8>| {
        room.pass(20_000);
        room.switch.handle_rtcp(at(room.now), Participant(1), &bytes);
        let asked = room.asked();
        room.key_frame(key(0));
        asked
    };
    let mut bytes = Vec::new();
    rtcp::write_picture_loss(&mut bytes, 5, ours);
    assert_eq!(ask(&mut room, bytes), [key(0)]);
    let mut bytes = Vec::new();
    rtcp::write_picture_loss(&mut bytes, 5, ours + 1);
    assert_eq!(ask(&mut room, bytes), [], "of a stream that is not ours");
    let mut bytes = Vec::new();
    let request = FullIntraRequest { ssrc: ours, sequence: 1 };
    rtcp::write_full_intra_request(&mut bytes, 5, &[request]);
    assert_eq!(ask(&mut room, bytes), [key(0)]);
    assert_eq!(ask(&mut room, vec![0x81, 206, 0, 9]), []);
    assert_eq!(room.switch.malformed_reports(), 1);
    room.pass(20_000);
    room.switch.handle_picture_fast_update(at(room.now), Participant(1));
    assert_eq!(room.asked(), [key(0)]);
}

#[test]
fn a_storm_of_requests_is_few_key_frames() {
    let mut room = Room::of(6);
    room.key_frame(key(0));
    room.asked();
    let mut requests = 0;
    for _ in 0..600 {
        room.now += 100;
        for participant in 1..6 {
            let ours = room.switch.outbound(key(participant)).unwrap().settings().ssrc;
            let mut bytes = Vec::new();
            rtcp::write_picture_loss(&mut bytes, 5, ours);
            room.switch.handle_rtcp(at(room.now), Participant(participant), &bytes);
        }
        if !room.asked().is_empty() {
            requests += 1;
            room.send(key(0), IDR);
        }
        room.send(key(0), SLICE);
    }
    assert!((8..=12).contains(&requests), "{requests} in a minute, of 3,000 wishes");
}

#[test]
fn the_weakest_of_those_who_see_it_decides() {
    let mut room = Room::of(3);
    (0..3).for_each(|number| drop(room.key_frame(key(number))));
    let mut limits = room.limits();
    limits.sort_unstable();
    assert_eq!(limits, [(key(0), 650_000), (key(1), 650_000), (key(2), 450_000)]);
    let ours = room.switch.outbound(key(2)).unwrap().settings().ssrc;
    let limit = MaxBitRate { ssrc: ours, bits_per_second: 300_000, overhead: 40 };
    let mut bytes = Vec::new();
    rtcp::write_max_bit_rates(&mut bytes, 5, false, &[limit]);
    room.now += 1_000;
    room.switch.handle_rtcp(at(room.now), Participant(2), &bytes);
    let taken = room.switch.poll_feedback(at(room.now));
    assert!(matches!(taken, Some(Feedback::LimitTaken { to, .. }) if to == key(2)), "{taken:?}");
    let limits = room.limits();
    assert_eq!(limits, [(key(0), 300_000)], "2 sees 0");
    // The other one that sees it has losses.
    let ours = room.switch.outbound(key(1)).unwrap().settings().ssrc;
    let block = ReportBlock { ssrc: ours, fraction_lost: 128, ..ReportBlock::default() };
    let mut bytes = Vec::new();
    rtcp::write_receiver_report(&mut bytes, 5, &[block]);
    room.now += 1_000;
    room.switch.handle_rtcp(at(room.now), Participant(1), &bytes);
    let (to, limit) = room.limits()[0];
    assert!(to == key(0) && (220_000..230_000).contains(&limit), "a quarter less: {limit}");
    let mut bytes = Vec::new();
    rtcp::write_remb(&mut bytes, 5, ours, 150_000);
    room.now += 1_000;
    room.switch.handle_rtcp(at(room.now), Participant(1), &bytes);
    let (_, limit) = room.limits()[0];
    assert!((149_000..=150_000).contains(&limit), "{limit}");
}

#[test]
fn numbers_beyond_the_room_are_refused() {
    let mut room = Room::of(1);
    let settings = SourceSettings {
        format: VideoFormat::Vp8,
        requests: RequestWays::default(),
        limits: LimitWays::default(),
        high_definition: false,
        sends_again: false,
    };
    let fault = room.switch.add_source(at(0), key(MAX_PARTICIPANTS), settings.clone());
    assert_eq!(fault, Err(TooManyParticipants));
    assert_eq!(room.switch.add_source(at(0), key(MAX_PARTICIPANTS - 1), settings), Ok(()));
    let header = RtpHeader::default().to_bytes();
    let packet = RtpPacket::parse(&header).unwrap();
    room.switch.handle_rtp(at(0), key(999), &packet, &mut |_, _| panic!("to whom?"));
    assert!(room.switch.view(key(999)).is_none());
    assert!(RequestWays::default().by_signalling());
}

#[test]
fn a_hole_of_what_nobody_sees_is_asked_of_nobody() {
    let mut room = Room::default();
    let settings = SourceSettings {
        format: format(PLAIN),
        requests: RequestWays::default(),
        limits: LimitWays::default(),
        high_definition: false,
        sends_again: true,
    };
    room.switch.add_source(at(0), key(0), settings).unwrap();
    room.send(key(0), SLICE);
    room.sequence[0] += 1;
    room.send(key(0), SLICE);
    assert_eq!(room.switch.poll_timeout(), Some(at(80)), "when the hole is given up");
    let mut said = std::iter::from_fn(|| room.switch.poll_feedback(at(0)));
    assert!(!said.any(|feedback| matches!(feedback, Feedback::Missing { .. })));
}

#[test]
fn deadlines_are_in_the_order_of_what_happens() {
    let mut room = Room::of(2);
    assert_eq!(room.switch.poll_timeout(), None);
    room.send(key(0), SLICE);
    // A key frame is wanted at once.
    assert_eq!(room.switch.poll_timeout(), Some(at(0)));
    room.key_frame(key(0));
    assert_eq!(room.switch.poll_timeout(), Some(at(3_000)), "who vanishes");
    room.switch.set_speaker(at(0), Some(Participant(0)));
    room.switch.set_speaker(at(10), Some(Participant(1)));
    assert_eq!(room.switch.poll_timeout(), Some(Instant::ZERO + LEAST_SHOWN));
}
