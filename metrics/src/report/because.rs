//! One sentence: why a call failed or was bad, with its evidence.
//!
//! Each cause is a small pure function that looks for its own signs; of those that find some, the
//! one with the highest rank is told. Causes that explain others rank above them: a host that drops
//! what it sends above the loss that its peer reports.

mod failed;
mod next;
mod signalling;
mod talked;

use super::{side_name, span, talk_ms};
use crate::CallRecord;

/// Why a call failed or was bad.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cause {
    /// Nothing was wrong.
    Good,
    // Calls that were not answered.
    /// Tandem did not believe who called.
    Credentials,
    /// A limit of Tandem or of its peers was used up.
    Capacity,
    /// Another rule of Tandem.
    Policy,
    /// No codec in common.
    NoCommonCodec,
    /// One side wants encrypted audio and the other plain.
    MediaSecurity,
    /// The called side answered no INVITE.
    Unreachable,
    /// It rang until the time was over.
    NoAnswer,
    /// Busy.
    Busy,
    /// Declined.
    Declined,
    /// The called party was not there.
    Unavailable,
    /// The caller hung up while it rang.
    CallerGaveUp,
    /// The caller hung up, having heard nothing for long.
    NeverRang,
    /// The called side does not know the number.
    UnknownNumber,
    /// The called side wants credentials, or other ones.
    RouteCredentials,
    /// The called side forbids the call.
    Forbidden,
    /// The called side failed.
    PeerFailed,
    /// All of several routes failed.
    RoutesFailed,
    /// The caller never acknowledged a reliable response.
    NoPrack,
    /// Another status of the called side.
    OtherStatus,
    // Calls of either kind.
    /// The record was closed without the call's end.
    Incomplete,
    /// The media relay lost the call.
    RelayLost,
    /// The application that steers the call failed.
    ApplicationFailed,
    /// The meeting rooms sent the caller away.
    NoMeeting,
    /// A description came that cannot be used.
    UnusableAnswer,
    /// The node stopped.
    NodeStopped,
    /// The edge was killed and started anew while it set up the call.
    EdgeRestarted,
    /// A limit of the call's length.
    TooLong,
    // Calls that were answered.
    /// The answer was never acknowledged.
    NoAck,
    /// A side answered no more requests.
    PeerGone,
    /// A side did not refresh its session.
    NotRefreshed,
    /// A transfer failed.
    TransferFailed,
    /// A change of the media was refused.
    ChangeRefused,
    /// Audio stopped while the call went on.
    MediaStopped,
    /// No audio either way.
    NoAudio,
    /// One side sent nothing.
    NothingCame,
    /// One side sent from an address that its description does not name.
    WrongSource,
    /// One side's SRTP key does not prove its packets.
    WrongKey,
    /// One side sent nothing but silence.
    OnlySilence,
    /// One side got nothing.
    NothingSent,
    /// This host dropped what it should have sent.
    HostDrops,
    /// Loss from a side, spread out.
    UplinkLoss,
    /// Loss from a side, in bursts.
    UplinkBursts,
    /// Loss to a side.
    DownlinkLoss,
    /// Jitter from a side.
    Jitter,
    /// Packets that came too late for a side's jitter buffer.
    LateForBuffer,
    /// A long way to a side.
    Delay,
    /// Packets out of order.
    Reordering,
    /// Each side sends a codec of its own.
    CodecMismatch,
    /// A low score that nothing else explains.
    LowScore,
    /// A long silence before it rang.
    SlowSetup,
    /// Nobody measured.
    NotMeasured,
}

/// The sentence, and which cause it tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Because {
    /// Which.
    pub cause: Cause,
    /// One sentence.
    pub text: String,
}

/// What one cause's function found.
struct Told {
    rank: u64,
    cause: Cause,
    text: String,
}

impl Told {
    fn new(rank: u64, cause: Cause, text: String) -> Option<Self> {
        Some(Told { rank, cause, text })
    }
}

type Look = fn(&CallRecord) -> Option<Told>;
type LookAtLeg = fn(&CallRecord, usize) -> Option<Told>;

/// Why the call failed or was bad, or that nothing was wrong.
pub fn because(record: &CallRecord) -> Because {
    let answered = record.times.answered.is_some();
    let looks = if answered { talked::WHOLE } else { failed::CAUSES };
    let of_legs = if answered { talked::OF_A_LEG } else { &[] };
    let found = signalling::CAUSES
        .iter()
        .chain(looks)
        .filter_map(|look| look(record))
        .chain((0..2).flat_map(|leg| of_legs.iter().filter_map(move |look| look(record, leg))));
    // Of equals the first.
    let worst = found.reduce(|best, next| if next.rank > best.rank { next } else { best });
    match worst {
        Some(Told { cause, mut text, .. }) => {
            if let Some(step) = next::step(cause) {
                text.truncate(text.trim_end_matches('.').len());
                text = format!("{text}; {step}.");
            }
            Because { cause, text: crate::printable_line(&text).into_owned() }
        }
        None => Because { cause: Cause::Good, text: nothing_wrong(record) },
    }
}

fn nothing_wrong(record: &CallRecord) -> String {
    let scores: Vec<_> = (0..2)
        .filter_map(|leg| {
            let mos = record.quality[leg].as_ref()?.mos?;
            Some(format!("{} {mos:.2}", side_name(record, leg)))
        })
        .collect();
    let talked = talk_ms(record).map_or_else(String::new, |talk| format!(" of {}", span(talk)));
    match scores.is_empty() {
        true => format!("Nothing was wrong with this call{talked}."),
        false => {
            format!("Nothing was wrong with this call{talked} (MOS: {}).", scores.join(", "))
        }
    }
}

#[cfg(test)]
pub(super) mod faults;
#[cfg(test)]
mod tests;
