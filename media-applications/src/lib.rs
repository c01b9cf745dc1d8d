//! SIP media applications: calls that a program of the customer's steers, in the words of the PSTN
//! audio service of Amazon's Chime SDK (its Developer Guide, "PSTN audio service").
//!
//! One [`Program`] a call. The program of the customer, the *application*, is told of an event in
//! JSON (an *invocation*) and answers with a list of *actions*; these become
//! [`ApplicationOrder`](model::ApplicationOrder)s for the call, one after the other, and what the call
//! says becomes the next invocation.
//!
//! Pure: no socket, clock or randomness. Whoever holds it gives it the call's news, the
//! application's answers and the sounds that it asks for, each with the time, and takes its outputs
//! ([`Program::poll_output`]) after each of them; [`Program::poll_timeout`] says when it wants to be
//! told the time again. Nothing that an application answers is a panic.
#![forbid(unsafe_code)]

mod action;
mod digits;
mod facts;
mod invocation;
mod program;
mod reader;
mod response;
mod wav;

pub use action::{MeetingRefusal, MeetingRequest, Room, Sound, Speech};
pub use facts::{Direction, Facts};
pub use program::{Acted, Busy, Ended, Output, Program};
pub use response::MAX_RESPONSE_BYTES;
