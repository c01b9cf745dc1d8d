//! The channel of a guest beside its call: what it sees of the meeting, and what it wants done.

use crate::asked::Asked;
use crate::channels::{ChannelId, FromGuest, KeyDigest, Outgoing};
use crate::clock::now;
use crate::counters::{GuestCounters, GuestRefusal};
use crate::places::Bucket;
use crate::server::RoomsPort;
use crate::sip_socket::note;
use crate::sockets::{LONGEST_QUIET, Over, PING_EVERY, Socket, Stream, close, send, taken};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;

/// From the WebSocket's start to its key.
const KEY_LIMIT: Duration = Duration::from_secs(10);
/// Octets of a key: 128 bits and more are drawn, in any writing.
const KEYS: std::ops::RangeInclusive<usize> = 20..=128;
/// Wishes at once, and a second after that.
const BURST: f64 = 20.0;
const A_SECOND: f64 = 5.0;

#[derive(Deserialize)]
struct Key {
    key: String,
}

/// Serves it to its end.
pub(crate) async fn serve<S: Stream>(
    mut socket: Socket<S>,
    id: ChannelId,
    rooms: &RoomsPort,
    counters: &GuestCounters,
) {
    let over = match timeout(KEY_LIMIT, key(&mut socket)).await {
        Ok(Ok(key)) => {
            let over = pass(&mut socket, (id, key), rooms, counters).await;
            rooms(FromGuest::Closed(id));
            over
        }
        Ok(Err(over)) => over,
        Err(_) => Over::Quiet,
    };
    note(counters, over);
    close(socket, over).await;
}

/// The first message: the key of the call.
async fn key<S: Stream>(socket: &mut Socket<S>) -> Result<KeyDigest, Over> {
    loop {
        if let Some(octets) = taken(socket.next().await)? {
            let read = serde_json::from_slice::<Key>(&octets).ok();
            let read = read.filter(|read| KEYS.contains(&read.key.len()));
            return read.map(|read| KeyDigest::of(&read.key)).ok_or(Over::Malformed);
        }
    }
}

async fn pass<S: Stream>(
    socket: &mut Socket<S>,
    (id, key): (ChannelId, KeyDigest),
    rooms: &RoomsPort,
    counters: &GuestCounters,
) -> Over {
    let (out, mut texts) = Outgoing::new();
    if !rooms(FromGuest::Opened(id, key, out)) {
        return Over::Busy;
    }
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut rate, mut quiet_until) = (Bucket::new(BURST), now() + LONGEST_QUIET);
    loop {
        tokio::select! {
            text = texts.recv() => {
                let Some(text) = text else { return Over::Done };
                if let Err(over) = send(socket, Message::text(&*text)).await {
                    return over;
                }
            }
            next = socket.next() => {
                let octets = match taken(next) {
                    Ok(octets) => octets,
                    Err(over) => return over,
                };
                let at = now();
                quiet_until = at + LONGEST_QUIET;
                let Some(octets) = octets else { continue };
                if !rate.take(at, A_SECOND) {
                    counters.refused(GuestRefusal::Rate);
                    return Over::TooFast;
                }
                let text = std::str::from_utf8(&octets).unwrap_or_default();
                let Ok(asked) = Asked::parse(text) else { return Over::Malformed };
                if !rooms(FromGuest::Asked(id, asked)) {
                    return Over::Busy;
                }
            }
            _ = ping.tick() => {
                if let Err(over) = send(socket, Message::Ping(Bytes::new())).await {
                    return over;
                }
            }
            () = sleep_until(quiet_until) => return Over::Quiet,
        }
    }
}

#[cfg(test)]
mod tests;
