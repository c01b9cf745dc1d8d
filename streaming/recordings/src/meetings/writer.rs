//! The thread that writes recordings of meetings.

use super::reel::{Reel, Turned};
use super::{MeetingsConfig, Message};
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
            let is_gone = self.drain(&mut reels, clock.now(), &mut complaints);
            if is_over || is_gone {
                break;
            }
            if clock.now() >= next_turn {
                self.turn(&mut reels, clock.now(), &mut complaints);
                next_turn = clock.now() + TURN;
            }
            thread::park_timeout(NAP);
        }
        for (_, reel) in reels.drain() {
            self.finish(reel, &mut complaints);
        }
    }

    /// Takes what waits; whether nobody is left who could hand over anything.
    fn drain(
        &self,
        reels: &mut HashMap<u64, Reel>,
        now: Instant,
        complaints: &mut Complaints,
    ) -> bool {
        loop {
            match self.queue.try_recv() {
                Ok(message) => self.take(message, reels, now, complaints),
                Err(TryRecvError::Empty) => return false,
                Err(TryRecvError::Disconnected) => return true,
            }
        }
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
