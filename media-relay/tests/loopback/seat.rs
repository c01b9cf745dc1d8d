//! Streams that take part in conferences, over sockets.

use super::rig::{Endpoint, Rig, rtp};
use crate::impaired::receive;
use media_relay::{SeatNews, SeatedStream};
use model::{
    ConferenceId, LegSide, MediaCommand, MediaEvent, MediaId, ParticipantId, Seat, SeatFailure,
};
use relay_core::{Listened, MixedPacket};
use rtp_proto::RtpPacket;
use std::sync::mpsc::{Receiver, sync_channel};

fn seat(participant: u64, is_muted: bool) -> Seat {
    let participant = ParticipantId(participant);
    Seat { conference: ConferenceId(1), participant, leg: LegSide::A, is_muted }
}

fn sit(rig: &Rig, id: u64, participant: u64) -> Result<(), SeatFailure> {
    take(rig, id, seat(participant, false))
}

fn take(rig: &Rig, id: u64, seat: Seat) -> Result<(), SeatFailure> {
    rig.relay.command(MediaCommand::Sit { id: MediaId(id), seat }).unwrap();
    loop {
        match rig.event() {
            MediaEvent::Sits { id: of } if of == MediaId(id) => return Ok(()),
            MediaEvent::SeatFailed { id: of, failure } if of == MediaId(id) => return Err(failure),
            _ => {}
        }
    }
}

/// The next packet that the leg said.
fn heard(stream: &mut SeatedStream, rig: &Rig) -> Vec<u8> {
    let mut octets = Vec::new();
    for _ in 0..10_000 {
        if let Some(Listened::Packet { .. }) = stream.rings.hears.read(&mut octets) {
            return octets;
        }
        // Another thread writes.
        rig.pause();
    }
    panic!("the packet of a leg is not in its ring");
}

/// What a leg gets after `payload` was mixed for it.
fn hears(stream: &mut SeatedStream, endpoint: &Endpoint, payload: &[u8]) {
    let packet = MixedPacket { payload_type: 0, marker: false, timestamp: 0, ticks: 160 };
    assert!(stream.rings.says.write(packet, payload));
    stream.bell.ring();
    let mut buffer = [0; 2_048];
    let (len, _) = receive(&endpoint.rtp, &mut buffer).expect("what is mixed is sent");
    assert_eq!(RtpPacket::parse(&buffer[..len]).unwrap().payload(), payload);
}

fn stream(seats: &Receiver<SeatNews>) -> Box<SeatedStream> {
    match seats.try_recv().unwrap() {
        SeatNews::Audio(stream) => stream,
        SeatNews::Picture(picture) => panic!("{picture:?}"),
        SeatNews::Record(order) => panic!("{order:?}"),
        SeatNews::Utter(order) => panic!("{order:?}"),
    }
}

#[test]
fn two_calls_sit_in_a_conference_and_hear_what_is_mixed_for_each() {
    let (sender, seats) = sync_channel(8);
    let rig = Rig::new("127.0.0.1", 21_000..=21_019, |config| config.conferences = Some(sender));
    let locals = [1, 2].map(|id| rig.allocate(id).unwrap());
    let [first, second] = [Endpoint::new(rig.ip), Endpoint::new(rig.ip)];
    let nobody = Endpoint::new(rig.ip);
    rig.apply(1, [&first, &nobody]);
    rig.apply(2, [&second, &nobody]);
    assert_eq!((sit(&rig, 1, 10), sit(&rig, 2, 20)), (Ok(()), Ok(())));
    let mut streams = [stream(&seats), stream(&seats)];
    assert_eq!(streams[1].seat.participant, ParticipantId(20));
    assert!(streams[0].bell.is_same(&streams[1].bell), "one worker has both");
    first.send(locals[0][0].rtp, 1);
    second.send(locals[1][0].rtp, 2);
    assert_eq!(heard(&mut streams[0], &rig), rtp(1));
    assert_eq!(heard(&mut streams[1], &rig), rtp(2));
    hears(&mut streams[0], &first, &[0x20; 160]);
    hears(&mut streams[1], &second, &[0x10; 160]);
    assert_eq!(rig.until(|s| s.seats == 2).unheard_mixed, 0);
    // Muted in the place where it sits, and heard again.
    assert_eq!(take(&rig, 1, seat(10, true)), Ok(()));
    first.send(locals[0][0].rtp, 3);
    hears(&mut streams[0], &first, &[0x21; 160]);
    assert_eq!(take(&rig, 1, seat(10, false)), Ok(()));
    first.send(locals[0][0].rtp, 4);
    assert_eq!(heard(&mut streams[0], &rig), rtp(4), "what was said meanwhile is nobody's");
    assert!(seats.try_recv().is_err());
    // Another seat: the one of before ends.
    assert_eq!(sit(&rig, 1, 11), Ok(()));
    let mut again = stream(&seats);
    assert!(streams[0].rings.hears.is_closed() && streams[0].rings.says.is_abandoned());
    hears(&mut again, &first, &[0x30; 160]);
    rig.relay.command(MediaCommand::StandUp { id: MediaId(2) }).unwrap();
    rig.until(|s| s.seats == 1 && streams[1].rings.hears.is_closed());
    rig.release(1);
    let statistics = rig.until(|_| again.rings.says.is_abandoned());
    assert_eq!((statistics.seats, statistics.seat_failures), (0, 0));
}

#[test]
fn who_has_no_seat_is_told_why() {
    let rig = Rig::new("127.0.0.1", 21_020..=21_039, |_| {});
    rig.allocate(1).unwrap();
    assert_eq!(sit(&rig, 1, 1), Err(SeatFailure::NoConferences));
    let (sender, seats) = sync_channel(8);
    let rig = Rig::new("127.0.0.1", 21_040..=21_059, |config| {
        config.conferences = Some(sender);
        config.max_seats = 1;
    });
    rig.allocate(1).unwrap();
    rig.allocate(2).unwrap();
    assert_eq!(sit(&rig, 7, 1), Err(SeatFailure::NoStream));
    assert_eq!(sit(&rig, 1, 1), Ok(()));
    assert_eq!(sit(&rig, 2, 2), Err(SeatFailure::TooMany));
    // The seat that is left is another one's.
    rig.release(1);
    assert_eq!(sit(&rig, 2, 2), Ok(()));
    // Nobody mixes any more: who sits is told, and who comes.
    drop(seats);
    loop {
        if let MediaEvent::SeatFailed { id: MediaId(2), failure } = rig.event() {
            assert_eq!(failure, SeatFailure::Abandoned);
            break;
        }
    }
    assert_eq!(sit(&rig, 2, 3), Err(SeatFailure::NoConferences));
    assert_eq!(rig.until(|s| s.seats == 0).seat_failures, 4);
}
