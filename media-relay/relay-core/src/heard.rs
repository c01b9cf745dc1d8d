//! How a leg is heard in its conference: a word from whoever mixes to the relay, of which the newest counts.

use model::Heard;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// It has not been taken yet.
const IS_NEW: u32 = 1 << 31;
const IS_ACTIVE: u32 = 1 << 9;
const IS_SPEAKING: u32 = 1 << 8;

/// Where whoever mixes says how a leg is heard.
#[derive(Debug)]
pub struct HeardWriter(Arc<AtomicU32>);

/// Where the relay finds it.
#[derive(Debug)]
pub(crate) struct HeardReader(Arc<AtomicU32>);

pub(crate) fn pair() -> (HeardWriter, HeardReader) {
    let cell = Arc::new(AtomicU32::new(0));
    (HeardWriter(Arc::clone(&cell)), HeardReader(cell))
}

impl HeardWriter {
    /// Says it, in the place of what was not taken yet. Never waits.
    pub fn tell(&self, heard: Heard) {
        let bit = |is_so: bool, bit: u32| if is_so { bit } else { 0 };
        let words =
            bit(heard.is_speaking, IS_SPEAKING) | bit(heard.is_active_speaker, IS_ACTIVE) | IS_NEW;
        self.0.store(words | u32::from(heard.level), Ordering::Release);
    }
}

impl HeardReader {
    /// What was said since this was last asked.
    pub(crate) fn take(&self) -> Option<Heard> {
        // Most of the time there is nothing, and nothing is written then.
        if self.0.load(Ordering::Relaxed) & IS_NEW == 0 {
            return None;
        }
        let words = self.0.swap(0, Ordering::Acquire);
        Some(Heard {
            is_speaking: words & IS_SPEAKING != 0,
            is_active_speaker: words & IS_ACTIVE != 0,
            level: words as u8,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_word_is_taken_once() {
        let (writer, reader) = pair();
        assert_eq!(reader.take(), None);
        let loud = Heard { is_speaking: true, is_active_speaker: true, level: 0 };
        let quiet = Heard { is_speaking: false, is_active_speaker: true, level: 127 };
        for heard in [loud, quiet, Heard { is_active_speaker: false, ..loud }] {
            writer.tell(heard);
            assert_eq!(reader.take(), Some(heard));
            assert_eq!(reader.take(), None);
        }
        writer.tell(loud);
        writer.tell(quiet);
        assert_eq!(reader.take(), Some(quiet));
    }
}
