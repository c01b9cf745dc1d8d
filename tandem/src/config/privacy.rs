//! `[privacy]`: what of people's numbers and messages is written where.

use super::reader::Table;
use super::value;
use call_metrics::Bodies;
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// The file of keys in `data_dir`, where none is named.
const KEY_FILE: &str = "privacy.key";
/// Digits that a masked number shows, where nothing is said, and at most.
const SHOWN_DIGITS: u8 = 4;
const MOST_SHOWN_DIGITS: u8 = 8;

/// How numbers are written in one place.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum NumbersKind {
    #[default]
    Plain,
    Masked,
    Hashed,
}

/// What each place says, or the section for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PrivacyConfig {
    pub(crate) cdrs: NumbersKind,
    pub(crate) media_quality: NumbersKind,
    pub(crate) history: NumbersKind,
    pub(crate) log: NumbersKind,
    pub(crate) sip_messages: (NumbersKind, Bodies),
    pub(crate) hep: (NumbersKind, Bodies),
    /// As `[traces]` says.
    pub(crate) traces: NumbersKind,
    /// Of a masked number, 0 to 8; default 4.
    pub(crate) shown_digits: u8,
    /// The keys of hashes; `None` for the file in `data_dir`, which is made when it is missing.
    key_file: Option<PathBuf>,
}

impl PrivacyConfig {
    fn kinds(&self) -> [NumbersKind; 7] {
        let (sip_messages, hep) = (self.sip_messages.0, self.hep.0);
        [self.cdrs, self.media_quality, self.history, self.log, sip_messages, hep, self.traces]
    }

    /// Whether a place has numbers so.
    pub(crate) fn has(&self, kind: NumbersKind) -> bool {
        self.kinds().contains(&kind)
    }

    /// The file of keys, and whether it is ours to make.
    pub(crate) fn key_file(&self, data_dir: &Path) -> (PathBuf, bool) {
        match &self.key_file {
            Some(path) => (path.clone(), false),
            None => (data_dir.join(KEY_FILE), true),
        }
    }
}

/// `has_hep`: there is a `[hep]` whose copies this is about. `traces`: what `[traces]` says, if it is
/// there.
pub(super) fn read(
    mut table: Table<'_>,
    has_hep: bool,
    traces: Option<NumbersKind>,
) -> PrivacyConfig {
    let numbers = table.or("numbers", NumbersKind::Plain, numbers);
    let bodies = table.or("bodies", Bodies::Kept, bodies);
    let mut place = |key: &'static str| {
        let mut own = table.table(key);
        let kind = own.or("numbers", numbers, self::numbers);
        own.finish();
        kind
    };
    let (cdrs, media_quality) = (place("cdrs"), place("media_quality"));
    let (history, log) = (place("history"), place("log"));
    let mut messages = |key: &'static str| {
        let mut own = table.table(key);
        let both =
            (own.or("numbers", numbers, self::numbers), own.or("bodies", bodies, self::bodies));
        own.finish();
        both
    };
    let (sip_messages, hep) = (messages("sip_messages"), messages("hep"));
    let shown_digits = table.or("shown_digits", SHOWN_DIGITS, |v| {
        value::within(value::integer(v)?, 0..=MOST_SHOWN_DIGITS)
    });
    let key_file = table.optional("key_file", value::path);
    let config = PrivacyConfig {
        cdrs,
        media_quality,
        history,
        log,
        sip_messages,
        hep,
        traces: traces.unwrap_or_default(),
        shown_digits,
        key_file,
    };
    warn(&table, &config, has_hep);
    table.finish();
    config
}

/// What does not work together.
fn warn(table: &Table<'_>, config: &PrivacyConfig, has_hep: bool) {
    if table.has("hep") && !has_hep {
        table.warn_at("hep", "is not used: there is no [hep]");
    }
    if table.has("key_file") && !config.has(NumbersKind::Hashed) {
        table.warn_at("key_file", "is not used: no place has numbers = \"hashed\"");
    }
    if table.has("shown_digits") && !config.has(NumbersKind::Masked) {
        table.warn_at("shown_digits", "is not used: no place has numbers = \"masked\"");
    }
    if config.shown_digits == 0 && config.history == NumbersKind::Masked {
        let message = "with 0 no call can be found by a number (`tandem calls --number`); show some, or \
                       set history = { numbers = \"hashed\" }";
        table.warn_at("shown_digits", message);
    }
}

pub(super) fn numbers(value: &DeValue<'_>) -> Result<NumbersKind, String> {
    match value::text(value)? {
        "plain" => Ok(NumbersKind::Plain),
        "masked" => Ok(NumbersKind::Masked),
        "hashed" => Ok(NumbersKind::Hashed),
        other => Err(format!("{other:?} is unknown; use \"plain\", \"masked\" or \"hashed\"")),
    }
}

fn bodies(value: &DeValue<'_>) -> Result<Bodies, String> {
    match value::text(value)? {
        "kept" => Ok(Bodies::Kept),
        "omitted" => Ok(Bodies::Omitted),
        "sdp_without_keys" => Ok(Bodies::SdpWithoutKeys),
        other => {
            Err(format!("{other:?} is unknown; use \"kept\", \"omitted\" or \"sdp_without_keys\""))
        }
    }
}
