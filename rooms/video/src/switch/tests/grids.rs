//! Composed pictures among the others.

use super::*;

const GRID: StreamKey = Composed::Grid(1).key();

fn tile(number: u16) -> StreamKey {
    Composed::Tile(number).key()
}

/// A room in which the grid of number 1 may be shown, and its packets so far.
struct Composing {
    room: Room,
    sequence: u16,
}

impl Composing {
    fn of(participants: u16) -> Self {
        let mut room = Room::of(participants);
        let settings = SourceSettings {
            sends_again: false,
            format: format("profile-level-id=42e01e"),
            requests: RequestWays { picture_loss: true, full_intra: false },
            limits: LimitWays { remb: true, tmmbr: false },
            high_definition: false,
        };
        room.switch.add_grid(at(0), 1, settings).unwrap();
        Composing { room, sequence: 0 }
    }

    /// A unit of the grid, and who got what of it.
    fn compose(&mut self, unit: &[u8]) -> Vec<(StreamKey, u8)> {
        self.sequence += 1;
        let timestamp = self.room.now as u32 * 90;
        let header =
            RtpHeader { sequence: self.sequence, timestamp, marker: true, ..RtpHeader::default() };
        let bytes = [&header.to_bytes()[..], unit].concat();
        let packet = RtpPacket::parse(&bytes).unwrap();
        let mut got = Vec::new();
        self.room.switch.handle_rtp(at(self.room.now), GRID, &packet, &mut |to, out| {
            got.push((to, *out.head.iter().chain(out.body).next().unwrap()));
        });
        got
    }

    fn key_frame(&mut self) -> Vec<(StreamKey, u8)> {
        [SPS, PPS, IDR].into_iter().flat_map(|unit| self.compose(unit)).collect()
    }

    fn decode(&mut self, number: u16, shown: u16) {
        let outbound = OutboundSettings {
            ssrc: 1_000 + tile(number).index() as u32,
            payload_type: 96,
            first_sequence: 0,
            first_timestamp: 0,
            payload_limit: 1_200,
            mode: Some(PacketizationMode::NonInterleaved),
        };
        let format = format("profile-level-id=640033;packetization-mode=1");
        let settings = ReceiverSettings { format, outbound, most_bits_per_second: u64::MAX };
        let now = at(self.room.now);
        self.room.switch.set_tile(now, number, settings, Participant(shown)).unwrap();
    }
}

#[test]
fn who_asks_sees_all_at_once_and_the_speaker_when_nobody_composes() {
    let mut here = Composing::of(4);
    (0..4).for_each(|number| drop(here.room.key_frame(key(number))));
    here.room.switch.set_speaker(at(0), Some(Participant(0)));
    here.room.switch.ask_grid(at(0), Participant(3), Some(1));
    here.room.key_frame(key(0));
    assert_eq!(here.room.showing(3), Some(key(0)), "nothing is composed yet");
    assert_eq!(here.compose(SLICE), [], "what cannot be begun with");
    assert_eq!(here.room.asked().last(), Some(&GRID));
    assert_eq!(here.room.showing(3), Some(key(0)), "the old picture stays meanwhile");
    let got = here.key_frame();
    assert!(got.iter().all(|(to, _)| *to == key(3)), "whoever has not asked: {got:?}");
    assert_eq!(here.room.showing(3), Some(GRID));
    assert_eq!((here.room.showing(1), here.room.showing(2)), (Some(key(0)), Some(key(0))));
    // Nothing is composed any more.
    here.room.pass(2_500);
    assert_eq!(here.room.showing(3), Some(GRID));
    here.room.pass(1_000);
    assert!(here.room.asked().contains(&key(0)));
    here.room.key_frame(key(0));
    assert_eq!(here.room.showing(3), Some(key(0)));
    // It is again.
    here.key_frame();
    assert_eq!(here.room.showing(3), Some(GRID));
    let now = at(here.room.now);
    here.room.switch.ask_grid(now, Participant(3), None);
    here.room.key_frame(key(0));
    assert_eq!(here.room.showing(3), Some(key(0)));
    assert_eq!(here.key_frame(), [], "nobody asks");
}

#[test]
fn a_composed_picture_is_shown_to_nobody_by_chance() {
    let mut here = Composing::of(1);
    assert_eq!(here.key_frame(), []);
    here.room.pass(500);
    assert_eq!(here.room.showing(0), None);
    assert_eq!(here.room.asked(), []);
    // Who was given it for a while is not, once it asks no more, though nobody else is there.
    here.room.switch.ask_grid(at(500), Participant(0), Some(1));
    here.key_frame();
    assert_eq!(here.room.showing(0), Some(GRID));
    here.room.switch.ask_grid(at(500), Participant(0), None);
    assert_eq!(here.room.showing(0), None);
}

#[test]
fn slides_and_pins_are_seen_in_its_place() {
    let mut here = Composing::of(3);
    let slides = StreamKey::slides(Participant(0));
    here.room.send_only(slides, PLAIN);
    for number in [1, 2] {
        here.room.switch.ask_grid(at(0), Participant(number), Some(1));
    }
    here.room.receive_only(StreamKey::slides(Participant(1)), PLAIN);
    here.key_frame();
    assert_eq!((here.room.showing(1), here.room.showing(2)), (Some(GRID), Some(GRID)));
    here.room.switch.set_presenter(at(0), Some(Participant(0)));
    here.room.key_frame(slides);
    assert_eq!(here.room.showing(1), Some(GRID), "it has a line for slides");
    assert_eq!(here.room.showing(2), Some(slides));
    here.room.switch.set_presenter(at(0), None);
    here.key_frame();
    assert_eq!(here.room.showing(2), Some(GRID));
    here.room.key_frame(key(0));
    here.room.switch.pin(at(0), Participant(2), Some(Participant(0)));
    here.room.key_frame(key(0));
    assert_eq!(here.room.showing(2), Some(key(0)));
}

#[test]
fn who_cannot_be_given_it_sees_the_speaker() {
    let mut here = Composing::of(2);
    here.room.key_frame(key(0));
    let outbound = OutboundSettings {
        ssrc: 77,
        payload_type: 96,
        first_sequence: 0,
        first_timestamp: 0,
        payload_limit: 1_200,
        mode: None,
    };
    let (format, most_bits_per_second) = (VideoFormat::Vp8, u64::MAX);
    let settings = ReceiverSettings { format, outbound, most_bits_per_second };
    here.room.switch.add_receiver(at(0), key(2), settings).unwrap();
    here.room.switch.ask_grid(at(0), Participant(2), Some(1));
    here.key_frame();
    let view = here.room.switch.view(key(2)).unwrap();
    assert_eq!((view.showing, view.refused), (None, Some((GRID, Mismatch::Codec))));
    // Another size of picture than the one that it asks for is none.
    here.room.switch.ask_grid(at(0), Participant(1), Some(2));
    here.room.key_frame(key(0));
    assert_eq!(here.room.showing(1), Some(key(0)));
}

#[test]
fn a_tile_shows_its_own_source_whoever_speaks() {
    let mut here = Composing::of(3);
    here.room.key_frame(key(0));
    here.room.key_frame(key(2));
    here.decode(5, 0);
    here.room.switch.set_speaker(at(0), Some(Participant(2)));
    here.room.pass(1_000);
    assert!(here.room.asked().contains(&key(0)), "it begins with a key frame");
    let got = here.room.send(key(0), IDR);
    let tiles: Vec<u8> =
        got.into_iter().filter(|(to, _)| *to == tile(5)).map(|(_, unit)| unit).collect();
    assert_eq!(tiles, [0x67, 0x68, 0x65], "the parameter sets of before, too");
    assert!(here.room.send(key(2), SLICE).iter().all(|(to, _)| *to != tile(5)));
    // Its decoder has lost something.
    here.room.pass(20_000);
    here.room.asked();
    here.room.switch.refresh(at(here.room.now), tile(5));
    assert_eq!(here.room.asked(), [key(0)]);
    // Its source leaves, and nobody else takes the place.
    here.room.switch.remove(at(here.room.now), Participant(0));
    assert_eq!(here.room.switch.view(tile(5)).unwrap().showing, None);
    here.room.switch.remove_tile(at(here.room.now), 5);
    assert!(here.room.switch.view(tile(5)).is_none());
}

#[test]
fn a_tile_that_loses_again_and_again_is_heard_each_second() {
    let mut here = Composing::of(2);
    here.room.key_frame(key(0));
    here.decode(0, 0);
    here.room.asked();
    here.room.key_frame(key(0));
    for loss in 0..12 {
        here.room.pass(1_000);
        let now = at(here.room.now);
        here.room.switch.refresh(now, tile(0));
        here.room.switch.refresh(now, tile(0));
        assert_eq!(here.room.asked(), [key(0)], "once, of loss {loss}");
        here.room.key_frame(key(0));
    }
    assert_eq!(here.room.switch.view(tile(0)).unwrap().requests_held_back, 0);
}

#[test]
fn who_is_seen_in_tiles_alone_is_asked_for_less() {
    let mut here = Composing::of(3);
    (0..3).for_each(|number| drop(here.room.key_frame(key(number))));
    for number in 0..3 {
        here.room.switch.ask_grid(at(0), Participant(number), Some(1));
    }
    here.key_frame();
    here.decode(0, 0);
    let limits = |here: &mut Composing| {
        let mut limits = here.room.limits();
        limits.sort_unstable();
        limits
    };
    let small = 450_000;
    let told = limits(&mut here);
    assert_eq!(told, [(key(0), 650_000), (key(1), small), (key(2), small), (GRID, 650_000)]);
    here.decode(1, 1);
    here.room.pass(500);
    here.key_frame();
    assert_eq!(limits(&mut here), [(key(0), small)], "two tiles are small");
}

#[test]
fn the_weakest_who_sees_it_says_what_is_encoded_and_who_has_lost_it_asks() {
    let mut here = Composing::of(3);
    for number in [1, 2] {
        here.room.switch.ask_grid(at(0), Participant(number), Some(1));
    }
    here.key_frame();
    here.room.limits();
    let ours = here.room.switch.outbound(key(2)).unwrap().settings().ssrc;
    let mut bytes = Vec::new();
    rtcp::write_remb(&mut bytes, 5, ours, 300_000);
    here.room.now += 1_000;
    here.room.switch.handle_rtcp(at(here.room.now), Participant(2), &bytes);
    let of_grid: Vec<_> = here.room.limits().into_iter().filter(|(to, _)| *to == GRID).collect();
    assert!(matches!(of_grid[..], [(_, 299_000..=300_000)]), "{of_grid:?}");
    let mut bytes = Vec::new();
    rtcp::write_picture_loss(&mut bytes, 5, ours);
    here.room.now += 1_000;
    here.room.switch.handle_rtcp(at(here.room.now), Participant(2), &bytes);
    assert_eq!(here.room.asked(), [GRID]);
}

#[test]
fn numbers_that_are_none_are_refused() {
    let mut here = Composing::of(0);
    assert_eq!(Composed::of(tile(15)), Some(Composed::Tile(15)));
    assert_eq!(Composed::of(GRID), Some(Composed::Grid(1)));
    let beyond = MAX_PARTICIPANTS + TILES + GRIDS;
    assert_eq!(Composed::of(key(MAX_PARTICIPANTS - 1)), None);
    assert_eq!(Composed::of(key(beyond)), None);
    let settings = SourceSettings {
        sends_again: false,
        format: VideoFormat::Vp8,
        requests: RequestWays::default(),
        limits: LimitWays::default(),
        high_definition: false,
    };
    let fault = here.room.switch.add_grid(at(0), GRIDS, settings.clone());
    assert_eq!(fault, Err(TooManyParticipants));
    let fault = here.room.switch.add_source(at(0), tile(0), settings);
    assert_eq!(fault, Err(TooManyParticipants), "nobody takes part as a tile");
}
