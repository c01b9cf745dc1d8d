//! Protocol buffers as far as OTLP needs them: fields written, and fields read back.
//!
//! <https://protobuf.dev/programming-guides/encoding/>

/// Wire types.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

/// A message that is written.
#[derive(Default, Debug)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// A number; the default, 0, is left out.
    pub(crate) fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.key(field, VARINT);
            self.varint(value);
        }
    }

    /// A number of 64 bits; the default, 0, is left out.
    pub(crate) fn fixed64(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.alone_fixed64(field, value);
        }
    }

    /// Octets or text; the default, none, is left out.
    pub(crate) fn octets(&mut self, field: u32, octets: &[u8]) {
        if !octets.is_empty() {
            self.present(field, octets);
        }
    }

    /// A message within, also an empty one.
    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Message)) {
        let mut inner = Message::default();
        write(&mut inner);
        self.present(field, &inner.0);
    }

    /// Text of a field that is one of several: there also when it is empty.
    pub(crate) fn present(&mut self, field: u32, octets: &[u8]) {
        self.key(field, BYTES);
        self.varint(octets.len() as u64);
        self.0.extend_from_slice(octets);
    }

    /// A number of a field that is one of several: there also when it is 0.
    pub(crate) fn present_number(&mut self, field: u32, value: u64) {
        self.key(field, VARINT);
        self.varint(value);
    }

    /// The same of a number of 64 bits.
    pub(crate) fn alone_fixed64(&mut self, field: u32, value: u64) {
        self.key(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn key(&mut self, field: u32, kind: u8) {
        self.varint(u64::from(field) << 3 | u64::from(kind));
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// One field that was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value<'a> {
    Number(u64),
    Octets(&'a [u8]),
    /// Fixed sizes, which nothing here asks for.
    Other,
}

/// The fields of a message, up to its end or to what is none.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Fields(message)
    }

    /// The last number of this field: later ones replace earlier ones.
    pub(crate) fn number(self, field: u64) -> Option<u64> {
        self.filter(|(found, _)| *found == field)
            .filter_map(|(_, value)| if let Value::Number(n) = value { Some(n) } else { None })
            .last()
    }

    /// The last octets of this field.
    pub(crate) fn octets(self, field: u64) -> Option<&'a [u8]> {
        self.filter(|(found, _)| *found == field)
            .filter_map(|(_, value)| if let Value::Octets(o) = value { Some(o) } else { None })
            .last()
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match (key & 7) as u8 {
            VARINT => Value::Number(self.varint()?),
            BYTES => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Octets(self.take(length)?)
            }
            FIXED64 => self.take(8).map(|_| Value::Other)?,
            FIXED32 => self.take(4).map(|_| Value::Other)?,
            _ => return None,
        };
        Some((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        field
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_encoding_guide() {
        let mut message = Message::default();
        message.number(1, 150);
        assert_eq!(message.finish(), [0x08, 0x96, 0x01]);
        let mut message = Message::default();
        message.octets(2, b"testing");
        assert_eq!(message.finish(), b"\x12\x07testing");
        let mut message = Message::default();
        message.message(3, |inner| inner.number(1, 150));
        assert_eq!(message.finish(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let mut message = Message::default();
        message.number(1, 0);
        message.fixed64(2, 0);
        message.octets(3, b"");
        assert!(message.finish().is_empty(), "defaults are left out");
    }

    #[test]
    fn what_is_cut_off_ends_the_reading() {
        assert_eq!(Fields::new(b"\x12\x07test").octets(2), None);
        assert_eq!(Fields::new(b"\x08\x96\x01\x12\xff").number(1), Some(150));
        assert_eq!(Fields::new(&[0x80; 11]).next(), None);
        assert_eq!(Fields::new(b"\x0b").next(), None, "groups are not read");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number in any::<u64>(), fixed in 1..u64::MAX, text in vec(any::<u8>(), 1..40)) {
            let mut message = Message::default();
            message.present_number(1, number);
            message.fixed64(2, fixed);
            message.octets(300, &text);
            let octets = message.finish();
            prop_assert_eq!(Fields::new(&octets).number(1), Some(number));
            prop_assert_eq!(Fields::new(&octets).octets(300), Some(&text[..]));
            prop_assert_eq!(Fields::new(&octets).count(), 3);
        }

        #[test]
        fn any_octets_are_read(octets in vec(any::<u8>(), 0..200)) {
            prop_assert!(Fields::new(&octets).count() <= octets.len());
        }
    }
}
