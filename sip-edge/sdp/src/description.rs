//! One session description, read and written.

use crate::audio::AudioStream;
use crate::direction::Direction;
use crate::error::{Malformed, SdpError};
use crate::profile::Encryption;
use sdp_types::{Media, ParserError, Session};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// How large a description may be before it is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of the body.
    pub bytes: usize,
    /// Media descriptions (`m=` lines).
    pub media: usize,
    /// Lines.
    pub lines: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 65_000, media: 16, lines: 1000 }
    }
}

/// A session description. It keeps every attribute in its order, known or not. Printing it shows
/// no key.
#[derive(Clone)]
pub struct SessionDescription {
    pub(crate) inner: Session,
    text: Arc<[u8]>,
    /// Read once, because it is asked for many times.
    audio: Option<AudioStream>,
    /// The policy that chose the stream.
    encryption: Encryption,
}

impl fmt::Debug for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.inner.medias.len();
        f.debug_struct("SessionDescription")
            .field("media", &lines)
            .field("audio", &self.audio)
            .finish_non_exhaustive()
    }
}

impl PartialEq for SessionDescription {
    /// Whether they say the same, however it was written.
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for SessionDescription {}

impl SessionDescription {
    /// Reads a body of type `application/sdp`. Lines may end in CRLF or LF (RFC 8866 section 5);
    /// a lone CR, NUL, or a line that is not `x=value` is an error.
    ///
    /// # Errors
    /// [`SdpError::OverLimit`] or [`SdpError::Malformed`].
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, SdpError> {
        let over = |what, allowed| Err(SdpError::OverLimit { what, allowed });
        if body.len() > limits.bytes {
            return over("bytes", limits.bytes);
        }
        // Counting bytes is cheap, and there are hardly ever more line ends than lines allowed.
        let ends = body.iter().filter(|&&byte| byte == b'\n').count();
        let lines = || body.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).count();
        if ends >= limits.lines && lines() > limits.lines {
            return over("lines", limits.lines);
        }
        let inner = Session::parse(&with_readable_free_text(body)).map_err(malformed)?;
        if inner.medias.len() > limits.media {
            return over("media descriptions", limits.media);
        }
        let encryption = Encryption::default();
        let audio = choose(&inner, encryption);
        Ok(SessionDescription { inner, text: body.into(), audio, encryption })
    }

    /// The same description with the stream that a leg under `encryption` has: of several that it
    /// may have, one with keys, else the first.
    #[must_use]
    pub fn for_leg(mut self, encryption: Encryption) -> Self {
        if encryption != self.encryption {
            self.audio = choose(&self.inner, encryption);
            self.encryption = encryption;
        }
        self
    }

    /// The same description by somebody who has something to send while on hold: where its audio
    /// neither sends nor receives, [`anchor`](crate::anchor) writes that it sends.
    #[must_use]
    pub fn sending_on_hold(mut self) -> Self {
        if let Some(audio) = &mut self.audio
            && audio.direction == Direction::Inactive
            && !audio.profile.is_fax()
        {
            audio.direction = Direction::SendOnly;
        }
        self
    }

    /// The same with other content, its stream chosen anew. [`text`](Self::text) stays what came.
    pub(crate) fn changed(&self, inner: Session) -> Self {
        let (encryption, text) = (self.encryption, self.text.clone());
        SessionDescription { audio: choose(&inner, encryption), inner, text, encryption }
    }

    /// The policy that its stream was chosen under; [`Encryption::Off`] until
    /// [`for_leg`](Self::for_leg).
    pub const fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// The body that was read, as it came.
    pub const fn text(&self) -> &Arc<[u8]> {
        &self.text
    }

    /// The description with CRLF line ends. No value can add a line: NUL, CR and LF are left out.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        // Writing into a Vec cannot fail.
        let _: std::io::Result<()> = self.inner.write(&mut out);
        out
    }

    /// The number of `m=` lines.
    pub fn media_count(&self) -> usize {
        self.inner.medias.len()
    }

    /// The stream that is relayed: an audio `m=` line over RTP whose port is not 0, which
    /// [`encryption`](Self::encryption) allows.
    pub fn audio(&self) -> Option<AudioStream> {
        self.audio.clone()
    }

    /// The same stream, borrowed.
    pub const fn audio_ref(&self) -> Option<&AudioStream> {
        self.audio.as_ref()
    }

    /// The audio stream of `m=` line `index` (from 0), if that one can be relayed.
    pub fn audio_at(&self, index: usize) -> Option<AudioStream> {
        match &self.audio {
            Some(audio) if audio.index == index => Some(audio.clone()),
            _ => AudioStream::read(&self.inner, index).filter(|s| self.encryption.accepts(s)),
        }
    }

    /// Reads the relayed stream anew, after its `m=` line `index` was changed.
    pub(crate) fn read_audio_again(&mut self, index: usize) {
        self.audio = AudioStream::read(&self.inner, index).filter(|s| self.encryption.accepts(s));
    }

    /// The label of `m=` line `index`, from 0 (RFC 4574).
    pub fn label_of(&self, index: usize) -> Option<&str> {
        let label = self.inner.medias.get(index)?.get_first_attribute_value("label")??;
        Some(label.trim()).filter(|label| !label.is_empty())
    }

    /// The first audio `m=` line that asks for anything.
    pub(crate) fn first_audio_line(&self) -> Option<usize> {
        let wanted = |line: &Media| line.port != 0 && line.media.eq_ignore_ascii_case("audio");
        self.inner.medias.iter().position(wanted)
    }

    /// Whether its audio stream is to be sent to `address` at a port of `ports`: a media loop when
    /// those are our own.
    pub fn points_at(&self, address: IpAddr, ports: RangeInclusive<u16>) -> bool {
        let Some(audio) = self.audio_ref() else { return false };
        [audio.remote_rtp, audio.remote_rtcp].into_iter().flatten().any(|remote| {
            remote.ip().to_canonical() == address.to_canonical() && ports.contains(&remote.port())
        })
    }
}

/// The stream of a leg under `encryption`.
fn choose(description: &Session, encryption: Encryption) -> Option<AudioStream> {
    let mut first = None;
    for index in 0..description.medias.len() {
        let stream = AudioStream::read(description, index).filter(|s| encryption.accepts(s));
        match stream {
            Some(stream) if encryption.prefers(&stream) => return Some(stream),
            Some(stream) => first = first.or(Some(stream)),
            None => {}
        }
    }
    first
}

/// Whether two descriptions of one leg ask for the same media: everything but the `o=`, `s=` and
/// other informative lines is equal. A re-INVITE or UPDATE that only refreshes its SIP session
/// (RFC 4028 section 7.4) repeats the description; then nothing needs to be renegotiated.
pub fn same_media(a: &SessionDescription, b: &SessionDescription) -> bool {
    let (a, b) = (&a.inner, &b.inner);
    a.connection == b.connection
        && a.bandwidths == b.bandwidths
        && a.attributes == b.attributes
        && a.medias == b.medias
}

/// Old devices put Latin-1 into names. Nothing depends on those lines, so their bytes are replaced
/// rather than the call refused.
fn with_readable_free_text(body: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(body).is_ok() {
        return Cow::Borrowed(body);
    }
    let mut readable = Vec::with_capacity(body.len().saturating_add(64));
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        match line {
            [b's' | b'i' | b'u' | b'e' | b'p', b'=', ..] => {
                readable.extend_from_slice(String::from_utf8_lossy(line).as_bytes());
            }
            _ => readable.extend_from_slice(line),
        }
    }
    Cow::Owned(readable)
}

fn malformed(error: ParserError) -> SdpError {
    let (line, reason) = match error {
        ParserError::InvalidLineFormat(line, reason) => (line, reason),
        ParserError::InvalidFieldEncoding(line, _) => (line, "a field is not UTF-8"),
        ParserError::InvalidFieldFormat(line, field)
        | ParserError::MissingField(line, field)
        | ParserError::FieldTrailingData(line, field) => (line, field_fault(field)),
        ParserError::InvalidVersion(line, _) => (line, "the version is not 0"),
        ParserError::NoVersion => (0, "it does not begin with v=0"),
        ParserError::MultipleConnections(line) => (line, "a second c= line"),
        ParserError::RepeatWithoutTime(line) => (line, "an r= line before any t= line"),
        ParserError::MultipleVersions(line)
        | ParserError::MultipleOrigins(line)
        | ParserError::MultipleSessionNames(line)
        | ParserError::MultipleSessionDescription(line)
        | ParserError::MultipleUris(line)
        | ParserError::MultipleTimeZones(line)
        | ParserError::MultipleMediaTitles(line)
        | ParserError::MultipleKeys(line) => (line, "a line that may appear only once is repeated"),
        // Two deprecated variants that the parser no longer returns.
        _ => (0, "it cannot be read"),
    };
    let line = u32::try_from(line).ok().filter(|&line| line > 0);
    SdpError::Malformed(Malformed { line, reason })
}

/// The fault in words; `field` is the parser's name for it, the line's name first.
fn field_fault(field: &'static str) -> &'static str {
    match field.split(' ').next() {
        Some("Origin") => "the o= line is not 'username id version IN IP4|IP6 address'",
        Some("Connection") => "the c= line is not 'IN IP4|IP6 address'",
        Some("Bandwidth") => "the b= line is not 'type:number'",
        Some("Time") => "the t= line is not 'start stop' in numbers",
        Some("Media") => "the m= line is not 'media port protocol formats'",
        Some("Repeat") => "the r= line is not valid",
        Some("TimeZone") => "the z= line is not valid",
        _ => field,
    }
}
