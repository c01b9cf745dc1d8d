//! Taking back what others hold for a moment.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long a page that is being read may hold what the node stops: it asks the signalling worker a few
/// questions of a second each at the most.
pub(crate) const PAGE_LIMIT: Duration = Duration::from_secs(10);

/// How often it is looked whether the others have let go.
const INTERVAL: Duration = Duration::from_millis(1);

/// The value, as soon as nobody else holds it; `None` when somebody still does after `limit`, who
/// then is the one that drops it.
///
/// Whoever reads a part for the page or for `/healthz` holds it until the reading is there, at most
/// some seconds.
pub(crate) fn take_back<T>(mut shared: Arc<T>, limit: Duration) -> Option<T> {
    let looks = limit.as_millis() / INTERVAL.as_millis();
    for _ in 0..looks {
        match Arc::try_unwrap(shared) {
            Ok(value) => return Some(value),
            Err(held) => shared = held,
        }
        pause(INTERVAL);
    }
    Arc::into_inner(shared)
}

#[expect(clippy::disallowed_methods, reason = "a reference that somebody drops has no event")]
fn pause(span: Duration) {
    thread::sleep(span);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn what_is_held_for_a_moment_is_waited_for() {
        let shared = Arc::new(7);
        let held = Arc::clone(&shared);
        let (holding, is_held) = sync_channel(1);
        let reader = thread::spawn(move || {
            holding.send(()).unwrap();
            pause(Duration::from_millis(50));
            drop(held);
        });
        is_held.recv().unwrap();
        assert_eq!(take_back(shared, Duration::from_secs(60)), Some(7));
        reader.join().unwrap();
    }

    #[test]
    fn what_is_held_for_long_is_not() {
        let shared = Arc::new(7);
        let held = Arc::clone(&shared);
        assert_eq!(take_back(shared, Duration::from_millis(20)), None);
        assert_eq!(Arc::into_inner(held), Some(7), "it stays with who holds it");
    }
}
