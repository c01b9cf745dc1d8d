//! Loss from expected and received packets (RFC 3550 appendix A.3).

use model::LossCounts;

/// Loss of an interval in 1/256, as a report block carries it.
///
/// 0 when nothing was expected or more came than was lost: A.3's `<= 0` test, without which late
/// packets look like 96 % loss. At most 255, where the wire has no 256.
pub fn fraction_lost(interval: LossCounts) -> u8 {
    if interval.expected == 0 || interval.lost <= 0 {
        return 0;
    }
    let scaled = (u128::from(interval.lost.unsigned_abs()) << 8) / u128::from(interval.expected);
    u8::try_from(scaled).unwrap_or(u8::MAX)
}

/// Expected less received, signed.
pub(super) fn counts(expected: u64, received: u64) -> LossCounts {
    let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    LossCounts { expected, lost: signed(expected).saturating_sub(signed(received)) }
}

/// What was added to `before` to make `now`.
pub(crate) fn since(now: LossCounts, before: LossCounts) -> LossCounts {
    LossCounts {
        expected: now.expected.saturating_sub(before.expected),
        lost: now.lost.saturating_sub(before.lost),
    }
}

/// Both together.
pub(super) fn sum(one: LossCounts, other: LossCounts) -> LossCounts {
    LossCounts {
        expected: one.expected.saturating_add(other.expected),
        lost: one.lost.saturating_add(other.lost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fraction(expected: u64, lost: i64) -> u8 {
        fraction_lost(LossCounts { expected, lost })
    }

    #[test]
    fn a_share_in_256ths_rounds_down() {
        assert_eq!(fraction(100, 25), 64);
        // 1 * 256 / 300 = 0.85
        assert_eq!(fraction(300, 1), 0);
        assert_eq!(fraction(256, 255), 255);
        assert_eq!(fraction(50, 50), 255);
    }

    #[test]
    fn nothing_expected_and_negative_loss_are_zero() {
        assert_eq!(fraction(0, 0), 0);
        // 52 received of 50 expected: late packets of the interval before.
        assert_eq!(fraction(50, -2), 0);
        assert_eq!(fraction(0, 7), 0);
        assert_eq!(fraction(1, i64::MIN), 0);
        assert_eq!(fraction(1, i64::MAX), 255);
    }
}
