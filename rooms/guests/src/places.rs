//! How many connections there may be and how fast they may come, in all and from one source. Pure.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// New connections of one source at once, and a second after that: a browser opens some six for a page.
const BURST: f64 = 60.0;
const A_SECOND: f64 = 10.0;
/// Sources whose rate is known. Two that share a slot share a rate; none is forgotten for another.
const SLOTS: usize = 4_096;

/// Places for connections.
pub(crate) struct Places {
    most: usize,
    most_of_source: usize,
    taken: Mutex<Taken>,
}

struct Taken {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
    rates: Vec<Bucket>,
}

/// Why there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoPlace {
    Busy,
    Rate,
}

/// One place; given back when dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    source: Option<IpAddr>,
}

impl Places {
    pub(crate) fn new(most: usize, most_of_source: usize) -> Arc<Places> {
        let rates = vec![Bucket::new(BURST); SLOTS];
        let taken = Taken { total: 0, by_source: HashMap::new(), rates };
        Arc::new(Places { most, most_of_source, taken: Mutex::new(taken) })
    }

    /// A place for a connection from `source`; `None` for one of a proxy's, which only the whole bounds.
    pub(crate) fn take(
        places: &Arc<Places>,
        now: Instant,
        source: Option<IpAddr>,
    ) -> Result<Place, NoPlace> {
        let source = source.map(network);
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.total >= places.most {
            return Err(NoPlace::Busy);
        }
        if let Some(source) = source {
            let of_source = taken.by_source.get(&source).copied().unwrap_or(0);
            if of_source >= places.most_of_source {
                return Err(NoPlace::Busy);
            }
            if taken.rates.get_mut(slot(source)).is_some_and(|rate| !rate.take(now, A_SECOND)) {
                return Err(NoPlace::Rate);
            }
            taken.by_source.insert(source, of_source + 1);
        }
        taken.total += 1;
        Ok(Place { places: Arc::clone(places), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total = taken.total.saturating_sub(1);
        if let Some(source) = self.source
            && let Some(count) = taken.by_source.get_mut(&source)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.by_source.remove(&source);
            }
        }
    }
}

/// A rate with a burst.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    most: f64,
    left: f64,
    at: Option<Instant>,
}

impl Bucket {
    pub(crate) const fn new(most: f64) -> Bucket {
        Bucket { most, left: most, at: None }
    }

    /// Takes one, of those that `a_second` gives back; `false` when there is none.
    pub(crate) fn take(&mut self, now: Instant, a_second: f64) -> bool {
        let since = self.at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.at = Some(now);
        self.left = (self.left + since.as_secs_f64() * a_second).min(self.most);
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

fn slot(source: IpAddr) -> usize {
    let mut hasher = DefaultHasher::new();
    source.hash(&mut hasher);
    hasher.finish() as usize % SLOTS
}

/// What counts as one source: an IPv6 host commands a whole /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn places_are_bounded_in_all_and_by_source_and_given_back() {
        let (places, now) = (Places::new(3, 2), crate::clock::now());
        let take = |source| Places::take(&places, now, source);
        let first = take(ip("192.0.2.1")).ok().unwrap();
        let _second = take(ip("192.0.2.1")).ok().unwrap();
        assert_eq!(take(ip("192.0.2.1")).err(), Some(NoPlace::Busy), "of the source");
        let _third = take(ip("2001:db8::1")).ok().unwrap();
        assert_eq!(take(ip("198.51.100.1")).err(), Some(NoPlace::Busy), "of all");
        drop(first);
        assert!(take(ip("192.0.2.1")).is_ok());
        assert_eq!(places.taken.lock().unwrap().total, 2);
    }

    #[test]
    fn a_source_that_comes_too_fast_waits_and_a_64_is_one_source() {
        let (places, now) = (Places::new(1_000, 1_000), crate::clock::now());
        let burst = BURST as usize;
        for n in 0..burst {
            assert!(Places::take(&places, now, ip(&format!("2001:db8::{n:x}"))).is_ok(), "{n}");
        }
        let take = |now| Places::take(&places, now, ip("2001:db8::ffff")).err();
        assert_eq!(take(now), Some(NoPlace::Rate));
        assert_eq!(take(now + Duration::from_millis(90)), Some(NoPlace::Rate));
        assert_eq!(take(now + Duration::from_millis(110)), None);
        // A proxy's guests have many addresses and one source.
        for _ in 0..2 * burst {
            assert!(Places::take(&places, now, None).is_ok());
        }
    }
}
