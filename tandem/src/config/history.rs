//! `[history]`: how long finished calls are kept.

use super::reader::Table;
use super::value;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The records of finished calls: files under `data_dir/calls`, and the database that finds them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HistoryConfig {
    /// After this time a call's record is removed, 1 day to 10 years; default 90 days.
    pub(crate) keep: Duration,
}

pub(super) fn read(mut table: Table<'_>) -> HistoryConfig {
    let keep = table.or("keep", 90 * DAY, |v| value::duration_within(v, DAY, 3_650 * DAY));
    table.finish();
    HistoryConfig { keep }
}
