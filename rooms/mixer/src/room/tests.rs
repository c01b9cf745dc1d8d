use super::*;
use codecs::AudioFormat;

#[derive(Default)]
struct Packets(Vec<(u32, bool, usize)>);

impl Sink for Packets {
    fn packet(&mut self, packet: &OutgoingPacket<'_>) {
        self.0.push((packet.timestamp, packet.marker, packet.payload.len()));
    }
}

fn room() -> Room {
    let mut room = Room::new(RoomConfig::default(), Instant::ZERO);
    room.join(ParticipantId(1), &Format::symmetric(0, AudioFormat::Pcmu)).unwrap();
    room
}

#[test]
fn a_tick_is_20_ms_whoever_calls_when() {
    let mut room = room();
    let mut packets = Packets::default();
    assert_eq!(room.tick(Instant::from_millis(19), &mut packets), 0);
    assert_eq!(room.tick(Instant::from_millis(20), &mut packets), 1);
    assert_eq!(room.tick(Instant::from_millis(65), &mut packets), 2);
    assert_eq!(room.deadline(), Instant::from_millis(80));
    assert_eq!(packets.0, [(0, true, 160), (160, false, 160), (320, false, 160)]);
}

#[test]
fn who_comes_very_late_jumps() {
    let mut room = room();
    let mut packets = Packets::default();
    assert_eq!(room.tick(Instant::from_millis(1_000), &mut packets), 5);
    assert_eq!(room.skipped_ticks(), 45);
    assert_eq!(room.deadline(), Instant::from_millis(1_020));
    assert_eq!(room.tick(Instant::from_millis(1_020), &mut packets), 1);
    assert_eq!(packets.0.last(), Some(&(50 * 160, false, 160)));
}

#[test]
fn packets_of_strangers_are_nobody_s() {
    let mut room = room();
    assert_eq!(room.packet(ParticipantId(2), &[0x80; 20], Instant::ZERO), None);
    let taken = room.packet(ParticipantId(1), &[1], Instant::ZERO);
    assert_eq!(taken, Some(Taken::Dropped(crate::Unplayed::Malformed)));
}

#[test]
fn encoders_come_and_go_with_those_who_need_them() {
    let mut room = room();
    let opus = Format::symmetric(111, AudioFormat::Opus);
    for id in 2..40 {
        room.join(ParticipantId(id), &opus).unwrap();
    }
    // One for G.711; ten for Opus, however many there are.
    assert_eq!(room.encoders(), (2, 11));
    assert!(room.set_packet_loss(ParticipantId(2), 0.04));
    assert_eq!(room.encoders().0, 3, "one more for who loses packets");
    assert!(room.set_packet_loss(ParticipantId(2), 0.0));
    assert!(room.set_packet_loss(ParticipantId(2), 0.0));
    assert_eq!(room.encoders().0, 3, "less is believed with the third report");
    assert!(room.set_packet_loss(ParticipantId(2), 0.0));
    assert_eq!(room.encoders().0, 2);
    (2..40).for_each(|id| assert!(room.leave(ParticipantId(id))));
    assert_eq!(room.encoders(), (1, 1));
    assert!(!room.set_packet_loss(ParticipantId(2), 0.0));
}
