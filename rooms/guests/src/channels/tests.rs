//! Guests of real rooms, without sockets.

use super::*;
use model::UnixTime;
use room_core::{
    Access, Arrival, AttendeeNumber, CreateMeeting, Dialled, FloorPolicy, FocusSettings,
    MeetingRecord, MeetingSettings, ModeratorNumber, Plan, Registry, Source, StoredMeeting,
};
use serde_json::Value;

const ATTENDEES: &str = "4081234567";
const MODERATORS: &str = "7035550123456";

struct World {
    focus: Focus,
    channels: Channels,
    at: u64,
    drawn: u64,
}

/// One page.
struct Page {
    id: ChannelId,
    texts: mpsc::Receiver<Arc<str>>,
}

impl Page {
    /// What it was told since it was asked last.
    fn take(&mut self) -> Vec<Value> {
        let mut told = Vec::new();
        while let Ok(text) = self.texts.try_recv() {
            told.push(serde_json::from_str(&text).unwrap());
        }
        told
    }

    fn is_closed(&mut self) -> bool {
        self.take();
        matches!(self.texts.try_recv(), Err(mpsc::error::TryRecvError::Disconnected))
    }
}

fn types(told: &[Value]) -> Vec<&str> {
    told.iter().filter_map(|text| text["type"].as_str()).collect()
}

impl World {
    fn new(access: Access) -> World {
        World::with(access, FloorPolicy::Everyone)
    }

    fn with(access: Access, floor: FloorPolicy) -> World {
        let mut registry = Registry::default();
        registry.restore(stored(access, floor)).unwrap();
        let focus = Focus::new(FocusSettings::default(), registry);
        World { focus, channels: Channels::default(), at: 1_000, drawn: 0 }
    }

    fn now(&self) -> Now {
        Now { at: Instant::from_millis(self.at), unix: UnixTime::from_millis(self.at) }
    }

    /// What the rooms want is done, and so much time passes.
    fn pass(&mut self, milliseconds: u64) {
        while let Some(output) = self.focus.poll_output() {
            if let room_core::Output::Chat { meeting, message } = output {
                self.channels.tell_chat(meeting, &message);
            }
        }
        let at = self.now().at;
        self.channels.note_change(at, &self.focus);
        self.at += milliseconds;
        let at = self.now().at;
        self.channels.handle_timeout(at, &self.focus);
    }

    fn call(&mut self, number: u128, name: &str, id: &str, key: &str) -> TransactionId {
        let call = TransactionId::from_random(number);
        self.channels.call_begun(call, KeyDigest::of(key));
        self.arrive(call, name, id);
        self.pass(200);
        call
    }

    fn arrive(&mut self, call: TransactionId, name: &str, id: &str) {
        let arrival = Arrival {
            source: Source::Network("192.0.2.1".parse().unwrap()),
            name: name.to_owned(),
            dialled: Dialled { id: Some(id.to_owned()), passcode: None, ..Dialled::default() },
            wished: None,
            region: None,
            called_number: None,
            calling_number: None,
            is_telephone: false,
        };
        let now = self.now();
        self.focus.handle_call(now, call, arrival);
    }

    fn open(&mut self, id: u64, key: &str) -> Page {
        let (out, texts) = Outgoing::new();
        let opened = FromGuest::Opened(ChannelId(id), KeyDigest::of(key), out);
        self.take(opened);
        Page { id: ChannelId(id), texts }
    }

    fn take(&mut self, from: FromGuest) {
        let now = self.now();
        let drawn = &mut self.drawn;
        let mut draw = || {
            *drawn += 1;
            *drawn
        };
        self.channels.handle(now, from, &mut self.focus, &mut draw);
        self.pass(200);
    }

    fn ask(&mut self, page: &Page, number: u32, request: Request) {
        self.take(FromGuest::Asked(page.id, Asked { number, request }));
    }
}

/// A meeting as the configuration file has them.
fn stored(access: Access, floor: FloorPolicy) -> StoredMeeting {
    StoredMeeting::V1(MeetingRecord {
        meeting_id: MeetingId::draw(&mut || 7),
        attendee_number: AttendeeNumber::parse(ATTENDEES).unwrap(),
        moderator_number: ModeratorNumber::parse(MODERATORS).unwrap(),
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
            access,
            floor,
            ..MeetingSettings::default()
        },
        created: UnixTime::from_millis(0),
        attendees: Vec::new(),
    })
}

#[test]
fn a_page_sees_who_is_there_and_only_with_its_key() {
    let mut w = World::new(Access::Open);
    let ada = w.call(1, "Ada", ATTENDEES, "key of ada");
    let mut wrong = w.open(1, "another key");
    assert_eq!(types(&wrong.take()), ["no-call"]);
    assert!(wrong.is_closed());
    let mut page = w.open(2, "key of ada");
    let told = page.take();
    assert_eq!(types(&told), ["meeting", "levels"]);
    assert_eq!((&told[0]["name"], &told[0]["moderator"]), (&"Weekly".into(), &false.into()));
    assert_eq!(told[0]["people"][0]["name"], "Ada");
    assert_eq!(told[0]["you"], told[0]["people"][0]["id"]);
    assert!(!told[0].to_string().contains(&ada.to_string()), "no id of a record");
    assert!(w.channels.is_seen(ada));
    w.pass(1_000);
    assert_eq!(page.take(), Vec::<Value>::new(), "nothing has changed");
    let bob = w.call(2, "Bob", ATTENDEES, "key of bob");
    w.pass(200);
    let told = page.take();
    assert_eq!(types(&told), ["meeting"]);
    assert_eq!(told[0]["people"][1]["name"], "Bob");
    // How loud somebody is, and who speaks.
    let mut people = w.focus.roster(w.focus.meeting_id_of(bob).unwrap());
    (people[1].level, people[1].speaks) = (-20, true);
    let levels: Value = serde_json::from_str(&crate::view::levels(&people)).unwrap();
    let id = format!("{:016x}", id_of(bob));
    assert_eq!(
        levels["levels"],
        serde_json::json!({ id.as_str(): -20 }),
        "silent ones are not told"
    );
    assert_eq!(levels["speaker"], id.as_str());
    w.channels.call_over(ada);
    assert_eq!(types(&page.take()), ["over"]);
    assert!(page.is_closed() && !w.channels.is_seen(ada));
}

#[test]
fn changes_in_a_short_time_are_told_together() {
    let mut w = World::new(Access::Open);
    w.call(1, "Ada", ATTENDEES, "key of ada");
    let mut page = w.open(1, "key of ada");
    page.take();
    for n in 2..12 {
        let call = TransactionId::from_random(n);
        w.channels.call_begun(call, KeyDigest::of("others"));
        w.arrive(call, "Somebody", ATTENDEES);
        w.pass(1);
    }
    assert!(types(&page.take()).len() <= 1, "the first at once");
    assert!(w.channels.poll_timeout().is_some());
    w.pass(200);
    let told = page.take();
    assert_eq!(types(&told), ["meeting"]);
    assert_eq!(told[0]["people"].as_array().unwrap().len(), 11);
    assert_eq!(w.channels.poll_timeout(), None);
}

#[test]
fn who_waits_sees_nothing_of_the_meeting_and_can_do_nothing() {
    let mut w = World::new(Access::Admitted);
    w.call(1, "Ada", ATTENDEES, "key of ada");
    let mut waits = w.open(1, "key of ada");
    assert_eq!(types(&waits.take()), ["waiting"]);
    w.ask(&waits, 1, Request::Say("let me in".into()));
    assert_eq!(waits.take()[0]["why"], "nobody-there");
    w.call(2, "Grace", MODERATORS, "key of grace");
    let mut leads = w.open(2, "key of grace");
    let told = leads.take();
    assert_eq!(told[0]["moderator"], true);
    let people = told[0]["people"].as_array().unwrap();
    assert_eq!(people.iter().filter(|person| person["in"] == false).count(), 1, "who waits");
    w.ask(&leads, 1, Request::Say("before".into()));
    assert_eq!(types(&leads.take()), ["done", "chat"]);
    assert_eq!(waits.take(), Vec::<Value>::new());
    let ada = people.iter().find(|person| person["name"] == "Ada").unwrap()["id"].clone();
    let ada = u64::from_str_radix(ada.as_str().unwrap(), 16).unwrap();
    w.ask(&leads, 2, Request::Admit(Some(ada)));
    // In from now on, with what was written before.
    let told = waits.take();
    assert_eq!(types(&told), ["meeting", "chat", "levels"]);
    assert_eq!(told[1]["text"], "before");
    w.ask(&leads, 3, Request::Say("hello".into()));
    assert_eq!(types(&waits.take()), ["chat"]);
    w.ask(&leads, 4, Request::Remove(ada));
    assert_eq!(types(&waits.take()), ["farewell"], "a last word is heard");
}

#[test]
fn a_guest_has_the_rights_of_its_call_and_no_more() {
    let mut w = World::new(Access::Open);
    w.call(1, "Ada", ATTENDEES, "key of ada");
    let grace = w.call(2, "Grace", MODERATORS, "key of grace");
    let mut attends = w.open(1, "key of ada");
    let mut leads = w.open(2, "key of grace");
    attends.take();
    for request in [
        Request::MuteAll(true),
        Request::Lock(true),
        Request::Record(true),
        Request::Admit(None),
        Request::Mute(Some(id_of(grace)), true),
        Request::Remove(id_of(grace)),
        Request::Promote(id_of(grace)),
        Request::Show(Some(id_of(grace)), true),
        Request::Show(Some(id_of(grace)), false),
        Request::Dial("+12065550100".into()),
        Request::End,
    ] {
        w.ask(&attends, 9, request.clone());
        let told = attends.take();
        assert_eq!(
            (&told[0]["number"], &told[0]["why"]),
            (&9.into(), &"moderators-only".into()),
            "{request:?}"
        );
    }
    w.ask(&attends, 10, Request::Remove(1));
    assert_eq!(attends.take()[0]["why"], "nobody-there");
    w.ask(&attends, 11, Request::Hand(None, true));
    let told = attends.take();
    assert_eq!(types(&told), ["done", "meeting"]);
    assert_eq!(told[1]["people"][0]["hand"], true);
    leads.take();
    w.ask(&leads, 1, Request::MuteAll(true));
    let told = attends.take();
    assert_eq!(
        (&told[0]["people"][0]["muted"], &told[0]["people"][1]["muted"]),
        (&true.into(), &false.into())
    );
    w.ask(&leads, 2, Request::Lock(true));
    assert_eq!(attends.take()[0]["locked"], true);
    w.ask(&leads, 3, Request::End);
    assert_eq!(types(&attends.take()), ["farewell"]);
}

/// Who shows a screen, and who asks to, as a page is told last.
fn floor(told: &[Value]) -> (Vec<&str>, Vec<&str>) {
    let people = told.iter().rev().find(|text| text["type"] == "meeting");
    let people = people.map(|text| text["people"].as_array().unwrap().as_slice());
    let names = |what: &str| {
        let those = people.unwrap_or_default().iter().filter(|person| person[what] == true);
        those.map(|person| person["name"].as_str().unwrap()).collect()
    };
    (names("shows"), names("asks"))
}

#[test]
fn a_moderator_lets_guests_share_a_screen_who_have_asked() {
    let mut w = World::with(Access::Open, FloorPolicy::Asked);
    let ada = id_of(w.call(1, "Ada", ATTENDEES, "key of ada"));
    let bob = id_of(w.call(2, "Bob", ATTENDEES, "key of bob"));
    w.call(3, "Grace", MODERATORS, "key of grace");
    let (mut asks, mut leads) = (w.open(1, "key of ada"), w.open(3, "key of grace"));
    let other = w.open(2, "key of bob");
    w.ask(&asks, 1, Request::Show(None, true));
    let told = asks.take();
    assert_eq!(told.iter().filter(|text| text["type"] == "done").count(), 1);
    assert_eq!(floor(&told), (vec![], vec!["Ada"]), "it only asks");
    assert_eq!(floor(&leads.take()), (vec![], vec!["Ada"]));
    w.ask(&leads, 1, Request::Show(Some(ada), true));
    assert_eq!(floor(&asks.take()), (vec!["Ada"], vec![]));
    // Another one is let, and takes over; a third time it is refused.
    w.ask(&other, 1, Request::Show(None, true));
    assert_eq!(floor(&asks.take()), (vec!["Ada"], vec!["Bob"]));
    w.ask(&leads, 2, Request::Show(Some(bob), true));
    assert_eq!(floor(&asks.take()), (vec!["Bob"], vec![]));
    w.ask(&asks, 2, Request::Show(None, true));
    w.ask(&leads, 3, Request::Show(Some(ada), false));
    assert_eq!(floor(&asks.take()), (vec!["Bob"], vec![]));
    w.ask(&leads, 4, Request::Show(Some(bob), false));
    let told = asks.take();
    assert_eq!((types(&told), floor(&told)), (vec!["meeting"], (vec![], vec![])));
}

#[test]
fn a_guest_sees_all_at_once_when_it_wishes_and_nobody_else_does() {
    let mut w = World::new(Access::Open);
    w.call(1, "Ada", ATTENDEES, "key of ada");
    w.call(2, "Grace", MODERATORS, "key of grace");
    let (mut ada, mut grace) = (w.open(1, "key of ada"), w.open(2, "key of grace"));
    for page in [&mut ada, &mut grace] {
        assert_eq!(page.take()[0]["layout"], "speaker");
    }
    for (number, on, layout) in [(1, true, "grid"), (2, false, "speaker")] {
        w.ask(&ada, number, Request::LayOut(on));
        let told = ada.take();
        assert_eq!((types(&told), &told[1]["layout"]), (vec!["done", "meeting"], &layout.into()));
    }
    w.ask(&ada, 3, Request::LayOut(false));
    assert_eq!(types(&ada.take()), ["done"], "nothing has changed");
    assert_eq!(grace.take(), Vec::<Value>::new(), "it is not about her");
    // By a key too: the page shows what the meeting says.
    let now = w.now();
    let call = TransactionId::from_random(2);
    w.focus.handle_pictures(call, true, false);
    for key in ['#', '1'] {
        let key = model::DtmfKey::from_symbol(key).unwrap();
        w.focus.handle_key(now, call, key, &mut || 0);
    }
    w.pass(200);
    assert_eq!(grace.take()[0]["layout"], "grid");
}

#[test]
fn a_page_that_has_lost_its_call_does_not_come_back_to_what_has_ended() {
    let mut w = World::new(Access::Open);
    let key = |of: &str| KeyDigest::of(&format!("key of {of}"));
    let is_over = |w: &World, of| w.channels.is_over_for(&key(of), &w.focus);
    let lose = |w: &mut World, call| {
        let now = w.now();
        w.channels.call_over(call);
        w.focus.handle_gone(now, call, Some(408));
        w.pass(200);
    };
    let ada = w.call(1, "Ada", ATTENDEES, "key of ada");
    lose(&mut w, ada);
    w.pass(3_600_000);
    w.focus.handle_timeout(w.now());
    assert!(!is_over(&w, "ada") && !is_over(&w, "nobody"), "a meeting that nobody was in");
    let ada = w.call(2, "Ada", ATTENDEES, "key of ada again");
    let bob = w.call(3, "Bob", ATTENDEES, "key of bob");
    w.call(4, "Grace", MODERATORS, "key of grace");
    let leads = w.open(1, "key of grace");
    // Removed while its page is away, and after.
    w.ask(&leads, 1, Request::Remove(id_of(bob)));
    assert!(is_over(&w, "bob"));
    lose(&mut w, bob);
    lose(&mut w, ada);
    assert!(is_over(&w, "bob") && !is_over(&w, "ada again"));
    w.ask(&leads, 2, Request::End);
    assert!(is_over(&w, "ada again"), "ended while she was away");
    assert!(is_over(&w, "grace"), "she has left with all others");
}

#[test]
fn a_call_has_one_channel_the_newest() {
    let mut w = World::new(Access::Open);
    w.call(1, "Ada", ATTENDEES, "key of ada");
    let mut pages: Vec<Page> = (1..5).map(|id| w.open(id, "key of ada")).collect();
    let mut newest = pages.pop().unwrap();
    for (at, page) in pages.iter_mut().enumerate() {
        assert!(page.is_closed(), "{at}");
        w.ask(page, 1, Request::Hand(None, true));
        w.take(FromGuest::Closed(page.id));
    }
    let told = newest.take();
    assert_eq!((types(&told), told.len()), (vec!["meeting", "levels"], 2), "nobody else asks");
    w.ask(&newest, 2, Request::Hand(None, true));
    assert_eq!(types(&newest.take()), ["done", "meeting"]);
}

#[test]
fn a_page_that_does_not_read_is_closed_and_harms_nobody() {
    let mut w = World::new(Access::Open);
    w.call(1, "Ada", ATTENDEES, "key of ada");
    w.call(2, "Bob", ATTENDEES, "key of bob");
    let mut sleeps = w.open(1, "key of ada");
    let mut reads = w.open(2, "key of bob");
    for number in 0..WAITING as u32 + 10 {
        w.ask(&reads, number, Request::Hand(None, number % 2 == 0));
        reads.take();
    }
    assert!(sleeps.is_closed());
    w.ask(&reads, 1, Request::Hand(None, true));
    assert!(!types(&reads.take()).is_empty());
    // Its page opens another one.
    let mut again = w.open(3, "key of ada");
    assert_eq!(types(&again.take())[0], "meeting");
}

#[test]
fn digests_are_read_as_they_are_written() {
    let digest = KeyDigest::of("abc");
    assert_eq!(&*digest.0, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(KeyDigest::parse(&digest.0.to_uppercase()), Some(digest));
    for text in ["", "ba78", &"g".repeat(64), &"a".repeat(65)] {
        assert_eq!(KeyDigest::parse(text), None, "{text}");
    }
}
