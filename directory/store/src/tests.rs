use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use zeroize::Zeroizing;

/// A directory of a test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        let name = format!("directory-store-{:016x}", getrandom::u64().unwrap());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    fn open(&self) -> DirectoryStore {
        DirectoryStore::open(&self.0, fill).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fill(octets: &mut [u8; 32]) -> io::Result<()> {
    getrandom::fill(octets).map_err(|error| io::Error::other(error.to_string()))
}

fn key(id: &str, created_ms: u64) -> StoredKey {
    StoredKey {
        facts: KeyFacts {
            id: id.to_owned(),
            name: "terraform".to_owned(),
            policy: Some("{}".to_owned()),
            created_ms,
        },
        secret: Zeroizing::new("geheimgeheim".to_owned()),
    }
}

#[test]
fn a_key_is_seen_by_others_at_once_and_gone_at_once() {
    let scratch = Scratch::new();
    let (writer, reader) = (scratch.open(), scratch.open());
    assert!(reader.key("A").unwrap().is_none());
    writer.add_key(&key("B", 2), [0; 12]).unwrap();
    writer.add_key(&key("A", 1), [1; 12]).unwrap();
    let found = reader.key("A").unwrap().unwrap();
    assert_eq!((&found.facts, &**found.secret), (&key("A", 1).facts, "geheimgeheim"));
    let ids: Vec<_> = reader.keys().unwrap().into_iter().map(|facts| facts.id).collect();
    assert_eq!(ids, ["A", "B"]);
    assert!(writer.add_key(&key("A", 3), [2; 12]).is_err());
    assert!(writer.delete_key("A").unwrap() && !writer.delete_key("A").unwrap());
    assert!(reader.key("A").unwrap().is_none());
}

#[test]
fn the_first_key_is_made_once() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    assert!(store.add_first_key(&key("A", 1), [0; 12]).unwrap());
    assert!(store.delete_key("A").unwrap());
    assert!(!store.add_first_key(&key("B", 1), [1; 12]).unwrap(), "it was made before");
    let other = Scratch::new();
    let mut store = other.open();
    store.add_key(&key("A", 1), [0; 12]).unwrap();
    assert!(!store.add_first_key(&key("B", 1), [1; 12]).unwrap(), "there is one already");
}

#[test]
fn secrets_are_in_no_file() {
    let scratch = Scratch::new();
    scratch.open().add_key(&key("A", 1), [0; 12]).unwrap();
    let mut files = 0;
    for entry in fs::read_dir(&scratch.0).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap();
        assert!(!content.windows(6).any(|part| part == b"geheim"), "{}", path.display());
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
        files += 1;
    }
    assert!(files >= 2, "database and key file");
}

#[test]
fn another_key_file_is_told() {
    let scratch = Scratch::new();
    scratch.open().add_key(&key("A", 1), [0; 12]).unwrap();
    let file = scratch.0.join(KEY_FILE);
    fs::write(&file, [9; 32]).unwrap();
    assert!(matches!(scratch.open().key("A"), Err(StoreError::SealedOtherwise(id)) if id == "A"));
    fs::write(&file, [9; 31]).unwrap();
    let opened = DirectoryStore::open(&scratch.0, fill);
    assert!(matches!(opened, Err(StoreError::BadKeyFile(path)) if path == file));
}

#[test]
fn damage_and_later_versions_are_told() {
    let scratch = Scratch::new();
    drop(scratch.open());
    let path = scratch.0.join(FILE);
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let opened = DirectoryStore::open(&scratch.0, fill);
    assert!(matches!(opened, Err(StoreError::Newer(99))));
    fs::write(&path, b"no database at all, for more than sixteen octets").unwrap();
    assert!(DirectoryStore::open(&scratch.0, fill).is_err());
}

#[test]
fn derived_keys_differ_by_purpose() {
    let store = Scratch::new().open();
    assert_ne!(store.master().derive("a"), store.master().derive("b"));
    assert_eq!(store.master().derive("a"), store.master().derive("a"));
}

fn record(kind: &str, id: &str, body: &str) -> StoredRecord {
    StoredRecord {
        kind: kind.into(),
        id: id.into(),
        body: body.into(),
        created_ms: 1,
        updated_ms: 2,
    }
}

#[test]
fn records_are_written_together_and_read_again() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    assert_eq!(store.records().unwrap(), (Vec::new(), 0));
    let put = |record, nonce| RecordChange::Put { record, nonce };
    let changes = [
        put(record("b", "1", "{}"), None),
        put(record("a", "1", r#"{"Password":"geheim"}"#), Some([3; 12])),
    ];
    assert_eq!(store.commit(0, &changes).unwrap(), Committed::At(1));
    let (records, generation) = scratch.open().records().unwrap();
    assert_eq!(generation, 1);
    assert_eq!(records, [record("a", "1", r#"{"Password":"geheim"}"#), record("b", "1", "{}")]);
    for name in [FILE, "directory.sqlite-wal"] {
        let file = fs::read(scratch.0.join(name)).unwrap_or_default();
        assert!(!file.windows(6).any(|octets| octets == b"geheim"), "{name}");
    }

    // Somebody who has not seen that may not write.
    assert_eq!(store.commit(0, &changes).unwrap(), Committed::Stale);
    let gone = RecordChange::Remove { kind: "b".into(), id: "1".into() };
    assert_eq!(store.commit(1, &[gone]).unwrap(), Committed::At(2));
    assert_eq!(store.records().unwrap().0.len(), 1);
}

#[test]
fn a_sealed_record_opens_in_its_own_place_only() {
    let scratch = Scratch::new();
    let mut store = scratch.open();
    let put = RecordChange::Put { record: record("a", "1", "{}"), nonce: Some([3; 12]) };
    store.commit(0, &[put]).unwrap();
    store.connection.execute("UPDATE records SET id = '2'", []).unwrap();
    assert!(matches!(store.records(), Err(StoreError::SealedOtherwise(_))));
}
