//! `[retention]`: when files of lines are put aside, and for how long files are kept.

use super::reader::Table;
use super::value;
use outbox::{Lines, RetentionConfig, Rotation, WholeFiles};
use std::path::Path;
use std::time::Duration;
use toml::de::DeValue;

const DAY: Duration = Duration::from_secs(24 * 3_600);
const MIB: u64 = 1_048_576;
/// Directories of files that grow without an end.
const LINES: [&str; 2] = ["logs", "cloudwatch"];
/// Directory of the records of calls, which the history points into.
const CALLS: &str = "calls";
/// Directory of the control API's audit.
const AUDIT: &str = "audit";
/// Directory of call detail records.
const CDRS: &str = "s3";

/// What is kept of the files below `data_dir`. Records of calls have `[history] keep`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Retention {
    /// Logs and metrics, 1 day to 10 years or never removed; default 30 days.
    logs: Option<Duration>,
    /// Octets of a log that is put aside, and of a file of records that goes on in another one, 1 MiB to 1 TiB; default 256 MiB.
    rotate_bytes: u64,
    /// Octets of all that was put aside, at least `rotate_bytes`; default 10 GiB.
    max_bytes: u64,
    /// Whether that is compressed; default yes.
    compress: bool,
    /// Call detail records, 1 day to 10 years or never removed; default never.
    cdrs: Option<Duration>,
    /// The audit, 1 day to 10 years or never removed by its age; default never.
    audit: Option<Duration>,
    /// Octets of the audit that was put aside, at least `rotate_bytes`; default 10 GiB.
    audit_max_bytes: u64,
    /// Orders of phone numbers that are finished, 1 day to 10 years or never removed; default 400 days.
    orders: Option<Duration>,
}

impl Retention {
    /// When the file sink puts files aside.
    pub(crate) fn rotation(&self) -> Rotation {
        let continued = vec![CALLS.to_owned()];
        Rotation {
            below: [lines(), vec![AUDIT.to_owned()]].concat(),
            continued,
            max_bytes: self.rotate_bytes,
        }
    }

    /// For how many days finished orders of phone numbers are told of.
    pub(crate) fn orders_days(&self) -> u32 {
        let days = |kept: Duration| u32::try_from(kept.as_secs() / DAY.as_secs());
        self.orders.and_then(|kept| days(kept).ok()).unwrap_or(u32::MAX)
    }

    /// What is kept below `data_dir`.
    pub(crate) fn to_config(&self, data_dir: &Path) -> RetentionConfig {
        let cdrs = |keep| WholeFiles { below: CDRS.to_owned(), keep, extensions: Vec::new() };
        RetentionConfig {
            root: data_dir.to_owned(),
            lines: vec![
                Lines { below: lines(), keep: self.logs, max_bytes: self.max_bytes },
                Lines {
                    below: vec![AUDIT.to_owned()],
                    keep: self.audit,
                    max_bytes: self.audit_max_bytes,
                },
            ],
            compress: self.compress,
            whole: self.cdrs.map(cdrs).into_iter().collect(),
        }
    }
}

fn lines() -> Vec<String> {
    LINES.map(str::to_owned).to_vec()
}

pub(super) fn read(mut table: Table<'_>) -> Retention {
    let logs = table.or("logs", Some(30 * DAY), keep);
    let rotate_bytes =
        table.or("rotate_bytes", 256 * MIB, |v| value::within(value::integer(v)?, MIB..=1 << 40));
    let mut most = |key| {
        let most = table.or(key, (10_240 * MIB).max(rotate_bytes), |v| {
            value::within(value::integer(v)?, MIB..=1 << 50)
        });
        if most < rotate_bytes {
            let message = format!(
                "is less than rotate_bytes, {rotate_bytes}: every file that is put aside would go \
                 at once"
            );
            table.error_at(key, message);
        }
        most
    };
    let (max_bytes, audit_max_bytes) = (most("max_bytes"), most("audit_max_bytes"));
    let compress = table.or("compress", true, value::boolean);
    let cdrs = table.or("cdrs", None, keep);
    let audit = table.or("audit", None, keep);
    let orders = table.or("orders", Some(400 * DAY), keep);
    table.finish();
    Retention { logs, rotate_bytes, max_bytes, compress, cdrs, audit, audit_max_bytes, orders }
}

fn keep(value: &DeValue<'_>) -> Result<Option<Duration>, String> {
    if value.as_str() == Some("off") {
        return Ok(None);
    }
    let keep = value::duration_within(value, DAY, 3_650 * DAY);
    keep.map(Some).map_err(|error| format!("{error}; or \"off\": nothing is removed"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepts, refuses};
    use super::*;

    #[test]
    fn logs_are_kept_for_a_month_and_detail_records_for_ever_unless_it_is_said() {
        let retention = accepts("").retention;
        assert_eq!((retention.logs, retention.cdrs), (Some(30 * DAY), None));
        assert_eq!(retention.rotation().max_bytes, 256 * MIB);
        let config = retention.to_config(Path::new("data"));
        assert!(config.compress && config.whole.is_empty());
        let text = "[retention]\nlogs = \"off\"\ncdrs = \"365d\"\ncompress = false\n\
                    rotate_bytes = 1048576\nmax_bytes = 1048576";
        let config = accepts(text).retention.to_config(Path::new("data"));
        assert_eq!((config.lines[0].keep, config.lines[0].max_bytes), (None, MIB));
        let audit = &config.lines[1];
        assert_eq!((audit.keep, audit.max_bytes), (None, 10_240 * MIB));
        let text = "[retention]\naudit = \"365d\"\naudit_max_bytes = 1073741824";
        let retention = accepts(text).retention;
        assert_eq!(retention.rotation().below, ["logs", "cloudwatch", "audit"]);
        let audit = &retention.to_config(Path::new("data")).lines[1];
        assert_eq!((audit.keep, audit.max_bytes), (Some(365 * DAY), 1_024 * MIB));
        assert_eq!(retention.orders_days(), 400);
        for (text, days) in [("1d", 1), ("3650d", 3_650), ("off", u32::MAX)] {
            let text = format!("[retention]\norders = \"{text}\"");
            assert_eq!(accepts(&text).retention.orders_days(), days);
        }
        let config = accepts("[retention]\ncdrs = \"365d\"").retention.to_config(Path::new("data"));
        assert_eq!((config.whole[0].below.as_str(), config.whole[0].keep), ("s3", 365 * DAY));
    }

    #[test]
    fn the_bounds_hold_on_both_sides() {
        accepts("[retention]\nlogs = \"1d\"\ncdrs = \"3650d\"");
        refuses(
            "[retention]\norders = \"23h\"",
            "t.toml:5: orders: the string \"23h\" is out of range; use \"1d\" to \"3650d\"; or \
             \"off\": nothing is removed",
        );
        refuses(
            "[retention]\nlogs = \"23h\"",
            "t.toml:5: logs: the string \"23h\" is out of range; use \"1d\" to \"3650d\"; or \
             \"off\": nothing is removed",
        );
        refuses(
            "[retention]\nrotate_bytes = 1048575",
            "t.toml:5: rotate_bytes: 1048575 is out of range; use 1048576 to 1099511627776",
        );
        refuses(
            "[retention]\nmax_bytes = 1048576",
            "t.toml:5: max_bytes: is less than rotate_bytes, 268435456: every file that is put \
             aside would go at once",
        );
        refuses(
            "[retention]\naudit_max_bytes = 1048576",
            "t.toml:5: audit_max_bytes: is less than rotate_bytes, 268435456: every file that is put \
             aside would go at once",
        );
    }
}
