//! `[[voice_connector.streaming.web_socket]]`: programs that hear calls, and may speak into them.

use super::reader::Table;
use super::{tls, value};
use model::{
    BearerToken, ChannelLayout, MAX_WEB_SOCKETS, NotificationTargets, OtherMedia, Secret,
    WebSocketListener,
};
use std::path::Path;
use std::sync::Arc;
use toml::de::DeValue;
use voice_socket::Endpoint;

/// A file that holds a token, and the line that names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TokenFile {
    pub(crate) line: usize,
    pub(crate) path: Arc<str>,
}

/// `web_socket` of a voice connector's streaming: one table, or a list of them.
/// Of what becomes of them `notify` is told.
pub(super) fn read_all(
    streaming: &mut Table<'_>,
    notify: NotificationTargets,
) -> Vec<WebSocketListener> {
    let mut sockets: Vec<WebSocketListener> = Vec::new();
    streaming.table_or_tables("web_socket", |table| {
        let (socket, place) = read(table, notify)?;
        if sockets.len() == MAX_WEB_SOCKETS {
            place.error(format!(
                "{MAX_WEB_SOCKETS} programs hear a call at most; let one of them pass on what it hears"
            ));
            return None;
        }
        if sockets.contains(&socket) {
            place.error_at("url", "is the same program as one before; take one of them out");
        }
        let speaks = |one: &WebSocketListener, leg: usize| one.speaks_to[leg];
        let has_speaker = |leg| speaks(&socket, leg) && sockets.iter().any(|s| speaks(s, leg));
        for (leg, party) in ["caller", "callee"].into_iter().enumerate() {
            if has_speaker(leg) {
                let message = format!("one program at most speaks to the {party}; one before does");
                place.error_at("speaks_to", message);
            }
        }
        sockets.push(socket);
        Some(())
    });
    sockets
}

/// `None` without the section. With it comes its table, for what is wrong with it beside others.
fn read(
    mut table: Table<'_>,
    notify: NotificationTargets,
) -> Option<(WebSocketListener, Table<'_>)> {
    if !table.is_present() {
        return None;
    }
    let url = table.required("url", "url = \"wss://bot.example.com/calls\"", |value| {
        let url = value::text(value)?;
        let endpoint = Endpoint::parse(url).map_err(|error| error.to_string())?;
        Ok((url.to_owned(), endpoint))
    });
    let token = read_token(&mut table);
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
    table.report_unknown();
    let url = url?.0.into();
    let socket =
        WebSocketListener { url, token, speaks_to, other_media, layout, message_ms, notify };
    Some((socket, table))
}

fn read_token(table: &mut Table<'_>) -> Option<BearerToken> {
    let words = table.optional("token", token);
    let file = table.optional("token_file", value::shared_text);
    if table.has("token") && table.has("token_file") {
        table.error_at("token_file", "token is set as well; leave one of them out");
    }
    let Some(file) = file else { return words.map(BearerToken::Words) };
    table.note_token_file("token_file", &file);
    Some(BearerToken::File(file))
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
