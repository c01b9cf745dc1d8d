//! Requests and records in the shapes of chime-sdk-meetings (service model of 2021-07-15).

use crate::{AttendeeId, MeetingId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an attendee may do with a kind of media.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub enum MediaCapability {
    /// Both.
    #[default]
    SendReceive,
    /// Only send.
    Send,
    /// Only receive.
    Receive,
    /// Neither.
    None,
}

impl MediaCapability {
    /// Whether it may send.
    pub const fn sends(self) -> bool {
        matches!(self, MediaCapability::SendReceive | MediaCapability::Send)
    }

    /// Whether it gets any.
    pub const fn receives(self) -> bool {
        matches!(self, MediaCapability::SendReceive | MediaCapability::Receive)
    }
}

/// `AttendeeCapabilities`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Capabilities {
    /// Voice.
    pub audio: MediaCapability,
    /// The camera's picture.
    pub video: MediaCapability,
    /// A screen or slides.
    pub content: MediaCapability,
}

/// `MeetingFeatures.Audio.EchoReduction`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum FeatureStatus {
    /// On.
    Available,
    /// Off.
    Unavailable,
}

/// `MeetingFeatures.Video.MaxResolution` and `MeetingFeatures.Content.MaxResolution`. Pictures have
/// no `Uhd`, slides no `Hd`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Resolution {
    /// None at all.
    None,
    /// 1280 by 720.
    #[serde(rename = "HD")]
    Hd,
    /// 1920 by 1080.
    #[serde(rename = "FHD")]
    Fhd,
    /// 3840 by 2160.
    #[serde(rename = "UHD")]
    Uhd,
}

/// `MeetingFeatures.Audio`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AudioFeatures {
    /// Kept and told again; devices reduce their echo themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub echo_reduction: Option<FeatureStatus>,
}

/// `MeetingFeatures.Video` and `MeetingFeatures.Content`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PictureFeatures {
    /// The largest picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_resolution: Option<Resolution>,
}

/// `MeetingFeatures.Attendee`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttendeeFeatures {
    /// 1 to 250.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_count: Option<u16>,
}

/// `MeetingFeatures`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MeetingFeatures {
    /// Voices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioFeatures>,
    /// Cameras.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<PictureFeatures>,
    /// Screens and slides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<PictureFeatures>,
    /// People.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attendee: Option<AttendeeFeatures>,
}

/// `Tag`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// 1 to 128 characters.
    pub key: String,
    /// At most 256 characters.
    pub value: String,
}

/// `CreateMeeting`'s request.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateMeeting {
    /// The same token makes the same meeting once.
    pub client_request_token: String,
    /// Where its media are to be.
    pub media_region: String,
    /// Kept and told again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meeting_host_id: Option<String>,
    /// Whoever makes it knows it by this.
    pub external_meeting_id: String,
    /// Sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meeting_features: Option<MeetingFeatures>,
    /// Replicated meetings are not served: a request with it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_meeting_id: Option<String>,
    /// At most five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenant_ids: Vec<String>,
    /// At most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// `CreateAttendee`'s request, and an item of `BatchCreateAttendee`'s.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateAttendee {
    /// Whoever makes it knows it by this.
    pub external_user_id: String,
    /// `None` for everything that the meeting's features have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
}

/// `Attendee`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Attendee {
    /// Whoever made it knows it by this.
    pub external_user_id: String,
    /// Its id.
    pub attendee_id: AttendeeId,
    /// Whoever has it is this attendee.
    pub join_token: String,
    /// What it may do.
    pub capabilities: Capabilities,
    /// Whether it joins as a moderator. Not in the service's model.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub moderator: bool,
}

impl fmt::Debug for Attendee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Attendee");
        shown.field("external_user_id", &self.external_user_id);
        shown.field("attendee_id", &self.attendee_id);
        shown.field("capabilities", &self.capabilities).finish_non_exhaustive()
    }
}

/// `CreateAttendeeError`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateAttendeeError {
    /// Whose.
    pub external_user_id: String,
    /// [`ApiError::code`].
    pub error_code: String,
    /// In words.
    pub error_message: String,
}

/// Why an operation was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApiError {
    /// A member of the request cannot be; which, and what it must be.
    BadRequest(String),
    /// The same token stands for another meeting.
    Conflict(String),
    /// There is no such meeting or attendee.
    NotFound(String),
    /// So many exist already.
    LimitExceeded(String),
    /// No number is to be had; asked again, it may be.
    Unavailable(String),
}

impl ApiError {
    /// The name of the service's exception.
    pub const fn code(&self) -> &'static str {
        match self {
            ApiError::BadRequest(_) => "BadRequestException",
            ApiError::Conflict(_) => "ConflictException",
            ApiError::NotFound(_) => "NotFoundException",
            ApiError::LimitExceeded(_) => "LimitExceededException",
            ApiError::Unavailable(_) => "ServiceUnavailableException",
        }
    }

    pub(crate) fn no_meeting(id: MeetingId) -> Self {
        ApiError::NotFound(format!("there is no meeting {id}"))
    }

    pub(crate) fn no_attendee(id: AttendeeId) -> Self {
        ApiError::NotFound(format!("the meeting has no attendee {id}"))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ApiError::BadRequest(why)
        | ApiError::Conflict(why)
        | ApiError::NotFound(why)
        | ApiError::LimitExceeded(why)
        | ApiError::Unavailable(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for ApiError {}
