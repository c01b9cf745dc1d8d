use super::*;
use crate::test_calls::frame;
use proptest::prelude::*;

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;

fn stereo(message_ms: u16) -> Interleaver {
    Interleaver::new(ChannelLayout::Stereo, [true; 2], 8_000, message_ms)
}

fn push(all: &mut Interleaver, side: LegSide, at: u64, samples: &[i16]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    all.push(&frame(side, at, samples), &mut |message| messages.push(message));
    messages
}

fn samples(message: &[u8]) -> Vec<[i16; 2]> {
    let sample = |octets: &[u8]| i16::from_le_bytes([octets[0], octets[1]]);
    message.chunks_exact(4).map(|pair| [sample(pair), sample(&pair[2..])]).collect()
}

#[test]
fn both_channels_stand_side_by_side() {
    let mut all = stereo(20);
    assert!(push(&mut all, A, 0, &[1; 160]).is_empty());
    let messages = push(&mut all, B, 0, &[-2; 160]);
    assert_eq!(messages.iter().map(|m| samples(m)).collect::<Vec<_>>(), [vec![[1, -2]; 160]]);
    let mut longer = stereo(40);
    for at in [0, 160] {
        push(&mut longer, A, at, &[1; 160]);
        let messages = push(&mut longer, B, at, &[2; 160]);
        assert_eq!(messages.len(), usize::from(at == 160));
    }
}

#[test]
fn mixed_channels_are_added_up_and_do_not_wrap() {
    let mut all = Interleaver::new(ChannelLayout::Mixed, [true; 2], 16_000, 20);
    push(&mut all, B, 0, &[i16::MAX; 320]);
    let messages = push(&mut all, A, 0, &[1; 320]);
    assert_eq!(messages, [i16::MAX.to_le_bytes().repeat(320)]);
}

#[test]
fn who_is_not_there_is_not_waited_for() {
    let mut one = Interleaver::new(ChannelLayout::Stereo, [false, true], 8_000, 20);
    assert_eq!(samples(&push(&mut one, B, 0, &[5; 160])[0])[0], [0, 5]);
    one.join(A);
    assert!(push(&mut one, B, 160, &[5; 160]).is_empty());
    assert_eq!(push(&mut one, A, 160, &[6; 160]).len(), 1);
    // The other one of a pair is, a little.
    let mut all = stereo(20);
    let mut waited = 0;
    while push(&mut all, A, waited * 160, &[1; 160]).is_empty() {
        waited += 1;
    }
    assert_eq!(waited, 10, "200 ms and the message itself");
    assert!(push(&mut all, B, 0, &[2; 160]).is_empty());
    assert_eq!(all.late(), 160, "its place was given away");
    assert_eq!(samples(&push(&mut all, B, 160, &[2; 160])[0])[0], [1, 2]);
}

#[test]
fn a_channel_that_begins_later_does_so_at_its_place() {
    let mut all = stereo(20);
    push(&mut all, A, 800, &[1; 160]);
    let mut out: Vec<_> = push(&mut all, B, 880, &[2; 80]).concat();
    assert!(push(&mut all, A, 960, &[1; 160]).is_empty());
    all.flush(&mut |message| out.extend(message));
    let out = samples(&out);
    assert_eq!((out.len(), out[79], out[80], out[319]), (320, [1, 0], [1, 2], [1, 0]));
}

proptest! {
    /// Whatever comes, nothing is kept for long, and what is given away is in order.
    #[test]
    fn frames_of_all_kinds_are_bounded(
        frames in prop::collection::vec((any::<bool>(), 0_u64..400_000, 0_usize..400), 0..100),
        message_ms in 20_u16..=500,
    ) {
        let mut all = stereo(message_ms);
        for (is_a, at, len) in frames {
            let side = if is_a { A } else { B };
            let before = all.next.unwrap_or(at);
            let messages = push(&mut all, side, at, &vec![7; len]);
            prop_assert!(all.next.unwrap_or_default() >= before);
            prop_assert!(messages.iter().all(|message| message.len() <= all.samples * 4));
            let held: usize = all.gathered.iter().map(VecDeque::len).sum();
            prop_assert!(held <= 2 * (all.samples + all.ms(LONGEST_WAIT_MS)), "{held}");
        }
    }

    /// Two channels in step come out sample for sample.
    #[test]
    fn nothing_is_lost_or_moved(lens in prop::collection::vec(1_usize..=160, 1..60)) {
        let mut all = stereo(60);
        let (mut at, mut out) = (0_u64, Vec::new());
        for len in lens {
            let a: Vec<i16> = (0..len).map(|n| (at as usize + n) as i16).collect();
            let b: Vec<i16> = a.iter().map(|sample| -sample).collect();
            out.extend(push(&mut all, A, at, &a));
            out.extend(push(&mut all, B, at, &b));
            at += len as u64;
        }
        all.flush(&mut |message| out.push(message));
        let out: Vec<[i16; 2]> = out.iter().flat_map(|message| samples(message)).collect();
        let expected: Vec<[i16; 2]> = (0..at).map(|n| [n as i16, -(n as i16)]).collect();
        prop_assert_eq!(out, expected);
        prop_assert_eq!(all.late(), 0);
    }
}
