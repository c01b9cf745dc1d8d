//! Who may share slides: devices' BFCP on one side, meetings on the other. Pure.
//!
//! BFCP's conference is chosen when a call is answered, before anybody knows its meeting. Until the caller is in one it
//! has a floor server of its own, where every request is denied; then it moves to its meeting's, and
//! goes on being told what it has asked to be told. The meeting alone decides ([`Wish`]), the servers follow.

use bfcp::{Admission, FloorEvent, FloorPolicy, FloorServer, Message, Outgoing, UserId};
use model::{FloorAccess, FloorPeer, TransactionId};
use room_core::MeetingId;
use sdp::SLIDES_FLOOR;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What waits for the thread with the sockets. Full policy: messages to devices are lost, counted, and a device over
/// UDP repeats; admissions are not.
pub(super) const UNSENT: usize = 8_192;

/// For the thread with the sockets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum FloorOrder {
    /// A call's device may speak, from these addresses.
    Admit(Admission),
    /// It may no longer.
    Release(u32),
    /// Its device is told this; whether it answers something.
    Send(Message, bool),
}

/// What came from there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum FloorNews {
    /// A device says this.
    Said(Message),
    /// The device of this conference is gone.
    Lost(u32),
}

impl FloorNews {
    /// Whose device it is.
    pub(super) const fn conference(&self) -> u32 {
        match self {
            FloorNews::Said(message) => message.header.conference,
            FloorNews::Lost(conference) => *conference,
        }
    }
}

/// What somebody wants of its meeting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wish {
    pub(super) meeting: MeetingId,
    pub(super) call: TransactionId,
    /// To show slides; else to show none any more.
    pub(super) shows: bool,
    /// Who acts as the chair, where it is not `call` that asks for itself.
    pub(super) chair: Option<TransactionId>,
}

impl Wish {
    /// Who wants it.
    pub(super) fn by(&self) -> TransactionId {
        self.chair.unwrap_or(self.call)
    }
}

/// All callers, and the floor servers of their meetings.
pub(super) struct Floors {
    address: SocketAddr,
    callers: HashMap<TransactionId, Caller>,
    by_conference: HashMap<u32, TransactionId>,
    by_user: HashMap<UserId, TransactionId>,
    last_user: u16,
    meetings: HashMap<MeetingId, Floor>,
    wishes: Vec<Wish>,
    orders: VecDeque<FloorOrder>,
    lost: u64,
}

struct Caller {
    conference: u32,
    user: UserId,
    name: Arc<str>,
    /// Where its signalling comes from.
    signalling: IpAddr,
    /// The meeting that it is in.
    meeting: Option<MeetingId>,
    /// While it is in none.
    waiting: FloorServer,
    is_admitted: bool,
}

struct Floor {
    server: FloorServer,
    people: usize,
}

/// Every server has this one: conferences on the wire are the calls'.
const CONFERENCE: u32 = 0;

fn server() -> FloorServer {
    let policy = FloorPolicy { asks_room: true, ..FloorPolicy::default() };
    let mut server = FloorServer::new(CONFERENCE, policy);
    // The first one has room.
    let _ = server.add_floor(SLIDES_FLOOR);
    server
}

impl Floors {
    /// Devices reach it at `address`.
    pub(super) fn new(address: SocketAddr) -> Self {
        Floors {
            address,
            callers: HashMap::new(),
            by_conference: HashMap::new(),
            by_user: HashMap::new(),
            last_user: 0,
            meetings: HashMap::new(),
            wishes: Vec::new(),
            orders: VecDeque::new(),
            lost: 0,
        }
    }

    /// For the thread with the sockets, in their order.
    pub(super) fn orders(&mut self) -> &mut VecDeque<FloorOrder> {
        &mut self.orders
    }

    /// What is wanted of meetings; [`Floors::decided`] is to follow for each.
    pub(super) fn take_wishes(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    /// Messages that found no room.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// A call begins: how its device is to reach floor control. `None` when all 65,535 numbers of users are taken.
    pub(super) fn begin(
        &mut self,
        call: TransactionId,
        name: Arc<str>,
        signalling: IpAddr,
        draw: &mut dyn FnMut() -> u64,
    ) -> Option<FloorAccess> {
        self.end(call);
        let user = self.free_user()?;
        let drawn = (draw() >> 32) as u32;
        // Where the system has no random number, draws are alike: the next free one.
        let mut drawn = (0..=u32::MAX).map(|more| drawn.wrapping_add(more));
        let conference = drawn.find(|one| *one != 0 && !self.by_conference.contains_key(one))?;
        let mut waiting = server();
        // The first one has room.
        let _ = waiting.add_user(user, &name, "", false);
        let caller = Caller {
            conference,
            user,
            name,
            signalling,
            meeting: None,
            waiting,
            is_admitted: false,
        };
        self.callers.insert(call, caller);
        self.by_conference.insert(conference, call);
        self.by_user.insert(user, call);
        Some(FloorAccess { address: self.address, conference, user: user.0 })
    }

    fn free_user(&mut self) -> Option<UserId> {
        for _ in 0..u16::MAX {
            self.last_user = self.last_user.checked_add(1).unwrap_or(1);
            let user = UserId(self.last_user);
            if !self.by_user.contains_key(&user) {
                return Some(user);
            }
        }
        None
    }

    /// A call has ended.
    pub(super) fn end(&mut self, call: TransactionId) {
        self.leave(call);
        let Some(caller) = self.callers.remove(&call) else { return };
        self.by_conference.remove(&caller.conference);
        self.by_user.remove(&caller.user);
        if caller.is_admitted {
            self.orders.push_back(FloorOrder::Release(caller.conference));
        }
    }

    /// A call's device has floor control, as its description says, or no longer. `first` is a random number.
    pub(super) fn set_peer(&mut self, call: TransactionId, peer: Option<FloorPeer>, first: u16) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let conference = caller.conference;
        caller.is_admitted = peer.is_some();
        match peer {
            Some(peer) => {
                let mut addresses = vec![peer.address.ip(), caller.signalling];
                addresses.dedup();
                self.orders.push_back(FloorOrder::Admit(Admission {
                    conference,
                    user: caller.user.0,
                    transport: peer.transport,
                    addresses,
                    first_transaction: first,
                }));
            }
            None => {
                self.orders.push_back(FloorOrder::Release(conference));
                self.take_news(FloorNews::Lost(conference));
            }
        }
    }

    /// A caller is in a meeting from now on.
    pub(super) fn join(&mut self, call: TransactionId, meeting: MeetingId) {
        self.leave(call);
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let floor =
            self.meetings.entry(meeting).or_insert_with(|| Floor { server: server(), people: 0 });
        // A meeting has fewer people than a conference may have users.
        if floor.server.add_user(caller.user, &caller.name, "", false).is_err() {
            return;
        }
        floor.people += 1;
        caller.meeting = Some(meeting);
        let followed = caller.waiting.followed_by(caller.user).to_vec();
        if !followed.is_empty() {
            floor.server.follow(caller.user, &followed);
        }
        self.flush(Some(meeting), call);
    }

    /// A caller is in no meeting any more, or waits.
    pub(super) fn leave(&mut self, call: TransactionId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let Some(meeting) = caller.meeting.take() else { return };
        let Some(floor) = self.meetings.get_mut(&meeting) else { return };
        let followed = floor.server.followed_by(caller.user).to_vec();
        // What it still has is taken from it, and it hears so.
        if floor.server.holder(SLIDES_FLOOR) == Some(caller.user) {
            floor.server.revoke(SLIDES_FLOOR);
        }
        floor.server.deny(caller.user);
        let told = floor.server.take_outgoing();
        floor.server.remove_user(caller.user);
        floor.people = floor.people.saturating_sub(1);
        caller.waiting.follow(caller.user, &followed);
        let told = told.into_iter().chain(caller.waiting.take_outgoing()).collect();
        self.send(told);
        self.flush(Some(meeting), call);
        if self.meetings.get(&meeting).is_some_and(|floor| floor.people == 0) {
            self.meetings.remove(&meeting);
        }
    }

    /// News of the sockets.
    pub(super) fn take_news(&mut self, news: FloorNews) {
        let conference = match &news {
            FloorNews::Said(message) => message.header.conference,
            FloorNews::Lost(conference) => *conference,
        };
        let Some(call) = self.by_conference.get(&conference).copied() else { return };
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let (user, meeting) = (caller.user, caller.meeting);
        let server = match meeting.and_then(|meeting| self.meetings.get_mut(&meeting)) {
            Some(floor) => &mut floor.server,
            None => &mut caller.waiting,
        };
        let asks = |server: &FloorServer| server.requests().any(|(_, of, _)| of == user);
        let has_asked = asks(server);
        match news {
            FloorNews::Said(mut message) => {
                message.header.conference = CONFERENCE;
                server.handle_message(user, &message);
            }
            FloorNews::Lost(_) => {
                server.remove_user(user);
                // There was room.
                let _ = server.add_user(user, &caller.name, "", false);
            }
        }
        let asks = asks(server);
        let events = server.take_events();
        let wants = events
            .iter()
            .any(|event| matches!(event, FloorEvent::Asked { user: of, .. } if *of == user));
        let chaired = events.iter().find_map(|event| match event {
            FloorEvent::Chaired { by, user: of, grant } if *by == user => Some((*of, *grant)),
            _ => None,
        });
        match meeting {
            Some(meeting) if wants => {
                self.wishes.push(Wish { meeting, call, shows: true, chair: None });
            }
            Some(meeting) if has_asked && !asks => {
                self.wishes.push(Wish { meeting, call, shows: false, chair: None });
            }
            Some(meeting) => {
                let of = chaired.and_then(|(of, grant)| Some((*self.by_user.get(&of)?, grant)));
                if let Some((of, shows)) = of {
                    self.wishes.push(Wish { meeting, call: of, shows, chair: Some(call) });
                }
            }
            None => {
                server.deny(user);
                server.answer_chair(user, false);
            }
        }
        self.flush(meeting, call);
    }

    /// What the meeting says to a wish for slides: yes, or perhaps later, or no.
    pub(super) fn decided(&mut self, wish: Wish, decision: Decision) {
        let Some(user) = self.callers.get(&wish.by()).map(|caller| caller.user) else { return };
        if let Some(floor) = self.meetings.get_mut(&wish.meeting) {
            match (wish.chair, decision) {
                // What it has changed comes as of everybody ([`Floors::set_floor`]). Who is no moderator asks,
                // and grants nothing.
                (Some(_), decision) => {
                    let done = decision == Decision::Granted
                        || (decision == Decision::Waits && !wish.shows);
                    floor.server.answer_chair(user, done);
                }
                (None, Decision::Granted) => floor.server.give(SLIDES_FLOOR, user),
                (None, Decision::Waits) => {}
                (None, Decision::Denied) => floor.server.deny(user),
            }
        }
        self.flush(Some(wish.meeting), wish.by());
    }

    /// Somebody shows slides in a meeting from now on, or no longer, or does not get what it has asked for.
    pub(super) fn set_floor(&mut self, meeting: MeetingId, call: TransactionId, shows: bool) {
        let user = self.callers.get(&call).map(|caller| caller.user);
        if let Some(floor) = self.meetings.get_mut(&meeting) {
            match user {
                Some(user) if shows => floor.server.give(SLIDES_FLOOR, user),
                // Somebody without a call here, who has no number in BFCP: nobody else has the floor.
                None if shows => floor.server.revoke(SLIDES_FLOOR),
                Some(user) => {
                    if floor.server.holder(SLIDES_FLOOR) == Some(user) {
                        floor.server.revoke(SLIDES_FLOOR);
                    }
                    floor.server.deny(user);
                }
                None => {}
            }
        }
        self.flush(Some(meeting), call);
    }

    /// Sends what a meeting's server says, and that of a caller who is in none.
    fn flush(&mut self, meeting: Option<MeetingId>, call: TransactionId) {
        let floor = meeting.and_then(|meeting| self.meetings.get_mut(&meeting));
        let mut said = floor.map(|floor| floor.server.take_outgoing()).unwrap_or_default();
        if let Some(caller) = self.callers.get_mut(&call) {
            said.extend(caller.waiting.take_outgoing());
            caller.waiting.take_events();
        }
        if let Some(floor) = meeting.and_then(|meeting| self.meetings.get_mut(&meeting)) {
            // Who has the floor is the meeting's to say, and it has.
            floor.server.take_events();
        }
        self.send(said);
    }

    fn send(&mut self, said: Vec<Outgoing>) {
        for Outgoing { to, response, mut message } in said {
            let call = self.by_user.get(&to);
            let Some(caller) = call.and_then(|call| self.callers.get(call)) else { continue };
            if !caller.is_admitted {
                continue;
            }
            if self.orders.len() >= UNSENT {
                self.lost += 1;
                continue;
            }
            message.header.conference = caller.conference;
            self.orders.push_back(FloorOrder::Send(message, response));
        }
    }
}

/// What a meeting says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decision {
    Granted,
    /// A moderator is asked.
    Waits,
    Denied,
}

#[cfg(test)]
mod tests;
