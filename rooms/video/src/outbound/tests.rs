use super::*;
use proptest::prelude::*;

fn outbound(mode: Option<PacketizationMode>, payload_limit: usize) -> Outbound {
    Outbound::new(OutboundSettings {
        ssrc: 7,
        payload_type: 96,
        first_sequence: 65_534,
        first_timestamp: 1_000,
        payload_limit,
        mode,
    })
}

fn packet(payload: &[u8], lost_before: u32, marker: bool) -> SourcePacket<'_> {
    SourcePacket {
        epoch: 1,
        lost_before,
        timestamp: 3_000,
        marker,
        arrival: Instant::ZERO,
        begins_key_frame: false,
        has_parameter_sets: false,
        payload,
    }
}

/// Number, marker and payload of each packet.
fn send(out: &mut Outbound, packet: &SourcePacket<'_>) -> Vec<(u16, bool, Vec<u8>)> {
    let mut sent = Vec::new();
    out.send(packet, &mut |packet| {
        let payload = [packet.head, packet.body].concat();
        sent.push((packet.header.sequence, packet.header.marker, payload));
    });
    sent
}

/// One unit of `length` octets in fragments of `data` octets each.
fn fragments(length: usize, data: usize) -> Vec<Vec<u8>> {
    let unit: Vec<u8> = (0..length).map(|n| if n == 0 { 0x65 } else { n as u8 }).collect();
    let pieces: Vec<_> = unit[1..].chunks(data).collect();
    let last = pieces.len() - 1;
    let piece = |(n, piece): (usize, &&[u8])| {
        [&Fragment::head(0x65, n == 0, n == last)[..], piece].concat()
    };
    pieces.iter().enumerate().map(piece).collect()
}

#[test]
fn what_fits_passes_as_it_is_with_numbers_of_our_own() {
    let mut out = outbound(Some(PacketizationMode::NonInterleaved), 1_000);
    out.begin_source(&packet(&[0x41, 1], 0, false));
    assert_eq!(send(&mut out, &packet(&[0x41, 1], 0, true)), [(65_534, true, vec![0x41, 1])]);
    let sets = [0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 1];
    assert_eq!(send(&mut out, &packet(&sets, 0, false)), [(65_535, false, sets.to_vec())]);
    assert_eq!(send(&mut out, &packet(&[0x41, 2], 3, true)), [(3, true, vec![0x41, 2])]);
    assert_eq!(out.counters().skipped, 3, "the loss stays one");
}

#[test]
fn an_aggregation_packet_is_single_units_to_mode_0() {
    let mut out = outbound(Some(PacketizationMode::Single), 1_000);
    let sets = [0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 1];
    let sent = send(&mut out, &packet(&sets, 0, true));
    assert_eq!(sent, [(65_534, false, vec![0x67, 0x42]), (65_535, true, vec![0x68, 1])]);
}

#[test]
fn fragments_are_put_together_for_mode_0_where_they_fit() {
    let mut out = outbound(Some(PacketizationMode::Single), 900);
    let mut sent = Vec::new();
    let pieces = fragments(900, 400);
    for (n, piece) in pieces.iter().enumerate() {
        sent.extend(send(&mut out, &packet(piece, 0, n + 1 == pieces.len())));
    }
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].0, sent[0].1, sent[0].2.len()), (65_534, true, 900));
    assert_eq!(sent[0].2[..3], [0x65, 1, 2]);
    // One octet more does not fit: the hole is seen.
    let pieces = fragments(901, 400);
    assert!(pieces.iter().all(|piece| send(&mut out, &packet(piece, 0, false)).is_empty()));
    assert_eq!(out.counters().too_large, 1);
    assert_eq!(send(&mut out, &packet(&[0x41], 0, false))[0].0, 0, "65535 is missing");
}

#[test]
fn a_unit_of_which_a_fragment_is_lost_is_not_sent() {
    let mut out = outbound(Some(PacketizationMode::Single), 900);
    let pieces = fragments(800, 300);
    send(&mut out, &packet(&pieces[0], 0, false));
    assert_eq!(send(&mut out, &packet(&pieces[2], 1, true)), []);
    assert_eq!(out.counters().broken, 1);
    // A unit that another one interrupts.
    send(&mut out, &packet(&pieces[0], 0, false));
    assert_eq!(send(&mut out, &packet(&[0x41], 0, false))[0].0, 65_535);
    assert_eq!(out.counters().broken, 2);
}

#[test]
fn large_packets_become_smaller_fragments() {
    let mut out = outbound(Some(PacketizationMode::NonInterleaved), 102);
    let unit: Vec<u8> = (0..301_u32).map(|n| if n == 0 { 0x65 } else { n as u8 }).collect();
    let sent = send(&mut out, &packet(&unit, 0, true));
    let heads: Vec<_> = sent.iter().map(|(_, marker, payload)| (payload[1], *marker)).collect();
    assert_eq!(heads, [(0x85, false), (0x05, false), (0x45, true)]);
    // A fragment from the middle stays one.
    let [first, middle, ..] = fragments(2_000, 150).try_into().map(|f: [Vec<u8>; 14]| f).unwrap();
    assert_eq!(send(&mut out, &packet(&first, 0, false)).len(), 2);
    let sent = send(&mut out, &packet(&middle, 0, false));
    assert!(sent.iter().all(|(_, _, payload)| payload[1] == 0x05 && payload.len() <= 102));
}

#[test]
fn times_go_on_over_a_switch() {
    let mut out = outbound(Some(PacketizationMode::Single), 900);
    let mut at = |millis: u64, timestamp: u32, begin: bool| {
        let arrival = Instant::from_millis(millis);
        let packet = SourcePacket { arrival, timestamp, ..packet(&[0x41], 0, true) };
        if begin {
            out.begin_source(&packet);
        }
        let mut seen = 0;
        out.send(&packet, &mut |packet| seen = packet.header.timestamp);
        seen
    };
    assert_eq!(at(0, 77, true), 1_000);
    assert_eq!(at(40, 3_677, false), 4_600);
    assert_eq!(at(1_040, u32::MAX, true), 94_600, "a second later");
    assert_eq!(at(1_041, 5, true), 97_600, "a picture's time at least");
    assert_eq!(out.timestamp_at(Instant::from_millis(1_051)), Some(98_500));
}

#[test]
fn vp8_pictures_are_counted_on() {
    let mut out = outbound(None, 900);
    let picture = |id: u8| [0x90, 0xc0, id, 9, 0x00];
    let first = picture(50);
    out.begin_source(&packet(&first, 0, false));
    assert_eq!(send(&mut out, &packet(&first, 0, true))[0].2, [0x90, 0xc0, 1, 1, 0]);
    assert_eq!(send(&mut out, &packet(&picture(51), 0, true))[0].2[2], 2);
    let other = picture(3);
    out.begin_source(&packet(&other, 0, false));
    assert_eq!(send(&mut out, &packet(&other, 0, true))[0].2[..4], [0x90, 0xc0, 3, 2]);
    assert_eq!(send(&mut out, &packet(&[0x10; 901], 0, true)), []);
    assert_eq!(out.counters().too_large, 1);
}

#[test]
fn a_packet_is_written_whole_or_not_at_all() {
    let header = RtpHeader { payload_type: 96, sequence: 1, ..RtpHeader::default() };
    let packet = Outgoing { header, head: &[1, 2], body: &[3, 4, 5] };
    let mut room = [0; 17];
    assert_eq!(packet.write(&mut room), Some(17));
    assert_eq!(room[12..], [1, 2, 3, 4, 5]);
    assert_eq!(packet.write(&mut room[..16]), None);
}

proptest! {
    #[test]
    fn mode_0_never_has_what_it_cannot_read(
        payloads in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..200), 0u32..3), 0..60),
        limit in 64usize..300, single: bool,
    ) {
        let modes = [PacketizationMode::NonInterleaved, PacketizationMode::Single];
        let mut out = outbound(Some(modes[usize::from(single)]), limit);
        let (mut next, mut lost) = (None, 0);
        for (payload, lost_before) in &payloads {
            let mut payload = payload.clone();
            // Mostly what H.264 has: the types 1 to 28.
            payload[0] &= 0x7c;
            for (number, _, sent) in send(&mut out, &packet(&payload, *lost_before, false)) {
                prop_assert!(sent.len() <= limit);
                if single {
                    prop_assert!((1..24).contains(&(sent[0] & 0x1f)));
                }
                let gap = number.wrapping_sub(next.unwrap_or(65_534));
                lost += u64::from(gap);
                next = Some(number.wrapping_add(1));
            }
        }
        prop_assert_eq!(lost, out.counters().skipped);
    }
}
