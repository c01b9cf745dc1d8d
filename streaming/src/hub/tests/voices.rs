//! Listeners that speak into the calls that they hear.

use super::super::calls::Calls;
use super::super::listeners::Openers;
use super::super::statistics::Counters;
use super::world::{Stream, WAV, millis};
use call_audio::{AudioConsumer, ConsumerEnd, Frame, Opening};
use model::{
    ChannelLayout, Instant, LegSide, ListenedUpdate, Listener, OtherMedia, WebSocketListener,
};
use relay_core::{ListenNews, VoiceReader, VoiceWriter, voice_ring};
use std::sync::{Arc, Mutex};

/// Whose voices were given, with the listener that got them.
type Given = Arc<Mutex<Vec<(Arc<str>, LegSide, VoiceWriter)>>>;

struct Speaker {
    name: Arc<str>,
    given: Given,
}

impl AudioConsumer for Speaker {
    fn audio(&mut self, _frame: &Frame<'_>) {}

    fn update(&mut self, _update: &ListenedUpdate) {}

    fn voice(&mut self, to: LegSide, voice: VoiceWriter) {
        self.given.lock().unwrap().push((Arc::clone(&self.name), to, voice));
    }

    fn end(self: Box<Self>, _end: ConsumerEnd) {}
}

fn calls(given: &Given) -> Calls {
    let given = Arc::clone(given);
    let openers = Openers {
        web_socket: Some(Box::new(move |of: &WebSocketListener, _: &Opening| {
            let (name, given) = (Arc::clone(&of.url), Arc::clone(&given));
            Some(Box::new(Speaker { name, given }))
        })),
        ..Openers::default()
    };
    Calls::new(10, Arc::new(openers), Arc::<Counters>::default())
}

fn socket(url: &str, speaks_to: [bool; 2]) -> Listener {
    Listener::WebSocket(WebSocketListener {
        url: url.into(),
        token: None,
        speaks_to,
        other_media: OtherMedia::Yields,
        layout: ChannelLayout::Stereo,
        message_ms: 20,
        notify: model::NotificationTargets::NONE,
    })
}

/// A stream to both of whose legs somebody may speak, and what these hear.
fn stream(id: u64, now: Instant, listeners: &[Listener]) -> (Stream, ListenNews, [VoiceReader; 2]) {
    let mut stream = Stream::new(id);
    let ListenNews::Stream(mut news) = stream.listen(1, now, listeners) else { panic!("a stream") };
    let ((to_a, a), (to_b, b)) = (voice_ring(8_000), voice_ring(8_000));
    news.voices = [Some(to_a), Some(to_b)];
    (stream, ListenNews::Stream(news), [a, b])
}

#[test]
fn each_leg_is_spoken_to_by_the_first_who_may() {
    let given = Given::default();
    let mut calls = calls(&given);
    let listeners =
        [WAV, socket("deaf", [false; 2]), socket("a", [true, false]), socket("b", [true; 2])];
    let (mut first, news, [mut a, b]) = stream(1, millis(0), &listeners);
    calls.hear(news, millis(0));
    first.speak(&mut calls, 0, 20);
    let names = |given: &Given| {
        let given = given.lock().unwrap();
        given.iter().map(|(name, leg, _)| (name.to_string(), *leg)).collect::<Vec<_>>()
    };
    let one_each = [("a".to_owned(), LegSide::A), ("b".to_owned(), LegSide::B)];
    assert_eq!(names(&given), one_each);
    given.lock().unwrap()[0].2.write(&[7; 160]);
    let mut heard = [0; 160];
    assert_eq!((a.take(&mut heard), heard), (160, [7; 160]));
    assert!(!b.is_closed());
    // The stream that takes its place brings voices of its own, to the same.
    let (_second, news, [c, _d]) = stream(2, millis(400), &listeners);
    drop(first);
    calls.hear(news, millis(400));
    calls.turn(millis(420));
    assert_eq!(names(&given), [one_each.clone(), one_each].concat());
    assert!(!c.is_closed());
}

#[test]
fn a_voice_that_nobody_takes_ends() {
    let given = Given::default();
    let mut calls = calls(&given);
    let (mut stream, news, [a, b]) = stream(1, millis(0), &[WAV, socket("a", [true, false])]);
    calls.hear(news, millis(0));
    stream.speak(&mut calls, 0, 20);
    assert!(!a.is_closed() && b.is_closed());
}
