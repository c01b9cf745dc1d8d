//! Small typed values: CSeq, RAck, Session-Expires, numbers.

use super::malformed::Malformed;
use super::method::Method;
use super::params::Params;
use super::scan::{is_lws, is_token, part, trim};

/// CSeq (RFC 3261 section 20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// The sequence number; RFC 3261 section 8.1.1.5 keeps it under 2^31.
    pub number: u32,
    /// The method.
    pub method: Method<'a>,
}

impl<'a> CSeq<'a> {
    /// Reads `number method`.
    ///
    /// # Errors
    /// When the number is none, does not fit 32 bits, or the method is no token.
    pub fn parse(text: &'a str) -> Result<CSeq<'a>, Malformed> {
        let (number, rest) = leading_number(text).ok_or(Malformed::new(
            "CSeq",
            "the number does not fit 32 bits",
            0,
        ))?;
        let method = trim(rest);
        if method.len() == rest.len() || method.is_empty() || !method.bytes().all(is_token) {
            return Err(Malformed::new("CSeq", "a method must follow the number", 0));
        }
        Ok(CSeq { number, method: Method::parse(method) })
    }
}

/// RAck (RFC 3262 section 7.2): which reliable provisional response a PRACK acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck<'a> {
    /// The RSeq of the provisional response.
    pub rseq: u32,
    /// Its CSeq.
    pub cseq: CSeq<'a>,
}

impl<'a> RAck<'a> {
    /// Reads `rseq cseq-number method`.
    ///
    /// # Errors
    /// When one of the three is missing or no number.
    pub fn parse(text: &'a str) -> Result<RAck<'a>, Malformed> {
        let (rseq, rest) = leading_number(text).ok_or(Malformed::new(
            "RAck",
            "the number does not fit 32 bits",
            0,
        ))?;
        let cseq = CSeq::parse(trim(rest)).map_err(|fault| fault.in_part("RAck"))?;
        Ok(RAck { rseq, cseq })
    }
}

/// Who refreshes the session timer (RFC 4028 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answered it.
    Uas,
}

/// Session-Expires (RFC 4028 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval, in seconds.
    pub seconds: u32,
    /// Who refreshes, when said.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads `seconds[;refresher=uac|uas]`.
    ///
    /// # Errors
    /// When the interval is no number, or the refresher is neither.
    pub fn parse(text: &str) -> Result<SessionExpires, Malformed> {
        const PART: &str = "Session-Expires";
        let end = memchr::memchr(b';', text.as_bytes()).unwrap_or(text.len());
        let seconds = saturating_number(trim(part(text, 0, end))).ok_or(Malformed::new(
            PART,
            "not a number of seconds",
            0,
        ))?;
        let params = Params::checked(part(text, end, text.len()), |_, _| Ok(()))?;
        let refresher = match params.get("refresher") {
            None => None,
            Some(Some(who)) if who.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(Some(who)) if who.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return Err(Malformed::new(PART, "the refresher is uac or uas", end)),
        };
        Ok(SessionExpires { seconds, refresher })
    }
}

/// A number that must fit 32 bits, and what follows its digits.
fn leading_number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = part(text, 0, digits).parse().ok()?;
    Some((number, part(text, digits, text.len())))
}

/// Digits; a number over 2^32-1 counts as that (RFC 4475 section 3.1.2.4 lets expiries and
/// Max-Forwards be capped).
pub(crate) fn saturating_number(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.bytes().fold(0_u32, |number, digit| {
        number.saturating_mul(10).saturating_add(u32::from(digit - b'0'))
    }))
}

/// `seconds` at the start of a value that may go on with a comment or parameters.
pub(crate) fn leading_seconds(text: &str) -> Option<u32> {
    let end = text.bytes().position(|b| b == b';' || b == b'(' || is_lws(b)).unwrap_or(text.len());
    saturating_number(part(text, 0, end))
}
