//! `[outbox]`: the queues on disk of what is to be delivered to services.

use super::reader::Table;
use super::value;
use outbox::{Fsync, OutboxConfig};
use std::path::Path;
use std::time::Duration;
use toml::de::DeValue;

const MIB: u64 = 1_048_576;

/// How much is kept for services that are away. The queues are below `data_dir/outbox`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outbox {
    /// Octets of all queues together, 64 MiB to 1 PiB; default 4 GiB.
    pub(crate) max_bytes: u64,
    /// Octets of one destination's queue, 16 MiB to `max_bytes`; default 1 GiB, or `max_bytes` when
    /// that is less.
    pub(crate) destination_max_bytes: u64,
    /// Every 10 ms to 1 h, always or never; default every second.
    pub(crate) fsync: Fsync,
}

impl Outbox {
    /// The outbox below `data_dir`.
    pub(crate) fn to_config(&self, data_dir: &Path) -> OutboxConfig {
        OutboxConfig {
            max_bytes: self.max_bytes,
            destination_max_bytes: self.destination_max_bytes,
            fsync: self.fsync,
            ..OutboxConfig::new(data_dir.join("outbox"))
        }
    }
}

pub(super) fn read(mut table: Table<'_>) -> Outbox {
    let default = OutboxConfig::new("");
    let max_bytes = table.or("max_bytes", default.max_bytes, |v| {
        value::within(value::integer(v)?, 64 * MIB..=1 << 50)
    });
    let destination = default.destination_max_bytes.min(max_bytes);
    let destination_max_bytes = table.or("destination_max_bytes", destination, |v| {
        value::within(value::integer(v)?, 16 * MIB..=1 << 50)
    });
    if destination_max_bytes > max_bytes {
        let message = format!("exceeds max_bytes, {max_bytes}: one queue is part of all");
        table.error_at("destination_max_bytes", message);
    }
    let outbox =
        Outbox { max_bytes, destination_max_bytes, fsync: table.or("fsync", default.fsync, fsync) };
    table.finish();
    outbox
}

fn fsync(value: &DeValue<'_>) -> Result<Fsync, String> {
    match value::text(value)? {
        "always" => Ok(Fsync::Always),
        "never" => Ok(Fsync::Never),
        _ => {
            let (least, most) = (Duration::from_millis(10), Duration::from_secs(3_600));
            let interval = value::duration_within(value, least, most).map_err(|error| {
                format!("{error}; or \"always\" (before a record counts) or \"never\"")
            })?;
            Ok(Fsync::Interval(interval))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepts, refuses};
    use super::*;

    #[test]
    fn the_bounds_hold_on_both_sides() {
        let least = accepts("[outbox]\nmax_bytes = 67108864\ndestination_max_bytes = 16777216");
        assert_eq!(least.outbox.max_bytes, 64 * MIB);
        assert_eq!(least.outbox.destination_max_bytes, 16 * MIB);
        accepts("[outbox]\nmax_bytes = 67108864\ndestination_max_bytes = 67108864");
        refuses(
            "[outbox]\nmax_bytes = 67108863",
            "t.toml:5: max_bytes: 67108863 is out of range; use 67108864 to \
             1125899906842624",
        );
        refuses(
            "[outbox]\nmax_bytes = 67108864\ndestination_max_bytes = 67108865",
            "t.toml:6: destination_max_bytes: exceeds max_bytes, 67108864: one queue is part \
             of all",
        );
    }

    #[test]
    fn a_small_outbox_is_one_destination_s_as_a_whole() {
        let config = accepts("");
        assert_eq!(config.outbox.destination_max_bytes, 1 << 30);
        let config = accepts("[outbox]\nmax_bytes = 67108864");
        assert_eq!(config.outbox.destination_max_bytes, 67_108_864);
        let root = config.outbox.to_config(Path::new("data")).root;
        assert_eq!(root, Path::new("data/outbox"));
    }

    #[test]
    fn fsync_is_a_duration_or_one_of_two_words() {
        let of = |text: &str| accepts(&format!("[outbox]\nfsync = \"{text}\"")).outbox.fsync;
        assert_eq!(of("always"), Fsync::Always);
        assert_eq!(of("never"), Fsync::Never);
        assert_eq!(of("10ms"), Fsync::Interval(Duration::from_millis(10)));
        assert_eq!(accepts("").outbox.fsync, Fsync::Interval(Duration::from_secs(1)));
        refuses(
            "[outbox]\nfsync = \"9ms\"",
            "t.toml:5: fsync: the string \"9ms\" is out of range; use \"10ms\" to \"1h\"; or \
             \"always\" (before a record counts) or \"never\"",
        );
    }
}
