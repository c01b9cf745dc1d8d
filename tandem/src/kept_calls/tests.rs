use super::*;
use b2bua::SavedCall;
use model::{CallDirection, CallEnd, EndedBy, UnixTime};
use std::os::unix::fs::PermissionsExt;

fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("tandem-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// A call as JSON, so that this test sees what the file looks like.
fn call(number: u8) -> SavedCall {
    let leg = |party: &str, port: u16| {
        serde_json::json!({
            "dialog": {
                "state": "Confirmed", "call_id": "c@h", "local_tag": "l", "remote_tag": "r",
                "local_uri": "sip:a@h", "remote_uri": "sip:b@h", "remote_target": "sip:b@192.0.2.1",
                "route_set": ["<sip:192.0.2.9;lr>"], "local_cseq": 1, "remote_cseq": 7,
                "secure": false
            },
            "call_id": "c@h", "local_tag": "l", "local_party": party, "remote_party": "<sip:b@h>",
            "cseq": 3, "protocol": "Udp", "local": "192.0.2.100:5060",
            "remote": format!("192.0.2.1:{port}"), "session": [1800, true], "min_se_seconds": 0,
            "refresh": 1_893_456_900_000_u64, "expiry": null, "takes_update": true,
            "refuses_info": false, "refuses_message": false, "anonymous": false,
            "credentials": null,
            "media": {
                "encryption": 0, "sent": "v=0\r\n", "received": "v=0\r\n", "hold_music": null,
                "has_listened": true, "dtmf": 0
            }
        })
    };
    let addresses = |port: u16| {
        serde_json::json!({
            "rtp": format!("192.0.2.2:{port}"), "rtcp": format!("192.0.2.2:{}", port + 1)
        })
    };
    let id = TransactionId::from_random(u128::from(number) << 100 | u128::from(u64::MAX));
    let text = serde_json::json!({
        "transaction_id": 0, "direction": "Outbound",
        "voice_connector": "abcdef1ghij2klmno3pqr4", "from_user": "+12065550100",
        "to_user": "+81312345678", "call_id": "c@h", "carrier": "pstn-1", "emergency": null,
        "source": "192.0.2.1:5060", "sip_auth_user": null, "sides": ["Customer", "Remote"],
        "media": 5, "local": [addresses(10_000), addresses(10_002)],
        "legs": [leg("<sip:a@h>", 5060), leg("<sip:c@h>", 5070)],
        "lifetime": 1_893_500_000_000_u64, "duration_cap": null
    })
    .to_string();
    // A value of this library has no room for 128 bits.
    let id = serde_json::to_string(&id).unwrap();
    let text = text.replace("\"transaction_id\":0", &format!("\"transaction_id\":{id}"));
    serde_json::from_str(&text).unwrap()
}

fn origin() -> Origin {
    Origin { calendar: UnixTime::from_millis(1_893_456_000_000), ..Origin::now() }
}

fn key(octet: u8) -> SealKey {
    SealKey::new([octet; 32])
}

/// Does `work` with a keeper of a directory, and waits for it to be written.
fn keep(data_dir: &Path, left: Vec<Left>, work: impl FnOnce(&Keeper)) {
    let kept = KeptCalls::start(data_dir, origin(), left, &key(0)).unwrap();
    work(&kept.keeper().unwrap());
}

fn event(call: &SavedCall, millis: u64, kind: CallEventKind) -> CallEvent {
    let at = Instant::from_millis(millis);
    CallEvent { transaction_id: call.transaction_id, at, kind }
}

#[test]
fn what_was_kept_comes_back_with_its_past_and_only_for_its_owner() {
    let data_dir = directory("kept-calls");
    let (first, second) = (call(1), call(2));
    keep(&data_dir, Vec::new(), |keeper| {
        let parties = Arc::new(first.parties.parties([true; 2]));
        keeper.note(&event(&first, 10, CallEventKind::Attempted { parties }));
        keeper.note(&event(&first, 30, CallEventKind::Ringing));
        keeper.note(&event(&first, 50, CallEventKind::Answered));
        keeper.keep(Kept::Is(Box::new(first.clone())));
        keeper.keep(Kept::Is(Box::new(second.clone())));
        keeper.keep(Kept::Ended(second.transaction_id));
    });
    let path = data_dir.join(NAME);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let left = read(&data_dir);
    let [one] = &left.calls[..] else { panic!("{:?}", left.calls) };
    assert_eq!(one.call, first);
    assert_eq!(left.began(), Some(1_893_456_000_010));
    // The next run counts from when the call began.
    let began = UnixTime::from_millis(1_893_456_000_010);
    let later = Origin { calendar: began, ..origin() };
    let events = one.events(later, [true, false]);
    let at: Vec<_> = events.iter().map(|event| event.at.as_millis()).collect();
    assert_eq!(at, [0, 0, 20, 40]);
    let CallEventKind::Attempted { parties } = &events[0].kind else { panic!("{events:?}") };
    assert_eq!((parties.direction, parties.from_country), (CallDirection::Outbound, "US"));
    assert_eq!((parties.to_country, parties.log_media_metrics), ("JP", false));
    fs::remove_dir_all(data_dir).unwrap();
}

#[test]
fn a_run_goes_on_with_what_the_last_one_left() {
    let data_dir = directory("kept-calls-again");
    keep(&data_dir, Vec::new(), |keeper| {
        for number in 1..4 {
            keeper.keep(Kept::Is(Box::new(call(number))));
        }
    });
    let left = read(&data_dir).calls;
    assert_eq!(left.len(), 3);
    keep(&data_dir, left, |keeper| {
        let end = CallEnd { status: 200, cause: "", ended_by: EndedBy::LegA, refusal: None };
        keeper.note(&event(&call(1), 9, CallEventKind::Ended(end)));
        keeper.keep(Kept::Ended(call(1).transaction_id));
    });
    let mut left: Vec<_> = read(&data_dir).calls.into_iter().map(|left| left.call).collect();
    left.sort_unstable_by_key(|call| call.transaction_id);
    assert_eq!(left, [call(2), call(3)]);
    fs::remove_dir_all(data_dir).unwrap();
}

#[test]
fn a_line_that_was_cut_costs_its_own_call_alone() {
    let data_dir = directory("kept-calls-cut");
    keep(&data_dir, Vec::new(), |keeper| {
        keeper.keep(Kept::Is(Box::new(call(1))));
        keeper.keep(Kept::Is(Box::new(call(2))));
    });
    let path = data_dir.join(NAME);
    let text = fs::read(&path).unwrap();
    fs::write(&path, &text[..text.len() - 40]).unwrap();
    assert_eq!(read(&data_dir).calls.len(), 1);
    for rubbish in [&b"\0\xff\n{}\n"[..], b"{\"call\":{}}\n", b""] {
        fs::write(&path, rubbish).unwrap();
        assert!(read(&data_dir).calls.is_empty());
    }
    fs::remove_dir_all(data_dir).unwrap();
}

#[test]
fn the_file_stays_about_as_large_as_what_counts_in_it() {
    let data_dir = directory("kept-calls-compact");
    let rounds = SLACK / 1_000;
    keep(&data_dir, Vec::new(), |keeper| {
        for round in 0..rounds {
            let mut changed = call(1);
            changed.legs[0].cseq = u32::try_from(round).unwrap();
            // The queue is bounded: a test that is faster than the disk waits for it.
            while keeper.notes.len() > WAITING_MAX / 2 {
                std::thread::yield_now();
            }
            keeper.keep(Kept::Is(Box::new(changed)));
        }
    });
    let size = fs::metadata(data_dir.join(NAME)).unwrap().len();
    assert!(size < SLACK + 512 * 1024, "{size} octets");
    assert_eq!(read(&data_dir).calls[0].call.legs[0].cseq, u32::try_from(rounds - 1).unwrap());
    fs::remove_dir_all(data_dir).unwrap();
}

#[test]
fn descriptions_with_keys_are_sealed_and_opened_under_the_right_key_for_their_call_alone() {
    const INLINE: &str = "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
    let data_dir = directory("kept-sealed");
    let (mut secret, plain) = (call(1), call(2));
    secret.legs[1].media.sent = format!("v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {INLINE}\r\n");
    let path = data_dir.join(NAME);
    keep(&data_dir, Vec::new(), |keeper| {
        for _ in 0..2 {
            keeper.keep(Kept::Is(Box::new(secret.clone())));
            keeper.keep(Kept::Is(Box::new(plain.clone())));
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("crypto") && !text.contains("inline"), "{text}");
    assert_eq!(text.lines().count(), 2, "said twice, written once");
    let mut left = read(&data_dir).calls;
    assert_eq!(left.iter().filter(|left| left.is_sealed()).count(), 1);
    assert_eq!(open(&mut left, &[]), 1);
    assert_eq!(open(&mut left, &[key(7)]), 1, "another key");
    let mut moved = left.clone();
    for left in &mut moved {
        left.call.transaction_id = TransactionId::from_random(9 << 100);
    }
    assert_eq!(open(&mut moved, &[key(0)]), 1, "of another call");
    // One that no key opens stays as it is, until the edge says that it has ended.
    keep(&data_dir, left.clone(), |_| {});
    assert_eq!(open(&mut read(&data_dir).calls, &[key(1), key(0)]), 0);
    assert_eq!(open(&mut left, &[key(7), key(0)]), 0);
    let calls: Vec<_> = left.iter().map(|left| &left.call).collect();
    assert!(calls.contains(&&secret) && calls.contains(&&plain));
    // What is opened is sealed under the next key.
    drop(KeptCalls::start(&data_dir, origin(), left, &key(5)).unwrap());
    let mut again = read(&data_dir).calls;
    assert_eq!(open(&mut again, &[key(0)]), 1);
    assert_eq!(open(&mut again, &[key(5)]), 0);
    fs::remove_dir_all(&data_dir).unwrap();
}

#[test]
fn what_peers_are_owed_stands_in_place_of_their_call_until_it_ends() {
    let data_dir = directory("kept-calls-farewell");
    let (first, second) = (call(1), call(2));
    let owed = |call: &SavedCall| SavedFarewell {
        transaction_id: call.transaction_id,
        requests: vec![b2bua::SavedRequest {
            protocol: TransportProtocol::Udp,
            local: "192.0.2.100:5060".parse().unwrap(),
            remote: "192.0.2.1:5060".parse().unwrap(),
            identity: None,
            has_provisional: false,
            text: "BYE sip:b@192.0.2.1 SIP/2.0\r\n\r\n".to_owned(),
        }],
    };
    keep(&data_dir, Vec::new(), |keeper| {
        keeper.keep(Kept::Is(Box::new(first.clone())));
        keeper.keep(Kept::Farewell(Box::new(owed(&first))));
        keeper.keep(Kept::Farewell(Box::new(owed(&second))));
        keeper.keep(Kept::Ended(second.transaction_id));
    });
    let left = read(&data_dir);
    assert_eq!(left.calls, []);
    assert_eq!(left.farewells, [owed(&first)]);
    // It is told, or the call is one again after all.
    keep(&data_dir, Vec::new(), |keeper| {
        keeper.keep(Kept::Farewell(Box::new(owed(&first))));
        keeper.keep(Kept::Is(Box::new(first.clone())));
    });
    let left = read(&data_dir);
    assert_eq!((left.calls.len(), left.farewells.len()), (1, 0));
    fs::remove_dir_all(data_dir).unwrap();
}

/// A call that is being set up, whose INVITE has had a provisional response or not.
fn setup(number: u8, has_provisional: bool, has_ended: bool) -> b2bua::OpenSetup {
    let call = call(number);
    let request = |method: &str| b2bua::OpenRequest {
        flow: model::Flow::new(
            TransportProtocol::Udp,
            "192.0.2.100:5060".parse().unwrap(),
            "192.0.2.1:5060".parse().unwrap(),
        ),
        identity: None,
        has_provisional,
        raw: format!(
            "{method} sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{number}\r\n\
             Authorization: Digest username=\"u\", response=\"secret\"\r\nCall-ID: c\r\n\
             Content-Type: application/sdp\r\n\r\na=crypto:1 X inline:secret\r\n"
        )
        .into(),
    };
    b2bua::OpenSetup {
        transaction_id: call.transaction_id,
        parties: Arc::new(call.parties.parties([true; 2])),
        tag: "t".into(),
        status: 503,
        has_ended,
        caller: Some(request("INVITE")),
        invites: vec![request("INVITE")],
        answer: None,
    }
}

#[test]
fn a_setup_is_kept_without_secrets_with_its_past_and_until_its_call_is_one() {
    let data_dir = directory("kept-setups");
    let numbers = [(1, true, false), (2, false, false), (3, true, true)];
    let told = numbers.map(|(number, provisional, ended)| setup(number, provisional, ended));
    keep(&data_dir, Vec::new(), |keeper| {
        for (at, setup) in told.iter().enumerate() {
            let parties = Arc::clone(&setup.parties);
            let id = setup.transaction_id;
            let event = |millis, kind| CallEvent {
                transaction_id: id,
                at: Instant::from_millis(millis),
                kind,
            };
            keeper.note(&event(100 - at as u64, CallEventKind::Attempted { parties }));
            keeper.note(&event(150, CallEventKind::Ringing));
            keeper.keep(Kept::Setup(Box::new(setup.clone())));
        }
        keeper.keep(Kept::Setup(Box::new(setup(4, true, false))));
        keeper.keep(Kept::Is(Box::new(call(4))));
        keeper.keep(Kept::Setup(Box::new(setup(5, true, false))));
        keeper.keep(Kept::Ended(call(5).transaction_id));
    });
    let path = data_dir.join(NAME);
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("secret"), "{text}");
    let mut left = read(&data_dir);
    assert_eq!((left.calls.len(), left.setups.len()), (1, 3));
    left.setups.sort_unstable_by_key(|left| left.setup.transaction_id);
    for (left, told) in left.setups.iter().zip(&told) {
        assert_eq!(left.setup, told.saved());
        assert_eq!(left.setup.invites.len(), 1);
        let events = left.events(origin(), [true; 2]);
        assert_eq!(events.len(), if told.has_ended { 0 } else { 2 }, "{events:?}");
    }
    assert_eq!(left.began(), Some(1_893_456_000_098), "of call 4 it is not known");
    // What a telephone may not have got is not sent to it when it is too late.
    let old = Origin::now().calendar.as_millis() - 33_000;
    let old = std::time::UNIX_EPOCH + Duration::from_millis(old);
    File::options().append(true).open(&path).unwrap().set_modified(old).unwrap();
    let mut left = read(&data_dir);
    left.setups.sort_unstable_by_key(|left| left.setup.transaction_id);
    let invites: Vec<_> = left.setups.iter().map(|left| left.setup.invites.len()).collect();
    assert_eq!(invites, [1, 0, 1]);
    assert!(left.setups.iter().all(|left| left.setup.caller.is_some()));
    fs::remove_dir_all(data_dir).unwrap();
}
