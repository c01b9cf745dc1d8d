use super::*;
use room_core::MediaCapability;
use room_core::MediaCapability::{Receive, Send, SendReceive};

fn ears() -> Ears {
    Ears::new(TransactionId::from_random(1), Language::english())
}

fn clip(name: &str) -> AudioSource {
    AudioSource::File(name.into())
}

fn meeting(bits: u64) -> (MeetingId, ConferenceId) {
    (MeetingId::draw(&mut || bits), ConferenceId(bits))
}

fn may(audio: MediaCapability) -> Capabilities {
    Capabilities { audio, video: SendReceive, content: SendReceive }
}

/// Orders in short: their numbers, and what is played or done.
fn orders(ears: &mut Ears) -> Vec<(u32, String)> {
    let told = |order| match order {
        ApplicationOrder::Play { source: AudioSource::File(name), rounds, .. } => {
            format!("{} {name}", if rounds.is_some() { "once" } else { "on and on" })
        }
        ApplicationOrder::StopPlaying { .. } => "quiet".to_owned(),
        ApplicationOrder::Sit { seat, shown } => {
            let said = [
                (seat.is_muted, " muted"),
                (!shown.camera, " unseen"),
                (shown.slides, " presents"),
                (shown.withheld.cameras, " without faces"),
                (shown.withheld.slides, " without slides"),
            ];
            let said = said.iter().filter(|(is_so, _)| *is_so).map(|(_, word)| *word);
            format!("sit {}{}", seat.conference.0, said.collect::<String>())
        }
        ApplicationOrder::StandUp => "stand up".to_owned(),
        ApplicationOrder::Announce { source: AudioSource::File(name), except: None } => {
            format!("everybody {name}")
        }
        ApplicationOrder::Announce { source: AudioSource::File(name), except } => {
            format!("all but {} {name}", except.unwrap().0)
        }
        ApplicationOrder::RecordUtterance { longest: Some(longest) } => {
            format!("keep {longest:?}")
        }
        ApplicationOrder::RecordUtterance { longest: None } => "keep no more".to_owned(),
        ApplicationOrder::RecordConference(recording) => match recording {
            ConferenceRecordingOrder::Record(it) => format!("record {}", it.meeting),
            ConferenceRecordingOrder::Stop(id) => format!("record {} no more", id.0),
        },
        ApplicationOrder::LayOut { name, layout } => format!("{name} sees {layout:?}"),
        other => panic!("{other:?}"),
    };
    ears.take_orders().into_iter().map(|(number, order)| (number, told(order))).collect()
}

fn said(ears: &mut Ears) -> Vec<String> {
    orders(ears).into_iter().map(|(_, order)| order).collect()
}

#[test]
fn what_it_sees_is_told_once() {
    use PictureLayout::{Grid, Speaker};
    let mut ears = ears();
    ears.lay_out(None, Speaker);
    assert_eq!(said(&mut ears), [""; 0], "as it is");
    ears.lay_out(Some("Huddle room".into()), Grid);
    ears.lay_out(Some("Huddle room".into()), Grid);
    ears.lay_out(None, Grid);
    assert_eq!(said(&mut ears), ["Huddle room sees Grid"]);
    ears.lay_out(None, Speaker);
    assert_eq!(said(&mut ears), ["Huddle room sees Speaker"]);
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
fn announcements_are_the_mixers_and_leave_the_callers_own_words_alone() {
    let mut ears = ears();
    ears.join(meeting(3), false, may(SendReceive));
    assert_eq!(orders(&mut ears), [(1, "sit 3".into())]);
    ears.handle_seated(7);
    assert!(!ears.is_seated(), "of another order");
    ears.handle_seated(1);
    assert!(ears.is_seated());
    ears.play(5, vec![clip("a")]);
    assert_eq!(orders(&mut ears), [(2, "once a".into())]);
    ears.announce(vec![clip("x"), clip("y")], None);
    assert_eq!(said(&mut ears), ["everybody x", "everybody y"]);
    ears.handle_played(2);
    assert_eq!(ears.take_ended().collect::<Vec<_>>(), [5]);
    ears.leave();
    assert!(!ears.is_seated());
}

#[test]
fn a_seat_is_muted_by_the_room_and_by_what_is_allowed() {
    let mut ears = ears();
    ears.mute(true);
    assert_eq!(said(&mut ears), [""; 0], "it is in no meeting");
    ears.join(meeting(3), false, may(SendReceive));
    assert_eq!(orders(&mut ears), [(1, "sit 3".into())]);
    assert!(ears.is_in(meeting(3).0) && !ears.is_in(meeting(4).0));
    ears.mute(true);
    ears.allow(may(Receive));
    ears.mute(false);
    ears.allow(may(SendReceive));
    let all = ["sit 3 muted", "sit 3 muted", "sit 3 muted", "sit 3"];
    assert_eq!(said(&mut ears), all);
    assert!(ears.is_seat(5) && !ears.is_seat(4));
    ears.leave();
    ears.leave();
    assert_eq!(said(&mut ears), ["stand up"]);
    assert!(!ears.is_seat(5) && !ears.is_in(meeting(3).0));
}

#[test]
fn who_may_not_receive_pictures_is_shown_none() {
    let mut ears = ears();
    let all = may(SendReceive);
    ears.join(meeting(3), false, Capabilities { video: Send, ..all });
    ears.allow(Capabilities { video: MediaCapability::None, content: Send, ..all });
    ears.allow(Capabilities { video: Receive, ..all });
    let expected =
        ["sit 3 without faces", "sit 3 unseen without faces without slides", "sit 3 unseen"];
    assert_eq!(said(&mut ears), expected);
}

#[test]
fn a_camera_is_seen_as_far_as_it_may_send_and_slides_of_who_has_the_floor() {
    let mut ears = ears();
    let all = may(SendReceive);
    ears.present(meeting(3).0, true);
    ears.join(meeting(3), false, all);
    ears.present(meeting(4).0, true);
    assert_eq!(said(&mut ears), ["sit 3"], "a floor of another meeting, or before it was there");
    ears.allow(Capabilities { video: Receive, ..all });
    ears.present(meeting(3).0, true);
    ears.allow(all);
    ears.allow(Capabilities { content: Receive, ..all });
    ears.present(meeting(3).0, false);
    ears.allow(all);
    let expected =
        ["sit 3 unseen", "sit 3 unseen presents", "sit 3 presents", "sit 3", "sit 3", "sit 3"];
    assert_eq!(said(&mut ears), expected);
}

#[test]
fn a_name_is_said_where_nobody_else_is() {
    let call = TransactionId::from_random(3 << 80 | 9);
    let mut ears = Ears::new(call, Language::english());
    assert!(!ears.end_naming() && !ears.is_naming(0));
    ears.stop_recording_name();
    assert_eq!(said(&mut ears), [""; 0], "nothing is recorded");
    ears.record_name(Duration::from_secs(4));
    let own = (call.as_u128() >> 64) as u64;
    let orders = orders(&mut ears);
    assert_eq!(orders, [(1, format!("sit {own} unseen")), (2, "keep 4s".into())]);
    assert!(ears.is_naming(1) && ears.is_naming(2) && !ears.is_naming(3));
    assert!(!ears.has_place() && !ears.is_seat(1), "it is in no meeting");
    ears.stop_recording_name();
    assert_eq!(said(&mut ears), ["keep no more"]);
    assert!(ears.end_naming() && !ears.end_naming());
    assert_eq!(said(&mut ears), ["stand up"]);
    // Who is let in without a word about its name leaves that place all the same.
    ears.record_name(Duration::from_secs(4));
    ears.start_music(clip("music"));
    let own = format!("sit {own} unseen");
    assert_eq!(said(&mut ears), [&own, "keep 4s", "stand up", "on and on music"]);
    ears.stop_music();
    ears.record_name(Duration::from_secs(4));
    ears.join(meeting(3), false, may(SendReceive));
    assert_eq!(said(&mut ears), ["quiet", &own, "keep 4s", "stand up", "sit 3"]);
    // What it has joined with is not for its own ears.
    ears.announce(vec![clip("name"), clip("joined")], Some(call));
    let but = format!("all but {}", call.as_u128() as u64);
    assert_eq!(said(&mut ears), [format!("{but} name"), format!("{but} joined")]);
}
