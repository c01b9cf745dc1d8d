use super::*;
use crate::{Problem, Reached, Resources, Snapshot};
use proptest::prelude::*;
use std::collections::HashSet;

const ID: &str = "abcdef1ghij2klmno3pqr4";
const ALICE: &str = "+14155550111";
const BOB: &str = "+442079460222";
const CAROL: &str = "+12125550333";

fn minute(minutes: u64) -> UnixTime {
    UnixTime::from_millis(1_700_000_000_000 + minutes * 60_000)
}

fn connector(numbers: &[&str]) -> VoiceConnector {
    let mut connector = VoiceConnector::new(VoiceConnectorId::new(ID).unwrap());
    connector.numbers = numbers.iter().map(|number| (*number).into()).collect();
    connector
}

fn configuration() -> ProxyConfiguration {
    ProxyConfiguration {
        voice_connector: VoiceConnectorId::new(ID).unwrap(),
        default_expiry_minutes: 60,
        disabled: false,
        fallback: None,
        countries: vec!["US", "GB"],
        numbers: None,
    }
}

fn request(a: &str, b: &str) -> ProxyRequest {
    ProxyRequest {
        name: None,
        participants: [a.into(), b.into()],
        capabilities: vec![ProxyCapability::Voice],
        selection: None,
        geo_level: None,
        geo_params: None,
        expiry_minutes: None,
    }
}

/// What a voice connector has made.
struct Desk {
    connector: VoiceConnector,
    configuration: ProxyConfiguration,
    sessions: Vec<ProxySession>,
}

impl Desk {
    fn new(numbers: &[&str]) -> Self {
        let (connector, configuration) = (connector(numbers), configuration());
        Desk { connector, configuration, sessions: Vec::new() }
    }

    fn create(&mut self, at: u64, request: ProxyRequest) -> Result<usize, ProxyProblem> {
        let id = ProxySessionId::from_random(self.sessions.len() as u128);
        let session = ProxySession::create(
            id,
            minute(at),
            &self.configuration,
            &self.connector,
            &self.sessions,
            request,
        )?;
        self.sessions.push(session);
        Ok(self.sessions.len() - 1)
    }

    fn proxies(&self, at: usize) -> [&str; 2] {
        self.sessions[at].participants.each_ref().map(|of| &*of.proxy_number)
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::build(Resources {
            domain: "tandem.example".to_owned(),
            voice_connectors: vec![self.connector.clone()],
            proxies: vec![self.configuration.clone()],
            proxy_sessions: self.sessions.clone(),
            ..Resources::default()
        })
        .unwrap()
    }
}

#[test]
fn a_session_lasts_as_it_says_or_as_the_configuration_does() {
    let mut desk = Desk::new(&["+12065550100"]);
    let first = desk.create(0, request(ALICE, BOB)).unwrap();
    let session = &desk.sessions[first];
    assert!(session.is_open(minute(59)));
    assert!(!session.is_open(minute(60)), "the last minute is over");
    assert_eq!(session.status(minute(0), 0), ProxySessionStatus::Open);
    assert_eq!(session.status(minute(0), 2), ProxySessionStatus::InProgress);
    assert_eq!(session.status(minute(60), 1), ProxySessionStatus::InProgress, "it is let finish");
    assert_eq!(session.status(minute(60), 0), ProxySessionStatus::Closed);
    assert_eq!(session.ended_at(minute(59)), None);
    assert_eq!(session.ended_at(minute(90)), Some(minute(60)));
    let short = ProxyRequest { expiry_minutes: Some(1), ..request(CAROL, BOB) };
    let second = desk.create(60, short).unwrap();
    assert_eq!(desk.sessions[second].expires_at(), minute(61));
}

#[test]
fn a_change_begins_the_time_anew_and_an_ended_session_stays_so() {
    let mut desk = Desk::new(&["+12065550100"]);
    let at = desk.create(0, request(ALICE, BOB)).unwrap();
    let session = &mut desk.sessions[at];
    let voice = || vec![ProxyCapability::Voice];
    session.update(minute(50), voice(), None).unwrap();
    assert_eq!((session.updated, session.expires_at()), (minute(50), minute(110)));
    session.update(minute(55), voice(), Some(5)).unwrap();
    assert_eq!(session.expires_at(), minute(60));
    assert_eq!(session.update(minute(56), voice(), Some(0)), Err(ProxyProblem::NoTime));
    let sms = vec![ProxyCapability::Voice, ProxyCapability::Sms];
    assert_eq!(session.update(minute(56), sms, None), Err(ProxyProblem::SmsNotServed));
    assert_eq!(session.update(minute(60), voice(), None), Err(ProxyProblem::Closed));
    let other = desk.create(70, request(ALICE, BOB)).unwrap();
    let session = &mut desk.sessions[other];
    session.close(minute(80));
    session.close(minute(90));
    assert_eq!((session.ended, session.updated), (Some(minute(80)), minute(80)));
    assert_eq!(session.status(minute(81), 0), ProxySessionStatus::Closed);
    assert!(!session.is_forgotten(minute(80 + ProxySession::REMEMBERED_MINUTES - 1)));
    assert!(session.is_forgotten(minute(80 + ProxySession::REMEMBERED_MINUTES)));
}

#[test]
fn what_cannot_be_a_session_is_refused_by_name() {
    let mut desk = Desk::new(&["+12065550100"]);
    let refused = |desk: &mut Desk, request| desk.create(0, request).unwrap_err();
    let sms = vec![ProxyCapability::Sms];
    let with = |capabilities| ProxyRequest { capabilities, ..request(ALICE, BOB) };
    assert_eq!(refused(&mut desk, with(sms)), ProxyProblem::SmsNotServed);
    assert_eq!(refused(&mut desk, with(vec![])), ProxyProblem::NoCapability);
    assert_eq!(refused(&mut desk, request(ALICE, ALICE)), ProxyProblem::SameParticipant);
    assert_eq!(refused(&mut desk, request("4155", BOB)), ProxyProblem::NotE164("4155".into()));
    let proxy = "+12065550100";
    let loops = ProxyProblem::ParticipantIsProxyNumber(proxy.into());
    assert_eq!(refused(&mut desk, request(proxy, BOB)), loops);
    let now = ProxyRequest { expiry_minutes: Some(0), ..request(ALICE, BOB) };
    assert_eq!(refused(&mut desk, now), ProxyProblem::NoTime);
    desk.configuration.disabled = true;
    assert_eq!(refused(&mut desk, request(ALICE, BOB)), ProxyProblem::Disabled);
}

#[test]
fn one_number_serves_many_people_and_nobody_twice() {
    let mut desk = Desk::new(&["+12065550100"]);
    let first = desk.create(0, request(ALICE, BOB)).unwrap();
    assert_eq!(desk.proxies(first), ["+12065550100"; 2]);
    desk.create(0, request(CAROL, "+14155550444")).unwrap();
    let taken = desk.create(0, request(ALICE, CAROL)).unwrap_err();
    assert_eq!(taken, ProxyProblem::NoNumber(ALICE.into()));
    desk.create(60, request(ALICE, CAROL)).unwrap();
}

#[test]
fn the_numbers_of_the_last_session_are_kept_or_avoided() {
    let pool = ["+12065550100", "+12065550101", "+12065550102"];
    let mut desk = Desk::new(&pool);
    let with = |selection| ProxyRequest { selection, ..request(ALICE, BOB) };
    let first = desk.create(0, with(None)).unwrap();
    assert_eq!(desk.proxies(first), [pool[0]; 2]);
    desk.sessions[first].close(minute(1));
    // Somebody else has made it the busiest one.
    desk.create(1, request(CAROL, "+14155550444")).unwrap();
    let sticky = desk.create(2, with(Some(NumberSelection::PreferSticky))).unwrap();
    assert_eq!(desk.proxies(sticky), [pool[0]; 2]);
    desk.sessions[sticky].close(minute(3));
    let other = desk.create(4, with(Some(NumberSelection::AvoidSticky))).unwrap();
    assert_eq!(desk.proxies(other), [pool[1]; 2]);
    // The sticky one is taken: another one is better than none.
    let beside = desk.create(5, with(Some(NumberSelection::PreferSticky))).unwrap();
    assert_ne!(desk.proxies(beside), desk.proxies(other));
    let third = desk.create(6, with(Some(NumberSelection::AvoidSticky))).unwrap();
    assert_eq!(desk.proxies(third).map(|n| pool.contains(&n)), [true; 2]);
}

#[test]
fn numbers_are_where_the_first_participant_is_or_where_they_are_wanted() {
    let pool = ["+442079460100", "+12065550100", "+14155550100"];
    let with = |level, geo_params| ProxyRequest {
        geo_level: Some(level),
        geo_params,
        ..request(ALICE, BOB)
    };
    let params = |country: &str, area_code: &str| {
        Some(GeoMatchParams { country: country.into(), area_code: area_code.into() })
    };
    for (level, params, expected) in [
        (GeoMatchLevel::Country, None, "+12065550100"),
        (GeoMatchLevel::AreaCode, None, "+14155550100"),
        (GeoMatchLevel::AreaCode, params("US", "206"), "+12065550100"),
        (GeoMatchLevel::AreaCode, params("US", "907"), "+12065550100"),
        (GeoMatchLevel::Country, params("GB", "20"), "+442079460100"),
        (GeoMatchLevel::Country, params("JP", "3"), "+442079460100"),
    ] {
        let mut desk = Desk::new(&pool);
        let at = desk.create(0, with(level, params.clone())).unwrap();
        assert_eq!(desk.proxies(at), [expected; 2], "{level:?} {params:?}");
    }
}

#[test]
fn the_pool_is_what_the_configuration_lets_in() {
    let pool = ["+442079460100", "+12065550100", "+14165550100"];
    let mut desk = Desk::new(&pool);
    let pool_of = |desk: &Desk| -> Vec<String> {
        desk.configuration.pool(&desk.connector).map(|number| number.to_string()).collect()
    };
    assert_eq!(pool_of(&desk), pool[..2], "Canada is not among the countries");
    desk.configuration.numbers = Some(vec!["+12065550100".into(), "+14165550100".into()]);
    assert_eq!(pool_of(&desk), pool[1..2]);
}

#[test]
fn a_caller_reaches_the_other_participant_and_shows_his_proxy_number() {
    let mut desk = Desk::new(&["+12065550100", "+12065550101"]);
    desk.create(0, request(ALICE, BOB)).unwrap();
    desk.sessions[0].participants[1].proxy_number = "+12065550101".into();
    desk.configuration.fallback = Some("+18005550199".into());
    let snapshot = desk.snapshot();
    let reach = |called: &str, caller: Option<&str>, at: Option<u64>| {
        let Reached::Proxy(_, proxy) = snapshot.reached_by_number(called) else {
            panic!("{called} is no proxy number")
        };
        let to = proxy.reached_by(caller, at.map(minute)).unwrap();
        (to.session.is_some(), to.called.to_string(), to.shown.to_string())
    };
    let own = |called: &str, shown: &str| (true, called.to_owned(), shown.to_owned());
    let fallback = |shown: &str| (false, "+18005550199".to_owned(), shown.to_owned());
    assert_eq!(reach("+12065550100", Some(ALICE), Some(0)), own(BOB, "+12065550101"));
    assert_eq!(reach("+12065550101", Some(BOB), Some(59)), own(ALICE, "+12065550100"));
    assert_eq!(reach("+12065550101", Some(ALICE), Some(0)), fallback("+12065550101"));
    assert_eq!(reach("+12065550100", Some(ALICE), Some(60)), fallback("+12065550100"));
    assert_eq!(reach("+12065550100", Some(CAROL), Some(0)), fallback("+12065550100"));
    assert_eq!(reach("+12065550100", None, Some(0)), fallback("+12065550100"));
    assert_eq!(reach("+12065550100", Some(ALICE), None), fallback("+12065550100"));
    let Reached::Systems(nobody) = snapshot.reached_by_number(ALICE) else { panic!("a proxy") };
    assert!(nobody.is_empty());
}

#[test]
fn an_ended_session_or_a_number_that_has_left_reaches_nobody() {
    let mut desk = Desk::new(&["+12065550100"]);
    desk.create(0, request(ALICE, BOB)).unwrap();
    desk.sessions[0].close(minute(1));
    let snapshot = desk.snapshot();
    let Reached::Proxy(connector, proxy) = snapshot.reached_by_number("+12065550100") else {
        panic!("no proxy number")
    };
    assert_eq!(connector.id.as_str(), ID);
    assert_eq!(proxy.reached_by(Some(ALICE), Some(minute(1))), None);
    desk.sessions[0].ended = None;
    desk.connector.numbers.clear();
    assert!(matches!(desk.snapshot().reached_by_number("+12065550100"), Reached::Systems(_)));
}

#[test]
fn a_wrong_configuration_says_what_is_wrong() {
    let problems = |change: &dyn Fn(&mut ProxyConfiguration)| -> Vec<Problem> {
        let mut proxy = configuration();
        change(&mut proxy);
        let built = Snapshot::build(Resources {
            domain: "tandem.example".to_owned(),
            voice_connectors: vec![connector(&["+12065550100"])],
            proxies: vec![proxy],
            ..Resources::default()
        });
        built.err().unwrap_or_default()
    };
    assert_eq!(problems(&|_| {}), []);
    let one = |change: &dyn Fn(&mut ProxyConfiguration)| {
        let found = problems(change);
        let [problem] = &found[..] else { panic!("{found:?}") };
        (problem.path.clone(), problem.message.clone())
    };
    let (path, _) = one(&|proxy| proxy.default_expiry_minutes = 0);
    assert_eq!(path, "proxy[0].default_expiry_minutes");
    // A fallback number that is in the pool would send calls round: it is none then.
    assert_eq!(problems(&|proxy| proxy.fallback = Some("+12065550100".into())), []);
    let (path, _) = one(&|proxy| proxy.countries = vec!["US", "ZZ"]);
    assert_eq!(path, "proxy[0].countries[1]");
    // What is gone does not keep the rest from being routed.
    assert_eq!(problems(&|proxy| proxy.numbers = Some(vec!["+12065550199".into()])), []);
    let gone = VoiceConnectorId::new("zzzzzz1ghij2klmno3pqr4").unwrap();
    assert_eq!(problems(&|proxy| proxy.voice_connector = gone.clone()), []);
}

proptest! {
    /// Whatever is made, changed and ended, at whatever times: no two open sessions claim the same
    /// number for the same participant, each participant is reached through its own, and who is
    /// refused a number really has none left.
    #[test]
    fn no_two_open_sessions_claim_one_number_of_one_participant(
        pool in 1_usize..4,
        steps in prop::collection::vec((0_u64..90, 0_usize..5, 0_usize..5, 0_u8..6), 1..40),
    ) {
        let numbers: Vec<String> = (0..pool).map(|n| format!("+1206555010{n}")).collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        let mut desk = Desk::new(&numbers);
        let mut now = 0;
        for (wait, a, b, kind) in steps {
            now += wait / 3;
            let person = |n: usize| format!("+4477009001{n:02}");
            let selection = match kind {
                0 => Some(NumberSelection::PreferSticky),
                1 => Some(NumberSelection::AvoidSticky),
                _ => None,
            };
            let some = a * 7 % desk.sessions.len().max(1);
            match (kind, desk.sessions.get_mut(some)) {
                (4, Some(session)) => session.close(minute(now)),
                (5, Some(session)) => {
                    let _ = session.update(minute(now), vec![ProxyCapability::Voice], Some(20));
                }
                _ => {
                    let wanted = ProxyRequest { selection, ..request(&person(a), &person(b)) };
                    match desk.create(now, wanted) {
                        Err(ProxyProblem::NoNumber(who)) => {
                            let open = desk.sessions.iter().filter(|s| s.is_open(minute(now)));
                            let used: HashSet<_> = open
                                .flat_map(|s| &s.participants)
                                .filter(|of| of.number == who)
                                .map(|of| of.proxy_number.clone())
                                .collect();
                            prop_assert_eq!(used.len(), pool);
                        }
                        Err(problem) => prop_assert_eq!(problem, ProxyProblem::SameParticipant),
                        Ok(_) => {}
                    }
                }
            }
            let mut claims = HashSet::new();
            let snapshot = desk.snapshot();
            for session in desk.sessions.iter().filter(|s| s.is_open(minute(now))) {
                let [x, y] = &session.participants;
                for (own, other) in [(x, y), (y, x)] {
                    prop_assert!(claims.insert((own.number.clone(), own.proxy_number.clone())));
                    let Reached::Proxy(_, proxy) = snapshot.reached_by_number(&own.proxy_number)
                    else {
                        return Err(TestCaseError::fail("no proxy number"));
                    };
                    let to = proxy.reached_by(Some(&own.number), Some(minute(now)));
                    let expected = ProxiedTo {
                        session: Some(session.id),
                        called: &other.number,
                        shown: &other.proxy_number,
                    };
                    prop_assert_eq!(to, Some(expected));
                }
            }
        }
    }
}
