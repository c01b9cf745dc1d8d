//! Makes the packets of events (RFC 4733 section 2.5.1).

use rtp_proto::TelephoneEvent;

/// The last packet is sent three times (section 2.5.1.4).
const ENDS: u8 = 3;

/// The payload of one packet, and what its header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventPacket {
    /// The payload.
    pub event: TelephoneEvent,
    /// The first packet of an event has it.
    pub marker: bool,
    /// When the event, or this segment of it, began.
    pub timestamp: u32,
}

/// Makes the packets of one event after the other.
///
/// One packet is due every packet interval while a key is pressed, and two more after the one that
/// ends it.
#[derive(Clone, Debug)]
pub struct EventSender {
    /// Timestamp units from one packet to the next.
    interval: u16,
    current: Option<Current>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    event: u8,
    volume: u8,
    timestamp: u32,
    /// Of this segment.
    duration: u16,
    /// Units until the key is let go; `None` while nobody knows.
    left: Option<u32>,
    is_first: bool,
    ends_sent: u8,
}

impl EventSender {
    /// For packets every `interval` timestamp units: 160 for 20 ms of a clock of 8,000 Hz. 0 counts
    /// as 1.
    pub const fn new(interval: u16) -> Self {
        EventSender { interval: if interval == 0 { 1 } else { interval }, current: None }
    }

    /// Begins an event at `timestamp` with `volume` in -dBm0; `duration` in timestamp units if it is
    /// known. An event that goes on ends without its last packets: the new one says so.
    pub fn press(&mut self, event: u8, volume: u8, timestamp: u32, duration: Option<u32>) {
        self.current = Some(Current {
            event,
            volume,
            timestamp,
            duration: 0,
            left: duration,
            is_first: true,
            ends_sent: 0,
        });
    }

    /// The key is let go: the next packet is the last.
    pub fn release(&mut self) {
        if let Some(current) = &mut self.current {
            current.left = Some(current.left.unwrap_or(u32::MAX).min(self.interval.into()));
        }
    }

    /// Whether packets are still due.
    pub const fn is_active(&self) -> bool {
        self.current.is_some()
    }

    /// The packet that is due now; to be called once in each packet interval.
    pub fn poll_packet(&mut self) -> Option<EventPacket> {
        let interval = self.interval;
        let current = self.current.as_mut()?;
        if current.ends_sent == 0 {
            current.go_on(interval);
        }
        let end = current.left == Some(0);
        current.ends_sent += u8::from(end);
        let packet = EventPacket {
            event: TelephoneEvent {
                event: current.event,
                end,
                volume: current.volume,
                duration: current.duration,
            },
            marker: std::mem::take(&mut current.is_first),
            timestamp: current.timestamp,
        };
        if current.ends_sent == ENDS {
            self.current = None;
        }
        Some(packet)
    }
}

impl Current {
    fn go_on(&mut self, interval: u16) {
        let step = match &mut self.left {
            Some(left) => {
                let step = (*left).min(interval.into());
                *left -= step;
                step as u16
            }
            None => interval,
        };
        match self.duration.checked_add(step) {
            Some(duration) => self.duration = duration,
            None => {
                // Section 2.5.1.3: a longer event goes on as another segment.
                self.timestamp = self.timestamp.wrapping_add(self.duration.into());
                self.duration = step;
            }
        }
    }
}

#[cfg(test)]
mod tests;
