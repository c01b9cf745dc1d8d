//! The H.264 parameters of `a=fmtp` (RFC 6184 section 8.1).

use super::{Level, Limits, Nalu, ParameterSets, ProfileLevelId};
use std::fmt;

/// Octets that `sprop-parameter-sets` may have in all; what is longer is left out.
pub const MAX_SPROP_BYTES: usize = 1_024;
/// A larger value of a limit is taken as this one, so that sums do not overflow.
const MOST: u32 = 100_000_000;

/// How units stand in packets (RFC 6184 section 6.2). The interleaved mode is not taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub enum PacketizationMode {
    /// 0: each packet is one unit.
    #[default]
    Single,
    /// 1: STAP-A and FU-A too.
    NonInterleaved,
}

impl PacketizationMode {
    /// The number of `packetization-mode`.
    pub const fn number(self) -> u8 {
        match self {
            PacketizationMode::Single => 0,
            PacketizationMode::NonInterleaved => 1,
        }
    }
}

/// Why a format is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FormatError {
    /// `profile-level-id` is not six hexadecimal digits with a level that exists.
    ProfileLevelId,
    /// `packetization-mode` is neither 0 nor 1: 2 is the interleaved mode.
    PacketizationMode,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FormatError::ProfileLevelId => {
                "profile-level-id must be six hexadecimal digits of a level that exists"
            }
            FormatError::PacketizationMode => "packetization-mode must be 0 or 1",
        })
    }
}

impl std::error::Error for FormatError {}

/// What one payload type of H.264 means.
#[derive(Clone, Debug)]
pub struct H264Format {
    /// Profile and level.
    pub profile_level_id: ProfileLevelId,
    /// How units stand in packets.
    pub mode: PacketizationMode,
    /// The level may differ by direction (`level-asymmetry-allowed`).
    pub level_asymmetry: bool,
    /// Macroblocks a second beyond the level (`max-mbps`).
    pub max_mbps: Option<u32>,
    /// Macroblocks of a picture beyond the level (`max-fs`).
    pub max_fs: Option<u32>,
    /// Bit rate beyond the level, in 1,000 bit/s (`max-br`; its unit is that of `MaxBR`).
    pub max_br: Option<u32>,
    /// Macroblocks of the picture buffer beyond the level (`max-dpb`).
    pub max_dpb: Option<u32>,
    /// `sprop-parameter-sets`, decoded.
    pub parameter_sets: ParameterSets,
}

impl H264Format {
    /// A format without more than profile, level and mode.
    pub const fn new(profile_level_id: ProfileLevelId, mode: PacketizationMode) -> Self {
        H264Format {
            profile_level_id,
            mode,
            level_asymmetry: false,
            max_mbps: None,
            max_fs: None,
            max_br: None,
            max_dpb: None,
            parameter_sets: ParameterSets::new(),
        }
    }

    /// Reads what stands behind the payload type of `a=fmtp`; empty for a type without one.
    /// Parameters that are not known, and limits that are no numbers, are left alone: a device that
    /// says too much is still one that can be seen.
    ///
    /// # Errors
    /// [`FormatError`]: the payload type cannot be answered.
    pub fn parse(parameters: &str) -> Result<Self, FormatError> {
        let mut format = H264Format::new(ProfileLevelId::DEFAULT, PacketizationMode::Single);
        for parameter in parameters.split(';') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = (name.trim(), value.trim());
            let number = || value.parse::<u32>().ok().map(|value| value.min(MOST));
            if name.eq_ignore_ascii_case("profile-level-id") {
                format.profile_level_id =
                    ProfileLevelId::parse(value).ok_or(FormatError::ProfileLevelId)?;
            } else if name.eq_ignore_ascii_case("packetization-mode") {
                format.mode = match value {
                    "0" => PacketizationMode::Single,
                    "1" => PacketizationMode::NonInterleaved,
                    _ => return Err(FormatError::PacketizationMode),
                };
            } else if name.eq_ignore_ascii_case("level-asymmetry-allowed") {
                format.level_asymmetry = value == "1";
            } else if name.eq_ignore_ascii_case("max-mbps") {
                format.max_mbps = number();
            } else if name.eq_ignore_ascii_case("max-fs") {
                format.max_fs = number();
            } else if name.eq_ignore_ascii_case("max-br") {
                format.max_br = number();
            } else if name.eq_ignore_ascii_case("max-dpb") {
                format.max_dpb = number();
            } else if name.eq_ignore_ascii_case("sprop-parameter-sets") {
                put_sets(&mut format.parameter_sets, value);
            }
        }
        Ok(format)
    }

    /// What whoever sent this format can decode: its level, raised by what it says beyond.
    /// A value below the level's is against RFC 6184 section 8.1 and does not lower it.
    pub fn limits(&self) -> Limits {
        let of_level = self.profile_level_id.level.limits();
        let raised = |value: Option<u32>, level: u32| value.map_or(level, |value| value.max(level));
        Limits {
            macroblocks_per_second: raised(self.max_mbps, of_level.macroblocks_per_second),
            macroblocks: raised(self.max_fs, of_level.macroblocks),
            kilobits_per_second: raised(self.max_br, of_level.kilobits_per_second),
            buffer_macroblocks: raised(self.max_dpb, of_level.buffer_macroblocks),
        }
    }

    /// Whether an answer may put this format against `offer` (RFC 6184 section 8.2.2): same profile,
    /// same mode; the level is each side's own or the lower of both.
    pub fn answers(&self, offer: &H264Format) -> bool {
        self.mode == offer.mode && self.profile_level_id.profile == offer.profile_level_id.profile
    }

    /// The level of an answer to `self` from a room that takes `own`: with asymmetry what the room takes,
    /// else the lower of both (section 8.2.2).
    pub fn answered_level(&self, own: Level) -> Level {
        if self.level_asymmetry { own } else { own.min(self.profile_level_id.level) }
    }
}

impl fmt::Display for H264Format {
    /// The value of `a=fmtp` behind the payload type; parameter sets of others are not repeated.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "profile-level-id={}", self.profile_level_id)?;
        write!(f, ";packetization-mode={}", self.mode.number())?;
        if self.level_asymmetry {
            f.write_str(";level-asymmetry-allowed=1")?;
        }
        let limits = [
            ("max-mbps", self.max_mbps),
            ("max-fs", self.max_fs),
            ("max-br", self.max_br),
            ("max-dpb", self.max_dpb),
        ];
        for (name, value) in limits {
            if let Some(value) = value {
                write!(f, ";{name}={value}")?;
            }
        }
        Ok(())
    }
}

fn put_sets(sets: &mut ParameterSets, value: &str) {
    if value.len() > MAX_SPROP_BYTES {
        return;
    }
    let mut octets = [0; MAX_SPROP_BYTES];
    for text in value.split(',') {
        let unit = base64(text.trim(), &mut octets);
        if let Some(unit) = unit.and_then(|length| octets.get(..length)).and_then(Nalu::new) {
            sets.put(unit);
        }
    }
}

/// Decodes base64 (RFC 4648 section 4), with padding or without; the length, or `None` for other signs.
fn base64(text: &str, out: &mut [u8]) -> Option<usize> {
    let (mut length, mut buffer, mut bits) = (0, 0_u32, 0);
    for sign in text.trim_end_matches('=').bytes() {
        let value = match sign {
            b'A'..=b'Z' => sign - b'A',
            b'a'..=b'z' => sign - b'a' + 26,
            b'0'..=b'9' => sign - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = buffer << 6 & 0xffff | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            *out.get_mut(length)? = (buffer >> bits) as u8;
            length += 1;
        }
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h264::Profile;

    #[test]
    fn what_devices_say_is_read() {
        let format = H264Format::parse(
            "profile-level-id=42801F; packetization-mode=1;max-mbps=245000;max-fs=9000;\
             max-br=5000;level-asymmetry-allowed=1;max-smbps=245000;max-fps=6000",
        )
        .unwrap();
        assert_eq!(format.profile_level_id.profile, Profile::Baseline);
        assert_eq!(format.mode, PacketizationMode::NonInterleaved);
        assert!(format.level_asymmetry);
        let limits = format.limits();
        assert_eq!((limits.macroblocks_per_second, limits.macroblocks), (245_000, 9_000));
        // 5,000 is below what level 3.1 has.
        assert_eq!(limits.kilobits_per_second, 14_000);
    }

    #[test]
    fn nothing_said_is_baseline_of_level_1_in_mode_0() {
        let format = H264Format::parse("").unwrap();
        assert_eq!(format.profile_level_id, ProfileLevelId::DEFAULT);
        assert_eq!(format.mode, PacketizationMode::Single);
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        let fault = |text: &str| H264Format::parse(text).unwrap_err();
        assert_eq!(fault("packetization-mode=2"), FormatError::PacketizationMode);
        assert_eq!(fault("profile-level-id=42e0"), FormatError::ProfileLevelId);
        assert_eq!(fault("profile-level-id"), FormatError::ProfileLevelId);
        assert!(H264Format::parse("max-fs=many;;=;max-br=-1").unwrap().max_fs.is_none());
        let most = H264Format::parse("max-fs=4294967295").unwrap();
        assert_eq!(most.limits().macroblocks, MOST);
    }

    #[test]
    fn parameter_sets_are_decoded() {
        // Those of x264 for 176x144.
        let text = "sprop-parameter-sets=Z0LACtkCxOwEQAAAAwBAAAAHo8SJkg==,aMuBEsg=";
        let format = H264Format::parse(text).unwrap();
        assert!(format.parameter_sets.complete());
        let sps = format.parameter_sets.current().unwrap();
        assert_eq!((sps.width, sps.height), (176, 144));
        let broken = H264Format::parse("sprop-parameter-sets=Z0L$,,====,a").unwrap();
        assert!(!broken.parameter_sets.complete());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1;\
                    max-fs=3600";
        assert_eq!(H264Format::parse(text).unwrap().to_string(), text);
    }

    #[test]
    fn levels_are_symmetric_unless_both_say_otherwise() {
        let low = Level::from_idc(13, false).unwrap();
        let mut offer = H264Format::parse("profile-level-id=42e00d").unwrap();
        assert_eq!(offer.answered_level(Level::L3_1), low);
        offer.level_asymmetry = true;
        assert_eq!(offer.answered_level(Level::L3_1), Level::L3_1);
        let other = H264Format::parse("profile-level-id=4d801f").unwrap();
        assert!(other.answers(&offer), "constrained baseline in other octets");
        let mode_1 = H264Format::parse("profile-level-id=42e01f;packetization-mode=1").unwrap();
        assert!(!mode_1.answers(&offer));
    }
}
