//! What is played: hold music and ringback.

use super::reader::Table;
use super::value;
use b2bua::HoldMusicWhen;
use model::Ringback;
use std::sync::Arc;
use toml::de::DeValue;

/// An audio file that the configuration names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AudioFile {
    /// Where, counted from 1.
    pub(crate) line: usize,
    /// The key that names it.
    pub(crate) key: &'static str,
    /// Its path.
    pub(crate) path: Arc<str>,
    /// It goes to the relay with each order that plays it, so that the relay needs no such file.
    pub(crate) is_sent: bool,
}

/// `hold_music`: a file, or "off"; `default` where the key is absent.
pub(super) fn read_hold_music(
    table: &mut Table<'_>,
    default: Option<&Arc<str>>,
) -> Option<Arc<str>> {
    const KEY: &str = "hold_music";
    let Some(music) = table.optional(KEY, value::shared_text) else { return default.cloned() };
    if &*music == "off" {
        return None;
    }
    table.note_audio_file(KEY, &music);
    Some(music)
}

pub(super) fn read_when(value: &DeValue<'_>) -> Result<HoldMusicWhen, String> {
    match value::text(value)? {
        "silent" => Ok(HoldMusicWhen::Silent),
        "always" => Ok(HoldMusicWhen::Always),
        other => Err(format!("{other:?} is unknown; use \"silent\" or \"always\"")),
    }
}

pub(super) fn read_ringback(value: &DeValue<'_>) -> Result<Option<Ringback>, String> {
    match value::text(value)? {
        "off" => Ok(None),
        "europe" => Ok(Some(Ringback::Europe)),
        "north-america" => Ok(Some(Ringback::NorthAmerica)),
        other => Err(format!("{other:?} is unknown; use \"north-america\", \"europe\" or \"off\"")),
    }
}
