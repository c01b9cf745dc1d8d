//! What the kernel's program is told and its rings of notes, in memory that user space shares with it.
#![expect(unsafe_code, reason = "shared memory; every block states why it is sound")]

use super::layout::{Entry, Halves, MARGIN, NOTES, Note, Ring, SLOTS, Slot, Wide, slot};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Packets that a ring takes between two readings; what is more goes to the sockets.
pub(crate) const ROOM: u32 = (NOTES - MARGIN) as u32;

/// The mapped slots, their rings, and the addresses of IPv6 that go with these. Both have one writer
/// and reader: the worker that they were given to.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Mapping<Slot>,
    wides: Mapping<Wide>,
    rings: Mapping<Ring>,
}

/// A ring that no direction has.
#[derive(Debug)]
pub(super) struct VacantRing {
    ring: u32,
    /// The number of the next note. It goes on from one tenancy to the next, so that no note of a
    /// former one can pass for a new one that is not written yet.
    number: u32,
}

impl VacantRing {
    /// Number `ring` of the program's, whose memory is zeroes.
    pub(super) fn unused(ring: u32) -> Self {
        VacantRing { ring, number: 0 }
    }
}

/// A slot that was taken with a ring: what [`Slots::take`] gives and [`Slots::give_back`] ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tenancy {
    slot: u32,
    ring: u32,
}

impl Tenancy {
    /// Whether it is for packets that come to `local`.
    pub(super) fn is_of(&self, local: SocketAddr) -> bool {
        self.slot == slot(local)
    }
}

/// The arrays of the program.
pub(super) struct Arrays {
    pub(super) slots: OwnedFd,
    pub(super) wides: OwnedFd,
    pub(super) rings: OwnedFd,
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
    /// Maps the arrays, which are for `count` rings.
    ///
    /// # Errors
    /// As `mmap(2)`.
    pub(super) fn map(arrays: &Arrays, count: u32) -> io::Result<Self> {
        let count = count as usize;
        Ok(Slots {
            slots: Mapping::new(&arrays.slots, SLOTS)?,
            wides: Mapping::new(&arrays.wides, count)?,
            rings: Mapping::new(&arrays.rings, count)?,
        })
    }

    /// Takes the slot of `local`'s port for a direction whose notes go to `vacant`; `None` while another
    /// has it.
    pub(super) fn take(&self, local: SocketAddr, vacant: &VacantRing) -> Option<Tenancy> {
        let VacantRing { ring, number } = *vacant;
        let index = slot(local);
        let slot = self.slot(index)?;
        slot.owner.compare_exchange(0, ring + 1, Ordering::Acquire, Ordering::Relaxed).ok()?;
        slot.head.store(number, Ordering::Relaxed);
        slot.tail.store(number, Ordering::Relaxed);
        Some(Tenancy { slot: index, ring })
    }

    /// Says what is to become of the packets that will be forwarded. None is now, and none has been
    /// for as long as a packet may take through the program.
    pub(super) fn write(&self, of: Tenancy, entry: &Entry) {
        let (Some(slot), Some(wide)) =
            (self.slots.get(of.slot as usize), self.wides.get(of.ring as usize))
        else {
            return;
        };
        // SAFETY: within the mappings and aligned; nobody reads these fields while the slot names no
        // ring, and nobody but its tenant writes them.
        unsafe {
            (&raw mut (*slot).narrow).write(entry.narrow);
            wide.write(entry.wide);
        }
    }

    /// Has the program forward what comes from now on.
    pub(super) fn lead(&self, of: Tenancy) {
        if let Some(slot) = self.slot(of.slot) {
            slot.names.store(of.ring + 1, Ordering::Release);
        }
    }

    /// Ends it, for packets that come from now on.
    pub(super) fn part(&self, of: Tenancy) {
        if let Some(slot) = self.slot(of.slot) {
            slot.names.store(0, Ordering::Release);
        }
    }

    /// Leaves a slot to others, and gets its ring back; notes that wait are forgotten.
    pub(super) fn give_back(&self, of: Tenancy) -> Option<VacantRing> {
        let slot = self.slot(of.slot)?;
        let number = slot.head.load(Ordering::Acquire);
        slot.owner.store(0, Ordering::Release);
        Some(VacantRing { ring: of.ring, number })
    }

    /// The number of the next note; what it grows by are notes that packets took. Wraps.
    pub(super) fn taken(&self, of: Tenancy) -> u32 {
        self.slot(of.slot).map_or(0, |slot| slot.head.load(Ordering::Relaxed))
    }

    /// Notes that wait in a slot.
    fn waiting(&self, of: Tenancy) -> u32 {
        self.slot(of.slot).map_or(0, |slot| {
            let (head, tail) =
                (slot.head.load(Ordering::Acquire), slot.tail.load(Ordering::Relaxed));
            head.wrapping_sub(tail)
        })
    }

    /// Whether a slot takes no more notes, so that the sockets get what comes now.
    pub(super) fn is_full(&self, of: Tenancy) -> bool {
        self.waiting(of) >= ROOM
    }

    /// Whether all its notes were read.
    pub(super) fn is_empty(&self, of: Tenancy) -> bool {
        self.waiting(of) == 0
    }

    /// Hands out the notes of a slot that have come since the last time, oldest first.
    pub(super) fn drain(&self, of: Tenancy, mut each: impl FnMut(Note)) -> Drained {
        let (Some(slot), Some(ring)) = (self.slot(of.slot), self.rings.get(of.ring as usize))
        else {
            return Drained::default();
        };
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
            let Some(note) = note(ring, tail) else { break };
            each(note);
            drained.read += 1;
            tail = tail.wrapping_add(1);
        }
        slot.tail.store(tail, Ordering::Release);
        drained
    }

    fn slot(&self, index: u32) -> Option<SlotView<'_>> {
        let slot = self.slots.get(index as usize)?;
        // SAFETY: the mapping lives as long as `self`, these are aligned words of it, and nobody
        // accesses them but through atomics (the kernel's are single words too).
        unsafe {
            Some(SlotView {
                head: AtomicU32::from_ptr(&raw mut (*slot).head),
                tail: AtomicU32::from_ptr(&raw mut (*slot).tail),
                names: AtomicU32::from_ptr(&raw mut (*slot).ring),
                owner: AtomicU32::from_ptr(&raw mut (*slot).owner),
            })
        }
    }
}

struct SlotView<'a> {
    head: &'a AtomicU32,
    tail: &'a AtomicU32,
    names: &'a AtomicU32,
    owner: &'a AtomicU32,
}

/// Note `number` of a ring of the mapping, unless it is still being written.
fn note(ring: *mut Ring, number: u32) -> Option<Note> {
    // SAFETY: the position is below NOTES, within the ring.
    let note = unsafe { &raw mut (*ring)[number as usize % NOTES] };
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

#[cfg(test)]
mod tests;
