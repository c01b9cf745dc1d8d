//! Whether requests are what the service's model allows.

use super::shapes::{
    ApiError, Capabilities, CreateMeeting, MediaCapability, MeetingFeatures, Resolution,
};
use crate::settings::MOST_PEOPLE;

pub(super) fn meeting(request: &CreateMeeting) -> Result<(), ApiError> {
    token(&request.client_request_token)?;
    length("MediaRegion", &request.media_region, 2, 64)?;
    external_id("ExternalMeetingId", &request.external_meeting_id)?;
    if let Some(host) = &request.meeting_host_id {
        length("MeetingHostId", host, 2, 64)?;
    }
    if request.primary_meeting_id.is_some() {
        return bad("PrimaryMeetingId: replicated meetings are not served; leave it out");
    }
    if request.tenant_ids.len() > 5 {
        return bad("TenantIds: give at most 5");
    }
    for tenant in &request.tenant_ids {
        length("TenantIds", tenant, 2, 256)?;
        if !tenant.chars().all(|c| c.is_ascii_alphanumeric() || "-_!@#$".contains(c)) {
            return bad("TenantIds: give letters, digits and any of -_!@#$");
        }
    }
    if request.tags.len() > 50 {
        return bad("Tags: give at most 50");
    }
    for tag in &request.tags {
        length("Tags.Key", &tag.key, 1, 128)?;
        length("Tags.Value", &tag.value, 0, 256)?;
    }
    features(request.meeting_features.unwrap_or_default())
}

fn features(features: MeetingFeatures) -> Result<(), ApiError> {
    let resolution = |of: Option<super::PictureFeatures>| of.and_then(|of| of.max_resolution);
    if resolution(features.video) == Some(Resolution::Uhd) {
        return bad("MeetingFeatures.Video.MaxResolution: give None, HD or FHD");
    }
    if resolution(features.content) == Some(Resolution::Hd) {
        return bad("MeetingFeatures.Content.MaxResolution: give None, FHD or UHD");
    }
    match features.attendee.and_then(|of| of.max_count) {
        Some(count) if !(1..=MOST_PEOPLE).contains(&count) => {
            bad(format!("MeetingFeatures.Attendee.MaxCount: give 1 to {MOST_PEOPLE}"))
        }
        _ => Ok(()),
    }
}

fn token(text: &str) -> Result<(), ApiError> {
    length("ClientRequestToken", text, 2, 64)?;
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        Ok(())
    } else {
        bad("ClientRequestToken: give letters, digits, - and _")
    }
}

pub(super) fn external_id(member: &str, text: &str) -> Result<(), ApiError> {
    length(member, text, 2, 64)?;
    if text.len() >= 4
        && text.is_char_boundary(4)
        && text.split_at(4).0.eq_ignore_ascii_case("aws:")
    {
        return bad(format!("{member}: what begins with aws: is reserved"));
    }
    let known = |c: char| {
        c.is_ascii_alphanumeric()
            || ('À'..='ÿ').contains(&c)
            || c == ' '
            || "-_&@+=,(){}[]/«».:|'\"#".contains(c)
    };
    if text.chars().all(known) {
        Ok(())
    } else {
        bad(format!("{member}: has a character that the service does not take"))
    }
}

/// `UpdateAttendeeCapabilities`'s corner cases, in the words of its reference.
pub(super) fn capabilities(of: Capabilities, features: MeetingFeatures) -> Result<(), ApiError> {
    let has_none = |of: Option<super::PictureFeatures>| {
        of.and_then(|of| of.max_resolution) == Some(Resolution::None)
    };
    if has_none(features.video) && of.video != MediaCapability::None {
        return bad("Capabilities.Video: the meeting has no video; give None");
    }
    if has_none(features.content) && of.content != MediaCapability::None {
        return bad("Capabilities.Content: the meeting has no content; give None");
    }
    if of.content.receives() && !of.video.receives() {
        return bad("Capabilities.Content: who receives content must receive video");
    }
    Ok(())
}

/// What an attendee may do for whom nothing is said.
pub(super) fn default_capabilities(features: MeetingFeatures) -> Capabilities {
    let has_none = |of: Option<super::PictureFeatures>| {
        of.and_then(|of| of.max_resolution) == Some(Resolution::None)
    };
    let mut all = Capabilities::default();
    match (has_none(features.video), has_none(features.content)) {
        (true, true) => (all.video, all.content) = (MediaCapability::None, MediaCapability::None),
        // The service gives Receive here, so that content can be received; then it refuses the same in a
        // request. There is no picture to receive.
        (true, false) => all.video = MediaCapability::Receive,
        (false, true) => all.content = MediaCapability::None,
        (false, false) => {}
    }
    all
}

fn length(member: &str, text: &str, least: usize, most: usize) -> Result<(), ApiError> {
    if (least..=most).contains(&text.chars().count()) {
        Ok(())
    } else {
        bad(format!("{member}: give {least} to {most} characters"))
    }
}

fn bad<T>(why: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::BadRequest(why.into()))
}
