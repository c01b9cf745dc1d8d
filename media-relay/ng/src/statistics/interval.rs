//! `intervalstatistics`: the last whole minute, or the first one until it is over.

use super::{COMMANDS, decimal};
use crate::value::Dictionary;
use model::Instant;
use std::time::Duration;

/// rtpengine has what it is told to send to Graphite in.
const LENGTH: Duration = Duration::from_secs(60);

/// What is counted in an interval, and the one before.
#[derive(Clone, Default, Debug)]
pub(super) struct Interval {
    now: Counts,
    before: Option<Counts>,
    /// Requests of the second that goes on, by command.
    second: [u64; COMMANDS.len()],
}

#[derive(Clone, Debug)]
struct Counts {
    began: Instant,
    /// Calls at the last look, and when that was.
    calls: (u64, Instant),
    /// The fewest and the most calls.
    fewest: u64,
    most: u64,
    /// What all calls lasted in the interval together.
    lasted: Duration,
    /// Seconds that are over.
    seconds: u64,
    commands: [Command; COMMANDS.len()],
}

/// Requests of one command.
#[derive(Clone, Copy, Default, Debug)]
struct Command {
    /// What was answered: how many, and their times together.
    answered: (u64, Duration),
    quickest: Duration,
    slowest: Duration,
    /// Requests of seconds that are over: of all, of the one with the fewest, of the one with the most.
    requests: u64,
    fewest: u64,
    most: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Counts::beginning(Instant::ZERO, 0)
    }
}

impl Counts {
    fn beginning(began: Instant, calls: u64) -> Self {
        Counts {
            began,
            calls: (calls, began),
            fewest: calls,
            most: calls,
            lasted: Duration::ZERO,
            seconds: 0,
            commands: [Command::default(); COMMANDS.len()],
        }
    }

    fn note_calls(&mut self, now: Instant, calls: u64) {
        let (before, at) = self.calls;
        let passed = now.saturating_since(at);
        // Calls that come and go between two looks are not seen; a look is taken once a second.
        self.lasted += passed.saturating_mul(u32::try_from(before).unwrap_or(u32::MAX));
        self.calls = (calls, now);
        (self.fewest, self.most) = (self.fewest.min(calls), self.most.max(calls));
    }
}

impl Interval {
    pub(super) fn note_request(&mut self, command: usize) {
        if let Some(count) = self.second.get_mut(command) {
            *count += 1;
        }
    }

    pub(super) fn note_delay(&mut self, command: usize, delay: Duration) {
        let Some(command) = self.now.commands.get_mut(command) else { return };
        let (count, sum) = command.answered;
        command.quickest = if count == 0 { delay } else { command.quickest.min(delay) };
        command.slowest = command.slowest.max(delay);
        command.answered = (count + 1, sum.saturating_add(delay));
    }

    /// A second is over.
    pub(super) fn note_second(&mut self, now: Instant, calls: usize) {
        let calls = calls as u64;
        self.now.note_calls(now, calls);
        for (command, count) in self.now.commands.iter_mut().zip(std::mem::take(&mut self.second)) {
            command.fewest = if self.now.seconds == 0 { count } else { command.fewest.min(count) };
            command.most = command.most.max(count);
            command.requests += count;
        }
        self.now.seconds += 1;
        if now.saturating_since(self.now.began) >= LENGTH {
            let next = Counts::beginning(now, calls);
            self.before = Some(std::mem::replace(&mut self.now, next));
        }
    }

    pub(super) fn told(&self, now: Instant, calls: usize) -> Dictionary {
        let mut running = self.now.clone();
        running.note_calls(now, calls as u64);
        let counts = self.before.as_ref().unwrap_or(&running);
        let mut out = Dictionary::new();
        out.set("totalcallsduration", decimal(counts.lasted.as_secs_f64()))
            .set("minmanagedsessions", counts.fewest)
            .set("maxmanagedsessions", counts.most);
        for ((name, _), command) in COMMANDS.iter().zip(&counts.commands) {
            let name = said(name);
            let (answered, sum) = command.answered;
            let mean = sum.as_secs_f64() / answered.max(1) as f64;
            out.set(format!("min{name}delay"), decimal(command.quickest.as_secs_f64()))
                .set(format!("max{name}delay"), decimal(command.slowest.as_secs_f64()))
                .set(format!("avg{name}delay"), decimal(mean));
            let mean = command.requests as f64 / counts.seconds.max(1) as f64;
            out.set(format!("min{name}requestrate"), command.fewest.to_string())
                .set(format!("max{name}requestrate"), command.most.to_string())
                .set(format!("avg{name}requestrate"), (mean.round() as u64).to_string());
        }
        out
    }
}

/// A command as requests write it.
fn said(name: &str) -> String {
    name.replace('_', " ").replace("dtmf", "DTMF")
}

#[cfg(test)]
mod tests;
