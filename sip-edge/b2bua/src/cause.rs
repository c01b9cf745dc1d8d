//! What the telephone network said of a failure: Q.850 causes in Reason (RFC 3326).

use sip_proto::{HeaderName, Message};

/// Whom a cause speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Says {
    /// The called party or number: every route would say the same.
    Callee,
    /// The network on this route: another route may get through.
    Network,
}

/// The Q.850 cause of a response, 1 to 127, if it gives one.
pub(crate) fn q850(response: &Message) -> Option<u8> {
    response.values(HeaderName::Reason).find_map(|value| {
        let mut parts = value.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("Q.850") {
            return None;
        }
        let cause = parts.find_map(|part| {
            let (name, number) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case("cause").then(|| number.trim().parse::<u8>().ok())?
        })?;
        (1..=127).contains(&cause).then_some(cause)
    })
}

/// Whom a Q.850 cause speaks of; `None` for those that do not tell.
///
/// Of the callee are those that the called exchange or the called user makes. Carriers send 1, 22
/// and 28 with any of 404, 410, 484 and 503, and 17 with 486, 503 and 600: the cause is the better
/// witness. Of the network are those of routing, circuits and congestion (ITU-T Q.850 table 1), also
/// where a gateway made 404 or 480 of them, as RFC 3398 section 8.2.6.1 has it for 2 and 3.
pub(crate) const fn says(cause: u8) -> Option<Says> {
    match cause {
        1 | 17 | 18 | 19 | 21 | 22 | 26 | 28 => Some(Says::Callee),
        2 | 3 | 5 | 6 | 25 | 27 | 34 | 38 | 39 | 41..=44 | 46 | 47 | 63 | 98..=102 => {
            Some(Says::Network)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_proto::{Composer, Limits};

    fn response(reasons: &[&str]) -> Message {
        let mut composer = Composer::response(503, "Service Unavailable");
        for reason in reasons {
            composer.header(HeaderName::Reason, reason);
        }
        Message::parse(composer.finish(), &Limits::default()).unwrap()
    }

    #[test]
    fn the_cause_is_found_among_reasons() {
        for (reasons, cause) in [
            (&["Q.850;cause=17"][..], Some(17)),
            (&["q.850 ; cause=34 ;text=\"no circuit\""], Some(34)),
            (&["SIP;cause=503", "Q.850;cause=1"], Some(1)),
            (&["SIP;cause=503, Q.850;text=\"busy\";cause=17"], Some(17)),
            (&["SIP;cause=17"], None),
            (&["Q.850;cause=128"], None),
            (&["Q.850;cause=0"], None),
            (&["Q.850;cause=999999"], None),
            (&["Q.850"], None),
            (&[";;;=", ""], None),
            (&[], None),
        ] {
            assert_eq!(q850(&response(reasons)), cause, "{reasons:?}");
        }
    }

    #[test]
    fn causes_of_the_callee_and_of_the_network() {
        assert_eq!(says(17), Some(Says::Callee));
        assert_eq!(says(1), Some(Says::Callee));
        assert_eq!(says(34), Some(Says::Network));
        assert_eq!(says(3), Some(Says::Network));
        assert_eq!(says(16), None);
        assert_eq!(says(127), None);
    }
}
