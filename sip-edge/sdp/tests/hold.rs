//! Directions through the B2BUA: RFC 3264 sections 5.1, 6.1 and 8.4.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use sdp::{Direction, Role};
use support::{anchored, audio, towards_a, towards_b};

const V4: &str = "IP4 192.0.2.10";

fn with(direction: Direction) -> sdp::SessionDescription {
    audio(V4, &format!("a={}\n", direction.as_str()))
}

/// RFC 3264 section 6.1 in its own words, one row for each direction of the offer.
fn legal_answers(offer: Direction) -> &'static [Direction] {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    match offer {
        SendOnly => &[RecvOnly, Inactive],
        RecvOnly => &[SendOnly, Inactive],
        SendRecv => &[SendRecv, SendOnly, RecvOnly, Inactive],
        Inactive => &[Inactive],
    }
}

#[test]
fn every_direction_of_an_offer_reaches_the_far_end() {
    for direction in Direction::ALL {
        let sent = anchored(&with(direction), &towards_b(), Role::Offer).expect("anchored");
        assert_eq!(sent.audio().expect("audio").direction, direction);
        assert!(sent.audio().expect("audio").remote_rtp.is_some());
    }
}

#[test]
fn a_legal_answer_passes_and_an_illegal_one_is_narrowed() {
    for offered in Direction::ALL {
        for answered in Direction::ALL {
            let role = Role::Answer { to: &with(offered), at: None };
            let sent = anchored(&with(answered), &towards_a(), role).expect("anchored");
            let written = sent.audio().expect("audio").direction;
            let legal = legal_answers(offered);
            assert!(legal.contains(&written), "{offered:?} answered {written:?}");
            assert_eq!(answered.answers(offered), legal.contains(&answered));
            if legal.contains(&answered) {
                assert_eq!(written, answered);
            }
            // Narrowing never adds what the answerer did not want.
            assert!(answered.sends() || !written.sends());
            assert!(answered.receives() || !written.receives());
        }
    }
}

#[test]
fn sendrecv_in_answer_to_sendonly_becomes_recvonly() {
    let role = Role::Answer { to: &with(Direction::SendOnly), at: None };
    let sent = anchored(&with(Direction::SendRecv), &towards_a(), role).expect("anchored");
    assert_eq!(sent.audio().expect("audio").direction, Direction::RecvOnly);
}

#[test]
fn a_hold_by_address_becomes_a_hold_by_direction_at_our_address() {
    let cases = [
        (Direction::SendRecv, Direction::SendOnly),
        (Direction::SendOnly, Direction::SendOnly),
        (Direction::RecvOnly, Direction::Inactive),
        (Direction::Inactive, Direction::Inactive),
    ];
    for connection in ["IP4 0.0.0.0", "IP6 ::", "IP6 ::ffff:0.0.0.0", "IP6 hold.invalid"] {
        for (sent, expected) in cases {
            let held = audio(connection, &format!("a={}\n", sent.as_str()));
            let stream = held.audio().expect("audio");
            assert!(stream.held && stream.remote_rtp.is_none() && stream.remote_rtcp.is_none());
            let offer = anchored(&held, &towards_b(), Role::Offer).expect("anchored");
            let offered = offer.audio().expect("audio");
            assert_eq!(offered.direction, expected, "{connection} {sent:?}");
            assert_eq!(offered.remote_rtp, Some(towards_b().rtp));
        }
    }
}

#[test]
fn a_session_level_direction_holds_for_the_stream_unless_it_has_its_own() {
    let held = support::text(
        "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\na=inactive\n\
         m=audio 4000 RTP/AVP 0\n",
    );
    assert_eq!(held.audio().expect("audio").direction, Direction::Inactive);
    let sent = anchored(&held, &towards_b(), Role::Offer).expect("anchored");
    let written = String::from_utf8(sent.write()).expect("text");
    assert!(written.ends_with("m=audio 20002 RTP/AVP 0\r\na=inactive\r\n"), "{written}");
    assert_eq!(written.matches("a=inactive").count(), 1);

    let own = support::text(
        "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\na=inactive\n\
         m=audio 4000 RTP/AVP 0\na=recvonly\na=sendonly\n",
    );
    assert_eq!(own.audio().expect("audio").direction, Direction::RecvOnly);
}

#[test]
fn direction_algebra() {
    for a in Direction::ALL {
        assert_eq!(a.reversed().reversed(), a);
        assert_eq!(Direction::of(a.sends(), a.receives()), a);
        assert_eq!(Direction::from_attribute(&a.as_str().to_uppercase()), Some(a));
        for b in Direction::ALL {
            assert_eq!(a.intersect(b), b.intersect(a));
            assert!(Direction::answer(a, b).answers(a));
        }
    }
    assert_eq!(Direction::from_attribute("send"), None);
}
