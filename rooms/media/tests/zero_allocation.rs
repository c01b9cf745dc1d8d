//! No packet of a picture allocates on its whole way: neither the relay's worker nor the thread that switches.
#![expect(unsafe_code, reason = "a global allocator that counts")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test panics where it fails")]

#[path = "pictures/rig.rs"]
mod rig;

use rig::{Device, Kind, PLAIN, Rig, meet};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// What the devices allocate is their own affair.
    static IS_DEVICE: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !IS_DEVICE.with(Cell::get) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn no_packet_of_a_picture_allocates_on_its_way() {
    IS_DEVICE.with(|is| is.set(true));
    let rig = Rig::new(21_280..=21_319);
    let kinds = [PLAIN, Kind { has_srtp: true, ..PLAIN }, Kind { is_single: true, ..PLAIN }];
    let mut devices: Vec<_> =
        kinds.into_iter().zip(1..).map(|(kind, number)| Device::new(&rig, number, kind)).collect();
    devices.iter().for_each(|device| device.sit_picture(&rig, false));
    let given = |rig: &Rig| rig.statistics().pictures.given;
    meet(&mut devices, "pictures pass", |_| given(&rig) > 200);
    let before = (given(&rig), ALLOCATIONS.load(Ordering::Relaxed));
    meet(&mut devices, "more of them", |_| given(&rig) > before.0 + 1_000);
    let packets = given(&rig) - before.0;
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before.1;
    // Reports of each stream now and then, and what timers once grow by.
    assert!(allocations < packets / 20, "{allocations} allocations for {packets} packets");
    rig.relay.shutdown();
    rig.mixing.stop();
}
