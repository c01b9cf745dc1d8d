//! The control API's shell: its listener, connections, clock and database. What it answers is
//! `control_api`'s.
//!
//! A thread of its own serves it, so that whatever happens here touches no call.

mod audit;
mod backend;
mod client;
mod keys;
mod local;
mod server;

pub(crate) use client::{Asked, Client, Failure, Reply};
pub(crate) use keys::{KeySummary, delete_key, list_keys, make_key};
pub(crate) use local::{Alone, claim_to_write};

use crate::clock::Origin;
use crate::config::{Config, RoomsSection};
use crate::live_directory::Journal;
use crate::node::Node;
use crate::privacy;
use audit::AuditTrail;
use backend::NodeBackend;
use control_api::{Api, Settings};
use directory_store::DirectoryStore;
use server::{Served, Server};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::oneshot;

/// How long requests under way may still take when the node stops.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// What the API's MAC for pagination tokens is derived for.
const PAGE_TOKENS: &str = "page tokens of the control API";

/// A control API that is served; dropping it stops it.
pub(crate) struct ControlApi {
    server: Arc<Server>,
    address: SocketAddr,
    is_tls: bool,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A key that was made at the node's first start; it is shown once.
pub(crate) struct FirstKey {
    pub(crate) id: String,
    pub(crate) secret: zeroize::Zeroizing<String>,
}

/// Starts it, when the configuration has `[api]`.
///
/// # Errors
/// In words: the address is taken, or the certificate cannot be used. A database that cannot be used is
/// logged, and then nothing is served.
pub(crate) fn start(node: &Node) -> Result<Option<(ControlApi, Option<FirstKey>)>, String> {
    let config = node.config();
    let Some(api) = &config.api else { return Ok(None) };
    // Calls need none of it: a damaged database must not keep an edge from starting.
    let journal = node.directory().take_journal().map_or_else(|| Journal::open(config), Ok);
    let opened = journal.and_then(|mut journal| {
        let first = keys::make_first(&mut journal.store)?;
        Ok((first, journal))
    });
    let (first, Journal { store, state, generation }) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::error!("the control API is not served, calls are: {error}");
            return Ok(None);
        }
    };
    let settings = settings(config, api.requests_per_second, store.master().derive(PAGE_TOKENS));
    let numbers = privacy::of_audit(config)?;
    let tls = api.tls.as_ref().map(|files| sip_edge::tls::self_signed_server(&[], Some(files)));
    let tls = tls.transpose().map_err(|error| format!("[api] {error}"))?;
    let listener = std::net::TcpListener::bind(api.listen).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok((listener.local_addr()?, listener))
    });
    let (address, listener) = listener.map_err(|error| {
        let advice = crate::listening::advice(error.kind());
        format!("[api] listen \"{}\": {error}; {advice}", api.listen)
    })?;
    let is_tls = tls.is_some();
    let served = Served {
        api: Api::new(settings, state)
            .with_unproven_rate(api.unproven_per_second)
            .with_orders_kept(config.retention.orders_days())
            .with_meetings_of_file(meetings_of_file(config))
            .with_numbers(Arc::new(move |number| numbers.user(number).into_owned())),
        backend: NodeBackend::new(
            keys::Keys::new(store, api.listen.ip()),
            generation,
            node.directory(),
            (Some(node.view()), Some(node.asked_applications()), Some(node.rooms())),
        ),
        audit: AuditTrail::new(config, node.file_sender(), node.event_sink()),
        view: node.view(),
    };
    let server = Server::new(served, tls, api.max_connections);
    let (stop, stopped) = oneshot::channel();
    let thread = spawn(listener, Arc::clone(&server), stopped)
        .map_err(|error| format!("[api] the control API cannot be started: {error}"))?;
    let (stop, thread) = (Some(stop), Some(thread));
    let control_api = ControlApi { server, address, is_tls, stop, thread };
    Ok(Some((control_api, first)))
}

/// The meetings of `[[rooms.meeting]]`.
fn meetings_of_file(config: &Config) -> Vec<room_core::MeetingRecord> {
    config.rooms.as_ref().map(RoomsSection::records).unwrap_or_default()
}

fn settings(config: &Config, requests_per_second: u32, token_key: [u8; 32]) -> Settings {
    Settings {
        region: config.node.region.clone(),
        account_id: config.node.account_id.clone(),
        cdr_bucket: config.sinks.s3.as_ref().map(|sink| sink.config.bucket.clone()),
        requests_per_second,
        token_key,
    }
}

/// Opens the directory's database of a configuration.
pub(crate) fn open_store(config: &Config) -> Result<DirectoryStore, String> {
    let random = |octets: &mut [u8; 32]| {
        getrandom::fill(octets).map_err(|error| io::Error::other(error.to_string()))
    };
    DirectoryStore::open(&config.node.data_dir, random).map_err(|error| error.to_string())
}

fn spawn(
    listener: std::net::TcpListener,
    server: Arc<Server>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("control-api".into()).spawn(move || {
        runtime.block_on(async {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => server.run(listener, stopped).await,
                Err(error) => tracing::error!(%error, "the control API is not served"),
            }
        });
        runtime.shutdown_timeout(STOP_LIMIT);
    })
}

impl ControlApi {
    /// Where it is served, for people and `--endpoint-url`.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address)
    }

    /// Answers nobody any more. Meetings that have ended for good by then are removed.
    pub(crate) fn close(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let Some(thread) = self.thread.take() else { return };
        if thread.join().is_err() {
            tracing::error!("the thread of the control API ended by a panic");
        }
        self.remove_ended();
    }

    /// Removes meetings that have ended for good since that was done last.
    pub(crate) fn remove_ended(&self) {
        self.server.remove_ended();
    }
}

impl Drop for ControlApi {
    fn drop(&mut self) {
        self.close();
    }
}

/// For how long something takes.
fn monotonic() -> std::time::Instant {
    Origin::now().monotonic
}

/// The calendar.
fn now() -> model::UnixTime {
    Origin::now().calendar
}
