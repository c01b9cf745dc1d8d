//! Levels of H.264 and what they allow (ITU-T H.264 table A-1).

use std::fmt;

/// A level, in the order of what it allows; 1b stands between 1 and 1.1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Level(u8);

/// What a stream may need of whoever decodes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// Macroblocks a second.
    pub macroblocks_per_second: u32,
    /// Macroblocks of a picture.
    pub macroblocks: u32,
    /// 1,000 bit/s of the baseline, main and extended profiles (`MaxBR`).
    pub kilobits_per_second: u32,
    /// Macroblocks of the decoded picture buffer (`MaxDpbMbs`).
    pub buffer_macroblocks: u32,
}

/// `level_idc` (9 for 1b), macroblocks a second, of a picture, of the buffer, bit rate.
const TABLE: [(u8, u32, u32, u32, u32); 20] = [
    (9, 1_485, 99, 396, 128),
    (10, 1_485, 99, 396, 64),
    (11, 3_000, 396, 900, 192),
    (12, 6_000, 396, 2_376, 384),
    (13, 11_880, 396, 2_376, 768),
    (20, 11_880, 396, 2_376, 2_000),
    (21, 19_800, 792, 4_752, 4_000),
    (22, 20_250, 1_620, 8_100, 4_000),
    (30, 40_500, 1_620, 8_100, 10_000),
    (31, 108_000, 3_600, 18_000, 14_000),
    (32, 216_000, 5_120, 20_480, 20_000),
    (40, 245_760, 8_192, 32_768, 20_000),
    (41, 245_760, 8_192, 32_768, 50_000),
    (42, 522_240, 8_704, 34_816, 50_000),
    (50, 589_824, 22_080, 110_400, 135_000),
    (51, 983_040, 36_864, 184_320, 240_000),
    (52, 2_073_600, 36_864, 184_320, 240_000),
    (60, 4_177_920, 139_264, 696_320, 240_000),
    (61, 8_355_840, 139_264, 696_320, 480_000),
    (62, 16_711_680, 139_264, 696_320, 800_000),
];

impl Level {
    /// Level 1, which RFC 6184 takes where nothing is said.
    pub const L1: Level = Level(20);
    /// Level 1b.
    pub const L1B: Level = Level(21);
    /// Level 3.1: 1280x720 at 30 a second.
    pub const L3_1: Level = Level(62);

    /// The level of `level_idc`, ten times its number; `None` for one that the table does not have.
    /// `is_1b` is what `constraint_set3_flag` says with 11 in the profiles that have it so.
    pub fn from_idc(level_idc: u8, is_1b: bool) -> Option<Self> {
        if level_idc == 9 || (level_idc == 11 && is_1b) {
            return Some(Level::L1B);
        }
        TABLE.iter().any(|row| row.0 == level_idc).then(|| Level(level_idc * 2))
    }

    /// Ten times the number: 31 for 3.1; 11 for 1b, as most profiles write it.
    pub const fn idc(self) -> u8 {
        if self.is_1b() { 11 } else { self.0 / 2 }
    }

    /// Whether it is 1b.
    pub const fn is_1b(self) -> bool {
        self.0 == Level::L1B.0
    }

    /// What it allows.
    pub fn limits(self) -> Limits {
        let idc = if self.is_1b() { 9 } else { self.0 / 2 };
        let row = TABLE.iter().find(|row| row.0 == idc).unwrap_or(&TABLE[1]);
        let &(_, macroblocks_per_second, macroblocks, buffer_macroblocks, kilobits_per_second) =
            row;
        Limits { macroblocks_per_second, macroblocks, kilobits_per_second, buffer_macroblocks }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_1b() {
            return f.write_str("1b");
        }
        write!(f, "{}.{}", self.idc() / 10, self.idc() % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_stand_in_the_order_of_what_they_allow() {
        let levels = [10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52, 60, 61, 62];
        let mut last = Level::L1.limits();
        let mut all: Vec<_> =
            levels.iter().map(|&idc| Level::from_idc(idc, false).unwrap()).collect();
        assert!(all[0] < Level::L1B && Level::L1B < all[1], "1 < 1b < 1.1");
        all.insert(1, Level::L1B);
        for pair in all.windows(2) {
            assert!(pair[0] < pair[1]);
            let limits = pair[1].limits();
            assert!(limits.macroblocks_per_second >= last.macroblocks_per_second);
            assert!(limits.kilobits_per_second >= last.kilobits_per_second);
            last = limits;
        }
        assert_eq!(Level::from_idc(14, false), None);
        assert_eq!(Level::from_idc(11, true), Some(Level::L1B));
        assert_eq!((Level::L3_1.to_string(), Level::L1B.to_string()), ("3.1".into(), "1b".into()));
        assert_eq!(Level::L3_1.limits().macroblocks, 3_600);
    }
}
