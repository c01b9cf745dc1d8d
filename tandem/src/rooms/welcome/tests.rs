use super::super::prompts::Prompts;
use super::{Orders, Welcome};
use model::{
    ApplicationNews, ApplicationOrder, AudioSource, Dialled, DtmfKey, Instant, LegSide,
    MeetingDigits, PlayOutcome, RoomCall, TransportProtocol,
};
use std::sync::Arc;
use std::time::Duration;

const A: LegSide = LegSide::A;

fn caller(dialled: &str) -> RoomCall {
    RoomCall {
        dialled: Dialled { meeting: MeetingDigits::parse(dialled), ..Dialled::default() },
        region: None,
        display_name: None,
        user_agent: None,
        address: ([192, 0, 2, 1], 5061).into(),
        protocol: TransportProtocol::Tls,
        lines: Vec::new(),
    }
}

/// A caller in simulated time.
struct Caller {
    now: Instant,
    welcome: Welcome,
    last: u32,
}

impl Caller {
    fn new(dialled: &str) -> Self {
        let file = |name: &str| AudioSource::File(name.into());
        let prompts =
            Prompts { welcome: file("welcome"), wrong: file("wrong"), goodbye: file("goodbye") };
        let now = Instant::from_millis(1);
        let (welcome, orders) = Welcome::begin(now, &caller(dialled), Arc::new(prompts));
        assert_eq!(orders, [(1, ApplicationOrder::Answer)]);
        Caller { now, welcome, last: 1 }
    }

    /// What is ordered, in words.
    fn words(&mut self, orders: Orders) -> Vec<String> {
        assert!(orders.len() <= 3, "{orders:?}");
        let word = |(number, order)| {
            assert!(number > self.last, "numbers grow");
            self.last = number;
            match order {
                ApplicationOrder::Play {
                    leg: A,
                    source: AudioSource::File(name),
                    rounds: Some(1),
                } => name.to_string(),
                ApplicationOrder::StopPlaying { leg: A } => "stop".to_owned(),
                ApplicationOrder::HangUp { leg: None, status: 480 } => "bye".to_owned(),
                other => panic!("{other:?}"),
            }
        };
        orders.into_iter().map(word).collect()
    }

    fn news(&mut self, news: &ApplicationNews) -> Vec<String> {
        let orders = self.welcome.handle_news(self.now, news);
        self.words(orders)
    }

    fn answered(&mut self) -> Vec<String> {
        self.news(&ApplicationNews::Answered(A))
    }

    fn played(&mut self) -> Vec<String> {
        let (order, outcome) = (self.last, PlayOutcome::Finished);
        self.news(&ApplicationNews::Played { order, outcome })
    }

    fn press(&mut self, keys: &str) -> Vec<String> {
        let key = |symbol| DtmfKey::from_symbol(symbol).unwrap();
        let all = keys.chars().map(|symbol| {
            self.now += Duration::from_millis(300);
            self.news(&ApplicationNews::Key { leg: A, key: key(symbol) })
        });
        all.flatten().collect()
    }

    /// Time goes by, to the deadline and no further.
    fn wait(&mut self, seconds: u64) -> Vec<String> {
        let at = self.welcome.poll_timeout().expect("a deadline");
        assert_eq!(at, self.now + Duration::from_secs(seconds));
        let early = self.welcome.handle_timeout(self.now);
        assert_eq!(early, [], "not before its time");
        self.now = at;
        let orders = self.welcome.handle_timeout(at);
        self.words(orders)
    }
}

#[test]
fn three_wrong_ids_end_the_call() {
    let mut caller = Caller::new("");
    assert_eq!(caller.answered(), ["welcome"]);
    assert_eq!(caller.played(), [""; 0]);
    assert_eq!(caller.press("4081234567#"), ["wrong"]);
    assert_eq!(caller.played(), ["welcome"]);
    // Keys end a prompt; 13 digits need no hash.
    assert_eq!(caller.press("4081234567890"), ["stop", "wrong"]);
    assert_eq!(caller.press("4081234567"), ["stop"], "during that one too");
    assert_eq!(caller.wait(4), ["goodbye"]);
    assert_eq!(caller.press("1"), [""; 0], "too late");
    assert_eq!(caller.played(), ["bye"]);
    assert!(caller.welcome.is_over() && caller.welcome.poll_timeout().is_none());
}

#[test]
fn a_meeting_that_was_dialled_counts_as_a_try() {
    let mut caller = Caller::new("4081234567");
    assert_eq!(caller.answered(), ["wrong"]);
    assert_eq!(caller.played(), ["welcome"]);
    assert_eq!(caller.played(), [""; 0]);
    assert_eq!(caller.wait(10), ["welcome"], "nothing came");
    assert_eq!(caller.press("*#"), ["stop", "goodbye"]);
    assert_eq!(caller.wait(60), ["bye"], "though nothing is heard of the prompt");
}

#[test]
fn a_star_begins_the_id_anew_and_letters_are_none() {
    let mut caller = Caller::new("");
    caller.answered();
    assert_eq!(caller.press("123456789012*ABCD123456789012"), ["stop"]);
    assert_eq!(caller.press("3"), ["wrong"], "13 since the star");
}

#[test]
fn prompts_that_cannot_be_played_hold_nobody_up() {
    let mut caller = Caller::new("");
    caller.answered();
    for heard in ["welcome", "welcome"] {
        let refused = ApplicationNews::Refused { order: caller.last, why: String::new() };
        assert_eq!(caller.news(&refused), [""; 0]);
        assert_eq!(caller.wait(10), [heard]);
    }
    let refused = ApplicationNews::Refused { order: caller.last, why: String::new() };
    caller.news(&refused);
    assert_eq!(caller.wait(10), ["goodbye"]);
    let refused = ApplicationNews::Refused { order: caller.last, why: String::new() };
    assert_eq!(caller.news(&refused), ["bye"]);
}

#[test]
fn who_hangs_up_is_forgotten_and_who_never_acknowledges_is_let_go() {
    let mut caller = Caller::new("");
    caller.answered();
    let gone = ApplicationNews::HungUp { leg: A, ordered: false, status: 200 };
    assert_eq!(caller.news(&gone), [""; 0]);
    assert!(caller.welcome.is_over());
    let mut caller = Caller::new("");
    assert_eq!(caller.wait(60), ["bye"]);
    // An answer that the edge refuses to give ends it at once.
    let mut caller = Caller::new("");
    assert_eq!(caller.news(&ApplicationNews::Refused { order: 1, why: String::new() }), ["bye"]);
}
