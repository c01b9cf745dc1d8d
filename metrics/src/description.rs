//! What of a SIP message's content is kept for the ladder: its session description in short, and
//! why a request or an answer says it was sent.

use crate::printable_line;
use serde::{Deserialize, Serialize};

/// Lines of a body that are looked at, codecs and further lines that are kept, characters of one
/// text: what goes beyond is left out.
const LINES: usize = 400;
const CODECS: usize = 12;
const OTHERS: usize = 4;
const CHARACTERS: usize = 48;
const REASON_CHARACTERS: usize = 120;

/// A session description (RFC 8866) in short: its first audio line.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct DescriptionRecord {
    /// Encoding names in the order of preference; a payload type's number where no name is known.
    pub codecs: Vec<String>,
    /// `RTP/AVP`, `RTP/SAVP`, …
    pub profile: String,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub direction: String,
    /// Where its audio is to go: address and port. Port 0: no audio is wanted.
    pub address: String,
    /// The lines beside the audio by their media, such as `video`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
}

impl DescriptionRecord {
    /// The description in a SIP message; `None` when it carries none. Text of peers is made
    /// printable and cut.
    pub fn of_message(message: &[u8]) -> Option<Self> {
        of_message(message)
    }
}

/// [`DescriptionRecord::of_message`].
pub(crate) fn of_message(message: &[u8]) -> Option<DescriptionRecord> {
    let split = message.windows(4).position(|end| end == b"\r\n\r\n")?;
    let body = String::from_utf8_lossy(message.get(split..)?);
    if !body.contains("\nm=") {
        return None;
    }
    let mut reader = Reader::default();
    body.lines().take(LINES).for_each(|line| reader.line(line));
    Some(reader.finish())
}

/// The value of a message's Reason header (RFC 3326), else of its Warning header (RFC 3261 section
/// 20.43), made printable and cut.
pub(crate) fn reason_of(message: &[u8]) -> Option<String> {
    let split = message.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(message.len());
    let head = String::from_utf8_lossy(message.get(..split)?);
    ["reason", "warning"].into_iter().find_map(|wanted| {
        let (_, value) = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))?;
        Some(printable_line(value.trim()).chars().take(REASON_CHARACTERS).collect())
    })
}

#[derive(Default)]
struct Reader {
    out: DescriptionRecord,
    /// Payload types of the audio line.
    formats: Vec<String>,
    names: Vec<(String, String)>,
    port: String,
    session_address: String,
    session_direction: Option<String>,
    direction: Option<String>,
    place: Place,
}

/// Which part of the description a line stands in.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Start,
    Audio,
    Beside,
}

impl Reader {
    fn line(&mut self, line: &str) {
        match line.split_once('=') {
            Some(("m", media)) => self.media(media),
            Some(("c", connection)) => {
                let address = connection.split_ascii_whitespace().nth(2).map(cut);
                let address = address.unwrap_or_default();
                match self.place {
                    Place::Start => self.session_address = address,
                    Place::Audio => self.out.address = address,
                    Place::Beside => {}
                }
            }
            Some(("a", attribute)) => self.attribute(attribute),
            _ => {}
        }
    }

    fn media(&mut self, media: &str) {
        let mut words = media.split_ascii_whitespace();
        let kind = words.next().unwrap_or_default();
        if kind != "audio" || !self.out.profile.is_empty() {
            self.place = Place::Beside;
            if self.out.others.len() < OTHERS {
                self.out.others.push(cut(kind));
            }
            return;
        }
        self.place = Place::Audio;
        self.port = words.next().map(cut).unwrap_or_default();
        self.out.profile = words.next().map_or_else(|| "-".to_owned(), cut);
        self.formats = words.take(CODECS).map(cut).collect();
    }

    fn attribute(&mut self, attribute: &str) {
        if matches!(attribute, "sendrecv" | "sendonly" | "recvonly" | "inactive") {
            match self.place {
                Place::Start => self.session_direction = Some(attribute.to_owned()),
                Place::Audio => self.direction = Some(attribute.to_owned()),
                Place::Beside => {}
            }
        }
        if self.place == Place::Audio
            && self.names.len() < 4 * CODECS
            && let Some((number, name)) =
                attribute.strip_prefix("rtpmap:").and_then(|map| map.split_once(' '))
        {
            let name = name.split('/').next().unwrap_or_default();
            self.names.push((cut(number), cut(name)));
        }
    }

    fn finish(mut self) -> DescriptionRecord {
        let named = |format: &String| {
            let own = self.names.iter().find(|(number, _)| number == format);
            let name = own.map(|(_, name)| name.as_str()).or_else(|| well_known(format));
            name.unwrap_or(format).to_owned()
        };
        self.out.codecs = self.formats.iter().map(named).collect();
        let address =
            if self.out.address.is_empty() { &self.session_address } else { &self.out.address };
        self.out.address = match address.contains(':') {
            true => format!("[{address}]:{}", self.port),
            false => format!("{address}:{}", self.port),
        };
        // RFC 3264 section 5.1: without an attribute it is sendrecv.
        let direction = self.direction.or(self.session_direction);
        self.out.direction = direction.unwrap_or_else(|| "sendrecv".to_owned());
        self.out
    }
}

/// Static payload types of RFC 3551 section 6.
fn well_known(format: &str) -> Option<&'static str> {
    Some(match format {
        "0" => "PCMU",
        "3" => "GSM",
        "4" => "G723",
        "8" => "PCMA",
        "9" => "G722",
        "13" => "CN",
        "15" => "G728",
        "18" => "G729",
        _ => return None,
    })
}

fn cut(text: &str) -> String {
    printable_line(text).chars().take(CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INVITE: &str = "INVITE sip:b@t SIP/2.0\r\nContent-Type: application/sdp\r\n\r\n";

    #[test]
    fn the_first_audio_line_is_kept_and_what_stands_beside_it_is_named() {
        let told = of_message(
            format!(
                "{INVITE}v=0\r\nc=IN IP4 192.0.2.1\r\na=inactive\r\nm=audio 4000 RTP/SAVP 96 0 101 77\r\n\
                 a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n\
                 m=video 4002 RTP/AVP 31\r\nc=IN IP4 192.0.2.9\r\na=recvonly\r\n"
            )
            .as_bytes(),
        )
        .unwrap();
        assert_eq!(told.codecs, ["opus", "PCMU", "telephone-event", "77"]);
        assert_eq!(told.profile, "RTP/SAVP");
        assert_eq!(told.direction, "sendonly");
        assert_eq!(told.address, "192.0.2.1:4000");
        assert_eq!(told.others, ["video"]);
        let v6 = format!("{INVITE}v=0\r\nm=audio 4 RTP/AVP 8\r\nc=IN IP6 2001:db8::1\r\n");
        let v6 = of_message(v6.as_bytes()).unwrap();
        assert_eq!((v6.address.as_str(), v6.direction.as_str()), ("[2001:db8::1]:4", "sendrecv"));
        assert_eq!(of_message(INVITE.as_bytes()), None);
    }

    #[test]
    fn a_reason_comes_before_a_warning() {
        let both = "BYE sip:a SIP/2.0\r\nWarning: 305 a \"x\"\r\nREASON : Q.850;cause=41\r\n\r\nReason: no";
        assert_eq!(reason_of(both.as_bytes()).unwrap(), "Q.850;cause=41");
        let one = "SIP/2.0 488 No\r\nWarning: 305 a \"No \x1b codec\"\r\n\r\n";
        assert_eq!(reason_of(one.as_bytes()).unwrap(), "305 a \"No \u{fffd} codec\"");
        assert_eq!(reason_of(INVITE.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_kept_short_and_printable(body in "(m=audio|a=rtpmap:|c=IN IP4|[\\PC\r\n\u{1b}= :/0-9]){0,200}") {
            let message = format!("{INVITE}{body}\r\nm={body}");
            if let Some(told) = of_message(message.as_bytes()) {
                prop_assert!(told.codecs.len() <= CODECS && told.others.len() <= OTHERS);
                for text in told.codecs.iter().chain(&told.others).chain([&told.profile, &told.address]) {
                    prop_assert!(text.chars().count() <= 2 * CHARACTERS + 3);
                    prop_assert!(!text.chars().any(char::is_control));
                }
            }
            let _ = reason_of(message.as_bytes());
        }
    }
}
