//! What handshakes use, swapped as a whole when a file or the directory changes.

use super::failure::Tally;
use super::files::{self, Pair, Stamp, TlsFileError};
use super::judge::Judge;
use super::server::{self, Certificates};
use super::{EXPIRY_WARNING_SECONDS, client, provider, self_signed};
use crate::clock::unix_seconds;
use arc_swap::ArcSwap;
use directory::{ClientCertificate, KeyPairFiles, Snapshot, TlsPolicy};
use model::TransportProtocol;
use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One host name with a certificate of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsHost {
    /// The name that peers ask for (SNI), in lower case; `*.example.com` stands for one label.
    pub name: Arc<str>,
    /// Its chain and key.
    pub files: KeyPairFiles,
}

/// Settings of TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsSettings {
    /// The chain and key for everybody who asks for no name of `hosts`; `None` makes a self-signed
    /// pair for `domain` in `data_dir`.
    pub certificate: Option<KeyPairFiles>,
    /// Host names with certificates of their own.
    pub hosts: Vec<TlsHost>,
    /// For the self-signed certificate.
    pub domain: String,
    /// Names that it is for, beside the domain and those of voice connectors.
    pub names: Vec<String>,
    /// A kept one that is not for `names` is made anew, which peers notice that have pinned it.
    pub needs_names: bool,
    /// Where that is kept.
    pub data_dir: PathBuf,
    /// How often files are looked at for changes.
    pub poll: Duration,
}

impl TlsSettings {
    /// A self-signed certificate for `domain`, kept in `data_dir`.
    pub fn new(domain: impl Into<String>, data_dir: impl Into<PathBuf>) -> TlsSettings {
        TlsSettings {
            certificate: None,
            hosts: Vec::new(),
            domain: domain.into(),
            names: Vec::new(),
            needs_names: true,
            data_dir: data_dir.into(),
            poll: Duration::from_secs(10),
        }
    }
}

/// A certificate that is in use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateStatus {
    /// `default`, the host name that it is shown for, or the file that we show as a client.
    pub name: Arc<str>,
    /// Seconds since 1970 when it ends.
    pub not_after: i64,
}

impl CertificateStatus {
    /// How long it is still valid, in seconds; negative when it has ended.
    pub fn seconds_left(&self) -> i64 {
        self.not_after.saturating_sub(unix_seconds())
    }
}

/// What a handshake needs.
pub(crate) struct Loaded {
    pub(crate) server: Arc<ServerConfig>,
    /// For browsers, which would ask their user for a certificate.
    web: Arc<ServerConfig>,
    clients: HashMap<Arc<TlsPolicy>, Arc<ClientConfig>>,
    pub(crate) judges: Vec<Judge>,
    certificates: Vec<CertificateStatus>,
}

impl Loaded {
    pub(crate) fn client(&self, policy: &TlsPolicy) -> Option<&Arc<ClientConfig>> {
        self.clients.get(policy)
    }
}

/// The certificates that are shown, as they are now, for a server of pages.
#[derive(Clone)]
pub struct WebTls {
    pub(crate) tls: Arc<Tls>,
}

impl WebTls {
    /// For the next connection: HTTP/1.1, without a question for the peer's certificate.
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.tls.loaded().web)
    }
}

/// TLS of one worker.
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    tickets: Arc<dyn ProducesTickets>,
    settings: TlsSettings,
    default: KeyPairFiles,
    loaded: ArcSwap<Loaded>,
    sources: Mutex<Sources>,
    pub(crate) tally: Tally,
    pub(crate) complaints: super::handshake::Complaints,
}

/// Authorities as they were read.
type Authorities = (Arc<RootCertStore>, Option<Stamp>);

/// What was read, with the state of each file at that time.
#[derive(Default)]
struct Sources {
    /// Each once.
    policies: Vec<Arc<TlsPolicy>>,
    /// Who vouches for certificates that peers are asked for, each once; `None` for the system's.
    demands: Vec<Option<Arc<Path>>>,
    pairs: HashMap<KeyPairFiles, (Pair, [Option<Stamp>; 2])>,
    roots: HashMap<Option<Arc<Path>>, Authorities>,
    /// Files that could not be taken, so that each is complained about once for each change.
    refused: HashMap<PathBuf, Option<Stamp>>,
}

impl Tls {
    /// Reads everything that `settings` and `directory` name.
    ///
    /// # Errors
    /// The first file that is not as it must be.
    pub(crate) fn start(settings: TlsSettings, directory: &Snapshot) -> Result<Tls, TlsFileError> {
        let provider = provider();
        let general = |error: rustls::Error| TlsFileError { path: None, reason: error.to_string() };
        let default = match &settings.certificate {
            Some(files) => files.clone(),
            None => self_signed::self_signed(&settings, unix_seconds())?,
        };
        let tickets = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(general)?;
        let mut sources = Sources::default();
        sources.follow(directory);
        if let Some(error) = sources.read(&settings, &default, &provider).into_iter().next() {
            return Err(error);
        }
        let loaded = sources.build(&settings, &default, &provider, &tickets).map_err(general)?;
        let tls = Tls {
            provider,
            tickets,
            settings,
            default,
            loaded: ArcSwap::from_pointee(loaded),
            sources: Mutex::new(sources),
            tally: Tally::default(),
            complaints: Default::default(),
        };
        tls.warn_of_expiry();
        Ok(tls)
    }

    pub(crate) fn loaded(&self) -> Arc<Loaded> {
        self.loaded.load_full()
    }

    pub(crate) const fn poll(&self) -> Duration {
        self.settings.poll
    }

    /// Takes the policies of another directory, and looks at every file. Where nothing has changed,
    /// nothing is built: a directory follows each write of the control API.
    pub(crate) fn follow(&self, directory: &Snapshot) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.follow(directory)
            || !sources.refused.is_empty()
            || sources.is_stale(&self.settings, &self.default)
        {
            self.renew(&mut sources);
        }
    }

    /// Looks whether a file has changed, and takes it when it is good. A bad one changes nothing.
    pub(crate) fn refresh(&self) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.is_stale(&self.settings, &self.default) {
            self.renew(&mut sources);
        }
    }

    fn renew(&self, sources: &mut Sources) {
        for error in sources.read(&self.settings, &self.default, &self.provider) {
            tracing::error!(%error, "a TLS file is not taken; what was read before stays in use");
        }
        match sources.build(&self.settings, &self.default, &self.provider, &self.tickets) {
            Ok(loaded) => {
                let changed = self.loaded.load().certificates != loaded.certificates;
                self.loaded.store(Arc::new(loaded));
                if changed {
                    tracing::info!("TLS certificates were read again");
                    self.warn_of_expiry();
                }
            }
            Err(error) => tracing::error!(%error, "TLS settings cannot be used"),
        }
    }

    /// The certificates that we show.
    pub(crate) fn certificates(&self) -> Vec<CertificateStatus> {
        self.loaded.load().certificates.clone()
    }

    /// Says which certificates end soon.
    pub(crate) fn warn_of_expiry(&self) {
        for certificate in &self.loaded.load().certificates {
            let left = certificate.seconds_left();
            if left < EXPIRY_WARNING_SECONDS {
                tracing::warn!(
                    certificate = %certificate.name,
                    days_left = left.div_euclid(86_400),
                    "a TLS certificate ends soon or has ended: put a new one into its file"
                );
            }
        }
    }
}

impl Sources {
    /// Takes from the directory which files are needed; whether they are others than before.
    fn follow(&mut self, directory: &Snapshot) -> bool {
        let (mut policies, mut demands) = (Vec::new(), Vec::new());
        for carrier in directory.carriers() {
            let demand = &carrier.client_certificate;
            if may_be_tls(carrier.transport, carrier.choose_transport)
                || demand.demand != ClientCertificate::Off
            {
                policies.push(&carrier.tls);
            }
            demands.push(demand);
        }
        for connector in directory.voice_connectors() {
            let routes = connector.origination.routes.iter();
            let tls = routes.filter(|route| may_be_tls(route.protocol, route.choose_transport));
            policies.extend(tls.map(|route| &route.tls));
            demands.extend(connector.termination.iter().map(|t| &t.client_certificate));
        }
        let (mut seen, mut judges) = (HashSet::new(), HashSet::new());
        policies.retain(|policy| seen.insert(*policy));
        let asking = demands.into_iter().filter(|policy| policy.demand != ClientCertificate::Off);
        let demands = asking.map(|policy| &policy.ca).filter(|ca| judges.insert(*ca));
        let next = (
            policies.into_iter().map(Arc::clone).collect::<Vec<_>>(),
            demands.cloned().collect::<Vec<_>>(),
        );
        let is_same = (&self.policies, &self.demands) == (&next.0, &next.1);
        (self.policies, self.demands) = next;
        !is_same
    }

    fn wanted_pairs<'a>(
        &'a self,
        settings: &'a TlsSettings,
        default: &'a KeyPairFiles,
    ) -> impl Iterator<Item = &'a KeyPairFiles> {
        std::iter::once(default)
            .chain(settings.hosts.iter().map(|host| &host.files))
            .chain(self.policies.iter().filter_map(|policy| policy.certificate.as_ref()))
    }

    fn wanted_roots(&self) -> impl Iterator<Item = &Option<Arc<Path>>> {
        let ours = self.policies.iter().filter(|policy| policy.verify).map(|policy| &policy.ca);
        ours.chain(&self.demands)
    }

    fn is_stale(&self, settings: &TlsSettings, default: &KeyPairFiles) -> bool {
        self.wanted_pairs(settings, default).any(|files| {
            self.pairs.get(files).is_none_or(|(_, stamps)| *stamps != pair_stamps(files))
                && !self.is_refused(&files.certificate, &files.key)
        }) || self.wanted_roots().flatten().any(|path| {
            let known = self.roots.get(&Some(Arc::clone(path)));
            known.is_none_or(|(_, stamp)| *stamp != files::stamp(path))
                && !self.is_refused(path, path)
        })
    }

    fn is_refused(&self, one: &Path, other: &Path) -> bool {
        [one, other]
            .iter()
            .any(|path| self.refused.get(*path).is_some_and(|stamp| *stamp == files::stamp(path)))
    }

    /// Reads what is wanted and not read yet, or has changed since. What cannot be read stays as it
    /// was.
    fn read(
        &mut self,
        settings: &TlsSettings,
        default: &KeyPairFiles,
        provider: &CryptoProvider,
    ) -> Vec<TlsFileError> {
        let mut errors = Vec::new();
        self.refused.clear();
        let pairs: Vec<KeyPairFiles> = self.wanted_pairs(settings, default).cloned().collect();
        for wanted in &pairs {
            // Before reading: a change in between is then seen the next time.
            let stamps = pair_stamps(wanted);
            if self.pairs.get(wanted).is_some_and(|(_, known)| *known == stamps) {
                continue;
            }
            match files::read_pair(wanted, provider) {
                Ok(pair) => {
                    self.pairs.insert(wanted.clone(), (pair, stamps));
                }
                Err(error) => {
                    self.refused.extend(
                        [&wanted.certificate, &wanted.key]
                            .map(|p| (p.to_path_buf(), files::stamp(p))),
                    );
                    errors.push(error);
                }
            }
        }
        let roots: Vec<Option<Arc<Path>>> = self.wanted_roots().cloned().collect();
        for wanted in roots {
            let stamp = wanted.as_deref().and_then(files::stamp);
            if self.roots.get(&wanted).is_some_and(|(_, known)| *known == stamp) {
                continue;
            }
            match files::read_roots(wanted.as_deref()) {
                Ok(store) => {
                    self.roots.insert(wanted, (store, stamp));
                }
                Err(error) => {
                    self.refused.extend(wanted.map(|path| (path.to_path_buf(), stamp)));
                    errors.push(error);
                }
            }
        }
        self.pairs.retain(|files, _| pairs.contains(files));
        errors
    }

    fn build(
        &self,
        settings: &TlsSettings,
        default: &KeyPairFiles,
        provider: &Arc<CryptoProvider>,
        tickets: &Arc<dyn ProducesTickets>,
    ) -> Result<Loaded, rustls::Error> {
        let pair = |files: &KeyPairFiles| self.pairs.get(files).map(|(pair, _)| pair);
        let missing = || rustls::Error::General("the default certificate is missing".to_owned());
        let shown = pair(default).ok_or_else(missing)?;
        let mut certificates =
            vec![CertificateStatus { name: "default".into(), not_after: shown.not_after }];
        let mut hosts = Vec::new();
        for host in &settings.hosts {
            if let Some(pair) = pair(&host.files) {
                let (name, not_after) = (Arc::clone(&host.name), pair.not_after);
                certificates.push(CertificateStatus { name, not_after });
                hosts.push((Arc::clone(&host.name), pair.clone()));
            }
        }
        let mut clients = HashMap::new();
        for policy in &self.policies {
            let roots = match policy.verify {
                true => match self.roots.get(&policy.ca) {
                    Some((roots, _)) => Some(Arc::clone(roots)),
                    // Without authorities nothing can be verified, so nothing is opened.
                    None => continue,
                },
                false => None,
            };
            let shown = match &policy.certificate {
                Some(files) => match pair(files) {
                    Some(pair) => Some((files, pair)),
                    None => continue,
                },
                None => None,
            };
            if let Some((files, pair)) = shown {
                let (name, not_after) = (files.certificate.display().to_string(), pair.not_after);
                certificates.push(CertificateStatus { name: name.into(), not_after });
            }
            let config = client::config(provider, roots, shown.map(|(_, pair)| pair))?;
            clients.insert(Arc::clone(policy), config);
        }
        let mut judges: Vec<Judge> = Vec::new();
        for ca in &self.demands {
            if let Some((roots, _)) = self.roots.get(ca) {
                judges.push(Judge::new(provider, ca.clone(), roots)?);
            }
        }
        let ask = !self.demands.is_empty();
        let shown = Arc::new(Certificates::new(shown, hosts));
        let server = server::config(provider, Arc::clone(&shown), tickets, ask)?;
        let mut web = server::config(provider, shown, tickets, false)?;
        web.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (server, web) = (Arc::new(server), Arc::new(web));
        Ok(Loaded { server, web, clients, judges, certificates })
    }
}

/// Whether a peer is reached over TLS, or the DNS may say so (RFC 3263 section 4.1).
fn may_be_tls(protocol: TransportProtocol, dns_chooses: bool) -> bool {
    dns_chooses || protocol == TransportProtocol::Tls
}

fn pair_stamps(files: &KeyPairFiles) -> [Option<Stamp>; 2] {
    [files::stamp(&files.certificate), files::stamp(&files.key)]
}
