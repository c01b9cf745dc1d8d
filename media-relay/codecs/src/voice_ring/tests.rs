use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

#[test]
fn what_is_written_is_taken_in_its_order_and_no_more_than_fits() {
    let (mut writer, mut reader) = voice_ring(8_000);
    assert_eq!((writer.sample_rate(), writer.room(), writer.waiting()), (8_000, 4_000, 0));
    let samples: Vec<i16> = (0..5_000).map(|n| n as i16).collect();
    assert_eq!(writer.write(&samples), 4_000, "half a second");
    assert_eq!((writer.write(&samples), writer.room()), (0, 0));
    let mut out = [0; 160];
    assert_eq!(reader.take(&mut out), 160);
    assert_eq!(out[..], samples[..160]);
    assert_eq!((writer.taken(), writer.room()), (160, 160));
    assert_eq!(writer.write(&samples[4_000..]), 160);
}

#[test]
fn a_cleared_ring_gives_only_what_came_after() {
    let (mut writer, mut reader) = voice_ring(16_000);
    writer.write(&[1; 1_000]);
    let mut out = [0; 320];
    reader.take(&mut out);
    writer.clear();
    writer.write(&[2; 100]);
    assert_eq!(writer.waiting(), 780, "room comes back when the reader looks");
    assert_eq!((reader.take(&mut out), out[99], out[100]), (100, 2, 1));
    assert_eq!((writer.waiting(), writer.taken()), (0, writer.written()));
}

#[test]
fn each_end_sees_that_the_other_is_gone() {
    let (writer, reader) = voice_ring(8_000);
    assert!(!writer.is_closed() && !reader.is_closed());
    drop(reader);
    assert!(writer.is_closed());
    let (mut writer, reader) = voice_ring(8_000);
    writer.write(&[7; 10]);
    drop(writer);
    assert!(reader.is_closed());
    assert_eq!(reader.waiting(), 10, "what was said before is still to be heard");
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Take(usize),
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_usize..6_000).prop_map(Step::Write),
        4 => (0_usize..1_000).prop_map(Step::Take),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn a_ring_is_a_bounded_queue(steps in steps()) {
        let (mut writer, mut reader) = voice_ring(8_000);
        let mut queue: VecDeque<i16> = VecDeque::new();
        let mut next = 0_i16;
        for step in steps {
            match step {
                Step::Write(count) => {
                    let samples: Vec<i16> = (0..count).map(|n| next.wrapping_add(n as i16)).collect();
                    let taken = writer.write(&samples);
                    prop_assert!(taken <= count);
                    queue.extend(&samples[..taken]);
                    next = next.wrapping_add(taken as i16);
                }
                Step::Take(count) => {
                    let mut out = vec![0; count];
                    let taken = reader.take(&mut out);
                    let expected: Vec<i16> = queue.drain(..taken).collect();
                    prop_assert_eq!(&out[..taken], &expected[..]);
                    prop_assert!(taken == count || queue.is_empty());
                }
                Step::Clear => {
                    writer.clear();
                    queue.clear();
                    prop_assert_eq!(reader.waiting(), 0);
                    reader.settle();
                }
            }
            prop_assert_eq!(writer.waiting(), queue.len());
            prop_assert_eq!(writer.written() - writer.taken(), queue.len() as u64);
        }
    }
}
