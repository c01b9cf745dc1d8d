//! Connections: HTTP/1.1 with bounds on everything, over TCP or TLS.

use super::audit::AuditTrail;
use super::backend::NodeBackend;
use super::{STOP_LIMIT, monotonic, now};
use call_metrics::{ApiRequest, RecorderView};
use control_api::{
    Answer, Api, ApiError, Backend as _, ErrorKind, Ids, MAX_BODY_BYTES, Request, RequestKind,
};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use model::TransactionId;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_rustls::TlsAcceptor;

/// Longest head of a request, in octets, and most headers.
const HEAD_MAX: usize = 32 * 1024;
const HEADERS_MAX: usize = 64;
/// How long a head, and how long a body may take; a connection that rests longer is closed.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
const BODY_LIMIT: Duration = Duration::from_secs(15);
/// How long a TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);
/// A connection lives no longer, so that slow readers cannot keep all of them.
const CONNECTION_LIMIT: Duration = Duration::from_secs(10 * 60);
/// How often meetings are removed that have ended for good.
const ENDED_INTERVAL: Duration = Duration::from_secs(2);
/// After a failure of accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What answers.
pub(super) struct Served {
    pub(super) api: Api,
    pub(super) backend: NodeBackend,
    pub(super) audit: AuditTrail,
    pub(super) view: RecorderView,
}

pub(super) struct Server {
    /// One thread serves all connections: the lock is never waited for.
    served: Mutex<Served>,
    tls: Option<TlsAcceptor>,
    /// Connections that there may still be; when there are none, the others wait in the backlog.
    room: Arc<Semaphore>,
}

impl Server {
    pub(super) fn new(
        served: Served,
        tls: Option<Arc<rustls::ServerConfig>>,
        max_connections: usize,
    ) -> Arc<Server> {
        let room = Arc::new(Semaphore::new(max_connections));
        Arc::new(Server { served: Mutex::new(served), tls: tls.map(TlsAcceptor::from), room })
    }

    /// Serves until it is told to stop; then requests under way may finish for a moment.
    pub(super) async fn run(
        self: Arc<Self>,
        listener: TcpListener,
        mut stopped: oneshot::Receiver<()>,
    ) {
        // Every connection holds a receiver: the sender sees when the last one is gone.
        let (stopping, stop) = watch::channel(());
        let mut ended = tokio::time::interval(ENDED_INTERVAL);
        ended.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = async {
                let room = Arc::clone(&self.room).acquire_owned().await;
                (room, listener.accept().await)
            };
            let (room, accepted) = tokio::select! {
                _ = &mut stopped => break,
                _ = ended.tick() => {
                    self.remove_ended();
                    continue;
                }
                next = next => next,
            };
            let Ok(room) = room else { break };
            match accepted {
                Ok((stream, peer)) => {
                    let (server, stop) = (Arc::clone(&self), stop.clone());
                    tokio::spawn(server.connection(stream, peer.ip().to_canonical(), stop, room));
                }
                Err(error) => {
                    tracing::debug!(%error, "control API: a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((listener, stop));
        let _ = stopping.send(());
        let _ = tokio::time::timeout(STOP_LIMIT, stopping.closed()).await;
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        source: IpAddr,
        stop: watch::Receiver<()>,
        _room: OwnedSemaphorePermit,
    ) {
        let _ = stream.set_nodelay(true);
        let lived = async {
            match &self.tls {
                None => Arc::clone(&self).serve(stream, source, stop).await,
                Some(tls) => {
                    match tokio::time::timeout(HANDSHAKE_LIMIT, tls.accept(stream)).await {
                        Ok(Ok(stream)) => Arc::clone(&self).serve(stream, source, stop).await,
                        Ok(Err(error)) => Err(error.to_string()),
                        Err(_) => Err("the TLS handshake takes too long".to_owned()),
                    }
                }
            }
        };
        if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_LIMIT, lived).await {
            tracing::debug!(error, "control API: a connection ended");
        }
    }

    async fn serve(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        source: IpAddr,
        mut stop: watch::Receiver<()>,
    ) -> Result<(), String> {
        let service = service_fn(move |request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(request, source).await) }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .max_buf_size(HEAD_MAX)
            .max_headers(HEADERS_MAX);
        let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            ended = &mut connection => return ended.map_err(|error| error.to_string()),
            // It is told so, or the sender is gone.
            _ = stop.changed() => connection.as_mut().graceful_shutdown(),
        }
        connection.await.map_err(|error| error.to_string())
    }

    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        source: IpAddr,
    ) -> hyper::Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect();
        let body = match tokio::time::timeout(BODY_LIMIT, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => {
                let message = format!("the body broke off, or is over {MAX_BODY_BYTES} octets");
                return unread(ErrorKind::RequestTooLarge, &message);
            }
            Err(_) => return unread(ErrorKind::BadRequest, "the body takes too long"),
        };
        let headers: Vec<(String, String)> = head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        let request = Request {
            method: head.method.as_str(),
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &headers,
            body: &body,
            source,
        };
        match uuid().and_then(|id| Ok((id, uuid()?))) {
            Ok((request_id, event_id)) => {
                written(self.decide(&request, Ids { request: &request_id, event: &event_id }))
            }
            Err(error) => {
                tracing::error!(%error, "control API: no random numbers from the system");
                unread(ErrorKind::ServiceUnavailable, "no random numbers; see Tandem's log")
            }
        }
    }

    /// Removes meetings that have ended for good; those that cannot be now are the next time.
    pub(super) fn remove_ended(&self) {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let Served { api, backend, .. } = &mut *served;
        if !api.has_meetings_that_end() {
            return;
        }
        let ended = backend.ended_meetings();
        // After that: what has ended because the file has it no more is known by then.
        follow_file(api, backend);
        if ended.is_empty() {
            return;
        }
        if let Some(state) = backend.catch_up() {
            api.replace_state(state);
        }
        if api.remove_ended(now(), &ended, backend).is_ok() {
            backend.ended_removed();
        }
    }

    fn decide(&self, request: &Request<'_>, ids: Ids<'_>) -> Answer {
        // What a panic may have left half done is only counts of rates: drafts are undone.
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let Served { api, backend, audit, view } = &mut *served;
        let (began, now) = (monotonic(), now());
        backend.ask_from(request.source);
        follow_file(api, backend);
        if let Some(state) = backend.catch_up() {
            api.replace_state(state);
        }
        let mut answer = api.handle(now, ids, request, backend);
        if let Some(state) = backend.catch_up() {
            api.replace_state(state);
        }
        view.api_answered(ApiRequest {
            operation: answer.operation,
            outcome: answer.outcome,
            kind: answer.kind.name(),
            took: monotonic().saturating_duration_since(began),
        });
        if !answer.ignored.is_empty() {
            let (operation, ignored) = (answer.operation, answer.ignored.join(", "));
            tracing::debug!(
                operation,
                ignored,
                "control API: members that the model does not know"
            );
        }
        if let Some(record) = answer.audit.take() {
            audit.take(record, answer.kind, ids.event, now);
        }
        answer
    }
}

/// Goes on with the meetings of another configuration file, where there is one.
fn follow_file(api: &mut Api, backend: &mut NodeBackend) {
    if let Some(meetings) = backend.other_file() {
        let held = backend.held_meetings();
        api.set_meetings_of_file(meetings, held.as_deref());
    }
}

fn written(answer: Answer) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::from(answer.body)).unwrap_or_else(|_| {
        let mut failed = hyper::Response::new(Full::default());
        *failed.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        failed
    })
}

/// The refusal of a request that was not read whole; its connection ends with it.
fn unread(kind: ErrorKind, message: &str) -> hyper::Response<Full<Bytes>> {
    let ApiError { kind, message } = ApiError::new(kind, message);
    let body = serde_json::json!({ "Code": kind.code(), "Message": message });
    written(Answer {
        status: kind.status(),
        headers: vec![
            ("x-amzn-ErrorType", kind.exception().to_owned()),
            ("content-type", "application/json".to_owned()),
            ("connection", "close".to_owned()),
        ],
        body: body.to_string().into_bytes(),
        audit: None,
        operation: "",
        outcome: "",
        kind: RequestKind::Other,
        ignored: Vec::new(),
    })
}

/// A UUID of version 4.
pub(super) fn uuid() -> io::Result<String> {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(TransactionId::from_random(u128::from_be_bytes(octets)).to_string())
}
