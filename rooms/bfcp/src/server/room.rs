//! What whoever holds the room says: who has a floor, and who is told of it.

use super::{FloorRequest, FloorServer, UserId};
use crate::attribute::{Priority, RequestStatus};
use crate::message::Primitive;

impl FloorServer {
    /// The room gives a floor to a user, whether it has asked or not: whoever has it is revoked.
    pub fn give(&mut self, floor: u16, user: UserId) {
        let is_asked = |one: &FloorRequest| {
            one.beneficiary == user && one.status == RequestStatus::Pending && one.floors == [floor]
        };
        let has_asked = self.requests.iter().any(is_asked);
        let has_it = self.holder(floor) == Some(user) && !has_asked;
        if has_it || !self.floors.contains_key(&floor) {
            return;
        }
        if !self.users.contains_key(&user) {
            return self.revoke(floor);
        }
        for other in &mut self.requests {
            if other.status == RequestStatus::Granted && other.floors.contains(&floor) {
                let is_own = other.beneficiary == user;
                other.status =
                    if is_own { RequestStatus::Released } else { RequestStatus::Revoked };
            }
        }
        let asked = self.requests.iter_mut().find(|one| is_asked(one));
        match asked {
            Some(asked) => asked.status = RequestStatus::Granted,
            None => {
                let id = self.number();
                self.requests.push(FloorRequest {
                    id,
                    by: user,
                    beneficiary: user,
                    floors: vec![floor],
                    priority: Priority::Normal,
                    status: RequestStatus::Granted,
                    place: 0,
                    told: None,
                });
            }
        }
        self.settle(None);
    }

    /// A user has asked for what it does not get, and has asked for nothing any more.
    pub fn deny(&mut self, user: UserId) {
        let pending = [RequestStatus::Pending, RequestStatus::Accepted];
        for one in &mut self.requests {
            if one.beneficiary == user && pending.contains(&one.status) {
                one.status = RequestStatus::Denied;
            }
        }
        self.settle(None);
    }

    /// The floors whose changes a user is told.
    pub fn followed_by(&self, user: UserId) -> &[u16] {
        self.users.get(&user).map_or(&[], |user| &user.follows)
    }

    /// A user is told of floors, now and when they change, as if it had asked by FloorQuery.
    pub fn follow(&mut self, user: UserId, floors: &[u16]) {
        let known = floors.iter().copied().filter(|floor| self.floors.contains_key(floor));
        let known: Vec<u16> = known.collect();
        let Some(own) = self.users.get_mut(&user) else { return };
        own.follows.clone_from(&known);
        for floor in known {
            let status = self.floor_status(floor);
            self.notify(user, Primitive::FloorStatus, status);
        }
    }
}
