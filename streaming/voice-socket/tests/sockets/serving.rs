//! Services that do as they should.

use crate::support::*;
use call_audio::ConsumerEnd;
use codecs::{VoiceReader, voice_ring};
use futures_util::SinkExt;
use model::{BearerToken, LegSide, ListenedUpdate, WebSocketListener};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use voice_socket::{OpenError, Settings, VoiceSockets};

fn octets(samples: impl IntoIterator<Item = i16>) -> Vec<u8> {
    samples.into_iter().flat_map(i16::to_le_bytes).collect()
}

/// Takes packets as a relay does, until so many samples were heard.
async fn hear(reader: &mut VoiceReader, count: usize) -> Vec<i16> {
    let mut all = Vec::new();
    let hearing = async {
        let mut packets = tokio::time::interval(Duration::from_millis(20));
        while all.len() < count {
            packets.tick().await;
            let mut packet = [0; 160];
            let taken = reader.take(&mut packet);
            all.extend_from_slice(&packet[..taken]);
        }
    };
    let heard = timeout(PATIENCE, hearing).await;
    assert!(heard.is_ok(), "{} of {count}", all.len());
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_heard_and_told_of_from_its_start_to_its_end() {
    let (service, url) = service().await;
    let sockets = sockets();
    let mut consumer = sockets.open(&listener(url), &opening()).unwrap();
    for nth in 0..5 {
        speak(&mut *consumer, nth);
    }
    let mut served = accept(&service).await;
    assert_eq!(served.authorization.as_deref(), Some("Bearer open sesame"));
    assert_eq!(served.path, "/calls?key=1");
    let start = served.text().await;
    assert_eq!((&start["type"], &start["channels"]), (&"start".into(), &2.into()));
    assert_eq!(start["speaks_to"], serde_json::json!(["caller"]));
    for nth in 0..5 {
        assert_eq!(served.audio().await, octets([nth, -nth].repeat(160)), "message {nth}");
    }
    let headers = vec![("x-agent".into(), "7".into())];
    consumer.update(&ListenedUpdate { headers, siprec_metadata: None });
    assert_eq!(served.text().await["headers"], serde_json::json!({ "x-agent": "7" }));
    speak(&mut *consumer, 5);
    consumer.end(ConsumerEnd::Ended);
    assert_eq!(served.audio().await.len(), 640);
    let stop = serde_json::json!({ "type": "stop", "reason": "call_ended" });
    assert_eq!(served.text().await, stop);
    let Message::Close(Some(close)) = served.next().await else { panic!("a close") };
    assert_eq!(u16::from(close.code), 1_000);
    drop(served);
    let counts = counted(&sockets, |counts| counts.open == 0).await;
    assert_eq!((counts.sent, counts.dropped, counts.failures), (6, 0, 0));
    assert_eq!((counts.connections, counts.given_up, counts.bad_messages), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_speaks_is_interrupted_and_learns_what_was_heard() {
    let (service, url) = service().await;
    let sockets = sockets();
    let mut consumer = sockets.open(&listener(url), &opening()).unwrap();
    let (writer, mut reader) = voice_ring(8_000);
    consumer.voice(LegSide::A, writer);
    let (other, other_reader) = voice_ring(8_000);
    consumer.voice(LegSide::B, other);
    assert!(other_reader.is_closed(), "it may speak to the caller only");
    let mut served = accept(&service).await;
    served.text().await;
    // A whole answer at once, as speech is made.
    let answer: Vec<i16> = (0..4_000).collect();
    for part in octets(answer.clone()).chunks(1_000) {
        served.socket.send(Message::Binary(part.to_vec().into())).await.unwrap();
    }
    served.say(r#"{"type":"mark","name":"answer"}"#).await;
    assert_eq!(hear(&mut reader, 4_000).await, answer);
    let played = serde_json::json!({ "type": "mark", "name": "answer", "played": true });
    assert_eq!(served.text().await, played);
    // Somebody falls in with it.
    let long = octets(vec![7; 8_000 * 10]);
    for part in long.chunks(64 * 1024) {
        served.socket.send(Message::Binary(part.to_vec().into())).await.unwrap();
    }
    served.say(r#"{"type":"mark","name":"never"}"#).await;
    hear(&mut reader, 160).await;
    served.say(r#"{"type":"clear"}"#).await;
    let cleared = serde_json::json!({ "type": "mark", "name": "never", "played": false });
    assert_eq!(served.text().await, cleared);
    assert_eq!(reader.waiting(), 0);
    served.socket.send(Message::Binary(octets([9; 160]).into())).await.unwrap();
    assert_eq!(hear(&mut reader, 160).await, [9; 160]);
    let counts = sockets.counts();
    assert_eq!((counts.voice_samples, counts.voice_dropped), (4_000 + 80_000 + 160, 0));
    consumer.end(ConsumerEnd::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_bot_does_wrong_is_explained_to_it() {
    let (service, url) = service().await;
    let sockets = sockets();
    let to = WebSocketListener { speaks_to: [false; 2], ..listener(url) };
    let consumer = sockets.open(&to, &opening()).unwrap();
    let mut served = accept(&service).await;
    assert_eq!(served.text().await["speaks_to"], serde_json::json!([]));
    served.say("{}").await;
    served.say(r#"{"type":"hangup"}"#).await;
    served.socket.send(Message::Binary(vec![0; 320].into())).await.unwrap();
    for expected in ["must be a JSON object", "\"hangup\" is unknown", "set `speaks_to`"] {
        let told = served.text().await;
        assert_eq!(told["type"], "error");
        assert!(told["message"].as_str().unwrap().contains(expected), "{told}");
    }
    for _ in 0..100 {
        served.say("nonsense").await;
    }
    let counts = counted(&sockets, |counts| counts.bad_messages == 103).await;
    assert_eq!((counts.voice_dropped, counts.open), (160, 1), "it goes on");
    consumer.end(ConsumerEnd::Ended);
    let mut explanations = 0;
    loop {
        match served.text().await["type"].as_str() {
            Some("error") => explanations += 1,
            Some("stop") => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(explanations, 7, "ten in all");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_calls_than_set_have_a_socket() {
    let (service, url) = service().await;
    let settings = Settings { max_sockets: 1, ..settings() };
    let sockets = VoiceSockets::start(&settings).unwrap();
    let first = sockets.open(&listener(url.clone()), &opening()).unwrap();
    let second = sockets.open(&listener(url.clone()), &opening());
    assert_eq!(second.err(), Some(OpenError::TooMany));
    let bad = sockets.open(&listener("http://127.0.0.1/".to_owned()), &opening());
    assert!(matches!(bad.err(), Some(OpenError::Endpoint(_))));
    let mut served = accept(&service).await;
    served.text().await;
    first.end(ConsumerEnd::Ended);
    assert_eq!(served.text().await["type"], "stop");
    drop(served);
    counted(&sockets, |counts| counts.open == 0 && counts.refused == 2).await;
    assert!(sockets.open(&listener(url), &opening()).is_ok(), "its place is free again");
}

/// Who changes the file of a token need not tell anybody: the next connection has the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_read_from_its_file_for_each_connection() {
    let path = std::env::temp_dir().join(format!("tandem-bearer-{}", std::process::id()));
    std::fs::write(&path, "first\n").unwrap();
    let (service, url) = service().await;
    let sockets = sockets();
    let file = path.to_str().unwrap().into();
    let listener = WebSocketListener { token: Some(BearerToken::File(file)), ..listener(url) };
    let mut consumer = sockets.open(&listener, &opening()).unwrap();
    speak(&mut *consumer, 0);
    let served = accept(&service).await;
    assert_eq!(served.authorization.as_deref(), Some("Bearer first"));
    std::fs::write(&path, "second").unwrap();
    drop(served);
    let served = accept(&service).await;
    assert_eq!(served.authorization.as_deref(), Some("Bearer second"));
    // Without its file a call has no connection, and goes on.
    std::fs::remove_file(&path).unwrap();
    drop(served);
    counted(&sockets, |counts| counts.given_up == 1).await;
    consumer.end(ConsumerEnd::Ended);
    counted(&sockets, |counts| counts.open == 0).await;
}
