//! The INVITE server transaction: RFC 3261 section 17.2.1 with the Accepted state of RFC 6026.

use super::action::ServerAction;
use super::machine::Row;
use super::timers::Timer;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Proceeding,
    /// A non-2xx final response was sent; it is repeated until the ACK comes.
    Completed,
    /// The ACK of a non-2xx final response came.
    Confirmed,
    /// A 2xx was sent; the core repeats it (RFC 6026 section 7.1).
    Accepted,
    Terminated,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Input {
    /// The INVITE came again.
    Request,
    Ack,
    /// The core sends a 1xx response.
    Provisional,
    /// The core sends a 2xx response.
    Success,
    /// The core sends a 3xx to 6xx response.
    Failure,
    Fired(Timer),
}

use Input::{Ack, Failure, Fired, Provisional, Request, Success};
use ServerAction::{
    Forget, ReportAck, ReportAcknowledged, ReportNotAcknowledged, Restart, Send, SendLast, Start,
    StopTimers,
};
use State::{Accepted, Completed, Confirmed, Proceeding, Terminated};

#[rustfmt::skip]
pub(crate) static TRANSITIONS: &[Row<State, Input, ServerAction>] = &[
    Row { from: Proceeding, on: Request, to: Proceeding, actions: &[SendLast] },
    Row { from: Proceeding, on: Provisional, to: Proceeding, actions: &[Send] },
    Row { from: Proceeding, on: Success, to: Accepted, actions: &[Send, Start(Timer::L)] },
    Row { from: Proceeding, on: Failure, to: Completed, actions: &[Send, Start(Timer::G), Start(Timer::H)] },
    Row { from: Completed, on: Request, to: Completed, actions: &[SendLast] },
    Row { from: Completed, on: Ack, to: Confirmed, actions: &[StopTimers, ReportAcknowledged, Start(Timer::I)] },
    Row { from: Completed, on: Fired(Timer::G), to: Completed, actions: &[SendLast, Restart(Timer::G)] },
    Row { from: Completed, on: Fired(Timer::H), to: Terminated, actions: &[ReportNotAcknowledged] },
    Row { from: Confirmed, on: Request, to: Confirmed, actions: &[] },
    Row { from: Confirmed, on: Ack, to: Confirmed, actions: &[] },
    Row { from: Confirmed, on: Fired(Timer::I), to: Terminated, actions: &[] },
    Row { from: Accepted, on: Request, to: Accepted, actions: &[] },
    Row { from: Accepted, on: Ack, to: Accepted, actions: &[Forget, ReportAck] },
    Row { from: Accepted, on: Success, to: Accepted, actions: &[Send] },
    Row { from: Accepted, on: Fired(Timer::L), to: Terminated, actions: &[] },
];
