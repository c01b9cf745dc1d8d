//! What a line of video is agreed to be, what is answered to an offer, and who can see whom.

use crate::h264::{H264Format, Level, PacketizationMode, ParameterSets, Profile, ProfileLevelId};
use std::fmt;

/// Formats of one offer that are looked at; further ones are not answered.
pub const MAX_OFFERED: usize = 32;

/// The format of a stream.
#[derive(Clone, Debug)]
pub enum VideoFormat {
    /// H.264.
    H264(Box<H264Format>),
    /// VP8, of browsers.
    Vp8,
}

/// An offered format that is answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The offer's payload type.
    pub payload_type: u8,
    /// What the offerer said: what it can decode.
    pub offered: H264Format,
    /// What is answered: what it is to send. Its text is the answer's `a=fmtp`.
    pub answer: H264Format,
}

/// Which of a device's offered H.264 formats are answered: the first of each profile and mode, in
/// the offer's order. `formats` are payload types and their `a=fmtp`, empty where there is none; those
/// that cannot be answered are left out. `own` is the level that the room lets participants send.
pub fn answer<'a>(formats: impl Iterator<Item = (u8, &'a str)>, own: Level) -> Vec<Answered> {
    let mut answered: Vec<Answered> = Vec::new();
    for (payload_type, parameters) in formats.take(MAX_OFFERED) {
        let Ok(offered) = H264Format::parse(parameters) else { continue };
        // What only few decode is nothing that can be given to others.
        if matches!(offered.profile_level_id.profile, Profile::Other { .. } | Profile::Extended)
            || answered.iter().any(|other| offered.answers(&other.offered))
        {
            continue;
        }
        let level = offered.answered_level(own);
        let profile = offered.profile_level_id.profile;
        let mut answer = H264Format::new(ProfileLevelId { profile, level }, offered.mode);
        answer.level_asymmetry = offered.level_asymmetry;
        answered.push(Answered { payload_type, offered, answer });
    }
    answered
}

/// Which of the answered formats a room would have a device use: single units are what everybody can be
/// given, so mode 0 of the profile that everybody decodes comes first, then mode 1 of it, then others.
pub fn preferred(answered: &[Answered]) -> Option<&Answered> {
    answered.iter().min_by_key(|format| {
        let plain = matches!(
            format.answer.profile_level_id.profile,
            Profile::ConstrainedBaseline | Profile::Baseline
        );
        (!plain, format.answer.mode == PacketizationMode::NonInterleaved)
    })
}

/// Why a source's stream cannot be given to a receiver as it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mismatch {
    /// One has H.264, the other VP8.
    Codec,
    /// The receiver does not decode the stream's profile.
    Profile {
        /// Of the stream.
        source: Profile,
        /// What the receiver decodes.
        receiver: Profile,
    },
    /// Pictures are larger than the receiver takes.
    PictureSize {
        /// Macroblocks of the stream's pictures.
        macroblocks: u32,
        /// The most that the receiver takes.
        most: u32,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Codec => f.write_str("one side has H.264, the other VP8"),
            Mismatch::Profile { source, receiver } => {
                write!(f, "the stream is {source:?}, the receiver decodes {receiver:?}")
            }
            Mismatch::PictureSize { macroblocks, most } => write!(
                f,
                "pictures have {macroblocks} macroblocks, the receiver takes {most} (its level or \
                 max-fs)"
            ),
        }
    }
}

/// Whether a stream can be given to a receiver without transcoding. `sets` is what the source has
/// sent: before its first sequence parameter set, what was agreed with it counts.
///
/// # Errors
/// The [`Mismatch`].
pub fn forwardable(
    source: &VideoFormat,
    sets: &ParameterSets,
    receiver: &VideoFormat,
) -> Result<(), Mismatch> {
    let (agreed, receiver) = match (source, receiver) {
        (VideoFormat::Vp8, VideoFormat::Vp8) => return Ok(()),
        (VideoFormat::H264(agreed), VideoFormat::H264(receiver)) => (agreed, receiver),
        (VideoFormat::H264(_), VideoFormat::Vp8) | (VideoFormat::Vp8, VideoFormat::H264(_)) => {
            return Err(Mismatch::Codec);
        }
    };
    let sent = sets.current();
    let id = sent.map_or(agreed.profile_level_id, |sps| sps.profile_level_id);
    let source = plain(id.profile, sets);
    // A device that says baseline without the flag decodes constrained baseline at the least.
    let decodes = receiver.profile_level_id.profile;
    if !decodes.decodes(source) {
        return Err(Mismatch::Profile { source, receiver: decodes });
    }
    let most = receiver.limits().macroblocks;
    match sent.map(|sps| sps.macroblocks) {
        Some(macroblocks) if macroblocks > most => Err(Mismatch::PictureSize { macroblocks, most }),
        _ => Ok(()),
    }
}

/// Baseline without slice groups and redundant slices is constrained baseline, whether the sender
/// sets the flag or not (docs/decisions/0120): room devices say 42801f and mean it so.
fn plain(profile: Profile, sets: &ParameterSets) -> Profile {
    if profile == Profile::Baseline && !sets.uses_baseline_tools() {
        Profile::ConstrainedBaseline
    } else {
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h264::Nalu;

    fn h264(text: &str) -> VideoFormat {
        VideoFormat::H264(Box::new(H264Format::parse(text).unwrap()))
    }

    /// The offer of a room device: several payload types.
    const OFFER: [(u8, &str); 6] = [
        (97, "profile-level-id=42801f;packetization-mode=1;max-mbps=108000"),
        (98, "profile-level-id=428016;packetization-mode=0"),
        (99, "profile-level-id=64001f;packetization-mode=1"),
        (100, "profile-level-id=42001e;packetization-mode=1"),
        (101, "profile-level-id=64001f;packetization-mode=2"),
        (102, "profile-level-id=f4001f;packetization-mode=1"),
    ];

    #[test]
    fn one_of_each_profile_and_mode_is_answered() {
        let answered = answer(OFFER.into_iter(), Level::L3_1);
        let types: Vec<_> = answered.iter().map(|format| format.payload_type).collect();
        assert_eq!(types, [97, 98, 99]);
        assert_eq!(answered[1].answer.to_string(), "profile-level-id=420016;packetization-mode=0");
        assert_eq!(preferred(&answered).unwrap().payload_type, 98);
        assert_eq!(answer([].into_iter(), Level::L3_1).len(), 0);
        assert!(preferred(&[]).is_none());
    }

    #[test]
    fn who_sees_whom_before_anything_was_sent() {
        let none = ParameterSets::new();
        let (device, browser) = (h264("profile-level-id=42801f"), h264("profile-level-id=42e01f"));
        let high = h264("profile-level-id=64001f;packetization-mode=1");
        assert_eq!(forwardable(&device, &none, &browser), Ok(()));
        assert_eq!(forwardable(&browser, &none, &device), Ok(()));
        assert_eq!(forwardable(&browser, &none, &high), Ok(()));
        let fault = forwardable(&high, &none, &browser).unwrap_err();
        assert!(fault.to_string().contains("ConstrainedBaseline"), "{fault}");
        assert_eq!(forwardable(&VideoFormat::Vp8, &none, &browser), Err(Mismatch::Codec));
        assert_eq!(forwardable(&VideoFormat::Vp8, &none, &VideoFormat::Vp8), Ok(()));
    }

    #[test]
    fn what_is_sent_counts_more_than_what_was_agreed() {
        // 320x240 in constrained baseline: 300 macroblocks; level 1 has 99.
        let mut sets = ParameterSets::new();
        let blue = include_bytes!("../tests/fixtures/blue.h264");
        sets.put(Nalu::new(&blue[4..28]).unwrap());
        let source = h264("profile-level-id=64001f;packetization-mode=1");
        assert_eq!(forwardable(&source, &sets, &h264("profile-level-id=42e01f")), Ok(()));
        let small = h264("profile-level-id=42e00a");
        let fault = forwardable(&source, &sets, &small).unwrap_err();
        assert_eq!(fault, Mismatch::PictureSize { macroblocks: 300, most: 99 });
        let raised = h264("profile-level-id=42e00a;max-fs=300");
        assert_eq!(forwardable(&source, &sets, &raised), Ok(()));
    }
}
