//! What a transfer (RFC 3515, RFC 5589, RFC 3891) asks of other calls, and the values that name them.

use crate::admission::user_of;
use crate::context::{CallKey, Context};
use model::{Bridge, LegSide, TransactionId};
use sip_proto::{HeaderName, Message, NameAddr, ServerKey, Uri};
use std::borrow::Cow;

/// What a call wants done with another one.
#[derive(Debug)]
pub(crate) enum Order {
    /// A leg asks to have its far end brought to somebody else.
    Refer {
        /// The leg's call.
        from: CallKey,
        /// The leg that asks.
        transferor: LegSide,
        /// Its REFER.
        server: ServerKey,
        /// The same.
        request: Box<Message>,
    },
    /// The call to a transfer's target tells the call that asked for it.
    Report { to: CallKey, outcome: Outcome },
    /// `taker` wants `leg` of `giver` in the place of its own leg `near`.
    Join { giver: CallKey, leg: LegSide, taker: CallKey, near: LegSide },
    /// The leg that came from `giver` has been told of its new far end, `taker`, with this outcome.
    Joined { giver: CallKey, taker: TransactionId, status: u16 },
    /// The leg that `taker` took refuses the media of its new far end and goes back.
    GiveBack { taker: CallKey, status: u16 },
    /// An application wants somebody called as leg B.
    Bridge { from: CallKey, bridge: Box<Bridge> },
    /// Leg B of `target` says where its early media comes from, which the steered call is to hear.
    EarlyMedia { steered: CallKey, target: CallKey },
    /// Leg B of `target` has answered, and is to come to the call that is steered.
    Bridged { steered: CallKey, target: CallKey },
    /// The transfer is off: `target` is to end, or to stay as it was.
    Withdraw { target: CallKey },
}

/// What becomes of the call to a transfer's target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// A provisional response.
    Progress(u16),
    /// The final failure.
    Failed(u16),
}

/// The dialog that a Replaces header names (RFC 3891 section 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Replaces {
    pub(crate) call_id: String,
    pub(crate) to_tag: String,
    pub(crate) from_tag: String,
    /// Only a dialog that is not answered yet may be replaced.
    pub(crate) early_only: bool,
}

impl Replaces {
    /// Reads the header's value. A tag of a peer of RFC 2543 is `0`, which we never have.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|call_id| !call_id.is_empty())?.to_owned();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, tag) = part.split_once('=').unwrap_or((part, ""));
            let (name, tag) = (name.trim(), tag.trim());
            if name.eq_ignore_ascii_case("to-tag") {
                to_tag.get_or_insert(tag.to_owned());
            } else if name.eq_ignore_ascii_case("from-tag") {
                from_tag.get_or_insert(tag.to_owned());
            }
            early_only |= name.eq_ignore_ascii_case("early-only");
        }
        let tag = |tag: Option<String>| tag.filter(|tag| !tag.is_empty());
        Some(Replaces { call_id, to_tag: tag(to_tag)?, from_tag: tag(from_tag)?, early_only })
    }
}

/// Whom a REFER wants called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReferTo {
    /// The user part of its URI, unescaped.
    pub(crate) number: String,
    /// The dialog whose far end it means (RFC 5589 section 7).
    pub(crate) replaces: Option<Replaces>,
}

impl ReferTo {
    /// Reads a REFER.
    ///
    /// # Errors
    /// The status that it is owed.
    pub(crate) fn of(request: &Message) -> Result<Self, u16> {
        // RFC 3515 section 2.4.1: exactly one.
        let mut values = request.header_lines(HeaderName::ReferTo);
        let (Some(value), None) = (values.next(), values.next()) else { return Err(400) };
        let address = NameAddr::parse(value).map_err(|_| 400_u16)?;
        let uri = Uri::parse(address.uri_text).map_err(|_| 416_u16)?;
        // RFC 3515 section 2.4.2 leaves other methods to local policy: ours is to call only.
        let method = uri.param("method").flatten();
        if method.is_some_and(|method| !method.eq_ignore_ascii_case("INVITE")) {
            return Err(603);
        }
        let embedded = uri.headers.split('&').find_map(|header| {
            let (name, value) = header.split_once('=')?;
            name.eq_ignore_ascii_case("replaces").then_some(value)
        });
        let replaces = match embedded {
            Some(value) => Some(Replaces::parse(&unescaped(value)).ok_or(400_u16)?),
            None => None,
        };
        let number = user_of(address.uri_text).unwrap_or_default();
        Ok(ReferTo { number, replaces })
    }
}

/// `%41` is `A` (RFC 3261 section 19.1.2). What is no escape stays.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|_| byte == b'%').and_then(|d| u8::from_str_radix(d, 16).ok());
        match (escaped, after.get(2..)) {
            (Some(escaped), Some(after)) => {
                bytes.push(escaped);
                rest = after;
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

impl Context {
    /// The leg whose dialog `replaces` names. Our tag finds it; the leg checks the rest. Some
    /// name the tags as the transferor's side has them, others as its far end's.
    pub(crate) fn replaced_leg(&self, replaces: &Replaces) -> Option<(CallKey, LegSide)> {
        let by_tag = |tag: &str| self.dialogs.get(tag).copied();
        by_tag(&replaces.to_tag).or_else(|| by_tag(&replaces.from_tag))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use sip_proto::Limits;

    fn refer(refer_to: &str) -> Message {
        let text = format!(
            "REFER sip:a@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1\r\n\
             From: <sip:b@192.0.2.2>;tag=1\r\nTo: <sip:a@192.0.2.1>;tag=2\r\nCall-ID: 1\r\n\
             CSeq: 2 REFER\r\n{refer_to}Content-Length: 0\r\n\r\n"
        );
        Message::parse(Bytes::from(text), &Limits::default()).expect("valid")
    }

    #[test]
    fn replaces_of_rfc_3891_section_3() {
        let replaces = Replaces::parse("98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff");
        let replaces = replaces.expect("valid");
        assert_eq!(replaces.call_id, "98732@sip.example.com");
        assert_eq!((&*replaces.from_tag, &*replaces.to_tag), ("r33th4x0r", "ff87ff"));
        assert!(!replaces.early_only);
        let early = Replaces::parse("a ; To-Tag=1;from-tag=2;early-only").expect("valid");
        assert!(early.early_only);
        for bad in ["", ";to-tag=1;from-tag=2", "a;to-tag=1", "a;from-tag=2", "a;to-tag=;from-tag="]
        {
            assert_eq!(Replaces::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn refer_to_of_rfc_5589_names_number_and_dialog() {
        let request = refer(
            "Refer-To: <sip:+12065550199@gw.example;transport=udp?X-A=1&Replaces=\
             090459243588173445%3Bto-tag%3D9m2n3wq%3Bfrom-tag%3D763231>\r\n",
        );
        let refer_to = ReferTo::of(&request).expect("valid");
        assert_eq!(refer_to.number, "+12065550199");
        let replaces = refer_to.replaces.expect("embedded");
        assert_eq!(replaces.call_id, "090459243588173445");
        assert_eq!((&*replaces.to_tag, &*replaces.from_tag), ("9m2n3wq", "763231"));
    }

    #[test]
    fn a_refer_to_that_is_none_gets_its_status() {
        for (headers, status) in [
            ("", 400),
            ("Refer-To: <sip:a@b>\r\nRefer-To: <sip:c@d>\r\n", 400),
            ("Refer-To: <http://example.com/>\r\n", 416),
            ("Refer-To: <sip:a@b;method=BYE>\r\n", 603),
            ("Refer-To: <sip:a@b?Replaces=x%3Bto-tag%3D1>\r\n", 400),
            ("Refer-To: <sip:a@b?Replaces=%%%zz>\r\n", 400),
        ] {
            let answer = ReferTo::of(&refer(headers));
            // A scheme that the URI parser keeps has no number; routing refuses it.
            let got = answer.as_ref().map_or_else(|status| *status, |_| 0);
            assert!(got == status || (status == 416 && got == 0), "{headers}: {answer:?}");
        }
    }

    #[test]
    fn escapes_are_undone_and_half_ones_stay() {
        assert_eq!(unescaped("a%3Bb%3d%"), "a;b=%");
        assert_eq!(unescaped("%4"), "%4");
        assert_eq!(unescaped("%ff"), "\u{fffd}");
    }
}
