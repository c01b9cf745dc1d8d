//! Reads the packets of events: which key, from when to when, whatever was lost or sent again.

use rtp_proto::TelephoneEvent;

/// What changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventStep {
    /// A key was pressed.
    Pressed {
        /// The event.
        event: u8,
        /// In -dBm0.
        volume: u8,
    },
    /// The key was let go.
    Released {
        /// The event.
        event: u8,
        /// How long it was pressed, in timestamp units.
        duration: u32,
    },
}

/// Reads one stream of events.
#[derive(Clone, Default, Debug)]
pub struct EventReceiver {
    last: Option<Heard>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    event: u8,
    /// Of this segment.
    timestamp: u32,
    duration: u16,
    /// Of the segments before.
    earlier: u32,
    is_over: bool,
}

impl EventReceiver {
    /// Takes one packet: its header's timestamp and its payload. In order: the end of a key whose
    /// last packets were lost, a key that is pressed, and one that is let go.
    pub fn take(&mut self, timestamp: u32, packet: &TelephoneEvent) -> [Option<EventStep>; 3] {
        match &mut self.last {
            Some(last) if last.timestamp == timestamp => [None, None, last.go_on(packet)],
            // An event before this one: late, or sent again.
            Some(last) if timestamp.wrapping_sub(last.timestamp) > u32::MAX / 2 => [None; 3],
            Some(last) if last.is_continued(timestamp, packet) => {
                last.earlier = last.earlier.saturating_add(last.duration.into());
                (last.timestamp, last.duration) = (timestamp, 0);
                [None, None, last.go_on(packet)]
            }
            _ => self.begin(timestamp, packet),
        }
    }

    /// Ends an event of which nothing more has come; to be called when none came for a while.
    pub fn give_up(&mut self) -> Option<EventStep> {
        self.last.as_mut()?.end()
    }

    fn begin(&mut self, timestamp: u32, packet: &TelephoneEvent) -> [Option<EventStep>; 3] {
        let lost_end = self.give_up();
        let mut heard =
            Heard { event: packet.event, timestamp, duration: 0, earlier: 0, is_over: false };
        let end = heard.go_on(packet);
        self.last = Some(heard);
        let pressed = EventStep::Pressed { event: packet.event, volume: packet.volume };
        [lost_end, Some(pressed), end]
    }
}

impl Heard {
    fn go_on(&mut self, packet: &TelephoneEvent) -> Option<EventStep> {
        if self.is_over || packet.event != self.event {
            return None;
        }
        self.duration = self.duration.max(packet.duration);
        if packet.end { self.end() } else { None }
    }

    fn end(&mut self) -> Option<EventStep> {
        let duration = self.earlier.saturating_add(self.duration.into());
        let was_over = std::mem::replace(&mut self.is_over, true);
        (!was_over).then_some(EventStep::Released { event: self.event, duration })
    }

    /// A segment of the same event, where the one before ended (RFC 4733 section 2.5.1.3).
    fn is_continued(&self, timestamp: u32, packet: &TelephoneEvent) -> bool {
        let gap = timestamp.wrapping_sub(self.timestamp);
        // Segments change near the longest duration, with some packets lost.
        !self.is_over && packet.event == self.event && gap > 0xf000 && gap <= 0xffff
    }
}

#[cfg(test)]
mod tests;
