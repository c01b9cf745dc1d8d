//! From the files of records into the database.

use crate::{History, HistoryError};
use call_metrics::CallRecord;
use rusqlite::{OptionalExtension as _, Transaction, params};
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::Path;

/// Octets of files that one transaction takes in, about: what a crash has to read again, and how
/// long others may wait for the lock.
const STEP: u64 = 4 << 20;
/// The longest line that is read; a record is some 100 KiB at most.
const MAX_LINE: usize = 4 << 20;

/// What [`History::take_in`] found.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TakenIn {
    /// Calls that are in the history now.
    pub calls: u64,
    /// Lines that are no record of a call: skipped.
    pub damaged: u64,
    /// There is more: call again.
    pub more: bool,
}

/// A part of a file.
struct Part {
    day: String,
    from: u64,
}

impl History {
    /// Takes in what has been written since the last time: one step of at most a few megabytes, in
    /// one transaction. A crash at any point neither loses nor doubles a call.
    ///
    /// # Errors
    /// [`HistoryError`]: nothing of the step is in the history then.
    pub fn take_in(&mut self) -> Result<TakenIn, HistoryError> {
        let Some(part) = self.next_part()? else { return Ok(TakenIn::default()) };
        let path = self.calls.join(format!("{}.jsonl", part.day));
        let at = |error| HistoryError::File(path.clone(), error);
        let mut file = File::open(&path).map_err(at)?;
        file.seek(SeekFrom::Start(part.from)).map_err(at)?;
        let transaction = self.connection.transaction()?;
        let mut step =
            Step { transaction: &transaction, day: &part.day, taken: TakenIn::default() };
        let mut position = part.from;
        let mut lines = Lines { reader: BufReader::with_capacity(1 << 16, file), line: Vec::new() };
        while position - part.from < STEP {
            let Some(octets) = lines.next().map_err(at)? else { break };
            step.take(&lines.line, position, octets)?;
            position += octets;
        }
        let Step { mut taken, .. } = step;
        transaction.execute(
            "INSERT INTO files (day, taken) VALUES (?1, ?2)
             ON CONFLICT (day) DO UPDATE SET taken = excluded.taken",
            params![part.day, position.cast_signed()],
        )?;
        transaction.commit()?;
        taken.more = position > part.from;
        Ok(taken)
    }

    /// The oldest file with more than was taken in.
    fn next_part(&self) -> Result<Option<Part>, HistoryError> {
        let mut known = self.connection.prepare_cached("SELECT taken FROM files WHERE day = ?1")?;
        for (day, octets) in days(&self.calls)? {
            let taken: Option<i64> = known.query_row([&day], |row| row.get(0)).optional()?;
            let taken = taken.unwrap_or(0).unsigned_abs();
            match octets.cmp(&taken) {
                std::cmp::Ordering::Equal => {}
                std::cmp::Ordering::Greater if self.has_line(&day, taken)? => {
                    return Ok(Some(Part { day, from: taken }));
                }
                // The last line is still being written.
                std::cmp::Ordering::Greater => {}
                // Somebody made it shorter; calls that are still in it are replaced, not doubled.
                std::cmp::Ordering::Less => return Ok(Some(Part { day, from: 0 })),
            }
        }
        Ok(None)
    }

    /// Whether a whole line stands behind `from`.
    fn has_line(&self, day: &str, from: u64) -> Result<bool, HistoryError> {
        let path = self.calls.join(format!("{day}.jsonl"));
        let at = |error| HistoryError::File(path.clone(), error);
        let mut file = File::open(&path).map_err(at)?;
        file.seek(SeekFrom::Start(from)).map_err(at)?;
        let mut lines = Lines { reader: BufReader::new(file), line: Vec::new() };
        Ok(lines.next().map_err(at)?.is_some())
    }
}

/// The files of records by their names without `.jsonl`, and their octets, oldest first: of each day
/// `YYYY-MM-DD`, then what it goes on in, `YYYY-MM-DD.0001` and so on.
pub(crate) fn days(calls: &Path) -> Result<Vec<(String, u64)>, HistoryError> {
    let at = |error| HistoryError::File(calls.to_owned(), error);
    let entries = match fs::read_dir(calls) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at)?,
    };
    let mut days = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at)?;
        let name = entry.file_name();
        let day = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        if let Some(day) = day.filter(|day| is_of_day(day)) {
            days.push((day.to_owned(), entry.metadata().map_err(at)?.len()));
        }
    }
    days.sort_unstable();
    Ok(days)
}

/// `YYYY-MM-DD`, or that with the number of a part.
fn is_of_day(text: &str) -> bool {
    match text.split_once('.') {
        None => is_day(text),
        Some((day, part)) => {
            is_day(day) && part.len() == 4 && part.bytes().all(|octet| octet.is_ascii_digit())
        }
    }
}

/// `YYYY-MM-DD`.
fn is_day(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(place, octet)| match place {
            4 | 7 => octet == b'-',
            _ => octet.is_ascii_digit(),
        })
}

/// Whole lines of a file.
struct Lines {
    reader: BufReader<File>,
    line: Vec<u8>,
}

impl Lines {
    /// Reads the next one into `line`, without its end; its octets in the file. `None` when there is
    /// none, or its end is not written yet. A line of more than [`MAX_LINE`] is left empty.
    fn next(&mut self) -> io::Result<Option<u64>> {
        self.line.clear();
        let mut octets = 0;
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            let end = buffer.iter().position(|octet| *octet == b'\n');
            let part = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
            if self.line.len() + part.len() <= MAX_LINE {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            octets += used as u64;
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(octets));
            }
        }
    }
}

/// One transaction's work.
struct Step<'a> {
    transaction: &'a Transaction<'a>,
    day: &'a str,
    taken: TakenIn,
}

impl Step<'_> {
    fn take(&mut self, line: &[u8], position: u64, octets: u64) -> rusqlite::Result<()> {
        match serde_json::from_slice::<CallRecord>(line) {
            Ok(record) => {
                self.insert(&record, position, octets)?;
                self.taken.calls += 1;
            }
            Err(_) => self.taken.damaged += 1,
        }
        Ok(())
    }

    fn insert(&self, record: &CallRecord, position: u64, octets: u64) -> rusqlite::Result<()> {
        self.forget(&record.transaction_id)?;
        let connector = self.connector(&record.voice_connector_id)?;
        let outbound = record.direction == "Outbound";
        let mut sides = record.quality.each_ref().map(|quality| quality.as_ref()?.mos);
        if !outbound {
            sides.reverse();
        }
        let worst = sides.into_iter().flatten().min_by(f64::total_cmp);
        let ended = record.times.ended.cast_signed();
        self.transaction
            .prepare_cached(
                "INSERT INTO calls (ended, attempted, answered, connector, status, mos,
                     mos_customer, mos_remote, outbound, transaction_id, from_user, to_user,
                     carrier, cause, day, position, octets)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
            )?
            .execute(params![
                ended,
                record.times.attempted.cast_signed(),
                record.times.answered.map(u64::cast_signed),
                connector,
                record.end.status,
                worst,
                sides[0],
                sides[1],
                outbound,
                record.transaction_id,
                record.from_user,
                record.to_user,
                carrier(record),
                record.end.cause,
                self.day,
                position.cast_signed(),
                octets.cast_signed(),
            ])?;
        let call = self.transaction.last_insert_rowid();
        let mut party = self.transaction.prepare_cached(
            "INSERT OR IGNORE INTO parties (key, ended, call) VALUES (?1, ?2, ?3)",
        )?;
        for key in [&record.from_user, &record.to_user].map(|user| key(user)) {
            if !key.is_empty() {
                party.execute(params![key, ended, call])?;
            }
        }
        Ok(())
    }

    /// Removes a call that was taken in before: its file was read from the start again.
    fn forget(&self, transaction_id: &str) -> rusqlite::Result<()> {
        let known: Option<(i64, i64, String, String)> = self
            .transaction
            .prepare_cached(
                "SELECT number, ended, from_user, to_user FROM calls WHERE transaction_id = ?1",
            )?
            .query_row([transaction_id], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((call, ended, from_user, to_user)) = known else { return Ok(()) };
        for user in [from_user, to_user] {
            self.transaction.execute(
                "DELETE FROM parties WHERE key = ?1 AND ended = ?2 AND call = ?3",
                params![key(&user), ended, call],
            )?;
        }
        self.transaction.execute("DELETE FROM calls WHERE number = ?1", [call])?;
        Ok(())
    }

    fn connector(&self, id: &str) -> rusqlite::Result<i64> {
        let mut known =
            self.transaction.prepare_cached("SELECT number FROM connectors WHERE id = ?1")?;
        if let Some(number) = known.query_row([id], |row| row.get(0)).optional()? {
            return Ok(number);
        }
        self.transaction.execute("INSERT INTO connectors (id) VALUES (?1)", [id])?;
        Ok(self.transaction.last_insert_rowid())
    }
}

/// The carrier that the call came from, or that had it at last.
fn carrier(record: &CallRecord) -> Option<&str> {
    let last = record.routes.last().and_then(|route| route.carrier.as_deref());
    record.carrier.as_deref().or(last)
}

/// A party as it is searched by: of numbers only the digits, of names small letters; backwards.
pub(crate) fn key(user: &str) -> String {
    let is_number = user.chars().all(|c| c.is_ascii_digit() || "+-.() ".contains(c));
    match is_number {
        true => user.chars().rev().filter(char::is_ascii_digit).collect(),
        false => user.to_lowercase().chars().rev().collect(),
    }
}
