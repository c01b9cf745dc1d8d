//! Turns for requests that a service takes only so often.

use crate::pace::Pace;
use outbox::clock::Clock;
use tokio::sync::Mutex;

/// Gives turns in the order in which they are asked for. Whoever waits no more has taken none, so that
/// after a crowd has gone away nobody waits for what it wanted.
#[derive(Debug)]
pub(crate) struct Turns {
    pace: Mutex<Pace>,
    clock: Clock,
}

impl Turns {
    pub(crate) fn new(pace: Pace, clock: Clock) -> Self {
        Turns { pace: Mutex::new(pace), clock }
    }

    /// Waits for a turn, and takes it.
    pub(crate) async fn take(&self) {
        // It lets in one after the other.
        let mut pace = self.pace.lock().await;
        let wait = pace.next().saturating_since(self.clock.now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        pace.take(self.clock.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::time::Duration;

    #[tokio::test]
    async fn who_waits_no_more_takes_no_turn() {
        let turns = Turns::new(Pace::new(40, Duration::from_millis(25)), Clock::start());
        // 40 at once, then one each 25 ms: these would take 50 s.
        let mut crowd: Vec<_> = (0..2_040).map(|_| Box::pin(turns.take())).collect();
        std::future::poll_fn(|context| {
            for waiting in &mut crowd {
                let _ = waiting.as_mut().poll(context);
            }
            std::task::Poll::Ready(())
        })
        .await;
        drop(crowd);
        assert!(tokio::time::timeout(Duration::from_secs(20), turns.take()).await.is_ok());
    }
}
