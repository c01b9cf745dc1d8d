//! NTP time as RTCP carries it (RFC 3550 section 4) and the delay since the last sender report.

use std::fmt;
use std::time::Duration;

/// Seconds from NTP's epoch (1900) to Unix's (1970).
const UNIX_OFFSET_SECONDS: u64 = 2_208_988_800;

/// A 64-bit NTP time: 32 bits of seconds since 1900, 32 bits of fraction. Wraps in 2036.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NtpTime(pub u64);

/// The middle 32 bits of an [`NtpTime`]: 16 bits of seconds, 16 of fraction. Wraps every 18 hours,
/// so only differences mean anything.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NtpMid(pub u32);

impl NtpTime {
    /// The NTP time of a time since the Unix epoch (modulo NTP's era).
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs().wrapping_add(UNIX_OFFSET_SECONDS) & 0xffff_ffff;
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;
        NtpTime((seconds << 32) | fraction)
    }

    /// The middle 32 bits, as LSR carries them.
    pub const fn mid(self) -> NtpMid {
        NtpMid((self.0 >> 16) as u32)
    }

    /// Whole seconds since 1900, modulo the era.
    pub const fn seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Fraction of a second in 1/2^32.
    pub const fn fraction(self) -> u32 {
        self.0 as u32
    }
}

impl NtpMid {
    /// Units of 1/65,536 s from `earlier` to `self`, across the wrap.
    pub const fn units_since(self, earlier: NtpMid) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }
}

impl fmt::Debug for NtpTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NtpTime({:08x}:{:08x})", self.seconds(), self.fraction())
    }
}

impl fmt::Debug for NtpMid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NtpMid({:04x}:{:04x})", self.0 >> 16, self.0 & 0xffff)
    }
}

/// A count of 1/65,536 s as a duration, rounded down to a nanosecond. At most 18.2 hours.
pub const fn dlsr_to_duration(units: u32) -> Duration {
    let nanos = (units as u64 * 1_000_000_000) >> 16;
    Duration::from_nanos(nanos)
}

/// A duration in units of 1/65,536 s, rounded down; the largest value stands for anything longer.
pub fn dlsr_from_duration(span: Duration) -> u32 {
    let whole = span.as_secs().saturating_mul(65_536);
    let part = (u64::from(span.subsec_nanos()) << 16) / 1_000_000_000;
    u32::try_from(whole.saturating_add(part)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_middle_bits_of_rfc_3550_figure_2() {
        // Section 6.4.1: 10 Nov 1995 11:33:25.125 UTC is n = 0xb44db705:20000000,
        // and 816_003_205.125 s in Unix time.
        let time = NtpTime::from_unix(Duration::from_millis(816_003_205_125));
        assert_eq!(time, NtpTime(0xb44d_b705_2000_0000));
        assert_eq!(time.mid(), NtpMid(0xb705_2000));
        // DLSR 0x0005:4000 is 5.250 s.
        assert_eq!(dlsr_to_duration(0x0005_4000), Duration::from_millis(5_250));
        assert_eq!(dlsr_from_duration(Duration::from_millis(5_250)), 0x0005_4000);
    }

    #[test]
    fn differences_cross_the_wrap() {
        assert_eq!(NtpMid(2).units_since(NtpMid(0xffff_ffff)), 3);
        assert_eq!(dlsr_from_duration(Duration::MAX), u32::MAX);
    }

    #[test]
    fn the_era_wraps_in_2036() {
        // 2036-02-07T06:28:16Z is second 2^32 of NTP's first era.
        let wrap = Duration::from_secs((1 << 32) - UNIX_OFFSET_SECONDS);
        assert_eq!(NtpTime::from_unix(wrap), NtpTime(0));
    }

    proptest! {
        #[test]
        fn a_delay_survives_the_round_trip(units: u32) {
            let back = dlsr_from_duration(dlsr_to_duration(units));
            // Rounding down to a nanosecond costs at most one unit.
            prop_assert!(units - back <= 1);
        }
    }
}
