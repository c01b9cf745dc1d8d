//! `[recordings]`: how calls are recorded, and how long recordings are kept.

use super::reader::Table;
use super::{Sinks, value};
use aws_sinks::{Access, TopicArn};
use call_recordings::{Keep, KeyConfig, Rotation};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Of JSON alone, which the bucket has too.
const UPLOADED: Duration = Duration::from_secs(90 * 24 * 3_600);
const MIB: u64 = 1_048_576;
const GIB: u64 = 1_024 * MIB;
/// A WAV file counts up to 4 GiB.
const MOST_PART: u64 = 4_000 * MIB;

/// The recordings of this node's calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RecordingsSection {
    /// Where they are; default `data_dir/recordings`.
    pub(crate) directory: Option<PathBuf>,
    /// When a part ends: after 10 s to 24 h of audio, or never; at 1 MiB to 4,000 MiB, default 2 GiB.
    pub(crate) rotation: Rotation,
    /// How long they are kept: 1 day to 10 years, or never removed (default); the JSON of those that are
    /// uploaded as long, default as the others, and 90 days where those are never removed; and how much
    /// of them, 64 MiB to 1 PiB, default 50 GiB.
    pub(crate) keep: Keep,
    /// What encrypts them; default nothing.
    pub(crate) key: Option<KeyConfig>,
    /// The line of that key.
    pub(crate) key_line: usize,
    /// A topic of SNS that is told what happens.
    pub(crate) notify: Option<(Access, TopicArn)>,
    /// Threads that write, 1 to 64; default 2.
    pub(crate) writers: usize,
}

impl RecordingsSection {
    /// Where they are.
    pub(crate) fn root(&self, data_dir: &Path) -> PathBuf {
        self.directory.clone().unwrap_or_else(|| data_dir.join("recordings"))
    }
}

pub(super) fn read(mut table: Table<'_>, sinks: &Sinks) -> RecordingsSection {
    let directory = table.optional("directory", value::path);
    let seconds = table.or("rotate_after", None, rotate_after);
    let bytes =
        table.or("rotate_bytes", 2 * GIB, |v| value::within(value::integer(v)?, MIB..=MOST_PART));
    let age = table.or("keep", None, keep);
    let uploaded = table.or("keep_uploaded", age.or(Some(UPLOADED)), keep);
    let max_bytes =
        table.or("max_bytes", 50 * GIB, |v| value::within(value::integer(v)?, 64 * MIB..=1 << 50));
    if max_bytes < bytes {
        let message =
            format!("is less than rotate_bytes, {bytes}: a long call's recording would go");
        table.error_at("max_bytes", message);
    }
    let writers = table.or("writers", 2, |v| value::within(value::integer(v)?, 1..=64));
    let topic = table.optional("notify_topic", |value| {
        TopicArn::parse(value::text(value)?).map_err(|error| error.to_string())
    });
    let notify = topic.map(|topic| {
        let region = topic.region().to_owned();
        (Access { region, ..sinks.all.clone() }, topic)
    });
    let file = table.optional("key_file", value::path);
    let kms = table.optional("kms_key", value::string);
    let mut key_line = 0;
    if file.is_some() && kms.is_some() {
        table.error_at("kms_key", "key_file is set as well; leave one of them out");
    }
    let key = match (file, kms) {
        (Some(path), _) => {
            key_line = table.line_of("key_file");
            Some(KeyConfig::File(path))
        }
        (None, Some(key)) => {
            key_line = table.line_of("kms_key");
            Some(KeyConfig::Kms { access: sinks.kms.clone(), key })
        }
        (None, None) => None,
    };
    table.finish();
    let (rotation, keep) =
        (Rotation { seconds, bytes }, Keep { age, meetings: age, uploaded, bytes: max_bytes });
    RecordingsSection { directory, rotation, keep, key, key_line, notify, writers }
}

fn rotate_after(value: &DeValue<'_>) -> Result<Option<u64>, String> {
    if value.as_str() == Some("off") {
        return Ok(None);
    }
    let after = value::duration_within(value, Duration::from_secs(10), DAY);
    let after = after.map_err(|error| format!("{error}; or \"off\": one file a call"))?;
    Ok(Some(after.as_secs()))
}

pub(super) fn keep(value: &DeValue<'_>) -> Result<Option<Duration>, String> {
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
    fn recordings_are_whole_plain_and_kept_unless_it_is_said() {
        let section = accepts("").recordings;
        assert_eq!(section.rotation, Rotation { seconds: None, bytes: 2 * GIB });
        assert_eq!(
            section.keep,
            Keep { age: None, meetings: None, uploaded: Some(UPLOADED), bytes: 50 * GIB }
        );
        assert_eq!((section.key.as_ref(), section.writers), (None, 2));
        assert_eq!(section.root(Path::new("data")), Path::new("data/recordings"));
        let text = "[recordings]\ndirectory = \"/srv/voices\"\nrotate_after = \"1h\"\n\
                    rotate_bytes = 1048576\nkeep = \"7d\"\nmax_bytes = 67108864\n\
                    key_file = \"/etc/tandem/key\"";
        let section = accepts(text).recordings;
        assert_eq!(section.rotation, Rotation { seconds: Some(3_600), bytes: MIB });
        assert_eq!(
            section.keep,
            Keep {
                age: Some(7 * DAY),
                meetings: Some(7 * DAY),
                uploaded: Some(7 * DAY),
                bytes: 64 * MIB
            }
        );
        let said = |text: &str| accepts(&format!("[recordings]\n{text}")).recordings.keep.uploaded;
        assert_eq!(said("keep_uploaded = \"1d\""), Some(DAY));
        assert_eq!(said("keep = \"7d\"\nkeep_uploaded = \"3650d\""), Some(3_650 * DAY));
        assert_eq!(said("keep_uploaded = \"off\""), None);
        assert_eq!(section.key, Some(KeyConfig::File("/etc/tandem/key".into())));
        assert_eq!(section.root(Path::new("data")), Path::new("/srv/voices"));
        assert_eq!(section.key_line, 10);
    }

    #[test]
    fn kms_is_where_the_sinks_say() {
        let text = "[recordings]\nkms_key = \"alias/voices\"\n[sinks]\nregion = \"eu-west-1\"\n\
                    kms = { endpoint_url = \"http://127.0.0.1:5000\" }";
        let Some(KeyConfig::Kms { access, key }) = accepts(text).recordings.key else { panic!() };
        assert_eq!((access.region.as_str(), key.as_str()), ("eu-west-1", "alias/voices"));
        assert_eq!(access.endpoint.unwrap().as_str(), "http://127.0.0.1:5000");
    }

    #[test]
    fn a_topic_is_in_its_own_region() {
        let text = "[sinks]\nendpoint_url = \"http://127.0.0.1:5000\"\n[recordings]\n\
                    notify_topic = \"arn:aws:sns:eu-west-1:111122223333:voices\"";
        let (access, topic) = accepts(text).recordings.notify.unwrap();
        assert_eq!((access.region.as_str(), access.endpoint.is_some()), ("eu-west-1", true));
        assert_eq!(topic.as_str(), "arn:aws:sns:eu-west-1:111122223333:voices");
    }

    #[test]
    fn voices_leave_the_host_only_when_it_is_said_for_them() {
        let aws = "[sinks]\nkind = \"aws\"\nregion = \"eu-west-1\"\ns3 = { bucket = \"cdrs\" }";
        assert_eq!(accepts(aws).sinks.recordings, None);
        let text = format!(
            "{aws}\nrecordings = {{ kind = \"aws\", bucket = \"voices\", prefix = \"a/\" }}"
        );
        let upload = accepts(&text).sinks.recordings.unwrap();
        assert_eq!((upload.s3.bucket.as_str(), upload.s3.prefix.as_str()), ("voices", "a/"));
        assert_eq!(upload.access.region, "eu-west-1");
        refuses(
            "[sinks]\nrecordings = { kind = \"aws\" }",
            "t.toml:5: [sinks.recordings] needs `bucket`; add a line such as bucket = \
             \"call-recordings\"",
        );
    }

    #[test]
    fn the_bounds_hold_on_both_sides() {
        accepts("[recordings]\nrotate_after = \"10s\"\nrotate_bytes = 4194304000");
        refuses(
            "[recordings]\nrotate_after = \"9s\"",
            "t.toml:5: rotate_after: the string \"9s\" is out of range; use \"10s\" to \"1d\"; or \
             \"off\": one file a call",
        );
        refuses(
            "[recordings]\nrotate_bytes = 4194304001",
            "t.toml:5: rotate_bytes: 4194304001 is out of range; use 1048576 to 4194304000",
        );
        refuses(
            "[recordings]\nmax_bytes = 67108864",
            "t.toml:5: max_bytes: is less than rotate_bytes, 2147483648: a long call's recording \
             would go",
        );
        refuses(
            "[recordings]\nkey_file = \"k\"\nkms_key = \"alias/a\"",
            "t.toml:6: kms_key: key_file is set as well; leave one of them out",
        );
    }
}
