//! Pages over a pipe that holds little.

use super::*;
use crate::channels::WAITING;
use futures_util::SinkExt;
use std::sync::{Arc, Mutex};
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Octets that the pipe holds: a page that does not read stops it soon.
const PIPE: usize = 8 * 1024;
const LONGEST: usize = 32 * 1024;
const KEY: &str = r#"{"key":"a key that is long enough"}"#;

/// The rooms' end: what came to it.
#[derive(Clone, Default)]
struct Rooms(Arc<Mutex<Vec<FromGuest>>>);

impl Rooms {
    fn port(&self, has_room: bool) -> RoomsPort {
        let taken = Arc::clone(&self.0);
        Arc::new(move |from| {
            taken.lock().unwrap().push(from);
            has_room
        })
    }

    fn last(&self) -> Option<FromGuest> {
        self.0.lock().unwrap().pop()
    }
}

struct Page {
    socket: WebSocketStream<DuplexStream>,
    served: JoinHandle<()>,
    rooms: Rooms,
    counters: GuestCounters,
}

impl Page {
    async fn open(has_room: bool) -> Page {
        let (ours, theirs) = duplex(PIPE);
        let (rooms, counters) = (Rooms::default(), GuestCounters::default());
        let (port, counted) = (rooms.port(has_room), counters.clone());
        let served = tokio::spawn(async move {
            let socket = crate::sockets::open(ours, LONGEST).await;
            serve(socket, ChannelId(1), &port, &counted).await;
        });
        let socket = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        Page { socket, served, rooms, counters }
    }

    async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The way to it, once it has said its key.
    async fn opened(&mut self) -> Outgoing {
        self.say(KEY).await;
        loop {
            if let Some(FromGuest::Opened(_, key, out)) = self.rooms.last() {
                assert_eq!(key, KeyDigest::of("a key that is long enough"));
                return out;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn next_text(&mut self) -> Option<String> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return Some(text.to_string()),
                Ok(Message::Ping(_)) => {}
                _ => return None,
            }
        }
    }

    fn refused(&self, reason: &str) -> u64 {
        let refusals = self.counters.refusals();
        refusals.iter().find(|(name, _)| *name == reason).map_or(0, |(_, count)| *count)
    }
}

#[tokio::test]
async fn a_page_that_does_not_read_is_closed_and_another_one_hears_all() {
    let (mut sleeps, mut reads) = (Page::open(true).await, Page::open(true).await);
    let (to_sleeper, to_reader) = (sleeps.opened().await, reads.opened().await);
    let text: Arc<str> = "x".repeat(1_000).into();
    let mut taken = 0;
    while to_sleeper.send(Arc::clone(&text)) {
        taken += 1;
    }
    assert_eq!(taken, WAITING, "no more is held for it");
    for _ in 0..2 * WAITING {
        assert!(to_reader.send(Arc::clone(&text)));
        assert_eq!(reads.next_text().await.as_deref(), Some(&*text));
    }
    // Nothing is written for too long: its end, which the rooms are told.
    (&mut sleeps.served).await.unwrap();
    assert!(matches!(sleeps.rooms.last(), Some(FromGuest::Closed(ChannelId(1)))));
    assert!(!to_sleeper.send(Arc::clone(&text)));
    assert!(to_reader.send("still".into()));
    assert_eq!(reads.next_text().await.as_deref(), Some("still"));
    // The rooms close a page by letting go of the way to it.
    drop(to_reader);
    assert_eq!(reads.next_text().await, None);
    (&mut reads.served).await.unwrap();
}

#[tokio::test]
async fn a_page_that_asks_too_fast_or_nonsense_is_closed() {
    let mut page = Page::open(true).await;
    let _out = page.opened().await;
    for _ in 0..=BURST as usize + 5 {
        if page.socket.send(Message::text(r#"{"do":"hand"}"#)).await.is_err() {
            break;
        }
    }
    assert_eq!(page.next_text().await, None);
    (&mut page.served).await.unwrap();
    assert_eq!((page.refused("rate"), page.refused("message")), (1, 0));
    for nonsense in ["{}", r#"{"do":"fly"}"#, "\u{0}"] {
        let mut page = Page::open(true).await;
        let _out = page.opened().await;
        page.say(nonsense).await;
        assert_eq!(page.next_text().await, None);
        (&mut page.served).await.unwrap();
        assert_eq!(page.refused("message"), 1, "{nonsense:?}");
    }
}

#[tokio::test]
async fn who_has_no_key_or_finds_no_room_is_closed() {
    let mut page = Page::open(true).await;
    page.say(r#"{"key":"short"}"#).await;
    assert_eq!(page.next_text().await, None);
    (&mut page.served).await.unwrap();
    assert!(page.rooms.last().is_none(), "the rooms hear nothing of it");
    assert_eq!(page.refused("message"), 1);
    let mut page = Page::open(false).await;
    page.say(KEY).await;
    assert_eq!(page.next_text().await, None);
    (&mut page.served).await.unwrap();
}
