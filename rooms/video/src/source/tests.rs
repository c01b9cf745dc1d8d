use super::*;
use crate::h264::PacketizationMode;
use crate::h264::ProfileLevelId;
use proptest::prelude::*;
use rtp_proto::RtpHeader;

fn source() -> Source {
    let format = H264Format::new(ProfileLevelId::DEFAULT, PacketizationMode::NonInterleaved);
    Source::new(VideoFormat::H264(Box::new(format)))
}

fn packet(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let header = RtpHeader { payload_type: 97, sequence, ssrc, ..RtpHeader::default() };
    [&header.to_bytes()[..], payload].concat()
}

/// The low octet of each packet that is given on, with what is lost before it.
fn take(source: &mut Source, at: u64, bytes: &[u8]) -> Vec<(u8, u32)> {
    let mut given = Vec::new();
    let packet = RtpPacket::parse(bytes).unwrap();
    source.handle_packet(Instant::from_millis(at), &packet, &mut |packet, _| {
        given.push((*packet.payload.last().unwrap(), packet.lost_before));
    });
    given
}

fn pass_time(source: &mut Source, at: u64) -> Vec<(u8, u32)> {
    let mut given = Vec::new();
    source.handle_timeout(Instant::from_millis(at), &mut |packet, _| {
        given.push((*packet.payload.last().unwrap(), packet.lost_before));
    });
    given
}

fn slice(number: u16) -> Vec<u8> {
    packet(1, number, &[0x41, number as u8])
}

#[test]
fn packets_that_overtake_each_other_are_put_in_order() {
    let mut source = source();
    assert_eq!(take(&mut source, 0, &slice(10)), [(10, 0)]);
    assert_eq!(take(&mut source, 1, &slice(12)), []);
    assert_eq!(take(&mut source, 2, &slice(13)), []);
    assert_eq!(take(&mut source, 3, &slice(12)), [], "twice");
    assert_eq!(take(&mut source, 4, &slice(11)), [(11, 0), (12, 0), (13, 0)]);
    assert_eq!(source.poll_timeout(), None);
    assert_eq!(take(&mut source, 5, &slice(13)), []);
    assert_eq!(source.counters().duplicates, 2);
}

#[test]
fn a_hole_is_waited_for_and_then_told() {
    let mut source = source();
    take(&mut source, 0, &slice(10));
    take(&mut source, 100, &slice(13));
    assert_eq!(source.poll_timeout(), Some(Instant::from_millis(120)));
    assert_eq!(pass_time(&mut source, 119), []);
    assert_eq!(pass_time(&mut source, 120), [(13, 2)]);
    assert_eq!(source.poll_timeout(), None);
    assert_eq!(take(&mut source, 121, &slice(12)), [], "too late");
    let counters = source.counters();
    assert_eq!((counters.lost, counters.late, counters.packets), (2, 1, 2));
}

#[test]
fn more_than_may_wait_ends_the_wait() {
    let mut source = source();
    take(&mut source, 0, &slice(0));
    for number in 2..=64 {
        assert_eq!(take(&mut source, 1, &slice(number)), [], "{number}");
    }
    let given = take(&mut source, 1, &slice(65));
    assert_eq!((given.len(), given[0], given[63]), (64, (2, 1), (65, 0)));
    // A hole that is wider than the room, with nothing that waits.
    assert_eq!(take(&mut source, 2, &slice(265)), [(9, 199)]);
}

/// What is asked for is waited for as long as it is seen when it comes, unless its sender is too far away.
#[test]
fn a_sender_that_sends_again_is_asked_and_waited_for() {
    let format = H264Format::new(ProfileLevelId::DEFAULT, PacketizationMode::NonInterleaved);
    let mut source = Source::asked_again(VideoFormat::H264(Box::new(format)));
    let at = Instant::from_millis;
    take(&mut source, 0, &slice(10));
    take(&mut source, 100, &slice(13));
    assert_eq!((source.poll_ask(), source.poll_timeout()), (Some(at(100)), Some(at(180))));
    let asked = source.poll_missing(at(100)).unwrap();
    let [nack] = asked.entries() else { panic!("{asked:?}") };
    assert_eq!(nack.packets().collect::<Vec<_>>(), [11, 12]);
    assert_eq!(source.poll_missing(at(100)), None);
    assert_eq!(take(&mut source, 130, &slice(11)), [(11, 0)]);
    assert_eq!(pass_time(&mut source, 179), []);
    assert_eq!(take(&mut source, 179, &slice(12)), [(12, 0), (13, 0)]);
    assert_eq!((source.poll_ask(), source.counters().came_again), (None, 2));
    source.set_round_trip(Some(Duration::from_millis(61)));
    take(&mut source, 200, &slice(15));
    assert_eq!((source.poll_ask(), source.poll_timeout()), (None, Some(at(220))));
}

/// A key frame of many packets is behind what was lost when it is sent again: in sequence, and further back than
/// packets overtake each other (RFC 3550 A.1 takes two such packets for a sender that starts over).
#[test]
fn answers_that_come_late_are_no_restart_of_the_sender() {
    let format = H264Format::new(ProfileLevelId::DEFAULT, PacketizationMode::NonInterleaved);
    let mut source = Source::asked_again(VideoFormat::H264(Box::new(format)));
    take(&mut source, 0, &slice(10));
    take(&mut source, 100, &slice(14));
    let asked = source.poll_missing(Instant::from_millis(100)).unwrap();
    assert_eq!(asked.entries()[0].packets().collect::<Vec<_>>(), [11, 12, 13]);
    pass_time(&mut source, 180);
    for number in 15..250 {
        assert_eq!(take(&mut source, 181, &slice(number)), [(number as u8, 0)]);
    }
    for number in [11, 12, 13, 12, 13] {
        assert_eq!(take(&mut source, 200, &slice(number)), []);
    }
    assert_eq!(take(&mut source, 201, &slice(250)), [(250, 0)], "nothing is missing");
    assert_eq!((source.epoch, source.counters().late, source.counters().lost), (1, 5, 3));
    // Whoever was not asked has started over, and so has who goes on behind what it was asked for.
    take(&mut source, 202, &slice(13));
    take(&mut source, 202, &slice(14));
    assert_eq!(take(&mut source, 202, &slice(15)), [(15, 0)]);
    assert_eq!(source.epoch, 2);
    take(&mut source, 203, &slice(3_000));
    take(&mut source, 204, &slice(11));
    assert_eq!(take(&mut source, 204, &slice(12)), [(12, 0)], "the other stream was asked for it");
    assert_eq!(source.epoch, 3);
}

#[test]
fn another_stream_is_another_epoch() {
    let mut source = source();
    take(&mut source, 0, &slice(10));
    take(&mut source, 0, &slice(12));
    assert_eq!(take(&mut source, 1, &packet(2, 500, &[0x41, 1])), [(1, 0)]);
    assert_eq!(source.poll_timeout(), None, "what waited of the old one is gone");
    assert_eq!(take(&mut source, 2, &packet(2, 40_000, &[0x41, 2])), []);
    assert_eq!(take(&mut source, 2, &packet(2, 40_001, &[0x41, 3])), [(3, 0)]);
    assert_eq!(source.epoch, 3);
}

#[test]
fn what_is_no_payload_is_a_loss_that_is_told() {
    let mut source = source();
    take(&mut source, 0, &slice(1));
    assert_eq!(take(&mut source, 0, &packet(1, 2, &[0x7a, 0, 0])), []);
    assert_eq!(take(&mut source, 0, &packet(1, 3, &[])), []);
    assert_eq!(take(&mut source, 0, &slice(4)), [(4, 1)]);
    assert_eq!((source.counters().refused, source.counters().empty), (1, 1));
}

proptest! {
    #[test]
    fn any_order_gives_each_packet_once_and_in_order(
        order in prop::collection::vec(0u16..300, 1..300), first: u16,
    ) {
        let mut source = source();
        let mut seen = Vec::new();
        let mut told = 0;
        for (at, number) in order.iter().enumerate() {
            let bytes = packet(1, first.wrapping_add(*number), &number.to_be_bytes().map(|b| b | 1));
            let mut bytes = bytes;
            bytes.splice(12.., [0x41].into_iter().chain(number.to_be_bytes()));
            let now = Instant::from_millis(at as u64);
            source.handle_timeout(now, &mut |packet, _| {
                seen.push((packet.epoch, u16::from_be_bytes([packet.payload[1], packet.payload[2]])));
                told += packet.lost_before;
            });
            let read = RtpPacket::parse(&bytes).unwrap();
            source.handle_packet(now, &read, &mut |packet, _| {
                seen.push((packet.epoch, u16::from_be_bytes([packet.payload[1], packet.payload[2]])));
                told += packet.lost_before;
            });
        }
        for pair in seen.windows(2) {
            prop_assert!(pair[1].0 != pair[0].0 || pair[1].1 > pair[0].1, "{:?}", pair);
        }
        // What is told as lost and what is given fill the numbers between.
        if let (Some(a), Some(b)) = (seen.first(), seen.last()) && a.0 == b.0 {
            prop_assert_eq!(u32::from(b.1 - a.1), told + seen.len() as u32 - 1);
        }
    }
}
