//! What the kernel's program is told and its rings of notes, in memory that user space shares with it.
#![expect(unsafe_code, reason = "shared memory; every block states why it is sound")]

use super::layout::{Entry, GROUPS, Group, Halves, MARGIN, NOTES, Note, Ring, Slot, Wide, place};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Packets that a ring takes between two readings; what is more goes to the sockets.
pub(crate) const ROOM: u32 = (NOTES - MARGIN) as u32;

/// The mapped slots, their addresses of IPv6, their rings, and the index of ports that leads to them.
/// A slot has one writer and reader: the worker that it was given to.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Mapping<Slot>,
    wides: Mapping<Wide>,
    rings: Mapping<Ring>,
    ports: Mapping<Group>,
}

/// The arrays of the program.
pub(super) struct Arrays {
    pub(super) slots: OwnedFd,
    pub(super) wides: OwnedFd,
    pub(super) rings: OwnedFd,
    pub(super) ports: OwnedFd,
}

/// An array's memory.
#[derive(Debug)]
struct Mapping<T> {
    first: NonNull<T>,
    count: usize,
}

// SAFETY: the memory is only touched through atomics and, for slots that no port leads to, by their
// one owner.
unsafe impl<T> Send for Mapping<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Mapping<T> {}

impl<T> Mapping<T> {
    fn new(map: &OwnedFd, count: usize) -> io::Result<Self> {
        // SAFETY: a new mapping of a descriptor that is open for the length of the call.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                count * size_of::<T>(),
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
        Ok(Mapping { first, count })
    }

    fn get(&self, index: usize) -> Option<*mut T> {
        // SAFETY: `index` is below the number of elements that the mapping holds.
        (index < self.count).then(|| unsafe { self.first.add(index) }.as_ptr())
    }
}

impl<T> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `new` mapped; no view of it outlives `self`. The kernel rounds
        // up to whole pages by itself.
        unsafe { libc::munmap(self.first.as_ptr().cast(), self.count * size_of::<T>()) };
    }
}

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
    /// Maps the arrays, which are for `count` slots.
    ///
    /// # Errors
    /// As `mmap(2)`.
    pub(super) fn map(arrays: &Arrays, count: u32) -> io::Result<Self> {
        let count = count as usize;
        Ok(Slots {
            slots: Mapping::new(&arrays.slots, count)?,
            wides: Mapping::new(&arrays.wides, count)?,
            rings: Mapping::new(&arrays.rings, count)?,
            ports: Mapping::new(&arrays.ports, GROUPS)?,
        })
    }

    /// Says what is to become of the packets that will lead to `slot`. No port leads to it, and none
    /// has for as long as a packet may take through the program.
    pub(super) fn write(&self, slot: u32, entry: &Entry) {
        let index = slot as usize;
        let (Some(slot), Some(wide)) = (self.slots.get(index), self.wides.get(index)) else {
            return;
        };
        // SAFETY: within the mappings and aligned; nobody reads these fields while no port leads to
        // the slot, and nobody else writes them.
        unsafe {
            (&raw mut (*slot).narrow).write(entry.narrow);
            wide.write(entry.wide);
        }
    }

    /// Where the sequence numbers begin that are forwarded with others, of a direction of which only those
    /// are that a source which goes on has. Whether or not a port leads to the slot.
    pub(super) fn expect_from(&self, slot: u32, first: u16) {
        if let Some(wide) = self.wides.get(slot as usize) {
            // SAFETY: an aligned word of the mapping, which lives as long as `self`; while a port leads to
            // the slot nobody accesses it but through an atomic (the kernel reads it at once).
            let word = unsafe { AtomicU32::from_ptr(&raw mut (*wide).numbering.first) };
            word.store(first.into(), Ordering::Relaxed);
        }
    }

    /// Makes the packets that come to `local` lead to `slot`; `false` when its port has another.
    pub(super) fn lead(&self, local: SocketAddr, slot: u32) -> bool {
        let Some(place) = self.place(local) else { return false };
        place.compare_exchange(0, slot + 1, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Ends it, for packets that come from now on.
    pub(super) fn part(&self, local: SocketAddr) {
        if let Some(place) = self.place(local) {
            place.store(0, Ordering::Release);
        }
    }

    fn place(&self, local: SocketAddr) -> Option<&AtomicU32> {
        let (group, position) = place(local);
        let group = self.ports.get(group)?;
        // SAFETY: `position` is within a group; an aligned word of the mapping, which lives as long
        // as `self`, and which all touch as a single word.
        Some(unsafe { AtomicU32::from_ptr((&raw mut (*group)[position]).cast()) })
    }

    /// Forgets what a slot's former tenant left in it.
    pub(super) fn reset(&self, slot: u32) {
        if let Some(slot) = self.slot(slot) {
            slot.tail.store(slot.head.load(Ordering::Acquire), Ordering::Release);
        }
    }

    /// Notes taken of a slot by packets since it was made; wraps.
    pub(super) fn taken(&self, slot: u32) -> u32 {
        self.slot(slot).map_or(0, |slot| slot.head.load(Ordering::Relaxed))
    }

    /// Notes that wait in a slot.
    fn waiting(&self, slot: u32) -> u32 {
        self.slot(slot).map_or(0, |slot| {
            let (head, tail) =
                (slot.head.load(Ordering::Acquire), slot.tail.load(Ordering::Relaxed));
            head.wrapping_sub(tail)
        })
    }

    /// Whether a slot takes no more notes, so that the sockets get what comes now.
    pub(super) fn is_full(&self, slot: u32) -> bool {
        self.waiting(slot) >= ROOM
    }

    /// Whether all its notes were read.
    pub(super) fn is_empty(&self, slot: u32) -> bool {
        self.waiting(slot) == 0
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
        let slot = self.slots.get(index as usize)?;
        // SAFETY: the mapping lives as long as `self`, both fields are aligned words of it, and
        // nobody accesses them but through atomics (the kernel's are single words too).
        let (head, tail) = unsafe {
            (AtomicU32::from_ptr(&raw mut (*slot).head), AtomicU32::from_ptr(&raw mut (*slot).tail))
        };
        Some(SlotView { ring: self.rings.get(index as usize)?, head, tail })
    }
}

struct SlotView<'a> {
    ring: *mut Ring,
    head: &'a AtomicU32,
    tail: &'a AtomicU32,
}

impl SlotView<'_> {
    /// Note `number`, unless it is still being written.
    fn note(&self, number: u32) -> Option<Note> {
        // SAFETY: the position is below NOTES, within the ring.
        let note = unsafe { &raw mut (*self.ring)[number as usize % NOTES] };
        // SAFETY: aligned words of the mapping, which the kernel stores at once, each.
        let [position, arrival] = unsafe {
            [
                AtomicU64::from_ptr(&raw mut (*note).position),
                AtomicU64::from_ptr(&raw mut (*note).arrival),
            ]
        }
        .map(|half| half.load(Ordering::Relaxed));
        Note::read(number, Halves { position, arrival })
    }
}

#[cfg(test)]
mod tests;
