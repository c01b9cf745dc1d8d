//! From RTP packets to the even samples of a call, and what listens to them.
//!
//! A call has one timeline: sample 0 is when listening began, and sample N of either channel was heard
//! N divided by the sample rate later. What never came, or was not sent, is silence of its exact length and
//! marked as missing.
//!
//! A [`Timeline`] is one channel of it. In order:
//!
//! - commands: [`Timeline::set_formats`] whenever payload types change their meaning;
//! - `take` inputs: [`Timeline::take`] for each packet, in the order in which they came;
//! - polls: [`Timeline::poll_frame`] with the time that has been reached, until it gives nothing more,
//!   and [`Timeline::poll_last`] when no packet will come any more.
//!
//! Where a packet belongs is decided by its arrival and its timestamp together, see
//! `docs/decisions/0078-one-timeline-for-a-call.md`.
#![forbid(unsafe_code)]

mod consumer;
mod decoding;
mod frames;
mod order;
mod placement;
mod slide;
mod timeline;

pub use consumer::{AudioConsumer, ConsumerEnd, Frame, Opening};
pub use timeline::{DELAY, FRAME, LONGEST_BURST, Scratch, Timeline, TimelineCounts};
