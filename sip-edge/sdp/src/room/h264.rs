//! As much of H.264's parameters (RFC 6184 section 8) as an answer needs. Who can see whom is said by whoever
//! switches the pictures, from the streams themselves.

use std::fmt;

/// Level 3.0, 720x576 at 25 a second, and 3.1, 1280x720 at 30: what a room has devices send at most.
pub(super) const LEVEL_3: u8 = 30;
pub(super) const LEVEL_3_1: u8 = 31;
/// Level 1, baseline: what stands where nothing is said (RFC 6184 section 8.1).
const DEFAULT_ID: [u8; 3] = [0x42, 0, 10];
/// `level_idc` of the levels that there are (ITU-T H.264 table A-1), 9 for 1b.
const LEVELS: [u8; 20] =
    [9, 10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52, 60, 61, 62];
/// `constraint_set3_flag`: with level 1.1 in baseline and main it says 1b.
const SET_3: u8 = 0x10;

/// Profiles that are answered, by their sub-profile (RFC 6184 table 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    ConstrainedHigh,
    High,
}

/// Octet `profile_idc`, the flags that count, and what they must be. Extended, and all that has no row,
/// is decoded by few, and not answered.
const PATTERNS: [(u8, u8, u8, Profile); 8] = [
    (0x42, 0b0100_1111, 0b0100_0000, Profile::ConstrainedBaseline),
    (0x4d, 0b1000_1111, 0b1000_0000, Profile::ConstrainedBaseline),
    (0x58, 0b1100_1111, 0b1100_0000, Profile::ConstrainedBaseline),
    (0x42, 0b0100_1111, 0, Profile::Baseline),
    (0x58, 0b1100_1111, 0b1000_0000, Profile::Baseline),
    (0x4d, 0b1010_1111, 0, Profile::Main),
    (0x64, 0b1111_1111, 0b0000_1100, Profile::ConstrainedHigh),
    (0x64, 0b1111_1111, 0, Profile::High),
];

/// What one payload type of H.264 means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct H264 {
    /// `profile-level-id`.
    id: [u8; 3],
    pub(super) profile: Profile,
    /// `packetization-mode` 1: STAP-A and FU-A too. Without it each packet is one unit.
    pub(super) is_mode_1: bool,
    level_asymmetry: bool,
    /// bit/s that it decodes at most, where it says so (`max-br`).
    pub(super) max_bits_per_second: Option<u64>,
}

impl H264 {
    /// Reads what stands behind the payload type of `a=fmtp`, empty where there is none; `None` for
    /// what is not answered: a profile that few decode, the interleaved mode, a level that there is not.
    pub(super) fn parse(parameters: &str) -> Option<Self> {
        let (mut id, mut is_mode_1, mut level_asymmetry) = (DEFAULT_ID, false, false);
        let mut max_bits_per_second = None;
        for parameter in parameters.split(';') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("profile-level-id") {
                id = octets(value)?;
            } else if name.eq_ignore_ascii_case("packetization-mode") {
                is_mode_1 = match value {
                    "0" => false,
                    "1" => true,
                    _ => return None,
                };
            } else if name.eq_ignore_ascii_case("level-asymmetry-allowed") {
                level_asymmetry = value == "1";
            } else if name.eq_ignore_ascii_case("max-br") {
                let kilobits: Option<u32> = value.parse().ok();
                max_bits_per_second = kilobits.map(|number| u64::from(number) * 1_000);
            }
        }
        let profile = profile(id)?;
        Some(H264 { id, profile, is_mode_1, level_asymmetry, max_bits_per_second })
    }

    /// Whether an answer puts one against the other (RFC 6184 section 8.2.2): same profile, same mode.
    pub(super) fn is_alike(&self, other: &H264) -> bool {
        (self.profile, self.is_mode_1) == (other.profile, other.is_mode_1)
    }

    /// How gladly a room takes it, the less the better: what everybody decodes, and single units, which
    /// everybody can be given.
    pub(super) const fn rank(&self) -> (bool, bool) {
        let plain = matches!(self.profile, Profile::ConstrainedBaseline | Profile::Baseline);
        (!plain, self.is_mode_1)
    }

    /// What is answered: what the device is to send. The profile as it was said, since there are devices
    /// that compare octets; the level is the room's `own`, or the lower of both where the device does
    /// not allow two (RFC 6184 section 8.2.2).
    pub(super) fn answer(&self, own: u8) -> Self {
        let [profile_idc, flags, level] = self.id;
        // A 1b that is written as 1.1 is below the room's as well.
        let is_lower = level <= own;
        let id = match is_lower && !self.level_asymmetry {
            true => self.id,
            false if profile_idc == 0x64 => [profile_idc, flags, own],
            false => [profile_idc, flags & !SET_3, own],
        };
        H264 { id, max_bits_per_second: None, ..*self }
    }
}

impl fmt::Display for H264 {
    /// The value of `a=fmtp` behind the payload type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [profile_idc, flags, level] = self.id;
        write!(f, "profile-level-id={profile_idc:02x}{flags:02x}{level:02x}")?;
        write!(f, ";packetization-mode={}", u8::from(self.is_mode_1))?;
        if self.level_asymmetry {
            f.write_str(";level-asymmetry-allowed=1")?;
        }
        Ok(())
    }
}

fn octets(text: &str) -> Option<[u8; 3]> {
    let is_hex = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u32::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
    let [_, profile_idc, flags, level] = number.to_be_bytes();
    Some([profile_idc, flags, level])
}

fn profile([profile_idc, flags, level]: [u8; 3]) -> Option<Profile> {
    if !LEVELS.contains(&level) {
        return None;
    }
    // In these profiles the flag is 1b's, or says nothing.
    let counted = if profile_idc == 0x64 { flags } else { flags & !SET_3 };
    let fits = |(idc, mask, value, _): &&(u8, u8, u8, Profile)| {
        *idc == profile_idc && counted & mask == *value
    };
    PATTERNS.iter().find(fits).map(|(.., profile)| *profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(offered: &str) -> String {
        H264::parse(offered).unwrap().answer(LEVEL_3_1).to_string()
    }

    #[test]
    fn the_profile_is_answered_as_it_was_said_and_the_level_is_the_lower_one() {
        for (offered, answered) in [
            (
                "profile-level-id=42801F;packetization-mode=1;max-mbps=108000",
                "42801f;packetization-mode=1",
            ),
            ("profile-level-id=428016", "428016;packetization-mode=0"),
            ("profile-level-id=640029; packetization-mode=1", "64001f;packetization-mode=1"),
            ("profile-level-id=42e02a;packetization-mode=0", "42e01f;packetization-mode=0"),
            // 1b, which is lower; and what it becomes where the room's own level counts.
            ("profile-level-id=42f00b", "42f00b;packetization-mode=0"),
            ("", "42000a;packetization-mode=0"),
            (
                "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42f00b",
                "42e01f;packetization-mode=1;level-asymmetry-allowed=1",
            ),
        ] {
            assert_eq!(answer(offered), format!("profile-level-id={answered}"), "{offered}");
        }
    }

    #[test]
    fn without_high_definition_the_level_is_lower() {
        let answer = |text| H264::parse(text).unwrap().answer(LEVEL_3).to_string();
        assert_eq!(
            answer("profile-level-id=42e01f"),
            "profile-level-id=42e01e;packetization-mode=0"
        );
        assert_eq!(
            answer("profile-level-id=428016"),
            "profile-level-id=428016;packetization-mode=0"
        );
    }

    #[test]
    fn what_few_take_is_not_answered() {
        for offered in [
            "packetization-mode=2",
            "packetization-mode=",
            "profile-level-id=42e0",
            "profile-level-id=+2e01f",
            "profile-level-id=42e020;profile-level-id=f4001f",
            "profile-level-id=58001f",
            "profile-level-id=42e0ff",
            "profile-level-id=é2e01f",
        ] {
            assert!(H264::parse(offered).is_none(), "{offered}");
        }
    }

    #[test]
    fn formats_are_told_apart_by_profile_and_mode() {
        let read = |text| H264::parse(text).unwrap();
        let plain = read("profile-level-id=42e01f");
        assert!(plain.is_alike(&read("profile-level-id=4d800d")), "in other octets");
        assert!(!plain.is_alike(&read("profile-level-id=42e01f;packetization-mode=1")));
        assert!(!plain.is_alike(&read("profile-level-id=42801f")));
        assert!(plain.rank() < read("profile-level-id=42e01f;packetization-mode=1").rank());
        assert!(
            read("profile-level-id=42801f;packetization-mode=1").rank()
                < read("profile-level-id=64001f").rank()
        );
        assert_eq!(read("max-br=1500").max_bits_per_second, Some(1_500_000));
        assert_eq!(read("max-br=4294967296").max_bits_per_second, None);
    }
}
