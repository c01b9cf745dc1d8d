//! What the system says about names: `/etc/resolv.conf` and `/etc/hosts`, read again when they
//! change.

use sip_proto::locate::{Question, Record, RecordKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Name servers that are asked (resolv.conf(5) has three; a container's file may name more).
const MAX_SERVERS: usize = 8;
/// Domains that a single label is looked up in.
const MAX_SEARCH: usize = 6;

/// Whom to ask, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Servers {
    pub(super) addresses: Vec<SocketAddr>,
    /// Domains that a name of one label is looked up in first.
    pub(super) search: Vec<String>,
    /// How long one server has for one answer.
    pub(super) timeout: Duration,
    /// How often all are asked.
    pub(super) attempts: u32,
}

impl Servers {
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Servers {
        Servers { addresses, search: Vec::new(), timeout: Duration::from_secs(1), attempts: 3 }
    }

    /// Reads resolv.conf(5): `nameserver`, `domain`, `search`, and the options `timeout` and
    /// `attempts`. What is not understood is passed over, as the system's own resolver does.
    pub(super) fn parse(text: &str) -> Servers {
        let mut servers = Servers::new(Vec::new());
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    servers.addresses.extend(address.map(|ip| SocketAddr::new(ip, 53)));
                }
                // The last of the two counts.
                Some("domain" | "search") => {
                    let domains = words.map(|word| word.trim_end_matches('.').to_owned());
                    servers.search = domains.filter(|d| !d.is_empty()).take(MAX_SEARCH).collect();
                }
                Some("options") => words.for_each(|word| servers.option(word)),
                _ => {}
            }
        }
        servers.addresses.truncate(MAX_SERVERS);
        if servers.addresses.is_empty() {
            servers.addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 53)));
        }
        servers
    }

    fn option(&mut self, word: &str) {
        let Some((name, Ok(value))) = word.split_once(':').map(|(n, v)| (n, v.parse::<u32>()))
        else {
            return;
        };
        match name {
            "timeout" => self.timeout = Duration::from_secs(u64::from(value.clamp(1, 5))),
            "attempts" => self.attempts = value.clamp(1, 5),
            _ => {}
        }
    }

    /// The names to ask about, one after the other until one is there.
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        let mut names = Vec::new();
        if !name.contains('.') {
            names.extend(self.search.iter().map(|domain| [name, ".", domain].concat()));
        }
        names.push(name.to_owned());
        names
    }
}

/// The names of `/etc/hosts`.
#[derive(Default, Debug)]
pub(super) struct Hosts {
    entries: Vec<(IpAddr, Vec<String>)>,
}

impl Hosts {
    pub(super) fn parse(text: &str) -> Hosts {
        let entry = |line: &str| {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let ip = words.next()?.parse().ok()?;
            Some((ip, words.map(str::to_ascii_lowercase).collect()))
        };
        Hosts { entries: text.lines().filter_map(entry).collect() }
    }

    /// What the file says in answer to a question; `None` when it does not know the name. One that
    /// it knows by addresses of the other family has none of this one.
    pub(super) fn answer(&self, question: &Question) -> Option<Vec<Record>> {
        let v4 = match question.kind {
            RecordKind::A => true,
            RecordKind::Aaaa => false,
            RecordKind::Naptr | RecordKind::Srv => return None,
        };
        let of_name = |names: &[String]| names.iter().any(|name| **name == *question.name);
        let mut found: Vec<IpAddr> =
            self.entries.iter().filter(|(_, names)| of_name(names)).map(|(ip, _)| *ip).collect();
        if found.is_empty() && is_localhost(&question.name) {
            // RFC 6761 section 6.3: never the DNS's business.
            found = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        if found.is_empty() {
            return None;
        }
        Some(found.into_iter().filter(|ip| ip.is_ipv4() == v4).map(Record::Address).collect())
    }
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// A file of the system's, in the form that it has been read to.
pub(super) struct Watched<T> {
    path: PathBuf,
    parse: fn(&str) -> T,
    read: Mutex<Option<(Option<SystemTime>, Arc<T>)>>,
}

impl<T> Watched<T> {
    pub(super) fn new(path: impl AsRef<Path>, parse: fn(&str) -> T) -> Watched<T> {
        Watched { path: path.as_ref().to_owned(), parse, read: Mutex::new(None) }
    }

    /// What the file says now. One that is not there says nothing.
    pub(super) fn get(&self) -> Arc<T> {
        let modified = std::fs::metadata(&self.path).and_then(|file| file.modified()).ok();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, value)) = &*read
            && *at == modified
        {
            return Arc::clone(value);
        }
        let text = std::fs::read(&self.path).unwrap_or_default();
        let value = Arc::new((self.parse)(&String::from_utf8_lossy(&text)));
        *read = Some((modified, Arc::clone(&value)));
        value
    }
}
