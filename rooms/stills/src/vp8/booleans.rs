//! Writes booleans of known probability (RFC 6386 section 7).

use super::tables::Probability;

/// As likely as not.
pub(super) const EVEN: Probability = 128;

/// The entropy coder.
pub(super) struct Booleans {
    octets: Vec<u8>,
    /// 128 to 255 between two booleans.
    range: u32,
    bottom: u32,
    /// Shifts until an octet is out.
    left: u32,
}

impl Booleans {
    pub(super) const fn new() -> Self {
        Booleans { octets: Vec::new(), range: 255, bottom: 0, left: 24 }
    }

    /// One boolean that is false with this probability, of 256.
    pub(super) fn put(&mut self, is_one: bool, probability: Probability) {
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        if is_one {
            // What carries stands below bit 32 until it is shifted out.
            self.bottom += split;
            self.range -= split;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.range <<= 1;
            self.shift();
        }
    }

    /// The lowest `count` bits of `value`, `L(n)`; 32 at most.
    pub(super) fn literal(&mut self, value: u32, count: u32) {
        for place in (0..count).rev() {
            self.put(value >> place & 1 == 1, EVEN);
        }
    }

    /// A flag.
    pub(super) fn flag(&mut self, is_one: bool) {
        self.put(is_one, EVEN);
    }

    /// The octets, with what is still inside.
    pub(super) fn finish(mut self) -> Vec<u8> {
        (0..32).for_each(|_| self.shift());
        self.octets
    }

    /// A one is added to what is out.
    fn carry(&mut self) {
        for octet in self.octets.iter_mut().rev() {
            let (sum, carries) = octet.overflowing_add(1);
            *octet = sum;
            if !carries {
                return;
            }
        }
    }

    fn shift(&mut self) {
        if self.bottom >> 31 == 1 {
            self.carry();
        }
        self.bottom <<= 1;
        self.left -= 1;
        if self.left == 0 {
            self.octets.push((self.bottom >> 24) as u8);
            self.bottom &= 0x00ff_ffff;
            self.left = 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decoder of section 7.3.
    struct Reader<'a> {
        octets: &'a [u8],
        value: u32,
        range: u32,
        shifts: u32,
    }

    impl<'a> Reader<'a> {
        fn new(octets: &'a [u8]) -> Self {
            let value = u32::from(octets[0]) << 8 | u32::from(octets[1]);
            Reader { octets: &octets[2..], value, range: 255, shifts: 0 }
        }

        fn get(&mut self, probability: Probability) -> bool {
            let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
            let is_one = self.value >= split << 8;
            if is_one {
                self.range -= split;
                self.value -= split << 8;
            } else {
                self.range = split;
            }
            while self.range < 128 {
                self.value <<= 1;
                self.range <<= 1;
                self.shifts += 1;
                if self.shifts == 8 {
                    self.shifts = 0;
                    let (first, rest) = self.octets.split_first().unwrap_or((&0, &[]));
                    self.value |= u32::from(*first);
                    self.octets = rest;
                }
            }
            is_one
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut state = 7_u64;
        let mut draw = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 33) as u32
        };
        let said: Vec<(bool, Probability)> = (0..20_000)
            .map(|_| {
                let probability = (draw() % 255) as u8 + 1;
                // Mostly what is likely, and long runs of what carries.
                (draw() % 256 >= u32::from(probability) || draw() % 50 == 0, probability)
            })
            .collect();
        let mut booleans = Booleans::new();
        said.iter().for_each(|(is_one, probability)| booleans.put(*is_one, *probability));
        let octets = booleans.finish();
        let mut reader = Reader::new(&octets);
        for (at, (is_one, probability)) in said.iter().enumerate() {
            assert_eq!(reader.get(*probability), *is_one, "{at}");
        }
    }
}
