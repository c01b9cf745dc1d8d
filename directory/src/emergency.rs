//! Emergency calling: what a customer dials in distress, and where that goes.

mod dialled;

use model::{CarrierId, EmergencyKind};
use std::sync::Arc;

/// A voice connector's emergency calling configuration (AWS:
/// `PutVoiceConnectorEmergencyCallingConfiguration`). Without one, emergency numbers are numbers
/// like any other.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct EmergencyCalling {
    /// By calling country; at least one.
    pub dnis: Vec<EmergencyDnis>,
    /// The carrier that takes these calls before any other; `None` for the carriers that are
    /// declared for emergencies.
    pub carrier: Option<CarrierId>,
    /// The voice connector's `require_encryption` holds for emergency calls too. By default a call
    /// for help is let through without, and recorded as such.
    pub require_encryption: bool,
}

/// Where emergency calls of one calling country go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EmergencyDnis {
    /// The number of the emergency service's router, E.164: an emergency call is sent there.
    pub emergency_phone_number: Arc<str>,
    /// The number that test calls are sent to, E.164; `None` refuses test calls.
    pub test_phone_number: Option<Arc<str>>,
    /// The country that the calls come from, ISO 3166-1 alpha-2.
    pub calling_country: &'static str,
    /// What callers dial in distress; by default the numbers of `calling_country`.
    pub dialled: Vec<Arc<str>>,
    /// What callers dial for a test call; by default 933 in the US and in Canada.
    pub dialled_for_test: Vec<Arc<str>>,
}

/// What kind of emergency call it is, and which number it is sent to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EmergencyMatch {
    /// The number to call, E.164.
    pub number: Arc<str>,
    /// Only a test of the route.
    pub is_test: bool,
}

impl EmergencyDnis {
    /// With the numbers that are dialled in `calling_country`.
    pub fn new(emergency_phone_number: &str, calling_country: &'static str) -> Self {
        EmergencyDnis {
            emergency_phone_number: emergency_phone_number.into(),
            test_phone_number: None,
            calling_country,
            dialled: dialled::in_distress(calling_country).map(Arc::from).collect(),
            dialled_for_test: dialled::for_a_test(calling_country).map(Arc::from).collect(),
        }
    }

    fn matches(&self, called: &str) -> Option<EmergencyMatch> {
        match EmergencyKind::of_service_urn(called) {
            Some(EmergencyKind::Emergency) => return Some(self.emergency()),
            Some(EmergencyKind::Test) => return self.test(),
            None => {}
        }
        // Some PBXes put a plus before everything that they send.
        let short = called.strip_prefix('+').unwrap_or(called);
        let is_one_of = |numbers: &[Arc<str>]| numbers.iter().any(|number| **number == *short);
        if is_one_of(&self.dialled) || *called == *self.emergency_phone_number {
            return Some(self.emergency());
        }
        self.test().filter(|test| is_one_of(&self.dialled_for_test) || *called == *test.number)
    }

    fn emergency(&self) -> EmergencyMatch {
        EmergencyMatch { number: self.emergency_phone_number.clone(), is_test: false }
    }

    fn test(&self) -> Option<EmergencyMatch> {
        let number = self.test_phone_number.clone()?;
        Some(EmergencyMatch { number, is_test: true })
    }
}

impl EmergencyCalling {
    /// Whether `called` is an emergency or test number here, or the URN of the service
    /// (`urn:service:sos`, RFC 5031), and where it goes. The entry of the
    /// caller's country decides, if that is known and has one; otherwise the first that fits: a
    /// strange calling number is no reason to lose an emergency call.
    pub fn find(&self, called: &str, caller_country: Option<&str>) -> Option<EmergencyMatch> {
        let own = self.dnis.iter().filter(|dnis| Some(dnis.calling_country) == caller_country);
        own.chain(&self.dnis).find_map(|dnis| dnis.matches(called))
    }
}
