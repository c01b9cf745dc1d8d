//! What is known of a call before its application is asked.

use model::{TransactionId, UnixTime};
use std::sync::Arc;

/// Who called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Leg A called us.
    Inbound,
    /// We called leg A.
    Outbound,
}

impl Direction {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Direction::Inbound => "Inbound",
            Direction::Outbound => "Outbound",
        }
    }
}

/// A call and its application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The call.
    pub transaction_id: TransactionId,
    /// 128 random bits that the ids of its participants are made of.
    pub seed: u128,
    /// As `[node] account_id` has it.
    pub account_id: Arc<str>,
    /// As `[node] region` has it.
    pub region: Arc<str>,
    /// The rule that chose the application; `None` where nobody called.
    pub rule_id: Option<Arc<str>>,
    /// The application.
    pub application_id: Arc<str>,
    /// Who called whom first.
    pub direction: Direction,
    /// Leg A's called number, E.164 where it is one.
    pub to: Arc<str>,
    /// Leg A's calling number, E.164 where it is one.
    pub from: Arc<str>,
    /// When the call came.
    pub started: UnixTime,
    /// Header fields of leg A's INVITE that the application sees.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// What whoever asked for an outbound call gives to its application.
    pub arguments: Vec<(Arc<str>, Arc<str>)>,
    /// Why nothing is recorded here, and what is to be set; `None` where it is.
    pub unrecorded: Option<Arc<str>>,
    /// What ends the call when its application fails before it was answered, 400 to 699.
    pub on_failure: u16,
}

impl Facts {
    /// The id of the call's participant of this number.
    pub(crate) fn call_id(&self, number: u32) -> String {
        // Odd, so that no two numbers meet; a UUID's random bits are spread over all of it.
        const STEP: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        let bits = self.seed.wrapping_add(STEP.wrapping_mul(u128::from(number) + 1));
        TransactionId::from_random(bits).to_string()
    }
}
