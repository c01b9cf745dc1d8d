//! Services that fail, refuse, stall or attack.

use crate::support::*;
use call_audio::{ConsumerEnd, Opening};
use futures_util::{SinkExt, StreamExt};
use model::WebSocketListener;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use voice_socket::{GivenUp, Settings, VoiceSockets};

/// Reads a request and answers it with a status.
async fn answer(stream: &mut TcpStream, status: &str) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut octets = [0; 1_024];
        let read = timeout(PATIENCE, stream.read(&mut octets)).await.unwrap().unwrap();
        assert!(read > 0);
        request.extend_from_slice(&octets[..read]);
    }
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_final() {
    for status in ["401 Unauthorized", "403 Forbidden", "404 Not Found", "301 Moved", "200 OK"] {
        let (service, url) = service().await;
        let sockets = sockets();
        let mut consumer = sockets.open(&listener(url), &opening()).unwrap();
        speak(&mut *consumer, 0);
        answer(&mut accept_tcp(&service).await, status).await;
        let counts = counted(&sockets, |counts| counts.given_up == 1).await;
        assert_eq!((counts.connections, counts.failures), (0, 0), "{status}");
        // The call goes on and takes no harm.
        for nth in 1..500 {
            speak(&mut *consumer, nth);
        }
        consumer.end(ConsumerEnd::Ended);
        counted(&sockets, |counts| counts.open == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_given_up_is_told_of_once() {
    let (service, url) = service().await;
    let (tell, told) = std::sync::mpsc::sync_channel(8);
    let given_up =
        GivenUp::new(move |listener: &WebSocketListener, opening: &Opening, why: &str| {
            let of = (listener.url.clone(), opening.call.transaction_id, why.to_owned());
            tell.try_send(of).unwrap();
        });
    let settings = Settings { given_up, max_sockets: 1, ..settings() };
    let sockets = VoiceSockets::start(&settings).unwrap();
    let _consumer = sockets.open(&listener(url.clone()), &opening()).unwrap();
    assert!(sockets.open(&listener(url.clone()), &opening()).is_err(), "the bound");
    let (_, call, why) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!((call, &*why), (opening().call.transaction_id, "too many calls have a WebSocket"));
    answer(&mut accept_tcp(&service).await, "403 Forbidden").await;
    counted(&sockets, |counts| counts.given_up == 1).await;
    let (given_up, call, why) = told.recv_timeout(PATIENCE).unwrap();
    assert_eq!((&*given_up, call), (&*url, opening().call.transaction_id));
    assert!(why.starts_with("the WebSocket ws://127.0.0.1:") && why.contains("403"), "{why}");
    assert!(!why.contains("key=1"), "no query: {why}");
    assert!(told.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_overloaded_or_dies_is_asked_again() {
    let (service, url) = service().await;
    let sockets = sockets();
    let mut consumer = sockets.open(&listener(url), &opening()).unwrap();
    answer(&mut accept_tcp(&service).await, "503 Service Unavailable").await;
    let mut served = accept(&service).await;
    assert_eq!(served.text().await["reconnects"], 0);
    speak(&mut *consumer, 1);
    served.audio().await;
    // Killed: no close, no more connection.
    drop(served);
    let mut again = accept(&service).await;
    assert_eq!(again.text().await["reconnects"], 1);
    speak(&mut *consumer, 2);
    assert_eq!(again.audio().await[..2], 2_i16.to_le_bytes());
    let close = CloseFrame { code: 1_012.into(), reason: "new version".into() };
    again.socket.close(Some(close)).await.unwrap();
    let mut last = accept(&service).await;
    assert_eq!(last.text().await["reconnects"], 2);
    let counts = sockets.counts();
    assert_eq!((counts.failures, counts.connections, counts.given_up), (3, 3, 0));
    consumer.end(ConsumerEnd::Ended);
    assert_eq!(last.text().await["type"], "stop");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_goodbye_is_not_called_again() {
    let (service, url) = service().await;
    let sockets = sockets();
    let consumer = sockets.open(&listener(url), &opening()).unwrap();
    let mut served = accept(&service).await;
    served.text().await;
    let close = CloseFrame { code: 4_001.into(), reason: "no such customer".into() };
    served.socket.close(Some(close)).await.unwrap();
    let counts = counted(&sockets, |counts| counts.given_up == 1 && counts.open == 0).await;
    assert_eq!(counts.connections, 1);
    assert!(timeout(Duration::from_millis(700), service.accept()).await.is_err());
    consumer.end(ConsumerEnd::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_loses_the_oldest_audio_and_nobody_waits_for_it() {
    let (service, url) = service().await;
    let sockets = sockets();
    let mut consumer = sockets.open(&listener(url), &opening()).unwrap();
    let mut served = accept(&service).await;
    served.text().await;
    // It reads nothing more: far more than the buffers of both hosts hold.
    let frames = 30_000;
    for nth in 0..frames {
        speak(&mut *consumer, nth);
    }
    let counts = counted(&sockets, |counts| counts.dropped > 0).await;
    assert!(counts.dropped >= 1_000, "{counts:?}");
    consumer.end(ConsumerEnd::Ended);
    // It wakes up: what was kept is in order, and the newest is there.
    let (mut last, mut count) = (-1, 0);
    loop {
        match served.next().await {
            Message::Binary(octets) => {
                let first = i32::from(i16::from_le_bytes([octets[0], octets[1]]));
                assert!(first > last, "{first} after {last}");
                (last, count) = (first, count + 1);
            }
            Message::Text(text) if text.contains("stop") => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(last as u64, frames - 1);
    let counts = sockets.counts();
    assert_eq!(count + counts.dropped, frames);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_ends_the_connection() {
    let (service, url) = service().await;
    let sockets = sockets();
    let consumer = sockets.open(&listener(url), &opening()).unwrap();
    let mut served = accept(&service).await;
    served.text().await;
    let _ = served.socket.send(Message::Binary(vec![0; 64 * 1024 + 2].into())).await;
    let close = loop {
        match timeout(PATIENCE, served.socket.next()).await.unwrap() {
            Some(Ok(Message::Close(close))) => break close,
            Some(Ok(_)) => {}
            end => panic!("{end:?}"),
        }
    };
    assert_eq!(close.map(|close| u16::from(close.code)), Some(1_009));
    let counts = counted(&sockets, |counts| counts.given_up == 1).await;
    assert_eq!((counts.bad_messages, counts.connections), (1, 1));
    consumer.end(ConsumerEnd::Ended);
}

/// Octets that no WebSocket server sends (RFC 6455 section 5).
#[tokio::test(flavor = "multi_thread")]
async fn frames_of_an_attacker_are_no_more_than_a_failure() {
    let attacks: [&[u8]; 6] = [
        // Masked, as only clients do; a reserved bit; an unknown opcode; a fragmented control frame.
        &[0x81, 0x82, 1, 2, 3, 4, 5, 6],
        &[0xc1, 0x01, b'a'],
        &[0x83, 0x00],
        &[0x09, 0x01, b'a'],
        // No UTF-8; a length of 2^63 - 1.
        &[0x81, 0x02, 0xff, 0xfe],
        &[0x82, 0x7f, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    for attack in attacks {
        let (service, url) = service().await;
        let sockets = sockets();
        let mut consumer = sockets.open(&listener(url), &opening()).unwrap();
        let mut served = accept(&service).await;
        served.text().await;
        let stream = served.socket.get_mut();
        stream.write_all(attack).await.unwrap();
        // It waits a while for the other end's close: that comes when all of its own was read.
        let mut told = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut told)).await.unwrap().unwrap();
        drop(served);
        let counts = counted(&sockets, |counts| counts.given_up == 1).await;
        assert_eq!((counts.bad_messages, counts.connections), (1, 1), "{attack:?}");
        speak(&mut *consumer, 1);
        consumer.end(ConsumerEnd::Ended);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_never_answers_holds_up_no_end() {
    let (service, url) = service().await;
    let sockets = sockets();
    let consumer = sockets.open(&listener(url), &opening()).unwrap();
    let _silent = accept_tcp(&service).await;
    consumer.end(ConsumerEnd::Stopping);
    let stopping = tokio::task::spawn_blocking(|| sockets.stop(Duration::from_millis(50)));
    // Connecting alone may take five seconds.
    assert!(timeout(Duration::from_secs(4), stopping).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_there_is_given_up_with_the_call() {
    let (service, url) = service().await;
    drop(service);
    let sockets = sockets();
    let mut consumer = sockets.open(&listener(url), &opening()).unwrap();
    speak(&mut *consumer, 0);
    counted(&sockets, |counts| counts.failures == 2).await;
    consumer.end(ConsumerEnd::Ended);
    let counts = counted(&sockets, |counts| counts.open == 0).await;
    assert_eq!((counts.given_up, counts.connections), (1, 0));
}
