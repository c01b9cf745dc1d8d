use super::*;
use room_core::MediaCapability::{Receive, SendReceive};

fn ears() -> Ears {
    Ears::new(TransactionId::from_random(1))
}

fn clip(name: &str) -> AudioSource {
    AudioSource::File(name.into())
}

fn meeting(bits: u64) -> (MeetingId, ConferenceId) {
    (MeetingId::draw(&mut || bits), ConferenceId(bits))
}

/// Orders in short: their numbers, and what is played or done.
fn orders(ears: &mut Ears) -> Vec<(u32, String)> {
    let told = |order| match order {
        ApplicationOrder::Play { source: AudioSource::File(name), rounds, .. } => {
            format!("{} {name}", if rounds.is_some() { "once" } else { "on and on" })
        }
        ApplicationOrder::StopPlaying { .. } => "quiet".to_owned(),
        ApplicationOrder::Sit { seat } => {
            format!("sit {}{}", seat.conference.0, if seat.is_muted { " muted" } else { "" })
        }
        ApplicationOrder::StandUp => "stand up".to_owned(),
        ApplicationOrder::RecordConference(recording) => {
            format!("record {}", recording.map_or("nothing".into(), |it| it.meeting))
        }
        other => panic!("{other:?}"),
    };
    ears.take_orders().into_iter().map(|(number, order)| (number, told(order))).collect()
}

fn said(ears: &mut Ears) -> Vec<String> {
    orders(ears).into_iter().map(|(_, order)| order).collect()
}

#[test]
fn words_are_heard_one_after_the_other_and_end_once() {
    let mut ears = ears();
    ears.play(7, vec![clip("a"), clip("b")]);
    assert_eq!(orders(&mut ears), [(1, "once a".into())]);
    ears.handle_played(9);
    assert_eq!(said(&mut ears), [""; 0], "another one's end");
    ears.handle_played(1);
    assert_eq!(orders(&mut ears), [(2, "once b".into())]);
    assert_eq!(ears.take_ended().count(), 0);
    ears.handle_played(2);
    ears.handle_played(2);
    assert_eq!(ears.take_ended().collect::<Vec<_>>(), [7]);
    assert_eq!(said(&mut ears), [""; 0]);
}

#[test]
fn new_words_replace_those_before_which_do_not_end() {
    let mut ears = ears();
    ears.play(1, vec![clip("a"), clip("b")]);
    ears.play(2, vec![clip("c")]);
    assert_eq!(said(&mut ears), ["once a", "once c"]);
    // The end of what was replaced, which the relay had told already.
    ears.handle_played(1);
    ears.handle_played(2);
    assert_eq!(ears.take_ended().collect::<Vec<_>>(), [2]);
    // Words that nobody can hear silence what is heard, and end at once.
    ears.play(3, vec![clip("d")]);
    ears.play(4, Vec::new());
    assert_eq!(said(&mut ears), ["once d", "quiet"]);
    assert_eq!(ears.take_ended().collect::<Vec<_>>(), [4]);
    ears.play(5, vec![clip("e")]);
    ears.stop();
    assert_eq!(said(&mut ears), ["once e", "quiet"]);
    assert_eq!(ears.take_ended().count(), 0);
    ears.stop();
    assert_eq!(said(&mut ears), [""; 0]);
}

#[test]
fn music_goes_on_after_words() {
    let mut ears = ears();
    ears.play(1, vec![clip("a")]);
    ears.start_music(clip("music"));
    assert_eq!(said(&mut ears), ["once a"]);
    ears.handle_played(1);
    assert_eq!(said(&mut ears), ["on and on music"]);
    ears.play(2, vec![clip("b")]);
    ears.stop();
    assert_eq!(said(&mut ears), ["once b", "on and on music"]);
    ears.stop_music();
    ears.stop_music();
    assert_eq!(said(&mut ears), ["quiet"]);
    // Words outlive the music.
    ears.start_music(clip("music"));
    ears.play(3, vec![clip("c")]);
    ears.stop_music();
    assert_eq!(said(&mut ears), ["on and on music", "once c"]);
}

#[test]
fn announcements_wait_for_words_and_are_bounded() {
    let mut ears = ears();
    ears.announce(&[clip("tone")]);
    assert_eq!(orders(&mut ears), [(1, "once tone".into())]);
    ears.handle_played(1);
    assert_eq!(ears.take_ended().count(), 0, "nobody waits for its end");
    ears.play(5, vec![clip("a")]);
    for _ in 0..10_000 {
        ears.announce(&[clip("x"), clip("y")]);
    }
    let mut heard = 0;
    let mut next = orders(&mut ears);
    while let Some((number, _)) = next.pop() {
        heard += 1;
        ears.handle_played(number);
        next = orders(&mut ears);
    }
    assert!((300..=LINE + 1).contains(&heard), "{heard}");
    assert_eq!(ears.take_ended().collect::<Vec<_>>(), [5]);
}

#[test]
fn a_seat_is_muted_by_the_room_and_by_what_is_allowed() {
    let mut ears = ears();
    ears.mute(true);
    assert_eq!(said(&mut ears), [""; 0], "it is in no meeting");
    ears.join(meeting(3), false, SendReceive);
    assert_eq!(orders(&mut ears), [(1, "sit 3".into())]);
    assert!(ears.is_in(meeting(3).0) && !ears.is_in(meeting(4).0));
    ears.mute(true);
    ears.allow(Receive);
    ears.mute(false);
    ears.allow(SendReceive);
    let all = ["sit 3 muted", "sit 3 muted", "sit 3 muted", "sit 3"];
    assert_eq!(said(&mut ears), all);
    assert!(ears.is_seat(5) && !ears.is_seat(4));
    ears.leave();
    ears.leave();
    assert_eq!(said(&mut ears), ["stand up"]);
    assert!(!ears.is_seat(5) && !ears.is_in(meeting(3).0));
}
