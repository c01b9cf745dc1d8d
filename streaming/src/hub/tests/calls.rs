use super::super::calls::Calls;
use super::world::{
    BEGAN, OGG, Stream, Told, VIDEO, WAV, World, frames, listened, millis, openers, ordered, others,
};
use call_audio::ConsumerEnd;
use model::{LegSide, ListenFailure, ListenedUpdate};
use relay_core::{ListenNews, RefusedStream};
use std::sync::{Arc, Mutex};

const A: LegSide = LegSide::A;
const B: LegSide = LegSide::B;

#[test]
fn both_legs_are_heard_beside_each_other_until_the_stream_ends() {
    let mut world = World::new(10);
    let mut stream = Stream::new(1);
    world.calls.hear(stream.listen(1, millis(1_000), &[WAV]), millis(1_000));
    stream.speak(&mut world.calls, 1_000, 50);
    assert_eq!(world.statistics().calls, 1);
    assert_eq!((world.statistics().channels, world.statistics().listeners), (2, 1));
    drop(stream);
    world.turns(1_980, 4_000);
    assert_eq!(others(&world.wav), [Told::Opened([true; 2]), Told::Ended(ConsumerEnd::Ended)]);
    // A turn later it is seen that the stream has ended.
    assert_eq!(frames(&world.wav, A), (1..=50).chain([0]).collect::<Vec<i16>>());
    assert_eq!(frames(&world.wav, B), (-50..=0).rev().skip(1).chain([0]).collect::<Vec<_>>());
    // One frame of each in turn.
    let sides = world
        .wav
        .lock()
        .unwrap()
        .iter()
        .filter_map(|told| match told {
            Told::Frame(side, ..) => Some(*side),
            _ => None,
        })
        .collect::<Vec<_>>();
    assert!(sides.chunks(2).all(|pair| pair == [A, B]));
    let statistics = world.statistics();
    assert_eq!((statistics.frames, statistics.samples), (102, 102 * 160));
    assert_eq!((statistics.packets, statistics.missing_samples), (100, 2 * 160));
    assert_eq!((statistics.calls, statistics.channels, statistics.listeners), (0, 0, 0));
    assert_eq!((statistics.streams, statistics.refused, statistics.lost_packets), (1, 0, 0));
}

#[test]
fn two_streams_of_one_transaction_are_one_call() {
    let mut world = World::new(10);
    let (mut first, mut second) = (Stream::new(1), Stream::new(2));
    world.calls.hear(first.listen_to(7, millis(0), &[WAV], [Some(A), None]), millis(1));
    world.calls.hear(second.listen_to(7, millis(15), &[WAV], [Some(B), None]), millis(16));
    for n in 0..50 {
        first.send(A, millis(n * 20), 5);
        second.send(A, millis(n * 20 + 5), 6);
        // The other leg is nobody's channel.
        second.send(B, millis(n * 20 + 5), 7);
        world.calls.turn(millis(n * 20 + 10));
    }
    world.calls.stop(millis(990));
    let stopping = Told::Ended(ConsumerEnd::Stopping);
    assert_eq!(others(&world.wav), [Told::Opened([true; 2]), stopping]);
    let [a, b] = [A, B].map(|side| frames(&world.wav, side));
    assert_eq!((a.len(), b.len()), (51, 51));
    assert!(a[..50].iter().all(|value| *value == 5));
    // Its second packet is the first that came after listening to it began.
    assert!(b[2..50].iter().all(|value| *value == 6), "{b:?}");
}

#[test]
fn a_channel_that_comes_later_joins_at_its_place() {
    let mut world = World::new(10);
    let (mut first, mut second) = (Stream::new(1), Stream::new(2));
    world.calls.hear(first.listen_to(7, millis(0), &[WAV], [Some(A), None]), millis(0));
    for n in 0..100_u64 {
        if n == 50 {
            let news = second.listen_to(7, millis(1_000), &[WAV], [Some(B), None]);
            world.calls.hear(news, millis(1_000));
        }
        first.send(A, millis(n * 20), 5);
        second.send(A, millis(n * 20), 6);
        world.calls.turn(millis(n * 20));
    }
    world.calls.stop(millis(1_980));
    let expected =
        [Told::Opened([true, false]), Told::Joined(B), Told::Ended(ConsumerEnd::Stopping)];
    assert_eq!(others(&world.wav), expected);
    assert_eq!(frames(&world.wav, A), [5; 100]);
    assert_eq!(frames(&world.wav, B), [6; 50]);
    let begins = world.wav.lock().unwrap().iter().find_map(|told| match told {
        Told::Frame(B, at, ..) => Some(*at),
        _ => None,
    });
    assert_eq!(begins, Some(8_000));
}

#[test]
fn listeners_come_and_go_in_mid_call() {
    let mut world = World::new(10);
    let mut stream = Stream::new(1);
    world.calls.hear(stream.listen(1, millis(0), &[WAV]), millis(0));
    stream.speak(&mut world.calls, 0, 50);
    // The order said again, for others.
    world.calls.hear(stream.listen(1, millis(1_000), &[WAV, OGG]), millis(1_000));
    stream.speak(&mut world.calls, 1_000, 50);
    world.calls.hear(stream.listen(1, millis(2_000), &[OGG]), millis(2_000));
    stream.speak(&mut world.calls, 2_000, 50);
    drop(stream);
    world.turns(2_980, 5_000);
    let expected = [Told::Opened([true; 2]), Told::Ended(ConsumerEnd::Ended)];
    assert_eq!(others(&world.wav), expected);
    assert_eq!(others(&world.ogg), expected);
    // Nothing is lost where a ring takes another's place.
    let once: Vec<i16> = (1..=50).collect();
    let until = |frames: usize| once.iter().cycle().take(frames).copied().collect::<Vec<_>>();
    assert_eq!(frames(&world.wav, A), until(100 - 6));
    assert_eq!(frames(&world.ogg, A), [&until(150)[50 - 6..], &[0]].concat());
    assert_eq!(world.statistics().missing_samples, 2 * 160);
}

#[test]
fn a_change_of_the_call_is_told() {
    let mut world = World::new(10);
    let mut stream = Stream::new(1);
    world.calls.hear(stream.listen(1, millis(0), &[WAV]), millis(0));
    let update =
        ListenedUpdate { siprec_metadata: Some("<recording/>".into()), headers: Vec::new() };
    for call in [1, 2] {
        let transaction_id = listened(call).transaction_id;
        let news = ListenNews::Update { transaction_id, update: Box::new(update.clone()) };
        world.calls.hear(news, millis(10));
    }
    assert_eq!(others(&world.wav), [Told::Opened([true; 2]), Told::Update(update)]);
}

#[test]
fn a_call_goes_on_with_another_stream_within_two_seconds() {
    for (pause, calls) in [(1_900_u64, 1), (2_100, 2)] {
        let mut world = World::new(10);
        let mut stream = Stream::new(1);
        world.calls.hear(stream.listen(1, millis(0), &[WAV]), millis(0));
        stream.speak(&mut world.calls, 0, 50);
        drop(stream);
        world.turns(1_000, 1_000 + pause);
        let again = 1_000 + pause;
        let mut stream = Stream::new(9);
        world.calls.hear(stream.listen(1, millis(again), &[WAV]), millis(again));
        stream.speak(&mut world.calls, again, 50);
        world.calls.stop(millis(again + 980));
        let opened = |told: &&Told| matches!(told, Told::Opened(_));
        assert_eq!(others(&world.wav).iter().filter(opened).count(), calls, "{pause}");
        if calls == 1 {
            let heard = frames(&world.wav, A);
            assert_eq!(heard.len() as u64, (again + 1_000) / 20);
            assert_eq!(heard.iter().filter(|value| **value == 0).count() as u64, pause / 20);
        }
    }
}

#[test]
fn a_recording_for_an_application_ends_with_its_stream_and_others_wait() {
    let mut world = World::new(10);
    let mut stream = Stream::new(1);
    world.calls.hear(stream.listen(1, millis(0), &[WAV, ordered()]), millis(0));
    stream.speak(&mut world.calls, 0, 50);
    drop(stream);
    world.turns(1_000, 1_240);
    let ended = Told::Ended(ConsumerEnd::Ended);
    assert_eq!(others(&world.ordered), [Told::Opened([true; 2]), ended]);
    assert_eq!(frames(&world.ordered, A)[..50], (1..=50).collect::<Vec<i16>>());
    assert_eq!(others(&world.wav), [Told::Opened([true; 2])]);
    // Another stream comes: whoever waited for it hears it without a hole.
    let mut stream = Stream::new(9);
    world.calls.hear(stream.listen(1, millis(1_500), &[WAV]), millis(1_500));
    stream.speak(&mut world.calls, 1_500, 50);
    world.calls.stop(millis(2_480));
    assert_eq!(frames(&world.wav, A).len(), 2_500 / 20);
    assert_eq!(others(&world.ordered).len(), 2);
}

#[test]
fn who_comes_after_a_silence_does_not_hear_it_and_who_goes_has_gone_before_it() {
    for (again, after) in [(2_500_u64, &[OGG][..]), (2_500, &[WAV, OGG]), (1_060, &[OGG])] {
        let mut world = World::new(10);
        let mut stream = Stream::new(1);
        world.calls.hear(stream.listen(1, millis(0), &[WAV]), millis(0));
        stream.speak(&mut world.calls, 0, 50);
        drop(stream);
        world.turns(1_000, again);
        let mut stream = Stream::new(9);
        world.calls.hear(stream.listen(1, millis(again), after), millis(again));
        stream.speak(&mut world.calls, again, 50);
        world.calls.stop(millis(again + 980));
        // Of before it hears no more than what was not due yet.
        let heard = frames(&world.ogg, A);
        assert_eq!(heard[heard.len() - 50..], (1..=50).collect::<Vec<i16>>());
        assert!(heard.len() <= 56, "{} frames", heard.len());
        let heard = frames(&world.wav, A);
        let goes_on = after.contains(&WAV);
        let expected = if goes_on { (again + 1_000) / 20 } else { 50 };
        // One that ends while its last words are not due yet loses them, as with any order.
        let least = if again == 1_060 { 46 } else { expected };
        assert!((least..=expected + 2).contains(&(heard.len() as u64)), "{} frames", heard.len());
        assert!(goes_on || others(&world.wav).contains(&Told::Ended(ConsumerEnd::Ended)));
    }
}

#[test]
fn a_thread_that_comes_late_hears_all_that_its_rings_hold() {
    let mut world = World::new(10);
    let mut stream = Stream::new(1);
    world.calls.hear(stream.listen(1, millis(0), &[WAV]), millis(0));
    for n in 0..50_u64 {
        stream.send(A, millis(n * 20), 3);
        stream.send(B, millis(n * 20), 4);
    }
    world.calls.turn(millis(5_000));
    world.calls.stop(millis(5_000));
    let [a, b] = [A, B].map(|side| frames(&world.wav, side));
    assert_eq!((a.len(), b.len()), (251, 251));
    assert!(a[..50].iter().all(|value| *value == 3) && b[..50].iter().all(|value| *value == 4));
    assert_eq!(world.statistics().lost_packets, 0);
    // What finds no room there is lost and counted, and the rest stands where it belongs.
    let mut world = World::new(10);
    let mut stream = Stream::new(1);
    world.calls.hear(stream.listen(1, millis(0), &[WAV]), millis(0));
    for n in 0..500_u64 {
        stream.send(A, millis(n * 20), 3);
    }
    world.calls.turn(millis(9_980));
    stream.send(A, millis(10_000), 4);
    world.calls.stop(millis(10_000));
    let a = frames(&world.wav, A);
    assert_eq!((a.len(), a[500]), (501, 4));
    let lost = world.statistics().lost_packets;
    assert!((200..350).contains(&lost), "{lost}");
    assert_eq!(world.statistics().packets + lost, 501);
}

#[test]
fn a_listener_that_fails_fails_alone() {
    let mut world = World::new(10);
    let (mut bad, mut good) = (Stream::new(1), Stream::new(2));
    world.calls.hear(bad.listen(1, millis(0), &[OGG]), millis(0));
    world.calls.hear(good.listen(2, millis(0), &[WAV]), millis(0));
    bad.send(A, millis(0), 666);
    for n in 0..20 {
        good.send(A, millis(n * 20), 5);
        world.calls.turn(millis(n * 20));
    }
    world.calls.stop(millis(380));
    assert_eq!(world.statistics().failed_listeners, 1);
    assert_eq!(others(&world.ogg), [Told::Opened([true; 2])]);
    assert_eq!(frames(&world.wav, A), [5; 20]);
}

#[test]
fn of_what_is_refused_somebody_is_told_once_each() {
    let told: Arc<Mutex<Vec<(u128, usize, String)>>> = Arc::default();
    let mut openers = openers(Default::default());
    let tell = Arc::clone(&told);
    openers.refused = Some(Box::new(move |listeners, opening, reason| {
        assert_eq!((listeners, opening.began), (&[WAV][..], BEGAN));
        let call = [1, 2].into_iter().find(|call| *opening.call == listened(*call)).unwrap();
        let channels = opening.channels.iter().flatten().count();
        tell.lock().unwrap().push((call, channels, reason.to_owned()));
    }));
    let mut calls = Calls::new(1, Arc::new(openers), Arc::default());
    let mut streams = [1, 2].map(Stream::new);
    calls.hear(streams[0].listen(1, millis(0), &[WAV]), millis(0));
    assert_eq!(told.lock().unwrap()[..], []);
    let second = streams[1].listen_to(2, millis(0), &[WAV], [None, Some(B)]);
    calls.hear(second, millis(0));
    let ListenNews::Stream(ordered) = streams[1].listen(2, millis(0), &[WAV]) else { panic!() };
    let (failure, at) = (ListenFailure::TooMany, BEGAN);
    let refused = RefusedStream { listening: ordered.listening, failure, at };
    calls.hear(ListenNews::Refused(Box::new(refused)), millis(0));
    let told = told.lock().unwrap();
    let [(2, 1, full), (2, 2, relay)] = &told[..] else { panic!("{told:?}") };
    assert!(full.contains("[streaming] max_calls"), "{full}");
    assert!(relay.contains("[media] max_listened_streams"), "{relay}");
}

#[test]
fn what_there_is_no_room_or_no_way_for_is_refused_and_counted() {
    let mut world = World::new(1);
    let mut streams: Vec<Stream> = (1..8).map(Stream::new).collect();
    let mut hear = |world: &mut World, at: usize, call, listeners: &[_], sides| {
        let news = streams[at].listen_to(call, millis(0), listeners, sides);
        world.calls.hear(news, millis(0));
    };
    // Nobody's channel.
    hear(&mut world, 0, 1, &[WAV], [None, None]);
    assert_eq!((world.statistics().refused, world.calls.is_empty()), (1, true));
    hear(&mut world, 0, 1, &[WAV, VIDEO], [Some(A), Some(B)]);
    // Another call than the one there is room for.
    hear(&mut world, 1, 2, &[WAV], [Some(A), Some(B)]);
    assert_eq!(world.statistics().refused, 2);
    // More streams than a call has.
    for at in 1..7 {
        hear(&mut world, at, 1, &[WAV], [Some(B), None]);
    }
    assert_eq!(world.statistics().refused, 5);
    world.turns(0, 200);
    let statistics = world.statistics();
    assert_eq!((statistics.unopened, statistics.listeners, statistics.calls), (1, 1, 1));
    assert_eq!(statistics.streams, 9);
}

#[test]
fn a_call_of_a_moment_is_told_of_too() {
    let mut world = World::new(1);
    let mut stream = Stream::new(1);
    world.calls.hear(stream.listen(1, millis(0), &[WAV]), millis(0));
    stream.send(A, millis(0), 8);
    drop(stream);
    world.turns(20, 2_040);
    assert_eq!(others(&world.wav), [Told::Opened([true; 2]), Told::Ended(ConsumerEnd::Ended)]);
    assert_eq!(frames(&world.wav, A), [8, 0]);
}
