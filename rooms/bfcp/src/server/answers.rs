//! What the server says.

use super::{
    Attribute, ErrorCode, FloorEvent, FloorRequest, FloorServer, Header, Message, Outgoing,
    Primitive, RequestId, User, UserId, VERSION_RELIABLE,
};
use crate::message::ATTRIBUTES;

/// Requests that one FloorStatus or UserStatus names.
const MOST_NAMED: usize = 16;

impl FloorServer {
    pub(super) fn answer_hello(&mut self, to: UserId, header: &Header) {
        let primitives = Primitive::ALL.iter().map(|primitive| *primitive as u8).collect();
        let attributes = ATTRIBUTES.map(|kind| kind << 1).collect();
        let supported = vec![
            Attribute::SupportedPrimitives(primitives),
            Attribute::SupportedAttributes(attributes),
        ];
        self.respond(to, header, Primitive::HelloAck, supported);
    }

    pub(super) fn answer_request_query(&mut self, to: UserId, message: &Message) {
        let asked = message.floor_request().map(RequestId);
        let found = self.requests.iter().find(|one| Some(one.id) == asked);
        match found.map(|request| self.information(request)) {
            Some(information) => {
                let information = vec![information];
                self.respond(to, &message.header, Primitive::FloorRequestStatus, information);
            }
            None => self.refuse(to, &message.header, ErrorCode::FloorRequestDoesNotExist),
        }
    }

    pub(super) fn answer_user_query(&mut self, to: UserId, message: &Message) {
        let about = message.attributes.iter().find_map(|attribute| match attribute {
            Attribute::BeneficiaryId(id) => Some(UserId(*id)),
            _ => None,
        });
        let user = about.unwrap_or(to);
        if !self.users.contains_key(&user) {
            return self.refuse(to, &message.header, ErrorCode::UserDoesNotExist);
        }
        let own = self.requests.iter().filter(|one| one.beneficiary == user || one.by == user);
        let mut attributes =
            vec![Attribute::BeneficiaryInformation(user.0, self.words_about(user))];
        attributes.extend(own.take(MOST_NAMED).map(|one| self.information(one)));
        self.respond(to, &message.header, Primitive::UserStatus, attributes);
    }

    /// The floors that it names are followed from now on, others not any more.
    pub(super) fn take_floor_query(&mut self, to: UserId, message: &Message) {
        let mut floors: Vec<u16> = message.floors().collect();
        floors.sort_unstable();
        floors.dedup();
        if floors.iter().any(|floor| !self.floors.contains_key(floor)) {
            return self.refuse(to, &message.header, ErrorCode::InvalidFloorId);
        }
        if let Some(user) = self.users.get_mut(&to) {
            user.follows.clone_from(&floors);
        }
        let mut floors = floors.into_iter();
        let first = floors.next().map(|floor| self.floor_status(floor)).unwrap_or_default();
        self.respond(to, &message.header, Primitive::FloorStatus, first);
        for floor in floors {
            let status = self.floor_status(floor);
            self.notify(to, Primitive::FloorStatus, status);
        }
    }

    /// Tells whoever is concerned what has changed, and forgets what is over.
    pub(super) fn tell(&mut self, asked: Option<(RequestId, Header)>) {
        let mut changed: Vec<u16> = Vec::new();
        for at in 0..self.requests.len() {
            let Some(request) = self.requests.get(at) else { continue };
            let now = (request.status, request.place);
            let answered = asked.filter(|(id, _)| *id == request.id).map(|(_, header)| header);
            if request.told == Some(now) && answered.is_none() {
                continue;
            }
            if request.told.map(|(status, _)| status) != Some(request.status) {
                changed.extend(&request.floors);
            }
            let (by, beneficiary) = (request.by, request.beneficiary);
            let information = vec![self.information(request)];
            match answered {
                Some(header) => {
                    let to = UserId(header.user);
                    let status = Primitive::FloorRequestStatus;
                    self.respond(to, &header, status, information.clone());
                    if by != to {
                        self.notify(by, status, information);
                    }
                }
                None => self.notify(by, Primitive::FloorRequestStatus, information.clone()),
            }
            if answered.is_none() && beneficiary != by {
                let information = self.requests.get(at).map(|request| self.information(request));
                let information = information.into_iter().collect();
                self.notify(beneficiary, Primitive::FloorRequestStatus, information);
            }
            if let Some(request) = self.requests.get_mut(at) {
                request.told = Some(now);
            }
        }
        self.requests.retain(|request| !request.status.is_final());
        changed.sort_unstable();
        changed.dedup();
        for floor in changed {
            self.tell_floor(floor);
        }
    }

    fn tell_floor(&mut self, floor: u16) {
        let followers: Vec<UserId> = self
            .users
            .iter()
            .filter(|(_, user)| user.follows.contains(&floor))
            .map(|(id, _)| *id)
            .collect();
        for follower in followers {
            let status = self.floor_status(floor);
            self.notify(follower, Primitive::FloorStatus, status);
        }
        let holder = self.holder(floor);
        if let Some(told) = self.floors.get_mut(&floor)
            && *told != holder
        {
            *told = holder;
            self.events.push(FloorEvent::Holder { floor, user: holder });
        }
    }

    pub(super) fn floor_status(&self, floor: u16) -> Vec<Attribute> {
        let of_floor = self.requests.iter().filter(|one| one.floors.contains(&floor));
        let mut attributes = vec![Attribute::FloorId(floor)];
        attributes.extend(of_floor.take(MOST_NAMED).map(|one| self.information(one)));
        attributes
    }

    fn information(&self, request: &FloorRequest) -> Attribute {
        let status = Attribute::RequestStatus(request.status, request.place);
        let mut inner = vec![Attribute::OverallRequestStatus(request.id.0, vec![status])];
        for floor in &request.floors {
            inner.push(Attribute::FloorRequestStatus(*floor, Vec::new()));
        }
        let beneficiary = request.beneficiary;
        inner.push(Attribute::Priority(request.priority));
        inner.push(Attribute::BeneficiaryInformation(beneficiary.0, self.words_about(beneficiary)));
        if request.by != beneficiary {
            inner.push(Attribute::RequestedByInformation(request.by.0, Vec::new()));
        }
        Attribute::FloorRequestInformation(request.id.0, inner)
    }

    /// Short enough that a group has room for them.
    fn words_about(&self, user: UserId) -> Vec<Attribute> {
        let short = |text: &str| text.chars().take(24).collect::<String>();
        let Some(User { name, uri, .. }) = self.users.get(&user) else { return Vec::new() };
        let mut words = Vec::new();
        if !name.is_empty() {
            words.push(Attribute::UserDisplayName(short(name)));
        }
        // An address that is cut is none.
        if !uri.is_empty() && uri.len() <= 64 {
            words.push(Attribute::UserUri(uri.clone()));
        }
        words
    }

    pub(super) fn refuse(&mut self, to: UserId, header: &Header, code: ErrorCode) {
        self.respond(to, header, Primitive::Error, vec![Attribute::ErrorCode(code, Vec::new())]);
    }

    pub(super) fn respond(
        &mut self,
        to: UserId,
        header: &Header,
        primitive: Primitive,
        attributes: Vec<Attribute>,
    ) {
        // R is of version 2; `Datagrams` sets it.
        let (version, responder, primitive) = (VERSION_RELIABLE, false, primitive as u8);
        let header = Header { version, responder, primitive, ..*header };
        self.outgoing.push(Outgoing {
            to,
            response: true,
            message: Message { header, attributes },
        });
    }

    pub(super) fn notify(&mut self, to: UserId, primitive: Primitive, attributes: Vec<Attribute>) {
        if !self.users.contains_key(&to) {
            return;
        }
        let header = Header {
            version: VERSION_RELIABLE,
            responder: false,
            primitive: primitive as u8,
            conference: self.conference,
            transaction: 0,
            user: to.0,
        };
        let message = Message { header, attributes };
        self.outgoing.push(Outgoing { to, response: false, message });
    }
}
