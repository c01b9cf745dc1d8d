//! Packets that a sender was asked for again (generic NACK, RFC 4585 section 6.2.1).

/// How many are remembered: those of nearly two messages of the longest that are sent.
const REMEMBERED: usize = 128;

/// The last packets that a sender was asked for again, so that one that answers late is known. Fixed size.
/// Full: the oldest are forgotten. A number that is remembered for too long does no harm: it is looked for
/// only where a packet jumps, and two in sequence that are not here confirm a restart as ever.
#[derive(Clone, Debug)]
pub struct AskedPackets {
    numbers: [u16; REMEMBERED],
    /// Ever noted; where the next one stands.
    noted: usize,
}

impl Default for AskedPackets {
    fn default() -> Self {
        AskedPackets { numbers: [0; REMEMBERED], noted: 0 }
    }
}

impl AskedPackets {
    /// The sender is asked for this one; for the second time that is no news.
    pub fn note(&mut self, sequence: u16) {
        if self.has(sequence) {
            return;
        }
        if let Some(place) = self.numbers.get_mut(self.noted % REMEMBERED) {
            *place = sequence;
            self.noted = self.noted.wrapping_add(1);
        }
    }

    /// Whether it was asked for this one.
    pub fn has(&self, sequence: u16) -> bool {
        self.numbers.iter().take(self.noted).any(|number| *number == sequence)
    }

    /// Whether nothing was asked for.
    pub const fn is_empty(&self) -> bool {
        self.noted == 0
    }

    /// Its numbers begin anew.
    pub fn forget(&mut self) {
        self.noted = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_were_asked_for_are_remembered() {
        let mut asked = AskedPackets::default();
        assert!(asked.is_empty() && !asked.has(0));
        (0..REMEMBERED as u16).for_each(|number| asked.note(number));
        assert!(asked.has(0) && asked.has(127) && !asked.has(128));
        asked.note(7);
        assert!(asked.has(0), "again");
        asked.note(65_535);
        assert!(!asked.has(0) && asked.has(1) && asked.has(65_535));
        asked.forget();
        assert!(asked.is_empty() && !asked.has(1));
    }
}
