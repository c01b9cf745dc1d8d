//! SIP over a WebSocket (RFC 7118): each message of the one is a message of the other.

use crate::clock::now;
use crate::counters::{GuestCounters, GuestRefusal};
use crate::places::Bucket;
use crate::sockets::{LONGEST_QUIET, Over, PING_EVERY, Socket, Stream, close, send, taken};
use bytes::Bytes;
use futures_util::StreamExt;
use sip_edge::{MessageConnection, MessageEnd};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_tungstenite::tungstenite::Message;

/// From the WebSocket's start to its first message: a page opens it to call.
const FIRST_LIMIT: Duration = Duration::from_secs(15);
/// Messages at once, and a second after that; a page sends some ten for a call.
const BURST: f64 = 100.0;
const A_SECOND: f64 = 20.0;

/// Serves it to its end.
pub(crate) async fn serve<S: Stream>(
    mut socket: Socket<S>,
    mut connection: MessageConnection,
    counters: &GuestCounters,
) {
    let _calling = counters.calling();
    let over = pass(&mut socket, &mut connection, counters).await;
    connection.note_end(match over {
        Over::Closed | Over::Done | Over::Busy => MessageEnd::Closed,
        Over::Quiet => MessageEnd::Idle,
        Over::Stalled => MessageEnd::WriteStalled,
        Over::TooLong | Over::Malformed | Over::TooFast => MessageEnd::Malformed,
    });
    // The call ends now, and not after a handshake with whoever may be gone.
    drop(connection);
    close(socket, over).await;
}

async fn pass<S: Stream>(
    socket: &mut Socket<S>,
    connection: &mut MessageConnection,
    counters: &GuestCounters,
) -> Over {
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut rate, mut quiet_until) = (Bucket::new(BURST), now() + FIRST_LIMIT);
    let mut has_spoken = false;
    loop {
        tokio::select! {
            next = socket.next() => {
                let octets = match taken(next) {
                    Ok(octets) => octets,
                    Err(over) => {
                        note(counters, over);
                        return over;
                    }
                };
                let at = now();
                if let Some(octets) = octets {
                    if !rate.take(at, A_SECOND) {
                        counters.refused(GuestRefusal::Rate);
                        return Over::TooFast;
                    }
                    match deliver(socket, connection, octets).await {
                        Ok(spoken) => has_spoken |= spoken,
                        Err(over) => return over,
                    }
                }
                if has_spoken {
                    quiet_until = later(at);
                }
            }
            message = connection.next() => {
                let Some(octets) = message else { return Over::Done };
                if let Err(over) = send(socket, written(octets)).await {
                    return over;
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

fn later(at: Instant) -> Instant {
    at + LONGEST_QUIET
}

/// Hands a message to the edge; a keep-alive (RFC 7118 section 6) is answered here. Whether it was one.
async fn deliver<S: Stream>(
    socket: &mut Socket<S>,
    connection: &MessageConnection,
    octets: Bytes,
) -> Result<bool, Over> {
    if octets.iter().all(|octet| matches!(octet, b'\r' | b'\n')) {
        if octets.len() >= 4 {
            send(socket, Message::text("\r\n")).await?;
        }
        return Ok(false);
    }
    if connection.deliver(octets).await { Ok(true) } else { Err(Over::Done) }
}

/// As text, which is easier to read for whoever looks, where it is one.
fn written(octets: Bytes) -> Message {
    match octets.clone().try_into() {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(octets),
    }
}

pub(crate) fn note(counters: &GuestCounters, over: Over) {
    if matches!(over, Over::TooLong | Over::Malformed) {
        counters.refused(GuestRefusal::Message);
    }
}
