//! Why an answered call was bad.

use super::{Cause, Look, LookAtLeg, Told, signalling};
use crate::call_record::{CallRecord, IntervalRecord, QualityRecord};
use crate::report::facts::clock;
use crate::report::findings::{is_mute, percent};
use crate::report::{column_names, is_begun_here, is_nobody, ms, side_name, span, talk_ms};

/// Calls shorter than this may end before the first packet, ms.
const SHORT_MS: u64 = 300;
/// Where each trouble begins: loss that concealment does not hide, per cent; jitter that usual
/// buffers do not absorb; a round trip at which people talk over each other (both ways of ITU-T
/// G.114's 150 ms).
const LOSS: f64 = 1.0;
const JITTER_US: u64 = 30_000;
const ROUND_TRIP_US: u64 = 300_000;
/// ITU-T G.107 annex B: below it many users are dissatisfied.
const MOS: f64 = 3.6;
/// Loss is in bursts from this burst ratio on.
const BURSTS: f64 = 1.5;
const SETUP_MS: u64 = 4_000;

pub(super) const WHOLE: &[Look] = &[
    signalling::ended_by_signalling,
    signalling::change_refused,
    no_audio,
    media_stopped,
    codec_mismatch,
    slow_setup,
    not_measured,
];

pub(super) const OF_A_LEG: &[LookAtLeg] = &[
    wrong_key,
    wrong_source,
    nothing_sent,
    nothing_came,
    only_silence,
    host_drops,
    uplink_loss,
    downlink_loss,
    jitter,
    late_for_buffer,
    delay,
    reordering,
    low_score,
];

/// The talk was long enough for audio to be expected.
fn talk(record: &CallRecord) -> Option<u64> {
    talk_ms(record).filter(|talk| *talk >= SHORT_MS)
}

/// The leg's side, its quality and the other's.
struct Side<'a> {
    name: &'static str,
    other_name: &'static str,
    own: &'a QualityRecord,
    other: Option<&'a QualityRecord>,
}

fn side(record: &CallRecord, leg: usize) -> Option<Side<'_>> {
    talk(record)?;
    if is_nobody(record, leg) {
        return None;
    }
    let [a, b] = &record.quality;
    let (own, other) = if leg == 0 { (a, b) } else { (b, a) };
    Some(Side {
        name: side_name(record, leg),
        other_name: side_name(record, 1 - leg),
        own: own.as_ref()?,
        other: other.as_ref().filter(|_| !is_nobody(record, 1 - leg)),
    })
}

fn no_audio(record: &CallRecord) -> Option<Told> {
    let talk = talk(record)?;
    let [Some(a), Some(b)] = &record.quality else { return None };
    (is_mute(a) && is_mute(b)).then_some(())?;
    if is_nobody(record, 0) || is_nobody(record, 1) {
        return None;
    }
    let [first, second] = column_names(record);
    let text = format!(
        "No audio either way: 0 RTP packets from the {first} and 0 from the {second} in {}.",
        span(talk)
    );
    Told::new(1_000, Cause::NoAudio, text)
}

fn media_stopped(record: &CallRecord) -> Option<Told> {
    if record.end.cause == "no media from the caller in the meeting rooms" {
        let text = format!(
            "Nothing came any more from the {} in the meeting ({} had come), and Tandem ended its call at {} \
             after the meeting's vanished_seconds.",
            side_name(record, 0),
            came(record, Some(0)),
            clock(record, record.times.ended.saturating_sub(record.times.attempted)),
        );
        return Told::new(860, Cause::MediaStopped, text);
    }
    let leg = match record.end.cause.as_str() {
        "no media from the caller for media.one_silent of the voice connector" => Some(0),
        "no media from the callee for media.one_silent of the voice connector" => Some(1),
        "no media from either side for media.both_silent of the voice connector" => None,
        _ => return None,
    };
    let [first, second] = column_names(record);
    let both = format!("{first} and the {second}");
    let who = leg.map_or(both.as_str(), |leg| side_name(record, leg));
    let setting = if leg.is_some() { "media.one_silent" } else { "media.both_silent" };
    let text = format!(
        "Audio from the {who} stopped while the call went on ({} came), and Tandem ended it at {} after \
         {setting}.",
        came(record, leg),
        clock(record, record.times.ended.saturating_sub(record.times.attempted)),
    );
    Told::new(860, Cause::MediaStopped, text)
}

/// `3620 RTP packets` of a leg or of both.
fn came(record: &CallRecord, leg: Option<usize>) -> String {
    let legs = record.quality.iter().enumerate().filter(|(at, _)| leg.is_none_or(|leg| leg == *at));
    let packets = legs.filter_map(|(_, quality)| Some(quality.as_ref()?.received_packets));
    format!("{} RTP packets", packets.fold(0, u64::saturating_add))
}

/// ` in the minute before 14:03:10`, of the worst interval; nothing where there is but one.
fn at_worst(
    record: &CallRecord,
    quality: &QualityRecord,
    worst: Option<&IntervalRecord>,
) -> String {
    worst.filter(|_| quality.intervals.len() > 1).map_or_else(
        || talk_ms(record).map_or_else(String::new, |talk| format!(" in {}", span(talk))),
        |interval| format!(" in the minute before {}", clock(record, interval.offset_ms)),
    )
}

/// `0 RTP packets in 1 min 12 s; the carrier sent 3620`.
fn mute(record: &CallRecord, side: &Side<'_>) -> Option<String> {
    is_mute(side.own).then_some(())?;
    let other = match side.other.map_or(0, |other| other.received_packets) {
        0 => String::new(),
        packets => format!("; the {} sent {packets}", side.other_name),
    };
    Some(format!("0 RTP packets in {}{other}", span(talk_ms(record)?)))
}

fn wrong_key(record: &CallRecord, leg: usize) -> Option<Told> {
    let side = side(record, leg)?;
    let (name, dropped) = (side.name, side.own.unauthentic);
    if dropped > 0
        && let Some(evidence) = mute(record, &side)
    {
        let text = format!(
            "No audio came from the {name} ({evidence}): the SRTP key of its session description does \
             not prove {dropped} packets that came."
        );
        return Told::new(1_040, Cause::WrongKey, text);
    }
    (dropped.saturating_mul(100) > side.own.received_packets).then_some(())?;
    let all = dropped.saturating_add(side.own.received_packets);
    let share = percent(i64::try_from(dropped).ok()?, all);
    let text = format!(
        "{share:.1} % of the {name}'s packets ({dropped} in {}) were dropped, because the SRTP key of \
         its session description does not prove them.",
        span(talk(record)?)
    );
    Told::new(760, Cause::WrongKey, text)
}

fn wrong_source(record: &CallRecord, leg: usize) -> Option<Told> {
    let side = side(record, leg)?;
    let (name, dropped) = (side.name, side.own.wrong_source);
    (dropped > 0).then_some(())?;
    let evidence = mute(record, &side)?;
    let text = format!(
        "No audio came from the {name} ({evidence}): {dropped} packets came from an address that its \
         session description does not name."
    );
    Told::new(1_030, Cause::WrongSource, text)
}

fn nothing_sent(record: &CallRecord, leg: usize) -> Option<Told> {
    let side = side(record, leg)?;
    let other = side.other?;
    (side.own.sent_packets == 0 && other.received_packets > 0 && !other.forbidden).then_some(())?;
    let text = format!(
        "The {} heard nothing in {}: 0 of the {}'s {} RTP packets were sent to it, because its session \
         description did not want audio or names no usable address.",
        side.name,
        span(talk(record)?),
        side.other_name,
        other.received_packets
    );
    // A side that sends nothing either is told first: that is why no address of it was learnt.
    Told::new(985, Cause::NothingSent, text)
}

fn nothing_came(record: &CallRecord, leg: usize) -> Option<Told> {
    let side = side(record, leg)?;
    let evidence = mute(record, &side)?;
    let text = format!("No audio came from the {} ({evidence}).", side.name);
    Told::new(990, Cause::NothingCame, text)
}

fn only_silence(record: &CallRecord, leg: usize) -> Option<Told> {
    let side = side(record, leg)?;
    let letter = if leg == 0 { "A" } else { "B" };
    record.unheard.iter().any(|unheard| unheard == letter).then_some(())?;
    let text = format!(
        "The {} was never heard: its {} RTP packets in {} carried nothing but silence from the first \
         on.",
        side.name,
        side.own.received_packets,
        span(talk(record)?)
    );
    Told::new(975, Cause::OnlySilence, text)
}

fn host_drops(record: &CallRecord, leg: usize) -> Option<Told> {
    let Side { name, own, .. } = side(record, leg)?;
    let all = own.sent_packets.saturating_add(own.send_dropped);
    let lost = percent(i64::try_from(own.send_dropped).ok()?, all);
    (lost >= LOSS).then_some(())?;
    let text = format!(
        "This host's network stack refused {lost:.1} % of the packets to the {name} ({} of {all}) in \
         {}.",
        own.send_dropped,
        span(talk(record)?)
    );
    Told::new(780, Cause::HostDrops, text)
}

/// Loss, jitter and delay against each other: by how far they are beyond where trouble begins, each
/// in points that hurt about as much.
fn rank(points: f64) -> u64 {
    500 + (points.clamp(0.0, 200.0) as u64)
}

fn uplink_loss(record: &CallRecord, leg: usize) -> Option<Told> {
    let side = side(record, leg)?;
    let own = side.own;
    let lost = percent(own.lost_packets, own.expected_packets);
    (lost >= LOSS).then_some(())?;
    let bursts = own.burst_ratio >= BURSTS;
    let (cause, how) = match bursts {
        true => (Cause::UplinkBursts, "in bursts"),
        false => (Cause::UplinkLoss, "spread out"),
    };
    let text = format!(
        "The {}'s uplink lost {lost:.1} % {how} {}; {} ({} of {} packets were lost).",
        side.name,
        when(record, own),
        of_the_other(&side),
        own.lost_packets,
        own.expected_packets
    );
    Told::new(rank(10.0 + lost * 12.0), cause, text)
}

/// `from 14:02:10 to 14:02:55`, as fine as the record has it.
fn when(record: &CallRecord, quality: &QualityRecord) -> String {
    let spells: Vec<_> = lossy_spells(record, quality);
    let told = |(from, to, _): (u64, u64, u64)| {
        format!("from {} to {}", clock(record, from), clock(record, to))
    };
    let lasted = spells.iter().map(|(from, to, _)| to.saturating_sub(*from));
    let covered = lasted.fold(0, u64::saturating_add);
    let whole = covered.saturating_mul(10) >= talk_ms(record).unwrap_or(0).saturating_mul(9);
    match spells.as_slice() {
        [] => "over the whole call".to_owned(),
        _ if whole => "over the whole call".to_owned(),
        [one] => told(*one),
        many => {
            let worst = many.iter().max_by_key(|(.., lost)| *lost).copied().unwrap_or_default();
            format!("in {} spells, the worst {}", many.len(), told(worst))
        }
    }
}

/// Beginning, end and packets lost, in ms from the call's beginning.
fn lossy_spells(record: &CallRecord, quality: &QualityRecord) -> Vec<(u64, u64, u64)> {
    if !quality.loss_spells.is_empty() {
        return quality.loss_spells.iter().map(|s| (s.from_ms, s.to_ms, s.lost)).collect();
    }
    let times = &record.times;
    let mut from = times.answered.unwrap_or(times.attempted).saturating_sub(times.attempted);
    let mut spells: Vec<(u64, u64, u64)> = Vec::new();
    for interval in &quality.intervals {
        let lost = interval.lost.max(0) as u64;
        if percent(interval.lost, interval.expected) >= LOSS {
            match spells.last_mut().filter(|(_, to, _)| *to == from) {
                Some((_, to, sum)) => (*to, *sum) = (interval.offset_ms, sum.saturating_add(lost)),
                None => spells.push((from, interval.offset_ms, lost)),
            }
        }
        from = interval.offset_ms;
    }
    spells
}

/// `the carrier's side was clean`, or what it was.
fn of_the_other(side: &Side<'_>) -> String {
    let name = side.other_name;
    let Some(other) = side.other else { return format!("the {name}'s side was not measured") };
    let lost = percent(other.lost_packets, other.expected_packets);
    if lost >= LOSS {
        format!("the {name}'s side lost {lost:.1} % too")
    } else if other.jitter_max_us >= JITTER_US {
        format!("the {name}'s side had jitter of {}", ms(other.jitter_max_us))
    } else {
        format!("the {name}'s side was clean")
    }
}

fn downlink_loss(record: &CallRecord, leg: usize) -> Option<Told> {
    let Side { name, own, .. } = side(record, leg)?;
    let peer_lost = own.peer_lost_packets?;
    let lost = percent(peer_lost, own.sent_packets);
    (lost >= LOSS).then_some(())?;
    let text = format!(
        "The {name}'s downlink lost {lost:.1} % by its own report ({peer_lost} of {} packets from \
         Tandem in {}).",
        own.sent_packets,
        span(talk(record)?)
    );
    Told::new(rank(9.0 + lost * 12.0), Cause::DownlinkLoss, text)
}

fn jitter(record: &CallRecord, leg: usize) -> Option<Told> {
    let side = side(record, leg)?;
    let own = side.own;
    (own.received_packets > 0 && own.jitter_max_us >= JITTER_US).then_some(())?;
    let worst = own.intervals.iter().max_by_key(|interval| interval.jitter_max_us);
    let at = at_worst(record, own, worst);
    let text = format!(
        "Jitter of the {}'s uplink rose to {}{at}, more than usual jitter buffers hold (30 to 60 ms); \
         {}.",
        side.name,
        ms(own.jitter_max_us),
        of_the_other(&side)
    );
    let points = own.jitter_max_us as f64 / 1_000.0;
    Told::new(rank(points * 0.6), Cause::Jitter, text)
}

fn late_for_buffer(record: &CallRecord, leg: usize) -> Option<Told> {
    let Side { name, own, .. } = side(record, leg)?;
    let told = own.peer_metrics?;
    let late = told.discard_ratio * 100.0;
    (late >= 2.0).then_some(())?;
    let buffer = told
        .jitter_buffer_ms
        .map_or_else(String::new, |span| format!(" (its jitter buffer holds {span} ms)"));
    let text = format!(
        "{late:.1} % of the audio in {} came too late for the {name}'s jitter buffer, by its own \
         report{buffer}.",
        span(talk(record)?)
    );
    Told::new(rank(8.0 + late * 12.0), Cause::LateForBuffer, text)
}

fn delay(record: &CallRecord, leg: usize) -> Option<Told> {
    let Side { name, own, .. } = side(record, leg)?;
    let rtt = own.rtt_max_us.filter(|rtt| *rtt >= ROUND_TRIP_US)?;
    let worst = own.intervals.iter().max_by_key(|interval| interval.rtt_us);
    let text = format!(
        "The round trip between Tandem and the {name} rose to {}{}: above 300 ms people talk over \
         each other.",
        ms(rtt),
        at_worst(record, own, worst)
    );
    Told::new(rank(rtt as f64 / 20_000.0), Cause::Delay, text)
}

fn reordering(record: &CallRecord, leg: usize) -> Option<Told> {
    let Side { name, own, .. } = side(record, leg)?;
    let share = percent(i64::try_from(own.reordered).ok()?, own.received_packets);
    (share >= 1.0).then_some(())?;
    let text = format!(
        "{share:.1} % of the {name}'s packets came out of order ({} of {} in {}): small jitter buffers \
         drop such packets.",
        own.reordered,
        own.received_packets,
        span(talk(record)?)
    );
    Told::new(460, Cause::Reordering, text)
}

fn codec_mismatch(record: &CallRecord) -> Option<Told> {
    talk(record)?;
    let [Some(a), Some(b)] = &record.quality else { return None };
    let (codec_a, codec_b) = (a.codec.as_ref()?, b.codec.as_ref()?);
    (codec_a != codec_b && a.transcoded.is_none() && b.transcoded.is_none()).then_some(())?;
    let text = format!(
        "The {} sent {codec_a} and the {} {codec_b} for {}, and Tandem did not transcode: a side that \
         cannot play the other's codec hears nothing.",
        side_name(record, 0),
        side_name(record, 1),
        span(talk(record)?)
    );
    Told::new(440, Cause::CodecMismatch, text)
}

fn low_score(record: &CallRecord, leg: usize) -> Option<Told> {
    let Side { name, own, .. } = side(record, leg)?;
    let mos = own.mos.filter(|mos| *mos <= MOS)?;
    let codec = own.codec.as_ref().map_or_else(String::new, |codec| format!(" with {codec}"));
    let text = format!(
        "MOS on the {name}'s side was {mos:.2}{codec} over {}, though loss, jitter and delay each \
         stayed within bounds.",
        span(talk(record)?)
    );
    Told::new(420, Cause::LowScore, text)
}

fn slow_setup(record: &CallRecord) -> Option<Told> {
    let times = &record.times;
    let heard = times.ringing.or(times.answered)?;
    let waited = heard.saturating_sub(times.attempted);
    (waited >= SETUP_MS).then_some(())?;
    let tried = match record.routes.len() {
        0 | 1 => String::new(),
        routes => format!("; {routes} routes were tried"),
    };
    let who = match is_begun_here(record) {
        true => "The application".to_owned(),
        false => format!("The caller on the {}'s side", side_name(record, 0)),
    };
    let text = format!(
        "{who} heard nothing for {}, until {}{tried}.",
        span(waited),
        clock(record, waited)
    );
    Told::new(410, Cause::SlowSetup, text)
}

fn not_measured(record: &CallRecord) -> Option<Told> {
    let talk = talk(record)?;
    let missing: Vec<_> = (0..2)
        // The copy of a call has no second leg.
        .filter(|leg| *leg == 0 || record.recorded.is_none())
        .filter(|leg| record.quality[*leg].is_none())
        .map(|leg| side_name(record, leg))
        .collect();
    let who = match missing.as_slice() {
        [] => return None,
        [one] => format!("of the {one}'s side"),
        _ => "of this call".to_owned(),
    };
    let text = format!(
        "No quality {who} was measured in {}: the relay reported nothing of it.",
        span(talk)
    );
    Told::new(405, Cause::NotMeasured, text)
}
