//! The non-INVITE client transaction: RFC 3261 section 17.1.2.

use super::action::ClientAction;
use super::machine::Row;
use super::timers::Timer;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Trying,
    Proceeding,
    /// A final response came; its retransmissions are absorbed.
    Completed,
    Terminated,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Input {
    /// A 1xx response.
    Provisional,
    /// A 2xx to 6xx response.
    Final,
    /// The transport cannot send.
    Unreachable,
    Fired(Timer),
}

use ClientAction::{
    Report, ReportTimeout, ReportUnreachable, Restart, RestartSlow, Retransmit, Start, StopTimers,
};
use Input::{Final, Fired, Provisional, Unreachable};
use State::{Completed, Proceeding, Terminated, Trying};

/// What a new transaction does.
pub(crate) const ENTRY: &[ClientAction] = &[Start(Timer::E), Start(Timer::F)];

#[rustfmt::skip]
pub(crate) static TRANSITIONS: &[Row<State, Input, ClientAction>] = &[
    Row { from: Trying, on: Provisional, to: Proceeding, actions: &[Report] },
    Row { from: Trying, on: Final, to: Completed, actions: &[StopTimers, Report, Start(Timer::K)] },
    Row { from: Trying, on: Fired(Timer::E), to: Trying, actions: &[Retransmit, Restart(Timer::E)] },
    Row { from: Trying, on: Fired(Timer::F), to: Terminated, actions: &[ReportTimeout] },
    Row { from: Trying, on: Unreachable, to: Terminated, actions: &[ReportUnreachable] },
    Row { from: Proceeding, on: Provisional, to: Proceeding, actions: &[Report] },
    Row { from: Proceeding, on: Final, to: Completed, actions: &[StopTimers, Report, Start(Timer::K)] },
    Row { from: Proceeding, on: Fired(Timer::E), to: Proceeding, actions: &[Retransmit, RestartSlow(Timer::E)] },
    Row { from: Proceeding, on: Fired(Timer::F), to: Terminated, actions: &[ReportTimeout] },
    Row { from: Proceeding, on: Unreachable, to: Terminated, actions: &[ReportUnreachable] },
    Row { from: Completed, on: Final, to: Completed, actions: &[] },
    Row { from: Completed, on: Fired(Timer::K), to: Terminated, actions: &[] },
];
