//! What sockets did.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What all sockets of a node did so far, counted while they do it.
        #[derive(Debug, Default)]
        pub struct SocketCounters {
            $(pub(crate) $name: Counter,)*
        }

        /// [`SocketCounters`] at one moment.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct SocketCounts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl SocketCounters {
            /// As they are now.
            pub fn read(&self) -> SocketCounts {
                SocketCounts { $($name: self.$name.get(),)* }
            }
        }
    };
}

counters! {
    /// Calls that have a socket now, connected or not.
    open,
    /// Calls that got none: too many, or a URL that is none.
    refused,
    /// Connections that stood.
    connections,
    /// Attempts that failed, and connections that were lost while their call went on.
    failures,
    /// Calls whose socket was given up before they ended.
    given_up,
    /// Messages of audio that were sent.
    sent,
    /// Messages of audio that were dropped, the oldest first, because the other end or the network
    /// was too slow, or while there was no connection.
    dropped,
    /// Samples that came too late for their place beside the other channel.
    late_samples,
    /// Samples of voices that came in.
    voice_samples,
    /// Samples of voices that were dropped because more than a minute of them waited, or nobody may be
    /// spoken to.
    voice_dropped,
    /// Samples of voices that nobody could hear: on hold, or something else was played.
    voice_unheard,
    /// Times that a voice broke off because its samples came too late.
    voice_gaps,
    /// Texts and frames of the other end that were none of the protocol.
    bad_messages,
}

/// A counter that many threads may count by.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, count: u64) {
        self.0.fetch_sub(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
