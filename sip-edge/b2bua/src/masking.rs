//! Calls of proxy phone sessions: what one side is told of the other is a proxy number and nothing
//! else. Whatever could hold a number, a name or a text of the other side's making stays on its leg.

use crate::dtmf::{InfoBody, key_in};
use sip_proto::{Composer, HeaderName, Message};

/// Writes why a request or response was sent (RFC 3326), without the text that may stand beside it.
pub(crate) fn carry_reason(composer: &mut Composer, from: &Message) {
    for value in from.values(HeaderName::Reason) {
        let mut parts = value.split(';');
        let said = parts.next().unwrap_or_default().trim();
        let known = ["SIP", "Q.850"].into_iter().find(|known| said.eq_ignore_ascii_case(known));
        let cause = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("cause"))
            .and_then(|(_, cause)| cause.trim().parse::<u16>().ok());
        if let (Some(protocol), Some(cause)) = (known, cause) {
            composer.header_args(HeaderName::Reason, format_args!("{protocol};cause={cause}"));
        }
    }
}

/// The body for the other leg of an INFO with a key in it, written anew, and its type; `None` for any
/// other INFO.
pub(crate) fn key_body(info: &Message) -> Option<(&'static str, String)> {
    let press = key_in(info)?.ok()?;
    let content_type = info.header(HeaderName::ContentType)?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is_plain = media_type.eq_ignore_ascii_case(InfoBody::Plain.media_type());
    let form = if is_plain { InfoBody::Plain } else { InfoBody::Relay };
    Some((form.media_type(), form.write(press)))
}

/// A description of ours without what may be free text of the other side: of the attributes, only
/// those stay that say what the media is and how it is sent.
pub(crate) fn described(body: Vec<u8>) -> Vec<u8> {
    let mut masked = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if may_stay(line) {
            masked.extend_from_slice(line);
        }
    }
    masked
}

fn may_stay(line: &[u8]) -> bool {
    let Some(attribute) = line.strip_prefix(b"a=") else {
        // Of a session its subject, information, URI, mail address and telephone number (RFC 8866
        // section 5) say who made it; "s=" is ours.
        return matches!(
            line.get(..2),
            Some(b"v=" | b"o=" | b"s=" | b"c=" | b"t=" | b"m=" | b"b=")
        );
    };
    let end = attribute.iter().position(|byte| matches!(byte, b':' | b'\r' | b'\n' | b' '));
    let name = attribute.get(..end.unwrap_or(attribute.len())).unwrap_or_default();
    let is = |known: &&str| name.eq_ignore_ascii_case(known.as_bytes());
    ATTRIBUTES.iter().any(is)
        || name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"T38"))
}

/// Attributes without free text: of formats (RFC 8866), of our own transport and keys, and the
/// extensions that both ends must know of to understand each other's packets.
const ATTRIBUTES: [&str; 26] = [
    "rtpmap",
    "fmtp",
    "ptime",
    "maxptime",
    "sendrecv",
    "sendonly",
    "recvonly",
    "inactive",
    "rtcp",
    "rtcp-mux",
    "rtcp-rsize",
    "rtcp-fb",
    "rtcp-xr",
    "extmap",
    "mid",
    "silenceSupp",
    "record",
    "crypto",
    "fingerprint",
    "setup",
    "tls-id",
    "candidate",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-lite",
];

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message(head: &str) -> Message {
        let text = format!("SIP/2.0 486 Busy\r\n{head}\r\n");
        Message::parse(Bytes::from(text), &sip_proto::Limits::default()).unwrap()
    }

    #[test]
    fn a_reason_keeps_its_cause_and_loses_its_text() {
        let from = message(
            "Reason: q.850 ; cause=17;text=\"+14155550111 busy\", SIP;cause=486\r\n\
             Reason: Preemption;cause=1;text=\"x\"\r\nReason: SIP;text=\"no cause\"\r\n",
        );
        let mut composer = Composer::request("BYE", "sip:a@b");
        carry_reason(&mut composer, &from);
        let written = String::from_utf8(composer.finish().to_vec()).unwrap();
        let reasons: Vec<_> = written.lines().filter(|line| line.starts_with("Reason")).collect();
        assert_eq!(reasons, ["Reason: Q.850;cause=17", "Reason: SIP;cause=486"]);
    }

    #[test]
    fn a_description_keeps_what_media_needs() {
        let body = "v=0\r\no=- 1 1 IN IP4 203.0.113.1\r\ns=-\r\ni=Alice\r\nu=http://a\r\n\
                    e=alice@example.com\r\np=+14155550111\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n\
                    m=audio 40000 RTP/AVP 0\r\ni=Alice\r\na=rtpmap:0 PCMU/8000\r\na=label:Alice\r\n\
                    a=X-caller:+14155550111\r\na=sendrecv\r\na=T38FaxVersion:0\r\na=rtpmapx:1\r\n";
        let masked = String::from_utf8(described(body.as_bytes().to_vec())).unwrap();
        let expected = "v=0\r\no=- 1 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\n\
                        t=0 0\r\nm=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n\
                        a=T38FaxVersion:0\r\n";
        assert_eq!(masked, expected);
    }
}
