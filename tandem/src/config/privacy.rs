//! `[privacy]`: what of people's numbers and messages is written where.

use super::reader::Table;
use super::sinks::Sinks;
use super::value;
use call_metrics::{Bodies, PerSink};
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

/// What each place says, or the section for it. Files and services of one place are told apart only
/// where records go to both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct PrivacyConfig {
    pub(crate) cdrs: PerSink<NumbersKind>,
    pub(crate) media_quality: PerSink<NumbersKind>,
    pub(crate) history: NumbersKind,
    pub(crate) log: NumbersKind,
    pub(crate) sip_messages: PerSink<(NumbersKind, Bodies)>,
    pub(crate) hep: (NumbersKind, Bodies),
    pub(crate) events: PerSink<NumbersKind>,
    /// What stands beside and in recordings, here and in their bucket: one JSON for both.
    pub(crate) recordings: NumbersKind,
    /// The control API's audit; `numbers` of the section is not its default.
    pub(crate) audit: NumbersKind,
    /// As `[traces]` says.
    pub(crate) traces: NumbersKind,
    /// Of a masked number, 0 to 8; default 4.
    pub(crate) shown_digits: u8,
    /// The keys of hashes; `None` for the file in `data_dir`, which is made when it is missing.
    key_file: Option<PathBuf>,
}

impl PrivacyConfig {
    fn kinds(&self) -> [NumbersKind; 14] {
        let PrivacyConfig { cdrs, media_quality, sip_messages, history, log, .. } = self;
        let PrivacyConfig { hep, traces, events, recordings, audit, .. } = self;
        let messages = [sip_messages.file.0, sip_messages.service.0, hep.0];
        let [first, second, third] = messages;
        [
            cdrs.file,
            cdrs.service,
            media_quality.file,
            media_quality.service,
            first,
            second,
            third,
            *history,
            *log,
            *traces,
            events.file,
            events.service,
            *recordings,
            *audit,
        ]
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

/// What the other sections say.
#[derive(Clone, Copy)]
pub(super) struct Others<'a> {
    pub(super) sinks: &'a Sinks,
    /// There is a `[hep]` whose copies this is about.
    pub(super) has_hep: bool,
    /// What `[traces]` says, if it is there.
    pub(super) traces: Option<NumbersKind>,
}

/// Which ways the records of a place go.
#[derive(Clone, Copy)]
struct Ways {
    /// The service as `[sinks]` names it, if they go to AWS.
    service: Option<&'static str>,
    files: bool,
}

impl Ways {
    const fn of(name: &'static str, also_file: Option<bool>) -> Self {
        match also_file {
            Some(files) => Ways { service: Some(name), files },
            None => Ways { service: None, files: true },
        }
    }

    /// A place's setting, and what it says of files.
    fn apart<T: Copy>(self, place: T, file: T) -> PerSink<T> {
        match (self.files, self.service) {
            (true, Some(_)) => PerSink { file, service: place },
            (true, None) => PerSink::same(file),
            (false, _) => PerSink::same(place),
        }
    }

    /// What of a place's table is not used.
    fn warn(self, place: &Table<'_>) {
        if !place.has("file") {
            return;
        }
        match self.service {
            Some(service) if !self.files => {
                let message = format!(
                    "is not used: no file is written; set also_file = true in [sinks] {service}"
                );
                place.warn_at("file", message);
            }
            Some(_) => {}
            None => {
                for key in ["numbers", "bodies"].into_iter().filter(|key| place.has(key)) {
                    let message =
                        "is not used: these records go into files alone, and file says how";
                    place.warn_at(key, message);
                }
            }
        }
    }
}

/// Reads the section; what it says of files and of services is told apart by `others`.
pub(super) fn read(mut table: Table<'_>, others: Others<'_>) -> PrivacyConfig {
    let Others { sinks, has_hep, traces } = others;
    let numbers = table.or("numbers", NumbersKind::Plain, numbers);
    let bodies = table.or("bodies", Bodies::Kept, bodies);
    let s3 = Ways::of("s3", sinks.s3.as_ref().map(|sink| sink.also_file));
    let logs = Ways::of("logs", sinks.logs.as_ref().map(|sink| sink.also_file));
    let events = sinks.events.has_service().then_some(sinks.events.file);
    let events = Ways::of("events", events);
    let config = PrivacyConfig {
        cdrs: place(table.table("cdrs"), s3, numbers),
        media_quality: place(table.table("media_quality"), logs, numbers),
        sip_messages: messages(table.table("sip_messages"), logs, (numbers, bodies)),
        history: whole(table.table("history"), numbers),
        log: whole(table.table("log"), numbers),
        events: place(table.table("events"), events, numbers),
        recordings: whole(table.table("recordings"), numbers),
        // It must tell which number was asked about, unless somebody says that it must not.
        audit: whole(table.table("audit"), NumbersKind::Plain),
        hep: whole_messages(table.table("hep"), (numbers, bodies)),
        traces: traces.unwrap_or_default(),
        shown_digits: table.or("shown_digits", SHOWN_DIGITS, |v| {
            value::within(value::integer(v)?, 0..=MOST_SHOWN_DIGITS)
        }),
        key_file: table.optional("key_file", value::path),
    };
    warn(&table, &config, has_hep);
    table.finish();
    config
}

/// A place whose files may be told apart.
fn place(mut own: Table<'_>, ways: Ways, numbers: NumbersKind) -> PerSink<NumbersKind> {
    let kind = own.or("numbers", numbers, self::numbers);
    let file = whole(own.table("file"), kind);
    ways.warn(&own);
    own.finish();
    ways.apart(kind, file)
}

/// The same of a place that has whole messages.
fn messages(
    mut own: Table<'_>,
    ways: Ways,
    default: (NumbersKind, Bodies),
) -> PerSink<(NumbersKind, Bodies)> {
    let both = both(&mut own, default);
    let file = whole_messages(own.table("file"), both);
    ways.warn(&own);
    own.finish();
    ways.apart(both, file)
}

fn whole(mut own: Table<'_>, default: NumbersKind) -> NumbersKind {
    let kind = own.or("numbers", default, numbers);
    own.finish();
    kind
}

fn whole_messages(mut own: Table<'_>, default: (NumbersKind, Bodies)) -> (NumbersKind, Bodies) {
    let both = both(&mut own, default);
    own.finish();
    both
}

fn both(own: &mut Table<'_>, (numbers, bodies): (NumbersKind, Bodies)) -> (NumbersKind, Bodies) {
    (own.or("numbers", numbers, self::numbers), own.or("bodies", bodies, self::bodies))
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
