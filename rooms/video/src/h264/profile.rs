//! `profile-level-id` (RFC 6184 section 8.1): profiles by their sub-profile, and levels.

use super::Level;
use std::fmt;

/// A profile as negotiation knows it: the patterns of RFC 6184 table 5.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Profile {
    /// Constrained baseline: what every device decodes, and RFC 7742 demands of browsers.
    ConstrainedBaseline,
    /// Baseline.
    Baseline,
    /// Main.
    Main,
    /// Extended.
    Extended,
    /// Constrained high (constraint flags 4 and 5 of high).
    ConstrainedHigh,
    /// High.
    High,
    /// Any other, by `profile_idc` and the flags as they came: it only matches itself.
    Other {
        /// `profile_idc`.
        profile_idc: u8,
        /// The octet of constraint flags.
        flags: u8,
    },
}

/// The three octets of `profile-level-id`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ProfileLevelId {
    /// The profile.
    pub profile: Profile,
    /// The level.
    pub level: Level,
}

/// RFC 6184 table 5, as octet, bits of the flags that count, and what they must be.
const PATTERNS: [(u8, u8, u8, Profile); 9] = [
    (0x42, 0b0100_1111, 0b0100_0000, Profile::ConstrainedBaseline),
    (0x4d, 0b1000_1111, 0b1000_0000, Profile::ConstrainedBaseline),
    (0x58, 0b1100_1111, 0b1100_0000, Profile::ConstrainedBaseline),
    (0x42, 0b0100_1111, 0, Profile::Baseline),
    (0x58, 0b1100_1111, 0b1000_0000, Profile::Baseline),
    (0x4d, 0b1010_1111, 0, Profile::Main),
    (0x58, 0b1100_1111, 0, Profile::Extended),
    (0x64, 0b1111_1111, 0b0000_1100, Profile::ConstrainedHigh),
    (0x64, 0b1111_1111, 0, Profile::High),
];
/// `constraint_set3_flag`: with level 1.1 in these profiles it says 1b.
const SET_3: u8 = 0x10;

impl ProfileLevelId {
    /// What stands where nothing is said (RFC 6184 section 8.1): baseline, level 1.
    pub const DEFAULT: ProfileLevelId =
        ProfileLevelId { profile: Profile::Baseline, level: Level::L1 };

    /// Constrained baseline of a level, written `42e0..`.
    pub const fn constrained_baseline(level: Level) -> Self {
        ProfileLevelId { profile: Profile::ConstrainedBaseline, level }
    }

    /// From the octets `profile_idc`, flags and `level_idc`; `None` for a level that is none.
    pub fn from_octets([profile_idc, flags, level_idc]: [u8; 3]) -> Option<Self> {
        let has_1b = matches!(profile_idc, 0x42 | 0x4d | 0x58);
        let level = Level::from_idc(level_idc, has_1b && flags & SET_3 != 0)?;
        // In these profiles the flag is 1b's, or says nothing.
        let counted = if has_1b { flags & !SET_3 } else { flags };
        let pattern = PATTERNS
            .iter()
            .find(|(idc, mask, value, _)| *idc == profile_idc && counted & mask == *value);
        let profile = match pattern {
            Some((_, _, _, profile)) => *profile,
            None => Profile::Other { profile_idc, flags },
        };
        Some(ProfileLevelId { profile, level })
    }

    /// From six hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 6 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let value = u32::from_str_radix(text, 16).ok()?;
        let [_, octets @ ..] = value.to_be_bytes();
        ProfileLevelId::from_octets(octets)
    }

    /// The octets as they are written here.
    pub const fn octets(self) -> [u8; 3] {
        let (profile_idc, flags) = match self.profile {
            Profile::ConstrainedBaseline => (0x42, 0xe0),
            Profile::Baseline => (0x42, 0x00),
            Profile::Main => (0x4d, 0x00),
            Profile::Extended => (0x58, 0x00),
            Profile::ConstrainedHigh => (0x64, 0x0c),
            Profile::High => (0x64, 0x00),
            Profile::Other { profile_idc, flags } => (profile_idc, flags),
        };
        match self.profile {
            Profile::ConstrainedHigh | Profile::High | Profile::Other { .. }
                if self.level.is_1b() =>
            {
                [profile_idc, flags, 9]
            }
            _ if self.level.is_1b() => [profile_idc, flags | SET_3, 11],
            _ => [profile_idc, flags, self.level.idc()],
        }
    }
}

impl Profile {
    /// Whether whoever decodes `self` decodes every stream of `other` too.
    ///
    /// Constrained baseline is a part of all of them (H.264 annex A.2.1.1 to A.2.4); main is a part of
    /// high, and constrained high too. Baseline and extended have tools that main does not.
    pub const fn decodes(self, other: Profile) -> bool {
        match (self, other) {
            (
                Profile::Other { profile_idc, flags },
                Profile::Other { profile_idc: p, flags: f },
            ) => profile_idc == p && flags == f,
            (Profile::Other { .. }, _) | (_, Profile::Other { .. }) => false,
            (_, Profile::ConstrainedBaseline) => true,
            (Profile::Baseline | Profile::Extended, Profile::Baseline)
            | (Profile::Extended, Profile::Extended)
            | (Profile::Main | Profile::High, Profile::Main)
            | (Profile::ConstrainedHigh | Profile::High, Profile::ConstrainedHigh)
            | (Profile::High, Profile::High) => true,
            _ => false,
        }
    }
}

impl fmt::Display for ProfileLevelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [profile, flags, level] = self.octets();
        write!(f, "{profile:02x}{flags:02x}{level:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(text: &str) -> Profile {
        ProfileLevelId::parse(text).unwrap().profile
    }

    #[test]
    fn the_same_profile_in_other_octets_is_the_same() {
        for text in ["42e01f", "42c01f", "42401f", "4d801f", "4da01f", "58c01f", "42f00b"] {
            assert_eq!(profile(text), Profile::ConstrainedBaseline, "{text}");
        }
        for text in ["42001f", "42801f", "58801f", "428016"] {
            assert_eq!(profile(text), Profile::Baseline, "{text}");
        }
        assert_eq!(profile("4d001f"), Profile::Main);
        assert_eq!(profile("4d401f"), Profile::Main);
        assert_eq!(profile("64001f"), Profile::High);
        assert_eq!(profile("640c1f"), Profile::ConstrainedHigh);
        assert_eq!(profile("6e001f"), Profile::Other { profile_idc: 0x6e, flags: 0 });
    }

    #[test]
    fn level_1b_has_two_ways_to_be_written() {
        let baseline = ProfileLevelId::parse("42f00b").unwrap();
        assert!(baseline.level.is_1b());
        assert_eq!(baseline.to_string(), "42f00b");
        let high = ProfileLevelId::parse("640009").unwrap();
        assert!(high.level.is_1b());
        assert_eq!(high.to_string(), "640009");
        assert!(!ProfileLevelId::parse("42e00b").unwrap().level.is_1b());
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for text in ["", "42e01", "42e01f0", "42e0zz", "+2e01f", "42e00e", "é2e01"] {
            assert_eq!(ProfileLevelId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn written_and_read_again_it_is_the_same() {
        for text in ["42e01f", "420016", "4d0029", "58001e", "640c1f", "64001f", "7a0033"] {
            let id = ProfileLevelId::parse(text).unwrap();
            assert_eq!(ProfileLevelId::parse(&id.to_string()), Some(id), "{text}");
        }
    }

    #[test]
    fn every_profile_decodes_itself_and_constrained_baseline() {
        let all = [
            Profile::ConstrainedBaseline,
            Profile::Baseline,
            Profile::Main,
            Profile::Extended,
            Profile::ConstrainedHigh,
            Profile::High,
        ];
        for one in all {
            assert!(one.decodes(one) && one.decodes(Profile::ConstrainedBaseline), "{one:?}");
        }
        assert!(Profile::High.decodes(Profile::Main));
        assert!(!Profile::Main.decodes(Profile::High));
        assert!(!Profile::Main.decodes(Profile::Baseline), "arbitrary slice order");
        assert!(!Profile::ConstrainedBaseline.decodes(Profile::Baseline));
    }
}
