use super::*;

/// A change of a request.
type Change<'a> = &'a dyn Fn(&mut CreateMeeting);

fn generator() -> impl FnMut() -> u64 {
    let mut state = 3_u64;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ state >> 33
    }
}

fn request(token: &str) -> CreateMeeting {
    CreateMeeting {
        client_request_token: token.into(),
        media_region: "eu-central-1".into(),
        external_meeting_id: "weekly".into(),
        ..CreateMeeting::default()
    }
}

fn create(registry: &mut Registry, request: CreateMeeting) -> Result<MeetingRecord, ApiError> {
    // Each test has one generator a meeting: another token begins another.
    let seed = request.client_request_token.bytes().fold(7_u64, |all, b| all * 31 + u64::from(b));
    let mut next = generator();
    let mut draw = || next() ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let now = UnixTime::from_millis(1_000);
    registry.create_meeting(now, request, RoomOptions::default(), &mut draw).cloned()
}

fn attendee(user: &str) -> CreateAttendee {
    CreateAttendee { external_user_id: user.into(), capabilities: None }
}

#[test]
fn the_same_token_makes_a_meeting_once() {
    let mut registry = Registry::default();
    let made = create(&mut registry, request("token")).unwrap();
    assert_eq!(create(&mut registry, request("token")).unwrap(), made);
    let other = CreateMeeting { external_meeting_id: "daily".into(), ..request("token") };
    assert_eq!(create(&mut registry, other).unwrap_err().code(), "ConflictException");
    assert_ne!(create(&mut registry, request("token-2")).unwrap().meeting_id, made.meeting_id);
    // A token whose meeting was deleted makes another one.
    registry.delete_meeting(made.meeting_id).unwrap();
    assert_eq!(registry.get_meeting(made.meeting_id).unwrap_err().code(), "NotFoundException");
    assert!(registry.by_attendee_number(made.attendee_number).is_none());
    assert!(registry.by_moderator_number(made.moderator_number).is_none());
    assert!(create(&mut registry, request("token")).is_ok());
}

#[test]
fn requests_are_held_against_the_model() {
    let features = |text: &str| serde_json::from_str(text).unwrap();
    let bad: &[(&str, Change<'_>)] = &[
        ("ClientRequestToken", &|it| it.client_request_token = "x".into()),
        ("ClientRequestToken", &|it| it.client_request_token = "a b".into()),
        ("MediaRegion", &|it| it.media_region = String::new()),
        ("ExternalMeetingId", &|it| it.external_meeting_id = "x".repeat(65)),
        ("ExternalMeetingId", &|it| it.external_meeting_id = "AWS:x".into()),
        ("ExternalMeetingId", &|it| it.external_meeting_id = "a\u{202e}".into()),
        ("MeetingHostId", &|it| it.meeting_host_id = Some("x".into())),
        ("PrimaryMeetingId", &|it| it.primary_meeting_id = Some("xx".into())),
        ("TenantIds", &|it| it.tenant_ids = vec!["ab".into(); 6]),
        ("TenantIds", &|it| it.tenant_ids = vec!["a b".into()]),
        ("Tags.Key", &|it| it.tags = vec![Tag { key: String::new(), value: String::new() }]),
        ("Tags", &|it| it.tags = vec![Tag { key: "k".into(), value: "v".into() }; 51]),
        ("Video.MaxResolution", &|it| {
            it.meeting_features = features(r#"{"Video":{"MaxResolution":"UHD"}}"#);
        }),
        ("Content.MaxResolution", &|it| {
            it.meeting_features = features(r#"{"Content":{"MaxResolution":"HD"}}"#);
        }),
        ("MaxCount", &|it| it.meeting_features = features(r#"{"Attendee":{"MaxCount":251}}"#)),
    ];
    for (member, change) in bad {
        let mut registry = Registry::default();
        let mut request = request("token");
        change(&mut request);
        let why = create(&mut registry, request).unwrap_err();
        assert_eq!(why.code(), "BadRequestException");
        assert!(why.to_string().contains(member), "{why}");
        assert!(registry.take_changed().is_empty() && registry.numbers.is_empty());
    }
}

#[test]
fn a_request_is_read_as_the_service_writes_it() {
    let text = r#"{"ClientRequestToken":"token","MediaRegion":"us-east-1","ExternalMeetingId":"Café 4",
        "MeetingFeatures":{"Audio":{"EchoReduction":"AVAILABLE"},"Video":{"MaxResolution":"FHD"},
        "Content":{"MaxResolution":"None"},"Attendee":{"MaxCount":7}},"Tags":[{"Key":"a","Value":""}]}"#;
    let mut registry = Registry::default();
    let made = create(&mut registry, serde_json::from_str(text).unwrap()).unwrap();
    assert_eq!(made.settings.capacity, 7);
    let written = serde_json::to_value(&made.request).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(text).unwrap());
    let guest =
        registry.create_attendee(made.meeting_id, attendee("anna"), false, &mut generator());
    let guest = serde_json::to_value(guest.unwrap()).unwrap();
    let expected =
        serde_json::json!({"Audio": "SendReceive", "Video": "SendReceive", "Content": "None"});
    assert_eq!(guest["Capabilities"], expected);
    assert_eq!(guest["ExternalUserId"], "anna");
    assert!(guest.get("Moderator").is_none());
}

#[test]
fn attendees_are_made_found_and_deleted() {
    let mut registry = Registry::default();
    let mut draw = generator();
    let id = create(&mut registry, request("token")).unwrap().meeting_id;
    let users = (0..120).map(|n| attendee(&format!("user-{n}")));
    let (made, errors) =
        registry.batch_create_attendee(id, users.clone().take(100).collect(), &mut draw).unwrap();
    assert_eq!((made.len(), errors.len()), (100, 0));
    let why = registry.batch_create_attendee(id, users.clone().take(101).collect(), &mut draw);
    assert_eq!(why.unwrap_err().code(), "BadRequestException");
    let mixed = vec![attendee("x"), attendee("user-200")];
    let (one, errors) = registry.batch_create_attendee(id, mixed, &mut draw).unwrap();
    assert_eq!((one.len(), errors[0].error_code.as_str()), (1, "BadRequestException"));
    registry.batch_create_attendee(id, users.take(100).collect(), &mut draw).unwrap();

    let mut listed = Vec::new();
    let mut next = None;
    loop {
        let page = registry.list_attendees(id, next.as_deref(), 30).unwrap();
        listed.extend(page.entries.iter().map(|it| it.attendee_id));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(listed.len(), 201);
    assert!(registry.list_attendees(id, Some("x"), 1).is_err());

    let first = &made[0];
    assert_eq!(registry.get_attendee(id, first.attendee_id).unwrap(), first);
    assert!(registry.attendee_of_token(id, first.attendee_id, &first.join_token).is_some());
    assert!(registry.attendee_of_token(id, first.attendee_id, &made[1].join_token).is_none());
    assert!(!format!("{first:?}").contains(&first.join_token));
    registry.delete_attendee(id, first.attendee_id).unwrap();
    let gone = registry.delete_attendee(id, first.attendee_id).unwrap_err();
    assert_eq!(gone.code(), "NotFoundException");
    // The meeting is for 250 people, so are its attendees.
    let users = (0..50).map(|n| attendee(&format!("late-{n}"))).collect();
    registry.batch_create_attendee(id, users, &mut draw).unwrap();
    let full = registry.create_attendee(id, attendee("one more"), false, &mut draw);
    assert_eq!(full.unwrap_err().code(), "LimitExceededException");
}

#[test]
fn capabilities_follow_the_meetings_features() {
    use MediaCapability::{None, Receive, Send, SendReceive};
    let mut registry = Registry::default();
    let mut draw = generator();
    let features: [Option<&str>; 3] = [
        Option::None,
        Some(r#"{"Video":{"MaxResolution":"None"}}"#),
        Some(r#"{"Video":{"MaxResolution":"None"},"Content":{"MaxResolution":"None"}}"#),
    ];
    let all = |audio, video, content| Capabilities { audio, video, content };
    let defaults = [
        all(SendReceive, SendReceive, SendReceive),
        all(SendReceive, Receive, SendReceive),
        all(SendReceive, None, None),
    ];
    let cases: &[(Capabilities, [bool; 3])] = &[
        (all(None, None, None), [true, true, true]),
        (all(SendReceive, Send, SendReceive), [false, false, false]),
        (all(SendReceive, SendReceive, Send), [true, false, false]),
        (all(Receive, None, Send), [true, true, false]),
    ];
    for (at, features) in features.iter().enumerate() {
        let meeting_features = features.map(|text| serde_json::from_str(text).unwrap());
        let request = CreateMeeting { meeting_features, ..request(&format!("token-{at}")) };
        let id = create(&mut registry, request).unwrap().meeting_id;
        let made = registry.create_attendee(id, attendee("anna"), false, &mut draw).unwrap();
        assert_eq!(made.capabilities, defaults[at]);
        let of = made.attendee_id;
        for (capabilities, fine) in cases {
            let done = registry.update_attendee_capabilities(id, of, *capabilities);
            assert_eq!(done.is_ok(), fine[at], "{at} {capabilities:?}");
        }
    }
}

#[test]
fn what_is_stored_is_taken_in_again() {
    let mut registry = Registry::default();
    let mut draw = generator();
    let id = create(&mut registry, request("token")).unwrap().meeting_id;
    registry.create_attendee(id, attendee("anna"), true, &mut draw).unwrap();
    let changed = registry.take_changed();
    assert!(registry.take_changed().is_empty());
    let (_, stored) = changed.first().unwrap();
    let text = serde_json::to_string(stored.as_ref().unwrap()).unwrap();
    assert!(text.contains(r#""version":"1""#), "{text}");
    let mut again = Registry::default();
    let read: StoredMeeting = serde_json::from_str(&text).unwrap();
    again.restore(read.clone()).unwrap();
    assert_eq!(again.get_meeting(id).unwrap(), registry.get_meeting(id).unwrap());
    assert!(again.take_changed().is_empty());
    // Twice, or of another's numbers, is no meeting more.
    assert_eq!(again.restore(read).unwrap_err().code(), "ConflictException");
    // Settings that a later build adds have their defaults, and a form that is not known is refused.
    assert!(serde_json::from_str::<StoredMeeting>(&text.replace("\"1\"", "\"2\"")).is_err());
    let older = text.replace(r#""waiting_minutes":30,"#, "");
    assert_ne!(older, text);
    assert!(serde_json::from_str::<StoredMeeting>(&older).is_ok());
    registry.delete_meeting(id).unwrap();
    assert_eq!(registry.take_changed(), [(id, None)]);
}

#[test]
fn numbers_are_reset() {
    let mut registry = Registry::default();
    let before = create(&mut registry, request("token")).unwrap();
    let id = before.meeting_id;
    let mut next = generator();
    let mut draw = || next() ^ 99;
    let after = registry.reset_numbers(id, &mut draw).unwrap().clone();
    assert_ne!(after.attendee_number, before.attendee_number);
    assert_ne!(after.passcode, before.passcode);
    assert!(registry.by_attendee_number(before.attendee_number).is_none());
    assert_eq!(registry.by_attendee_number(after.attendee_number).unwrap().meeting_id, id);
    assert_eq!(registry.by_moderator_number(after.moderator_number).unwrap().meeting_id, id);
    assert_eq!(registry.numbers.len(), 1);
    // Without chance nothing is changed.
    assert_eq!(
        registry.reset_numbers(id, &mut || u64::MAX).unwrap_err().code(),
        "ServiceUnavailableException"
    );
    assert_eq!(registry.get_meeting(id).unwrap(), &after);
}

#[test]
fn meetings_are_listed_in_pages() {
    let mut registry = Registry::default();
    for n in 0..250 {
        create(&mut registry, request(&format!("token-{n}"))).unwrap();
    }
    let (mut seen, mut next, mut pages) = (BTreeSet::new(), None, 0);
    loop {
        let page = registry.list_meetings(next.as_deref(), 1_000).unwrap();
        assert!(page.entries.len() <= MOST_PAGE);
        seen.extend(page.entries.iter().map(|it| it.meeting_id));
        pages += 1;
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (250, 3));
    assert!(registry.list_meetings(Some("nothing"), 1).is_err());
}

#[test]
fn a_meeting_is_as_whoever_stores_it_has_it() {
    let mut registry = Registry::default();
    let mut draw = generator();
    let record = create(&mut registry, request("token")).unwrap();
    let id = record.meeting_id;
    assert_eq!(registry.changed().len(), 1, "looking takes nothing");
    registry.take_changed();
    // What was not stored is undone: an attendee more, other numbers.
    registry.create_attendee(id, attendee("anna"), false, &mut draw).unwrap();
    let mut other = generator();
    registry.reset_numbers(id, &mut || other() ^ 99).unwrap();
    registry.follow(id, Some(StoredMeeting::V1(record.clone()))).unwrap();
    assert_eq!(registry.get_meeting(id).unwrap(), &record);
    assert_eq!(registry.by_attendee_number(record.attendee_number), Some(&record));
    assert_eq!((registry.numbers.len(), registry.changed()), (1, vec![]));
    registry.follow(id, None).unwrap();
    registry.follow(id, None).unwrap();
    assert!(registry.get_meeting(id).is_err() && registry.numbers.is_empty());
    // A meeting whose numbers are another's is none.
    registry.follow(id, Some(StoredMeeting::V1(record.clone()))).unwrap();
    let twin = MeetingId::draw(&mut draw);
    let mut taken = MeetingRecord { meeting_id: twin, ..record };
    taken.request.client_request_token = "other".into();
    assert!(registry.follow(twin, Some(StoredMeeting::V1(taken))).is_err());
    assert!(registry.get_meeting(twin).is_err() && registry.get_meeting(id).is_ok());
}
