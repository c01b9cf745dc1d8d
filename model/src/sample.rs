//! Which calls are copied for somebody who wants only a share of them.

use crate::{TransactionId, VoiceConnectorId};
use std::collections::HashMap;

/// A share of all calls: all of a call, or nothing of it. Whoever asks, at whatever time, gets the same
/// answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallSample {
    /// Of the calls of voice connectors that are not named in `shares`, in 1/10,000.
    pub share: u16,
    /// Of single voice connectors, likewise.
    pub shares: HashMap<VoiceConnectorId, u16>,
}

impl CallSample {
    /// Every call.
    pub const WHOLE: u16 = 10_000;

    /// Whether a call is among those.
    pub fn has(&self, call: TransactionId, voice_connector: Option<&VoiceConnectorId>) -> bool {
        let own = voice_connector.and_then(|id| self.shares.get(id));
        let share = own.copied().unwrap_or(self.share);
        // The id is random: its low bits choose.
        (call.as_u128() % u128::from(Self::WHOLE)) < u128::from(share)
    }
}

impl Default for CallSample {
    /// The whole.
    fn default() -> Self {
        CallSample { share: Self::WHOLE, shares: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_copied_whole_or_not_at_all_and_about_as_many_as_asked_for() {
        let mut sample = CallSample { share: 2_500, ..CallSample::default() };
        let calls: Vec<TransactionId> = (0..20_000_u128)
            .map(|n| {
                let spread = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
                TransactionId::from_random(n.wrapping_mul(spread))
            })
            .collect();
        let copied = calls.iter().filter(|call| sample.has(**call, None)).count();
        assert!((4_600..5_400).contains(&copied), "{copied} of 20,000");
        let one = VoiceConnectorId::new("aaaaaaaaaaaaaaaaaaaaaa").unwrap();
        sample.shares.insert(one.clone(), 0);
        assert!(calls.iter().all(|call| !sample.has(*call, Some(&one))));
        sample.shares.insert(one.clone(), CallSample::WHOLE);
        assert!(calls.iter().all(|call| sample.has(*call, Some(&one))));
    }
}
