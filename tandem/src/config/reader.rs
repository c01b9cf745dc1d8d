//! Walks a parsed TOML document and collects everything that is wrong on the way.

use super::error::{ConfigErrors, Finding};
use super::hold_music::AudioFile;
use super::tls::{TlsFileKind, TlsFiles};
use super::value;
use super::web_socket::TokenFile;
use directory::Problem;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A configuration file while it is read.
pub(super) struct Document<'a> {
    file: &'a str,
    text: &'a str,
    tree: Spanned<DeTable<'a>>,
    notes: RefCell<Notes>,
}

#[derive(Default)]
struct Notes {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    /// Byte offset of every key path that was read. Positions in lists count what was accepted, as
    /// the paths of [`Problem`] do.
    places: BTreeMap<String, usize>,
    tls_files: Vec<TlsFiles>,
    audio_files: Vec<AudioFile>,
    token_files: Vec<TokenFile>,
}

impl<'a> Document<'a> {
    /// # Errors
    /// The syntax errors. What could be read in spite of them is not looked at: most of what it
    /// lacked would only follow from them.
    pub(super) fn parse(text: &'a str, file: &'a str) -> Result<Self, ConfigErrors> {
        let (tree, syntax) = DeTable::parse_recoverable(text);
        let document = Document { file, text, tree, notes: RefCell::default() };
        for error in &syntax {
            let offset = error.span().map_or(0, |span| span.start);
            let reason = error.message().replace('\n', ", ");
            let advice = "see that texts are in quotes, lists in [ ], and each key stands once";
            document.error(offset, format!("not valid TOML: {reason}; {advice}"));
        }
        let errors = std::mem::take(&mut document.notes.borrow_mut().errors);
        match ConfigErrors::unless_empty(file, errors) {
            Some(errors) => Err(errors),
            None => Ok(document),
        }
    }

    pub(super) fn root(&self) -> Table<'_> {
        Table {
            document: self,
            path: String::new(),
            offset: 0,
            source: Some(self.tree.get_ref()),
            known: Vec::new(),
        }
    }

    pub(super) fn add_problems(&self, problems: Vec<Problem>) {
        for problem in problems {
            let key = problem.path.rsplit('.').next().unwrap_or_default();
            let key = key.split('[').next().unwrap_or_default();
            let first = problem
                .conflicts_with
                .map(|first| format!(" (first on line {})", self.line(self.place(&first))));
            let message = format!("{key}: {}{}", problem.message, first.unwrap_or_default());
            self.error(self.place(&problem.path), message);
        }
    }

    pub(super) fn warn(&self, path: &str, message: impl Into<String>) {
        let line = Some(self.line(self.place(path)));
        self.notes.borrow_mut().warnings.push(Finding { line, message: message.into() });
    }

    /// The warnings, or the errors when there are any.
    pub(super) fn into_warnings(self) -> Result<Vec<Finding>, ConfigErrors> {
        let Notes { errors, mut warnings, .. } = self.notes.into_inner();
        warnings.sort();
        match ConfigErrors::unless_empty(self.file, errors) {
            Some(errors) => Err(errors),
            None => Ok(warnings),
        }
    }

    /// The files of TLS that were named, in the order of lines.
    pub(super) fn take_tls_files(&self) -> Vec<TlsFiles> {
        std::mem::take(&mut self.notes.borrow_mut().tls_files)
    }

    /// The files of tokens that were named, in the order of lines.
    pub(super) fn take_token_files(&self) -> Vec<TokenFile> {
        std::mem::take(&mut self.notes.borrow_mut().token_files)
    }

    /// The audio files that were named, in the order of lines.
    pub(super) fn take_audio_files(&self) -> Vec<AudioFile> {
        std::mem::take(&mut self.notes.borrow_mut().audio_files)
    }

    fn error(&self, offset: usize, message: String) {
        let line = Some(self.line(offset));
        self.notes.borrow_mut().errors.push(Finding { line, message });
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    /// Where `path` is, or else the nearest thing around it.
    fn place(&self, path: &str) -> usize {
        let places = &self.notes.borrow().places;
        let mut path = path;
        loop {
            if let Some(offset) = places.get(path) {
                return *offset;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).unwrap_or_default(),
                None => return 0,
            }
        }
    }

    fn remember(&self, path: &str, offset: usize) {
        self.notes.borrow_mut().places.insert(path.to_owned(), offset);
    }
}

/// One table of the file, or an absent one, which reads as empty.
pub(super) struct Table<'a> {
    document: &'a Document<'a>,
    path: String,
    offset: usize,
    source: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

/// Reads one value, or says what it should be.
pub(super) type Read<T> = fn(&DeValue<'_>) -> Result<T, String>;

impl<'a> Table<'a> {
    pub(super) fn document(&self) -> &'a Document<'a> {
        self.document
    }

    pub(super) fn is_present(&self) -> bool {
        self.source.is_some()
    }

    /// An error about this table as a whole.
    pub(super) fn error(&self, message: impl Into<String>) {
        self.document.error(self.offset, message.into());
    }

    /// An error about the value of `key`.
    pub(super) fn error_at(&self, key: &str, message: impl Into<String>) {
        let offset = self.document.place(&self.path_of(key));
        self.document.error(offset, format!("{key}: {}", message.into()));
    }

    /// Remembers a file that `key` names, to be looked at when all is read.
    pub(super) fn note_tls_file(&self, key: &str, kind: TlsFileKind) {
        let line = self.line_of(key);
        self.document.notes.borrow_mut().tls_files.push(TlsFiles { line, kind });
    }

    /// The same for audio.
    pub(super) fn note_audio_file(&self, key: &'static str, path: &Arc<str>) {
        let line = self.line_of(key);
        let file = AudioFile { line, key, path: Arc::clone(path), is_sent: false };
        self.document.notes.borrow_mut().audio_files.push(file);
    }

    /// The same for one that goes to the relay with the orders.
    pub(super) fn note_sent_audio_file(&self, key: &'static str, path: &Arc<str>) {
        let line = self.line_of(key);
        let file = AudioFile { line, key, path: Arc::clone(path), is_sent: true };
        self.document.notes.borrow_mut().audio_files.push(file);
    }

    /// The same for the token of a program behind a WebSocket.
    pub(super) fn note_token_file(&self, key: &str, path: &Arc<str>) {
        let line = self.line_of(key);
        let file = TokenFile { line, path: Arc::clone(path) };
        self.document.notes.borrow_mut().token_files.push(file);
    }

    /// The line of a key that was read.
    pub(super) fn line_of(&self, key: &str) -> usize {
        self.document.line(self.document.place(&self.path_of(key)))
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.source.is_some_and(|table| table.contains_key(key))
    }

    pub(super) fn warn_at(&self, key: &str, message: impl Into<String>) {
        let name = key.split('[').next().unwrap_or_default();
        self.document.warn(&self.path_of(key), format!("{name}: {}", message.into()));
    }

    /// How long a route may ring: by default as `[sip]` says, and never longer, since that ends the
    /// call whatever the route says.
    pub(super) fn no_answer_timeout(&mut self, most: Duration) -> Duration {
        let timeout = self.or("no_answer_timeout", most, value::duration);
        if timeout > most {
            let most = value::written(most);
            let message = format!("must not be longer than no_answer_timeout of [sip], \"{most}\"");
            self.error_at("no_answer_timeout", message);
        }
        timeout
    }

    pub(super) fn optional<T>(&mut self, key: &'static str, read: Read<T>) -> Option<T> {
        let (value, offset) = self.get(key)?;
        self.convert(key, value, offset, read)
    }

    pub(super) fn or<T>(&mut self, key: &'static str, default: T, read: Read<T>) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// Missing is an error; `example` is the line to add.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: Read<T>,
    ) -> Option<T> {
        if self.get(key).is_none() {
            let table = path_shape(&self.path);
            self.error(format!("[{table}] needs `{key}`; add a line such as {example}"));
            return None;
        }
        self.optional(key, read)
    }

    /// A list, each element read on its own; elements that are wrong are left out.
    pub(super) fn list<T>(&mut self, key: &'static str, read: Read<T>) -> Option<Vec<T>> {
        let (value, offset) = self.get(key)?;
        let DeValue::Array(_) = value else {
            let message = format!("{key}: expected a list [ … ], found {}", kind(value));
            self.document.error(offset, message);
            return None;
        };
        self.one_or_list(key, read)
    }

    /// A list, or one value that stands for a list of one.
    pub(super) fn one_or_list<T>(&mut self, key: &'static str, read: Read<T>) -> Option<Vec<T>> {
        let (value, offset) = self.get(key)?;
        let DeValue::Array(array) = value else {
            return self.convert(key, value, offset, read).map(|one| vec![one]);
        };
        let mut values = Vec::new();
        for element in array.iter() {
            let offset = element.span().start;
            self.document.remember(&format!("{}[{}]", self.path_of(key), values.len()), offset);
            values.extend(self.convert(key, element.get_ref(), offset, read));
        }
        Some(values)
    }

    /// A table whose keys are the user's own: names and texts. What `check` refuses is left out.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        check: fn(&str, &str) -> Result<(), String>,
    ) -> Vec<(String, String)> {
        let table = self.table(key);
        let mut texts = Vec::new();
        for (name, value) in table.source.into_iter().flat_map(|source| source.iter()) {
            let (key, value): (&str, _) = (name.get_ref(), value.get_ref());
            let text = match value {
                DeValue::Table(_) => Err(format!("names with dots stand in quotes: \"{key}.…\"")),
                value => value::text(value),
            };
            match text.and_then(|text| check(key, text).map(|()| text)) {
                Ok(text) => texts.push((key.to_owned(), text.to_owned())),
                Err(message) => {
                    self.document.error(name.span().start, format!("{key}: {message}"));
                }
            }
        }
        texts
    }

    pub(super) fn table(&mut self, key: &'static str) -> Table<'a> {
        let path = self.path_of(key);
        let (source, offset) = match self.get(key) {
            Some((DeValue::Table(table), offset)) => (Some(table), offset),
            Some((other, offset)) => {
                let message = format!("{key}: expected a table [{path}], found {}", kind(other));
                self.document.error(offset, message);
                (None, offset)
            }
            None => (None, self.offset),
        };
        Table { document: self.document, path, offset, source, known: Vec::new() }
    }

    /// Tables `[[key]]`; those that `read` gives up on are left out.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(Table<'a>) -> Option<T>,
    ) -> Vec<T> {
        let path = self.path_of(key);
        let array = match self.get(key) {
            Some((DeValue::Array(array), _)) => array,
            Some((other, offset)) => {
                let message = format!(
                    "{key}: expected tables [[{}]], found {}",
                    path_shape(&path),
                    kind(other)
                );
                self.document.error(offset, message);
                return Vec::new();
            }
            None => return Vec::new(),
        };
        let mut values = Vec::new();
        for element in array.iter() {
            let offset = element.span().start;
            let path = format!("{path}[{}]", values.len());
            self.document.remember(&path, offset);
            if let DeValue::Table(table) = element.get_ref() {
                let source = Some(table);
                values.extend(read(Table {
                    document: self.document,
                    path,
                    offset,
                    source,
                    known: Vec::new(),
                }));
            } else {
                let message = format!("{key}: expected a table, found {}", kind(element.get_ref()));
                self.document.error(offset, message);
            }
        }
        values
    }

    /// A table `[key]`, or tables `[[key]]`; those that `read` gives up on are left out.
    pub(super) fn table_or_tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(Table<'a>) -> Option<T>,
    ) -> Vec<T> {
        match self.get(key) {
            Some((DeValue::Array(_), _)) => self.tables(key, read),
            _ => read(self.table(key)).into_iter().collect(),
        }
    }

    /// Reports the keys that nothing asked for.
    pub(super) fn finish(self) {
        self.report_unknown();
    }

    /// The same, where more is to be said of the table.
    pub(super) fn report_unknown(&self) {
        for (key, _) in self.source.into_iter().flat_map(|table| table.iter()) {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let place = if self.path.is_empty() {
                String::new()
            } else {
                format!(" in [{}]", path_shape(&self.path))
            };
            let advice = match nearest(name, &self.known) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.document.error(key.span().start, format!("unknown key `{name}`{place}; {advice}"));
        }
    }

    fn get(&mut self, key: &'static str) -> Option<(&'a DeValue<'a>, usize)> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let (name, value) = self.source?.get_key_value(key)?;
        // A key's own line is where people look; of `[table]` that is its header.
        let offset = name.span().start;
        self.document.remember(&self.path_of(key), offset);
        Some((value.get_ref(), offset))
    }

    fn convert<T>(
        &self,
        key: &str,
        value: &DeValue<'_>,
        offset: usize,
        read: Read<T>,
    ) -> Option<T> {
        match read(value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.document.error(offset, format!("{key}: {message}"));
                None
            }
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// What a value is, for messages.
pub(super) fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string {:?}", shortened(text)),
        DeValue::Integer(number) => format!("the number {}", number.as_str()),
        DeValue::Float(number) => format!("the number {}", number.as_str()),
        DeValue::Boolean(truth) => format!("{truth}"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 60 {
        return text.to_owned();
    }
    let start: String = text.chars().take(57).collect();
    format!("{start}...")
}

/// A path without positions: how it is written in the file.
fn path_shape(path: &str) -> String {
    let mut shape = String::new();
    for part in path.split('[') {
        shape.push_str(part.split_once(']').map_or(part, |(_, rest)| rest));
    }
    shape
}

/// The known key that is most like `name`, if one is like it at all.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    if name.len() > 64 {
        return None;
    }
    let limit = (name.chars().count() / 3).max(2);
    known
        .iter()
        .map(|candidate| (edit_distance(name, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements that make `a` into `b` (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((j, to), above) in b.iter().enumerate().zip(row.windows(2)) {
            let (diagonal, up) = (above[0], above[1]);
            let replaced = diagonal + usize::from(from != *to);
            next.push(replaced.min(up + 1).min(next[j] + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
