//! One message: a cookie, a space, a dictionary.

use crate::value::{Dictionary, Value};
use crate::{bencode, json};

/// Octets of the largest message: a UDP datagram's.
pub const MAX_MESSAGE: usize = 65_507;
/// Octets of the longest cookie.
pub(crate) const MAX_COOKIE: usize = 255;

/// What a message is written in. Its reply is written in the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Bencode,
    Json,
}

/// A request as it came.
pub(crate) struct Packet<'a> {
    pub(crate) cookie: &'a [u8],
    pub(crate) format: Format,
    pub(crate) body: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Splits a message; `None` when it has no cookie or no dictionary, and nobody can be answered.
    pub(crate) fn split(message: &'a [u8]) -> Option<Self> {
        let at = message.iter().take(MAX_COOKIE + 1).position(|&byte| byte == b' ')?;
        let (cookie, rest) =
            message.split_at_checked(at).filter(|(cookie, _)| !cookie.is_empty())?;
        let body = rest.trim_ascii();
        let format = match body.first()? {
            b'd' => Format::Bencode,
            b'{' => Format::Json,
            _ => return None,
        };
        Some(Packet { cookie, format, body })
    }

    /// The dictionary.
    pub(crate) fn dictionary(&self) -> Result<Dictionary, String> {
        let value = match self.format {
            Format::Bencode => bencode::parse(self.body),
            Format::Json => json::parse(self.body),
        };
        match value {
            Ok(Value::Dictionary(dictionary)) => Ok(dictionary),
            Ok(_) => Err("The message is no dictionary".to_owned()),
            Err(fault) => Err(format!("The message cannot be read, {fault}")),
        }
    }
}

/// The octets of a reply.
pub(crate) fn reply(cookie: &[u8], format: Format, dictionary: Dictionary) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(cookie);
    out.push(b' ');
    let value = Value::Dictionary(dictionary);
    match format {
        Format::Bencode => bencode::write(&value, &mut out),
        Format::Json => json::write(&value, &mut out),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_cookie_and_dictionary() {
        let packet = Packet::split(b"5323_1 d7:command4:pinge").unwrap();
        assert_eq!((packet.cookie, packet.format), (&b"5323_1"[..], Format::Bencode));
        assert_eq!(packet.dictionary().unwrap().len(), 1);
        let packet = Packet::split(b"1  {\"command\": \"ping\"}\n").unwrap();
        assert_eq!(packet.format, Format::Json);
        let long = [&[b'c'; MAX_COOKIE + 1][..], b" de"].concat();
        for bad in [&b""[..], b" de", b"cookie", b"c ", b"c le", b"c x", &long] {
            assert!(Packet::split(bad).is_none(), "{bad:?}");
        }
        assert!(Packet::split(&long[1..]).is_some());
    }
}
