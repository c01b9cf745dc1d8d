//! The `detail` of a streaming status event.

use super::People;
use super::bounds::{Bounds, Pairs};
use super::call::StreamBegin;
use super::event::millis;
use model::{Channel, ListenedCall, ListenedUpdate, UnixTime};
use serde::Serialize;
use std::borrow::Cow;

/// What is told of a leg's stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum News<'a> {
    Started(&'a StreamBegin),
    Updated(&'a ListenedUpdate),
    Ended { begin: &'a StreamBegin, at: UnixTime, fragment: Option<&'a str> },
    Failed { at: UnixTime, reason: &'a str },
}

impl News<'_> {
    /// As `streamingStatus` says it.
    pub(super) const fn status(&self) -> &'static str {
        match self {
            News::Started(_) => "STARTED",
            News::Updated(_) => "UPDATED",
            News::Ended { .. } => "ENDED",
            News::Failed { .. } => "FAILED",
        }
    }
}

/// A leg of a call, and what has become of the call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg<'a> {
    pub(super) call: &'a ListenedCall,
    pub(super) channel: &'a Channel,
    pub(super) media_type: &'static str,
    /// What a recording client told last.
    pub(super) metadata: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    call_id: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_fragment_number: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_number: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite_headers: Option<Pairs<&'a str, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_headers: Option<Pairs<&'a str, String>>,
    is_caller: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sdp: Option<Line<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    siprec_metadata: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_fragment_number: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_arn: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_number: Option<Cow<'a, str>>,
    transaction_id: String,
    voice_connector_id: &'a str,
    streaming_status: &'static str,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<Pairs<String, usize>>,
}

/// The leg's line of the session description.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    media_index: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_label: Option<Cow<'a, str>>,
}

/// The detail as JSON, with people as `people` shows them.
pub(super) fn json(leg: Leg<'_>, news: News<'_>, people: &dyn People) -> String {
    let mut bounds = Bounds::default();
    let mut detail = bare(leg, news, &mut bounds);
    match news {
        News::Started(begin) => stream(&mut detail, leg, begin, people, &mut bounds),
        News::Ended { begin, at, fragment } => {
            stream(&mut detail, leg, begin, people, &mut bounds);
            let fragment = fragment.map(Cow::Borrowed);
            detail.current_fragment_number =
                fragment.map(|number| bounds.text("currentFragmentNumber", number));
            detail.end_time = Some(millis(at));
        }
        News::Updated(update) => {
            let shown = |name: &str, value| people.header(name, value);
            detail.update_headers = Some(bounds.headers("updateHeaders", &update.headers, shown));
            detail.siprec_metadata = metadata(leg, people, &mut bounds);
        }
        News::Failed { at, reason } => {
            detail.direction = Some(leg.call.direction.name());
            detail.fail_time = Some(millis(at));
            detail.failure_reason = Some(bounds.text("failureReason", Cow::Borrowed(reason)));
        }
    }
    detail.truncated = bounds.into_truncated();
    // Plain fields cannot fail.
    serde_json::to_string(&detail).unwrap_or_default()
}

/// What every event has.
fn bare<'a>(leg: Leg<'a>, news: News<'_>, bounds: &mut Bounds) -> Detail<'a> {
    let call = leg.call;
    Detail {
        call_id: bounds.text("callId", Cow::Borrowed(&call.call_id)),
        current_fragment_number: None,
        direction: None,
        fail_time: None,
        failure_reason: None,
        from_number: None,
        invite_headers: None,
        update_headers: None,
        is_caller: leg.channel.is_caller,
        media_type: None,
        sdp: None,
        siprec_metadata: None,
        start_fragment_number: None,
        start_time: None,
        end_time: None,
        stream_arn: None,
        to_number: None,
        transaction_id: call.transaction_id.to_string(),
        voice_connector_id: call.voice_connector_id.as_str(),
        streaming_status: news.status(),
        version: "0",
        truncated: None,
    }
}

/// What there is to tell of a stream that began.
fn stream<'a>(
    detail: &mut Detail<'a>,
    leg: Leg<'a>,
    begin: &'a StreamBegin,
    people: &dyn People,
    bounds: &mut Bounds,
) {
    let Leg { call, channel, media_type, .. } = leg;
    detail.direction = Some(call.direction.name());
    detail.from_number = Some(bounds.text("fromNumber", people.number(&call.from_number)));
    detail.to_number = Some(bounds.text("toNumber", people.number(&call.to_number)));
    if !call.invite_headers.is_empty() {
        let shown = |name: &str, value| people.header(name, value);
        detail.invite_headers = Some(bounds.headers("inviteHeaders", &call.invite_headers, shown));
    }
    detail.media_type = Some(media_type);
    let label = channel.label.as_deref().map(Cow::Borrowed);
    let media_label = label.map(|label| bounds.text("sdp.mediaLabel", label));
    detail.sdp = Some(Line { media_index: channel.media_index, media_label });
    detail.siprec_metadata = metadata(leg, people, bounds);
    let fragment = begin.fragment.as_deref().map(Cow::Borrowed);
    detail.start_fragment_number =
        fragment.map(|number| bounds.text("startFragmentNumber", number));
    detail.start_time = Some(millis(begin.at));
    detail.stream_arn = Some(bounds.text("streamArn", Cow::Borrowed(&begin.arn)));
}

fn metadata<'a>(leg: Leg<'a>, people: &dyn People, bounds: &mut Bounds) -> Option<Cow<'a, str>> {
    bounds.metadata("siprecMetadata", people.metadata(leg.metadata?))
}
