//! The rings of notes, in memory that user space and the kernel's program share.
#![expect(unsafe_code, reason = "shared memory; every block states why it is sound")]

use super::layout::{Entry, Key, MARGIN, NOTES, Note, Slot};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

// SAFETY: `repr(C)` structures of integers without padding (their sizes are checked beside them).
unsafe impl aya::Pod for Key {}
// SAFETY: as above.
unsafe impl aya::Pod for Entry {}

/// The mapped rings. A slot has one reader: the worker that it was given to.
#[derive(Debug)]
pub(super) struct Slots {
    first: NonNull<Slot>,
    count: u32,
}

// SAFETY: the memory is only touched through atomics and volatile reads of words that the kernel
// wrote before it stored their number with an exchange.
unsafe impl Send for Slots {}
// SAFETY: as above.
unsafe impl Sync for Slots {}

/// What [`Slots::drain`] found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Drained {
    /// Notes that were read.
    pub(super) read: u32,
    /// Notes that were overwritten before they were read: only when more processors than the ring's
    /// margin handled packets of one stream at the same moment.
    pub(super) lost: u32,
}

impl Slots {
    /// Maps the `count` slots of the array behind `map`.
    ///
    /// # Errors
    /// As `mmap(2)`.
    pub(super) fn map(map: BorrowedFd<'_>, count: u32) -> io::Result<Self> {
        // SAFETY: a new mapping of a descriptor that is open for the length of the call.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size(count),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let first = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Slots { first, count })
    }

    /// Forgets what a slot's former tenant left in it.
    pub(super) fn reset(&self, slot: u32) {
        if let Some(slot) = self.slot(slot) {
            slot.tail.store(slot.head.load(Ordering::Acquire), Ordering::Release);
        }
    }

    /// Notes that wait in a slot.
    pub(super) fn waiting(&self, slot: u32) -> u32 {
        self.slot(slot).map_or(0, |slot| {
            let (head, tail) =
                (slot.head.load(Ordering::Acquire), slot.tail.load(Ordering::Relaxed));
            head.wrapping_sub(tail)
        })
    }

    /// Whether a slot takes no more notes, so that the sockets get what comes now.
    pub(super) fn is_full(&self, slot: u32) -> bool {
        self.waiting(slot) >= (NOTES - MARGIN) as u32
    }

    /// Hands out the notes of a slot that have come since the last time, oldest first.
    pub(super) fn drain(&self, slot: u32, mut each: impl FnMut(Note)) -> Drained {
        let Some(slot) = self.slot(slot) else { return Drained::default() };
        let (head, mut tail) =
            (slot.head.load(Ordering::Acquire), slot.tail.load(Ordering::Relaxed));
        if head == tail {
            return Drained::default();
        }
        let mut drained = Drained::default();
        let excess = head.wrapping_sub(tail).saturating_sub(NOTES as u32);
        if excess > 0 {
            drained.lost = excess;
            tail = tail.wrapping_add(excess);
        }
        while tail != head {
            let Some(note) = slot.note(tail) else { break };
            each(note);
            drained.read += 1;
            tail = tail.wrapping_add(1);
        }
        slot.tail.store(tail, Ordering::Release);
        drained
    }

    fn slot(&self, index: u32) -> Option<SlotView<'_>> {
        if index >= self.count {
            return None;
        }
        // SAFETY: `index` is below the number of slots that the mapping holds.
        let slot = unsafe { self.first.add(index as usize) }.as_ptr();
        // SAFETY: the mapping lives as long as `self`, both fields are aligned words of it, and
        // nobody accesses them but through atomics (the kernel's are single words too).
        let (head, tail) = unsafe {
            (AtomicU32::from_ptr(&raw mut (*slot).head), AtomicU32::from_ptr(&raw mut (*slot).tail))
        };
        Some(SlotView { slot, head, tail })
    }
}

struct SlotView<'a> {
    slot: *mut Slot,
    head: &'a AtomicU32,
    tail: &'a AtomicU32,
}

impl SlotView<'_> {
    /// Note `number`, unless it is still being written.
    fn note(&self, number: u32) -> Option<Note> {
        // SAFETY: the position is below NOTES, within the slot.
        let note = unsafe { &raw mut (*self.slot).notes[number as usize % NOTES] };
        // SAFETY: an aligned word of the mapping, written by the kernel with an exchange.
        let stamp = unsafe { AtomicU32::from_ptr(&raw mut (*note).number_sequence) };
        let number_sequence = stamp.load(Ordering::Acquire);
        if (number_sequence >> 16) as u16 != number.wrapping_add(1) as u16 {
            return None;
        }
        // SAFETY: the kernel wrote the rest before the stamp and writes it again only after `tail`
        // has moved past it.
        Some(Note { number_sequence, ..unsafe { note.read_volatile() } })
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `map` mapped; no view of it outlives `self`.
        unsafe { libc::munmap(self.first.as_ptr().cast(), size(self.count)) };
    }
}

/// The kernel rounds the mapping up to whole pages by itself.
fn size(count: u32) -> usize {
    count as usize * size_of::<Slot>()
}
