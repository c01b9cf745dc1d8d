//! Who owns a message: the node and worker that our branches, tags and Call-IDs name.
//!
//! A call lives on one worker. Whatever comes back for it (a response, an in-dialog request, an
//! ACK) carries a branch, tag or Call-ID of ours, so the receiving side finds the worker by a scan
//! of the raw bytes, without a parse and without a table.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::head;
use crate::random::Random;

/// The start of every RFC 3261 branch (section 8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// How many characters an [`OwnerTag`] takes.
pub const OWNER_TAG_CHARS: usize = 6;

/// A node and one of its signalling workers.
///
/// Written as six base32 characters: 16 bits of node, 8 bits of worker, 6 bits of checksum, so that
/// of the foreign tokens that happen to be base32 only one in 64 reads as an owner. A reader still
/// compares the node with its own and the worker with the number of workers it has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct OwnerTag {
    /// The node's number in its fleet.
    pub node: u16,
    /// The worker's number on its node.
    pub worker: u8,
}

impl OwnerTag {
    /// The six characters.
    pub fn encode(self) -> String {
        let owner = u32::from(self.node) << 8 | u32::from(self.worker);
        let bits = owner << 6 | checksum(owner);
        let mut tag = String::with_capacity(OWNER_TAG_CHARS + RANDOM_CHARS);
        push_base32(&mut tag, u64::from(bits), OWNER_TAG_CHARS);
        tag
    }

    /// Reads the six characters at the start of `token`, in either case (RFC 3261 tokens may be
    /// compared without regard to case, and some peers lower them).
    pub fn decode(token: &[u8]) -> Option<OwnerTag> {
        let mut bits = 0_u32;
        for byte in token.get(..OWNER_TAG_CHARS)? {
            let digit = match byte.to_ascii_lowercase() {
                letter @ b'a'..=b'z' => letter - b'a',
                number @ b'2'..=b'7' => number - b'2' + 26,
                _ => return None,
            };
            bits = bits << 5 | u32::from(digit);
        }
        let owner = bits >> 6;
        (checksum(owner) == bits & 0x3f)
            .then_some(OwnerTag { node: (owner >> 8) as u16, worker: owner as u8 })
    }

    /// The start of this owner's branches: magic cookie and owner.
    pub fn branch_prefix(self) -> String {
        format!("{MAGIC_COOKIE}{}", self.encode())
    }

    /// A new tag or Call-ID of this owner, with 64 random bits.
    pub fn new_token(self, random: &mut dyn Random) -> String {
        let mut token = self.encode();
        push_base32(&mut token, random.next_u64(), RANDOM_CHARS);
        token
    }
}

/// The owner that `branch` names, if it is one of ours.
pub fn branch_owner(branch: &str) -> Option<OwnerTag> {
    let branch = branch.as_bytes();
    let (cookie, rest) = branch.split_at_checked(MAGIC_COOKIE.len())?;
    cookie.eq_ignore_ascii_case(MAGIC_COOKIE.as_bytes()).then(|| OwnerTag::decode(rest)).flatten()
}

/// The owner that a raw message names: a response by the branch of its top Via, a request by its To
/// tag, else by its Call-ID. `None` for everything that does not belong to a dialog or transaction
/// of ours; [`call_id_hash`] places those.
pub fn owner_of_message(raw: &[u8]) -> Option<OwnerTag> {
    if is_response(raw) {
        let via = head::via(raw)?;
        let branch = head::parameter(via.value, "branch")?;
        return branch_owner(str::from_utf8(branch).ok()?);
    }
    let by_to = head::to(raw).and_then(|to| head::tag(to.value)).and_then(OwnerTag::decode);
    by_to.or_else(|| OwnerTag::decode(head::call_id(raw)?.value.trim_ascii()))
}

/// A number that is the same for every message with this Call-ID, to choose a worker for initial
/// requests: an INVITE, its CANCEL and the ACK of a refusal meet the same one. Stable while the
/// process runs.
pub fn call_id_hash(raw: &[u8]) -> u64 {
    let call_id = head::call_id(raw).map(|h| h.value.trim_ascii());
    let mut hasher = DefaultHasher::new();
    call_id.unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// The Call-ID of a raw message; `None` when it has none or it is not UTF-8.
pub fn call_id_of(raw: &[u8]) -> Option<&str> {
    let header = head::call_id(raw)?;
    std::str::from_utf8(header.value.trim_ascii()).ok()
}

/// The start line of a raw message, without its line end.
pub fn start_line_of(raw: &[u8]) -> &[u8] {
    head::start_line(raw)
}

/// Whether the raw message is a response, judged by its first bytes.
pub fn is_response(raw: &[u8]) -> bool {
    raw.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/2.0 "))
}

/// How many characters 64 bits take.
pub(crate) const RANDOM_CHARS: usize = 13;

/// Appends the lowest `chars` × 5 bits of `bits`, most significant first.
pub(crate) fn push_base32(out: &mut String, bits: u64, chars: usize) {
    out.extend((0..chars).rev().map(|n| ALPHABET[(bits >> (5 * n)) as usize & 31] as char));
}

fn checksum(owner: u32) -> u32 {
    // The top bits of a multiplicative hash depend on every bit of the owner.
    owner.wrapping_add(1).wrapping_mul(0x9e37_79b1) >> 26
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::StepRandom;

    const US: OwnerTag = OwnerTag { node: 0xbeef, worker: 7 };

    #[test]
    fn an_owner_survives_its_encoding() {
        for node in [0, 1, 255, 256, 0xbeef, u16::MAX] {
            for worker in [0, 1, 7, 255] {
                let owner = OwnerTag { node, worker };
                let text = owner.encode();
                assert_eq!(text.len(), OWNER_TAG_CHARS);
                assert_eq!(OwnerTag::decode(text.as_bytes()), Some(owner));
                assert_eq!(OwnerTag::decode(text.to_uppercase().as_bytes()), Some(owner));
                assert_eq!(OwnerTag::decode(&text.as_bytes()[..5]), None);
                assert_eq!(branch_owner(&owner.branch_prefix()), Some(owner));
            }
        }
    }

    #[test]
    fn a_wrong_character_is_noticed_nearly_always() {
        let text = US.encode();
        let misread = (0..6)
            .flat_map(|at| ALPHABET.iter().map(move |&c| (at, c)))
            .filter(|&(at, c)| text.as_bytes()[at] != c)
            .filter(|&(at, c)| {
                let mut changed = text.clone().into_bytes();
                changed[at] = c;
                OwnerTag::decode(&changed).is_some()
            })
            .count();
        assert!(misread <= 12, "{misread} of 186");
    }

    #[test]
    fn finds_the_owner_in_branch_to_tag_and_call_id() {
        let token = US.new_token(&mut StepRandom::new(1));
        let response = format!(
            "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h;rport=1;branch={}x, SIP/2.0/UDP i\r\n\r\n",
            US.branch_prefix()
        );
        assert_eq!(owner_of_message(response.as_bytes()), Some(US));
        let in_dialog =
            format!("BYE sip:a SIP/2.0\r\nCall-ID: foreign\r\nt: <sip:a>;tag={token}\r\n\r\n");
        assert_eq!(owner_of_message(in_dialog.as_bytes()), Some(US));
        let ours =
            format!("BYE sip:a SIP/2.0\r\nCall-ID: {token}\r\nTo: <sip:a>;tag=foreign\r\n\r\n");
        assert_eq!(owner_of_message(ours.as_bytes()), Some(US));
        let initial = b"INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKfoo\r\n\
            Call-ID: 12@h\r\nTo: <sip:a>\r\n\r\n";
        assert_eq!(owner_of_message(initial), None);
    }

    #[test]
    fn invite_cancel_and_ack_hash_alike() {
        let of = |method: &str| {
            call_id_hash(format!("{method} sip:a SIP/2.0\r\ni:  7@h \r\n\r\n").as_bytes())
        };
        assert_eq!(of("INVITE"), of("CANCEL"));
        assert_eq!(of("INVITE"), call_id_hash(b"ACK sip:a SIP/2.0\r\nCall-ID: 7@h\r\n\r\n"));
        assert_ne!(of("INVITE"), call_id_hash(b"ACK sip:a SIP/2.0\r\nCall-ID: 8@h\r\n\r\n"));
    }

    #[test]
    fn garbage_has_no_owner() {
        for raw in
            [&b""[..], b"\r\n", b"SIP/2.0 200", b"SIP/2.0 200 OK\r\nVia:\r\n", b"\0\xff\n\n:"]
        {
            assert_eq!(owner_of_message(raw), None);
            call_id_hash(raw);
        }
    }
}
