//! `[voice_connector.streaming.web_socket]`: a program that hears calls, and may speak into them.

use super::reader::Table;
use super::{tls, value};
use model::{ChannelLayout, NotificationTargets, OtherMedia, Secret, WebSocketListener};
use std::path::Path;
use std::sync::Arc;
use toml::de::DeValue;
use voice_socket::Endpoint;

/// `None` without the section. Of what becomes of it `notify` is told.
pub(super) fn read(mut table: Table<'_>, notify: NotificationTargets) -> Option<WebSocketListener> {
    if !table.is_present() {
        return None;
    }
    let url = table.required("url", "url = \"wss://bot.example.com/calls\"", |value| {
        let url = value::text(value)?;
        let endpoint = Endpoint::parse(url).map_err(|error| error.to_string())?;
        Ok((url.to_owned(), endpoint))
    });
    let token = table.optional("token", token);
    let speaks_to = table.or("speaks_to", [false; 2], speaks_to);
    let says_other = table.has("other_audio");
    let other_media = table.or("other_audio", OtherMedia::Yields, other_audio);
    let layout = table.or("layout", ChannelLayout::Stereo, layout);
    let message_ms = table.or("message_ms", 20, message_ms);
    let is_open =
        |(_, endpoint): &(String, Endpoint)| !endpoint.is_secure() && !endpoint.is_local();
    if url.as_ref().is_some_and(is_open) {
        let what = if token.is_some() { "the token and calls go" } else { "calls go" };
        table.warn_at("url", format!("{what} over the network in the clear; use wss://"));
    }
    if says_other && speaks_to == [false; 2] {
        table.warn_at("other_audio", "has no effect with speaks_to = \"none\"");
    }
    table.finish();
    let url = url?.0.into();
    Some(WebSocketListener { url, token, speaks_to, other_media, layout, message_ms, notify })
}

/// `[streaming] tls_ca`: authorities of `wss://` services; `None` for those of the system.
pub(super) fn read_authorities(table: &mut Table<'_>) -> Option<Arc<Path>> {
    tls::authorities(table, "tls_ca")
}

/// What is wrong with it is told without repeating it.
fn token(value: &DeValue<'_>) -> Result<Secret, String> {
    let text = value.as_str().ok_or_else(|| "expected a token in quotes".to_owned())?;
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        let why = "a token has letters, digits and signs of ASCII, without spaces";
        return Err(why.to_owned());
    }
    Ok(Secret::new(text))
}

/// Leg A is the side that called.
fn speaks_to(value: &DeValue<'_>) -> Result<[bool; 2], String> {
    match value::text(value)? {
        "none" => Ok([false, false]),
        "caller" => Ok([true, false]),
        "callee" => Ok([false, true]),
        "both" => Ok([true, true]),
        other => {
            Err(format!("{other:?} is unknown; use \"none\", \"caller\", \"callee\" or \"both\""))
        }
    }
}

/// What becomes of the other party's audio while the program speaks.
fn other_audio(value: &DeValue<'_>) -> Result<OtherMedia, String> {
    match value::text(value)? {
        "replaced" => Ok(OtherMedia::Yields),
        "heard" => Ok(OtherMedia::Wins),
        other => Err(format!("{other:?} is unknown; use \"replaced\" or \"heard\"")),
    }
}

fn layout(value: &DeValue<'_>) -> Result<ChannelLayout, String> {
    match value::text(value)? {
        "stereo" => Ok(ChannelLayout::Stereo),
        "mixed" => Ok(ChannelLayout::Mixed),
        other => Err(format!("{other:?} is unknown; use \"stereo\" or \"mixed\"")),
    }
}

fn message_ms(value: &DeValue<'_>) -> Result<u16, String> {
    let ms: u16 = value::integer(value)?;
    if (20..=500).contains(&ms) && ms.is_multiple_of(20) {
        return Ok(ms);
    }
    Err(format!("{ms} is no duration of messages; use a multiple of 20 from 20 to 500"))
}
