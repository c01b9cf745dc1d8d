//! `a=rtcp-xr` (RFC 3611 section 5): the extended reports that a description asks for.

use model::XrWishes;
use std::fmt::Write as _;

/// The attribute's name.
pub(crate) const NAME: &str = "rtcp-xr";

/// What the attribute's value asks for, of what is made here.
pub(crate) fn wishes(value: &str) -> XrWishes {
    let mut wishes = XrWishes::default();
    for format in value.split_ascii_whitespace() {
        let name = format.split('=').next().unwrap_or_default();
        wishes.voip_metrics |= name.eq_ignore_ascii_case("voip-metrics");
        wishes.receiver_rtt |= name.eq_ignore_ascii_case("rcvr-rtt");
    }
    wishes
}

/// The value for our answer to a leg that asks for `adds` beside what the far end's answer says,
/// `told`: both. `None` when there is nothing to add.
pub(crate) fn answered(adds: XrWishes, told: Option<&str>) -> Option<String> {
    if adds == XrWishes::default() {
        return None;
    }
    let mut value = told.unwrap_or_default().trim().to_owned();
    // Receivers and senders alike may ask for the round trip.
    for (asked, format) in
        [(adds.voip_metrics, "voip-metrics"), (adds.receiver_rtt, "rcvr-rtt=all")]
    {
        if asked {
            let space = if value.is_empty() { "" } else { " " };
            // Writing into a String cannot fail.
            let _ = write!(value, "{space}{format}");
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: XrWishes = XrWishes { voip_metrics: true, receiver_rtt: true };

    #[test]
    fn wishes_are_found_among_others_in_any_case() {
        assert_eq!(wishes("pkt-loss-rle rcvr-rtt=all:100 stat-summary=loss Voip-Metrics"), ALL);
        assert_eq!(wishes("rcvr-rtt=sender"), XrWishes { receiver_rtt: true, ..ALL_NOT });
        assert_eq!(wishes("voip-metricsx pkt-dup-rle"), ALL_NOT);
        assert_eq!(wishes(""), ALL_NOT);
    }

    const ALL_NOT: XrWishes = XrWishes { voip_metrics: false, receiver_rtt: false };

    #[test]
    fn an_answer_has_the_far_ends_wishes_and_what_we_add() {
        assert_eq!(answered(ALL_NOT, Some("pkt-loss-rle")), None);
        assert_eq!(answered(ALL, None).as_deref(), Some("voip-metrics rcvr-rtt=all"));
        let told = "pkt-loss-rle=20 rcvr-rtt=sender ";
        let merged = answered(ALL.without(wishes(told)), Some(told));
        assert_eq!(merged.as_deref(), Some("pkt-loss-rle=20 rcvr-rtt=sender voip-metrics"));
    }
}
