//! A participant's side (RFC 8855 sections 10 and 12): for tests, and for rooms that call a device which
//! has the server.

use crate::attribute::{Attribute, ErrorCode, RequestStatus};
use crate::message::{Header, Message, Primitive, VERSION_RELIABLE, VERSION_UNRELIABLE};
use std::collections::BTreeMap;

/// Floors whose holder is remembered.
const MAX_FLOORS: usize = 8;

/// What a message of the server says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClientEvent {
    /// It is there.
    Connected,
    /// Our request has this status, and this place in the queue.
    Request(RequestStatus, u8),
    /// A floor is held by this user, or by nobody.
    Holder(u16, Option<u16>),
    /// It refused what was asked last.
    Refused(ErrorCode),
    /// It ends.
    Ended,
}

/// A client of one conference. Its messages have no transaction for UDP, where
/// [`crate::Datagrams::request`] numbers them; over TCP they are numbered here.
#[derive(Debug)]
pub struct FloorClient {
    conference: u32,
    user: u16,
    next_transaction: u16,
    request: Option<u16>,
    holders: BTreeMap<u16, Option<u16>>,
}

impl FloorClient {
    /// User `user` of a conference.
    pub const fn new(conference: u32, user: u16) -> Self {
        let holders = BTreeMap::new();
        FloorClient { conference, user, next_transaction: 1, request: None, holders }
    }

    /// The first message.
    pub fn hello(&mut self) -> Message {
        self.message(Primitive::Hello, Vec::new())
    }

    /// Asks for a floor.
    pub fn request(&mut self, floor: u16) -> Message {
        self.message(Primitive::FloorRequest, vec![Attribute::FloorId(floor)])
    }

    /// Gives the floor back, or takes the request back; `None` without one.
    pub fn release(&mut self) -> Option<Message> {
        let request = Attribute::FloorRequestId(self.request?);
        Some(self.message(Primitive::FloorRelease, vec![request]))
    }

    /// Wants to be told of a floor's changes.
    pub fn follow(&mut self, floor: u16) -> Message {
        self.message(Primitive::FloorQuery, vec![Attribute::FloorId(floor)])
    }

    /// As the chair: grants somebody's request, or denies or revokes it (RFC 8855 section 11.1).
    pub fn chair(&mut self, request: u16, floor: u16, grant: bool) -> Message {
        let status = if grant { RequestStatus::Granted } else { RequestStatus::Denied };
        let status = vec![Attribute::RequestStatus(status, 0)];
        let of_floor = vec![Attribute::FloorRequestStatus(floor, status)];
        let about = Attribute::FloorRequestInformation(request, of_floor);
        self.message(Primitive::ChairAction, vec![about])
    }

    /// The last message.
    pub fn goodbye(&mut self) -> Message {
        self.message(Primitive::Goodbye, Vec::new())
    }

    /// Takes a message of the server: what it says, and over UDP the acknowledgement that it is owed.
    pub fn handle_message(&mut self, message: &Message) -> (Option<ClientEvent>, Option<Message>) {
        if message.header.conference != self.conference {
            return (None, None);
        }
        let acknowledge = |primitive: Primitive| {
            let owed = message.header.version == VERSION_UNRELIABLE && !message.header.responder;
            let header = Header { primitive: primitive as u8, ..message.header };
            owed.then(|| Message { header, attributes: Vec::new() })
        };
        match message.primitive() {
            Some(Primitive::HelloAck) => (Some(ClientEvent::Connected), None),
            Some(Primitive::FloorRequestStatus) => {
                (self.take_status(message), acknowledge(Primitive::FloorRequestStatusAck))
            }
            Some(Primitive::FloorStatus) => {
                (self.take_floor(message), acknowledge(Primitive::FloorStatusAck))
            }
            Some(Primitive::Error) => (refused(message), None),
            Some(Primitive::Goodbye) => {
                (Some(ClientEvent::Ended), acknowledge(Primitive::GoodbyeAck))
            }
            _ => (None, None),
        }
    }

    /// Who has a floor, as the server said last.
    pub fn holder(&self, floor: u16) -> Option<u16> {
        self.holders.get(&floor).copied().flatten()
    }

    fn take_status(&mut self, message: &Message) -> Option<ClientEvent> {
        let (id, inner) = informations(message).next()?;
        let (status, place) = status(inner)?;
        if self.request.is_some_and(|own| own != id && status.is_final()) {
            // Of a request before the one that runs.
            return None;
        }
        self.request = (!status.is_final()).then_some(id);
        Some(ClientEvent::Request(status, place))
    }

    fn take_floor(&mut self, message: &Message) -> Option<ClientEvent> {
        let floor = message.floors().next()?;
        let granted = |inner: &&[Attribute]| {
            status(inner).is_some_and(|(status, _)| status == RequestStatus::Granted)
        };
        let holder = informations(message).map(|(_, inner)| inner).find(granted);
        let holder = holder.and_then(|inner| {
            inner.iter().find_map(|attribute| match attribute {
                Attribute::BeneficiaryInformation(user, _) => Some(*user),
                _ => None,
            })
        });
        if self.holders.len() < MAX_FLOORS || self.holders.contains_key(&floor) {
            self.holders.insert(floor, holder);
        }
        Some(ClientEvent::Holder(floor, holder))
    }

    fn message(&mut self, primitive: Primitive, attributes: Vec<Attribute>) -> Message {
        let transaction = self.next_transaction;
        self.next_transaction = transaction.checked_add(1).unwrap_or(1);
        let header = Header {
            version: VERSION_RELIABLE,
            responder: false,
            primitive: primitive as u8,
            conference: self.conference,
            transaction,
            user: self.user,
        };
        Message { header, attributes }
    }
}

fn informations(message: &Message) -> impl Iterator<Item = (u16, &[Attribute])> {
    message.attributes.iter().filter_map(|attribute| match attribute {
        Attribute::FloorRequestInformation(id, inner) => Some((*id, inner.as_slice())),
        _ => None,
    })
}

fn status(inner: &[Attribute]) -> Option<(RequestStatus, u8)> {
    inner.iter().find_map(|attribute| match attribute {
        Attribute::OverallRequestStatus(_, inner) => inner.iter().find_map(|inner| match inner {
            Attribute::RequestStatus(status, place) => Some((*status, *place)),
            _ => None,
        }),
        _ => None,
    })
}

fn refused(message: &Message) -> Option<ClientEvent> {
    message.attributes.iter().find_map(|attribute| match attribute {
        Attribute::ErrorCode(code, _) => Some(ClientEvent::Refused(*code)),
        _ => None,
    })
}
