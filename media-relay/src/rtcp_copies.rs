//! Brings copies of RTCP from the workers to whoever wants them, on a thread of its own: a worker only
//! puts them into its ring. A ring that is full costs copies, which are counted, and calls nothing.

use crate::relay::EventSink;
use model::{MediaEvent, RtcpCopy};
use relay_core::{CopyReader, CopyWriter, copy_ring};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Octets of a worker's ring: 1,300 copies of usual RTCP. Full policy: the newest is lost, and counted.
const RING: usize = 256 * 1024;
/// Between two turns over the rings.
const TURN: Duration = Duration::from_millis(50);

/// Copies that were told, and those that found no room in a ring.
#[derive(Debug, Default)]
struct Counts {
    copied: AtomicU64,
    lost: AtomicU64,
}

/// The thread's handle; its end waits until all is told.
#[derive(Debug)]
pub(crate) struct RtcpCopies {
    counts: Arc<Counts>,
    /// Locked once in a worker's life.
    rings: Option<Mutex<SyncSender<CopyReader>>>,
    thread: Option<JoinHandle<()>>,
}

impl RtcpCopies {
    /// Waits for rings of `workers` workers.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(crate) fn start(workers: usize, events: EventSink) -> io::Result<Self> {
        let counts = Arc::new(Counts::default());
        let (rings, waiting) = mpsc::sync_channel(workers.max(1));
        let mut desk = Desk { events, counts: Arc::clone(&counts), rings: Vec::new(), lost: 0 };
        let thread = std::thread::Builder::new()
            .name("relay-copies".to_owned())
            .spawn(move || desk.run(&waiting))?;
        Ok(RtcpCopies { counts, rings: Some(Mutex::new(rings)), thread: Some(thread) })
    }

    /// A ring for a worker; `None` when it cannot be read.
    pub(crate) fn ring(&self) -> Option<CopyWriter> {
        let rings = self.rings.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let (writer, reader) = copy_ring(RING);
        rings.try_send(reader).ok().map(|()| writer)
    }

    /// Copies that were told, and those that were lost.
    pub(crate) fn counts(&self) -> [u64; 2] {
        [&self.counts.copied, &self.counts.lost].map(|count| count.load(Ordering::Relaxed))
    }
}

impl Drop for RtcpCopies {
    fn drop(&mut self) {
        drop(self.rings.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that copies RTCP ended by a panic");
        }
    }
}

/// What the thread has.
struct Desk {
    events: EventSink,
    counts: Arc<Counts>,
    rings: Vec<CopyReader>,
    /// By rings that are gone.
    lost: u64,
}

impl Desk {
    fn run(&mut self, waiting: &Receiver<CopyReader>) {
        loop {
            let next = match self.rings.is_empty() {
                true => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => waiting.recv_timeout(TURN),
            };
            let has_ended = matches!(next, Err(RecvTimeoutError::Disconnected));
            self.rings.extend(next.ok());
            self.turn();
            if has_ended {
                return;
            }
        }
    }

    /// Tells what has come.
    fn turn(&mut self) {
        let Desk { events, counts, rings, lost } = self;
        let tell = |copy: RtcpCopy| {
            counts.copied.fetch_add(1, Ordering::Relaxed);
            events(MediaEvent::Rtcp(Box::new(copy)));
        };
        rings.retain_mut(|ring| {
            // Looked at first: what was written before it was closed is still read.
            let is_over = ring.is_closed();
            while let Some(copy) = ring.read() {
                tell(copy);
            }
            if is_over {
                *lost += ring.lost();
            }
            !is_over
        });
        let lost = *lost + rings.iter().map(CopyReader::lost).sum::<u64>();
        counts.lost.store(lost, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Instant, LegSide, MediaId, MessageDirection, TransactionId};
    use relay_core::{CopiedRtcp, MediaSocket};

    #[test]
    fn all_that_fits_is_told_before_the_end_and_the_rest_is_counted() {
        let (sender, told) = mpsc::sync_channel(10_000);
        let sink: EventSink = Arc::new(move |event| sender.send(event).unwrap());
        let copies = RtcpCopies::start(1, sink).unwrap();
        let mut writer = copies.ring().unwrap();
        let octets = [0x80; 1_000];
        let copied = CopiedRtcp {
            leg: LegSide::B,
            direction: MessageDirection::Received,
            socket: MediaSocket::Rtcp,
            peer: ([192, 0, 2, 1], 4_001).into(),
            at: Instant::from_millis(7),
            octets: &octets,
        };
        let of = (MediaId(3), TransactionId::from_random(4));
        let local = ([192, 0, 2, 2], 10_001).into();
        // Far more than the ring holds at a time.
        let written = (0..2_000).filter(|_| writer.write(of, local, &copied)).count();
        drop(writer);
        let counts = Arc::clone(&copies.counts);
        drop(copies);
        let events: Vec<_> = told.try_iter().collect();
        assert_eq!(events.len(), written);
        for event in events {
            let MediaEvent::Rtcp(copy) = event else { panic!("{event:?}") };
            assert_eq!((copy.id, copy.transaction_id, copy.local), (of.0, of.1, local));
        }
        assert_eq!(counts.copied.load(Ordering::Relaxed), written as u64);
        assert_eq!(counts.lost.load(Ordering::Relaxed), 2_000 - written as u64);
        assert!((200..2_000).contains(&written), "{written}");
    }
}
