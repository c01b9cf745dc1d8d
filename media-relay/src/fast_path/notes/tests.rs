use super::*;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Files stand for the arrays of the program: both are mapped the same way.
struct Program {
    slots: Slots,
    rings: File,
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
    let arrays = Arrays {
        slots: array("slots", SLOTS * size_of::<Slot>()).into(),
        wides: array("wides", count * size_of::<Wide>()).into(),
        rings: rings.try_clone().unwrap().into(),
    };
    Program { slots: Slots::map(&arrays, count as u32).unwrap(), rings }
}

impl Program {
    /// The slot of a port with the ring of the same number.
    fn take(&self, number: u32) -> Tenancy {
        let local = SocketAddr::new("192.0.2.1".parse().unwrap(), 10_000 + number as u16);
        self.slots.take(local, &VacantRing::unused(number)).unwrap()
    }

    /// What it does for a packet with sequence number `sequence`.
    fn take_note(&self, of: Tenancy, sequence: u16) {
        let number = self.slots.slot(of.slot).unwrap().head.fetch_add(1, Ordering::Relaxed);
        let stamp = u64::from(number.wrapping_add(1));
        let halves = [stamp << 48 | u64::from(sequence) << 32, stamp << 56];
        let position = number as usize % NOTES * size_of::<Halves>();
        let at = of.ring as usize * size_of::<Ring>() + position;
        self.rings.write_all_at(&halves.map(u64::to_ne_bytes).concat(), at as u64).unwrap();
    }
}

fn drain(slots: &Slots, of: Tenancy) -> (Vec<u16>, Drained) {
    let mut sequences = Vec::new();
    let drained = slots.drain(of, |note| sequences.push(note.sequence));
    (sequences, drained)
}

#[test]
fn a_port_has_one_tenant_until_it_gives_its_slot_back() {
    let program = program("ports", 2);
    let slots = &program.slots;
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let take = |local: &str, ring| slots.take(at(local), &VacantRing::unused(ring));
    let tenancy = take("192.0.2.1:10000", 1).unwrap();
    assert!(tenancy.is_of(at("192.0.2.1:10000")) && !tenancy.is_of(at("192.0.2.1:10002")));
    assert_eq!(take("192.0.2.2:10000", 0), None, "the port has a tenant");
    assert!(take("[2001:db8::1]:10000", 0).is_some(), "another family");
    assert!(take("192.0.2.2:10002", 0).is_some());
    slots.part(tenancy);
    assert_eq!(take("192.0.2.2:10000", 0), None, "packets may still be on their way");
    slots.give_back(tenancy);
    assert!(take("192.0.2.2:10000", 0).is_some());
}

#[test]
fn the_program_is_led_to_a_ring_between_lead_and_part() {
    let program = program("leads", 6);
    let slots = &program.slots;
    let tenancy = program.take(5);
    let names = || slots.slot(tenancy.slot).unwrap().names.load(Ordering::Relaxed);
    assert_eq!(names(), 0);
    slots.lead(tenancy);
    assert_eq!(names(), 6, "one more than its number");
    slots.part(tenancy);
    assert_eq!(names(), 0);
}

#[test]
fn notes_are_read_once_and_in_order() {
    let program = program("order", 2);
    let slots = &program.slots;
    let [other, of] = [program.take(0), program.take(1)];
    for sequence in 0..3 * NOTES as u16 {
        program.take_note(of, sequence);
        assert!(!slots.is_empty(of) && slots.is_empty(other));
        assert_eq!(drain(slots, of), (vec![sequence], Drained { read: 1, lost: 0 }));
        assert!(slots.is_empty(of));
    }
    assert_eq!(slots.taken(of), 3 * NOTES as u32);
}

#[test]
fn a_ring_on_another_port_gives_no_notes_of_the_former_one() {
    let program = program("former", 1);
    let slots = &program.slots;
    let former = program.take(0);
    for sequence in 0..3 {
        program.take_note(former, sequence);
    }
    let vacant = slots.give_back(former).unwrap();
    let of = slots.take("192.0.2.1:20000".parse().unwrap(), &vacant).unwrap();
    assert!(slots.is_empty(of), "what nobody read is forgotten");
    let taken = slots.taken(of);
    // Numbers without notes: where they will stand are notes of the former port.
    slots.slot(of.slot).unwrap().head.fetch_add(NOTES as u32, Ordering::Relaxed);
    assert_eq!(drain(slots, of), (vec![], Drained::default()));
    slots.slot(of.slot).unwrap().head.store(taken, Ordering::Relaxed);
    program.take_note(of, 7);
    assert_eq!(drain(slots, of).0, [7]);
}

#[test]
fn a_note_that_is_not_written_yet_waits() {
    let program = program("unwritten", 1);
    let slots = &program.slots;
    let of = program.take(0);
    program.take_note(of, 5);
    // Another processor has its number and has not written.
    slots.slot(of.slot).unwrap().head.fetch_add(1, Ordering::Relaxed);
    assert_eq!(drain(slots, of).0, [5]);
    assert_eq!(drain(slots, of), (vec![], Drained::default()));
    assert!(!slots.is_empty(of));
}

#[test]
fn a_ring_that_was_overrun_gives_what_is_left_and_counts_the_rest() {
    let program = program("overrun", 1);
    let slots = &program.slots;
    let of = program.take(0);
    for sequence in 0..NOTES as u16 + 2 {
        assert_eq!(slots.is_full(of), u32::from(sequence) >= ROOM);
        program.take_note(of, sequence);
    }
    let (sequences, drained) = drain(slots, of);
    assert_eq!((sequences[0], sequences.len()), (2, NOTES));
    assert_eq!(drained, Drained { read: NOTES as u32, lost: 2 });
}
