//! The relay's plan for a leg, from the descriptions that went both ways.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use model::LegPlan;
use sdp::{AudioStream, media_plan_leg};
use support::{audio, text};

const V4: &str = "IP4 192.0.2.10";

fn stream(lines: &str) -> AudioStream {
    audio(V4, lines).audio().expect("audio")
}

fn plan(received: &AudioStream, sent: &AudioStream, previous: Option<&LegPlan>) -> LegPlan {
    media_plan_leg(Some(received), Some(sent), None, previous)
}

#[test]
fn without_descriptions_nothing_passes() {
    let none = media_plan_leg(None, None, None, None);
    assert!(!none.accepts_from && !none.sends_to && !none.relearn && none.codecs.is_empty());
}

#[test]
fn before_the_answer_our_offer_counts() {
    let early = media_plan_leg(None, Some(&stream("a=sendonly\n")), None, None);
    assert!(!early.accepts_from && early.sends_to && early.remote_rtp.is_none());
    let early = media_plan_leg(None, Some(&stream("")), None, None);
    assert!(early.accepts_from && early.sends_to);
    assert_eq!((early.codecs.len(), early.telephone_event), (2, Some(101)));
}

#[test]
fn media_flows_where_both_descriptions_let_it() {
    use sdp::Direction;
    for theirs in Direction::ALL {
        for ours in Direction::ALL {
            let received = stream(&format!("a={}\n", theirs.as_str()));
            let sent = stream(&format!("a={}\n", ours.as_str()));
            let plan = plan(&received, &sent, None);
            assert_eq!(plan.accepts_from, theirs.sends() && ours.receives());
            assert_eq!(plan.sends_to, theirs.receives() && ours.sends());
        }
    }
}

#[test]
fn rtcp_is_multiplexed_when_both_said_so() {
    let (with, without) = (stream("a=rtcp-mux\n"), stream(""));
    for (received, sent, mux) in
        [(&with, &with, true), (&with, &without, false), (&without, &with, false)]
    {
        let plan = plan(received, sent, None);
        assert_eq!(plan.rtcp_mux, mux);
        let port = if mux { 4000 } else { 4001 };
        assert_eq!(plan.remote_rtcp.map(|a| a.port()), Some(port));
    }
}

#[test]
fn learning_opens_again_only_for_another_address() {
    let here = stream("");
    let first = plan(&here, &here, None);
    assert!(first.relearn);
    let again = plan(&here, &here, Some(&first));
    assert!(!again.relearn);
    let hold = plan(&stream("a=sendonly\n"), &stream("a=recvonly\n"), Some(&first));
    assert!(!hold.relearn && !hold.sends_to);
    let moved = audio("IP4 192.0.2.11", "").audio().expect("audio");
    assert!(plan(&moved, &here, Some(&first)).relearn);
    let rtcp = stream("a=rtcp:5001\n");
    assert!(plan(&rtcp, &here, Some(&first)).relearn);
    let held = audio("IP4 0.0.0.0", "").audio().expect("audio");
    let on_hold = plan(&held, &here, Some(&first));
    assert!(!on_hold.relearn && on_hold.remote_rtp.is_none() && !on_hold.sends_to);
    assert!(plan(&here, &here, Some(&on_hold)).relearn);
    let named = audio("IP4 media.example", "").audio().expect("audio");
    assert!(plan(&named, &here, Some(&first)).relearn);
}

#[test]
fn formats_are_those_of_both_under_either_number() {
    let head = "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n";
    let received = text(&format!(
        "{head}m=audio 4000 RTP/AVP 8 0 97 100\na=rtpmap:97 opus/48000/2\n\
         a=rtpmap:100 telephone-event/8000\n"
    ));
    let sent = text(&format!(
        "{head}m=audio 4000 RTP/AVP 96 8 101\na=rtpmap:96 opus/48000/2\n\
         a=rtpmap:101 telephone-event/8000\n"
    ));
    let (received, sent) = (received.audio().unwrap(), sent.audio().unwrap());
    let agreed = plan(&received, &sent, None);
    let numbers: Vec<u8> = agreed.codecs.iter().map(|c| c.payload_type).collect();
    assert_eq!(numbers, [8, 97, 96, 100, 101]);
    assert_eq!(agreed.telephone_event, Some(100));
}

#[test]
fn events_that_only_one_side_knows_are_not_agreed() {
    let head = "v=0\no=- 1 1 IN IP4 192.0.2.10\ns=-\nc=IN IP4 192.0.2.10\nt=0 0\n";
    let plain = text(&format!("{head}m=audio 4000 RTP/AVP 0\n")).audio().expect("audio");
    assert_eq!(plan(&stream(""), &plain, None).telephone_event, None);
    assert_eq!(plan(&plain, &stream(""), None).telephone_event, None);
}

#[test]
fn the_signalling_source_is_handed_on() {
    let source = "203.0.113.4".parse().ok();
    assert_eq!(media_plan_leg(Some(&stream("")), None, source, None).signalling_source, source);
}

#[test]
fn extended_reports_go_to_a_leg_that_asks_and_the_answer_announces_ours() {
    use sdp::Role;
    let asks = "a=rtcp-xr:pkt-loss-rle voip-metrics rcvr-rtt=all\n";
    let offer = audio(V4, asks);
    let all = model::XrWishes { voip_metrics: true, receiver_rtt: true };
    let plan_of = |received: &AudioStream| plan(received, &stream(""), None).xr;
    assert_eq!(plan_of(&stream(asks)), all);
    assert_eq!(plan_of(&stream("")), model::XrWishes::default());
    // The far end is asked as it is; it says nothing of them in its answer.
    let to_b = support::anchored(&offer, &support::towards_b(), Role::Offer).expect("an offer");
    assert_eq!(to_b.audio().map(|audio| audio.xr), Some(all));
    for (told, expected) in [("", all), ("a=rtcp-xr:pkt-dup-rle\n", all), (asks, all)] {
        let answer = audio(V4, told);
        let role = Role::Answer { to: &offer, at: None };
        let to_a = support::anchored(&answer, &support::towards_a(), role).expect("an answer");
        assert_eq!(to_a.audio().map(|audio| audio.xr), Some(expected), "{told}");
    }
    // Nobody is answered what was not asked.
    let plain = audio(V4, "");
    let role = Role::Answer { to: &plain, at: None };
    let to_a = support::anchored(&plain, &support::towards_a(), role).expect("an answer");
    assert_eq!(to_a.audio().map(|audio| audio.xr), Some(model::XrWishes::default()));
}
