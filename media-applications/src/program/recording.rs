//! `RecordAudio`, which runs until the recording is there, and the beginning of `StartCallRecording`,
//! which goes on beside other actions.

use super::running::{Desk, MARGIN, Outcome};
use crate::action::Record;
use crate::digits::KeySet;
use crate::reader::SYSTEM;
use model::{ApplicationNews, ApplicationOrder, DtmfKey, Instant, LegSide, OrderedRecording};
use std::time::Duration;

/// How long a recording may take to begin, and to be where it belongs once it has ended: a disk or S3
/// may be slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// A recording that an action waits for.
#[derive(Debug)]
pub(super) struct Recording {
    order: u32,
    leg: LegSide,
    terminators: KeySet,
    /// Only its beginning is waited for.
    is_of_call: bool,
    has_begun: bool,
    /// The key that has ended it.
    ended_by: Option<DtmfKey>,
    overdue: Instant,
}

impl Recording {
    pub(super) fn begin(now: Instant, record: &Record, desk: &mut Desk<'_>) -> Self {
        let Record { leg, legs, is_of_call, terminators, longest, silence, .. } = *record;
        let order = desk.order_numbered(|order| {
            let (bucket, prefix) = (record.bucket.clone(), record.prefix.clone());
            let ordered = OrderedRecording { order, legs, bucket, prefix, longest, silence };
            ApplicationOrder::Record(Box::new(ordered))
        });
        let overdue = now + if is_of_call { PATIENCE } else { longest + PATIENCE + MARGIN };
        let (has_begun, ended_by) = (false, None);
        Recording { order, leg, terminators, is_of_call, has_begun, ended_by, overdue }
    }

    pub(super) fn leg(&self) -> LegSide {
        self.leg
    }

    /// The order, where it is a recording of the call.
    pub(super) fn of_call(&self) -> Option<u32> {
        self.is_of_call.then_some(self.order)
    }

    /// Nobody waits for it any more.
    pub(super) fn stop(&self, desk: &mut Desk<'_>) {
        desk.order(ApplicationOrder::StopRecording { order: self.order });
    }

    /// Whether the key was for this action.
    pub(super) fn handle_key(
        &mut self,
        now: Instant,
        (leg, key): (LegSide, DtmfKey),
        desk: &mut Desk<'_>,
    ) -> bool {
        if leg != self.leg || !self.terminators.has(key) {
            return false;
        }
        if self.ended_by.is_none() {
            self.ended_by = Some(key);
            self.overdue = now + PATIENCE;
            self.stop(desk);
        }
        true
    }

    pub(super) fn handle_news(
        &mut self,
        news: &ApplicationNews,
        desk: &mut Desk<'_>,
    ) -> Option<Outcome> {
        match news {
            // Until then the file may fail: the disk is full, or too many are written.
            ApplicationNews::Writes { order } if *order == self.order => {
                self.has_begun = true;
                self.is_of_call.then_some(Outcome::DONE)
            }
            ApplicationNews::Recorded { order, outcome } if *order == self.order => {
                // It may have ended by itself: the call is not to record it any longer.
                self.stop(desk);
                Some(match outcome {
                    Ok(object) if !self.is_of_call => {
                        Outcome::Recorded { object: object.clone(), terminator: self.ended_by }
                    }
                    Ok(_) => Outcome::DONE,
                    Err(why) => Outcome::failed(SYSTEM, why.clone()),
                })
            }
            ApplicationNews::Refused { order, why } if *order == self.order => {
                Some(Outcome::failed(SYSTEM, why.clone()))
            }
            _ => None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        self.overdue
    }

    pub(super) fn handle_timeout(&self, now: Instant, desk: &mut Desk<'_>) -> Option<Outcome> {
        if now < self.overdue {
            return None;
        }
        self.stop(desk);
        let message = match self.has_begun {
            true => format!("the recording was not there within {} s", PATIENCE.as_secs()),
            false => format!("the recording did not begin within {} s", PATIENCE.as_secs()),
        };
        Some(Outcome::failed(SYSTEM, message))
    }
}
