//! Places of streams of pictures in conferences: cameras and slides, forwarded to one participant at a time
//! without transcoding (RFC 7667 section 3.7).

use crate::{ConferenceId, ParticipantId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a line of pictures is for (RFC 4796).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PictureContent {
    /// `main`, and a line that does not say: the camera.
    Main,
    /// `slides`.
    Slides,
}

/// A format of pictures as it was agreed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PictureFormat {
    /// H.264 (RFC 6184).
    H264 {
        /// The `a=fmtp` parameters of what the leg is to send, as we have said them.
        sends: Arc<str>,
        /// Those of what the leg decodes, as it has said them.
        receives: Arc<str>,
    },
    /// VP8 (RFC 7741).
    Vp8,
}

/// What feedback a leg takes about what it sends (`a=rtcp-fb`, RFC 4585 and 5104).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub struct PictureFeedback {
    /// `nack`: it sends lost packets again, and asks for them.
    pub nack: bool,
    /// `nack pli`.
    pub pli: bool,
    /// `ccm fir`.
    pub fir: bool,
    /// `goog-remb`.
    pub remb: bool,
    /// `ccm tmmbr`.
    pub tmmbr: bool,
    /// It takes INFO with `media_control+xml` (RFC 5168): true of every SIP device that takes none of
    /// the others.
    pub info: bool,
}

/// What a line of pictures shows of those who are in the conference.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize,
)]
pub enum PictureLayout {
    /// One: whoever speaks.
    #[default]
    Speaker,
    /// All at once, in a picture composed of theirs, where the relay can make one; else as
    /// [`PictureLayout::Speaker`].
    Grid,
}

/// Words that whoever sees nobody sees. They come from configurations, meetings' names and our own texts,
/// and are drawn as they are.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub struct PictureCard {
    /// Where one is.
    pub title: Arc<str>,
    /// What is to be done; may be empty.
    pub action: Arc<str>,
    /// What else is to be known; a few.
    pub lines: Vec<Arc<str>>,
}

/// Where the leg A of a stream of pictures sits: what it sends is for the conference to show, and what the
/// conference shows goes to that leg. Leg B has no part in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PictureSeat {
    /// The conference: that of the call's audio.
    pub conference: ConferenceId,
    /// Whose stream it is: whose audio decides whether it is shown.
    pub participant: ParticipantId,
    /// What the line is for.
    pub content: PictureContent,
    /// The payload type, in both directions.
    pub payload_type: u8,
    /// What it stands for.
    pub format: PictureFormat,
    /// How the leg is asked for key frames and for less.
    pub feedback: PictureFeedback,
    /// bit/s that the leg receives at most (`b=TIAS`, `b=AS`, `max-br`); `None` where it does not say.
    pub most_bits_per_second: Option<u64>,
    /// What the leg sends is shown to nobody: its camera is muted, it holds the call, or somebody else
    /// has the floor of the slides.
    pub is_hidden: bool,
    /// What the leg is not shown, whoever shows it.
    pub withheld: PicturesWithheld,
    /// What the leg sees while it sees nobody; `None` for nothing. For leg A alone.
    pub card: Option<Arc<PictureCard>>,
    /// What stands in its picture where several are shown at once; may be empty. For leg A alone.
    pub name: Arc<str>,
    /// What the leg sees of the others.
    pub layout: PictureLayout,
}

/// What of the others' pictures a participant may not see.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, Serialize, Deserialize)]
pub struct PicturesWithheld {
    /// Their cameras.
    pub cameras: bool,
    /// Their slides.
    pub slides: bool,
}

/// What of a participant's pictures a conference may show.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct PicturesShown {
    /// Its camera is not muted.
    pub camera: bool,
    /// It presents: it has the floor of the slides.
    pub slides: bool,
    /// What it is not shown itself.
    pub withheld: PicturesWithheld,
}

impl PicturesShown {
    /// Whether a line of its is shown.
    pub const fn has(self, content: PictureContent) -> bool {
        match content {
            PictureContent::Main => self.camera,
            PictureContent::Slides => self.slides,
        }
    }
}

impl PictureSeat {
    /// Whether the other is the same place in the same format, whoever is shown or not, and in whatever layout.
    pub fn is_same_place(&self, other: &PictureSeat) -> bool {
        let PictureSeat { is_hidden, withheld, layout, .. } = *other;
        PictureSeat { is_hidden, withheld, layout, ..self.clone() } == *other
    }
}
