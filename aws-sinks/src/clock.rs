//! The only place of this crate that reads a clock, and the clocks of services.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use model::UnixTime;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// While this node's clock and a service's are no farther apart, this node's counts: services take
/// signatures of 5 minutes, and `Date` has only seconds.
const TOLERANCE: Duration = Duration::from_secs(60);

/// A service's clock, as the `Date` of its answers tells it. What a service takes depends on its own
/// time, so a node whose calendar is wrong, or jumps, signs and judges by the service's.
#[derive(Debug)]
pub(crate) struct ServiceClock {
    service: &'static str,
    told: Mutex<Told>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Told {
    /// What the service said last, and when on the clock that never jumps.
    last: Option<(SystemTime, Instant)>,
    differs: bool,
}

impl ServiceClock {
    /// Of a service by its name, which log lines have.
    pub(crate) fn new(service: &'static str) -> Self {
        ServiceClock { service, told: Mutex::default() }
    }

    /// Whether the service ever told its time.
    pub(crate) fn is_known(&self) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).last.is_some()
    }

    /// Takes in the `Date` of an answer (RFC 9110 section 6.6.1); what is no date changes nothing.
    pub(crate) fn note(&self, date: &str) {
        let Ok(date) = DateTime::from_str(date, Format::HttpDate) else { return };
        let Ok(date) = SystemTime::try_from(date) else { return };
        if date < SystemTime::UNIX_EPOCH {
            return;
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.last = Some((date, monotonic()));
        let apart = apart(date, system_time());
        let differs = apart > TOLERANCE;
        if differs != told.differs {
            let (service, seconds) = (self.service, apart.as_secs());
            if differs {
                tracing::warn!(
                    service,
                    seconds,
                    "this node's clock and the service's are apart; requests are signed by the \
                     service's: correct the node's (NTP)"
                );
            } else {
                tracing::info!(service, "this node's clock agrees with the service's again");
            }
        }
        told.differs = differs;
    }

    /// The time to sign and to judge by: this node's while it agrees with the service's.
    pub(crate) fn now(&self) -> SystemTime {
        let last = self.told.lock().unwrap_or_else(PoisonError::into_inner).last;
        let own = system_time();
        let Some((date, at)) = last else { return own };
        let theirs = date + monotonic().saturating_duration_since(at);
        if apart(theirs, own) > TOLERANCE { theirs } else { own }
    }

    /// How many seconds the service's clock is ahead of this node's (negative: behind it); `None`
    /// while they agree, or while the service's is not known.
    pub(crate) fn seconds_ahead(&self) -> Option<i64> {
        let (theirs, own) = (self.now(), system_time());
        let seconds = i64::try_from(apart(theirs, own).as_secs()).unwrap_or(i64::MAX);
        (apart(theirs, own) > TOLERANCE).then_some(if theirs > own { seconds } else { -seconds })
    }

    /// The same as milliseconds.
    pub(crate) fn unix_time(&self) -> UnixTime {
        let since = self.now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        UnixTime::from_millis(millis)
    }
}

/// How far apart two times are, whichever is the later one.
pub(crate) fn apart(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).unwrap_or_else(|error| error.duration())
}

/// The calendar's time.
#[expect(clippy::disallowed_methods, reason = "the shell's reading of the calendar")]
fn system_time() -> SystemTime {
    SystemTime::now()
}

#[expect(clippy::disallowed_methods, reason = "the shell's reading of the clock")]
fn monotonic() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ahead: i64) -> ServiceClock {
        let clock = ServiceClock::new("test");
        let now = DateTime::from(system_time());
        let date = DateTime::from_secs(now.secs() + ahead);
        clock.note(&date.fmt(Format::HttpDate).unwrap());
        clock
    }

    #[test]
    fn the_node_s_clock_counts_while_it_agrees() {
        for clock in [ServiceClock::new("test"), told(0), told(-30), told(30)] {
            assert!(apart(clock.now(), system_time()) < Duration::from_secs(1));
            assert_eq!(clock.seconds_ahead(), None);
        }
    }

    #[test]
    fn a_service_that_is_far_off_is_followed() {
        for hours in [-3, 3, 24 * 30] {
            let clock = told(hours * 3_600);
            assert!(clock.is_known());
            let far = apart(clock.now(), system_time()).as_secs();
            let expected = hours.unsigned_abs() * 3_600;
            assert_eq!(clock.seconds_ahead().unwrap().signum(), hours.signum());
            assert!(far.abs_diff(expected) <= 2, "{far}");
        }
    }

    #[test]
    fn what_is_no_date_changes_nothing() {
        let clock = ServiceClock::new("test");
        for text in ["", "soon", "Mon, 16 Dec -019 23:48:18 GMT", "2026-01-02T03:04:05Z"] {
            clock.note(text);
            assert!(!clock.is_known(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_date_is_beyond_understanding(text in "(Mon, )?[0-9A-Za-z:, -]{0,40}( GMT)?") {
            let clock = ServiceClock::new("test");
            clock.note(&text);
            let _ = clock.unix_time();
        }
    }
}
