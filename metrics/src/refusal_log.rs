//! Refusals in the node's own log, so that an operator sees who was turned away and why.

use crate::Numbers;
use model::{CarrierCredentialEvent, Instant, Refusal, RefusalEvent, TransactionId};

/// Lines a second; a flood of refused requests must not become a flood of lines. What is beyond
/// is counted on the page all the same.
const LINES_PER_SECOND: u32 = 10;

/// Writes refusals to the log.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog {
    numbers: Numbers,
    second: u64,
    lines: u32,
    omitted: u64,
}

impl RefusalLog {
    /// A log that shows numbers so.
    pub(crate) fn new(numbers: Numbers) -> Self {
        RefusalLog { numbers, ..RefusalLog::default() }
    }

    /// Writes a line, or counts it as omitted.
    pub(crate) fn note(&mut self, event: &RefusalEvent) {
        let Some(omitted) = self.admit(event.at) else { return };
        let masked = crate::masking::masked(&event.start_line);
        let request = String::from_utf8_lossy(&masked);
        let request = self.numbers.start_line(&request);
        tracing::warn!(
            reason = event.refusal.name(),
            status = event.refusal.status(),
            source = %event.source,
            voice_connector = event.voice_connector.as_ref().map(tracing::field::display),
            // Debug text: a peer must not be able to send the terminal commands.
            ?request,
            omitted,
            "refused a request"
        );
    }

    /// The same of a refusal that a dry run left undone.
    pub(crate) fn note_dry_run(&mut self, event: &RefusalEvent) {
        let Some(omitted) = self.admit(event.at) else { return };
        tracing::warn!(
            reason = event.refusal.name(),
            source = %event.source,
            voice_connector = event.voice_connector.as_ref().map(tracing::field::display),
            omitted,
            "would refuse a call without dry_run"
        );
    }

    /// The same of a rule that was set aside for an emergency call.
    pub(crate) fn note_excuse(&mut self, at: Instant, call: TransactionId, rule: Refusal) {
        let Some(omitted) = self.admit(at) else { return };
        tracing::warn!(
            reason = rule.name(),
            transaction_id = %call,
            omitted,
            "an emergency call was let through that would be refused otherwise"
        );
    }

    /// The same for a carrier that asked for credentials in vain.
    pub(crate) fn note_credential(&mut self, event: &CarrierCredentialEvent) {
        let Some(omitted) = self.admit(event.at) else { return };
        tracing::warn!(
            carrier = %event.carrier,
            source = %event.source,
            problem = event.problem.name(),
            advice = event.problem.advice(),
            omitted,
            "a carrier asked for credentials in vain"
        );
    }

    /// How many lines were omitted before this one; `None` when it is to be omitted as well.
    fn admit(&mut self, at: Instant) -> Option<u64> {
        let second = at.as_millis() / 1_000;
        if second != self.second {
            (self.second, self.lines) = (second, 0);
        }
        if self.lines >= LINES_PER_SECOND {
            self.omitted += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.omitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_ten_lines_a_second_and_tells_what_it_left_out() {
        let mut log = RefusalLog::default();
        let at = |millis| Instant::from_millis(millis);
        let admitted = (0..100).filter(|n| log.admit(at(5_000 + n)).is_some()).count();
        assert_eq!(admitted, 10);
        assert_eq!(log.admit(at(6_000)), Some(90));
        assert_eq!(log.admit(at(6_001)), Some(0));
    }
}
