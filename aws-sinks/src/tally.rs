//! What became of a batch, put together from what became of its requests.
//!
//! One request may carry parts of many entries, and an entry may need several requests. A request
//! that the service finds invalid is halved until the items at fault stand alone, so that each
//! costs only itself.

use crate::fault::{Fault, Waiting};
use outbox::{Outcome, Verdict};

/// Times that requests of one batch are halved. Beyond it a request that is invalid is refused as a
/// whole: a service that finds fault with everything is not asked a thousand times.
const HALVINGS: usize = 64;

/// What a request carries: part of an entry, or all of it.
pub(crate) trait Item {
    /// The entry's place in the batch.
    fn entry(&self) -> usize;
    /// As a message names it.
    fn name(&self) -> String;
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// The service has it, but for these items, by their places in growing order.
    Except(Vec<(usize, Exception)>),
    /// It is not, or not known to be, taken.
    Failed(Fault),
}

/// Why an item of a request was not taken, though others were.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Exception {
    /// It never will be.
    Refused(String),
    /// It has to be tried again.
    Again(Waiting),
}

/// What is known of an entry.
#[derive(Clone, Default, Debug)]
struct State {
    items: usize,
    delivered: usize,
    refused: usize,
    /// Of the first item that was refused.
    reason: String,
}

/// Counts the items of each entry.
#[derive(Debug)]
pub(crate) struct Tally {
    states: Vec<State>,
    /// Why what is not settled waits; the service as a whole when `is_away`.
    waiting: Option<Waiting>,
    /// Entries that are not sent yet, and why.
    held: Vec<(usize, Waiting)>,
    is_away: bool,
    halvings: usize,
}

impl Tally {
    /// Of a batch of so many entries.
    pub(crate) fn new(entries: usize) -> Self {
        let states = vec![State::default(); entries];
        Tally { states, waiting: None, held: Vec::new(), is_away: false, halvings: HALVINGS }
    }

    /// Has an entry wait without being sent; others are.
    pub(crate) fn hold(&mut self, entry: usize, waiting: Waiting) {
        if let Some(state) = self.states.get_mut(entry) {
            state.items += 1;
            self.held.push((entry, waiting));
        }
    }

    /// Refuses part of an entry before it was sent.
    pub(crate) fn refuse(&mut self, entry: usize, reason: String) {
        if let Some(state) = self.states.get_mut(entry) {
            state.items += 1;
            state.refused += 1;
            if state.reason.is_empty() {
                state.reason = reason;
            }
        }
    }

    /// Notes what is to be sent.
    pub(crate) fn expect<T: Item>(&mut self, items: &[T]) {
        for item in items {
            if let Some(state) = self.states.get_mut(item.entry()) {
                state.items += 1;
            }
        }
    }

    /// Takes in what became of a request of `items`; returns where to halve it, when its parts are
    /// to be sent by themselves.
    pub(crate) fn take<T: Item>(&mut self, items: &[T], sent: Sent) -> Option<usize> {
        match sent {
            Sent::Except(exceptions) => {
                let mut exceptions = exceptions.into_iter().peekable();
                for (place, item) in items.iter().enumerate() {
                    match exceptions.next_if(|(at, _)| *at == place) {
                        Some((_, Exception::Refused(reason))) => self.settle_refused(item, &reason),
                        Some((_, Exception::Again(waiting))) => self.waiting = Some(waiting),
                        None => self.settle_delivered(item),
                    }
                }
            }
            Sent::Failed(Fault::Taken) => {
                items.iter().for_each(|item| self.settle_delivered(item));
            }
            Sent::Failed(Fault::Invalid(reason)) => {
                if items.len() > 1 && self.halvings > 0 {
                    self.halvings -= 1;
                    return Some(items.len() / 2);
                }
                items.iter().for_each(|item| self.settle_refused(item, &reason));
            }
            Sent::Failed(Fault::Wait(waiting)) => {
                self.waiting = Some(waiting);
                self.is_away = true;
            }
            Sent::Failed(Fault::Again(waiting)) => self.waiting = Some(waiting),
        }
        None
    }

    /// Whether something waits, so that nothing more of the batch is to be sent.
    pub(crate) fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether the credentials are to be looked up again.
    pub(crate) fn renews(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.renew)
    }

    /// The batch's outcome.
    pub(crate) fn outcome(self) -> Outcome {
        let is_settled = |state: &State| state.delivered + state.refused == state.items;
        let none_settled = !self.states.iter().any(is_settled);
        let waiting = self.waiting.unwrap_or_else(|| Waiting::because("was not sent"));
        let Waiting { reason, after, .. } = waiting;
        if self.is_away && none_settled {
            return Outcome::Unavailable { reason, after };
        }
        let held = self.held;
        let verdict = |(n, state): (usize, State)| match state {
            state if !is_settled(&state) => match held.iter().find(|(entry, _)| *entry == n) {
                Some((_, Waiting { reason, after, .. })) => {
                    Verdict::Again { reason: reason.clone(), after: *after }
                }
                None => Verdict::Again { reason: reason.clone(), after },
            },
            State { refused: 0, .. } => Verdict::Delivered,
            State { items: 1, reason, .. } => Verdict::Refused(reason),
            State { items, delivered, refused, reason } => Verdict::Refused(format!(
                "{refused} of its {items} parts were refused and {delivered} delivered; {reason}"
            )),
        };
        Outcome::PerEntry(self.states.into_iter().enumerate().map(verdict).collect())
    }

    fn settle_delivered<T: Item>(&mut self, item: &T) {
        if let Some(state) = self.states.get_mut(item.entry()) {
            state.delivered += 1;
        }
    }

    fn settle_refused<T: Item>(&mut self, item: &T, reason: &str) {
        if let Some(state) = self.states.get_mut(item.entry()) {
            state.refused += 1;
            if state.reason.is_empty() {
                let name = item.name();
                state.reason = match name.is_empty() {
                    true => reason.to_owned(),
                    false => format!("{name}: {reason}"),
                };
            }
        }
    }
}

/// Sends requests in their order until one has to wait.
pub(crate) async fn send_all<T: Item>(
    tally: &mut Tally,
    requests: Vec<Vec<T>>,
    mut send: impl AsyncFnMut(&[T]) -> Sent,
) {
    for request in &requests {
        tally.expect(request);
    }
    let mut left: Vec<Vec<T>> = requests.into_iter().rev().collect();
    while let Some(mut request) = left.pop() {
        if tally.waits() {
            return;
        }
        let sent = send(&request).await;
        if let Some(half) = tally.take(&request, sent) {
            let second = request.split_off(half);
            left.push(second);
            left.push(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, PartialEq, Debug)]
    struct Part(usize, bool);

    impl Item for Part {
        fn entry(&self) -> usize {
            self.0
        }
        fn name(&self) -> String {
            String::new()
        }
    }

    fn run(entries: usize, requests: Vec<Vec<Part>>, away_after: usize) -> (Outcome, Vec<usize>) {
        let mut tally = Tally::new(entries);
        let mut sizes = Vec::new();
        let work = send_all(&mut tally, requests, async |items: &[Part]| {
            if sizes.len() == away_after {
                return Sent::Failed(Fault::Wait(Waiting::because("away")));
            }
            sizes.push(items.len());
            match items.iter().all(|part| part.1) {
                true => Sent::Except(Vec::new()),
                false => Sent::Failed(Fault::Invalid("bad".to_owned())),
            }
        });
        futures_util::future::FutureExt::now_or_never(work).unwrap();
        (tally.outcome(), sizes)
    }

    #[test]
    fn a_bad_item_costs_only_itself() {
        let parts = (0..8).map(|n| Part(n, n != 5)).collect();
        let (outcome, sizes) = run(8, vec![parts], usize::MAX);
        let Outcome::PerEntry(verdicts) = outcome else { panic!() };
        for (n, verdict) in verdicts.iter().enumerate() {
            match n {
                5 => assert_eq!(*verdict, Verdict::Refused("bad".to_owned())),
                _ => assert_eq!(*verdict, Verdict::Delivered),
            }
        }
        assert_eq!(sizes, [8, 4, 4, 2, 1, 1, 2]);
    }

    #[test]
    fn what_is_held_waits_for_its_own_reason() {
        let mut tally = Tally::new(2);
        let waiting =
            Waiting { after: Some(std::time::Duration::from_secs(9)), ..Waiting::because("early") };
        tally.hold(1, waiting.clone());
        let work = send_all(&mut tally, vec![vec![Part(0, true)]], async |_: &[Part]| {
            Sent::Except(Vec::new())
        });
        futures_util::future::FutureExt::now_or_never(work).unwrap();
        let early = Verdict::Again { reason: waiting.reason, after: waiting.after };
        assert_eq!(tally.outcome(), Outcome::PerEntry(vec![Verdict::Delivered, early]));
    }

    #[test]
    fn an_entry_of_many_parts_says_how_many_were_refused() {
        let parts = (0..4).map(|n| Part(0, n != 2)).collect();
        let (outcome, _) = run(1, vec![parts], usize::MAX);
        let reason = "1 of its 4 parts were refused and 3 delivered; bad".to_owned();
        assert_eq!(outcome, Outcome::PerEntry(vec![Verdict::Refused(reason)]));
    }

    #[test]
    fn a_service_that_refuses_everything_is_not_asked_for_each_item() {
        let parts = (0..1_000).map(|n| Part(n, false)).collect();
        let (outcome, sizes) = run(1_000, vec![parts], usize::MAX);
        assert!(sizes.len() <= 2 * HALVINGS + 1, "{}", sizes.len());
        let Outcome::PerEntry(verdicts) = outcome else { panic!() };
        assert!(verdicts.iter().all(|v| *v == Verdict::Refused("bad".to_owned())));
    }

    #[test]
    fn what_was_taken_before_the_service_went_away_is_not_sent_again() {
        let requests = vec![vec![Part(0, true)], vec![Part(1, true)], vec![Part(2, true)]];
        let (outcome, _) = run(3, requests.clone(), 1);
        let again = || Verdict::Again { reason: "away".to_owned(), after: None };
        assert_eq!(outcome, Outcome::PerEntry(vec![Verdict::Delivered, again(), again()]));
        let (outcome, _) = run(3, requests, 0);
        assert_eq!(outcome, Outcome::Unavailable { reason: "away".to_owned(), after: None });
    }
}
