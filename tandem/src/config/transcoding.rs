//! Transcoding, in `[voice_connector.media]` and of carriers.

use super::reader::Table;
use super::value;
use model::TranscodableFormat;
use std::sync::Arc;
use toml::de::DeValue;

/// The formats that may be added to offers; none where audio is never transcoded, the default. A
/// trunk works without: what one side offers, the other sees. With it every offer is longer, a call
/// costs CPU, and its media stays out of the kernel's path.
pub(super) fn read(table: &mut Table<'_>) -> Arc<[TranscodableFormat]> {
    read_optional(table).unwrap_or_default()
}

/// The same of a carrier; `None` when it leaves that to the voice connector of a call.
pub(super) fn read_optional(table: &mut Table<'_>) -> Option<Arc<[TranscodableFormat]>> {
    let needed = table.optional("transcode", mode);
    let formats = table.list("transcode_formats", format);
    if formats.as_ref().is_some_and(Vec::is_empty) {
        table.warn_at("transcode_formats", "names no format, so that nothing is transcoded");
    }
    if formats.is_some() && needed != Some(true) {
        table.warn_at("transcode_formats", "counts only with transcode = \"needed\"");
    }
    Some(match (needed?, formats) {
        (false, _) => Arc::default(),
        (true, Some(formats)) => without_repetition(formats).into(),
        (true, None) => TranscodableFormat::USUAL.into(),
    })
}

fn without_repetition(formats: Vec<TranscodableFormat>) -> Vec<TranscodableFormat> {
    let mut once = Vec::with_capacity(formats.len());
    for format in formats {
        if !once.contains(&format) {
            once.push(format);
        }
    }
    once
}

fn mode(value: &DeValue<'_>) -> Result<bool, String> {
    match value::text(value)? {
        "off" => Ok(false),
        "needed" => Ok(true),
        other => Err(format!("{other:?} is unknown; use \"off\" or \"needed\"")),
    }
}

fn format(value: &DeValue<'_>) -> Result<TranscodableFormat, String> {
    let name = value::text(value)?;
    TranscodableFormat::from_name(name).ok_or_else(|| {
        let known = TranscodableFormat::ALL.map(|format| format!("{:?}", format.name()));
        format!("{name:?} cannot be transcoded; use {}", known.join(", "))
    })
}
