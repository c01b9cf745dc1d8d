//! Everything that can be wrong with declared resources, found in one pass.

mod applications;
mod policy;
mod pools;
mod proxy;
mod rooms;

use crate::number::parse_e164;
use crate::route::is_domain_name;
use crate::{
    Carrier, ClientCertificatePolicy, Problem, Resources, Streaming, Termination, VoiceConnector,
};
use ipnet::IpNet;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::hash::Hash;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The ranges that values must lie in.
pub mod limits {
    use std::ops::RangeInclusive;
    use std::time::Duration;

    /// Priority and weight, as at AWS.
    pub const PRIORITY_AND_WEIGHT: RangeInclusive<u8> = 1..=100;
    /// Call attempts a second.
    pub const CPS: RangeInclusive<u32> = 1..=100_000;
    /// Calls at once.
    pub const CONCURRENT_CALLS: RangeInclusive<u32> = 1..=1_000_000;
    /// Origination routes of one voice connector, as at AWS.
    pub const ORIGINATION_ROUTES: usize = 20;
    /// Retention of streamed audio in hours, as Kinesis Video Streams allows.
    pub const RETENTION_HOURS: RangeInclusive<u32> = 0..=87_600;
    /// Codes that end a hunt.
    pub const HUNT_FINAL_CODE: RangeInclusive<u16> = 400..=699;
    /// Waiting for any response: Timer B (32 s) ends it anyway.
    pub const NO_RESPONSE_TIMEOUT: RangeInclusive<Duration> =
        Duration::from_millis(500)..=Duration::from_secs(32);
    /// Between two OPTIONS to a carrier or a route.
    pub const OPTIONS_PING: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(3600);
    /// Minutes a day.
    pub const MINUTES_PER_DAY: RangeInclusive<u32> = 1..=100_000_000;
    /// The longest that a voice connector's outbound call may last.
    pub const CALL_DURATION_CAP: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
    /// Voice connectors in a group, as at AWS.
    pub const GROUP_MEMBERS: usize = 3;
    /// Priority of a voice connector in its group, as at AWS.
    pub const GROUP_PRIORITY: RangeInclusive<u8> = 1..=99;
    /// Applications of a SIP rule, as at AWS.
    pub const RULE_TARGETS: RangeInclusive<usize> = 1..=25;
    /// An application's answer.
    pub const APPLICATION_TIMEOUT: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(60);
    /// Ringing.
    pub const NO_ANSWER_TIMEOUT: RangeInclusive<Duration> =
        Duration::from_secs(5)..=Duration::from_secs(600);
}

pub(crate) fn validate(resources: &Resources) -> Vec<Problem> {
    let mut problems = Problems(Vec::new());
    let domain = resources.domain.trim_end_matches('.');
    problems.check(is_domain_name(domain), "sip.domain", || {
        format!("{domain:?} is not a domain name; write one such as \"tandem.example.com\"")
    });
    problems.carriers(&resources.carriers);
    problems.voice_connectors(resources);
    problems.policy(resources);
    problems.applications(resources);
    problems.number_pools(&resources.number_pools);
    problems.proxies(resources);
    problems.rooms(resources);
    problems.0
}

/// What is wrong with a voice connector by itself; `index` is its place among all of them.
pub(crate) fn validate_connector(
    vc: &VoiceConnector,
    index: usize,
    carriers: &[Arc<Carrier>],
) -> Vec<Problem> {
    let mut problems = Problems(Vec::new());
    let carriers: HashSet<&str> = carriers.iter().map(|carrier| carrier.id.as_str()).collect();
    let at = format!("voice_connector[{index}]");
    problems.voice_connector(vc, &carriers, &at);
    problems.policy_of_connector(vc, &carriers, &at);
    problems.0
}

struct Problems(Vec<Problem>);

impl Problems {
    fn check(&mut self, fine: bool, path: impl Into<String>, message: impl FnOnce() -> String) {
        if !fine {
            self.0.push(Problem { path: path.into(), message: message(), conflicts_with: None });
        }
    }

    /// Remembers that `key` is at `path`; a problem if it is somewhere else already.
    fn unique<K: Eq + Hash>(
        &mut self,
        seen: &mut HashMap<K, String>,
        key: K,
        path: String,
        message: impl FnOnce() -> String,
    ) {
        match seen.entry(key) {
            Entry::Occupied(first) => self.0.push(Problem {
                path,
                message: message(),
                conflicts_with: Some(first.get().clone()),
            }),
            Entry::Vacant(vacant) => {
                vacant.insert(path);
            }
        }
    }

    fn in_range<T>(&mut self, value: T, range: &RangeInclusive<T>, path: String)
    where
        T: PartialOrd + Display,
    {
        self.check(range.contains(&value), path, || {
            format!("{value} is out of range; use {} to {}", range.start(), range.end())
        });
    }

    fn carriers(&mut self, carriers: &[Carrier]) {
        let (mut ids, mut networks) = (HashMap::new(), HashMap::new());
        for (i, carrier) in carriers.iter().enumerate() {
            let at = format!("carrier[{i}]");
            self.unique(&mut ids, carrier.id.as_str(), format!("{at}.id"), || {
                format!("carrier id \"{}\" is used twice; rename one", carrier.id)
            });
            self.in_range(carrier.priority, &limits::PRIORITY_AND_WEIGHT, format!("{at}.priority"));
            self.in_range(carrier.weight, &limits::PRIORITY_AND_WEIGHT, format!("{at}.weight"));
            self.port(carrier.port, &at);
            self.prefixes(carrier, &at);
            for (n, net) in carrier.inbound_cidrs.iter().enumerate() {
                let path = format!("{at}.inbound_cidrs[{n}]");
                self.network(net, &path);
                self.unique(&mut networks, net.trunc(), path, || {
                    format!(
                        "{net} is listed twice, so calls from it cannot be told apart; keep one"
                    )
                });
            }
            self.final_codes(&carrier.hunt_final_codes, &at);
            self.timeouts(carrier.no_response_timeout, carrier.no_answer_timeout, &at);
            self.client_names(&carrier.client_certificate, &at);
        }
    }

    fn prefixes(&mut self, carrier: &Carrier, at: &str) {
        let mut prefixes = HashMap::new();
        for (n, prefix) in carrier.prefixes.iter().enumerate() {
            let path = format!("{at}.prefixes[{n}]");
            self.number_prefix(prefix, path.clone());
            self.unique(&mut prefixes, &**prefix, path, || {
                format!("prefix {prefix:?} is listed twice; remove one")
            });
        }
    }

    fn voice_connectors(&mut self, resources: &Resources) {
        let (mut ids, mut numbers) = (HashMap::new(), HashMap::new());
        let carriers: HashSet<&str> = resources.carriers.iter().map(|c| c.id.as_str()).collect();
        for (i, vc) in resources.voice_connectors.iter().enumerate() {
            let at = format!("voice_connector[{i}]");
            self.unique(&mut ids, vc.id.as_str(), format!("{at}.id"), || {
                format!("voice connector id \"{}\" is used twice; change one", vc.id)
            });
            for (n, number) in vc.numbers.iter().enumerate() {
                let path = format!("{at}.numbers[{n}]");
                self.e164(number, path.clone());
                self.unique(&mut numbers, &**number, path, || {
                    format!(
                        "{number} is listed twice, and a number reaches one voice connector; \
                         remove one"
                    )
                });
            }
            self.voice_connector(vc, &carriers, &at);
        }
    }

    /// Everything but its id and its numbers, which others may have too.
    fn voice_connector(&mut self, vc: &VoiceConnector, carriers: &HashSet<&str>, at: &str) {
        if let Some(termination) = &vc.termination {
            self.termination(termination, &format!("{at}.termination"));
        }
        self.origination(vc, at);
        self.streaming(&vc.streaming, carriers, &format!("{at}.streaming"));
        let copied = vc.siprec_client.iter().flat_map(|client| client.numbers.iter());
        for (n, prefix) in copied.enumerate() {
            self.number_prefix(prefix, format!("{at}.siprec_client.numbers[{n}]"));
        }
        self.final_codes(&vc.hunt_final_codes, at);
        self.timeouts(vc.no_response_timeout, vc.no_answer_timeout, at);
    }

    fn termination(&mut self, termination: &Termination, at: &str) {
        let mut networks = HashMap::new();
        for (n, net) in termination.cidr_allowed_list.iter().enumerate() {
            let path = format!("{at}.cidr_allowed_list[{n}]");
            self.network(net, &path);
            self.unique(&mut networks, net.trunc(), path, || {
                format!("{net} is listed twice; remove one")
            });
        }
        self.in_range(termination.cps_limit, &limits::CPS, format!("{at}.cps_limit"));
        self.in_range(
            termination.concurrent_calls_limit,
            &limits::CONCURRENT_CALLS,
            format!("{at}.concurrent_calls_limit"),
        );
        self.client_names(&termination.client_certificate, at);
    }

    fn client_names(&mut self, policy: &ClientCertificatePolicy, at: &str) {
        let nameless = policy.is_required() && policy.names.is_empty();
        self.check(!nameless, format!("{at}.client_certificate"), || {
            "any certificate of any authority would do; add the names that the peer's certificate \
             is for, such as client_certificate_names = [\"sbc.example.com\"]"
                .to_owned()
        });
    }

    fn origination(&mut self, vc: &VoiceConnector, at: &str) {
        for (n, route) in vc.origination.routes.iter().enumerate() {
            let at = format!("{at}.origination[{n}]");
            self.in_range(route.priority, &limits::PRIORITY_AND_WEIGHT, format!("{at}.priority"));
            self.in_range(route.weight, &limits::PRIORITY_AND_WEIGHT, format!("{at}.weight"));
            self.port(route.port, &at);
            self.check(route.is_allowed_by(vc), format!("{at}.protocol"), || {
                format!(
                    "{} is not encrypted, and the voice connector has require_encryption = true; \
                     use protocol = \"tls\"",
                    route.protocol
                )
            });
        }
        let routes = vc.origination.routes.len();
        self.check(routes <= limits::ORIGINATION_ROUTES, format!("{at}.origination"), || {
            format!(
                "{routes} origination routes; at most {} are allowed",
                limits::ORIGINATION_ROUTES
            )
        });
    }

    fn streaming(&mut self, streaming: &Streaming, carriers: &HashSet<&str>, at: &str) {
        let (retention, path) = (streaming.retention_hours, format!("{at}.retention_hours"));
        self.in_range(retention, &limits::RETENTION_HOURS, path);
        for (n, prefix) in streaming.numbers.iter().enumerate() {
            self.number_prefix(prefix, format!("{at}.numbers[{n}]"));
        }
        for (n, id) in streaming.carriers.iter().enumerate() {
            let is_known = carriers.contains(id.as_str());
            self.check(is_known, format!("{at}.carriers[{n}]"), || {
                format!("there is no [[carrier]] with id = \"{id}\"; add it or correct the id")
            });
        }
        let rate = streaming.sample_rate;
        self.check(matches!(rate, 8_000 | 16_000), format!("{at}.sample_rate"), || {
            format!("{rate} is no sample rate of streams; use 8000 or 16000")
        });
        let fits = !streaming.mu_law || rate == 8_000;
        self.check(fits, format!("{at}.mu_law"), || {
            "µ-law has 8000 samples a second; take it out, or set sample_rate = 8000".to_owned()
        });
        let is_asked_for = streaming.enabled || streaming.by_header;
        let is_heard = !is_asked_for || !streaming.listeners().is_empty();
        self.check(is_heard, format!("{at}.kinesis_video"), || {
            "nobody would listen to a call; set kinesis_video = true, or say who else does"
                .to_owned()
        });
    }

    fn number_prefix(&mut self, prefix: &str, path: String) {
        let fine = prefix.strip_prefix('+').is_some_and(|digits| {
            digits.len() <= 15
                && digits.bytes().all(|b| b.is_ascii_digit())
                && !digits.starts_with('0')
        });
        self.check(fine, path, || {
            format!(
                "{prefix:?} is not a number prefix; write \"+\" for every number, or \"+\" and \
                 leading digits such as \"+1206\""
            )
        });
    }

    fn e164(&mut self, number: &str, path: String) {
        self.check(parse_e164(number).is_some(), path, || {
            format!(
                "{number:?} is not an E.164 number; write \"+\" and 7 to 15 digits, such as \
                 \"+12065550100\""
            )
        });
    }

    fn port(&mut self, port: Option<u16>, at: &str) {
        self.check(port != Some(0), format!("{at}.port"), || {
            "port 0 cannot be called; use 1 to 65535, or leave it out for the default".to_owned()
        });
    }

    fn network(&mut self, net: &IpNet, path: &str) {
        self.check(net.addr() == net.network(), path, || {
            format!(
                "{net} has bits set after its prefix length; write {} or one address",
                net.trunc()
            )
        });
        let mapped =
            matches!(net.addr(), std::net::IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
        self.check(!mapped, path, || {
            format!("{net} is an IPv4 network in IPv6 form; write it as IPv4, such as 192.0.2.0/24")
        });
    }

    fn final_codes(&mut self, codes: &[u16], at: &str) {
        for (n, code) in codes.iter().enumerate() {
            let path = format!("{at}.hunt_final_codes[{n}]");
            self.in_range(*code, &limits::HUNT_FINAL_CODE, path);
        }
    }

    fn timeouts(&mut self, no_response: Duration, no_answer: Duration, at: &str) {
        for (key, timeout, range) in [
            ("no_response_timeout", no_response, limits::NO_RESPONSE_TIMEOUT),
            ("no_answer_timeout", no_answer, limits::NO_ANSWER_TIMEOUT),
        ] {
            self.check(range.contains(&timeout), format!("{at}.{key}"), || {
                format!("{timeout:?} is out of range; use {:?} to {:?}", range.start(), range.end())
            });
        }
    }
}
