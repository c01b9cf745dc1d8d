//! `RecordAudio` and `StartCallRecording`.

use super::read::{bucket, keys};
use super::{Action, Record};
use crate::reader::{ActionError, Object};
use model::{LegSide, RecordingSilence};
use std::time::Duration;

/// Seconds of what somebody says, at most; without a word of the application's as well.
const LONGEST_SPEECH: u64 = 4 * 3_600;
/// The same of a call.
const LONGEST_CALL: Duration = Duration::from_secs(24 * 3_600);
/// Octets of a prefix: a key has 1,024, with our name of a recording.
const LONGEST_PREFIX: usize = 800;
/// What counts as silence, where nothing is said.
const USUAL_THRESHOLD: u64 = 200;

/// Reads `RecordAudio`.
pub(super) fn audio(object: Object<'_>, leg: LegSide) -> Result<Action, ActionError> {
    let seconds = object.number("DurationInSeconds", 1..=LONGEST_SPEECH)?;
    let quiet = object.number("SilenceDurationInSeconds", 1..=1_000)?;
    let threshold = object.number("SilenceThreshold", 1..=1_000)?.unwrap_or(USUAL_THRESHOLD);
    let destination = object.within("RecordingDestination", |inner| {
        is_s3(inner)?;
        let name = inner.required("BucketName")?;
        let prefix = inner.text("Prefix")?.unwrap_or_default();
        Ok((bucket(inner, "BucketName", name)?, prefix.to_owned()))
    })?;
    let (bucket, prefix) = destination.ok_or_else(|| object.missing("RecordingDestination"))?;
    let mut legs = [false; 2];
    legs[leg.index()] = true;
    Ok(Action::Record(Box::new(Record {
        leg,
        legs,
        bucket: bucket.into(),
        prefix: prefix_of(object, "RecordingDestination.Prefix", &prefix)?,
        longest: Duration::from_secs(seconds.unwrap_or(LONGEST_SPEECH)),
        silence: quiet.map(|seconds| RecordingSilence {
            length: Duration::from_secs(seconds),
            threshold: u16::try_from(threshold).unwrap_or(u16::MAX),
        }),
        terminators: keys(object, "RecordingTerminators")?.unwrap_or_default(),
        is_of_call: false,
    })))
}

/// Reads `StartCallRecording`.
pub(super) fn call(object: Object<'_>, leg: LegSide) -> Result<Action, ActionError> {
    let mut legs = [true; 2];
    match object.required("Track")? {
        "BOTH" => {}
        "INCOMING" => legs[leg.other().index()] = false,
        "OUTGOING" => legs[leg.index()] = false,
        _ => return Err(object.invalid("Track", "is to be \"INCOMING\", \"OUTGOING\" or \"BOTH\"")),
    }
    if object.text("Format")?.is_some_and(|format| !format.eq_ignore_ascii_case("WAV")) {
        return Err(object.invalid("Format", "is to be \"WAV\""));
    }
    let location = object.within("Destination", |inner| {
        is_s3(inner)?;
        let location = inner.required("Location")?;
        let location = location.strip_prefix("s3://").unwrap_or(location);
        let (name, prefix) = location.split_once('/').unwrap_or((location, ""));
        Ok((bucket(inner, "Location", name)?, prefix.to_owned()))
    })?;
    let (bucket, prefix) = location.ok_or_else(|| object.missing("Destination"))?;
    Ok(Action::Record(Box::new(Record {
        leg,
        legs,
        bucket: bucket.into(),
        prefix: prefix_of(object, "Destination.Location", &prefix)?,
        longest: LONGEST_CALL,
        silence: None,
        terminators: Default::default(),
        is_of_call: true,
    })))
}

fn is_s3(object: Object<'_>) -> Result<(), ActionError> {
    match object.text("Type")? {
        None | Some("S3") => Ok(()),
        Some(_) => Err(object.invalid("Type", "is to be \"S3\"")),
    }
}

/// A prefix as it stands before a key: it never leads out of where it begins.
fn prefix_of(
    object: Object<'_>,
    name: &str,
    prefix: &str,
) -> Result<std::sync::Arc<str>, ActionError> {
    let prefix = prefix.trim_end_matches('/');
    let is_plain = |part: &str| !matches!(part, "" | "." | "..");
    let is_fine = prefix.is_empty()
        || prefix.len() <= LONGEST_PREFIX
            && prefix.split('/').all(is_plain)
            && !prefix.chars().any(|c| c == '\\' || c.is_control());
    match is_fine {
        true if prefix.is_empty() => Ok("".into()),
        true => Ok(format!("{prefix}/").into()),
        false => Err(object.invalid(
            name,
            format_args!(
                "is to be names with '/' between them, none of them \".\" or \"..\", \
                 {LONGEST_PREFIX} octets at most"
            ),
        )),
    }
}
