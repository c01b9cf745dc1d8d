//! Who acts as the chair (RFC 8855 section 13.6): a moderator, or who the room takes for one.

use super::{
    Attribute, ErrorCode, FloorEvent, FloorServer, Header, Message, Primitive, RequestId,
    RequestStatus, UserId,
};

impl FloorServer {
    /// A moderator grants a pending request, or denies one that runs.
    pub fn decide(&mut self, request: RequestId, grant: bool) {
        self.decide_for(request, grant, None);
    }

    /// The room has done what a chair wanted, or does not take it for one (RFC 8855 section 13.6).
    pub fn answer_chair(&mut self, chair: UserId, done: bool) {
        let user = self.users.get_mut(&chair);
        let Some(header) = user.and_then(|user| user.chairs.take()) else { return };
        if done {
            self.respond(chair, &header, Primitive::ChairActionAck, Vec::new());
        } else {
            self.refuse(chair, &header, ErrorCode::Unauthorized);
        }
    }

    pub(super) fn take_chair_action(&mut self, from: UserId, message: &Message) {
        let header = message.header;
        if !self.policy.asks_room && !self.is_moderator(from) {
            return self.refuse(from, &header, ErrorCode::Unauthorized);
        }
        let Some(id) = message.floor_request().map(RequestId) else {
            return self.refuse(from, &header, ErrorCode::UnableToParse);
        };
        let Some(user) = self.requests.iter().find(|one| one.id == id).map(|one| one.beneficiary)
        else {
            return self.refuse(from, &header, ErrorCode::FloorRequestDoesNotExist);
        };
        let Some(grant) = chair_decision(message) else {
            return self.refuse(from, &header, ErrorCode::UnableToParse);
        };
        if !self.policy.asks_room {
            return self.decide_for(id, grant, Some((from, header)));
        }
        match self.users.get_mut(&from).map(|user| &mut user.chairs) {
            Some(chairs @ None) => {
                *chairs = Some(header);
                self.events.push(FloorEvent::Chaired { by: from, user, grant });
            }
            // One after the other.
            _ => self.refuse(from, &header, ErrorCode::TooManyRequests),
        }
    }

    fn decide_for(&mut self, id: RequestId, grant: bool, asked: Option<(UserId, Header)>) {
        let found = self.requests.iter_mut().find(|one| one.id == id);
        if let Some(request) = found {
            match (request.status, grant) {
                (RequestStatus::Pending, true) => {
                    request.status = RequestStatus::Accepted;
                    let (beneficiary, floors) = (request.beneficiary, request.floors.clone());
                    self.make_way(id, beneficiary, &floors);
                    self.deny_if_busy(id);
                }
                (RequestStatus::Granted, false) => request.status = RequestStatus::Revoked,
                (_, false) => request.status = RequestStatus::Denied,
                (_, true) => {}
            }
        }
        if let Some((to, header)) = asked {
            self.respond(to, &header, Primitive::ChairActionAck, Vec::new());
        }
        self.settle(None);
    }
}

/// Whether a ChairAction grants; `None` where it says neither.
fn chair_decision(message: &Message) -> Option<bool> {
    fn status(attributes: &[Attribute]) -> Option<RequestStatus> {
        attributes.iter().find_map(|attribute| match attribute {
            Attribute::RequestStatus(status, _) => Some(*status),
            Attribute::FloorRequestInformation(_, inner)
            | Attribute::FloorRequestStatus(_, inner)
            | Attribute::OverallRequestStatus(_, inner) => status(inner),
            _ => None,
        })
    }
    match status(&message.attributes)? {
        RequestStatus::Accepted | RequestStatus::Granted => Some(true),
        RequestStatus::Denied | RequestStatus::Revoked => Some(false),
        _ => None,
    }
}
