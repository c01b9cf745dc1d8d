//! The commands' own key, and the API in the commands' own process when no node runs
//! (docs/decisions/0103).

use super::backend::NodeBackend;
use super::client::{Failure, Reply};
use super::keys::Keys;
use super::{now, server, settings};
use crate::config::Config;
use crate::live_directory::{Journal, LiveDirectory};
use crate::{node, privacy};
use control_api::sigv4::Signer;
use control_api::state::Change;
use control_api::{
    AUDIT_FILE, AccessKey, Api, Backend, CommitFault, Composed, Ids, KeySource, KeySourceFault,
    Made, Request, State,
};
use directory::Snapshot;
use directory_store::MasterKey;
use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The id of the commands' own key. It is in no database, and no key of `tandem key` has it.
pub(super) const KEY_ID: &str = "AKTDLOCALCOMMANDLINE";
/// What the audit calls who signs with it.
const NAME: &str = "command-line";
/// What its secret is derived for.
const PURPOSE: &str = "access key of the command line on this host";
/// What commands call themselves.
pub(super) const USER_AGENT: &str = concat!("tandem/", env!("CARGO_PKG_VERSION"));

/// The commands' own key: whoever can read the key file of the directory has it.
pub(super) fn access_key(master: &MasterKey) -> AccessKey {
    key_of(&Zeroizing::new(master.derive(PURPOSE)))
}

fn key_of(octets: &Zeroizing<[u8; 32]>) -> AccessKey {
    let mut secret = Zeroizing::new(String::with_capacity(2 * octets.len()));
    for octet in octets.iter() {
        // Writing into a String cannot fail.
        let _ = write!(secret, "{octet:02x}");
    }
    AccessKey { id: KEY_ID.to_owned(), secret, name: NAME.to_owned(), policy: None }
}

/// All headers of a request with its signature.
pub(super) fn signed(
    key: &AccessKey,
    composed: &Composed,
    host: &str,
    region: &str,
) -> Vec<(String, String)> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut headers = vec![header("host", host), header("user-agent", &user_agent())];
    if !composed.body.is_empty() {
        headers.push(header("content-type", "application/json"));
    }
    let signer = Signer { access_key_id: &key.id, secret: &key.secret, region, service: "chime" };
    signer.headers(&request(composed, &headers), now())
}

/// The audit tells which user of the host it was, as the command says it.
fn user_agent() -> String {
    format!("{USER_AGENT} (user {})", rustix::process::getuid().as_raw())
}

fn request<'a>(composed: &'a Composed, headers: &'a [(String, String)]) -> Request<'a> {
    Request {
        method: composed.operation.method.as_str(),
        path: &composed.path,
        query: &composed.query,
        headers,
        body: &composed.body,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

/// The API in this process. While it lives, no node starts on the same `data_dir`.
pub(super) struct Here {
    api: Api,
    backend: Behind,
    key: AccessKey,
    config: Config,
    /// `None` when there is no `data_dir` yet: then nothing is written; or when a node has it.
    _lock: Option<File>,
}

/// What the API works on.
enum Behind {
    /// The database.
    Store(Box<NodeBackend>),
    /// There is none, and reads make none: the configuration file is all there is.
    FileAlone(FileAlone),
}

impl Here {
    /// `lock` is the directory's, which says that no node runs; without it, one that runs takes over
    /// what is written. `makes` says whether a database is made when it is missing.
    pub(super) fn new(config: &Config, lock: Option<File>, makes: bool) -> Result<Here, String> {
        let mut token_key = [0; 32];
        getrandom::fill(&mut token_key).map_err(no_luck)?;
        // Nobody else asks here.
        let settings = settings(config, u32::MAX / 4, token_key);
        let is_there = config.node.data_dir.join(directory_store::FILE).exists();
        let (state, key, backend) = if is_there || makes {
            let live = LiveDirectory::of(config, Some(Journal::open(config)?));
            let journal = live.take_journal().ok_or("the database was read, and is gone")?;
            let key = access_key(journal.store.master());
            let keys = Keys::new(journal.store, Ipv4Addr::LOCALHOST.into());
            let mut backend = NodeBackend::new(keys, journal.generation, live, (None, None, None));
            backend.ask_from(Ipv4Addr::LOCALHOST.into());
            (journal.state, key, Behind::Store(Box::new(backend)))
        } else {
            let mut secret = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *secret).map_err(no_luck)?;
            let key = key_of(&secret);
            let directory = Arc::clone(&config.directory);
            let file = FileAlone { key: key.clone(), directory };
            (State::default(), key, Behind::FileAlone(file))
        };
        let numbers = privacy::of_audit(config)?;
        let api = Api::new(settings, state)
            .with_orders_kept(config.retention.orders_days())
            .with_meetings_of_file(super::meetings_of_file(config))
            .with_numbers(Arc::new(move |number| numbers.user(number).into_owned()));
        Ok(Here { api, backend, key, config: config.clone(), _lock: lock })
    }

    pub(super) fn ask(&mut self, composed: &Composed) -> Result<Reply, Failure> {
        let headers = signed(&self.key, composed, "localhost", &self.config.node.region);
        let ids = server::uuid().and_then(|id| Ok((id, server::uuid()?)));
        let (request_id, event_id) =
            ids.map_err(|error| Failure::Way(format!("no random numbers: {error}")))?;
        let ids = Ids { request: &request_id, event: &event_id };
        let request = request(composed, &headers);
        let backend: &mut dyn Backend = match &mut self.backend {
            Behind::Store(backend) => &mut **backend,
            Behind::FileAlone(file) => file,
        };
        let answer = self.api.handle(now(), ids, &request, backend);
        if let Some(line) = &answer.audit
            && let Err(error) = append(&self.config.node.data_dir, line)
        {
            // What was asked for is done: that it is not written down is no failure of it.
            crate::commands::complain(format_args!(
                "{AUDIT_FILE}: the request is not in it: {error}"
            ));
        }
        let exception = answer.headers.iter().find(|(name, _)| *name == "x-amzn-ErrorType");
        let exception = exception.map(|(_, value)| value.as_str());
        Reply::of(answer.status, exception, &answer.body)
    }
}

fn no_luck(error: getrandom::Error) -> String {
    format!("no random numbers from the system: {error}")
}

/// The configuration file behind the API, for reads.
struct FileAlone {
    key: AccessKey,
    directory: Arc<Snapshot>,
}

impl KeySource for FileAlone {
    fn find(&self, id: &str) -> Result<Option<AccessKey>, KeySourceFault> {
        Ok((id == self.key.id).then(|| self.key.clone()))
    }
}

impl Backend for FileAlone {
    fn directory(&self) -> Arc<Snapshot> {
        Arc::clone(&self.directory)
    }

    fn random(&mut self) -> Option<u128> {
        None
    }

    fn commit(&mut self, _: &[Change], _: Option<Made>) -> Result<(), CommitFault> {
        Err(CommitFault::Journal)
    }
}

/// A line of the audit, where the directory is there already.
fn append(data_dir: &Path, line: &[u8]) -> std::io::Result<()> {
    let path = data_dir.join(AUDIT_FILE);
    if !data_dir.exists() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    // One write: a line is whole or not there.
    file.write_all(&[line, b"\n"].concat())
}

/// Whether a node runs on the directory.
pub(super) enum Claimed {
    /// One does.
    ByNode,
    /// None does, and none can start while the file is held; `None` when there is no directory yet.
    ByUs(Option<File>),
}

/// Takes the directory, if no node has it; `makes` says whether it is made when it is missing.
pub(super) fn claim(data_dir: &Path, makes: bool) -> Result<Claimed, String> {
    let lock = data_dir.join(node::LOCK_FILE);
    if !lock.exists() && !makes {
        return Ok(Claimed::ByUs(None));
    }
    let file = match node::try_claim(data_dir).map_err(|error| error.to_string())? {
        Some(file) => file,
        None => return Ok(Claimed::ByNode),
    };
    let us = rustix::process::geteuid().as_raw();
    match std::fs::metadata(&lock).map(|lock| lock.uid()) {
        Ok(owner) if owner != us => Err(of_other(data_dir, owner, "or start the node first")),
        _ => Ok(Claimed::ByUs(Some(file))),
    }
}

fn of_other(data_dir: &Path, owner: u32, otherwise: &str) -> String {
    let (us, data_dir) = (rustix::process::geteuid().as_raw(), data_dir.display());
    format!(
        "{data_dir}: user {owner} runs the node here, and user {us} would leave files that it cannot write: \
         ask as that user, with `sudo -u '#{owner}'`, {otherwise}"
    )
}

/// Whether this user may write beside the node that has the directory.
pub(super) fn may_write_beside(data_dir: &Path) -> Result<(), String> {
    let lock = data_dir.join(node::LOCK_FILE);
    match std::fs::metadata(lock).map(|lock| lock.uid()) {
        Ok(owner) if owner != rustix::process::geteuid().as_raw() => {
            Err(of_other(data_dir, owner, "or add [api] to the configuration and restart the node"))
        }
        _ => Ok(()),
    }
}

/// How a command writes into the database.
pub(crate) enum Alone {
    /// No node runs, and none can start while the file is held.
    Yes {
        /// The lock; `None` where there is nothing to be locked.
        _lock: Option<File>,
    },
    /// One runs, and takes over what is written within a second.
    BesideNode,
}

/// Takes the directory for a command that writes into the database itself, and makes it when it is
/// missing.
///
/// # Errors
/// In words.
pub(crate) fn claim_to_write(data_dir: &Path) -> Result<Alone, String> {
    match claim(data_dir, true)? {
        Claimed::ByUs(lock) => Ok(Alone::Yes { _lock: lock }),
        Claimed::ByNode => may_write_beside(data_dir).map(|()| Alone::BesideNode),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control_api::NewAccessKey;
    use directory_store::DirectoryStore;
    use std::path::PathBuf;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Scratch {
            let name = format!("tandem-local-{:016x}", getrandom::u64().unwrap());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir(&path).unwrap();
            Scratch(path)
        }

        fn store(&self) -> DirectoryStore {
            let fill = |octets: &mut [u8; 32]| {
                getrandom::fill(octets).map_err(|error| std::io::Error::other(error.to_string()))
            };
            DirectoryStore::open(&self.0, fill).unwrap()
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_local_key_is_good_on_this_host_alone() {
        let scratch = Scratch::new();
        let listen: IpAddr = "192.0.2.1".parse().unwrap();
        let keys = Keys::new(scratch.store(), listen);
        let found = |source: &str| {
            keys.asked_from(source.parse().unwrap()).find(KEY_ID).unwrap().map(|key| key.secret)
        };
        let secret = access_key(&MasterKey::read(&scratch.0).unwrap()).secret;
        for here in ["127.0.0.1", "127.8.8.8", "::1", "192.0.2.1"] {
            assert_eq!(found(here).as_ref(), Some(&secret), "{here}");
        }
        for elsewhere in ["192.0.2.2", "0.0.0.0", "2001:db8::1", "::"] {
            assert_eq!(found(elsewhere), None, "{elsewhere}");
        }
        assert!(NewAccessKey::is_id(KEY_ID) && KEY_ID.starts_with(NewAccessKey::PREFIX));
        assert!(secret.len() == 64 && !secret.contains(&"0".repeat(16)));
        // Another key file makes another key.
        let other = Scratch::new();
        assert_ne!(access_key(other.store().master()).secret, secret);
    }

    #[test]
    fn a_directory_is_claimed_by_one() {
        let scratch = Scratch::new();
        assert!(
            matches!(claim(&scratch.0, false), Ok(Claimed::ByUs(None))),
            "looking makes nothing"
        );
        let Ok(Claimed::ByUs(Some(held))) = claim(&scratch.0, true) else { panic!("not ours") };
        assert!(matches!(claim(&scratch.0, false), Ok(Claimed::ByNode)));
        assert!(matches!(claim_to_write(&scratch.0), Ok(Alone::BesideNode)));
        drop(held);
        assert!(matches!(claim_to_write(&scratch.0), Ok(Alone::Yes { _lock: Some(_) })));
    }
}
