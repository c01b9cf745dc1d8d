//! The INVITE client transaction: RFC 3261 section 17.1.1 with the Accepted state of RFC 6026.

use super::action::ClientAction;
use super::machine::Row;
use super::timers::Timer;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Calling,
    Proceeding,
    /// A non-2xx final response came; its retransmissions are acknowledged.
    Completed,
    /// A 2xx came; further ones are passed to the core (RFC 6026 section 7.2).
    Accepted,
    Terminated,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Input {
    /// A 1xx response.
    Provisional,
    /// A 2xx response.
    Success,
    /// A 3xx to 6xx response.
    Failure,
    /// The transport cannot send.
    Unreachable,
    Fired(Timer),
}

use ClientAction::{
    Acknowledge, ReleaseCancel, Report, ReportTimeout, ReportUnreachable, Restart, Retransmit,
    Start, StopTimers,
};
use Input::{Failure, Fired, Provisional, Success, Unreachable};
use State::{Accepted, Calling, Completed, Proceeding, Terminated};

/// What a new transaction does.
pub(crate) const ENTRY: &[ClientAction] = &[Start(Timer::A), Start(Timer::B)];

#[rustfmt::skip]
pub(crate) static TRANSITIONS: &[Row<State, Input, ClientAction>] = &[
    Row { from: Calling, on: Provisional, to: Proceeding, actions: &[StopTimers, Report, ReleaseCancel] },
    Row { from: Calling, on: Success, to: Accepted, actions: &[StopTimers, Start(Timer::M), Report] },
    Row { from: Calling, on: Failure, to: Completed, actions: &[StopTimers, Acknowledge, Report, Start(Timer::D)] },
    Row { from: Calling, on: Fired(Timer::A), to: Calling, actions: &[Retransmit, Restart(Timer::A)] },
    Row { from: Calling, on: Fired(Timer::B), to: Terminated, actions: &[ReportTimeout] },
    Row { from: Calling, on: Unreachable, to: Terminated, actions: &[ReportUnreachable] },
    Row { from: Proceeding, on: Provisional, to: Proceeding, actions: &[Report] },
    Row { from: Proceeding, on: Success, to: Accepted, actions: &[StopTimers, Start(Timer::M), Report] },
    Row { from: Proceeding, on: Failure, to: Completed, actions: &[StopTimers, Acknowledge, Report, Start(Timer::D)] },
    Row { from: Proceeding, on: Fired(Timer::Cancelled), to: Terminated, actions: &[ReportTimeout] },
    Row { from: Accepted, on: Success, to: Accepted, actions: &[Report] },
    Row { from: Accepted, on: Fired(Timer::M), to: Terminated, actions: &[] },
    Row { from: Completed, on: Failure, to: Completed, actions: &[Acknowledge] },
    Row { from: Completed, on: Fired(Timer::D), to: Terminated, actions: &[] },
    Row { from: Completed, on: Unreachable, to: Terminated, actions: &[ReportUnreachable] },
];
