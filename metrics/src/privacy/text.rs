//! Text that is not understood: URIs in it are, of the rest long runs of digits are hidden.

use super::numbers::Numbers;
use super::uri;

/// In the place of what is hidden whole.
pub(super) const HIDDEN: &[u8] = b"***";

/// An octet of a text that may have escapes (RFC 3986 section 2.1).
#[derive(Clone, Copy)]
pub(super) struct Unit {
    /// What it means.
    pub(super) octet: u8,
    /// Where it stands.
    pub(super) at: usize,
    /// Octets that it is written with: 1, or 3 as an escape.
    pub(super) length: usize,
}

/// The octets of `text`, escapes read.
pub(super) fn units(text: &[u8]) -> impl Iterator<Item = Unit> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let first = *text.get(at)?;
        let escaped = text.get(at + 1..at + 3).filter(|_| first == b'%').and_then(|digits| {
            let digit = |d: &u8| char::from(*d).to_digit(16);
            u8::try_from(digit(digits.first()?)? << 4 | digit(digits.get(1)?)?).ok()
        });
        let length = if escaped.is_some() { 3 } else { 1 };
        let unit = Unit { octet: escaped.unwrap_or(first), at, length };
        at += length;
        Some(unit)
    })
}

/// How runs of digits are looked for.
#[derive(Clone, Copy)]
pub(super) struct Runs {
    /// From so many digits on a run is hidden.
    pub(super) least: usize,
    /// Whether digits go on behind a dot, space, hyphen, bracket, slash or backslash.
    pub(super) separators: bool,
}

/// In words: `206-555-0100`, `(206) 555 0100`.
pub(super) const WORDS: Runs = Runs { least: 3, separators: true };
/// In names of hosts, which have addresses and ports.
pub(super) const HOSTS: Runs = Runs { least: 6, separators: false };
/// In parameters of URIs.
pub(super) const PARAMETERS: Runs = Runs { least: 4, separators: false };
/// In names and versions of products.
pub(super) const PRODUCTS: Runs = Runs { least: 7, separators: false };
/// Nothing but hidden digits.
pub(super) const ALL: Runs = Runs { least: 1, separators: false };

/// Separators within one run that may follow each other.
const SEPARATORS_IN_A_ROW: usize = 3;

/// Writes `text` with its runs of digits hidden, one `*` for a digit.
pub(super) fn coarse(text: &[u8], runs: Runs, out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let (end, digits) = run(rest, runs.separators);
        if digits == 0 {
            // Up to the next digit.
            let next = units(rest).find(|unit| unit.octet.is_ascii_digit());
            let length = next.map_or(rest.len(), |unit| unit.at);
            out.extend_from_slice(rest.get(..length).unwrap_or_default());
            at += length;
            continue;
        }
        let found = rest.get(..end).unwrap_or_default();
        for unit in units(found) {
            if unit.octet.is_ascii_digit() && digits >= runs.least {
                out.push(b'*');
            } else {
                out.extend_from_slice(
                    found.get(unit.at..unit.at + unit.length).unwrap_or_default(),
                );
            }
        }
        at += end;
    }
}

/// Where the run that `text` begins with ends, and its digits.
fn run(text: &[u8], separators: bool) -> (usize, usize) {
    let (mut end, mut digits, mut between) = (0, 0, 0);
    for unit in units(text) {
        if unit.octet.is_ascii_digit() {
            (end, digits, between) = (unit.at + unit.length, digits + 1, 0);
        } else if digits > 0
            && separators
            && between < SEPARATORS_IN_A_ROW
            && b"-.() /\\\t\r\n".contains(&unit.octet)
        {
            between += 1;
        } else {
            break;
        }
    }
    (end, digits)
}

/// Writes text with numbers in URIs and in words hidden.
pub(super) fn words(numbers: &Numbers, text: &[u8], runs: Runs, out: &mut Vec<u8>) {
    let mut at = 0;
    let mut done = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let follows_letter = at > 0 && text.get(at - 1).is_some_and(u8::is_ascii_alphanumeric);
        if follows_letter || uri::scheme(rest).is_none() {
            at += 1;
            continue;
        }
        coarse(text.get(done..at).unwrap_or_default(), runs, out);
        at += uri::bare(numbers, rest, out).max(1);
        done = at;
    }
    coarse(text.get(done..).unwrap_or_default(), runs, out);
}

/// Writes the value of a Reason (RFC 3326) or Warning header (RFC 3261 section 20.43): protocol, cause
/// and code stay.
pub(super) fn reason(numbers: &Numbers, value: &[u8], out: &mut Vec<u8>) {
    let mut done = code(value);
    out.extend_from_slice(value.get(..done).unwrap_or_default());
    let mut at = done;
    while at < value.len() {
        let rest = value.get(at..).unwrap_or_default();
        let kept = kept(rest);
        if kept == 0 {
            at += 1;
            continue;
        }
        words(numbers, value.get(done..at).unwrap_or_default(), WORDS, out);
        out.extend_from_slice(rest.get(..kept).unwrap_or_default());
        at += kept;
        done = at;
    }
    words(numbers, value.get(done..).unwrap_or_default(), WORDS, out);
}

/// The octets of a warn-code in front.
fn code(value: &[u8]) -> usize {
    let spaces = value.len() - value.trim_ascii_start().len();
    let digits = value.iter().skip(spaces).take_while(|octet| octet.is_ascii_digit()).count();
    if digits == 3 { spaces + digits } else { 0 }
}

/// The octets of a protocol's name or of a cause that `text` begins with.
fn kept(text: &[u8]) -> usize {
    const CAUSE: &[u8] = b"cause=";
    const Q850: &[u8] = b"q.850";
    let starts = |what: &[u8]| text.get(..what.len()).is_some_and(|t| t.eq_ignore_ascii_case(what));
    let digits = |from: usize| text.iter().skip(from).take_while(|o| o.is_ascii_digit()).count();
    if starts(Q850) && digits(Q850.len()) == 0 {
        Q850.len()
    } else if starts(CAUSE) && digits(CAUSE.len()) <= 3 {
        CAUSE.len() + digits(CAUSE.len())
    } else {
        0
    }
}
