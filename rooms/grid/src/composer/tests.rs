mod hostile;
mod large;
mod rates;

use super::*;
use crate::codec::Made;
use crate::frame::FrameView;
use room_video::h264::{Level, Nalu, SequenceParameterSet};
use rtp_proto::RtpHeader;

/// Colours that are told apart after a decoder: brightness, blue, red.
const COLOURS: [[u8; 3]; 4] = [[81, 90, 240], [145, 54, 34], [41, 240, 110], [210, 16, 146]];
const SETTINGS: OutputSettings =
    OutputSettings { bits_per_second: 650_000, level: Level::L3_1, viewers: 1 };

/// A camera that shows one colour.
struct Camera {
    key: u16,
    encoder: Encoder,
    frame: Frame,
    sequence: u16,
    pictures: u64,
}

impl Camera {
    fn new(key: u16, size: (usize, usize), colour: [u8; 3]) -> Self {
        Camera {
            key,
            encoder: Encoder::new(SETTINGS, 15).unwrap(),
            frame: Frame::new(size, colour),
            sequence: 0,
            pictures: 0,
        }
    }

    /// The packets of the next picture.
    fn packets(&mut self, is_key: bool) -> Vec<Vec<u8>> {
        self.pictures += 1;
        let (mut packets, pictures, sequence) = (Vec::new(), self.pictures, &mut self.sequence);
        let mut made = |made: Made<'_>| {
            let header = RtpHeader {
                payload_type: 97,
                marker: made.ends_picture,
                sequence: *sequence,
                timestamp: pictures as u32 * 6_000,
                ssrc: 9,
            };
            *sequence = sequence.wrapping_add(1);
            packets.push([&header.to_bytes()[..], made.unit].concat());
        };
        self.encoder.encode(&self.frame.view(), pictures * 66, is_key, &mut made).unwrap();
        packets
    }

    fn send(&mut self, composer: &mut Composer, is_key: bool) {
        for packet in self.packets(is_key) {
            composer.packet(self.key, &packet);
        }
    }
}

fn tile(key: u16) -> Tile {
    Tile { key, name: "".into(), speaks: false }
}

/// Takes what a composer gives of one size, and decodes it.
struct Viewer {
    size: GridSize,
    decoder: Decoder,
    picture: Frame,
    units: Vec<u8>,
    all: Vec<u8>,
    pictures: u32,
    keys: u32,
    octets: usize,
    longest: usize,
    level: u8,
}

impl Viewer {
    fn new(size: GridSize) -> Self {
        Viewer {
            size,
            decoder: Decoder::new().unwrap(),
            picture: Frame::default(),
            units: Vec::new(),
            all: Vec::new(),
            pictures: 0,
            keys: 0,
            octets: 0,
            longest: 0,
            level: 0,
        }
    }

    fn take(&mut self, unit: GridUnit, octets: &[u8]) {
        if unit.size != self.size {
            return;
        }
        let read = Nalu::new(octets).unwrap();
        if let Ok(set) = SequenceParameterSet::parse(read) {
            assert_eq!((set.width as usize, set.height as usize), self.size.samples());
            self.level = set.profile_level_id.level.idc();
            self.keys += 1;
        }
        self.longest = self.longest.max(octets.len());
        self.octets += octets.len();
        for into in [&mut self.units, &mut self.all] {
            into.extend_from_slice(&[0, 0, 0, 1]);
            into.extend_from_slice(octets);
        }
        if unit.ends_picture {
            assert_eq!(self.decoder.decode(&self.units, &mut self.picture), Ok(true));
            self.units.clear();
            self.pictures += 1;
        }
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let planes = self.picture.view().planes;
        let sample = |(plane, stride): (&[u8], usize), part| plane[y / part * stride + x / part];
        [sample(planes[0], 1), sample(planes[1], 2), sample(planes[2], 2)]
    }

    fn sees(&self, (x, y): (usize, usize), colour: [u8; 3]) -> bool {
        self.at(x, y).iter().zip(colour).all(|(is, wanted)| is.abs_diff(wanted) < 12)
    }
}

/// A meeting of cameras, and who sees it.
struct Meeting {
    composer: Composer,
    turn: u64,
}

impl Meeting {
    fn new() -> Self {
        Meeting { composer: Composer::new(15), turn: 0 }
    }

    fn now(&self) -> Instant {
        Instant::from_millis(self.turn * 66)
    }

    /// A turn after something has come.
    fn turn(&mut self, viewers: &mut [&mut Viewer]) -> Vec<u16> {
        self.turn += 1;
        let mut wanted = Vec::new();
        let now = self.now();
        self.composer.wants(now, &mut |key| wanted.push(key));
        self.composer.make(now, GridPace::Full, &mut |unit, octets| {
            viewers.iter_mut().for_each(|viewer| viewer.take(unit, octets));
            true
        });
        wanted
    }
}

#[test]
fn four_sources_are_in_their_quarters_in_every_size() {
    let mut meeting = Meeting::new();
    let sizes = [(640, 360), (320, 240), (176, 144), (1_280, 720)];
    let mut cameras: Vec<Camera> = (0_u16..)
        .zip(sizes.into_iter().zip(COLOURS))
        .map(|(key, (size, colour))| Camera::new(key, size, colour))
        .collect();
    meeting.composer.set_tiles(&[0, 1, 2, 3].map(tile));
    let mut viewers = GridSize::ALL.map(Viewer::new);
    for size in GridSize::ALL {
        meeting.composer.set_output(size, Some(SETTINGS));
    }
    for turn in 0..10 {
        for camera in &mut cameras {
            camera.send(&mut meeting.composer, turn == 0);
        }
        meeting.turn(&mut viewers.each_mut());
    }
    for viewer in &viewers {
        let (width, height) = viewer.size.samples();
        assert!(viewer.pictures >= 5, "{:?}: {}", viewer.size, viewer.pictures);
        assert_eq!(viewer.picture.size(), (width, height));
        assert!(viewer.longest <= crate::MOST_UNIT && viewer.level <= 31);
        for (number, colour) in COLOURS.into_iter().enumerate() {
            let middle = (width / 4 + number % 2 * width / 2, height / 4 + number / 2 * height / 2);
            let seen = viewer.at(middle.0, middle.1);
            assert!(viewer.sees(middle, colour), "{:?} {number}: {seen:?}", viewer.size);
        }
    }
    assert_eq!(meeting.composer.tally().decoded, 40);
    assert_eq!((meeting.composer.tally().refused, meeting.composer.tally().failed), (0, 0));
}

#[test]
fn a_loss_stops_one_tile_until_its_key_frame() {
    let mut meeting = Meeting::new();
    let mut red = Camera::new(1, (640, 360), COLOURS[0]);
    let mut green = Camera::new(2, (640, 360), COLOURS[1]);
    let mut viewer = Viewer::new(GridSize::Usual);
    meeting.composer.set_tiles(&[tile(1), tile(2)]);
    meeting.composer.set_output(GridSize::Usual, Some(SETTINGS));
    // Nothing has come: both are asked for, and nothing is made.
    assert_eq!(meeting.turn(&mut [&mut viewer]), [1, 2]);
    assert_eq!(meeting.turn(&mut [&mut viewer]), []);
    assert_eq!(viewer.pictures, 0);
    red.send(&mut meeting.composer, true);
    green.send(&mut meeting.composer, true);
    meeting.turn(&mut [&mut viewer]);
    assert!(viewer.sees((160, 180), COLOURS[0]) && viewer.sees((480, 180), COLOURS[1]));
    // A picture of red is lost, and it becomes blue; green becomes yellow.
    red.frame = Frame::new((640, 360), COLOURS[2]);
    green.frame = Frame::new((640, 360), COLOURS[3]);
    red.packets(false);
    let mut wanted = Vec::new();
    for _ in 0..36 {
        red.send(&mut meeting.composer, false);
        green.send(&mut meeting.composer, false);
        wanted.extend(meeting.turn(&mut [&mut viewer]));
    }
    assert!(viewer.sees((160, 180), COLOURS[0]), "it stands still");
    assert!(viewer.sees((480, 180), COLOURS[3]));
    assert_eq!(wanted, [1, 1], "once a second");
    red.send(&mut meeting.composer, true);
    meeting.turn(&mut [&mut viewer]);
    assert!(viewer.sees((160, 180), COLOURS[2]));
    assert_eq!(meeting.turn(&mut [&mut viewer]), []);
}

#[test]
fn a_source_changes_its_size_in_the_middle() {
    let mut meeting = Meeting::new();
    let mut viewer = Viewer::new(GridSize::Usual);
    meeting.composer.set_tiles(&[tile(1)]);
    meeting.composer.set_output(GridSize::Usual, Some(SETTINGS));
    let mut sequence = 0;
    for (size, colour, bar) in [
        ((640, 360), COLOURS[0], None),
        ((240, 320), COLOURS[1], Some((20, 180))),
        ((1_280, 720), COLOURS[2], None),
        ((16, 16), COLOURS[3], Some((20, 180))),
    ] {
        let mut camera = Camera::new(1, size, colour);
        camera.sequence = sequence;
        for turn in 0..4 {
            camera.send(&mut meeting.composer, turn == 0);
            meeting.turn(&mut [&mut viewer]);
        }
        sequence = camera.sequence;
        assert!(viewer.sees((320, 180), colour), "{size:?}: {:?}", viewer.at(320, 180));
        if let Some(bar) = bar {
            assert!(viewer.sees(bar, crate::frame::BLACK), "{size:?}: {:?}", viewer.at(20, 180));
        }
    }
    assert_eq!(meeting.composer.tally().refused, 0);
}

#[test]
fn garbage_costs_its_own_tile_only() {
    let mut meeting = Meeting::new();
    let mut viewer = Viewer::new(GridSize::Small);
    let mut good = Camera::new(1, (640, 360), COLOURS[0]);
    let mut bad = Camera::new(2, (640, 360), COLOURS[1]);
    meeting.composer.set_tiles(&[tile(1), tile(2)]);
    meeting.composer.set_output(GridSize::Small, Some(SETTINGS));
    let mut state = 1_u32;
    for turn in 0..60 {
        good.send(&mut meeting.composer, turn == 0);
        for mut packet in bad.packets(turn % 5 == 0) {
            for _ in 0..3 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Behind the header and the type of the unit: the decoder is to see it.
                let at = 13 + (state >> 8) as usize % (packet.len() - 13).max(1);
                if let Some(octet) = packet.get_mut(at) {
                    *octet ^= (state >> 24) as u8 | 1;
                }
            }
            meeting.composer.packet(2, &packet);
        }
        meeting.composer.packet(2, &[0x80]);
        meeting.composer.packet(7, &[0x80, 97]);
        meeting.turn(&mut [&mut viewer]);
    }
    assert!(viewer.sees((80, 90), COLOURS[0]));
    let tally = meeting.composer.tally();
    assert!(tally.refused >= 60 && tally.decoded >= 60, "{tally:?}");
    // It is well again.
    for turn in 0..3 {
        good.send(&mut meeting.composer, false);
        bad.send(&mut meeting.composer, turn == 0);
        meeting.turn(&mut [&mut viewer]);
    }
    assert!(viewer.sees((240, 90), COLOURS[1]), "{:?}", viewer.at(240, 90));
}

#[test]
fn key_frames_come_when_they_are_asked_for_and_once_a_second() {
    let mut meeting = Meeting::new();
    let mut viewer = Viewer::new(GridSize::Usual);
    let mut camera = Camera::new(1, (320, 180), COLOURS[0]);
    meeting.composer.set_tiles(&[tile(1)]);
    meeting.composer.set_output(GridSize::Usual, Some(SETTINGS));
    camera.send(&mut meeting.composer, true);
    for _ in 0..46 {
        meeting.composer.ask_key_frame(GridSize::Usual);
        meeting.composer.ask_key_frame(GridSize::High);
        meeting.turn(&mut [&mut viewer]);
    }
    // Of three seconds; nothing else has changed.
    assert_eq!(viewer.keys, 3);
    // The one that was asked for last, then the picture again each second.
    viewer.pictures = 0;
    (0..46).for_each(|_| drop(meeting.turn(&mut [&mut viewer])));
    assert_eq!((viewer.keys, viewer.pictures), (4, 3));
}

#[test]
fn what_finds_no_room_is_healed_by_a_key_frame() {
    let mut meeting = Meeting::new();
    let mut viewer = Viewer::new(GridSize::Usual);
    let mut camera = Camera::new(1, (320, 180), COLOURS[0]);
    meeting.composer.set_tiles(&[tile(1)]);
    meeting.composer.set_output(GridSize::Usual, Some(SETTINGS));
    camera.send(&mut meeting.composer, true);
    meeting.turn(&mut [&mut viewer]);
    meeting.turn += 20;
    camera.send(&mut meeting.composer, false);
    let mut offered = 0;
    let now = meeting.now();
    meeting.composer.make(now, GridPace::Full, &mut |_, _| {
        offered += 1;
        false
    });
    assert_eq!(offered, 1, "the rest is not offered");
    assert!(meeting.composer.tally().lost >= 1);
    meeting.turn(&mut [&mut viewer]);
    assert_eq!(viewer.keys, 2);
}

#[test]
fn tiles_keep_their_picture_while_their_key_is_among_them() {
    let mut meeting = Meeting::new();
    let mut viewer = Viewer::new(GridSize::Usual);
    meeting.composer.set_output(GridSize::Usual, Some(SETTINGS));
    meeting.composer.set_tiles(&[tile(1), tile(1), tile(2)]);
    let mut red = Camera::new(1, (320, 180), COLOURS[0]);
    let mut blue = Camera::new(2, (320, 180), COLOURS[2]);
    red.send(&mut meeting.composer, true);
    blue.send(&mut meeting.composer, true);
    meeting.turn(&mut [&mut viewer]);
    assert!(viewer.sees((160, 180), COLOURS[0]) && viewer.sees((480, 180), COLOURS[2]));
    // They change places, with names.
    meeting.composer.set_tiles(&[2, 1].map(|key| Tile { name: "Ada".into(), ..tile(key) }));
    meeting.turn(&mut [&mut viewer]);
    assert!(viewer.sees((160, 180), COLOURS[2]) && viewer.sees((480, 180), COLOURS[0]));
    // One goes, and comes again: it is another one.
    meeting.composer.set_tiles(&[tile(2)]);
    meeting.composer.set_tiles(&[tile(2), tile(1)]);
    meeting.turn(&mut [&mut viewer]);
    let ground = room_stills::Colour::GROUND;
    assert!(viewer.sees((160, 180), COLOURS[2]));
    assert!(viewer.sees((480, 180), [ground.luma, ground.blue, ground.red]));
    assert_eq!(meeting.composer.tally().failed, 0);
}

/// The mean colours of the parts of pictures, by ffmpeg; `None` where it is not installed.
fn by_ffmpeg(stream: Vec<u8>, parts: &str) -> Option<(Vec<u8>, String)> {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let scale = format!("scale={parts}:flags=area");
    let spawned = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "h264", "-i", "-", "-vf", &scale])
        .args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv444p", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else {
        println!("skipped: ffmpeg is not installed (tests/setup.sh does that)");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&stream));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    Some((output.stdout, String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn ffmpeg_sees_the_same_without_a_complaint() {
    let mut meeting = Meeting::new();
    let mut viewer = Viewer::new(GridSize::Usual);
    meeting.composer.set_tiles(&[0, 1, 2, 3].map(tile));
    meeting.composer.set_output(GridSize::Usual, Some(SETTINGS));
    let mut cameras: Vec<Camera> =
        (0_u16..).zip(COLOURS).map(|(key, colour)| Camera::new(key, (640, 360), colour)).collect();
    for turn in 0..30 {
        for camera in &mut cameras {
            camera.send(&mut meeting.composer, turn == 0);
        }
        if turn == 20 {
            meeting.composer.ask_key_frame(GridSize::Usual);
        }
        meeting.turn(&mut [&mut viewer]);
    }
    assert_eq!(viewer.keys, 2);
    let Some((samples, complaints)) = by_ffmpeg(viewer.all.clone(), "2:2") else { return };
    assert_eq!(complaints, "");
    assert_eq!(samples.len(), 12 * viewer.pictures as usize);
    let last = samples.last_chunk::<12>().unwrap();
    for (number, colour) in COLOURS.into_iter().enumerate() {
        let seen = [last[number], last[4 + number], last[8 + number]];
        // With the edges of the tiles in it.
        let is_it = seen.iter().zip(colour).all(|(seen, colour)| seen.abs_diff(colour) < 25);
        assert!(is_it, "{number}: {seen:?}, not {colour:?}");
    }
}

#[test]
fn a_view_without_samples_is_no_picture() {
    let mut frame = Frame::default();
    assert!(!frame.copy(&FrameView { size: (2, 2), planes: [(&[], 2), (&[], 1), (&[], 1)] }));
}
