//! What edges want done with their streams, on its way to the relay's workers.

use super::{Edges, Local, Stream};
use model::{
    AllocationFailure, Instant, MediaCommand, MediaEvent, MediaId, MediaLine, TransactionId,
};

/// Commands that wait for the relay's workers. Beyond it a command is dropped and counted; an
/// `Allocate` never waits.
const COMMANDS_MAX: usize = 65_536;

impl Edges {
    pub(super) fn take_command(&mut self, now: Instant, place: usize, mut command: MediaCommand) {
        let id = command.id();
        if self.draining && matches!(command, MediaCommand::Allocate { .. }) {
            let reason = AllocationFailure::Unavailable;
            return self.tell(place, MediaEvent::AllocationFailed { id, reason });
        }
        if let MediaCommand::Allocate { transaction_id, line, .. } = command {
            self.begin_stream(now, place, id, (transaction_id, line));
        }
        let Some(edge) = self.edge(place) else { return };
        for id in command.ids_mut().into_iter().flatten() {
            // Of a stream that has ended here, which the edge has been or will be told.
            let Some(local) = edge.streams.get(id) else { return };
            *id = MediaId(*local);
        }
        if let MediaCommand::Release { id: MediaId(local) } = command {
            edge.streams.remove(&id);
            return self.release(now, local);
        }
        self.order(command);
    }

    fn begin_stream(
        &mut self,
        now: Instant,
        place: usize,
        id: MediaId,
        (transaction_id, line): (TransactionId, MediaLine),
    ) {
        let beside = self.beside_main(place, transaction_id, line);
        let local = beside.unwrap_or(self.next);
        let Some(edge) = self.edge(place) else { return };
        if edge.streams.contains_key(&id) {
            return;
        }
        edge.streams.insert(id, local);
        let stream = Stream {
            edge: place,
            id,
            transaction_id,
            line,
            packets: [0; 2],
            last_media: now,
            ended: None,
        };
        self.streams.insert(local, stream);
        self.next += u64::from(beside.is_none());
    }

    /// The id of a stream beside a call's main one: at the place of that one, for only a worker's own streams
    /// are copied to each other or share a transport. `None` for the main stream, and where no id is left.
    fn beside_main(&self, edge: usize, call: TransactionId, line: MediaLine) -> Option<Local> {
        (!line.is_main()).then_some(())?;
        let is_main = |stream: &Stream| {
            stream.edge == edge
                && stream.transaction_id == call
                && stream.line.is_main()
                && stream.ended.is_none()
        };
        let (main, _) = self.streams.iter().find(|(_, stream)| is_main(stream))?;
        let mut ids = (1..=u8::MAX).map(|serial| MediaId(*main).beside(serial).0);
        ids.find(|id| !self.streams.contains_key(id))
    }

    pub(super) fn release(&mut self, now: Instant, local: Local) {
        if let Some(stream) = self.streams.get_mut(&local) {
            stream.ended = Some(now);
            self.order(MediaCommand::Release { id: MediaId(local) });
        }
    }

    fn order(&mut self, command: MediaCommand) {
        if self.commands.len() < COMMANDS_MAX {
            self.commands.push_back(command);
        } else {
            self.commands_lost += 1;
        }
    }

    /// The next command for the relay's workers.
    pub fn poll_command(&mut self) -> Option<MediaCommand> {
        self.commands.pop_front()
    }

    /// The workers have no room for a command: an `Allocate` fails, others are to come again.
    /// Whether it is to be tried again.
    pub fn refused(&mut self, now: Instant, command: MediaCommand) -> bool {
        if let MediaCommand::Allocate { id, .. } = command {
            let reason = AllocationFailure::Overloaded;
            self.deliver(now, MediaEvent::AllocationFailed { id, reason });
            return false;
        }
        self.commands.push_front(command);
        true
    }
}
