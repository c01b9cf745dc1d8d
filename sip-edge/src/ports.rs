//! What the edge is given and where its news go.

use b2bua::Kept;
use directory::Snapshot;
use model::{ApplicationEvent, CallEvent, MediaCommand, SipObservation};
use std::sync::Arc;

/// The edge's connections to the rest of the process. The functions are called on the signalling
/// worker: they must not block.
pub struct Ports {
    /// The directory to route by until [`crate::SipEdge::reload`].
    pub directory: Arc<Snapshot>,
    /// Takes a command for the relay, or gives it back when the relay's queue is full.
    pub media: Box<dyn Fn(MediaCommand) -> Result<(), MediaCommand> + Send>,
    /// Takes what happened to a call.
    pub calls: Box<dyn Fn(CallEvent) + Send>,
    /// Takes what is to be kept over a restart; never called unless [`b2bua::EdgeConfig::keep_calls`].
    pub kept: Box<dyn Fn(Kept) + Send>,
    /// Takes what happens in calls that applications steer, or gives it back when its queue is full or
    /// nobody serves applications: a call that begins then goes to the next application, or fails.
    pub applications: Box<dyn Fn(ApplicationEvent) -> Result<(), ApplicationEvent> + Send>,
    /// Takes messages and refusals, for counters and logs.
    pub sip: Box<dyn Fn(SipObservation) + Send>,
}
