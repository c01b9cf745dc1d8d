//! Guests of a meeting: who opens WebSockets, and what pages say over their channels.

use crate::{bounded, parts};
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use model::{Instant, TransactionId, UnixTime};
use room_core::{
    Arrival, AttendeeNumber, CreateMeeting, Dialled, FloorPolicy, Focus, FocusSettings, MeetingId,
    MeetingRecord, MeetingSettings, ModeratorNumber, Now, Output, Plan, Registry, Source,
    StoredMeeting,
};
use room_guests::{Asked, ChannelId, Channels, FromGuest, KeyDigest, Outgoing, Wanted};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

const MOST_PARTS: usize = 200;
/// The first one moderates.
const GUESTS: u8 = 4;
/// Texts that are held for a page that does not read.
const MOST_WAITING: usize = 512;
const ATTENDEES: &str = "4081234567";
const MODERATORS: &str = "7035550123456";

/// A script: the first octet of each part has an act in its low three bits and a guest in the next two. Acts are a
/// message over the guest's channel; a channel with the guest's own key, or with another one; reading what the
/// page was told; time that passes; a call that ends, or begins anew; a channel that is closed; and a request for a
/// WebSocket.
///
/// # Panics
/// When a channel opens without its key, a page is held too much for or told what is no JSON or an id of a
/// record, or a request makes a WebSocket that is none, or that another site's page asks for.
pub fn guests(data: &[u8]) {
    let mut node = Node::new();
    for part in parts(bounded(data), MOST_PARTS) {
        let Some((&act, payload)) = part.split_first() else { continue };
        node.act(act & 7, (act >> 3) % GUESTS, payload);
        node.settle();
    }
    for guest in 0..GUESTS {
        node.hang_up(guest);
    }
    node.settle();
    assert!(node.pages.iter_mut().flatten().all(Page::is_closed), "a channel outlives its call");
}

struct Node {
    at: u64,
    drawn: u64,
    calls: u128,
    channel: u64,
    focus: Focus,
    channels: Channels,
    of_guest: Vec<Option<TransactionId>>,
    pages: Vec<Option<Page>>,
}

struct Page {
    id: ChannelId,
    texts: Receiver<Arc<str>>,
}

impl Page {
    /// Reads all, which is JSON and says of what kind it is.
    fn read(&mut self) {
        while let Ok(text) = self.texts.try_recv() {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            assert!(value["type"].is_string(), "{text}");
        }
    }

    fn is_closed(&mut self) -> bool {
        self.read();
        self.texts.is_closed()
    }
}

fn key(guest: u8) -> String {
    format!("the key of guest {guest}")
}

impl Node {
    fn new() -> Node {
        let mut registry = Registry::default();
        assert!(registry.restore(stored()).is_ok());
        let mut node = Node {
            at: 1_000,
            drawn: 0,
            calls: 0,
            channel: 0,
            focus: Focus::new(FocusSettings::default(), registry),
            channels: Channels::default(),
            of_guest: vec![None; usize::from(GUESTS)],
            pages: (0..GUESTS).map(|_| None).collect(),
        };
        for guest in 0..GUESTS {
            node.call(guest);
            node.open(guest, &key(guest));
        }
        node.settle();
        node
    }

    fn now(&self) -> Now {
        Now { at: Instant::from_millis(self.at), unix: UnixTime::from_millis(self.at) }
    }

    fn act(&mut self, act: u8, guest: u8, payload: &[u8]) {
        let first = payload.first().copied().unwrap_or_default();
        match act {
            0 => self.ask(guest, &String::from_utf8_lossy(payload)),
            1 => self.open(guest, &key(guest)),
            2 => self.open(guest, &String::from_utf8_lossy(payload)),
            3 => {
                if let Some(page) = self.page(guest) {
                    page.read();
                }
            }
            4 => {
                self.at += u64::from(first) * 50;
                let now = self.now();
                self.focus.handle_timeout(now);
                self.channels.handle_timeout(now.at, &self.focus);
            }
            5 if first & 1 == 0 => self.hang_up(guest),
            5 => self.call(guest),
            6 => {
                if let Some(id) = self.page(guest).map(|page| page.id) {
                    self.take(FromGuest::Closed(id));
                }
            }
            _ => web_socket(payload),
        }
    }

    fn page(&mut self, guest: u8) -> Option<&mut Page> {
        self.pages.get_mut(usize::from(guest))?.as_mut()
    }

    fn call_of(&self, guest: u8) -> Option<TransactionId> {
        self.of_guest.get(usize::from(guest)).copied().flatten()
    }

    fn call(&mut self, guest: u8) {
        if self.call_of(guest).is_some() {
            return;
        }
        self.calls += 1;
        let call = TransactionId::from_random(self.calls);
        self.channels.call_begun(call, KeyDigest::of(&key(guest)));
        let id = if guest == 0 { MODERATORS } else { ATTENDEES };
        let arrival = Arrival {
            source: Source::Network([192, 0, 2, guest].into()),
            name: format!("Guest \"{guest}\""),
            dialled: Dialled { id: Some(id.to_owned()), ..Dialled::default() },
            wished: None,
            region: None,
            called_number: None,
            calling_number: None,
            is_telephone: false,
        };
        let now = self.now();
        self.focus.handle_call(now, call, arrival);
        if let Some(place) = self.of_guest.get_mut(usize::from(guest)) {
            *place = Some(call);
        }
    }

    fn hang_up(&mut self, guest: u8) {
        let Some(call) = self.of_guest.get_mut(usize::from(guest)).and_then(Option::take) else {
            return;
        };
        let now = self.now();
        self.focus.handle_gone(now, call, None);
        self.channels.call_over(call);
        assert!(!self.channels.is_seen(call));
    }

    fn open(&mut self, guest: u8, said: &str) {
        self.channel += 1;
        let id = ChannelId(self.channel);
        let (out, texts) = Outgoing::new();
        self.take(FromGuest::Opened(id, KeyDigest::of(said), out));
        let whose = (0..GUESTS).find(|guest| key(*guest) == said);
        let is_theirs = whose.is_some_and(|guest| self.call_of(guest).is_some());
        let mut page = Page { id, texts };
        assert_eq!(page.texts.is_closed(), !is_theirs, "{said:?}");
        if is_theirs && let Some(place) = self.pages.get_mut(usize::from(whose.unwrap_or(guest))) {
            *place = Some(page);
        } else {
            page.read();
        }
    }

    fn ask(&mut self, guest: u8, said: &str) {
        let Ok(asked) = Asked::parse(said) else { return };
        if let Some(id) = self.page(guest).map(|page| page.id) {
            self.take(FromGuest::Asked(id, asked));
        }
    }

    fn take(&mut self, from: FromGuest) {
        let now = self.now();
        let drawn = &mut self.drawn;
        let mut draw = || {
            *drawn += 1;
            *drawn
        };
        self.channels.handle(now, from, &mut self.focus, &mut draw);
    }

    fn settle(&mut self) {
        while let Some(output) = self.focus.poll_output() {
            if let Output::Chat { meeting, message } = output {
                self.channels.tell_chat(meeting, &message);
            }
        }
        self.channels.note_change(Instant::from_millis(self.at), &self.focus);
        let soon = Instant::from_millis(self.at) + Duration::from_millis(100);
        assert!(self.channels.poll_timeout().is_none_or(|due| due <= soon));
        for page in self.pages.iter().flatten() {
            assert!(page.texts.len() <= MOST_WAITING);
        }
    }
}

fn stored() -> StoredMeeting {
    let numbers = (AttendeeNumber::parse(ATTENDEES), ModeratorNumber::parse(MODERATORS));
    let (Ok(attendee_number), Ok(moderator_number)) = numbers else {
        unreachable!("both are numbers")
    };
    StoredMeeting::V1(MeetingRecord {
        meeting_id: MeetingId::draw(&mut || 7),
        attendee_number,
        moderator_number,
        passcode: None,
        request: CreateMeeting {
            client_request_token: "t".into(),
            media_region: "local".into(),
            external_meeting_id: "weekly".into(),
            ..CreateMeeting::default()
        },
        settings: MeetingSettings {
            name: "Weekly".into(),
            plan: Plan::Personal,
            floor: FloorPolicy::Asked,
            ..MeetingSettings::default()
        },
        created: UnixTime::from_millis(0),
        attendees: Vec::new(),
    })
}

/// A head of lines: the method, then fields.
fn web_socket(head: &[u8]) {
    let mut lines = head.split(|octet| *octet == b'\n');
    let Some(method) = lines.next().and_then(|line| Method::from_bytes(line).ok()) else { return };
    let mut headers = HeaderMap::new();
    for line in lines.take(64) {
        let mut halves = line.splitn(2, |octet| *octet == b':');
        let name = halves.next().and_then(|name| HeaderName::from_bytes(name).ok());
        let value = halves.next().and_then(|value| HeaderValue::from_bytes(value).ok());
        if let Some((name, value)) = name.zip(value) {
            headers.append(name, value);
        }
    }
    for (wanted, protocol) in [(Wanted::Sip, "sip"), (Wanted::Room, "tandem.room.1")] {
        match room_guests::accept_web_socket(wanted, &method, &headers) {
            Ok(accept) => {
                assert_eq!((method.as_str(), accept.len()), ("GET", 28), "{headers:?}");
                let offered = headers.get_all("sec-websocket-protocol").iter();
                let mut offered = offered.filter_map(|value| value.to_str().ok());
                assert!(offered.any(|value| value.contains(protocol)));
                let host = headers.get("host").and_then(|host| host.to_str().ok());
                let origin =
                    headers.get("origin").map(|origin| origin.to_str().unwrap_or_default());
                let is_ours = origin.is_none_or(|origin| {
                    let host = host.map(|host| format!("://{host}").to_ascii_lowercase());
                    host.is_some_and(|host| origin.to_ascii_lowercase().ends_with(&host))
                });
                assert!(is_ours, "{headers:?}");
            }
            Err((status, words)) => assert!(status.is_client_error() && !words.is_empty()),
        }
    }
}

/// What pages say, whoever reads, and requests.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let part =
        |act: u8, guest: u8, payload: &[u8]| [&[crate::PART, act | guest << 3], payload].concat();
    let wishes = [
        r#"{"number":1,"do":"mute","on":true}"#,
        r#"{"number":2,"do":"mute-all"}"#,
        r#"{"number":3,"do":"hand"}"#,
        r#"{"number":4,"do":"lock","on":true}"#,
        r#"{"number":5,"do":"record"}"#,
        r#"{"number":6,"do":"admit-all"}"#,
        r#"{"number":7,"do":"say","text":"\u0000 <b>&\ud83d\ude00"}"#,
        r#"{"number":8,"do":"show","on":true}"#,
        r#"{"number":9,"do":"dial","text":"+1 (206) 555-0100"}"#,
        r#"{"number":10,"do":"remove","who":"0000000000000002"}"#,
        r#"{"number":11,"do":"promote","who":"0000000000000003"}"#,
        r#"{"number":12,"do":"end"}"#,
    ];
    let every = |guest: u8| -> Vec<u8> {
        let said = wishes.iter().flat_map(move |wish| part(0, guest, wish.as_bytes()));
        said.chain(part(4, guest, &[10])).chain(part(3, guest, &[])).collect()
    };
    let hands = (0..99).flat_map(|at: u32| {
        let wish = format!(r#"{{"do":"hand","on":{}}}"#, at.is_multiple_of(2));
        [part(0, 1, wish.as_bytes()), part(4, 1, &[3])].concat()
    });
    let head = "GET\nhost:meet.example.com:8443\norigin:https://meet.example.com:8443\n\
                upgrade:websocket\nconnection:keep-alive, Upgrade\nsec-websocket-version:13\n\
                sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ==\nsec-websocket-protocol:";
    let requests = ["sip", "tandem.room.1", "xmpp, sip", "SIP"]
        .map(|protocol| part(7, 0, format!("{head}{protocol}").as_bytes()));
    vec![
        ("wishes", (0..GUESTS).flat_map(every).collect()),
        ("moderator-last", (0..GUESTS).rev().flat_map(every).collect()),
        ("unread", hands.collect()),
        ("requests", requests.concat()),
        (
            "calls",
            [
                part(5, 1, &[0]),
                part(1, 1, &[]),
                part(5, 1, &[1]),
                part(1, 1, &[]),
                part(2, 2, key(3).as_bytes()),
                part(6, 2, &[]),
                part(5, 3, &[0]),
            ]
            .concat(),
        ),
    ]
}
