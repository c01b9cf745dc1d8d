//! Enough of a broken request to answer it.

use super::compose::Composer;
use super::header_name::HeaderName;
use super::method::Method;
use super::name_addr::NameAddr;
use super::scan::trim;

/// The headers that an answer must copy, from a request that does not parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Salvaged {
    /// The method; an ACK is never answered.
    pub method: String,
    /// Each Via line's value, from the top.
    pub vias: Vec<String>,
    /// From.
    pub from: String,
    /// To.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
    /// CSeq.
    pub cseq: String,
}

impl Salvaged {
    /// Whether an answer may be sent: not to an ACK.
    pub fn can_be_answered(&self) -> bool {
        Method::parse(&self.method) != Method::Ack
    }

    /// The answer, with `to_tag` added when To has no tag. The caller stamps `received` and `rport`
    /// into [`Salvaged::vias`] before.
    pub fn response(&self, status: u16, reason: &str, to_tag: &str) -> Composer {
        let mut composer = Composer::response(status, reason);
        for via in &self.vias {
            composer.header(HeaderName::Via, via);
        }
        composer.header(HeaderName::From, &self.from);
        if NameAddr::parse(&self.to).is_ok_and(|to| to.tag().is_none()) {
            let to = self.to.strip_suffix(';').unwrap_or(&self.to);
            composer.header_args(HeaderName::To, format_args!("{to};tag={to_tag}"));
        } else {
            composer.header(HeaderName::To, &self.to);
        }
        composer.header(HeaderName::CallId, &self.call_id);
        composer.header(HeaderName::CSeq, &self.cseq);
        composer
    }
}

/// Lines that are looked at: a head that hides its Via behind more is not worth an answer.
const MOST_LINES: usize = 256;
/// Via lines that are copied.
const MOST_VIAS: usize = 32;
/// Bytes of the head that are looked at.
const MOST_BYTES: usize = 16 * 1024;

/// Finds what a 400 needs in a request that [`crate::Message::parse`] refused: a method, a Via,
/// From, To, Call-ID and CSeq, each copied as sent with folds removed and what is not UTF-8
/// replaced. `None` when one is missing, or for a response, which is never answered.
pub fn salvage(raw: &[u8]) -> Option<Salvaged> {
    let head = raw.get(..MOST_BYTES).unwrap_or(raw);
    let mut lines = unfolded_lines(head).skip_while(String::is_empty);
    let start = lines.next()?;
    let method = start.split(' ').next().filter(|method| !method.is_empty())?;
    if method.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("SIP/")) {
        return None;
    }
    let mut vias = Vec::new();
    let [mut from, mut to, mut call_id, mut cseq] = [None, None, None, None];
    for line in lines.take(MOST_LINES).take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = trim(value).to_owned();
        let slot = match HeaderName::parse(trim(name)) {
            HeaderName::Via => {
                if vias.len() < MOST_VIAS {
                    vias.push(value);
                }
                continue;
            }
            HeaderName::From => &mut from,
            HeaderName::To => &mut to,
            HeaderName::CallId => &mut call_id,
            HeaderName::CSeq => &mut cseq,
            _ => continue,
        };
        slot.get_or_insert(value);
    }
    if vias.is_empty() {
        return None;
    }
    let method = method.to_owned();
    Some(Salvaged { method, vias, from: from?, to: to?, call_id: call_id?, cseq: cseq? })
}

/// Lines however they end, with their continuations joined.
fn unfolded_lines(head: &[u8]) -> impl Iterator<Item = String> + '_ {
    let text = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        String::from_utf8_lossy(line).replace(['\r', '\0'], " ")
    };
    let mut lines = head.split(|byte| *byte == b'\n').peekable();
    std::iter::from_fn(move || {
        let mut line = text(lines.next()?);
        while let Some(more) = lines.next_if(|next| matches!(next.first(), Some(b' ' | b'\t'))) {
            line.push(' ');
            line.push_str(trim(&text(more)));
        }
        Some(line)
    })
}
