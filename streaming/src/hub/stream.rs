//! One stream of a call: packets out of its ring, to the channels that its legs are.

use call_audio::{Scratch, Timeline};
use model::{Instant, LegSide, Listener, MAX_LISTENERS, MediaId};
use relay_core::{ListenReader, Listened, ListenedStream};

/// A stream that is read.
#[derive(Debug)]
pub(super) struct CallStream {
    pub(super) id: MediaId,
    /// Which channels its legs A and B are.
    pub(super) sides: [Option<LegSide>; 2],
    pub(super) listeners: Vec<Listener>,
    reader: ListenReader,
    /// What was taken from the ring and has its turn later.
    waiting: Option<Listened>,
    octets: Vec<u8>,
    lost: u64,
    is_closed: bool,
}

impl CallStream {
    pub(super) fn new(stream: ListenedStream) -> Self {
        let ListenedStream { id, mut listening, reader, .. } = stream;
        listening.listeners.truncate(MAX_LISTENERS);
        CallStream {
            id,
            sides: listening.channels.map(|channel| channel.map(|channel| channel.side)),
            listeners: listening.listeners,
            reader,
            waiting: None,
            octets: Vec::new(),
            lost: 0,
            is_closed: false,
        }
    }

    /// Whether nothing more will come of it.
    pub(super) const fn has_ended(&self) -> bool {
        self.is_closed && self.waiting.is_none()
    }

    /// Packets that found no room in the ring since it was last asked.
    pub(super) fn newly_lost(&mut self) -> u64 {
        let lost = self.reader.lost();
        lost - std::mem::replace(&mut self.lost, lost)
    }

    /// Gives what came until `until` to the channels of the call.
    pub(super) fn read(
        &mut self,
        until: Instant,
        channels: &mut [Option<Timeline>; 2],
        scratch: &mut Scratch,
    ) {
        // Asked before it is read: what was written before it closed is read all the same.
        let is_closed = self.reader.is_closed();
        loop {
            if self.waiting.is_none() {
                self.waiting = self.reader.read(&mut self.octets);
            }
            let Some(next) = &self.waiting else {
                self.is_closed = is_closed;
                return;
            };
            let (from, at) = match next {
                Listened::Packet { from, arrival } => (*from, *arrival),
                Listened::Formats(formats) => (formats.from, formats.at),
            };
            if at > until {
                return;
            }
            let side = self.sides[from.index()];
            if let Some(timeline) = side.and_then(|side| channels[side.index()].as_mut()) {
                match next {
                    Listened::Packet { .. } => timeline.take(&self.octets, at, scratch),
                    Listened::Formats(formats) => {
                        let formats = formats.formats.iter();
                        timeline
                            .set_formats(formats.map(|f| (f.payload_type, f.codec, f.clock_rate)));
                    }
                }
            }
            self.waiting = None;
        }
    }
}
