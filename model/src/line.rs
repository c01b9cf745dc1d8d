//! The streams of a call: each relayed `m=` line of its descriptions is one.

use serde::{Deserialize, Serialize};

/// Relayed `m=` lines of one call, the main one among them. A room device with a camera, slides,
/// their floor control and far end camera control has five.
pub const MAX_CALL_LINES: usize = 6;

/// The media of an `m=` line (RFC 8866 section 8.2.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum MediaType {
    /// Sound.
    Audio,
    /// Pictures that move.
    Video,
    /// Real-time text (RFC 4103).
    Text,
    /// Floor control (BFCP), far end camera control (H.224) and the like.
    Application,
}

impl MediaType {
    /// All of them.
    pub const ALL: [MediaType; 4] =
        [MediaType::Audio, MediaType::Video, MediaType::Text, MediaType::Application];

    /// As it stands in an `m=` line.
    pub const fn name(self) -> &'static str {
        match self {
            MediaType::Audio => "audio",
            MediaType::Video => "video",
            MediaType::Text => "text",
            MediaType::Application => "application",
        }
    }

    /// Reads the first word of an `m=` line, in any case; `None` for any other, `image` among them.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media| media.name().eq_ignore_ascii_case(name))
    }
}

/// Which of a call's streams.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
pub enum MediaLine {
    /// The audio that the call is about, or T.38 fax in its place. The call lives and dies with it.
    #[default]
    Main,
    /// One beside it.
    Further {
        /// Its place among the `m=` lines of leg A's descriptions, from 0.
        index: u8,
        /// Its media.
        media: MediaType,
    },
    /// No line of the call's: the copy of what one of its legs says, on its way to somebody else's
    /// recorder (RFC 7866). Nothing of it is measured for the call.
    Copy {
        /// Its place among the `m=` lines of the recorder's descriptions, from 0.
        index: u8,
    },
}

impl MediaLine {
    /// Its media.
    pub const fn media(self) -> MediaType {
        match self {
            MediaLine::Main | MediaLine::Copy { .. } => MediaType::Audio,
            MediaLine::Further { media, .. } => media,
        }
    }

    /// Whether it is the one that the call is about.
    pub const fn is_main(self) -> bool {
        matches!(self, MediaLine::Main)
    }
}

/// Which lines beside the main one are relayed; the others are declined.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RelayedLines {
    /// `m=video` over RTP.
    pub video: bool,
    /// `m=audio` lines behind the main one.
    pub audio: bool,
    /// `m=text` over RTP.
    pub text: bool,
    /// `m=application`: over RTP, and BFCP over UDP.
    pub application: bool,
}

impl RelayedLines {
    /// None: a call is one stream.
    pub const NONE: RelayedLines =
        RelayedLines { video: false, audio: false, text: false, application: false };

    /// Whether lines of this media are relayed.
    pub const fn allows(&self, media: MediaType) -> bool {
        match media {
            MediaType::Audio => self.audio,
            MediaType::Video => self.video,
            MediaType::Text => self.text,
            MediaType::Application => self.application,
        }
    }

    /// Whether any is.
    pub const fn any(&self) -> bool {
        self.video || self.audio || self.text || self.application
    }
}

/// What room devices, video phones and text phones have; a second audio line is hardly ever more
/// than the first one once again.
impl Default for RelayedLines {
    fn default() -> Self {
        RelayedLines { video: true, audio: false, text: true, application: true }
    }
}
