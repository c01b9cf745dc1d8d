//! Fragments that wait for the disk.

use mkv::{Fragment, NotOpened, StreamOrder};
use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Fragments of all streams in the order in which they came.
#[derive(Debug)]
pub(super) struct Queue {
    max_octets: usize,
    max_streams: usize,
    waiting: Mutex<Waiting>,
    is_empty: Condvar,
}

#[derive(Default, Debug)]
struct Waiting {
    fragments: VecDeque<(u64, Fragment)>,
    octets: usize,
    /// A fragment was taken out and is not yet dealt with.
    is_writing: bool,
    streams: HashMap<u64, OpenStream>,
    /// Streams without fragments that are finished.
    over: Vec<u64>,
    last_number: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct OpenStream {
    /// Until the writer has it.
    order: Option<StreamOrder>,
    fragments: usize,
    is_finished: bool,
}

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Next {
    /// Write this; the order comes with a stream's first.
    Write { stream: u64, order: Option<StreamOrder>, fragment: Fragment },
    /// Nothing more comes of this stream; the order when nothing came at all.
    Over { stream: u64, order: Option<StreamOrder> },
    /// There is nothing to do.
    Wait,
    /// There will be nothing to do.
    Closed,
}

impl Queue {
    pub(super) fn new(max_octets: usize, max_streams: usize) -> Self {
        let (waiting, is_empty) = (Mutex::default(), Condvar::new());
        Queue { max_octets, max_streams, waiting, is_empty }
    }

    /// The number of the stream that is opened.
    pub(super) fn open(&self, order: StreamOrder) -> Result<u64, NotOpened> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Err(NotOpened { reason: "the node stops".into() });
        }
        if waiting.streams.len() >= self.max_streams {
            let reason = format!(
                "{} streams are written at a time and no more; share calls out to more nodes",
                self.max_streams
            );
            return Err(NotOpened { reason: reason.into() });
        }
        waiting.last_number += 1;
        let number = waiting.last_number;
        let stream = OpenStream { order: Some(order), fragments: 0, is_finished: false };
        waiting.streams.insert(number, stream);
        Ok(number)
    }

    /// How many fragments had to go for this one, itself included.
    pub(super) fn push(&self, number: u64, fragment: Fragment) -> u64 {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return 1;
        }
        let Some(stream) = waiting.streams.get_mut(&number) else { return 1 };
        stream.fragments += 1;
        waiting.octets += fragment.octets.len();
        waiting.fragments.push_back((number, fragment));
        let mut dropped = 0;
        while waiting.octets > self.max_octets && waiting.pop().is_some() {
            dropped += 1;
        }
        dropped
    }

    pub(super) fn finish(&self, number: u64) {
        let mut waiting = self.lock();
        if let Some(stream) = waiting.streams.get_mut(&number) {
            stream.is_finished = true;
            if stream.fragments == 0 {
                waiting.over.push(number);
            }
        }
    }

    /// What is next; what came before is dealt with.
    pub(super) fn next(&self) -> Next {
        let mut waiting = self.lock();
        waiting.is_writing = false;
        if let Some(stream) = waiting.over.pop() {
            let order = waiting.streams.remove(&stream).and_then(|stream| stream.order);
            waiting.is_writing = true;
            return Next::Over { stream, order };
        }
        if let Some((stream, fragment)) = waiting.pop() {
            let order = waiting.streams.get_mut(&stream).and_then(|stream| stream.order.take());
            waiting.is_writing = true;
            return Next::Write { stream, order, fragment };
        }
        let is_closed = waiting.is_closed;
        drop(waiting);
        self.is_empty.notify_all();
        if is_closed { Next::Closed } else { Next::Wait }
    }

    pub(super) fn has_streams(&self) -> bool {
        !self.lock().streams.is_empty()
    }

    pub(super) fn octets(&self) -> usize {
        self.lock().octets
    }

    pub(super) fn wait_until_empty(&self) {
        let has_work = |waiting: &mut Waiting| {
            waiting.is_writing || !waiting.fragments.is_empty() || !waiting.over.is_empty()
        };
        drop(self.is_empty.wait_while(self.lock(), has_work));
    }

    /// Nothing more is taken.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// The oldest fragment of all.
    fn pop(&mut self) -> Option<(u64, Fragment)> {
        let (number, fragment) = self.fragments.pop_front()?;
        self.octets -= fragment.octets.len();
        if let Some(stream) = self.streams.get_mut(&number) {
            stream.fragments -= 1;
            if stream.fragments == 0 && stream.is_finished {
                self.over.push(number);
            }
        }
        Some((number, fragment))
    }
}
