//! What the state machines ask of the layer.

use super::timers::Timer;

/// The actions of both client transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ClientAction {
    /// Send the request again.
    Retransmit,
    /// Hand the response to the core.
    Report,
    /// Send the ACK of RFC 3261 section 17.1.1.3.
    Acknowledge,
    /// Send the CANCEL that waits for the first provisional response (section 9.1).
    ReleaseCancel,
    ReportTimeout,
    ReportUnreachable,
    StopTimers,
    Start(Timer),
    /// Let the timer run for its next, longer interval.
    Restart(Timer),
    /// Let the timer run for its longest interval, T2.
    RestartSlow(Timer),
}

/// The actions of both server transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ServerAction {
    /// Send the core's response and keep it for retransmissions.
    Send,
    /// Send the kept response again, if there is one.
    SendLast,
    /// Drop the kept response.
    Forget,
    /// Hand the ACK of a 2xx to the core.
    ReportAck,
    /// Tell the core that its non-2xx final response was acknowledged.
    ReportAcknowledged,
    /// Tell the core that it was not.
    ReportNotAcknowledged,
    StopTimers,
    Start(Timer),
    /// Let the timer run for its next, longer interval.
    Restart(Timer),
}
