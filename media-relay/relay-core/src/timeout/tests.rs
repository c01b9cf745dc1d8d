use super::*;
use crate::LearningPolicy;
use model::{LegPlan, LegSecurity, MediaId, MediaPlan, TransactionId};

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn plan(sending: [bool; 2], one: Option<u64>, both: Option<u64>) -> MediaPlan {
    let leg = |accepts_from| LegPlan {
        remote_rtp: None,
        remote_rtcp: None,
        signalling_source: None,
        rtcp_mux: true,
        accepts_from,
        sends_to: true,
        relearn: false,
        codecs: Vec::new(),
        telephone_event: None,
        security: LegSecurity::Plain,
        ice: None,
        xr: model::XrWishes::default(),
    };
    let limit = |seconds: Option<u64>| seconds.map(Duration::from_secs);
    let timeouts = MediaTimeouts { one: limit(one), both: limit(both) };
    MediaPlan { timeouts, ..MediaPlan::rtp(sending.map(leg)) }
}

fn session(plan: &MediaPlan) -> RtpSession {
    let id = TransactionId::from_random(1);
    let mut session = RtpSession::new(MediaId(1), id, at(0), LearningPolicy::default());
    session.apply(plan, at(0));
    session
}

fn hear(session: &mut RtpSession, leg: LegSide, seconds: u64) {
    session.legs[leg.index()].note_heard(at(seconds));
}

#[test]
fn without_limits_silence_is_never_told() {
    let mut session = session(&plan([true, true], None, None));
    assert_eq!(session.timeout_deadline(), None);
    assert_eq!(session.poll_timeout(at(1_000_000)), None);
}

#[test]
fn both_counts_from_the_last_word_of_either_and_is_said_again() {
    let mut session = session(&plan([true, true], None, Some(60)));
    hear(&mut session, LegSide::A, 10);
    hear(&mut session, LegSide::B, 25);
    assert_eq!(session.timeout_deadline(), Some(at(85)));
    assert_eq!(session.poll_timeout(at(84)), None);
    let told = TimedOut { leg: None, silent_for: 60 * SECOND };
    assert_eq!(session.poll_timeout(at(85)), Some(told));
    assert_eq!(session.poll_timeout(at(94)), None);
    assert_eq!(session.timeout_deadline(), Some(at(95)));
    let told = TimedOut { leg: None, silent_for: 70 * SECOND };
    assert_eq!(session.poll_timeout(at(95)), Some(told));
    hear(&mut session, LegSide::A, 96);
    assert_eq!(session.poll_timeout(at(120)), None);
    assert_eq!(session.timeout_deadline(), Some(at(156)));
}

#[test]
fn one_counts_for_each_leg_by_itself() {
    let mut session = session(&plan([true, true], Some(30), Some(60)));
    hear(&mut session, LegSide::A, 20);
    hear(&mut session, LegSide::B, 5);
    assert_eq!(session.poll_timeout(at(34)), None);
    let told = TimedOut { leg: Some(LegSide::B), silent_for: 30 * SECOND };
    assert_eq!(session.poll_timeout(at(35)), Some(told));
}

#[test]
fn a_leg_that_must_not_send_is_not_missed() {
    let mut held = session(&plan([false, false], Some(30), Some(60)));
    assert_eq!(held.poll_timeout(at(1_000)), None);
    let mut listening = session(&plan([true, false], Some(30), None));
    hear(&mut listening, LegSide::A, 990);
    assert_eq!(listening.poll_timeout(at(1_000)), None);
    // With one leg that should send, it is all of them.
    let mut announcement = session(&plan([true, false], None, Some(60)));
    let told = TimedOut { leg: None, silent_for: 60 * SECOND };
    assert_eq!(announcement.poll_timeout(at(60)), Some(told));
}

#[test]
fn silence_before_the_limits_were_set_does_not_count() {
    let mut session = session(&plan([true, true], None, None));
    session.apply(&plan([true, true], None, Some(60)), at(200));
    assert_eq!(session.poll_timeout(at(259)), None);
    // The same limits again, as a re-INVITE brings them, begin nothing anew.
    session.apply(&plan([true, true], None, Some(60)), at(250));
    assert!(session.poll_timeout(at(260)).is_some());
}

#[test]
fn a_resumed_leg_has_the_whole_time_again() {
    let mut session = session(&plan([false, false], None, Some(60)));
    session.apply(&plan([true, true], None, Some(60)), at(300));
    assert_eq!(session.poll_timeout(at(359)), None);
    assert!(session.poll_timeout(at(360)).is_some());
}
