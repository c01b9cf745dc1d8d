//! Messages that are numbered, kept until the other side has them, and sent again over the next
//! connection.

use std::collections::VecDeque;

/// What waits for a far side, in order.
#[derive(Debug)]
pub(crate) struct Outbound<T> {
    last: u64,
    waiting: VecDeque<(u64, T)>,
    /// Of those that wait, how many this connection has carried.
    sent: usize,
}

impl<T> Default for Outbound<T> {
    fn default() -> Self {
        Outbound { last: 0, waiting: VecDeque::new(), sent: 0 }
    }
}

impl<T> Outbound<T> {
    pub(crate) fn push(&mut self, item: T) {
        self.last += 1;
        self.waiting.push_back((self.last, item));
    }

    /// Messages that the far side is not known to have.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The far side has everything up to `number`.
    pub(crate) fn acknowledge(&mut self, number: u64) {
        while self.waiting.front().is_some_and(|(of, _)| *of <= number) {
            self.waiting.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
    }

    /// Another connection: what is not acknowledged is to be sent again.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// The next one to send.
    pub(crate) fn next(&mut self) -> Option<(u64, &T)> {
        let (number, item) = self.waiting.get(self.sent)?;
        self.sent += 1;
        Some((*number, item))
    }

    /// Gives up the oldest message that `may_go`; whether there was one.
    pub(crate) fn give_up(&mut self, may_go: impl Fn(&T) -> bool) -> bool {
        let Some(position) = self.waiting.iter().position(|(_, item)| may_go(item)) else {
            return false;
        };
        self.waiting.remove(position);
        if position < self.sent {
            self.sent -= 1;
        }
        true
    }

    /// Everything, without numbers; counting begins again at 1.
    pub(crate) fn restart(&mut self) -> impl Iterator<Item = T> + use<T> {
        let old = std::mem::take(self);
        old.waiting.into_iter().map(|(_, item)| item)
    }
}

/// What came from a far side.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    last: u64,
}

impl Inbound {
    /// Whether the message is new; one that was repeated is not.
    pub(crate) fn accept(&mut self, number: u64) -> bool {
        let is_new = number > self.last;
        self.last = self.last.max(number);
        is_new
    }

    pub(crate) const fn last(&self) -> u64 {
        self.last
    }
}
