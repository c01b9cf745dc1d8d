//! The same format in packets of another duration.

use super::*;

fn lasting(mapping: CodecMapping, millis: u64) -> CodecMapping {
    CodecMapping { packet_duration: Duration::from_millis(millis), ..mapping }
}

/// As signalling compiles it for legs that ask for different packets.
fn plan_of(mapping: &CodecMapping, millis: [u64; 2]) -> MediaPlan {
    let [a, b] = millis.map(|millis| lasting(mapping.clone(), millis));
    let legs = [leg(A, vec![a.clone()]), leg(B, vec![b.clone()])];
    let towards = |from: &CodecMapping, to: &CodecMapping| {
        Some(Box::new(Transcoding {
            from: vec![from.clone()],
            to: to.clone(),
            bitrate: None,
            comfort_noise: None,
        }))
    };
    let transcoding = [towards(&a, &b), towards(&b, &a)];
    MediaPlan { transcoding, ..MediaPlan::rtp(legs) }
}

/// Octets of a format, every value among them but the second zero of G.711, which means the same as the
/// first.
fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 7 + n / 251) as u8).map(|v| if v == 0x7f { 0xff } else { v }).collect()
}

#[test]
fn every_octet_arrives_in_packets_of_the_other_legs_duration() {
    let l16 = format(OPUS, Codec::L16, 8_000);
    let g722 = format(9, Codec::G722, 8_000);
    for (mapping, octets_a_ms) in [(pcmu(), 8), (pcma(), 8), (g722, 8), (l16, 16)] {
        for [from, to] in [[30_u64, 20], [20, 30], [20, 60], [60, 10], [20, 40]] {
            let mut call = Call::new(&plan_of(&mapping, [from, to]));
            let (step, ticks) = (from as usize * octets_a_ms, from as u32 * 8);
            let all = octets(step * 60);
            let mut heard = Vec::new();
            for (number, part) in all.chunks(step).enumerate() {
                let timestamp = 5_000 + number as u32 * ticks;
                let sent = packet(mapping.payload_type, 9 + number as u16, timestamp, part);
                heard.extend(call.send(A, &sent));
                call.now += from;
            }
            is_one_source(&heard, to as u32 * 8);
            assert!(heard.iter().all(|got| got.payload.len() == to as usize * octets_a_ms));
            let arrived: Vec<u8> = heard.iter().flat_map(|got| got.payload.clone()).collect();
            assert_eq!(arrived, all[..arrived.len()], "{:?} {from} to {to}", mapping.codec);
            assert!(all.len() - arrived.len() < to as usize * octets_a_ms, "no more waits");
            assert_eq!(call.session.transcodes(A), None, "the format is the same");
        }
    }
}

#[test]
fn octets_of_g722_are_made_up_by_the_leg_that_decodes_them() {
    let g722 = format(9, Codec::G722, 8_000);
    let mut call = Call::new(&plan_of(&g722, [20, 40]));
    let sent = |sequence: u16| packet(9, sequence, u32::from(sequence) * 160, &[0x5a; 160]);
    let mut heard = Vec::new();
    for sequence in [0, 1, 2, 3, 5, 6, 7, 8] {
        heard.extend(call.send(A, &sent(sequence)));
        call.now += 20;
    }
    assert_eq!(heard.len(), 4);
    let steps: Vec<u32> =
        heard.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp)).collect();
    assert_eq!(steps, [320, 480, 320], "a gap of 20 ms");
    assert!(heard.iter().all(|got| got.payload == [0x5a; 320]));
}

#[test]
fn packets_that_are_made_anew_are_not_the_kernels_to_forward() {
    let mut call = Call::new(&plan_of(&pcmu(), [30, 20]));
    for sequence in 0..200 {
        let sent = packet(PCMU, sequence, u32::from(sequence) * 240, &[0xff; 240]);
        call.send(A, &sent);
        call.now += 30;
    }
    assert_eq!(call.session.fast_forward(A, at(call.now)), None);
}
