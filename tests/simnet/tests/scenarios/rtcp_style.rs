//! Who speaks RTCP in a call is for its two sides to say.

use crate::lines::{h264, with_video};
use b2bua::EdgeConfig;
use model::CallSample;
use model::RtcpStyle::{self, Auto, BackToBack, Translator};
use simnet::{Ua, World, config, directory};

fn world(customer: Option<RtcpStyle>, carrier: Option<RtcpStyle>) -> World {
    let mut resources = directory();
    resources.voice_connectors[0].rtcp = customer;
    resources.carriers[0].rtcp = carrier;
    World::with(config(), resources)
}

#[test]
fn what_either_side_asks_for_is_in_the_plan_and_of_two_the_greater() {
    for (customer, carrier, style) in [
        (None, None, None),
        (Some(Translator), None, Some(Translator)),
        (None, Some(BackToBack), Some(BackToBack)),
        (Some(BackToBack), Some(Auto), Some(BackToBack)),
        (Some(Auto), Some(Translator), Some(Translator)),
        (Some(Auto), None, Some(Auto)),
    ] {
        let mut w = world(customer, carrier);
        let (mut pbx, mut pstn) = Ua::establish(&mut w);
        assert_eq!(w.plan().rtcp, style, "{customer:?} {carrier:?}");
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn a_line_beside_the_audio_is_never_back_to_back() {
    for (asked, of_line) in [(BackToBack, Auto), (Translator, Translator)] {
        let mut w = world(None, Some(asked));
        let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| with_video(ua, 30_000, 1));
        let answer = pstn.sdp(40_000) + &h264(40_002);
        pstn.answer(&mut w, &mut pbx, &answer);
        assert_eq!(w.plan().rtcp, Some(asked));
        assert_eq!(w.relay.further.last().unwrap().1.rtcp, Some(of_line));
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn rtcp_is_copied_of_the_calls_that_are_sampled_and_of_all_their_lines() {
    let mut resources = directory();
    let connector = resources.voice_connectors[0].id.clone();
    for (sample, copies) in [
        (None, false),
        (Some(CallSample::default()), true),
        (Some(CallSample { share: 0, ..CallSample::default() }), false),
        (Some(CallSample { share: CallSample::WHOLE, shares: [(connector, 0)].into() }), false),
    ] {
        let config = EdgeConfig { rtcp_copies: sample, ..config() };
        let mut w = World::with(config, std::mem::replace(&mut resources, directory()));
        let (mut pbx, mut pstn) = Ua::offering(&mut w, |ua| with_video(ua, 30_000, 1));
        let answer = pstn.sdp(40_000) + &h264(40_002);
        pstn.answer(&mut w, &mut pbx, &answer);
        assert_eq!(w.plan().copies_rtcp, copies);
        assert_eq!(w.relay.further.last().unwrap().1.copies_rtcp, copies);
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}
