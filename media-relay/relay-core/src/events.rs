//! Keys that wait to be sent to a leg as telephone events (RFC 4733), one after the other.

use codecs::dtmf::{EventPacket, EventSender};
use model::Instant;
use std::time::Duration;

/// Keys that wait behind the one that is being sent; more are refused, and who asked is told.
const WAITING: usize = 32;
/// Between two packets of a key (RFC 4733 section 2.5.1.2 recommends 50 ms or the audio's interval).
const INTERVAL: Duration = Duration::from_millis(20);
/// After the last packet of a key: receivers tell two equal keys apart by it (ITU-T Q.24 has 40 ms).
const PAUSE: Duration = Duration::from_millis(60);
/// Keys that are shorter are not recognised everywhere (Q.24), longer ones help nobody.
const DURATIONS: [Duration; 2] = [Duration::from_millis(40), Duration::from_secs(6)];
/// In -dBm0: what telephones send.
const VOLUME: u8 = 10;

#[derive(Debug, Default)]
pub(crate) struct EventQueue {
    keys: [Key; WAITING],
    first: usize,
    len: usize,
    sender: Option<EventSender>,
    /// When the next packet is due, or the next key may begin.
    next: Instant,
}

#[derive(Clone, Copy, Default, Debug)]
struct Key {
    event: u8,
    duration: Duration,
}

impl EventQueue {
    /// `None` when there is no room.
    pub(crate) fn push(&mut self, event: u8, duration: Duration, now: Instant) -> Option<()> {
        let [shortest, longest] = DURATIONS;
        let is_idle = self.deadline().is_none();
        let room = (self.len < WAITING).then_some((self.first + self.len) % WAITING)?;
        *self.keys.get_mut(room)? = Key { event, duration: duration.clamp(shortest, longest) };
        self.len += 1;
        if is_idle {
            self.next = self.next.max(now);
        }
        Some(())
    }

    pub(crate) fn clear(&mut self) {
        (self.len, self.sender) = (0, None);
    }

    /// `None` while nothing is to be sent.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (self.len > 0 || self.sender.is_some()).then_some(self.next)
    }

    /// The packet that is due at `now`; a key that begins does so at `timestamp`, and its durations
    /// count by `clock_rate`, in Hz.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        timestamp: u32,
        clock_rate: u32,
    ) -> Option<EventPacket> {
        self.deadline().filter(|due| *due <= now)?;
        let sender = match &mut self.sender {
            Some(sender) => sender,
            None => {
                let key = *self.keys.get(self.first)?;
                (self.first, self.len) = ((self.first + 1) % WAITING, self.len - 1);
                let interval = ticks(INTERVAL, clock_rate);
                let mut sender = EventSender::new(u16::try_from(interval).unwrap_or(u16::MAX));
                let duration = ticks(key.duration, clock_rate);
                sender.press(key.event, VOLUME, timestamp, Some(duration));
                self.sender.insert(sender)
            }
        };
        let packet = sender.poll_packet();
        let goes_on = sender.is_active();
        if !goes_on {
            self.sender = None;
        }
        // Late by more than a packet: what was missed is not made up for in a burst.
        let pace = if goes_on { INTERVAL } else { PAUSE };
        let due = self.next + pace;
        self.next = if due <= now { now + pace } else { due };
        packet
    }
}

fn ticks(duration: Duration, clock_rate: u32) -> u32 {
    (duration.as_millis() as u64 * u64::from(clock_rate) / 1_000) as u32
}

#[cfg(test)]
mod tests;
