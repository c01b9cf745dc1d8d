//! Fragments on their way to the thread that sends them.

use crate::fragment::Fragment;
use crate::streams::lock;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::Notify;

/// Fragments that wait at most; the thread takes them at once when it is not overloaded.
const MOST: usize = 8;

/// Fragments of one stream. When there are [`MOST`], the oldest is dropped and counted.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    waiting: Mutex<Waiting>,
    something: Notify,
}

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) fragments: VecDeque<Fragment>,
    /// No more come.
    pub(crate) is_over: bool,
    /// Fragments that were dropped since.
    pub(crate) dropped: u64,
    /// Nobody takes them any more.
    is_closed: bool,
}

/// Nobody takes fragments any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Closed;

impl Intake {
    pub(crate) fn push(&self, fragment: Fragment) -> Result<(), Closed> {
        let mut waiting = lock(&self.waiting);
        if waiting.is_closed {
            return Err(Closed);
        }
        if waiting.fragments.len() >= MOST {
            waiting.fragments.pop_front();
            waiting.dropped += 1;
        }
        waiting.fragments.push_back(fragment);
        drop(waiting);
        self.something.notify_one();
        Ok(())
    }

    /// Takes no more fragments; returns how many wait and were dropped, which nobody will see.
    pub(crate) fn close(&self) -> u64 {
        let mut waiting = lock(&self.waiting);
        waiting.is_closed = true;
        let left = std::mem::take(&mut waiting.fragments).len() as u64;
        left + std::mem::take(&mut waiting.dropped)
    }

    pub(crate) fn end(&self) {
        lock(&self.waiting).is_over = true;
        self.something.notify_one();
    }

    /// Waits until there is something, and takes all of it.
    pub(crate) async fn next(&self) -> Waiting {
        self.something.notified().await;
        let mut waiting = lock(&self.waiting);
        let is_over = waiting.is_over;
        Waiting { is_over, ..std::mem::take(&mut *waiting) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_oldest_goes_when_nobody_takes_them() {
        let intake = Intake::default();
        for timecode in 0..10 {
            intake.push(Fragment { octets: vec![1].into(), timecode }).unwrap();
        }
        intake.end();
        let waiting = intake.next().await;
        let timecodes: Vec<_> = waiting.fragments.iter().map(|f| f.timecode).collect();
        assert_eq!(timecodes, [2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!((waiting.dropped, waiting.is_over), (2, true));
        let fragment = Fragment { octets: vec![1].into(), timecode: 11 };
        intake.push(fragment.clone()).unwrap();
        assert_eq!(intake.close(), 1);
        assert_eq!(intake.push(fragment), Err(Closed));
    }
}
