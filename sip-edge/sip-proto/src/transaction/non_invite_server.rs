//! The non-INVITE server transaction: RFC 3261 section 17.2.2.

use super::action::ServerAction;
use super::machine::Row;
use super::timers::Timer;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Trying,
    Proceeding,
    /// A final response was sent; it is repeated whenever the request comes again.
    Completed,
    Terminated,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Input {
    /// The request came again.
    Request,
    /// The core sends a 1xx response.
    Provisional,
    /// The core sends a 2xx to 6xx response.
    Final,
    Fired(Timer),
}

use Input::{Final, Fired, Provisional, Request};
use ServerAction::{Send, SendLast, Start};
use State::{Completed, Proceeding, Terminated, Trying};

/// What a new transaction does.
pub(crate) const ENTRY: &[ServerAction] = &[Start(Timer::Abandoned)];

#[rustfmt::skip]
pub(crate) static TRANSITIONS: &[Row<State, Input, ServerAction>] = &[
    Row { from: Trying, on: Request, to: Trying, actions: &[] },
    Row { from: Trying, on: Provisional, to: Proceeding, actions: &[Send] },
    Row { from: Trying, on: Final, to: Completed, actions: &[Send, Start(Timer::J)] },
    Row { from: Trying, on: Fired(Timer::Abandoned), to: Terminated, actions: &[] },
    Row { from: Proceeding, on: Request, to: Proceeding, actions: &[SendLast] },
    Row { from: Proceeding, on: Provisional, to: Proceeding, actions: &[Send] },
    Row { from: Proceeding, on: Final, to: Completed, actions: &[Send, Start(Timer::J)] },
    Row { from: Proceeding, on: Fired(Timer::Abandoned), to: Terminated, actions: &[] },
    Row { from: Completed, on: Request, to: Completed, actions: &[SendLast] },
    Row { from: Completed, on: Fired(Timer::J), to: Terminated, actions: &[] },
];
