//! Replies that are kept a while: a proxy repeats a request whose reply was lost, and the work must
//! not be done again.

use crate::control::Asker;
use model::Instant;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How long a reply is kept. Kamailio and OpenSIPS give up after five tries of a second each.
const KEPT: Duration = Duration::from_secs(10);
/// Replies that are kept; when there are more the oldest is forgotten, and its request would be
/// served again.
const MAX_REPLIES: usize = 16_384;
/// Octets of them.
const MAX_OCTETS: usize = 32 * 1024 * 1024;

type Key = (Asker, Vec<u8>);

/// The replies to recent requests, by who asked and the cookie.
#[derive(Debug, Default)]
pub(crate) struct Cookies {
    /// `None` while the request is being served.
    replies: HashMap<Key, Option<Vec<u8>>>,
    order: VecDeque<(Instant, Key)>,
    octets: usize,
}

/// What is known of a cookie.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    New,
    /// The reply will come.
    BeingServed,
    Answered(Vec<u8>),
}

impl Cookies {
    /// Takes note of a request.
    pub(crate) fn begin(&mut self, now: Instant, asker: Asker, cookie: &[u8]) -> Seen {
        self.forget(now);
        let key = (asker, cookie.to_vec());
        match self.replies.get(&key) {
            Some(Some(reply)) => return Seen::Answered(reply.clone()),
            Some(None) => return Seen::BeingServed,
            None => {}
        }
        self.replies.insert(key.clone(), None);
        self.order.push_back((now, key));
        Seen::New
    }

    /// Keeps a reply.
    pub(crate) fn finish(&mut self, asker: Asker, cookie: &[u8], reply: &[u8]) {
        if let Some(kept) = self.replies.get_mut(&(asker, cookie.to_vec())) {
            *kept = Some(reply.to_vec());
            self.octets += reply.len();
        }
    }

    fn forget(&mut self, now: Instant) {
        while let Some((since, _)) = self.order.front() {
            let is_old = now.saturating_since(*since) >= KEPT;
            if !is_old && self.order.len() < MAX_REPLIES && self.octets <= MAX_OCTETS {
                return;
            }
            let Some((_, key)) = self.order.pop_front() else { return };
            let reply = self.replies.remove(&key).flatten();
            self.octets = self.octets.saturating_sub(reply.map_or(0, |reply| reply.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asker(port: u16) -> Asker {
        Asker::Udp { listener: 0, from: ([127, 0, 0, 1], port).into() }
    }

    #[test]
    fn a_repeated_cookie_gets_the_kept_reply_for_a_while() {
        let mut cookies = Cookies::default();
        let now = Instant::ZERO;
        assert_eq!(cookies.begin(now, asker(1), b"c"), Seen::New);
        assert_eq!(cookies.begin(now, asker(1), b"c"), Seen::BeingServed);
        cookies.finish(asker(1), b"c", b"reply");
        assert_eq!(cookies.begin(now, asker(1), b"c"), Seen::Answered(b"reply".to_vec()));
        assert_eq!(cookies.begin(now, asker(2), b"c"), Seen::New, "another proxy's cookie");
        let almost = now + KEPT - Duration::from_nanos(1);
        assert_ne!(cookies.begin(almost, asker(1), b"c"), Seen::New);
        assert_eq!(cookies.begin(now + KEPT, asker(1), b"c"), Seen::New);
    }

    #[test]
    fn replies_are_bounded_in_number_and_octets() {
        let mut cookies = Cookies::default();
        for number in 0..MAX_REPLIES + 10 {
            cookies.begin(Instant::ZERO, asker(1), number.to_string().as_bytes());
        }
        assert_eq!(cookies.replies.len(), MAX_REPLIES);
        let reply = vec![0; 60_000];
        for number in 0..1_000 {
            let cookie = format!("large {number}");
            cookies.begin(Instant::ZERO, asker(1), cookie.as_bytes());
            cookies.finish(asker(1), cookie.as_bytes(), &reply);
        }
        assert!(cookies.octets <= MAX_OCTETS + reply.len(), "{}", cookies.octets);
        assert_eq!(cookies.replies.len(), cookies.order.len());
    }
}
