//! A consumer's rest while its queue is empty, out of which the next thing that is queued wakes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread;
use std::time::Duration;

/// What the thread that takes from a queue shares with those that put into it, so that it need not look at
/// an empty queue all the time, and they need no system call each to wake one that looks by itself. Cheap to
/// clone.
///
/// Whoever queues first after a while wakes it; while things come the consumer looks after pauses of its own.
#[derive(Clone, Default, Debug)]
pub struct Rest(Arc<AtomicBool>);

impl Rest {
    /// For the consumer's thread: parks it until it is woken, `longest` at most, unless something `waits` by
    /// now.
    pub fn rest(&self, longest: Duration, waits: impl FnOnce() -> bool) {
        self.0.store(true, Ordering::Relaxed);
        // Either this thread sees what was queued, or the one that queued it sees that this one rests: the
        // other fence is in `is_to_be_woken`.
        fence(Ordering::SeqCst);
        if !waits() {
            thread::park_timeout(longest);
        }
        self.0.store(false, Ordering::Relaxed);
    }

    /// For those that have just queued something: whether the consumer rests, and it is for this one to
    /// unpark it.
    pub fn is_to_be_woken(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;

    const NEVER: Duration = Duration::from_secs(600);

    #[test]
    fn nobody_is_woken_who_does_not_rest() {
        assert!(!Rest::default().is_to_be_woken());
    }

    #[test]
    fn whoever_rests_is_woken_by_one() {
        let rest = Rest::default();
        rest.rest(NEVER, || {
            assert!(rest.is_to_be_woken());
            assert!(!rest.is_to_be_woken(), "one is enough");
            true
        });
        assert!(!rest.is_to_be_woken(), "it rests no more");
    }

    /// Would a wake-up be lost, the consumer would rest for ten minutes.
    #[test]
    fn nothing_is_left_lying_in_a_queue() {
        let (sender, receiver) = bounded::<u32>(4);
        let rest = Rest::default();
        let resting = rest.clone();
        let consumer = thread::spawn(move || {
            let mut sum = 0;
            loop {
                match receiver.try_recv() {
                    Ok(0) => return sum,
                    Ok(number) => sum += u64::from(number),
                    Err(_) => resting.rest(NEVER, || !receiver.is_empty()),
                }
            }
        });
        for number in (1..=20_000).chain([0]) {
            sender.send(number).unwrap();
            if rest.is_to_be_woken() {
                consumer.thread().unpark();
            }
        }
        assert_eq!(consumer.join().unwrap(), 20_000 * 20_001 / 2);
    }
}
