//! The user agent's offers and answers (RFC 3264): one audio stream in G.711, with telephone
//! events.

use model::{Codec, LegSecurity, SrtpKey, SrtpSuite};
use sdp::{
    AudioStream, CryptoAttribute, Direction, Encryption, Limits, RtpProfile, SdpError,
    SessionDescription, leg_security,
};
use sip_proto::{HeaderName, Message, Random};
use std::fmt;
use std::fmt::Write as _;
use std::net::SocketAddr;

/// Where the peer wants media, and which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RemoteMedia {
    /// Where to send RTP; `None` while it is on hold by address.
    pub(super) rtp: Option<SocketAddr>,
    /// Where to send RTCP.
    pub(super) rtcp: Option<SocketAddr>,
    /// RTCP shares the RTP port (RFC 5761).
    pub(super) rtcp_mux: bool,
    /// G.711, A-law or µ-law.
    pub(super) codec: Codec,
    /// Its payload type.
    pub(super) payload_type: u8,
    /// The payload type of telephone events.
    pub(super) telephone_event: Option<u8>,
    /// We send to the peer.
    pub(super) sends: bool,
}

/// Why a description cannot be used. An offer is then owed a 488.
#[derive(Debug)]
pub(super) enum Unusable {
    Unreadable(SdpError),
    NoDescription,
    NoAudio,
    NoCommonCodec,
    KeysDiffer,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Unreadable(error) => error.fmt(f),
            Unusable::NoDescription => f.write_str("there is no session description"),
            Unusable::NoAudio => {
                f.write_str("there is no audio in it with the encryption asked for")
            }
            Unusable::KeysDiffer => f.write_str("its a=crypto answers none of the lines offered"),
            Unusable::NoCommonCodec => f.write_str("neither PCMU nor PCMA is in it"),
        }
    }
}

/// Our side of the session: what `o=` counts and where we receive.
#[derive(Clone)]
pub(super) struct LocalDescription {
    session_id: u64,
    version: u64,
    last: String,
    rtp: SocketAddr,
    rtcp: SocketAddr,
    encryption: Encryption,
    /// One for each suite; none when nothing is encrypted.
    keys: Vec<SrtpKey>,
    /// What we last described.
    sent: Option<AudioStream>,
}

impl fmt::Debug for LocalDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last description holds keys.
        f.debug_struct("LocalDescription").field("version", &self.version).finish_non_exhaustive()
    }
}

impl LocalDescription {
    /// A session that receives at these addresses.
    pub(super) fn new(
        random: &mut dyn Random,
        rtp: SocketAddr,
        rtcp: SocketAddr,
        encryption: Encryption,
    ) -> Self {
        // RFC 8866 section 5.2 wants a numeric id; 63 bits suit readers that take it as signed.
        let session_id = random.next_u64() >> 1;
        let keys = match encryption {
            Encryption::Off => Vec::new(),
            _ => SrtpSuite::ALL.iter().filter_map(|suite| draw_key(*suite, random)).collect(),
        };
        let (version, last, sent) = (session_id, String::new(), None);
        LocalDescription { session_id, version, last, rtp, rtcp, encryption, keys, sent }
    }

    /// An offer.
    pub(super) fn offer(&mut self) -> String {
        let required = self.encryption == Encryption::Required;
        let profile = if required { RtpProfile::Savp } else { RtpProfile::Avp };
        let mut media = format!("m=audio {} {} 0 8 101\r\n", self.rtp.port(), profile.name());
        if required {
            for (tag, key) in (1..).zip(&self.keys) {
                push_crypto(&mut media, &CryptoAttribute::new(tag, key.clone()));
            }
        }
        media.push_str("a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n");
        media.push_str("a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n");
        let _ = write!(media, "a=ptime:20\r\na=rtcp:{}\r\na=sendrecv\r\n", self.rtcp.port());
        self.complete(media)
    }

    /// The answer to the offer in `message`, and what the offer asks for.
    pub(super) fn answer(
        &mut self,
        message: &Message,
    ) -> Result<(String, RemoteMedia, LegSecurity), Unusable> {
        let body = body_of(message).ok_or(Unusable::NoDescription)?;
        let offer = parse(body)?.for_leg(self.encryption);
        let (index, remote) = read(&offer)?;
        let audio = offer.audio().ok_or(Unusable::NoAudio)?;
        let text = String::from_utf8_lossy(body);
        let lines = text.lines().filter_map(|line| line.strip_prefix("m="));
        let mut media = String::new();
        for (position, line) in lines.enumerate() {
            if position == index {
                self.accept(&mut media, &remote, &audio);
            } else {
                reject(&mut media, line);
            }
        }
        let answer = self.complete(media);
        let security = leg_security(Some(&audio), self.sent.as_ref());
        Ok((answer, remote, security.ok_or(Unusable::KeysDiffer)?))
    }

    /// What the answer in `message` to our offer says, and how the media is protected.
    pub(super) fn read_answer(
        &self,
        message: &Message,
    ) -> Result<(RemoteMedia, LegSecurity), Unusable> {
        let body = body_of(message).ok_or(Unusable::NoDescription)?;
        let answer = parse(body)?.for_leg(self.encryption);
        let (_, remote) = read(&answer)?;
        let security = leg_security(answer.audio_ref(), self.sent.as_ref());
        Ok((remote, security.ok_or(Unusable::KeysDiffer)?))
    }

    /// The accepted stream: one format, so that it is plain what is sent.
    fn accept(&self, media: &mut String, remote: &RemoteMedia, offered: &AudioStream) {
        let RemoteMedia { payload_type, codec, .. } = *remote;
        let direction = Direction::answer(offered.direction, Direction::SendRecv);
        let profile = offered.profile.name();
        let _ = write!(media, "m=audio {} {profile} {payload_type}", self.rtp.port());
        if let Some(event) = remote.telephone_event {
            let _ = write!(media, " {event}");
        }
        let _ = write!(media, "\r\na=rtpmap:{payload_type} {}/8000\r\n", codec.name());
        if let Some(line) = offered.crypto.first()
            && let Some(key) = self.keys.iter().find(|key| key.suite() == line.suite())
            && let Some(ours) = line.answered_with(key.clone())
        {
            push_crypto(media, &ours);
        }
        if let Some(event) = remote.telephone_event {
            let _ =
                write!(media, "a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-15\r\n");
        }
        if remote.rtcp_mux {
            media.push_str("a=rtcp-mux\r\n");
        } else {
            let _ = write!(media, "a=rtcp:{}\r\n", self.rtcp.port());
        }
        let _ = write!(media, "a=ptime:20\r\na={}\r\n", direction.as_str());
    }

    /// Puts the session part before the media. The version counts changes (RFC 3264 section 8).
    fn complete(&mut self, media: String) -> String {
        if !self.last.is_empty() && self.last != media {
            self.version += 1;
        }
        self.last = media;
        let ip = self.rtp.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let (id, version, media) = (self.session_id, self.version, &self.last);
        let text = format!(
            "v=0\r\no=- {id} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n{media}"
        );
        let ours = parse(text.as_bytes()).map(|ours| ours.for_leg(self.encryption));
        self.sent = ours.ok().and_then(|ours| ours.audio());
        text
    }
}

/// A new key of a suite.
fn draw_key(suite: SrtpSuite, random: &mut dyn Random) -> Option<SrtpKey> {
    let mut material = [0_u8; 48];
    for word in material.chunks_exact_mut(8) {
        word.copy_from_slice(&random.next_u64().to_ne_bytes());
    }
    SrtpKey::new(suite, material.get(..suite.key_len() + suite.salt_len())?)
}

fn push_crypto(media: &mut String, line: &CryptoAttribute) {
    let _ = write!(media, "a=crypto:{}\r\n", line.to_value());
}

/// Whether a message carries a session description.
pub(super) fn has_description(message: &Message) -> bool {
    body_of(message).is_some()
}

fn body_of(message: &Message) -> Option<&[u8]> {
    let content_type = message.header(HeaderName::ContentType)?;
    sdp::extract_sdp(content_type, message.body_bytes()).filter(|body| !body.is_empty())
}

fn parse(body: &[u8]) -> Result<SessionDescription, Unusable> {
    SessionDescription::parse(body, &Limits::default()).map_err(Unusable::Unreadable)
}

/// The audio `m=` line and what it asks for.
fn read(description: &SessionDescription) -> Result<(usize, RemoteMedia), Unusable> {
    let audio = description.audio().ok_or(Unusable::NoAudio)?;
    let codec = audio
        .codecs
        .iter()
        .find(|mapping| matches!(mapping.codec, Codec::Pcmu | Codec::Pcma))
        .ok_or(Unusable::NoCommonCodec)?;
    let remote = RemoteMedia {
        rtp: audio.remote_rtp,
        rtcp: if audio.rtcp_mux { audio.remote_rtp } else { audio.remote_rtcp },
        rtcp_mux: audio.rtcp_mux,
        codec: codec.codec,
        payload_type: codec.payload_type,
        telephone_event: audio.telephone_event,
        sends: audio.direction.receives(),
    };
    Ok((audio.index, remote))
}

/// A stream that we do not take: the same line with port 0 (RFC 3264 section 6).
fn reject(media: &mut String, line: &str) {
    let mut words = line.split_ascii_whitespace();
    let kind = words.next().unwrap_or("audio");
    let rest: Vec<&str> = words.skip(1).collect();
    let _ = write!(media, "m={kind} 0 {}\r\n", rest.join(" "));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str) -> Message {
        let head = "SIP/2.0 200 OK\r\nContent-Type: application/sdp\r\n";
        let raw = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        Message::parse(raw.into(), &sip_proto::Limits::default()).unwrap()
    }

    fn local() -> LocalDescription {
        under(Encryption::Off)
    }

    fn under(encryption: Encryption) -> LocalDescription {
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut random = sip_proto::StepRandom::new(8);
        LocalDescription::new(&mut random, at(4000), at(4001), encryption)
    }

    #[test]
    fn our_own_offer_and_answer_agree() {
        let offer = local().offer();
        let (answer, asked, _) = local().answer(&message(&offer)).unwrap();
        assert_eq!(asked.rtp.unwrap().port(), 4000);
        assert_eq!(asked.rtcp.unwrap().port(), 4001);
        let mut caller = local();
        caller.offer();
        let (got, security) = caller.read_answer(&message(&answer)).unwrap();
        assert_eq!(security, LegSecurity::Plain);
        assert_eq!((got.codec, got.payload_type, got.sends), (Codec::Pcmu, 0, true));
        assert_eq!(got.telephone_event, Some(101));
    }

    #[test]
    fn other_streams_are_rejected_in_their_place() {
        let offer = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
            m=video 9000 RTP/AVP 96\r\nm=audio 9002 RTP/AVP 18 8\r\na=rtcp-mux\r\na=sendonly\r\n";
        let (answer, asked, _) = local().answer(&message(offer)).unwrap();
        assert!(answer.contains("m=video 0 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 8\r\n"), "{answer}");
        assert!(answer.contains("a=rtcp-mux\r\n") && answer.contains("a=recvonly\r\n"));
        assert_eq!((asked.codec, asked.sends), (Codec::Pcma, false));
        assert_eq!(asked.rtcp, asked.rtp);
    }

    #[test]
    fn the_version_counts_changes_only() {
        let mut local = local();
        let first = local.offer();
        assert_eq!(local.offer(), first);
        let hold = first.replace("sendrecv", "inactive");
        let (answer, asked, _) = local.answer(&message(&hold)).unwrap();
        assert!(answer.contains("o=- 4 5 IN IP4") && answer.contains("a=inactive"), "{answer}");
        assert!(!asked.sends);
    }

    #[test]
    fn no_common_codec_is_said() {
        let offer = local().offer().replace(" 0 8 101", " 18");
        let error = local().answer(&message(&offer)).unwrap_err();
        assert!(matches!(error, Unusable::NoCommonCodec), "{error}");
    }

    #[test]
    fn srtp_is_asked_for_answered_and_never_replaced_by_plain_rtp() {
        let mut caller = under(Encryption::Required);
        let offer = caller.offer();
        assert!(offer.contains("RTP/SAVP 0 8 101"), "{offer}");
        assert_eq!(offer.matches("a=crypto:").count(), SrtpSuite::ALL.len());
        let (answer, _, theirs) = under(Encryption::Mirror).answer(&message(&offer)).unwrap();
        let (_, ours) = caller.read_answer(&message(&answer)).unwrap();
        let (LegSecurity::Sdes(ours), LegSecurity::Sdes(theirs)) = (ours, theirs) else {
            panic!("SRTP on both sides")
        };
        assert_eq!((&ours.send, &ours.receive), (&theirs.receive, &theirs.send));
        assert!(!format!("{caller:?}").contains("inline"));
        let plain = answer.replace("RTP/SAVP", "RTP/AVP").replace("a=crypto", "a=x");
        assert!(caller.read_answer(&message(&plain)).is_err());
        assert!(local().answer(&message(&offer)).is_err(), "nothing to answer it with");
        let (answer, _, security) =
            under(Encryption::Mirror).answer(&message(&local().offer())).unwrap();
        assert!(!answer.contains("crypto"), "{answer}");
        assert_eq!(security, LegSecurity::Plain);
    }
}
