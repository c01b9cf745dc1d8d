//! What both kinds of WebSocket have in common.

use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// How often a ping is sent, and how long nothing at all may come. A browser answers pings even while it
/// lets a page in the background sleep.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(20);
pub(crate) const LONGEST_QUIET: Duration = Duration::from_secs(60);
/// How long a message may take to be written: who reads nothing for so long is gone.
#[cfg(not(test))]
const WRITE_LIMIT: Duration = Duration::from_secs(10);
#[cfg(test)]
const WRITE_LIMIT: Duration = Duration::from_millis(300);
/// How long the other end may take for the closing handshake.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
const BUFFER: usize = 4 * 1024;

pub(crate) type Socket<S> = WebSocketStream<S>;

/// What a WebSocket runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Why a WebSocket is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Over {
    /// The other end closed it, or it broke.
    Closed,
    /// Nothing came for too long.
    Quiet,
    /// It does not read.
    Stalled,
    /// A message that is too long.
    TooLong,
    /// What came is no WebSocket's, or no message that can be taken.
    Malformed,
    /// Too many messages in a short time.
    TooFast,
    /// We close it: there is nothing more to say.
    Done,
    /// The rooms, or the edge, have no room for more.
    Busy,
}

/// Takes a connection whose upgrade was agreed, for messages of at most so many octets.
pub(crate) async fn open<S: Stream>(stream: S, longest: usize) -> Socket<S> {
    let limits = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(1024 * 1024)
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest));
    WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await
}

/// What came: text or octets as octets, `None` for what is the WebSocket's own.
pub(crate) fn taken(next: Option<Result<Message, Error>>) -> Result<Option<bytes::Bytes>, Over> {
    match next {
        Some(Ok(Message::Text(text))) => Ok(Some(text.into())),
        Some(Ok(Message::Binary(octets))) => Ok(Some(octets)),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Close(_))) | None => Err(Over::Closed),
        Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. }))) => Err(Over::TooLong),
        Some(Err(Error::Protocol(_) | Error::Utf8(_) | Error::Capacity(_))) => Err(Over::Malformed),
        Some(Err(_)) => Err(Over::Closed),
    }
}

/// Sends a message, in time.
pub(crate) async fn send<S: Stream>(socket: &mut Socket<S>, message: Message) -> Result<(), Over> {
    match timeout(WRITE_LIMIT, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Over::Closed),
        Err(_) => Err(Over::Stalled),
    }
}

/// Says why it is over, and lets that arrive.
pub(crate) async fn close<S: Stream>(mut socket: Socket<S>, why: Over) {
    let (code, reason) = match why {
        Over::Closed | Over::Stalled => return,
        Over::Done => (CloseCode::Normal, ""),
        Over::Quiet => (CloseCode::Away, "nothing came for too long"),
        Over::TooLong => (CloseCode::Size, "the message is too long"),
        Over::Malformed => (CloseCode::Policy, "the message cannot be taken"),
        Over::TooFast => (CloseCode::Policy, "too many messages in a short time"),
        Over::Busy => (CloseCode::Again, "too busy; try again later"),
    };
    let frame = CloseFrame { code, reason: reason.into() };
    let closing = async {
        if socket.close(Some(frame)).await.is_ok() {
            while matches!(socket.next().await, Some(Ok(_))) {}
        }
    };
    let _ = timeout(CLOSE_LIMIT, closing).await;
}
