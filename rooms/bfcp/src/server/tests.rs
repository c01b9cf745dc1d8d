use super::*;
use crate::{ClientEvent, Datagrams, FloorClient, Received};
use model::Instant;
use proptest::prelude::*;

const CONFERENCE: u32 = 77;
const FLOOR: u16 = 2;

/// A server and clients over a network that loses nothing; user 0 is a moderator.
struct Room {
    server: FloorServer,
    clients: Vec<FloorClient>,
    heard: Vec<Vec<ClientEvent>>,
}

impl Room {
    fn new(users: u16, policy: FloorPolicy) -> Self {
        let mut server = FloorServer::new(CONFERENCE, policy);
        server.add_floor(FLOOR).unwrap();
        for user in 0..users {
            let uri = format!("sip:{user}@meet.example.com");
            server.add_user(UserId(user), &format!("Room {user}"), &uri, user == 0).unwrap();
        }
        let clients = (0..users).map(|user| FloorClient::new(CONFERENCE, user)).collect();
        Room { server, clients, heard: vec![Vec::new(); usize::from(users)] }
    }

    fn say(&mut self, user: u16, message: &Message) {
        // As the wire has it.
        let message = Message::parse(&message.write()).unwrap();
        self.server.handle_message(UserId(user), &message);
        self.deliver();
    }

    fn deliver(&mut self) {
        for outgoing in self.server.take_outgoing() {
            let message = Message::parse(&outgoing.message.write()).unwrap();
            assert_eq!(message, outgoing.message, "all of it has room");
            let user = usize::from(outgoing.to.0);
            let (event, acknowledgement) = self.clients[user].handle_message(&message);
            assert_eq!(acknowledgement, None, "TCP");
            self.heard[user].extend(event);
        }
    }

    fn request(&mut self, user: u16) {
        let message = self.clients[usize::from(user)].request(FLOOR);
        self.say(user, &message);
    }

    fn release(&mut self, user: u16) {
        let message = self.clients[usize::from(user)].release().unwrap();
        self.say(user, &message);
    }

    /// What a user has heard since it was asked last.
    fn heard(&mut self, user: usize) -> Vec<ClientEvent> {
        std::mem::take(&mut self.heard[user])
    }
}

fn status(status: RequestStatus) -> ClientEvent {
    ClientEvent::Request(status, 0)
}

#[test]
fn who_starts_to_share_takes_the_floor_over() {
    let mut room = Room::new(3, FloorPolicy::default());
    let hello = room.clients[2].hello();
    room.say(2, &hello);
    let follow = room.clients[2].follow(FLOOR);
    room.say(2, &follow);
    assert_eq!(room.heard(2), [ClientEvent::Connected, ClientEvent::Holder(FLOOR, None)]);
    room.request(0);
    assert_eq!(room.heard(0), [status(RequestStatus::Granted)]);
    room.request(1);
    assert_eq!(room.heard(0), [status(RequestStatus::Revoked)]);
    assert_eq!(room.heard(1), [status(RequestStatus::Granted)]);
    let holders = room.heard(2);
    assert_eq!(holders.first(), Some(&ClientEvent::Holder(FLOOR, Some(0))));
    assert_eq!(holders.last(), Some(&ClientEvent::Holder(FLOOR, Some(1))));
    assert_eq!(room.clients[2].holder(FLOOR), Some(1));
    room.release(1);
    assert_eq!(room.heard(1), [status(RequestStatus::Released)]);
    assert_eq!(room.server.holder(FLOOR), None);
    let events = room.server.take_events();
    let holders = [Some(UserId(0)), Some(UserId(1)), None];
    assert_eq!(events, holders.map(|user| FloorEvent::Holder { floor: FLOOR, user }));
}

#[test]
fn requests_wait_in_their_order_and_press() {
    let policy = FloorPolicy { busy: Busy::Waits, ..FloorPolicy::default() };
    let mut room = Room::new(4, policy);
    (0..3).for_each(|user| room.request(user));
    assert_eq!(room.heard(2), [ClientEvent::Request(RequestStatus::Accepted, 2)]);
    let mut pressing = room.clients[3].request(FLOOR);
    pressing.attributes.push(Attribute::Priority(Priority::High));
    room.say(3, &pressing);
    assert_eq!(room.heard(3), [ClientEvent::Request(RequestStatus::Accepted, 1)]);
    assert_eq!(room.heard(2), [ClientEvent::Request(RequestStatus::Accepted, 3)]);
    room.release(1);
    assert_eq!(room.heard(1).last(), Some(&status(RequestStatus::Cancelled)));
    room.release(0);
    assert_eq!(room.heard(3), [status(RequestStatus::Granted)]);
    room.server.remove_user(UserId(3));
    room.deliver();
    assert_eq!(room.heard(2).last(), Some(&status(RequestStatus::Granted)));
    assert_eq!(room.server.holder(FLOOR), Some(UserId(2)));
}

#[test]
fn a_moderator_decides() {
    let policy = FloorPolicy { busy: Busy::IsDenied, asks_moderator: true, asks_room: false };
    let mut room = Room::new(3, policy);
    room.request(1);
    assert_eq!(room.heard(1), [status(RequestStatus::Pending)]);
    let Some(FloorEvent::Asked { request, user: UserId(1) }) = room.server.take_events().pop()
    else {
        panic!("nobody was asked");
    };
    // By BFCP, and by the room's menu.
    let action = |status: RequestStatus, id: RequestId| {
        let status = vec![Attribute::RequestStatus(status, 0)];
        let inner = vec![Attribute::FloorRequestStatus(FLOOR, status)];
        vec![Attribute::FloorRequestInformation(id.0, inner)]
    };
    let mut message = room.clients[1].hello();
    message.header.primitive = Primitive::ChairAction as u8;
    message.attributes = action(RequestStatus::Granted, request);
    room.say(1, &message);
    assert_eq!(room.heard(1), [ClientEvent::Refused(ErrorCode::Unauthorized)]);
    message.header.user = 0;
    room.say(0, &message);
    assert_eq!(room.heard(1), [status(RequestStatus::Granted)]);
    room.request(2);
    let Some(FloorEvent::Asked { request, .. }) = room.server.take_events().pop() else {
        panic!("nobody was asked");
    };
    room.server.decide(request, true);
    room.deliver();
    let denied = [status(RequestStatus::Pending), status(RequestStatus::Denied)];
    assert_eq!(room.heard(2), denied, "somebody has it");
    room.server.revoke(FLOOR);
    room.deliver();
    assert_eq!(room.heard(1), [status(RequestStatus::Revoked)]);
    room.request(0);
    assert_eq!(room.heard(0).last(), Some(&status(RequestStatus::Granted)), "asks nobody");
    room.server.decide(RequestId(999), true);
}

#[test]
fn the_room_answers_a_chair_whose_action_it_decides() {
    let mut room = Room::new(3, FloorPolicy { asks_room: true, ..FloorPolicy::default() });
    room.request(1);
    let Some(FloorEvent::Asked { request, .. }) = room.server.take_events().pop() else {
        panic!("nobody was asked");
    };
    let grants = room.clients[2].chair(request.0, FLOOR, true);
    room.say(2, &grants);
    let chaired = FloorEvent::Chaired { by: UserId(2), user: UserId(1), grant: true };
    assert_eq!(room.server.take_events(), [chaired]);
    // Another one before the room has answered.
    let again = room.clients[2].chair(request.0, FLOOR, false);
    room.say(2, &again);
    assert_eq!(room.heard(2), [ClientEvent::Refused(ErrorCode::TooManyRequests)]);
    room.server.answer_chair(UserId(2), true);
    let [Outgoing { response: true, message, .. }] = &room.server.take_outgoing()[..] else {
        panic!("no answer");
    };
    assert_eq!(message.primitive(), Some(Primitive::ChairActionAck));
    assert_eq!(message.header.transaction, grants.header.transaction);
    room.server.answer_chair(UserId(2), true);
    assert!(room.server.take_outgoing().is_empty(), "one answer for each");
    room.say(2, &again);
    room.server.answer_chair(UserId(2), false);
    room.deliver();
    assert_eq!(room.heard(2), [ClientEvent::Refused(ErrorCode::Unauthorized)]);
}

#[test]
fn what_cannot_be_is_refused_by_its_number() {
    let mut room = Room::new(3, FloorPolicy { busy: Busy::Waits, ..FloorPolicy::default() });
    let refused = |room: &mut Room, change: &dyn Fn(&mut Message)| {
        let mut message = room.clients[1].request(FLOOR);
        change(&mut message);
        room.say(1, &message);
        match room.heard(1)[..] {
            [ClientEvent::Refused(code)] => code,
            ref other => panic!("{other:?}"),
        }
    };
    let code = refused(&mut room, &|message| message.attributes = vec![Attribute::FloorId(99)]);
    assert_eq!(code, ErrorCode::InvalidFloorId);
    let code = refused(&mut room, &|message| message.attributes.clear());
    assert_eq!(code, ErrorCode::InvalidFloorId);
    let code = refused(&mut room, &|message| message.header.user = 2);
    assert_eq!(code, ErrorCode::UserDoesNotExist);
    let code = refused(&mut room, &|m| m.attributes.push(Attribute::BeneficiaryId(2)));
    assert_eq!(code, ErrorCode::Unauthorized);
    let code = refused(&mut room, &|m| m.attributes.push(Attribute::BeneficiaryId(99)));
    assert_eq!(code, ErrorCode::UserDoesNotExist);
    let code = refused(&mut room, &|m| m.header.primitive = Primitive::FloorStatus as u8);
    assert_eq!(code, ErrorCode::UnknownPrimitive);
    let code = refused(&mut room, &|m| {
        m.header.primitive = Primitive::FloorRelease as u8;
        m.attributes = vec![Attribute::FloorRequestId(99)];
    });
    assert_eq!(code, ErrorCode::FloorRequestDoesNotExist);
    room.request(2);
    for _ in 0..MAX_REQUESTS_OF_USER {
        room.request(1);
    }
    room.heard(1);
    assert_eq!(refused(&mut room, &|_| ()), ErrorCode::TooManyRequests);
    let mut elsewhere = FloorClient::new(CONFERENCE + 1, 1).hello();
    room.server.handle_message(UserId(1), &elsewhere);
    let answer = room.server.take_outgoing().remove(0);
    let expected = [Attribute::ErrorCode(ErrorCode::ConferenceDoesNotExist, vec![])];
    assert_eq!(answer.message.attributes, expected);
    elsewhere.header.primitive = 0;
    let fault = Message::parse(&elsewhere.write()).unwrap_err();
    room.server.handle_unreadable(UserId(1), &fault);
    assert_eq!(room.server.take_outgoing().len(), 1);
}

#[test]
fn queries_are_answered_and_goodbye_gives_all_back() {
    let mut room = Room::new(2, FloorPolicy::default());
    room.request(1);
    let mut message = room.clients[0].hello();
    message.header.primitive = Primitive::UserQuery as u8;
    message.attributes = vec![Attribute::BeneficiaryId(1)];
    room.server.handle_message(UserId(0), &message);
    let answer = room.server.take_outgoing().remove(0);
    assert_eq!(answer.message.primitive(), Some(Primitive::UserStatus));
    assert_eq!(answer.message.attributes.len(), 2);
    message.header.primitive = Primitive::FloorRequestQuery as u8;
    message.attributes = vec![Attribute::FloorRequestId(1)];
    room.server.handle_message(UserId(0), &message);
    let answer = room.server.take_outgoing().remove(0);
    assert_eq!(answer.message.primitive(), Some(Primitive::FloorRequestStatus));
    let goodbye = room.clients[1].goodbye();
    room.server.handle_message(UserId(1), &goodbye);
    let answers = room.server.take_outgoing();
    assert_eq!(answers[0].message.primitive(), Some(Primitive::GoodbyeAck));
    assert_eq!(room.server.requests().count(), 0);
}

#[test]
fn over_udp_everything_is_acknowledged() {
    let mut server = FloorServer::new(CONFERENCE, FloorPolicy::default());
    server.add_floor(FLOOR).unwrap();
    let mut ends = Vec::new();
    for user in 0..2 {
        server.add_user(UserId(user), "", "", false).unwrap();
        let client = FloorClient::new(CONFERENCE, user);
        ends.push((client, Datagrams::new(1), Datagrams::new(1)));
    }
    let now = Instant::ZERO;
    let mut events = Vec::new();
    for user in 0..2 {
        let (client, own, _) = &mut ends[user];
        let request = client.request(FLOOR);
        own.request(now, request).unwrap();
        // Until nobody has anything to send.
        loop {
            let mut quiet = true;
            for (number, (client, own, theirs)) in ends.iter_mut().enumerate() {
                while let Some(octets) = own.poll_transmit() {
                    quiet = false;
                    if let Some(Received::Request(message)) = theirs.handle_datagram(now, &octets) {
                        server.handle_message(UserId(number as u16), &message);
                    }
                }
                while let Some(octets) = theirs.poll_transmit() {
                    quiet = false;
                    let read = own.handle_datagram(now, &octets);
                    let (Some(Received::Request(m)) | Some(Received::Response(m))) = read else {
                        continue;
                    };
                    let (event, acknowledgement) = client.handle_message(&m);
                    events.extend(event.map(|event| (number, event)));
                    acknowledgement.into_iter().for_each(|message| own.respond(message));
                }
            }
            for outgoing in server.take_outgoing() {
                let (_, _, theirs) = &mut ends[usize::from(outgoing.to.0)];
                if outgoing.response {
                    theirs.respond(outgoing.message);
                } else {
                    theirs.request(now, outgoing.message).unwrap();
                }
            }
            if quiet {
                break;
            }
        }
    }
    let expected = [
        (0, status(RequestStatus::Granted)),
        (0, status(RequestStatus::Revoked)),
        (1, status(RequestStatus::Granted)),
    ];
    events.sort_by_key(|(number, _)| *number);
    assert_eq!(events, expected);
    assert!(ends.iter().all(|(_, own, theirs)| own.queued() + theirs.queued() == 0));
}

#[derive(Clone, Debug)]
enum Act {
    Request(u16, u8, bool),
    Release(u16, u16),
    Decide(u16, bool),
    Revoke(u16),
    Goodbye(u16),
    Remove(u16),
    Policy(u8, bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0u16..5, 0u8..5, any::<bool>()).prop_map(|(u, p, both)| Act::Request(u, p, both)),
        2 => (0u16..5, 0u16..20).prop_map(|(u, r)| Act::Release(u, r)),
        1 => (0u16..20, any::<bool>()).prop_map(|(r, grant)| Act::Decide(r, grant)),
        1 => (1u16..4).prop_map(Act::Revoke),
        1 => (0u16..5).prop_map(Act::Goodbye),
        1 => (0u16..5).prop_map(Act::Remove),
        1 => (0u8..3, any::<bool>()).prop_map(|(busy, asks)| Act::Policy(busy, asks)),
    ]
}

proptest! {
    #[test]
    fn a_floor_has_one_holder_whatever_is_done(acts in prop::collection::vec(act(), 0..80)) {
        let mut room = Room::new(5, FloorPolicy::default());
        room.server.add_floor(3).unwrap();
        let mut told: BTreeMap<u16, Option<UserId>> = BTreeMap::new();
        for act in acts {
            let message = |primitive: Primitive, attributes| {
                let mut message = FloorClient::new(CONFERENCE, 0).hello();
                message.header.primitive = primitive as u8;
                message.attributes = attributes;
                message
            };
            let mut say = |user: u16, mut message: Message| {
                message.header.user = user;
                room.server.handle_message(UserId(user), &message);
            };
            match act {
                Act::Request(user, priority, both) => {
                    let mut attributes = vec![Attribute::FloorId(FLOOR)];
                    if both {
                        attributes.push(Attribute::FloorId(3));
                    }
                    let all = [Priority::Lowest, Priority::Low, Priority::Normal, Priority::High];
                    let priority = all.get(usize::from(priority)).copied().unwrap_or_default();
                    attributes.push(Attribute::Priority(priority));
                    say(user, message(Primitive::FloorRequest, attributes));
                }
                Act::Release(user, request) => {
                    let request = vec![Attribute::FloorRequestId(request)];
                    say(user, message(Primitive::FloorRelease, request));
                }
                Act::Decide(request, grant) => room.server.decide(RequestId(request), grant),
                Act::Revoke(floor) => room.server.revoke(floor),
                Act::Goodbye(user) => say(user, message(Primitive::Goodbye, vec![])),
                Act::Remove(user) => room.server.remove_user(UserId(user)),
                Act::Policy(busy, asks_moderator) => {
                    let busy = [Busy::TakesOver, Busy::Waits, Busy::IsDenied][usize::from(busy)];
                    room.server.set_policy(FloorPolicy { busy, asks_moderator, asks_room: false });
                }
            }
            room.server.take_outgoing();
            for event in room.server.take_events() {
                if let FloorEvent::Holder { floor, user } = event {
                    prop_assert_ne!(told.insert(floor, user).flatten(), user);
                }
            }
            for floor in [FLOOR, 3] {
                let holders = room.server.requests.iter().filter(|one| {
                    one.status == RequestStatus::Granted && one.floors.contains(&floor)
                });
                prop_assert!(holders.count() <= 1);
                prop_assert_eq!(told.get(&floor).copied().flatten(), room.server.holder(floor));
            }
            prop_assert!(room.server.requests.len() <= MAX_REQUESTS);
            prop_assert!(room.server.requests.iter().all(|one| !one.status.is_final()));
        }
    }
}

#[test]
fn where_the_room_decides_it_gives_the_floor_and_takes_it() {
    let policy = FloorPolicy { asks_room: true, ..FloorPolicy::default() };
    let mut room = Room::new(3, policy);
    room.server.follow(UserId(2), &[FLOOR, 99]);
    room.deliver();
    assert_eq!(room.heard(2), [ClientEvent::Holder(FLOOR, None)]);
    assert_eq!(room.server.followed_by(UserId(2)), [FLOOR]);
    // A moderator too.
    room.request(0);
    let events = room.server.take_events();
    let [FloorEvent::Asked { user: UserId(0), .. }] = events[..] else { panic!("{events:?}") };
    assert_eq!(room.heard(0), [ClientEvent::Request(RequestStatus::Pending, 0)]);
    room.server.give(FLOOR, UserId(0));
    room.deliver();
    assert_eq!(room.heard(0), [ClientEvent::Request(RequestStatus::Granted, 0)]);
    room.heard(2);
    // Somebody who has not asked.
    room.server.give(FLOOR, UserId(1));
    room.deliver();
    assert_eq!(room.server.holder(FLOOR), Some(UserId(1)));
    assert_eq!(room.heard(0), [ClientEvent::Request(RequestStatus::Revoked, 0)]);
    assert_eq!(room.heard(2), [ClientEvent::Holder(FLOOR, Some(1))]);
    // Nobody who is not there has it, and who is denied hears so.
    room.server.give(FLOOR, UserId(9));
    room.request(2);
    room.server.deny(UserId(2));
    room.deliver();
    assert_eq!(room.server.holder(FLOOR), None);
    let heard = room.heard(2);
    assert!(heard.contains(&ClientEvent::Request(RequestStatus::Denied, 0)), "{heard:?}");
    // Who has it and asks again has it by the new request.
    room.server.give(FLOOR, UserId(1));
    room.request(1);
    room.server.give(FLOOR, UserId(1));
    assert_eq!((room.server.holder(FLOOR), room.server.requests().count()), (Some(UserId(1)), 1));
    room.server.revoke(FLOOR);
    assert_eq!(room.server.requests().count(), 0);
}
