//! The other end: commands that ask the control API of the node on this host, or the same API in this
//! process when no node runs.

use super::local::{self, Claimed, Here};
use crate::config::Config;
use control_api::{AccessKey, Composed, compose};
use directory_store::MasterKey;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Map, Value};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

/// How long one request may take, connection and all.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// A reply longer than this is none of ours.
const REPLY_MAX: usize = 64 * 1024 * 1024;
/// A node that has just started serves its API a moment later.
const START_TRIES: usize = 50;
/// When the key's rate is used up, as it is by long lists.
const THROTTLED_TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);
/// Most pages of one list.
const PAGES_MAX: usize = 100_000;

/// An answer of success.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Reply {
    /// The body as it came; may be empty.
    pub(crate) text: String,
    /// The same read; an empty object when there is none.
    pub(crate) value: Value,
}

/// Why there is no such answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Failure {
    /// The API refuses: the exception's name and what it says.
    Refused {
        /// Such as `NotFoundException`.
        exception: String,
        /// What is wrong.
        message: String,
    },
    /// Nobody was asked, or what came back is no answer; in words.
    Way(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused { exception, message } => write!(f, "{exception}: {message}"),
            Failure::Way(why) => f.write_str(why),
        }
    }
}

/// Whoever answers operations.
pub(crate) trait Asked {
    /// One operation, once.
    fn ask(&mut self, operation: &str, members: &Map<String, Value>) -> Result<Reply, Failure>;

    /// A list with all of its pages as one, in `entries` of the reply.
    fn ask_all(
        &mut self,
        operation: &str,
        members: &Map<String, Value>,
        entries: &str,
    ) -> Result<Reply, Failure> {
        let mut asked = members.clone();
        let mut all = Vec::new();
        for page in 0..PAGES_MAX {
            let mut reply = self.ask(operation, &asked)?;
            let token = reply.value.get("NextToken").filter(|token| !token.is_null()).cloned();
            if page == 0 && token.is_none() {
                return Ok(reply);
            }
            if let Some(Value::Array(more)) = reply.value.get_mut(entries).map(Value::take) {
                all.extend(more);
            }
            match token {
                Some(token) => asked.insert("NextToken".to_owned(), token),
                None => {
                    let value = Value::Object(Map::from_iter([(entries.to_owned(), all.into())]));
                    return Ok(Reply { text: value.to_string(), value });
                }
            };
        }
        Err(Failure::Way(format!("{operation} has no end after {PAGES_MAX} pages")))
    }
}

/// The API that a configuration names.
pub(crate) struct Client {
    way: Way,
    /// A node runs that cannot be asked: it takes over what is written.
    is_beside: bool,
}

enum Way {
    Node(Box<NodeApi>),
    Here(Box<Here>),
}

impl Client {
    /// The API of the node that runs on the configuration's `data_dir`; without one, the API in this
    /// process. `writes` says whether what is missing may be made.
    pub(crate) fn of(config: &Config, writes: bool) -> Result<Client, String> {
        let data_dir = &config.node.data_dir;
        let claimed = local::claim(data_dir, writes)?;
        let is_beside = matches!(claimed, Claimed::ByNode) && config.api.is_none();
        let way = match claimed {
            Claimed::ByUs(lock) => {
                let makes = writes && lock.is_some();
                // Who only reads keeps nobody out: a key pressed for completion is no reason for that.
                let lock = lock.filter(|_| writes);
                Way::Here(Box::new(Here::new(config, lock, makes)?))
            }
            Claimed::ByNode if is_beside => {
                local::may_write_beside(data_dir)?;
                Way::Here(Box::new(Here::new(config, None, writes)?))
            }
            Claimed::ByNode => Way::Node(Box::new(NodeApi::of(config)?)),
        };
        Ok(Client { way, is_beside })
    }

    /// Whether a node runs that cannot be asked, and takes over what is written within a second.
    pub(crate) fn is_beside_node(&self) -> bool {
        self.is_beside
    }
}

/// Operations about calls: only a node has any.
const OF_CALLS: [&str; 14] = [
    "CreateSipMediaApplicationCall",
    "UpdateSipMediaApplicationCall",
    "LockRoom",
    "UnlockRoom",
    "MuteRoom",
    "UnmuteRoom",
    "AdmitToRoom",
    "PresentInRoom",
    "StopPresentingInRoom",
    "LayOutRoom",
    "StartRoomRecording",
    "StopRoomRecording",
    "EndRoom",
    "CallFromRoom",
];

impl Asked for Client {
    fn ask(&mut self, operation: &str, members: &Map<String, Value>) -> Result<Reply, Failure> {
        let composed = compose(operation, members).map_err(|why| Failure::Way(why.to_string()))?;
        if self.is_beside && OF_CALLS.contains(&operation) {
            return Err(Failure::Way(
                "the node that runs serves no control API, and calls are made and steered by the node \
                 alone: add [api] to its configuration and restart it"
                    .to_owned(),
            ));
        }
        match &mut self.way {
            Way::Here(here) => here.ask(&composed),
            Way::Node(node) => node.ask(&composed),
        }
    }
}

impl Reply {
    /// Reads an answer.
    pub(super) fn of(status: u16, exception: Option<&str>, body: &[u8]) -> Result<Reply, Failure> {
        let text = String::from_utf8_lossy(body).into_owned();
        let value = match text.trim() {
            "" => Ok(Value::Object(Map::new())),
            text => serde_json::from_str(text),
        };
        match (status, value) {
            (200..=299, Ok(value)) => Ok(Reply { text, value }),
            (_, Ok(value)) if exception.is_some() => Err(Failure::Refused {
                exception: exception.unwrap_or_default().to_owned(),
                message: value["Message"].as_str().unwrap_or("no reason is given").to_owned(),
            }),
            _ => Err(Failure::Way(format!(
                "the answer, with HTTP status {status}, is not one of Tandem's control API: does another \
                 program serve at [api] listen?"
            ))),
        }
    }
}

/// The API of a running node, over HTTP.
struct NodeApi {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    key: AccessKey,
    region: String,
    runtime: Runtime,
}

impl NodeApi {
    fn of(config: &Config) -> Result<NodeApi, String> {
        let data_dir = config.node.data_dir.display();
        let Some(api) = &config.api else {
            return Err(format!(
                "a node runs on data_dir \"{data_dir}\" and serves no control API: add [api] to its \
                 configuration and restart it"
            ));
        };
        let master = MasterKey::read(&config.node.data_dir).map_err(|error| {
            format!("{error}; ask as the user that runs the node on data_dir \"{data_dir}\"")
        })?;
        let tls = api.tls.as_ref();
        let tls = tls.map(|files| sip_edge::tls::pinned_client_config(&files.certificate));
        Ok(NodeApi {
            address: SocketAddr::new(reachable(api.listen.ip()), api.listen.port()),
            tls: tls.transpose().map_err(|error| format!("[api] {error}"))?,
            key: local::access_key(&master),
            region: config.node.region.clone(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| format!("cannot start: {error}"))?,
        })
    }

    fn ask(&mut self, composed: &Composed) -> Result<Reply, Failure> {
        self.runtime.block_on(async {
            for _ in 0..THROTTLED_TRIES {
                match self.asked_once(composed).await {
                    Err(Failure::Refused { exception, .. })
                        if exception == "ThrottledClientException" =>
                    {
                        tokio::time::sleep(PAUSE).await;
                    }
                    other => return other,
                }
            }
            self.asked_once(composed).await
        })
    }

    async fn asked_once(&self, composed: &Composed) -> Result<Reply, Failure> {
        let asked = tokio::time::timeout(REQUEST_LIMIT, self.exchanged(composed));
        let (status, exception, body) = match asked.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.broken(&error)),
            Err(_) => {
                let limit = REQUEST_LIMIT.as_secs();
                return Err(Failure::Way(format!(
                    "the control API at {} gives no answer within {limit} s; see the node's log",
                    self.address
                )));
            }
        };
        Reply::of(status, exception.as_deref(), &body)
    }

    fn broken(&self, error: &io::Error) -> Failure {
        let address = self.address;
        Failure::Way(match error.kind() {
            io::ErrorKind::ConnectionRefused => format!(
                "a node runs, and nobody serves the control API at {address}: if [api] was added or \
                 changed since it started, restart it; its log says why the API is not served otherwise"
            ),
            io::ErrorKind::InvalidData => format!(
                "the control API at {address} shows another certificate than [api] tls_certificate \
                 ({error}): restart the node if the file is newer than it"
            ),
            _ => format!("the control API at {address} cannot be asked: {error}"),
        })
    }

    async fn exchanged(&self, composed: &Composed) -> io::Result<(u16, Option<String>, Bytes)> {
        let stream = self.connected().await?;
        let Some(tls) = &self.tls else { return self.sent(stream, composed).await };
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(tls));
        let name = ServerName::IpAddress(self.address.ip().into());
        let stream = connector.connect(name, stream).await?;
        self.sent(stream, composed).await
    }

    async fn connected(&self) -> io::Result<TcpStream> {
        let mut tries = 0;
        loop {
            match TcpStream::connect(self.address).await {
                Err(error)
                    if error.kind() == io::ErrorKind::ConnectionRefused && tries < START_TRIES =>
                {
                    tries += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                other => return other,
            }
        }
    }

    async fn sent(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        composed: &Composed,
    ) -> io::Result<(u16, Option<String>, Bytes)> {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(wrong)?;
        let connection = tokio::spawn(connection);
        let target = match composed.query.as_str() {
            "" => composed.path.clone(),
            query => format!("{}?{query}", composed.path),
        };
        let mut request =
            hyper::Request::builder().method(composed.operation.method.as_str()).uri(target);
        let host = self.address.to_string();
        for (name, value) in local::signed(&self.key, composed, &host, &self.region) {
            request = request.header(name, value);
        }
        let body = Full::new(Bytes::copy_from_slice(&composed.body));
        let request = request.body(body).map_err(|error| io::Error::other(error.to_string()))?;
        let response = sender.send_request(request).await.map_err(wrong)?;
        let status = response.status().as_u16();
        let exception = response.headers().get("x-amzn-errortype");
        let exception = exception.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = Limited::new(response.into_body(), REPLY_MAX).collect().await;
        let body = body.map_err(|error| io::Error::other(error.to_string()))?.to_bytes();
        connection.abort();
        Ok((status, exception, body))
    }
}

fn wrong(error: hyper::Error) -> io::Error {
    io::Error::other(error.to_string())
}

/// Where a server that listens on all addresses is reached.
fn reachable(listen: IpAddr) -> IpAddr {
    match listen {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}
