//! Voice connector groups: one number, several voice connectors, tried by priority.

use model::VoiceConnectorId;
use std::sync::Arc;

/// Voice connectors that stand in for each other for inbound calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VoiceConnectorGroup {
    /// Its identity; one word for people and records.
    pub id: Arc<str>,
    /// What people call it.
    pub name: Arc<str>,
    /// The voice connectors, at most three, as AWS allows.
    pub members: Vec<GroupMember>,
    /// The E.164 numbers that reach the group.
    pub numbers: Vec<Arc<str>>,
}

/// One voice connector of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupMember {
    /// Which.
    pub voice_connector: VoiceConnectorId,
    /// 1 to 99; the lowest is tried first, equals in the order of declaration.
    pub priority: u8,
}
