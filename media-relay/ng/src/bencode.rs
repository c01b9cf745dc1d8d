//! Bencode: `4:text`, `i42e`, `l…e`, `d…e`.

use crate::value::{Dictionary, MAX_DEPTH, MAX_VALUES, Malformed, Value};

/// Reads one value, which must be all of `bytes`. Depth and number of values are bounded. Names of
/// a dictionary may come in any order, as rtpengine takes them.
///
/// # Errors
/// [`Malformed`].
pub fn parse(bytes: &[u8]) -> Result<Value, Malformed> {
    let mut reader = Reader { bytes, at: 0, values: 0 };
    let value = reader.value(0)?;
    if reader.at != bytes.len() {
        return Err(reader.fault("something follows the message"));
    }
    Ok(value)
}

/// Writes a value, dictionaries in the order of their names.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => write_text(text, out),
        Value::Integer(number) => {
            out.extend_from_slice(format!("i{number}e").as_bytes());
        }
        Value::List(list) => {
            out.push(b'l');
            for entry in list {
                write(entry, out);
            }
            out.push(b'e');
        }
        Value::Dictionary(dictionary) => {
            out.push(b'd');
            for (name, entry) in dictionary.iter() {
                write_text(name, out);
                write(entry, out);
            }
            out.push(b'e');
        }
    }
}

fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(text.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(text);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn fault(&self, reason: &'static str) -> Malformed {
        Malformed { offset: self.at, reason }
    }

    fn peek(&self) -> Result<u8, Malformed> {
        self.bytes.get(self.at).copied().ok_or(self.fault("the message ends too early"))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Malformed> {
        self.values += 1;
        if depth >= MAX_DEPTH {
            return Err(self.fault("it is nested too deeply"));
        }
        if self.values > MAX_VALUES {
            return Err(self.fault("it has too many values"));
        }
        match self.peek()? {
            b'0'..=b'9' => Ok(Value::Text(self.text()?)),
            b'i' => {
                self.at += 1;
                Ok(Value::Integer(self.number(b'e')?))
            }
            b'l' => self.list(depth),
            b'd' => self.dictionary(depth),
            _ => Err(self.fault("no value begins with this octet")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Malformed> {
        self.at += 1;
        let mut list = Vec::new();
        while self.peek()? != b'e' {
            list.push(self.value(depth + 1)?);
        }
        self.at += 1;
        Ok(Value::List(list))
    }

    fn dictionary(&mut self, depth: usize) -> Result<Value, Malformed> {
        self.at += 1;
        let mut dictionary = Dictionary::new();
        while self.peek()? != b'e' {
            let name = self.text()?;
            let value = self.value(depth + 1)?;
            dictionary.read(name, value);
        }
        self.at += 1;
        Ok(Value::Dictionary(dictionary))
    }

    fn text(&mut self) -> Result<Vec<u8>, Malformed> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.fault("a name must be text"));
        }
        let length = self.number(b':')?;
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let text = end.and_then(|end| self.bytes.get(self.at..end));
        let text = text.ok_or(self.fault("text is longer than the message"))?;
        self.at += text.len();
        Ok(text.to_vec())
    }

    /// Digits up to `end`, without leading zeros.
    fn number(&mut self, end: u8) -> Result<i64, Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        // The longest has 19 digits and a sign.
        let length = rest.iter().take(21).position(|&byte| byte == end);
        let digits = length.and_then(|length| rest.get(..length));
        let digits = digits.ok_or(self.fault("a number does not end"))?;
        let number = std::str::from_utf8(digits).ok().and_then(|text| {
            // Written by us it would look the same: no sign but a minus, no zero too many.
            text.parse::<i64>().ok().filter(|number| number.to_string() == text)
        });
        let number = number.ok_or(self.fault("this is no number"))?;
        self.at += digits.len() + 1;
        Ok(number)
    }
}

#[cfg(test)]
mod tests;
