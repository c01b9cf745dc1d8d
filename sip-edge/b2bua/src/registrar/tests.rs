use super::*;
use bytes::Bytes;
use model::UnixTime;
use sip_proto::Limits;

const POLICY: RegistrationPolicy = RegistrationPolicy {
    min_expires: Duration::from_secs(60),
    max_expires: Duration::from_secs(600),
    max_bindings: 2,
};

struct Desk {
    registrar: Registrar,
    policy: RegistrationPolicy,
    id: VoiceConnectorId,
    cseq: u32,
}

impl Desk {
    fn new() -> Self {
        let id = VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap();
        Desk { registrar: Registrar::default(), policy: POLICY, id, cseq: 0 }
    }

    fn send(&mut self, at: u64, headers: &str) -> Result<(), RegisterFault> {
        self.cseq += 1;
        let text = format!(
            "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKb\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:a@h>\r\nCall-ID: c\r\nCSeq: {} REGISTER\r\n{headers}Content-Length: 0\r\n\r\n",
            self.cseq
        );
        let request = Message::parse(Bytes::from(text), &Limits::default()).unwrap();
        let (now, flow) = (Instant::from_millis(at * 1_000), flow(None));
        self.registrar.register(now, &self.id, &self.policy, &request, flow)
    }

    fn held(&self, at: u64) -> Vec<(String, u64)> {
        let now = Instant::from_millis(at * 1_000);
        let bindings = self.registrar.bindings(&self.id);
        bindings.iter().map(|b| (b.uri.to_string(), b.seconds_left(now))).collect()
    }
}

fn flow(connection: Option<u64>) -> Flow {
    let at = |text: &str| text.parse().unwrap();
    Flow {
        connection: connection.map(ConnectionId),
        ..Flow::new(TransportProtocol::Udp, at("203.0.113.1:5060"), at("192.0.2.9:41000"))
    }
}

#[test]
fn a_contact_is_bound_for_its_time_and_its_source_with_it() {
    let mut desk = Desk::new();
    let source: IpAddr = "192.0.2.9".parse().unwrap();
    assert_eq!(desk.send(0, "Contact: <sip:pbx@10.0.0.1:5060>;expires=120\r\n"), Ok(()));
    assert_eq!(desk.held(0), [("sip:pbx@10.0.0.1:5060".to_owned(), 120)]);
    assert_eq!(desk.registrar.connectors_at(source), [desk.id.clone()]);
    assert_eq!(desk.send(100, "Expires: 300\r\nContact: <sip:pbx@10.0.0.1:5060>\r\n"), Ok(()));
    assert_eq!(desk.registrar.len(), 1, "a refresh is no other binding");
    desk.registrar.handle_timeout(Instant::from_millis(399_999));
    assert_eq!(desk.registrar.len(), 1);
    assert_eq!(desk.registrar.poll_timeout(), Some(Instant::from_millis(400_000)));
    desk.registrar.handle_timeout(Instant::from_millis(400_000));
    assert_eq!((desk.registrar.len(), desk.registrar.knows(source)), (0, false));
    assert!(desk.registrar.bindings.is_empty() && desk.registrar.poll_timeout().is_none());
}

#[test]
fn times_have_bounds() {
    let mut desk = Desk::new();
    let brief = desk.send(0, "Contact: <sip:a@h>;expires=59\r\n");
    assert_eq!(brief, Err(RegisterFault::TooBrief { min_seconds: 60 }));
    assert_eq!(desk.send(0, "Contact: <sip:a@h>;expires=99999\r\n"), Ok(()));
    assert_eq!(desk.held(0)[0].1, 600);
    assert_eq!(desk.send(0, "Contact: <sip:b@h>\r\n"), Ok(()));
    assert_eq!(desk.held(0)[0].1, 600, "without a wish, the longest");
    let wrong = desk.send(0, "Contact: <sip:a@h>;expires=soon\r\n");
    assert_eq!(wrong, Err(RegisterFault::Malformed));
}

#[test]
fn bindings_are_bounded_and_removed_one_by_one_or_all() {
    let mut desk = Desk::new();
    for user in ["a", "b"] {
        assert_eq!(desk.send(0, &format!("Contact: <sip:{user}@h>\r\n")), Ok(()));
    }
    assert_eq!(desk.send(0, "Contact: <sip:c@h>\r\n"), Err(RegisterFault::TooMany));
    assert_eq!(desk.send(0, "Contact: <sip:b@h>\r\n"), Ok(()), "a known one is refreshed");
    assert_eq!(desk.send(0, "Contact: <sip:a@h>;expires=0\r\n"), Ok(()));
    assert_eq!(desk.send(0, "Contact: <sip:c@h>\r\n"), Ok(()));
    assert_eq!(desk.send(0, "Contact: *\r\n"), Err(RegisterFault::Malformed));
    assert_eq!(desk.send(0, "Contact: *\r\nExpires: 0\r\n"), Ok(()));
    assert_eq!(desk.registrar.len(), 0);
    assert_eq!(desk.send(0, ""), Ok(()), "a question");
}

#[test]
fn what_is_older_than_the_binding_changes_nothing() {
    let mut desk = Desk::new();
    desk.cseq = 10;
    assert_eq!(desk.send(0, "Contact: <sip:a@h>\r\n"), Ok(()));
    for cseq in [0, 9, 10] {
        desk.cseq = cseq;
        for headers in ["Contact: <sip:a@h>;expires=0\r\n", "Contact: *\r\nExpires: 0\r\n"] {
            desk.cseq = cseq;
            assert_eq!(desk.send(0, headers), Err(RegisterFault::OutOfOrder), "{cseq}");
        }
    }
    desk.cseq = 11;
    assert_eq!(desk.send(0, "Contact: <sip:a@h>;expires=0\r\n"), Ok(()));
}

#[test]
fn a_binding_ends_with_its_connection() {
    let mut desk = Desk::new();
    assert_eq!(desk.send(0, "Contact: <sip:a@h>\r\n"), Ok(()));
    let mut binding = (*desk.registrar.bindings(&desk.id)[0]).clone();
    binding.flow = flow(Some(7));
    binding.serial = 99;
    let id = desk.id.clone();
    desk.registrar.bind(Some(Instant::ZERO), &id, binding);
    desk.registrar.handle_connection_closed(ConnectionId(7));
    assert_eq!(desk.registrar.len(), 1);
    desk.registrar.handle_connection_closed(ConnectionId(8));
    assert_eq!(desk.registrar.len(), 1);
}

#[test]
fn preferred_contacts_come_first_and_of_equal_ones_the_newest() {
    let mut desk = Desk::new();
    desk.policy.max_bindings = 5;
    for contact in ["<sip:a@h>;q=0.3", "<sip:b@h>", "<sip:c@h>;q=0.75", "<sip:d@h>;q=1.0"] {
        assert_eq!(desk.send(0, &format!("Contact: {contact}\r\n")), Ok(()));
    }
    let users: Vec<_> = desk.held(0).into_iter().map(|(uri, _)| uri).collect();
    assert_eq!(users, ["sip:d@h", "sip:b@h", "sip:c@h", "sip:a@h"]);
    let said = desk.registrar.bindings(&desk.id);
    let said: Vec<_> = said.iter().map(|binding| binding.preference()).collect();
    assert_eq!(said, [None, None, Some("0.750".to_owned()), Some("0.300".to_owned())]);
    // A refresh may say otherwise.
    assert_eq!(desk.send(1, "Contact: <sip:d@h>;q=0\r\n"), Ok(()));
    assert_eq!(desk.held(1).last().map(|(uri, _)| uri.as_str()), Some("sip:d@h"));
}

fn starting(bindings: Vec<SavedBinding>, origin: u64) -> crate::EdgeConfig {
    let protocol = TransportProtocol::Udp;
    let local = flow(None).local;
    crate::EdgeConfig {
        listeners: vec![crate::Listener { protocol, local, advertised: local }],
        origin: UnixTime::from_millis(origin),
        udp_keep_alive: Some(Duration::from_secs(25)),
        bindings: bindings.into(),
        ..crate::EdgeConfig::default()
    }
}

fn directory_with(policy: Option<RegistrationPolicy>) -> Snapshot {
    let id = VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap();
    let mut connector = directory::VoiceConnector::new(id);
    connector.registration = policy;
    Snapshot::build(directory::Resources {
        domain: "tandem.example".to_owned(),
        voice_connectors: vec![connector],
        ..directory::Resources::default()
    })
    .unwrap()
}

/// Two bindings over UDP, saved ten seconds after the first was made, at 1,000 s of the calendar.
fn saved() -> Vec<SavedBinding> {
    let mut desk = Desk::new();
    assert_eq!(
        desk.send(0, "Path: <sip:192.0.2.1;lr>\r\nContact: <sip:a@h>;expires=120\r\n"),
        Ok(())
    );
    assert_eq!(desk.send(5, "Contact: <sip:b@h>;q=0.5;expires=60\r\n"), Ok(()));
    desk.registrar.saved(Instant::from_millis(10_000), UnixTime::from_millis(1_000_000))
}

#[test]
fn bindings_go_on_in_another_run_for_the_rest_of_their_time() {
    let saved = saved();
    let ends: Vec<u64> = saved.iter().map(|binding| binding.until.as_millis()).collect();
    assert_eq!(ends, [1_110_000, 1_055_000]);
    // The node was away for twenty seconds.
    let config = starting(saved.clone(), 1_020_000);
    let directory = directory_with(Some(POLICY));
    let registrar = Registrar::restored(&config, &directory);
    let again = registrar.saved(Instant::ZERO, UnixTime::from_millis(1_020_000));
    assert_eq!(again, saved);
    let source: IpAddr = "192.0.2.9".parse().unwrap();
    assert!(registrar.knows(source));
    let of =
        |binding: &Arc<Binding>| (binding.uri.to_string(), binding.seconds_left(Instant::ZERO));
    let held: Vec<_> = registrar.bindings(&saved[0].voice_connector).iter().map(of).collect();
    assert_eq!(held, [("sip:a@h".to_owned(), 90), ("sip:b@h".to_owned(), 35)]);
    assert!(registrar.revision() > 0);
    // What they sent before stays before.
    let mut desk = Desk::new();
    desk.registrar = registrar;
    assert_eq!(desk.send(0, "Contact: <sip:a@h>\r\n"), Err(RegisterFault::OutOfOrder));
    desk.cseq = 2;
    assert_eq!(desk.send(0, "Contact: <sip:a@h>\r\n"), Ok(()));
}

#[test]
fn what_does_not_hold_any_more_is_not_restored() {
    let held = |change: &dyn Fn(&mut SavedBinding), origin, policy: Option<RegistrationPolicy>| {
        let mut saved = saved();
        change(&mut saved[0]);
        let config = starting(saved, origin);
        let registrar = Registrar::restored(&config, &directory_with(policy));
        registrar.ends.keys().map(|(at, _)| at.as_millis() / 1_000).collect::<Vec<u64>>()
    };
    let same = |_: &mut SavedBinding| {};
    assert_eq!(held(&same, 1_000_000, Some(POLICY)), [55, 110]);
    assert_eq!(held(&same, 1_055_000, Some(POLICY)), [55], "one has ended");
    assert_eq!(held(&same, 0, Some(POLICY)), [600, 600], "the calendar went back");
    assert_eq!(held(&same, 1_000_000, None), [0; 0], "nobody may register any more");
    let one = RegistrationPolicy { max_bindings: 1, ..POLICY };
    assert_eq!(held(&same, 1_000_000, Some(one)), [110]);
    let changes: [&dyn Fn(&mut SavedBinding); 8] = [
        &|b| b.local = "203.0.113.2:5060".parse().unwrap(),
        &|b| b.voice_connector = VoiceConnectorId::new("zzzzzz1zzzz2zzzzz3zzz4").unwrap(),
        &|b| b.uri = "sip:a@h\r\nX: y".into(),
        &|b| b.uri = "tel:+1".into(),
        &|b| b.path = vec!["<sip:h>\r\nX: y".into()],
        &|b| b.path = vec!["<sip:h>".into(); 17],
        &|b| b.call_id = "".into(),
        &|b| b.q = 1_001,
    ];
    for (position, change) in changes.into_iter().enumerate() {
        assert_eq!(held(change, 1_000_000, Some(POLICY)), [55], "change {position}");
    }
}

#[test]
fn ways_are_kept_open_between_refreshes_and_not_after_the_end() {
    let mut desk = Desk::new();
    desk.registrar.keep_alives.interval = Some(Duration::from_secs(25));
    assert_eq!(desk.send(0, "Contact: <sip:a@h>;expires=60\r\n"), Ok(()));
    let mut asked = Vec::new();
    let mut now = Instant::ZERO;
    while let Some(at) = desk.registrar.poll_timeout() {
        now = at;
        desk.registrar.handle_timeout(now);
        while let Some(binding) = desk.registrar.pop_keep_alive(now) {
            asked.push((now.as_millis() / 1_000, binding.uri.to_string()));
            if asked.len() == 1 {
                assert_eq!(desk.send(30, "Contact: <sip:a@h>;expires=60\r\n"), Ok(()));
            }
        }
    }
    let at = |second| (second, "sip:a@h".to_owned());
    assert_eq!(asked, [at(25), at(55), at(80)]);
    assert_eq!(now.as_millis(), 90_000);
}

#[test]
fn restored_bindings_are_asked_within_one_interval_and_not_all_at_once() {
    let one = saved().remove(1);
    let many: Vec<SavedBinding> = (0..100)
        .map(|n| SavedBinding { uri: format!("sip:{n}@h").into(), ..one.clone() })
        .collect();
    let config = starting(many, 1_000_000);
    let policy = RegistrationPolicy { max_bindings: 100, ..POLICY };
    let mut registrar = Registrar::restored(&config, &directory_with(Some(policy)));
    let mut moments = BTreeMap::new();
    while let Some(at) = registrar.poll_timeout().filter(|at| at.as_millis() < 25_000) {
        while registrar.pop_keep_alive(at).is_some() {
            *moments.entry(at.as_millis()).or_insert(0) += 1;
        }
    }
    assert_eq!(moments.values().sum::<i32>(), 100);
    assert!(moments.values().all(|count| *count <= 2), "{moments:?}");
}
