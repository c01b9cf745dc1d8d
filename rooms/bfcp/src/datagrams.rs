//! Messages over UDP (RFC 8855 sections 6.2 and 8): one request at a time, repeated until it is answered;
//! answers that are repeated with their requests; fragments.

use crate::message::{
    FragmentHead, HEADER_BYTES, Header, MAX_MESSAGE, Message, ParseError, VERSION_UNRELIABLE,
    read_header, write_header,
};
use model::Instant;
use std::collections::VecDeque;
use std::time::Duration;

/// The first pause before a request is repeated; each next one is twice as long (section 8.3.1).
pub const T1: Duration = Duration::from_millis(500);
/// How long an answer is kept for a request that comes again (section 8.3.2).
pub const T2: Duration = Duration::from_secs(10);
/// How often a request is sent in all.
pub const SEND_ATTEMPTS: u32 = 4;
/// Octets of a datagram at most; a longer message is sent in fragments.
pub const MAX_DATAGRAM: usize = 1_200;
/// Requests that may wait for the one before them. Full: a further one is refused.
pub const MAX_QUEUED: usize = 64;
/// Requests of the other side whose answers are kept. Full: the oldest goes.
const MAX_ANSWERED: usize = 16;
/// Fragments of one message.
const MAX_FRAGMENTS: usize = 64;
/// Datagrams that may wait for the socket. Full: the oldest goes, as a network loses it.
const MAX_WAITING: usize = 256;

/// What a datagram was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Received {
    /// A request; answer it by [`Datagrams::respond`].
    Request(Message),
    /// The answer to our request.
    Response(Message),
    /// A whole message that is none; its sender may be owed an error.
    Unreadable(ParseError),
}

/// A request was not answered, however often it was sent: the other side is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TransactionFailed {
    /// What was asked, by [`crate::Primitive::from_number`].
    pub primitive: u8,
}

/// One association. Call [`Datagrams::poll_transmit`] after each other call, until there is nothing.
#[derive(Debug)]
pub struct Datagrams {
    next_transaction: u16,
    running: Option<Running>,
    queue: VecDeque<Message>,
    answered: VecDeque<Answered>,
    partial: Option<Partial>,
    transmit: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
struct Running {
    transaction: u16,
    primitive: u8,
    octets: Vec<u8>,
    attempts: u32,
    due: Instant,
}

/// A request of the other side; its answer is empty until there is one.
#[derive(Debug)]
struct Answered {
    transaction: u16,
    primitive: u8,
    until: Instant,
    octets: Vec<u8>,
}

#[derive(Debug)]
struct Partial {
    header: Header,
    payload: Vec<u8>,
    /// Offset and length of what has come.
    pieces: Vec<FragmentHead>,
    since: Instant,
}

impl Datagrams {
    /// An association; `first` is the number of its first request, 0 counting as 1.
    pub fn new(first: u16) -> Self {
        Datagrams {
            next_transaction: first.max(1),
            running: None,
            queue: VecDeque::new(),
            answered: VecDeque::new(),
            partial: None,
            transmit: VecDeque::new(),
        }
    }

    /// Sends a request, or what a server says of itself, when those before it are answered. Its
    /// transaction is numbered here.
    ///
    /// # Errors
    /// The message, when [`MAX_QUEUED`] wait.
    pub fn request(&mut self, now: Instant, message: Message) -> Result<(), Message> {
        if self.queue.len() >= MAX_QUEUED {
            return Err(message);
        }
        self.queue.push_back(message);
        self.start_next(now);
        Ok(())
    }

    /// Sends an answer; its transaction is the request's.
    pub fn respond(&mut self, mut message: Message) {
        message.header.version = VERSION_UNRELIABLE;
        message.header.responder = true;
        let octets = message.write();
        let transaction = message.header.transaction;
        if let Some(request) = self.answered.iter_mut().find(|one| one.transaction == transaction) {
            request.octets.clone_from(&octets);
        }
        self.transmit(&octets);
    }

    /// Takes a datagram. What is a repetition is answered here again.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Option<Received> {
        let (header, fragment, length) = read_header(datagram)?;
        let parsed = match fragment {
            None => Message::parse(datagram),
            Some(_) if header.version != VERSION_UNRELIABLE => Err(ParseError::Version(header)),
            Some(head) => self.assemble(now, header, head, length, datagram)?,
        };
        let message = match parsed {
            Ok(message) if message.header.version == VERSION_UNRELIABLE => message,
            Ok(message) => return Some(Received::Unreadable(ParseError::Version(message.header))),
            Err(fault) => return Some(Received::Unreadable(fault)),
        };
        if message.header.responder {
            let ours = self.running.as_ref()?.transaction == message.header.transaction;
            if !ours {
                return None;
            }
            self.running = None;
            self.start_next(now);
            return Some(Received::Response(message));
        }
        self.take_request(now, message)
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<TransactionFailed> {
        self.answered.retain(|answer| now < answer.until);
        if self.partial.as_ref().is_some_and(|partial| now - partial.since >= T2) {
            self.partial = None;
        }
        let running = self.running.as_mut().filter(|running| now >= running.due)?;
        if running.attempts >= SEND_ATTEMPTS {
            let primitive = running.primitive;
            self.running = None;
            self.start_next(now);
            return Some(TransactionFailed { primitive });
        }
        running.due = now + T1 * 2_u32.pow(running.attempts);
        running.attempts += 1;
        let octets = running.octets.clone();
        self.transmit(&octets);
        None
    }

    /// When [`Datagrams::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.due)
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmit.pop_front()
    }

    /// Requests that wait or run.
    pub fn queued(&self) -> usize {
        self.queue.len() + usize::from(self.running.is_some())
    }

    fn take_request(&mut self, now: Instant, message: Message) -> Option<Received> {
        let Header { transaction, primitive, .. } = message.header;
        let known = |one: &&Answered| {
            one.transaction == transaction && one.primitive == primitive && now < one.until
        };
        if let Some(answer) = self.answered.iter().find(known) {
            // Not answered yet: the answer will come.
            let octets = answer.octets.clone();
            if !octets.is_empty() {
                self.transmit(&octets);
            }
            return None;
        }
        self.answered.retain(|one| one.transaction != transaction);
        if self.answered.len() >= MAX_ANSWERED {
            self.answered.pop_front();
        }
        let until = now + T2;
        self.answered.push_back(Answered { transaction, primitive, until, octets: Vec::new() });
        Some(Received::Request(message))
    }

    fn start_next(&mut self, now: Instant) {
        if self.running.is_some() {
            return;
        }
        let Some(mut message) = self.queue.pop_front() else { return };
        let transaction = self.next_transaction;
        self.next_transaction = self.next_transaction.checked_add(1).unwrap_or(1);
        message.header.version = VERSION_UNRELIABLE;
        message.header.responder = false;
        message.header.transaction = transaction;
        let octets = message.write();
        self.transmit(&octets);
        let primitive = message.header.primitive;
        self.running = Some(Running { transaction, primitive, octets, attempts: 1, due: now + T1 });
    }

    /// In fragments, where it is too long.
    fn transmit(&mut self, octets: &[u8]) {
        if octets.len() <= MAX_DATAGRAM {
            self.put(octets.to_vec());
            return;
        }
        let Some((header, _, length)) = read_header(octets) else { return };
        let payload = octets.get(HEADER_BYTES..).unwrap_or_default();
        let most = MAX_DATAGRAM - HEADER_BYTES - FragmentHead::BYTES;
        let mut offset = 0;
        for piece in payload.chunks(most / 4 * 4) {
            let head = FragmentHead { offset, length: piece.len() };
            let header = write_header(&header, Some(head), length);
            self.put([&header[..], &head.octets(), piece].concat());
            offset += piece.len();
        }
    }

    fn put(&mut self, datagram: Vec<u8>) {
        if self.transmit.len() >= MAX_WAITING {
            self.transmit.pop_front();
        }
        self.transmit.push_back(datagram);
    }

    /// A message, once all its fragments are there.
    fn assemble(
        &mut self,
        now: Instant,
        header: Header,
        head: FragmentHead,
        length: usize,
        datagram: &[u8],
    ) -> Option<Result<Message, ParseError>> {
        let data = datagram.get(HEADER_BYTES + FragmentHead::BYTES..)?;
        let end = head.offset + head.length;
        if data.len() != head.length || head.length == 0 || end > length {
            return Some(Err(ParseError::Length(header)));
        }
        if HEADER_BYTES + length > MAX_MESSAGE {
            return Some(Err(ParseError::Length(header)));
        }
        let same = |partial: &Partial| partial.header == header && partial.payload.len() == length;
        if !self.partial.as_ref().is_some_and(same) {
            // One at a time: what was begun before is lost.
            let payload = vec![0; length];
            self.partial = Some(Partial { header, payload, pieces: Vec::new(), since: now });
        }
        let partial = self.partial.as_mut()?;
        if partial.pieces.contains(&head) {
            return None;
        }
        let overlaps =
            |one: &FragmentHead| one.offset < end && head.offset < one.offset + one.length;
        if partial.pieces.iter().any(overlaps) || partial.pieces.len() >= MAX_FRAGMENTS {
            self.partial = None;
            return Some(Err(ParseError::Length(header)));
        }
        partial.payload.get_mut(head.offset..end)?.copy_from_slice(data);
        partial.pieces.push(head);
        if partial.pieces.iter().map(|piece| piece.length).sum::<usize>() < length {
            return None;
        }
        let partial = self.partial.take()?;
        let header = write_header(&partial.header, None, length);
        Some(Message::parse(&[&header[..], &partial.payload].concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attribute, Primitive};

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn message(primitive: Primitive, texts: usize) -> Message {
        let header = Header {
            version: 2,
            responder: false,
            primitive: primitive as u8,
            conference: 1,
            transaction: 0,
            user: 1,
        };
        let texts = (0..texts).map(|n| Attribute::StatusInfo(format!("{n:0200}")));
        Message { header, attributes: texts.collect() }
    }

    fn sent(datagrams: &mut Datagrams) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| datagrams.poll_transmit()).collect()
    }

    #[test]
    fn a_request_is_sent_four_times_and_then_given_up() {
        let mut client = Datagrams::new(1);
        client.request(at(0), message(Primitive::Hello, 0)).unwrap();
        client.request(at(0), message(Primitive::FloorQuery, 0)).unwrap();
        let mut times = vec![];
        let mut failed = None;
        for millis in (0..20_000).step_by(100) {
            failed =
                failed.or(client.handle_timeout(at(millis)).map(|one| (millis, one.primitive)));
            for octets in sent(&mut client) {
                times.push((millis, Message::parse(&octets).unwrap().header.primitive));
            }
            if failed.is_some() {
                break;
            }
        }
        assert_eq!(times, [(0, 11), (500, 11), (1_500, 11), (3_500, 11), (7_500, 7)]);
        assert_eq!(failed, Some((7_500, 11)));
    }

    #[test]
    fn an_answer_lets_the_next_request_go_and_answers_only_once() {
        let (mut client, mut server) = (Datagrams::new(65_535), Datagrams::new(1));
        client.request(at(0), message(Primitive::Hello, 0)).unwrap();
        client.request(at(0), message(Primitive::FloorQuery, 0)).unwrap();
        let hello = sent(&mut client).remove(0);
        let Some(Received::Request(request)) = server.handle_datagram(at(0), &hello) else {
            panic!("no request");
        };
        assert_eq!(request.header.transaction, 65_535);
        assert_eq!(server.handle_datagram(at(1), &hello), None, "again, before the answer");
        let mut answer = message(Primitive::HelloAck, 0);
        answer.header.transaction = request.header.transaction;
        server.respond(answer);
        let answers = sent(&mut server);
        assert_eq!(server.handle_datagram(at(2), &hello), None);
        assert_eq!(sent(&mut server), answers, "the same answer again");
        let taken = client.handle_datagram(at(3), &answers[0]);
        assert!(matches!(taken, Some(Received::Response(_))), "{taken:?}");
        assert_eq!(client.handle_datagram(at(3), &answers[0]), None);
        let next = Message::parse(&sent(&mut client)[0]).unwrap();
        assert_eq!((next.header.primitive, next.header.transaction), (7, 1), "0 is no number");
        // After T2 the number is free again.
        server.handle_timeout(at(10_000));
        assert!(server.handle_datagram(at(10_001), &hello).is_some());
    }

    #[test]
    fn long_messages_pass_in_fragments_of_any_order() {
        let (mut server, mut client) = (Datagrams::new(1), Datagrams::new(1));
        let long = message(Primitive::FloorStatus, 30);
        server.request(at(0), long.clone()).unwrap();
        let mut pieces = sent(&mut server);
        assert!(pieces.len() > 4 && pieces.iter().all(|piece| piece.len() <= MAX_DATAGRAM));
        pieces.reverse();
        let last = pieces.pop().unwrap();
        for piece in &pieces {
            assert_eq!(client.handle_datagram(at(0), piece), None);
            assert_eq!(client.handle_datagram(at(0), piece), None, "twice");
        }
        let Some(Received::Request(read)) = client.handle_datagram(at(1), &last) else {
            panic!("not whole");
        };
        assert_eq!(read.attributes, long.attributes);
        // One that lies about where it belongs.
        let mut lie = last.clone();
        lie[12] = 0xff;
        let fault = client.handle_datagram(at(2), &lie);
        assert!(matches!(fault, Some(Received::Unreadable(ParseError::Length(_)))), "{fault:?}");
        let mut overlap = last;
        overlap[13] = 1;
        client.handle_datagram(at(3), &pieces[0]);
        client.handle_datagram(at(3), &pieces[pieces.len() - 1]);
        let fault = client.handle_datagram(at(3), &overlap);
        assert!(matches!(fault, Some(Received::Unreadable(ParseError::Length(_)))), "{fault:?}");
    }

    #[test]
    fn queues_are_bounded_and_other_versions_told() {
        let mut server = Datagrams::new(0);
        for _ in 0..=MAX_QUEUED {
            server.request(at(0), message(Primitive::FloorStatus, 0)).unwrap();
        }
        assert!(server.request(at(0), message(Primitive::FloorStatus, 0)).is_err());
        assert_eq!(server.queued(), MAX_QUEUED + 1);
        let mut old = message(Primitive::Hello, 0);
        old.header.version = 1;
        let fault = server.handle_datagram(at(0), &old.write());
        assert!(matches!(fault, Some(Received::Unreadable(ParseError::Version(_)))), "{fault:?}");
        assert_eq!(server.handle_datagram(at(0), &[0x40, 1]), None);
    }
}
