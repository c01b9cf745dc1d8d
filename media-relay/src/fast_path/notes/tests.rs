use super::*;
use std::fs::File;
use std::os::unix::fs::FileExt;

const LOCAL: &str = "192.0.2.1:10000";

/// Files stand for the arrays of the program: both are mapped the same way.
struct Program {
    slots: Slots,
    rings: File,
    wides: File,
}

fn program(name: &str, count: usize) -> Program {
    let array = |kind: &str, octets: usize| {
        let name = format!("tandem-notes-{}-{name}-{kind}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let file = File::options().create_new(true).read(true).write(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        file.set_len(octets as u64).unwrap();
        file
    };
    let rings = array("rings", count * size_of::<Ring>());
    let wides = array("wides", count * size_of::<Wide>());
    let arrays = Arrays {
        slots: array("slots", count * size_of::<Slot>()).into(),
        wides: wides.try_clone().unwrap().into(),
        rings: rings.try_clone().unwrap().into(),
        ports: array("ports", GROUPS * size_of::<Group>()).into(),
    };
    Program { slots: Slots::map(&arrays, count as u32).unwrap(), rings, wides }
}

impl Program {
    /// What it does for a packet with sequence number `sequence`.
    fn take_note(&self, slot: u32, sequence: u16) {
        let number = self.slots.slot(slot).unwrap().head.fetch_add(1, Ordering::Relaxed);
        let stamp = u64::from(number.wrapping_add(1));
        let halves = [stamp << 48 | u64::from(sequence) << 32, stamp << 56];
        let position = number as usize % NOTES * size_of::<Halves>();
        let at = slot as usize * size_of::<Ring>() + position;
        self.rings.write_all_at(&halves.map(u64::to_ne_bytes).concat(), at as u64).unwrap();
    }
}

fn drain(slots: &Slots, slot: u32) -> (Vec<u16>, Drained) {
    let mut sequences = Vec::new();
    let drained = slots.drain(slot, |note| sequences.push(note.sequence));
    (sequences, drained)
}

#[test]
fn a_port_leads_to_one_slot_until_they_part() {
    let program = program("ports", 2);
    let slots = &program.slots;
    let local = LOCAL.parse().unwrap();
    assert!(slots.lead(local, 1));
    assert!(!slots.lead("192.0.2.2:10000".parse().unwrap(), 0), "the port has a slot");
    assert!(slots.lead("[2001:db8::1]:10000".parse().unwrap(), 0), "another family");
    assert!(slots.lead("192.0.2.2:10002".parse().unwrap(), 0));
    slots.part(local);
    assert!(slots.lead(local, 0));
}

#[test]
fn numbers_move_on_beside_what_was_written() {
    let program = program("numbers", 2);
    let slots = &program.slots;
    let first = |slot: usize| {
        let mut word = [0; 4];
        let at = slot * size_of::<Wide>() + std::mem::offset_of!(Wide, numbering.first);
        program.wides.read_exact_at(&mut word, at as u64).unwrap();
        u32::from_ne_bytes(word)
    };
    slots.expect_from(1, 0xff85);
    assert_eq!((first(0), first(1)), (0, 0xff85));
    slots.expect_from(1, 3);
    assert_eq!((first(0), first(1)), (0, 3));
    // A slot that there is not.
    slots.expect_from(2, 9);
}

#[test]
fn notes_are_read_once_and_in_order() {
    let program = program("order", 2);
    let slots = &program.slots;
    for sequence in 0..3 * NOTES as u16 {
        program.take_note(1, sequence);
        assert!(!slots.is_empty(1) && slots.is_empty(0));
        assert_eq!(drain(slots, 1), (vec![sequence], Drained { read: 1, lost: 0 }));
        assert!(slots.is_empty(1));
    }
    assert_eq!(slots.taken(1), 3 * NOTES as u32);
    program.take_note(1, 9);
    slots.reset(1);
    assert!(drain(slots, 1).0.is_empty(), "of a former tenant");
}

#[test]
fn a_note_that_is_not_written_yet_waits() {
    let program = program("unwritten", 1);
    let slots = &program.slots;
    program.take_note(0, 5);
    // Another processor has its number and has not written.
    slots.slot(0).unwrap().head.fetch_add(1, Ordering::Relaxed);
    assert_eq!(drain(slots, 0).0, [5]);
    assert_eq!(drain(slots, 0), (vec![], Drained::default()));
    assert!(!slots.is_empty(0));
}

#[test]
fn a_ring_that_was_overrun_gives_what_is_left_and_counts_the_rest() {
    let program = program("overrun", 1);
    let slots = &program.slots;
    for sequence in 0..NOTES as u16 + 2 {
        assert_eq!(slots.is_full(0), u32::from(sequence) >= ROOM);
        program.take_note(0, sequence);
    }
    let (sequences, drained) = drain(slots, 0);
    assert_eq!((sequences[0], sequences.len()), (2, NOTES));
    assert_eq!(drained, Drained { read: NOTES as u32, lost: 2 });
}
