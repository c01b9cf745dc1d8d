//! Finding calls.

use crate::follow::key;
use crate::{History, HistoryError};
use call_metrics::CallRecord;
use model::{TransactionId, UnixTime};
use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Row, params_from_iter};
use serde::Serialize;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// Numbers that may end with what a query gives.
const MAX_NUMBERS: usize = 100;
/// The longest record that is read.
const MAX_RECORD: u64 = 4 << 20;

/// Which calls are wanted: those that fit all that is given, newest first.
#[derive(Clone, PartialEq, Debug)]
pub struct CallQuery {
    /// Ended at this time or later.
    pub since: Option<UnixTime>,
    /// Ended before this time.
    pub until: Option<UnixTime>,
    /// Calling or called number (or name), or how it ends. Of a number only the digits count.
    pub number: Option<String>,
    /// Further ways in which the number may be written, masked or hashed: a call fits that has one of
    /// all.
    pub number_as: Vec<String>,
    /// The voice connector's id.
    pub voice_connector: Option<String>,
    /// The carrier's id.
    pub carrier: Option<String>,
    /// The final status of the INVITE.
    pub status: Option<StatusRange>,
    /// A side's MOS is below.
    pub mos_below: Option<f64>,
    /// At most so many.
    pub limit: u32,
}

/// Final statuses from the first to the last, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusRange(pub u16, pub u16);

/// One finished call. Times are milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CallSummary {
    /// As in every log; `tandem report` takes it.
    pub transaction_id: String,
    /// The voice connector's id.
    pub voice_connector_id: String,
    /// `Outbound` or `Inbound`.
    pub direction: &'static str,
    /// Calling number.
    pub from_user: String,
    /// Called number.
    pub to_user: String,
    /// The carrier that it came from, or that had it at last.
    pub carrier: Option<String>,
    /// When the call began.
    pub attempted: u64,
    /// When it was answered.
    pub answered: Option<u64>,
    /// When it ended.
    pub ended: u64,
    /// Final status of the INVITE; 0 when the record was closed without one.
    pub status: u16,
    /// How it ended, in words.
    pub cause: String,
    /// MOS of what came from the customer's side, 1.0 to 4.5.
    pub mos_customer: Option<f64>,
    /// MOS of what came from the remote side.
    pub mos_remote: Option<f64>,
}

/// More numbers end with a query's than [`CallQuery`] looks at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TooManyNumbers(pub String);

impl Default for CallQuery {
    /// The newest hundred.
    fn default() -> Self {
        CallQuery {
            since: None,
            until: None,
            number: None,
            number_as: Vec::new(),
            voice_connector: None,
            carrier: None,
            status: None,
            mos_below: None,
            limit: 100,
        }
    }
}

const COLUMNS: &str = "c.transaction_id, (SELECT id FROM connectors WHERE number = c.connector),
    c.outbound, c.from_user, c.to_user, c.carrier, c.attempted, c.answered, c.ended, c.status,
    c.cause, c.mos_customer, c.mos_remote";

/// The conditions of a statement, with their values.
#[derive(Default)]
struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    fn and(&mut self, condition: &str, value: impl Into<Value>) {
        self.text.push_str(if self.text.is_empty() { " WHERE " } else { " AND " });
        self.text.push_str(condition);
        self.values.push(value.into());
    }
}

impl History {
    /// The calls that `query` is about, newest first.
    ///
    /// # Errors
    /// [`HistoryError::Database`], [`HistoryError::TooManyNumbers`].
    pub fn search(&self, query: &CallQuery) -> Result<Vec<CallSummary>, HistoryError> {
        let Some(conditions) = self.conditions(query)? else { return Ok(Vec::new()) };
        if query.number.is_none() && query.number_as.is_empty() {
            return self.search_all(query, &conditions);
        }
        let mut found = Vec::new();
        for key in self.keys_of_all(query)? {
            let mut own = Conditions::default();
            own.and("p.key = ?", key);
            for (value, column) in [(query.since, "p.ended >= ?"), (query.until, "p.ended < ?")] {
                if let Some(value) = value {
                    own.and(column, millis(value));
                }
            }
            own.text.push_str(&conditions.text.replacen(" WHERE ", " AND ", 1));
            own.values.extend(conditions.values.iter().cloned());
            // The order of the join is said: the party's calls from the newest on, until enough
            // fit.
            let tables = "parties p CROSS JOIN calls c ON c.number = p.call";
            found.extend(self.select(tables, &own, "p.ended", query.limit)?);
        }
        Ok(newest(found, query.limit))
    }

    /// Among all parties. Calls of each status stand in the order of their ends, those of a range
    /// do not: its statuses, which are few, are asked for one by one.
    fn search_all(
        &self,
        query: &CallQuery,
        conditions: &Conditions,
    ) -> Result<Vec<CallSummary>, HistoryError> {
        let Some(StatusRange(first, last)) = query.status.filter(|range| range.0 != range.1) else {
            return self.select("calls c", conditions, "c.ended", query.limit);
        };
        let mut next =
            self.connection.prepare_cached("SELECT min(status) FROM calls WHERE status >= ?1")?;
        let mut found = Vec::new();
        let mut from = first;
        while let Some(status) = next.query_row([from], |row| row.get::<_, Option<u16>>(0))? {
            if status > last {
                break;
            }
            let status_alone = Some(StatusRange(status, status));
            let query = CallQuery { status: status_alone, ..query.clone() };
            found.extend(self.search_all(&query, &self.conditions(&query)?.unwrap_or_default())?);
            from = status + 1;
        }
        Ok(newest(found, query.limit))
    }

    /// The record of a call; `None` when it is not in the history.
    ///
    /// # Errors
    /// [`HistoryError`], also when the record's file is gone.
    pub fn record(&self, id: TransactionId) -> Result<Option<CallRecord>, HistoryError> {
        let place: Option<(String, i64, i64)> = self
            .connection
            .prepare_cached("SELECT day, position, octets FROM calls WHERE transaction_id = ?1")?
            .query_row([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((day, position, octets)) = place else { return Ok(None) };
        let path = self.calls.join(format!("{day}.jsonl"));
        let read = || -> io::Result<CallRecord> {
            let mut file = File::open(&path)?;
            file.seek(SeekFrom::Start(position.unsigned_abs()))?;
            let mut line = Vec::new();
            file.take(octets.unsigned_abs().min(MAX_RECORD)).read_to_end(&mut line)?;
            Ok(serde_json::from_slice(&line)?)
        };
        read().map(Some).map_err(|error| HistoryError::File(path.clone(), error))
    }

    /// What the columns of `calls` have to be; `None` when nothing can fit.
    fn conditions(&self, query: &CallQuery) -> Result<Option<Conditions>, HistoryError> {
        let mut conditions = Conditions::default();
        if let Some(since) = query.since {
            conditions.and("c.ended >= ?", millis(since));
        }
        if let Some(until) = query.until {
            conditions.and("c.ended < ?", millis(until));
        }
        if let Some(id) = &query.voice_connector {
            let number: Option<i64> = self
                .connection
                .prepare_cached("SELECT number FROM connectors WHERE id = ?1")?
                .query_row([id], |row| row.get(0))
                .optional()?;
            let Some(number) = number else { return Ok(None) };
            conditions.and("c.connector = ?", number);
        }
        if let Some(StatusRange(first, last)) = query.status {
            if first == last {
                conditions.and("c.status = ?", i64::from(first));
            } else {
                conditions.and("c.status >= ?", i64::from(first));
                conditions.and("c.status <= ?", i64::from(last));
            }
        }
        if let Some(most) = query.mos_below {
            conditions.and("c.mos < ?", most);
        }
        if let Some(carrier) = &query.carrier {
            conditions.and("c.carrier = ?", carrier.clone());
        }
        Ok(Some(conditions))
    }

    /// The parties that end as one of the query's numbers, each once.
    fn keys_of_all(&self, query: &CallQuery) -> Result<Vec<String>, HistoryError> {
        let mut keys = Vec::new();
        for number in query.number.iter().chain(&query.number_as) {
            let end = key(number);
            if !end.is_empty() {
                keys.extend(self.keys(&end, number)?);
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// The parties that end with `end`, which is backwards as they are.
    fn keys(&self, end: &str, given: &str) -> Result<Vec<String>, HistoryError> {
        let mut next =
            self.connection.prepare_cached("SELECT min(key) FROM parties WHERE key >= ?1")?;
        let mut keys: Vec<String> = Vec::new();
        let mut from = end.to_owned();
        while let Some(key) = next.query_row([&from], |row| row.get::<_, Option<String>>(0))? {
            if !key.starts_with(end) {
                break;
            }
            if keys.len() == MAX_NUMBERS {
                return Err(HistoryError::TooManyNumbers(TooManyNumbers(given.to_owned())));
            }
            // The least text behind it.
            from = format!("{key}\0");
            keys.push(key);
        }
        Ok(keys)
    }

    fn select(
        &self,
        tables: &str,
        conditions: &Conditions,
        order: &str,
        limit: u32,
    ) -> Result<Vec<CallSummary>, HistoryError> {
        let text = &conditions.text;
        let statement =
            format!("SELECT {COLUMNS} FROM {tables}{text} ORDER BY {order} DESC LIMIT {limit}");
        let mut statement = self.connection.prepare_cached(&statement)?;
        let rows = statement.query_map(params_from_iter(&conditions.values), summary)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// What several questions found, as the answer to all of them.
fn newest(mut found: Vec<CallSummary>, limit: u32) -> Vec<CallSummary> {
    found.sort_by(|a, b| (b.ended, &b.transaction_id).cmp(&(a.ended, &a.transaction_id)));
    // A call between two numbers that both end as was asked.
    found.dedup_by(|a, b| a.transaction_id == b.transaction_id);
    found.truncate(limit as usize);
    found
}

fn millis(time: UnixTime) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn summary(row: &Row<'_>) -> rusqlite::Result<CallSummary> {
    Ok(CallSummary {
        transaction_id: row.get(0)?,
        voice_connector_id: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
        direction: if row.get(2)? { "Outbound" } else { "Inbound" },
        from_user: row.get(3)?,
        to_user: row.get(4)?,
        carrier: row.get(5)?,
        attempted: row.get::<_, i64>(6)?.unsigned_abs(),
        answered: row.get::<_, Option<i64>>(7)?.map(i64::unsigned_abs),
        ended: row.get::<_, i64>(8)?.unsigned_abs(),
        status: row.get(9)?,
        cause: row.get(10)?,
        mos_customer: row.get(11)?,
        mos_remote: row.get(12)?,
    })
}

impl fmt::Display for TooManyNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {MAX_NUMBERS} numbers end with {:?}: give more of it", self.0)
    }
}
