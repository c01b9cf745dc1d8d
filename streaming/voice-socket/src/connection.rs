//! One connection, from the first message to its end.

use crate::call::Call;
use crate::connect::{Socket, is_violation, lost};
use crate::conversation::Conversation;
use crate::message::{Start, Told};
use crate::outgoing::Message;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message as Wire};

/// How often voices are moved on.
const TICK: Duration = Duration::from_millis(20);
/// How long a message may take to be written: who reads nothing for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How often a ping is sent, and how long nothing at all may come.
const PING_EVERY: Duration = Duration::from_secs(10);
const LONGEST_QUIET: Duration = Duration::from_secs(25);
/// How long the other end may take for the closing handshake (RFC 6455 section 7).
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// How a connection ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// All was said.
    Done,
    /// The other end wants no more (1000) or will not have it (1008 and the codes of applications).
    Refused(String),
    /// It broke the protocol.
    Violation(String),
    /// It was lost, or the other end starts anew.
    Lost(String),
}

/// Serves a connection until it ends.
pub(crate) async fn serve(
    call: &Call,
    socket: Socket,
    conversation: &mut Conversation,
    nth: u32,
) -> End {
    let (mut sink, stream) = socket.split();
    let start = Told::Start(Start::new(&call.opening, &call.listener, nth)).to_json();
    if let Err(end) = send(&mut sink, Wire::text(start)).await {
        return end;
    }
    let mut hearing = Hearing { call, conversation, stream };
    let end = tokio::select! {
        end = write(call, &mut sink) => end,
        end = hearing.hear() => end,
    };
    match &end {
        Ok(()) => {
            // It may still say something, which nobody hears any more.
            let _ = timeout(CLOSE_LIMIT, hearing.hear()).await;
            End::Done
        }
        Err(End::Violation(why)) => {
            let code = match why.contains("octets") {
                true => CloseCode::Size,
                false => CloseCode::Policy,
            };
            let _ = timeout(CLOSE_LIMIT, refuse(sink, hearing.stream, code)).await;
            End::Violation(why.clone())
        }
        Err(end) => end.clone(),
    }
}

/// Says why it is over, and lets that arrive: a socket that is closed with octets unread resets the
/// connection, and takes back what the other end has not read yet (RFC 6455 section 7.1.1).
async fn refuse(mut sink: Sink, stream: SplitStream<Socket>, code: CloseCode) {
    let close = CloseFrame { code, reason: "".into() };
    let sent = sink.send(Wire::Close(Some(close))).await;
    let (Ok(()), Ok(mut socket)) = (sent, sink.reunite(stream)) else { return };
    let stream = socket.get_mut();
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut unread = [0; 4096];
    while matches!(stream.read(&mut unread).await, Ok(1..)) {}
}

type Sink = SplitSink<Socket, Wire>;

async fn send(sink: &mut Sink, message: Wire) -> Result<(), End> {
    match timeout(WRITE_LIMIT, sink.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(End::Lost(lost(&error))),
        Err(_) => Err(End::Lost(format!("it read nothing for {} s", WRITE_LIMIT.as_secs()))),
    }
}

/// Sends what there is to be sent until all was.
async fn write(call: &Call, sink: &mut Sink) -> Result<(), End> {
    let mut ping = interval(PING_EVERY);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        while let Some(message) = call.outgoing.take() {
            match message {
                Message::Audio(octets) => {
                    send(sink, Wire::Binary(octets.into())).await?;
                    call.counters.sent.add(1);
                }
                Message::Text(text) => send(sink, Wire::text(text)).await?,
                Message::Stop(reason) => {
                    send(sink, Wire::text(Told::Stop { reason }.to_json())).await?;
                    let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                    return send(sink, Wire::Close(Some(close))).await;
                }
            }
        }
        tokio::select! {
            () = call.outgoing.news() => {}
            _ = ping.tick() => send(sink, Wire::Ping(Default::default())).await?,
        }
    }
}

/// What comes in.
struct Hearing<'a> {
    call: &'a Call,
    conversation: &'a mut Conversation,
    stream: SplitStream<Socket>,
}

impl Hearing<'_> {
    /// Takes what comes until the connection ends.
    async fn hear(&mut self) -> Result<(), End> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut heard_at = crate::clock::now();
        loop {
            // Without speech nothing wakes twice a packet.
            let waits = self.conversation.waits();
            let message = tokio::select! {
                message = timeout(LONGEST_QUIET, self.stream.next()) => message,
                _ = tick.tick(), if waits => {
                    self.move_on();
                    if heard_at.elapsed() < LONGEST_QUIET {
                        continue;
                    }
                    return Err(gone());
                }
            };
            heard_at = crate::clock::now();
            match message {
                Ok(Some(Ok(message))) => self.take(message)?,
                Ok(Some(Err(error))) if is_violation(&error) => {
                    self.call.counters.bad_messages.add(1);
                    return Err(End::Violation(lost(&error)));
                }
                Ok(Some(Err(error))) => return Err(End::Lost(lost(&error))),
                Ok(None) => return Err(End::Lost(lost(&Error::ConnectionClosed))),
                Err(_) => return Err(gone()),
            }
            self.move_on();
        }
    }

    fn take(&mut self, message: Wire) -> Result<(), End> {
        self.call.renew_voices(self.conversation);
        let call = self.call;
        match message {
            Wire::Binary(octets) => self.conversation.audio(&octets, |text| answer(call, text)),
            Wire::Text(text) => self.conversation.text(&text, |text| answer(call, text)),
            Wire::Close(frame) => return Err(closed(frame.as_ref())),
            Wire::Ping(_) | Wire::Pong(_) | Wire::Frame(_) => {}
        }
        self.call.count(self.conversation);
        Ok(())
    }

    /// Feeds the call and answers marks that were reached.
    fn move_on(&mut self) {
        self.call.renew_voices(self.conversation);
        let call = self.call;
        self.conversation.move_on(|text| answer(call, text));
    }
}

/// With no room left the other end does not read.
fn answer(call: &Call, text: String) {
    call.outgoing.push_text(text);
}

fn gone() -> End {
    End::Lost(format!("nothing came for {} s, not even pongs", LONGEST_QUIET.as_secs()))
}

fn closed(frame: Option<&CloseFrame>) -> End {
    let Some(CloseFrame { code, reason }) = frame else {
        return End::Lost("it closed the connection without a reason".to_owned());
    };
    let said: String = reason.chars().filter(|c| !c.is_control()).take(120).collect();
    let why = format!("it closed the connection with {} {said:?}", u16::from(*code));
    match u16::from(*code) {
        1_000 | 1_003 | 1_007..=1_010 | 4_000..=4_999 => End::Refused(why),
        _ => End::Lost(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_close_says_whether_another_connection_makes_sense() {
        let end = |code: u16| closed(Some(&CloseFrame { code: code.into(), reason: "x\n".into() }));
        for code in [1_000, 1_003, 1_008, 4_001] {
            let why = format!("it closed the connection with {code} \"x\"");
            assert_eq!(end(code), End::Refused(why));
        }
        for code in [1_001, 1_011, 1_012, 1_013] {
            assert!(matches!(end(code), End::Lost(_)), "{code}");
        }
        assert!(matches!(closed(None), End::Lost(_)));
    }
}
