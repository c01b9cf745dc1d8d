//! Randomness as an argument, so that the cores stay repeatable.

/// A source of random numbers that the shell injects.
///
/// Branches, tags and Call-IDs made from it must be unguessable on the open network
/// (RFC 3261 section 19.3 asks for at least 32 random bits), so a shell feeds it from the operating
/// system's generator.
pub trait Random {
    /// The next 64 random bits.
    fn next_u64(&mut self) -> u64;
}

impl<R: Random + ?Sized> Random for &mut R {
    fn next_u64(&mut self) -> u64 {
        (**self).next_u64()
    }
}

/// Counts upwards: every value is known in advance, for tests and simulations.
#[derive(Clone, Debug, Default)]
pub struct StepRandom {
    next: u64,
}

impl StepRandom {
    /// A generator whose first value is `first`.
    pub const fn new(first: u64) -> Self {
        StepRandom { next: first }
    }
}

impl Random for StepRandom {
    fn next_u64(&mut self) -> u64 {
        let value = self.next;
        self.next = self.next.wrapping_add(1);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(mut random: impl Random) -> u64 {
        random.next_u64()
    }

    #[test]
    fn steps_by_one_and_wraps() {
        let mut random = StepRandom::new(u64::MAX);
        assert_eq!(random.next_u64(), u64::MAX);
        assert_eq!(draw(&mut random), 0);
        assert_eq!(random.next_u64(), 1);
    }
}
