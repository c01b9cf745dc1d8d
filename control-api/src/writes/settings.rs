//! Settings of the account.

use super::{Writing, bad_request, refused};
use crate::error::ApiError;
use crate::state::GlobalSettings;
use serde_json::Value;

/// Longest name of a bucket, and the shortest.
const BUCKET_LENGTH: std::ops::RangeInclusive<usize> = 3..=63;

impl Writing<'_, '_> {
    /// Null, or no member at all, takes the bucket away.
    pub(super) fn update_global_settings(&mut self) -> Result<Value, ApiError> {
        let settings: GlobalSettings = self.required("VoiceConnector")?;
        let has_service = self.settings.cdr_bucket.is_some();
        match &settings.cdr_bucket {
            Some(bucket) => {
                check_bucket(bucket)?;
                if !has_service {
                    return Err(refused(
                        "VoiceConnector.CdrBucket: call detail records are kept in files here, below \
                         data_dir/s3: set s3 of [sinks] and restart"
                            .to_owned(),
                    ));
                }
                self.draft.put(GlobalSettings::ID, settings);
            }
            None if has_service => self.draft.put(GlobalSettings::ID, settings),
            // There is none to take away.
            None => {
                self.draft.remove::<GlobalSettings>(GlobalSettings::ID);
            }
        }
        Ok(Value::Null)
    }
}

fn check_bucket(bucket: &str) -> Result<(), ApiError> {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let fits = BUCKET_LENGTH.contains(&bucket.len())
        && bucket.bytes().all(|b| is_plain(b) || b == b'-')
        && bucket.bytes().next().is_some_and(is_plain)
        && bucket.bytes().last().is_some_and(is_plain);
    match fits {
        true => Ok(()),
        false => Err(bad_request(
            "VoiceConnector.CdrBucket: must be 3 to 63 characters of a-z, 0-9 and -, no - at its ends"
                .to_owned(),
        )),
    }
}
