//! How long calls are kept.

use crate::follow::days;
use crate::{History, HistoryError};
use jiff::Timestamp;
use model::UnixTime;
use rusqlite::params;
use std::fs;

/// Calls that one transaction removes, so that readers and the next calls do not wait for long.
const STEP: u32 = 10_000;
/// Pages that go back to the disk after each step, of 4 KiB.
const PAGES: u32 = 2_048;

/// What [`History::remove`] removed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Removed {
    /// Calls.
    pub calls: u64,
    /// Files of records.
    pub files: u64,
    /// There is more: call again.
    pub more: bool,
}

impl History {
    /// Removes calls that ended before `before`, and the files of days that ended before it: one
    /// step, in one transaction.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn remove(&mut self, before: UnixTime) -> Result<Removed, HistoryError> {
        let mut removed = Removed { files: self.remove_files(before)?, ..Removed::default() };
        let limit = i64::try_from(before.as_millis()).unwrap_or(i64::MAX);
        let transaction = self.connection.transaction()?;
        let calls = transaction.execute(
            "DELETE FROM calls WHERE number IN
                 (SELECT number FROM calls WHERE ended < ?1 ORDER BY ended LIMIT ?2)",
            params![limit, STEP],
        )?;
        // The same calls: up to the oldest one that is left.
        transaction.execute(
            "DELETE FROM parties WHERE ended <
                 min(?1, coalesce((SELECT min(ended) FROM calls), ?1))",
            [limit],
        )?;
        transaction.commit()?;
        removed.calls = calls as u64;
        removed.more = calls == STEP as usize;
        if calls > 0 {
            self.connection.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
        }
        Ok(removed)
    }

    /// A day's files hold the calls that ended on it (UTC); those of one day go together.
    fn remove_files(&self, before: UnixTime) -> Result<u64, HistoryError> {
        let millis = i64::try_from(before.as_millis()).unwrap_or(i64::MAX);
        let limit = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
        let limit = limit.strftime("%Y-%m-%d").to_string();
        let mut removed = 0;
        for (day, _) in days(&self.calls)? {
            if day >= limit {
                break;
            }
            let path = self.calls.join(format!("{day}.jsonl"));
            fs::remove_file(&path).map_err(|error| HistoryError::File(path, error))?;
            self.connection.execute("DELETE FROM files WHERE day = ?1", [&day])?;
            removed += 1;
        }
        Ok(removed)
    }
}
