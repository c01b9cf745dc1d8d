//! Legs without a common format, whose audio the relay transcodes.

use crate::transfer::{expect_notify, refer};
use model::{Codec, TranscodableFormat};
use simnet::{CARRIER, CARRIER_2, PBX, Ua, World, config, directory};
use sip_proto::Message;

const OPUS: (&str, &str) = ("111", "a=rtpmap:111 opus/48000/2\r\n");
const PCMU: (&str, &str) = ("0", "");
const PCMA: (&str, &str) = ("8", "");
const G729: (&str, &str) = ("18", "");
const OUR_OPUS: (&str, &str) = ("96", "a=rtpmap:96 opus/48000/2\r\n");

fn transcoding_world() -> World {
    let mut resources = directory();
    resources.voice_connectors[0].transcoding = TranscodableFormat::USUAL.into();
    World::with(config(), resources)
}

/// A description with these formats.
fn described(ua: &Ua, port: u16, version: u32, formats: &[(&str, &str)]) -> String {
    let body = ua.sdp_with(port, version, "sendrecv");
    let numbers: Vec<&str> = formats.iter().map(|(number, _)| *number).collect();
    let lines: String = formats.iter().map(|(_, line)| *line).collect();
    let kept = |line: &&str| !line.starts_with("a=rtpmap") && !line.starts_with("a=fmtp");
    let mut text = String::new();
    for line in body.lines().filter(kept) {
        if line.starts_with("m=") {
            text.push_str(&format!("m=audio {port} RTP/AVP {}\r\n{lines}", numbers.join(" ")));
        } else {
            text.push_str(&format!("{line}\r\n"));
        }
    }
    text
}

/// The formats of the `m=` line.
fn formats(message: &Message) -> String {
    let body = String::from_utf8_lossy(message.body_bytes()).into_owned();
    let line = body.lines().find(|line| line.starts_with("m=")).unwrap();
    line.split(' ').skip(3).collect::<Vec<_>>().join(" ")
}

/// What is transcoded of leg A and of leg B: from which formats, and to which.
fn stages(w: &World) -> [Option<(Vec<Codec>, Codec)>; 2] {
    w.plan().transcoding.each_ref().map(|stage| {
        let stage = stage.as_ref()?;
        Some((stage.from.iter().map(|mapping| mapping.codec).collect(), stage.to.codec))
    })
}

fn both(a: Codec, b: Codec) -> [Option<(Vec<Codec>, Codec)>; 2] {
    [Some((vec![a], b)), Some((vec![b], a))]
}

/// A call that the carrier answers with `answer` to an offer of `offer`; what each leg saw of the
/// other's formats.
fn call(w: &mut World, offer: &[(&str, &str)], answer: &[(&str, &str)]) -> (Ua, Ua, [String; 2]) {
    let mut pbx = w.caller(PBX, "+12065550123");
    let body = described(&pbx, 30_000, 1, offer);
    pbx.invite(w, Some(&body));
    let mut pstn = w.callee(CARRIER);
    let offered = formats(pstn.invited.as_ref().unwrap());
    let body = described(&pstn, 40_000, 1, answer);
    let answered = formats(&pstn.answer(w, &mut pbx, &body));
    (pbx, pstn, [offered, answered])
}

#[test]
fn a_carrier_that_picks_a_format_of_ours_is_transcoded() {
    let mut w = transcoding_world();
    let (mut pbx, mut pstn, seen) = call(&mut w, &[PCMU], &[OUR_OPUS]);
    assert_eq!(seen, ["0 8 9 96", "0"]);
    assert_eq!(stages(&w), both(Codec::Pcmu, Codec::Opus));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn a_format_that_both_have_is_not_transcoded() {
    let mut w = transcoding_world();
    let (mut pbx, mut pstn, seen) = call(&mut w, &[PCMU, PCMA], &[PCMA]);
    assert_eq!(seen, ["0 8 9 96", "8"]);
    assert_eq!(stages(&w), [None, None]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
    // Of several, what only the carrier has may still come from it.
    let mut w = transcoding_world();
    let (mut pbx, mut pstn, seen) = call(&mut w, &[PCMU], &[OUR_OPUS, PCMU]);
    assert_eq!(seen[1], "0");
    assert_eq!(stages(&w), [None, Some((vec![Codec::Opus], Codec::Pcmu))]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn without_the_policy_offers_and_answers_pass_as_they_are() {
    let mut w = World::new();
    let (mut pbx, mut pstn, seen) = call(&mut w, &[PCMU], &[PCMU]);
    assert_eq!(seen, ["0", "0"]);
    assert_eq!(stages(&w), [None, None]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

/// The first carrier says `carrier`, the voice connector `connector`.
fn world_of(carrier: Option<&[TranscodableFormat]>, connector: &[TranscodableFormat]) -> World {
    let mut resources = directory();
    resources.carriers[0].transcoding = carrier.map(Into::into);
    resources.voice_connectors[0].transcoding = connector.into();
    World::with(config(), resources)
}

#[test]
fn a_carriers_word_goes_before_the_voice_connectors() {
    let [pcmu, pcma, _, opus] = TranscodableFormat::USUAL;
    for (carrier, connector, offered) in [
        (None, &[][..], "0"),
        (None, &[opus][..], "0 96"),
        (Some(&[][..]), &[opus][..], "0"),
        (Some(&[pcmu, pcma][..]), &[][..], "0 8"),
        (Some(&[pcma][..]), &[opus][..], "0 8"),
    ] {
        let mut w = world_of(carrier, connector);
        let (mut pbx, mut pstn, seen) = call(&mut w, &[PCMU], &[PCMU]);
        assert_eq!(seen, [offered, "0"], "{carrier:?}, {connector:?}");
        pbx.hang_up(&mut w, &mut pstn);
        w.finish();
    }
}

#[test]
fn a_carriers_own_calls_are_transcoded_towards_the_customer_too() {
    let mut w = world_of(Some(&TranscodableFormat::USUAL), &[]);
    let mut pstn = w.caller(CARRIER, "+12065550100");
    let body = described(&pstn, 40_000, 1, &[PCMU]);
    pstn.invite(&mut w, Some(&body));
    let mut pbx = w.callee(PBX);
    assert_eq!(formats(pbx.invited.as_ref().unwrap()), "0 8 9 96");
    let body = described(&pbx, 30_000, 1, &[OUR_OPUS]);
    assert_eq!(formats(&pbx.answer(&mut w, &mut pstn, &body)), "0");
    assert_eq!(stages(&w), both(Codec::Pcmu, Codec::Opus));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn the_next_carrier_is_offered_what_it_says_itself() {
    let mut w = world_of(Some(&TranscodableFormat::USUAL), &[]);
    let mut pbx = w.caller(PBX, "+12065550123");
    let body = described(&pbx, 30_000, 1, &[PCMU]);
    pbx.invite(&mut w, Some(&body));
    let mut first = w.callee(CARRIER);
    assert_eq!(formats(first.invited.as_ref().unwrap()), "0 8 9 96");
    first.reply(&mut w, 503, None);
    first.expect(&mut w, "ACK");
    let mut second = w.callee(CARRIER_2);
    assert_eq!(formats(second.invited.as_ref().unwrap()), "0");
    let body = described(&second, 41_000, 1, &[PCMU]);
    second.answer(&mut w, &mut pbx, &body);
    assert_eq!(stages(&w), [None, None]);
    pbx.hang_up(&mut w, &mut second);
    w.finish();
}

#[test]
fn what_nobody_can_transcode_gets_no_formats_of_ours() {
    let mut w = transcoding_world();
    let (mut pbx, mut pstn, seen) = call(&mut w, &[G729], &[G729]);
    assert_eq!(seen, ["18", "18"]);
    assert_eq!(stages(&w), [None, None]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn changes_of_the_call_keep_each_legs_formats() {
    let mut w = transcoding_world();
    let (mut pbx, mut pstn, _) = call(&mut w, &[PCMU], &[OUR_OPUS]);
    // The PBX holds: what its side cannot do is offered again under the same numbers.
    let hold = described(&pbx, 30_000, 2, &[PCMU]).replace("sendrecv", "sendonly");
    pbx.invite(&mut w, Some(&hold));
    let offer = pstn.expect(&mut w, "INVITE");
    assert_eq!(formats(&offer), "0 8 9 96");
    let held = described(&pstn, 40_000, 2, &[OUR_OPUS]).replace("sendrecv", "recvonly");
    assert_eq!(formats(&pstn.answer(&mut w, &mut pbx, &held)), "0");
    assert_eq!(stages(&w), both(Codec::Pcmu, Codec::Opus));
    // The carrier resumes: the PBX is offered what it has had all the time too.
    let resume = described(&pstn, 40_000, 3, &[OUR_OPUS]);
    pstn.invite(&mut w, Some(&resume));
    let offer = pbx.expect(&mut w, "INVITE");
    assert_eq!(formats(&offer), "96 0 8 9");
    let body = described(&pbx, 30_000, 3, &[PCMU]);
    assert_eq!(formats(&pbx.answer(&mut w, &mut pstn, &body)), "96");
    assert_eq!(stages(&w), both(Codec::Pcmu, Codec::Opus));
    // It changes to what the PBX has: nothing is left to transcode.
    let plain = described(&pstn, 40_000, 4, &[PCMU]);
    pstn.invite(&mut w, Some(&plain));
    pbx.expect(&mut w, "INVITE");
    pbx.reply(&mut w, 200, Some(&described(&pbx, 30_000, 4, &[PCMU])));
    pbx.expect(&mut w, "ACK");
    pstn.expect(&mut w, "200");
    pstn.ack(&mut w, None);
    assert_eq!(stages(&w), [None, None]);
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn an_offer_in_the_answer_is_served_as_well() {
    let mut w = transcoding_world();
    let mut pbx = w.caller(PBX, "+12065550123");
    pbx.invite(&mut w, None);
    let mut pstn = w.callee(CARRIER);
    pstn.reply(&mut w, 200, Some(&described(&pstn, 40_000, 1, &[OPUS])));
    let offer = pbx.expect(&mut w, "200");
    assert_eq!(formats(&offer), "111 0 8 9");
    pbx.ack(&mut w, Some(&described(&pbx, 30_000, 1, &[PCMA])));
    assert_eq!(formats(&pstn.expect(&mut w, "ACK")), "111");
    assert_eq!(stages(&w), both(Codec::Pcma, Codec::Opus));
    pbx.hang_up(&mut w, &mut pstn);
    w.finish();
}

#[test]
fn early_media_and_forks_are_transcoded_each_as_they_come() {
    let mut w = transcoding_world();
    let mut pbx = w.caller(PBX, "+12065550123");
    let body = described(&pbx, 30_000, 1, &[PCMU]);
    pbx.invite(&mut w, Some(&body));
    let mut first = w.callee(CARRIER);
    let mut second = first.fork(&mut w, "second");
    first.reply(&mut w, 183, Some(&described(&first, 40_000, 1, &[OUR_OPUS])));
    assert_eq!(formats(&pbx.expect(&mut w, "183")), "0");
    assert_eq!(stages(&w), both(Codec::Pcmu, Codec::Opus));
    second.reply(&mut w, 183, Some(&described(&second, 42_000, 1, &[PCMA])));
    assert_eq!(formats(&pbx.expect(&mut w, "183")), "0");
    assert_eq!(stages(&w), both(Codec::Pcmu, Codec::Pcma));
    second.reply(&mut w, 200, Some(&described(&second, 42_000, 1, &[PCMA])));
    second.expect(&mut w, "ACK");
    assert_eq!(formats(&pbx.expect(&mut w, "200")), "0");
    pbx.ack(&mut w, None);
    assert_eq!(stages(&w), both(Codec::Pcmu, Codec::Pcma));
    pbx.hang_up(&mut w, &mut second);
    w.finish();
}

#[test]
fn a_transfers_target_need_not_have_the_transferees_formats() {
    let mut w = transcoding_world();
    let (mut pbx, mut pstn, _) = call(&mut w, &[PCMU], &[PCMU]);
    let mut target = refer(&mut w, &mut pbx);
    assert_eq!(formats(target.invited.as_ref().unwrap()), "0 8 9 96");
    target.reply(&mut w, 200, Some(&described(&target, 41_000, 1, &[OUR_OPUS])));
    target.expect(&mut w, "ACK");
    let offer = pstn.expect(&mut w, "INVITE");
    assert_eq!(formats(&offer), "96 0 8 9");
    pstn.reply(&mut w, 200, Some(&described(&pstn, 40_000, 2, &[PCMU])));
    pstn.expect(&mut w, "ACK");
    assert_eq!(stages(&w), both(Codec::Pcmu, Codec::Opus));
    expect_notify(&mut w, &mut pbx, "SIP/2.0 200 OK");
    pbx.expect(&mut w, "BYE");
    pbx.ok(&mut w);
    pstn.hang_up(&mut w, &mut target);
    w.finish();
}
