//! A typical INVITE, parsed and read, costs at most two allocations (one today).

#![expect(unsafe_code, reason = "a global allocator that counts is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use sip_proto::{Limits, Message, StreamFramer};

#[path = "../examples/typical/mod.rs"]
mod typical;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    work();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

// One test: another one on another thread would be counted too.
#[test]
fn allocations_per_message() {
    let limits = Limits::default();
    let raw = typical::invite();
    let parsed = allocations(|| {
        let message = Message::parse(Bytes::clone(&raw), &limits).unwrap();
        assert!(typical::read_all(black_box(&message)) > 0);
    });
    assert!(parsed <= 2, "{parsed} allocations to parse and read an INVITE");
    let validated = Message::parse(Bytes::clone(&raw), &limits).unwrap();
    let validation = allocations(|| {
        assert_eq!(sip_proto::validate_request(black_box(&validated), &[]), Ok(()));
    });
    assert_eq!(validation, 0, "validating reads and keeps nothing");

    // On a stream each message is copied out once; the buffer is reused.
    let mut framer = StreamFramer::new(limits);
    framer.push(&raw);
    assert!(framer.next().is_ok_and(|frame| frame.is_some()));
    let framed = allocations(|| {
        framer.push(&raw);
        assert!(framer.next().is_ok_and(|frame| frame.is_some()));
    });
    assert_eq!(framed, 1, "one copy per framed message");
}
