//! The calls of one thread.

use super::call::Call;
use super::listeners::Openers;
use super::statistics::{Counters, Present, Tally};
use call_audio::Scratch;
use model::{Instant, TransactionId};
use relay_core::{ListenNews, ListenedStream};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

/// Why a stream was not taken.
const NO_ROOM: &str = "there is no room for more calls; raise [streaming] max_calls, and threads \
                       where they are busy";

/// Calls by their transaction id, as many as there is room for.
pub(super) struct Calls {
    most: usize,
    calls: HashMap<TransactionId, Box<Call>>,
    openers: Arc<Openers>,
    counters: Arc<Counters>,
    scratch: Scratch,
    /// As the counters have it.
    present: Present,
}

impl Calls {
    pub(super) fn new(most: usize, openers: Arc<Openers>, counters: Arc<Counters>) -> Self {
        let scratch = Scratch::default();
        Calls { most, calls: HashMap::new(), openers, counters, scratch, present: [0; 3] }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Takes what the relay has to tell.
    pub(super) fn hear(&mut self, news: ListenNews, now: Instant) {
        match news {
            ListenNews::Stream(stream) => self.take(*stream, now),
            ListenNews::Refused(refused) => {
                let reason = refused.failure.to_string();
                self.openers.refuse(&refused.listening, refused.at, &reason);
            }
            ListenNews::Update { transaction_id, update } => {
                let mut tally = Tally::default();
                if let Some(call) = self.calls.get_mut(&transaction_id) {
                    call.update(&update, &self.openers, &mut tally);
                }
                self.counters.note(&tally);
            }
        }
    }

    /// Looks after all calls.
    pub(super) fn turn(&mut self, now: Instant) {
        let mut tally = Tally::default();
        let mut present = [0; 3];
        self.calls.retain(|_, call| {
            let goes_on = call.turn(now, &self.openers, &mut self.scratch, &mut tally);
            if goes_on {
                present[0] += 1;
                present[1] += call.channels() as u64;
                present[2] += call.listeners() as u64;
            }
            goes_on
        });
        self.counters.note(&tally);
        self.counters.note_present(std::mem::replace(&mut self.present, present), present);
    }

    /// Counts how a turn went.
    pub(super) fn note_turn(&self, is_late: bool, worked: Duration) {
        self.counters.note_work(is_late, worked);
    }

    /// Gives away what has come and ends all calls: the node stops.
    pub(super) fn stop(&mut self, now: Instant) {
        let mut tally = Tally::default();
        for (_, mut call) in self.calls.drain() {
            call.stop(now, &self.openers, &mut self.scratch, &mut tally);
        }
        self.counters.note(&tally);
        self.counters.note_present(std::mem::take(&mut self.present), [0; 3]);
    }

    fn take(&mut self, stream: ListenedStream, now: Instant) {
        let transaction = stream.listening.call.transaction_id;
        let (ordered, at) = (stream.listening.clone(), stream.began_at);
        let is_full = self.calls.len() >= self.most;
        let mut tally = Tally::default();
        let is_taken = match self.calls.entry(transaction) {
            Entry::Occupied(mut call) => {
                let (openers, scratch) = (&self.openers, &mut self.scratch);
                call.get_mut().join(stream, now, openers, scratch, &mut tally)
            }
            Entry::Vacant(_) if is_full => false,
            Entry::Vacant(place) => {
                match Call::new(stream, now, &self.openers, &mut self.scratch) {
                    Some(call) => {
                        place.insert(Box::new(call));
                        true
                    }
                    None => false,
                }
            }
        };
        self.counters.note(&tally);
        self.counters.note_stream();
        if !is_taken {
            self.counters.refuse();
            tracing::warn!(%transaction, "nobody listens to a stream of a call: {NO_ROOM}");
            self.openers.refuse(&ordered, at, NO_ROOM);
        }
    }
}
