//! One conference's floor control server (RFC 8855 section 13): users, floors, requests.

mod answers;
mod chair;
mod room;

use crate::attribute::{Attribute, ErrorCode, Priority, RequestStatus};
use crate::message::{Header, Message, ParseError, Primitive, VERSION_RELIABLE};
use std::collections::BTreeMap;
use std::fmt;

/// Users of one conference.
pub const MAX_USERS: usize = 256;
/// Floors of one conference.
pub const MAX_FLOORS: usize = 8;
/// Requests that run in one conference.
pub const MAX_REQUESTS: usize = 64;
/// Requests of one user that run.
pub const MAX_REQUESTS_OF_USER: usize = 4;

/// A user's number, of `a=userid`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UserId(pub u16);

/// A request's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u16);

/// What a request finds whose floor somebody has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Busy {
    /// It takes the floor over: whoever starts to share is seen, as in most conferences.
    #[default]
    TakesOver,
    /// It waits: more pressing ones first, then in their order.
    Waits,
    /// It is denied.
    IsDenied,
}

/// Who gets a floor.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct FloorPolicy {
    /// What a request finds whose floor somebody has.
    pub busy: Busy,
    /// A moderator must grant each request of somebody who is none.
    pub asks_moderator: bool,
    /// Whoever holds the room must grant each request, a moderator's too, by [`FloorServer::decide`].
    pub asks_room: bool,
}

/// A message to a user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// To whom.
    pub to: UserId,
    /// It answers a request, whose transaction it has. Else the server says it of itself: over UDP
    /// by [`crate::Datagrams::request`], over TCP as it is, with transaction 0.
    pub response: bool,
    /// What. Its version is TCP's; [`crate::Datagrams`] puts its own.
    pub message: Message,
}

/// What has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FloorEvent {
    /// A floor has another holder, or none.
    Holder {
        /// Which floor.
        floor: u16,
        /// Who has it.
        user: Option<UserId>,
    },
    /// A moderator, or the room, is to decide.
    Asked {
        /// By [`FloorServer::decide`].
        request: RequestId,
        /// For whom.
        user: UserId,
    },
    /// Somebody acts as the chair (RFC 8855 section 11.1) where the room decides; it is to be answered by
    /// [`FloorServer::answer_chair`].
    Chaired {
        /// Who; whether that is a moderator is the room's to know.
        by: UserId,
        /// Whose request it is about.
        user: UserId,
        /// Whether it is to be granted; else denied, or revoked.
        grant: bool,
    },
}

/// No more users or floors are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany;

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a conference has {MAX_USERS} users and {MAX_FLOORS} floors at most")
    }
}

impl std::error::Error for TooMany {}

#[derive(Clone, Debug)]
struct User {
    name: String,
    uri: String,
    moderator: bool,
    /// Floors whose changes it is told.
    follows: Vec<u16>,
    /// Its action as the chair that the room has not answered.
    chairs: Option<Header>,
}

#[derive(Clone, Debug)]
struct FloorRequest {
    id: RequestId,
    by: UserId,
    beneficiary: UserId,
    floors: Vec<u16>,
    priority: Priority,
    status: RequestStatus,
    /// In the queue, from 1; 0 for none.
    place: u8,
    told: Option<(RequestStatus, u8)>,
}

/// The server. Each call leaves messages and events, to be taken by [`FloorServer::take_outgoing`]
/// and [`FloorServer::take_events`] right after it.
#[derive(Debug)]
pub struct FloorServer {
    conference: u32,
    policy: FloorPolicy,
    users: BTreeMap<UserId, User>,
    /// Who has each floor, as it was last told.
    floors: BTreeMap<u16, Option<UserId>>,
    /// In the order in which they came.
    requests: Vec<FloorRequest>,
    next_request: u16,
    outgoing: Vec<Outgoing>,
    events: Vec<FloorEvent>,
}

impl FloorServer {
    /// A conference without users and floors.
    pub fn new(conference: u32, policy: FloorPolicy) -> Self {
        FloorServer {
            conference,
            policy,
            users: BTreeMap::new(),
            floors: BTreeMap::new(),
            requests: Vec::new(),
            next_request: 1,
            outgoing: Vec::new(),
            events: Vec::new(),
        }
    }

    /// A floor that may be asked for.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn add_floor(&mut self, floor: u16) -> Result<(), TooMany> {
        if self.floors.len() >= MAX_FLOORS {
            return Err(TooMany);
        }
        self.floors.entry(floor).or_insert(None);
        Ok(())
    }

    /// A user, or other words about one that is there.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn add_user(
        &mut self,
        id: UserId,
        name: &str,
        uri: &str,
        moderator: bool,
    ) -> Result<(), TooMany> {
        if self.users.len() >= MAX_USERS && !self.users.contains_key(&id) {
            return Err(TooMany);
        }
        let before = self.users.remove(&id);
        let (follows, chairs) = before.map(|user| (user.follows, user.chairs)).unwrap_or_default();
        let user = User { name: name.into(), uri: uri.into(), moderator, follows, chairs };
        self.users.insert(id, user);
        Ok(())
    }

    /// A user has left, or its connection has: its requests are over.
    pub fn remove_user(&mut self, id: UserId) {
        self.users.remove(&id);
        self.end_requests(|request| request.by == id || request.beneficiary == id);
        self.settle(None);
    }

    /// Other rules, for requests from now on.
    pub const fn set_policy(&mut self, policy: FloorPolicy) {
        self.policy = policy;
    }

    /// A moderator takes a floor away from whoever has it.
    pub fn revoke(&mut self, floor: u16) {
        for request in &mut self.requests {
            if request.status == RequestStatus::Granted && request.floors.contains(&floor) {
                request.status = RequestStatus::Revoked;
            }
        }
        self.settle(None);
    }

    /// Who has a floor.
    pub fn holder(&self, floor: u16) -> Option<UserId> {
        self.requests
            .iter()
            .find(|one| one.status == RequestStatus::Granted && one.floors.contains(&floor))
            .map(|one| one.beneficiary)
    }

    /// The conference's number.
    pub const fn conference(&self) -> u32 {
        self.conference
    }

    /// Requests that run.
    pub fn requests(&self) -> impl Iterator<Item = (RequestId, UserId, RequestStatus)> {
        self.requests.iter().map(|one| (one.id, one.beneficiary, one.status))
    }

    /// Messages that are to be sent, in their order.
    pub fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outgoing)
    }

    /// What has changed, in its order.
    pub fn take_events(&mut self) -> Vec<FloorEvent> {
        std::mem::take(&mut self.events)
    }

    /// Takes a message from the connection of user `from`.
    pub fn handle_message(&mut self, from: UserId, message: &Message) {
        let header = message.header;
        if header.conference != self.conference {
            return self.refuse(from, &header, ErrorCode::ConferenceDoesNotExist);
        }
        // Nobody speaks for another over a connection that is not theirs.
        if UserId(header.user) != from || !self.users.contains_key(&from) {
            return self.refuse(from, &header, ErrorCode::UserDoesNotExist);
        }
        match message.primitive() {
            Some(Primitive::Hello) => self.answer_hello(from, &header),
            Some(Primitive::FloorRequest) => self.take_request(from, message),
            Some(Primitive::FloorRelease) => self.take_release(from, message),
            Some(Primitive::FloorRequestQuery) => self.answer_request_query(from, message),
            Some(Primitive::FloorQuery) => self.take_floor_query(from, message),
            Some(Primitive::UserQuery) => self.answer_user_query(from, message),
            Some(Primitive::ChairAction) => self.take_chair_action(from, message),
            Some(Primitive::Goodbye) => {
                self.respond(from, &header, Primitive::GoodbyeAck, Vec::new());
                if let Some(user) = self.users.get_mut(&from) {
                    user.follows.clear();
                }
                self.end_requests(|request| request.by == from);
                self.settle(None);
            }
            // Acknowledgements of what the server said; errors are nobody's to answer.
            Some(
                Primitive::FloorRequestStatusAck | Primitive::FloorStatusAck | Primitive::Error,
            ) => {}
            _ => self.refuse(from, &header, ErrorCode::UnknownPrimitive),
        }
    }

    /// A message of user `from` was none: it is told so, where that can be said.
    pub fn handle_unreadable(&mut self, from: UserId, fault: &ParseError) {
        if let Some((header, error)) = fault.answer() {
            self.respond(from, &header, Primitive::Error, vec![error]);
        }
    }

    fn take_request(&mut self, from: UserId, message: &Message) {
        let header = message.header;
        let mut floors: Vec<u16> = message.floors().collect();
        floors.sort_unstable();
        floors.dedup();
        let mut beneficiary = from;
        let mut priority = Priority::Normal;
        for attribute in &message.attributes {
            match attribute {
                Attribute::BeneficiaryId(id) => beneficiary = UserId(*id),
                Attribute::Priority(value) => priority = *value,
                _ => {}
            }
        }
        let moderator = self.is_moderator(from);
        let of_user = self.requests.iter().filter(|one| one.by == from).count();
        let fault = if floors.is_empty() || floors.iter().any(|id| !self.floors.contains_key(id)) {
            Some(ErrorCode::InvalidFloorId)
        } else if !self.users.contains_key(&beneficiary) {
            Some(ErrorCode::UserDoesNotExist)
        } else if beneficiary != from && !moderator {
            Some(ErrorCode::Unauthorized)
        } else if of_user >= MAX_REQUESTS_OF_USER || self.requests.len() >= MAX_REQUESTS {
            Some(ErrorCode::TooManyRequests)
        } else {
            None
        };
        if let Some(code) = fault {
            return self.refuse(from, &header, code);
        }
        let id = self.number();
        let asks = self.policy.asks_room || (self.policy.asks_moderator && !moderator);
        let status = if asks { RequestStatus::Pending } else { RequestStatus::Accepted };
        if asks {
            self.events.push(FloorEvent::Asked { request: id, user: beneficiary });
        } else {
            self.make_way(id, beneficiary, &floors);
        }
        let request = FloorRequest {
            id,
            by: from,
            beneficiary,
            floors,
            priority,
            status,
            place: 0,
            told: None,
        };
        self.requests.push(request);
        self.deny_if_busy(id);
        self.settle(Some((id, header)));
    }

    /// Whoever has the floors is revoked, where a request takes them over; somebody who asks for what
    /// they have already begins anew.
    fn make_way(&mut self, id: RequestId, beneficiary: UserId, floors: &[u16]) {
        let takes_over = self.policy.busy == Busy::TakesOver;
        for other in self.requests.iter_mut().filter(|other| other.id != id) {
            let shares = other.floors.iter().any(|floor| floors.contains(floor));
            let has = other.status == RequestStatus::Granted && shares;
            if has && (takes_over || other.beneficiary == beneficiary) {
                other.status = if other.beneficiary == beneficiary {
                    RequestStatus::Released
                } else {
                    RequestStatus::Revoked
                };
            }
        }
    }

    fn deny_if_busy(&mut self, id: RequestId) {
        if self.policy.busy != Busy::IsDenied {
            return;
        }
        let busy: Vec<u16> = self
            .requests
            .iter()
            .filter(|one| one.status == RequestStatus::Granted)
            .flat_map(|one| one.floors.iter().copied())
            .collect();
        let asked = self.requests.iter_mut().find(|one| one.id == id);
        if let Some(one) = asked.filter(|one| one.status == RequestStatus::Accepted)
            && one.floors.iter().any(|floor| busy.contains(floor))
        {
            one.status = RequestStatus::Denied;
        }
    }

    fn take_release(&mut self, from: UserId, message: &Message) {
        let header = message.header;
        let asked = message.floor_request().map(RequestId);
        let request = self.requests.iter_mut().find(|one| Some(one.id) == asked);
        match request {
            None => self.refuse(from, &header, ErrorCode::FloorRequestDoesNotExist),
            Some(request) if request.by != from && request.beneficiary != from => {
                self.refuse(from, &header, ErrorCode::Unauthorized);
            }
            Some(request) => {
                request.status = match request.status {
                    RequestStatus::Granted => RequestStatus::Released,
                    _ => RequestStatus::Cancelled,
                };
                let id = request.id;
                self.settle(Some((id, header)));
            }
        }
    }

    fn end_requests(&mut self, ended: impl Fn(&FloorRequest) -> bool) {
        for request in self.requests.iter_mut().filter(|one| ended(one)) {
            request.status = match request.status {
                RequestStatus::Granted => RequestStatus::Released,
                _ => RequestStatus::Cancelled,
            };
        }
    }

    fn is_moderator(&self, user: UserId) -> bool {
        self.users.get(&user).is_some_and(|user| user.moderator)
    }

    /// A number that no running request has; 0 is none.
    fn number(&mut self) -> RequestId {
        loop {
            let id = RequestId(self.next_request);
            self.next_request = self.next_request.checked_add(1).unwrap_or(1);
            if self.requests.iter().all(|one| one.id != id) {
                return id;
            }
        }
    }

    /// Grants what can be granted, tells whoever is concerned, and forgets what is over. `asked` is the
    /// request that a message is answered about.
    fn settle(&mut self, asked: Option<(RequestId, Header)>) {
        let mut order: Vec<usize> = (0..self.requests.len()).collect();
        order.sort_by_key(|at| {
            let priority = self.requests.get(*at).map(|one| one.priority);
            std::cmp::Reverse(priority)
        });
        let mut taken: Vec<u16> = self
            .requests
            .iter()
            .filter(|one| one.status == RequestStatus::Granted)
            .flat_map(|one| one.floors.iter().copied())
            .collect();
        let mut place = 0;
        for at in order {
            let Some(one) = self.requests.get_mut(at) else { continue };
            one.place = 0;
            if one.status != RequestStatus::Accepted {
                continue;
            }
            if one.floors.iter().any(|floor| taken.contains(floor)) {
                place += 1;
                one.place = place;
            } else {
                one.status = RequestStatus::Granted;
            }
            // Who waits for two floors keeps those behind it from taking one of them.
            taken.extend(&one.floors);
        }
        self.tell(asked);
    }
}

#[cfg(test)]
mod tests;
