//! What is left of a composed picture when nobody asks any more, and what is seen where there is no CPU for it.

use super::*;
use room_grid::GridSettings;
use room_stills::{Colour, Picture, key_picture, parameter_sets};

/// Pictures a second.
const PER_SECOND: u32 = 5;

#[test]
fn a_size_that_was_made_is_no_source_for_ever() {
    let settings = GridSettings { frames_per_second: 5, ..GridSettings::default() };
    let pool = Arc::new(GridPool::start(settings).unwrap());
    let composer = Composer { pool, per_second: settings.frames_per_second };
    let mut composing = Composing::new(Some(composer), ConferenceId(1));
    let mut switch = VideoSwitch::new();
    let (size, level) = (GridSize::Usual, Level::L3_1);
    let began = Instant::from_millis(1_000);
    composing.open(began);
    let mut viewers = [None; GridSize::ALL.len()];
    viewers[size as usize] = Some(Viewers { level, most: 400_000, count: 2 });
    composing.tell_outputs(began, &viewers, &mut switch);
    let told = OutputSettings { bits_per_second: 400_000, level, viewers: 2 };
    assert_eq!(composing.outputs[size as usize].told, Some(told));
    // The switch has heard of no such limit.
    composing.outputs[size as usize].limit = 900_000;
    composing.tell_outputs(began, &viewers, &mut switch);
    assert_eq!(composing.outputs[size as usize].told, Some(told));
    let key = Composed::Grid(size as u16).key();
    assert!(switch.source_counters(key).is_some());
    // Its thread has no time for it, and whoever asked leaves meanwhile.
    composing.close(began, &mut switch);
    composing.look(began + LINGER / 2, &[], &mut switch);
    assert!(switch.source_counters(key).is_some(), "what comes late of it is known");
    composing.look(began + LINGER, &[], &mut switch);
    assert!(switch.source_counters(key).is_none());
    assert!(composing.outputs.iter().all(|output| output.unseen.is_none()));
}

/// Cameras, of which the first is the speaker, and who sees all of them at once; threads that compose in real time, all else
/// at times that are told.
struct Meeting {
    composing: Composing,
    switch: VideoSwitch,
    now: Instant,
    turns: u32,
    cameras: Vec<Camera>,
    viewer: Participant,
}

/// A camera that shows one colour, in key frames alone.
struct Camera {
    key: StreamKey,
    units: Vec<Vec<u8>>,
    sequence: u16,
}

impl Camera {
    fn new(number: u16) -> Self {
        let picture =
            Picture::new(320, 180, Colour { luma: 60 + 40 * number as u8, ..Colour::GROUND });
        let sets = parameter_sets(&picture, 31).into_iter();
        let units = sets.chain(key_picture(&picture, 0, 1_200)).collect();
        Camera { key: StreamKey::main(Participant(number)), units, sequence: 0 }
    }

    fn packets(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let (last, mut packets) = (self.units.len() - 1, Vec::new());
        for (number, unit) in self.units.iter().enumerate() {
            let header = RtpHeader {
                payload_type: PAYLOAD_TYPE,
                sequence: self.sequence,
                ssrc: 7,
                timestamp: (now.as_millis() * 90) as u32,
                marker: number == last,
            };
            self.sequence = self.sequence.wrapping_add(1);
            packets.push([&header.to_bytes()[..], unit].concat());
        }
        packets
    }
}

fn composer() -> Composer {
    let settings = GridSettings { frames_per_second: PER_SECOND, ..GridSettings::default() };
    Composer { pool: Arc::new(GridPool::start(settings).unwrap()), per_second: PER_SECOND }
}

impl Meeting {
    fn of(cameras: u16) -> Self {
        let mut switch = VideoSwitch::new();
        let now = Instant::from_millis(1_000);
        let cameras: Vec<Camera> = (0..cameras).map(Camera::new).collect();
        let viewer = Participant(cameras.len() as u16);
        for camera in &cameras {
            switch.add_source(now, camera.key, source_of(GridSize::Usual, Level::L3_1)).unwrap();
        }
        let format = H264Format::parse("profile-level-id=42e01f;packetization-mode=1").unwrap();
        let outbound = OutboundSettings {
            ssrc: 9,
            payload_type: PAYLOAD_TYPE,
            first_sequence: 0,
            first_timestamp: 0,
            payload_limit: PAYLOAD,
            mode: Some(PacketizationMode::NonInterleaved),
        };
        let format = VideoFormat::H264(Box::new(format));
        let settings = ReceiverSettings { format, outbound, most_bits_per_second: u64::MAX };
        switch.add_receiver(now, StreamKey::main(viewer), settings).unwrap();
        switch.set_speaker(now, Some(Participant(0)));
        let composing = Composing::new(Some(composer()), ConferenceId(1));
        Meeting { composing, switch, now, turns: 0, cameras, viewer }
    }

    /// 20 ms of all that the switch's thread does.
    fn turn(&mut self) {
        let Meeting { composing, switch, now, turns, cameras, viewer } = self;
        (*now, *turns) = (*now + Duration::from_millis(20), *turns + 1);
        let now = *now;
        for camera in cameras.iter_mut().filter(|_| *turns % 5 == 0) {
            for packet in camera.packets(now) {
                let packet = RtpPacket::parse(&packet).unwrap();
                switch.handle_rtp(now, camera.key, &packet, &mut |to, packet| {
                    composing.packet(to, &packet);
                });
            }
        }
        composing.show(now, switch, &mut |_, _| {});
        let order = |order: usize, participant| Sender {
            participant,
            order,
            spoke: None,
            has_picture: true,
        };
        let senders = cameras.iter().map(|camera| camera.key.participant).enumerate();
        composing.senders = senders.map(|(at, participant)| order(at, participant)).collect();
        let size = GridSize::Small;
        let mut viewers = [None; GridSize::ALL.len()];
        viewers[size as usize] = Some(Viewers { level: Level::L3_1, most: 300_000, count: 1 });
        composing.open_or_close(now, true, switch);
        let asked = composing.grid.is_some().then_some(size as u16);
        switch.ask_grid(now, *viewer, asked);
        composing.tell_tiles(now, &[], switch);
        composing.tell_outputs(now, &viewers, switch);
        switch.handle_timeout(now, &mut |_, _| {});
        while let Some(feedback) = switch.poll_feedback(now) {
            composing.take_feedback(&feedback);
        }
    }

    /// Turns until it is so; a machine may be slow.
    fn until(&mut self, is_so: impl Fn(&Meeting) -> bool) {
        for _ in 0..12_000 {
            self.turn();
            if is_so(self) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        panic!("it sees {:?}", self.sees());
    }

    fn until_it_sees(&mut self, wanted: StreamKey) {
        self.until(|meeting| meeting.sees() == Some(wanted));
    }

    fn sees(&self) -> Option<StreamKey> {
        self.switch.view(StreamKey::main(self.viewer)).unwrap().showing
    }

    fn opened(&self) -> u64 {
        self.composing.composer.as_ref().unwrap().pool.statistics().opened
    }
}

#[test]
fn who_loses_its_composed_picture_sees_the_speaker_and_later_all_again() {
    let mut meeting = Meeting::of(3);
    let (grid, speaker) = (Composed::Grid(GridSize::Small as u16).key(), meeting.cameras[0].key);
    meeting.until_it_sees(grid);
    meeting.until(|meeting| {
        let views = meeting.composing.composer.as_ref().unwrap().pool.grids();
        views.iter().map(|view| (view.name, view.tiles)).eq([(1, 3)])
    });
    // Its thread closes it: here it ends, and there is another one for later.
    meeting.composing.composer = Some(composer());
    assert_eq!(meeting.composing.grid.as_ref().map(Grid::state), Some(GridState::Closed));
    let closed = meeting.now;
    meeting.turn();
    assert!(meeting.composing.grid.is_none() && meeting.composing.places.placed().is_empty());
    meeting.until_it_sees(speaker);
    assert!(meeting.now - closed < Duration::from_millis(500), "its next key frame is enough");
    // It is tried again, not at once, and not for ever.
    while meeting.now - closed < AGAIN {
        assert_eq!((meeting.opened(), meeting.sees()), (0, Some(speaker)));
        meeting.turn();
    }
    meeting.until_it_sees(grid);
    assert_eq!(meeting.opened(), 1);
}
