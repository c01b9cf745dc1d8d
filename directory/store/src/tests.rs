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

#[test]
fn a_copy_is_whole_private_and_taken_while_others_write() {
    let scratch = Scratch::new();
    let store = scratch.open();
    store.add_key(&key("A", 1), [0; 12]).unwrap();
    let folder = Scratch::new();
    let to = folder.0.join("copy.sqlite");
    let copied = back_up(&scratch.0, &to, false).unwrap();
    assert_eq!((copied.access_keys, copied.bytes), (1, fs::metadata(&to).unwrap().len()));
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    // It is not put over another file unless that is asked for.
    store.add_key(&key("B", 2), [1; 12]).unwrap();
    let before = fs::read(&to).unwrap();
    let again = back_up(&scratch.0, &to, false);
    assert!(matches!(again, Err(StoreError::File(path, _)) if path == to));
    assert_eq!(fs::read(&to).unwrap(), before);
    assert_eq!(back_up(&scratch.0, &to, true).unwrap().access_keys, 2);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is left behind");
    // With its key file it is a directory again.
    let restored = Scratch::new();
    fs::copy(&to, restored.0.join(FILE)).unwrap();
    fs::copy(scratch.0.join(KEY_FILE), restored.0.join(KEY_FILE)).unwrap();
    assert_eq!(&**restored.open().key("A").unwrap().unwrap().secret, "geheimgeheim");
}

#[test]
fn a_copy_of_nothing_leaves_nothing() {
    let (scratch, folder) = (Scratch::new(), Scratch::new());
    assert!(back_up(&scratch.0, &folder.0.join("copy"), true).is_err());
    fs::write(scratch.0.join(FILE), [7; 8192]).unwrap();
    assert!(back_up(&scratch.0, &folder.0.join("copy"), true).is_err());
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1);
}

#[test]
fn a_check_says_what_is_wrong() {
    let scratch = Scratch::new();
    assert_eq!(check(&scratch.0).unwrap(), Checked::default());
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0, "looking makes nothing");
    let store = scratch.open();
    store.add_key(&key("A", 1), [0; 12]).unwrap();
    let sound = check(&scratch.0).unwrap();
    assert_eq!((sound.problems.as_slice(), sound.keys.len()), ([].as_slice(), 1));
    let file = scratch.0.join(KEY_FILE);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&file, [9; 32]).unwrap();
    let problems = check(&scratch.0).unwrap().problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("chmod 600") && problems[1].starts_with("A is sealed"));
    fs::remove_file(&file).unwrap();
    assert!(check(&scratch.0).unwrap().problems[0].contains("put the key file back"));
    store.connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(check(&scratch.0).unwrap().problems[0].contains("later Tandem"));
}

#[test]
fn a_check_finds_damage_within() {
    let scratch = Scratch::new();
    let store = scratch.open();
    for n in 0..2_000_u16 {
        let nonce = std::array::from_fn(|at| if at < 2 { n.to_be_bytes()[at] } else { 0 });
        store.add_key(&key(&format!("KEY{n}"), u64::from(n)), nonce).unwrap();
    }
    drop(store);
    let path = scratch.0.join(FILE);
    let mut octets = fs::read(&path).unwrap();
    let middle = octets.len() / 2;
    octets[middle..middle + 4_096].fill(0xa5);
    fs::write(&path, &octets).unwrap();
    match check(&scratch.0) {
        Ok(checked) => assert!(checked.problems[0].contains("damaged"), "{:?}", checked.problems),
        Err(error) => assert!(error.to_string().contains("malformed"), "{error}"),
    }
    assert!(back_up(&scratch.0, &scratch.0.join("copy"), false).is_err());
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
    let checked = check(&scratch.0).unwrap();
    assert_eq!((checked.records, checked.problems.len()), (1, 1), "{checked:?}");
    assert!(checked.problems[0].starts_with("a 2 is sealed"));
}

/// A database as a Tandem of the second version of tables wrote it.
fn of_version_two(scratch: &Scratch, rows: &[(&str, &str, i64)]) {
    drop(scratch.open());
    let connection = Connection::open(scratch.0.join(FILE)).unwrap();
    for (id, body, updated) in rows {
        let row = rusqlite::params!["tags", id, body, updated];
        connection
            .execute(
                "INSERT INTO records (kind, id, body, created, updated) VALUES (?1, ?2, ?3, 1, ?4)",
                row,
            )
            .unwrap();
    }
    connection.execute("INSERT INTO facts VALUES ('generation', '7')", []).unwrap();
    connection.pragma_update(None, "user_version", 2).unwrap();
}

#[test]
fn tags_of_older_tables_are_kept_under_kind_and_id() {
    let scratch = Scratch::new();
    of_version_two(
        &scratch,
        &[
            ("arn:aws:chime:us-east-1:111122223333:vc/abcdef1ghij2klmno3pqr4", "new", 9),
            ("arn:aws:chime:eu-west-1:111122223333:vc/abcdef1ghij2klmno3pqr4", "old", 5),
            ("arn:aws:chime:us-east-1:111122223333:phone-number/+12065550100", "[1]", 3),
            ("arn:aws:chime:us-east-1:111122223333:vcg/hq", "[2]", 4),
        ],
    );
    let (records, generation) = scratch.open().records().unwrap();
    assert_eq!(generation, 8, "who holds the records in memory reads them anew");
    let kept: Vec<_> = records.iter().map(|each| (&*each.id, &*each.body)).collect();
    assert_eq!(
        kept,
        [
            ("phone-number/+12065550100", "[1]"),
            ("vc/abcdef1ghij2klmno3pqr4", "new"),
            ("vcg/hq", "[2]")
        ]
    );
    assert_eq!((records[0].created_ms, records[0].updated_ms), (1, 3));
    // Once.
    assert_eq!(scratch.open().records().unwrap(), (records, 8));
}

#[test]
fn a_watch_sees_what_others_write_and_nothing_else() {
    let scratch = Scratch::new();
    assert!(DirectoryWatch::open(&scratch.0).unwrap().is_none());
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0, "looking makes nothing");
    let mut store = scratch.open();
    let mut watch = DirectoryWatch::open(&scratch.0).unwrap().unwrap();
    assert_eq!(watch.look().unwrap(), Some(0));
    assert_eq!(watch.look().unwrap(), None);
    let put = RecordChange::Put { record: record("a", "1", "{}"), nonce: None };
    store.commit(0, std::slice::from_ref(&put)).unwrap();
    assert_eq!(watch.look().unwrap(), Some(1));
    assert_eq!(watch.store().records().unwrap().0.len(), 1);
    assert_eq!(watch.look().unwrap(), None, "a read is no write");
    // What was refused was not written.
    assert_eq!(store.commit(0, std::slice::from_ref(&put)).unwrap(), Committed::Stale);
    assert_eq!(watch.look().unwrap(), None);
    // Keys are written as well: the generation is the same.
    store.add_key(&key("A", 1), [0; 12]).unwrap();
    assert_eq!(watch.look().unwrap(), Some(1));
    store.connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(DirectoryWatch::open(&scratch.0).unwrap().is_none(), "not its version");
}

#[test]
fn a_database_of_older_tables_takes_meetings_and_seals_them() {
    let scratch = Scratch::new();
    of_version_two(&scratch, &[("arn:aws:chime:us-east-1:111122223333:vcg/hq", "[2]", 4)]);
    let body = r#"{"version":"1","passcode":"482915"}"#;
    let put = RecordChange::Put { record: record("meeting", "1", body), nonce: Some([3; 12]) };
    let mut store = scratch.open();
    let (_, generation) = store.records().unwrap();
    assert_eq!(store.commit(generation, &[put]).unwrap(), Committed::At(generation + 1));
    drop(store);
    let octets = fs::read(scratch.0.join(FILE)).unwrap();
    let wal = fs::read(scratch.0.join("directory.sqlite-wal")).unwrap_or_default();
    for octets in [octets, wal] {
        assert!(
            !octets.windows(6).any(|six| six == b"482915"),
            "a passcode is not to be read there"
        );
    }
    let (records, _) = scratch.open().records().unwrap();
    let kept: Vec<_> = records.iter().map(|each| (&*each.kind, &*each.body)).collect();
    assert_eq!(kept, [("meeting", body), ("tags", "[2]")]);
    assert_eq!(check(&scratch.0).unwrap().problems, Vec::<String>::new());
}
