use super::*;
use bfcp::{Attribute, ClientEvent, ErrorCode, FloorClient, RequestStatus};
use model::FloorTransport;

const PLACE: &str = "203.0.113.1:5070";

fn meeting(bits: u64) -> MeetingId {
    MeetingId::draw(&mut || bits)
}

fn call(number: u128) -> TransactionId {
    TransactionId::from_random(number)
}

/// Devices whose messages reach the rooms at once.
struct World {
    floors: Floors,
    devices: HashMap<u32, (FloorClient, Vec<ClientEvent>)>,
    wishes: Vec<Wish>,
    /// What the meeting says to each wish.
    decision: Decision,
}

impl World {
    fn new() -> Self {
        World {
            floors: Floors::new(PLACE.parse().unwrap()),
            devices: HashMap::new(),
            wishes: Vec::new(),
            decision: Decision::Granted,
        }
    }

    /// A device that has said Hello and follows the floor.
    fn device(&mut self, number: u128) -> u32 {
        let mut drawn = number as u64;
        let mut draw = || {
            drawn += 1;
            drawn << 32
        };
        let signalling = IpAddr::from([192, 0, 2, number as u8]);
        let access = self.floors.begin(call(number), "Room".into(), signalling, &mut draw);
        let FloorAccess { address, conference, user } = access.unwrap();
        assert_eq!(address.to_string(), PLACE);
        self.devices.insert(conference, (FloorClient::new(conference, user), Vec::new()));
        let peer =
            FloorPeer { transport: FloorTransport::Tcp, address: "10.0.0.7:9".parse().unwrap() };
        self.floors.set_peer(call(number), Some(peer), 1);
        let Some(FloorOrder::Admit(admission)) = self.floors.orders().pop_front() else { panic!() };
        assert_eq!((admission.conference, admission.user), (conference, user));
        let expected: [IpAddr; 2] = [[10, 0, 0, 7].into(), signalling];
        assert_eq!(admission.addresses, expected);
        let hello = self.client(conference).hello();
        self.say(hello);
        let follow = self.client(conference).follow(SLIDES_FLOOR);
        self.say(follow);
        assert_eq!(
            self.heard(conference),
            [ClientEvent::Connected, ClientEvent::Holder(SLIDES_FLOOR, None)]
        );
        conference
    }

    fn client(&mut self, conference: u32) -> &mut FloorClient {
        &mut self.devices.get_mut(&conference).unwrap().0
    }

    fn user(&mut self, conference: u32) -> u16 {
        self.client(conference).hello().header.user
    }

    fn say(&mut self, message: Message) {
        self.floors.take_news(FloorNews::Said(message));
        self.settle();
    }

    fn ask(&mut self, conference: u32) {
        let message = self.client(conference).request(SLIDES_FLOOR);
        self.say(message);
    }

    fn settle(&mut self) {
        let wishes = self.floors.take_wishes();
        for wish in &wishes {
            self.floors.decided(*wish, if wish.shows { self.decision } else { Decision::Waits });
        }
        self.wishes.extend(wishes);
        while let Some(order) = self.floors.orders().pop_front() {
            let FloorOrder::Send(message, _) = order else { continue };
            let (client, heard) = self.devices.get_mut(&message.header.conference).unwrap();
            heard.extend(client.handle_message(&message).0);
        }
    }

    fn heard(&mut self, conference: u32) -> Vec<ClientEvent> {
        self.settle();
        std::mem::take(&mut self.devices.get_mut(&conference).unwrap().1)
    }
}

#[test]
fn until_a_caller_is_in_a_meeting_it_is_denied_what_it_asks_for() {
    let mut world = World::new();
    let one = world.device(1);
    world.ask(one);
    let heard = world.heard(one);
    assert!(heard.contains(&ClientEvent::Request(RequestStatus::Denied, 0)), "{heard:?}");
    assert!(world.wishes.is_empty());
    // In the meeting it is told of the floor without asking again.
    world.floors.join(call(1), meeting(1));
    assert_eq!(world.heard(one), [ClientEvent::Holder(SLIDES_FLOOR, None)]);
    world.ask(one);
    let wish = Wish { meeting: meeting(1), call: call(1), shows: true, chair: None };
    assert_eq!(world.wishes, [wish]);
    assert!(world.heard(one).contains(&ClientEvent::Request(RequestStatus::Granted, 0)));
}

#[test]
fn who_has_the_floor_is_told_to_all_of_its_meeting_and_to_nobody_else() {
    let mut world = World::new();
    let [one, two, other] = [1, 2, 3].map(|number| world.device(number));
    for (number, of) in [(1, 1), (2, 1), (3, 2)] {
        world.floors.join(call(number), meeting(of));
    }
    for device in [one, two, other] {
        world.heard(device);
    }
    world.ask(one);
    let user = world.user(one);
    assert!(world.heard(two).contains(&ClientEvent::Holder(SLIDES_FLOOR, Some(user))));
    assert_eq!(world.heard(other), []);
    // Another takes it over, as the meeting decides.
    world.ask(two);
    world.floors.set_floor(meeting(1), call(1), false);
    world.floors.set_floor(meeting(1), call(2), true);
    let heard = world.heard(one);
    assert!(heard.contains(&ClientEvent::Request(RequestStatus::Revoked, 0)), "{heard:?}");
    let user = world.user(two);
    assert_eq!(world.client(one).holder(SLIDES_FLOOR), Some(user));
    // It gives it back, which is told its meeting.
    world.wishes.clear();
    let release = world.client(two).release().unwrap();
    world.say(release);
    assert_eq!(
        world.wishes,
        [Wish { meeting: meeting(1), call: call(2), shows: false, chair: None }]
    );
    world.heard(one);
    assert_eq!(world.client(one).holder(SLIDES_FLOOR), None);
}

#[test]
fn who_is_given_the_floor_or_loses_it_hears_so() {
    let mut world = World::new();
    let one = world.device(1);
    let two = world.device(2);
    world.floors.join(call(1), meeting(1));
    world.floors.join(call(2), meeting(1));
    world.decision = Decision::Waits;
    world.ask(one);
    assert!(world.heard(one).contains(&ClientEvent::Request(RequestStatus::Pending, 0)));
    world.floors.set_floor(meeting(1), call(1), true);
    assert!(world.heard(one).contains(&ClientEvent::Request(RequestStatus::Granted, 0)));
    world.floors.set_floor(meeting(1), call(1), false);
    assert!(world.heard(one).contains(&ClientEvent::Request(RequestStatus::Revoked, 0)));
    // Somebody who has not asked, and somebody who has no device.
    world.floors.set_floor(meeting(1), call(2), true);
    let user = world.user(two);
    assert!(world.heard(one).contains(&ClientEvent::Holder(SLIDES_FLOOR, Some(user))));
    world.floors.set_floor(meeting(1), call(99), true);
    assert!(world.heard(one).contains(&ClientEvent::Holder(SLIDES_FLOOR, None)));
    world.decision = Decision::Denied;
    world.ask(one);
    assert!(world.heard(one).contains(&ClientEvent::Request(RequestStatus::Denied, 0)));
}

#[test]
fn a_moderators_device_decides_what_others_ask_for() {
    let mut world = World::new();
    let (asks, leads) = (world.device(1), world.device(2));
    world.floors.join(call(1), meeting(1));
    world.floors.join(call(2), meeting(1));
    world.decision = Decision::Waits;
    world.ask(asks);
    world.wishes.clear();
    let request = world.client(asks).release().unwrap().floor_request().unwrap();
    // Who is no moderator, as the meeting says, is refused; also about its own request.
    for (device, number) in [(leads, 2), (asks, 1)] {
        world.heard(device);
        let grants = world.client(device).chair(request, SLIDES_FLOOR, true);
        world.say(grants);
        assert_eq!(world.heard(device), [ClientEvent::Refused(ErrorCode::Unauthorized)]);
        let chair = Some(call(number));
        let wish = Wish { meeting: meeting(1), call: call(1), shows: true, chair };
        assert_eq!(std::mem::take(&mut world.wishes), [wish]);
    }
    assert!(!world.heard(asks).contains(&ClientEvent::Request(RequestStatus::Granted, 0)));
    // A moderator grants it: the meeting says so to all.
    world.decision = Decision::Granted;
    world.heard(leads);
    let grants = world.client(leads).chair(request, SLIDES_FLOOR, true);
    world.say(grants);
    assert_eq!(world.heard(leads), [], "acknowledged");
    world.floors.set_floor(meeting(1), call(1), true);
    assert!(world.heard(asks).contains(&ClientEvent::Request(RequestStatus::Granted, 0)));
    // And takes it away.
    let revokes = world.client(leads).chair(request, SLIDES_FLOOR, false);
    world.say(revokes);
    let chair = Some(call(2));
    let wish = Wish { meeting: meeting(1), call: call(1), shows: false, chair };
    assert_eq!(world.wishes.last(), Some(&wish));
    world.floors.set_floor(meeting(1), call(1), false);
    assert!(world.heard(asks).contains(&ClientEvent::Request(RequestStatus::Revoked, 0)));
    // A request that there is no more.
    let late = world.client(leads).chair(request, SLIDES_FLOOR, true);
    world.heard(leads);
    world.say(late);
    let gone = ClientEvent::Refused(ErrorCode::FloorRequestDoesNotExist);
    assert_eq!(world.heard(leads), [gone]);
    // In no meeting nobody is a chair.
    world.floors.leave(call(2));
    let nowhere = world.client(leads).chair(request, SLIDES_FLOOR, true);
    world.heard(leads);
    world.say(nowhere);
    assert_eq!(world.heard(leads), [gone]);
}

#[test]
fn a_device_that_is_lost_or_leaves_has_no_floor() {
    let mut world = World::new();
    let one = world.device(1);
    let two = world.device(2);
    let join = |world: &mut World| {
        world.floors.join(call(1), meeting(1));
        world.floors.join(call(2), meeting(1));
        world.ask(one);
        world.heard(two);
        let user = world.user(one);
        assert_eq!(world.client(two).holder(SLIDES_FLOOR), Some(user));
        world.wishes.clear();
    };
    join(&mut world);
    world.floors.take_news(FloorNews::Lost(one));
    world.settle();
    assert_eq!(
        world.wishes,
        [Wish { meeting: meeting(1), call: call(1), shows: false, chair: None }]
    );
    assert_eq!(world.client(two).holder(SLIDES_FLOOR), None);

    // Out of the meeting it is told that it has it no longer, and denied until it is in again.
    let follow = world.client(one).follow(SLIDES_FLOOR);
    world.say(follow);
    join(&mut world);
    world.floors.leave(call(1));
    let heard = world.heard(one);
    assert!(heard.contains(&ClientEvent::Request(RequestStatus::Revoked, 0)), "{heard:?}");
    assert_eq!(world.client(two).holder(SLIDES_FLOOR), None);
    world.ask(one);
    assert!(world.heard(one).contains(&ClientEvent::Request(RequestStatus::Denied, 0)));

    join(&mut world);
    world.floors.end(call(1));
    let last: Vec<_> = world.floors.orders().drain(..).collect();
    assert_eq!(last.last(), Some(&FloorOrder::Release(one)));
    let told = |order: &FloorOrder| match order {
        FloorOrder::Send(message, false) => message.header.conference == two,
        _ => false,
    };
    assert!(last.iter().any(told), "the other one hears of it: {last:?}");
    world.floors.end(call(2));
    assert!(world.floors.meetings.is_empty() && world.floors.by_user.is_empty());
    // What comes later is nobody's.
    let hello = world.client(one).hello();
    world.floors.take_news(FloorNews::Said(hello));
    assert!(world.floors.take_wishes().is_empty());
}

#[test]
fn a_description_without_floor_control_takes_the_floor_away() {
    let mut world = World::new();
    let one = world.device(1);
    world.floors.join(call(1), meeting(1));
    world.ask(one);
    world.wishes.clear();
    world.floors.set_peer(call(1), None, 1);
    assert!(world.floors.orders().contains(&FloorOrder::Release(one)));
    world.floors.take_wishes().iter().for_each(|wish| assert!(!wish.shows));
    let peer = FloorPeer { transport: FloorTransport::Udp, address: PLACE.parse().unwrap() };
    world.floors.orders().clear();
    world.floors.set_peer(call(1), Some(peer), 7);
    let again = world.floors.orders().pop_front();
    let Some(FloorOrder::Admit(admission)) = again else { panic!("{again:?}") };
    assert_eq!((admission.transport, admission.first_transaction), (FloorTransport::Udp, 7));
}

#[test]
fn numbers_are_taken_once_and_messages_are_bounded() {
    let mut world = World::new();
    // All draws alike: conferences differ all the same.
    let begin = |world: &mut World, number| {
        let signalling = IpAddr::from([192, 0, 2, 1]);
        world.floors.begin(call(number), "".into(), signalling, &mut || u64::MAX).unwrap()
    };
    let all: Vec<_> = (1..=4).map(|number| begin(&mut world, number)).collect();
    for (at, one) in all.iter().enumerate() {
        assert!(one.conference != 0 && one.user != 0);
        let same =
            |other: &FloorAccess| other.conference == one.conference || other.user == one.user;
        assert!(!all[at + 1..].iter().any(same));
    }
    let one = world.device(9);
    let mut last = world.client(one).hello();
    last.attributes.push(Attribute::FloorId(SLIDES_FLOOR));
    for _ in 0..UNSENT + 10 {
        world.floors.take_news(FloorNews::Said(last.clone()));
    }
    assert_eq!((world.floors.orders().len(), world.floors.lost()), (UNSENT, 10));
}
