//! A global allocator that counts while it is told to.
#![expect(unsafe_code, reason = "a global allocator is unsafe to implement")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counted per thread.
#[derive(Debug)]
pub struct Counting;

/// What was allocated.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Allocated {
    /// Allocations, reallocations included.
    pub count: u64,
    /// Bytes of them.
    pub bytes: u64,
}

thread_local! {
    static COUNTED: Cell<Allocated> = const { Cell::new(Allocated { count: 0, bytes: 0 }) };
}

/// What this thread has allocated so far.
pub fn allocated() -> Allocated {
    COUNTED.with(Cell::get)
}

fn note(bytes: usize) {
    COUNTED.with(|counted| {
        let Allocated { count, bytes: before } = counted.get();
        counted.set(Allocated { count: count + 1, bytes: before + bytes as u64 });
    });
}

// SAFETY: every call goes to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}
