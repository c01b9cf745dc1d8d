//! Writes the bits of a unit (ITU-T H.264 sections 7.2, 7.3.1 and 9.1).

/// A unit that is being written: without its emulation prevention until it is finished.
#[derive(Debug)]
pub(crate) struct Bits {
    octets: Vec<u8>,
    /// Bits of the last octet that are written, 0 to 7; 0 means that it is full.
    used: u8,
}

impl Bits {
    /// A unit with this header (`forbidden_zero_bit`, `nal_ref_idc`, `nal_unit_type`).
    pub(crate) fn unit(header: u8) -> Self {
        Bits { octets: vec![header], used: 0 }
    }

    /// Octets that are begun.
    pub(crate) fn len(&self) -> usize {
        self.octets.len()
    }

    /// The lowest `count` bits of `value`, `u(n)`; at most 32.
    pub(crate) fn put(&mut self, value: u32, count: u32) {
        for place in (0..count).rev() {
            self.bit(value >> place & 1 == 1);
        }
    }

    pub(crate) fn bit(&mut self, is_one: bool) {
        if self.used == 0 {
            self.octets.push(0);
        }
        if let (true, Some(last)) = (is_one, self.octets.last_mut()) {
            *last |= 0x80 >> self.used;
        }
        self.used = (self.used + 1) % 8;
    }

    /// `ue(v)`: unsigned Exp-Golomb.
    pub(crate) fn golomb(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let length = 64 - code.leading_zeros();
        self.put(0, length - 1);
        for place in (0..length).rev() {
            self.bit(code >> place & 1 == 1);
        }
    }

    /// `se(v)` of zero, the one that is needed.
    pub(crate) fn signed_zero(&mut self) {
        self.golomb(0);
    }

    /// Zero bits to the end of the octet.
    pub(crate) const fn align(&mut self) {
        self.used = 0;
    }

    /// Octets as they are, at the beginning of an octet.
    pub(crate) fn octets(&mut self, octets: impl Iterator<Item = u8>) {
        self.align();
        self.octets.extend(octets);
    }

    /// The unit, with the trailing bits and with what keeps start codes out of it.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bit(true);
        let mut unit = Vec::with_capacity(self.octets.len() + 8);
        let mut zeros = 0;
        for octet in self.octets {
            if zeros == 2 && octet <= 3 {
                unit.push(3);
                zeros = 0;
            }
            zeros = if octet == 0 { zeros + 1 } else { 0 };
            unit.push(octet);
        }
        unit
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn exp_golomb_is_that_of_table_9_2() {
        let mut bits = Bits::unit(0x67);
        for value in [0, 1, 2, 3, 4, 7] {
            bits.golomb(value);
        }
        // 1 010 011 00100 00101 0001000, then the stop bit.
        assert_eq!(bits.finish(), [0x67, 0b1010_0110, 0b0100_0010, 0b1000_1000, 0b1000_0000]);
    }

    #[test]
    fn start_codes_are_kept_out() {
        let mut bits = Bits::unit(0x65);
        bits.octets([0, 0, 1, 0, 0, 0, 0, 9].into_iter());
        assert_eq!(bits.finish(), [0x65, 0, 0, 3, 1, 0, 0, 3, 0, 0, 9, 0x80]);
    }
}
