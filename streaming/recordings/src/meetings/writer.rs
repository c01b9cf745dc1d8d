//! The thread that writes recordings of meetings.

use super::reel::{Reel, Turned};
use super::{MeetingsConfig, Message, QUEUE};
use crate::counters::add;
use crate::writer::{Complaints, Desk};
use crossbeam_channel::{Receiver, TryRecvError};
use model::Instant;
use outbox::clock::Clock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Between two looks at the queue. It is not waited on: then who mixes would have to wake this thread.
const NAP: Duration = Duration::from_millis(20);
/// Between two looks at every recording.
const TURN: Duration = Duration::from_secs(1);

/// What was found at the end of what was taken from the queue.
#[derive(PartialEq, Eq)]
enum Drained {
    /// Nothing waits.
    Empty,
    /// More may wait.
    More,
    /// Nobody is left who could hand over anything.
    Gone,
}

/// A thread that writes.
pub(crate) struct MeetingWriter {
    pub(crate) desk: Desk,
    pub(crate) config: MeetingsConfig,
    pub(crate) queue: Receiver<Message>,
    /// Whoever still has an opener then is not waited for.
    pub(crate) is_stopping: Arc<AtomicBool>,
}

impl MeetingWriter {
    /// Writes until it is told to stop, then finishes what is open.
    pub(crate) fn run(self) {
        let clock = Clock::start();
        let mut reels: HashMap<u64, Reel> = HashMap::new();
        let mut complaints = Complaints::default();
        let mut next_turn = clock.now() + TURN;
        loop {
            let is_over = self.is_stopping.load(Ordering::Relaxed);
            // In the end all that waits is taken.
            let until = (!is_over).then_some(next_turn);
            let drained = self.drain(&mut reels, (&clock, until), &mut complaints);
            if is_over || drained == Drained::Gone {
                break;
            }
            if clock.now() >= next_turn {
                self.turn(&mut reels, clock.now(), &mut complaints);
                next_turn = clock.now() + TURN;
            }
            if drained == Drained::Empty {
                thread::park_timeout(NAP);
            }
        }
        for (_, reel) in reels.drain() {
            self.finish(reel, &mut complaints);
        }
    }

    /// Takes what waits, no more than fits into the queue, and none from `until` on: a queue that fills as fast
    /// as it is taken from must not keep files from being flushed.
    fn drain(
        &self,
        reels: &mut HashMap<u64, Reel>,
        (clock, until): (&Clock, Option<Instant>),
        complaints: &mut Complaints,
    ) -> Drained {
        for _ in 0..QUEUE {
            let now = clock.now();
            if until.is_some_and(|until| now >= until) {
                return Drained::More;
            }
            match self.queue.try_recv() {
                Ok(message) => self.take(message, reels, now, complaints),
                Err(TryRecvError::Empty) => return Drained::Empty,
                Err(TryRecvError::Disconnected) => return Drained::Gone,
            }
        }
        Drained::More
    }

    fn take(
        &self,
        message: Message,
        reels: &mut HashMap<u64, Reel>,
        now: Instant,
        complaints: &mut Complaints,
    ) {
        match message {
            Message::Begin(beginning) => {
                add(&self.desk.counters.recording, 1);
                reels.insert(beginning.id, Reel::new(self.config, *beginning));
            }
            Message::Joined { id, call, at } => {
                if let Some(reel) = reels.get_mut(&id) {
                    reel.joined(call, at);
                }
            }
            Message::Named { id, person } => {
                if let Some(reel) = reels.get_mut(&id) {
                    reel.named(&person);
                }
            }
            Message::Left { id, call, at } => {
                if let Some(reel) = reels.get_mut(&id) {
                    reel.left(call, at, now);
                }
            }
            Message::Frame { id, whose, at, samples } => {
                let Some(reel) = reels.get_mut(&id) else { return };
                let turned = reel.frame(&self.desk.place, whose, at, &samples);
                if self.settle(turned, complaints) {
                    self.end(id, reels, complaints);
                }
            }
            Message::End { id } => self.end(id, reels, complaints),
        }
    }

    fn turn(&self, reels: &mut HashMap<u64, Reel>, now: Instant, complaints: &mut Complaints) {
        let mut over = Vec::new();
        for (id, reel) in reels.iter_mut() {
            let turned = reel.tick(&self.desk.place, now);
            // Whose end found no room in the queue is over, too.
            if self.settle(turned, complaints) || !reel.is_alive() {
                over.push(*id);
            }
        }
        for id in over {
            self.end(id, reels, complaints);
        }
        complaints.turn();
    }

    fn settle(&self, turned: Turned, complaints: &mut Complaints) -> bool {
        turned.done.into_iter().for_each(|done| self.desk.settle(done, 1, complaints));
        turned.is_over
    }

    fn end(&self, id: u64, reels: &mut HashMap<u64, Reel>, complaints: &mut Complaints) {
        if let Some(reel) = reels.remove(&id) {
            self.finish(reel, complaints);
        }
    }

    fn finish(&self, reel: Reel, complaints: &mut Complaints) {
        self.desk.counters.recording.fetch_sub(1, Ordering::Relaxed);
        for done in reel.finish(&self.desk.place) {
            self.desk.settle(done, 1, complaints);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{OpenFiles, Place};
    use crate::{Notices, Rotation};
    use crossbeam_channel::bounded;

    #[test]
    fn a_queue_that_is_never_empty_keeps_no_file_from_being_flushed() {
        let (sender, queue) = bounded(QUEUE);
        let place = Place {
            root: "none".into(),
            rotation: Rotation { seconds: None, bytes: u64::MAX },
            keys: None,
            open: OpenFiles::default(),
        };
        let desk = Desk {
            place,
            counters: Arc::default(),
            notices: Notices::new("edge-1", None),
            outcomes: None,
            keeper: bounded(1).0,
        };
        let format = crate::MeetingFormat::Wav;
        let config = MeetingsConfig { format, sample_rate: 16_000, participants: false };
        let writer = MeetingWriter { desk, config, queue, is_stopping: Arc::default() };
        (0..QUEUE as u64).for_each(|id| sender.send(Message::End { id }).unwrap());
        let (clock, mut reels, mut complaints) =
            (Clock::start(), HashMap::new(), Complaints::default());
        let mut drain = |until| writer.drain(&mut reels, (&clock, until), &mut complaints);
        assert!(drain(Some(Instant::ZERO)) == Drained::More, "the look at files is due");
        assert_eq!(sender.len(), QUEUE);
        assert!(drain(None) == Drained::More, "no more than was there");
        assert!(sender.is_empty());
        assert!(drain(None) == Drained::Empty);
        drop(sender);
        assert!(drain(None) == Drained::Gone);
    }
}
