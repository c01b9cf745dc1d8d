//! Requests over HTTP/1.1, and the connections that are kept for the next ones.

use crate::endpoint::Url;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use media_applications::MAX_RESPONSE_BYTES;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Connections to one place that are kept while nobody uses them; more are closed.
const KEPT: usize = 16;

type Connection = SendRequest<Full<Bytes>>;

/// Connections by where they lead: host, port, and whether they are secure.
type Place = (Arc<str>, u16, bool);

/// Sends requests to applications.
pub(crate) struct Connections {
    tls: Arc<ClientConfig>,
    idle: Mutex<HashMap<Place, Vec<Connection>>>,
}

impl Connections {
    pub(crate) fn new(tls: Arc<ClientConfig>) -> Self {
        Connections { tls, idle: Mutex::default() }
    }

    /// Posts `body` with these header fields, and gives the answer's body. A redirect is no answer: the
    /// body would go to a place that nobody has configured.
    pub(crate) async fn post(
        &self,
        url: &Url,
        headers: &[(&str, String)],
        body: &str,
    ) -> Result<Vec<u8>, String> {
        // One that was kept may have been closed meanwhile; then the request has not arrived.
        while let Some(mut kept) = self.take(url) {
            if kept.ready().await.is_err() {
                continue;
            }
            let answer = self.exchange(kept, url, headers, body).await;
            match answer {
                Err(Failure::Closed) => {}
                Err(Failure::Told(why)) => return Err(why),
                Ok(body) => return Ok(body),
            }
        }
        let connection = self.connect(url).await?;
        self.exchange(connection, url, headers, body).await.map_err(|failure| match failure {
            Failure::Closed => "closed the connection without an answer".to_owned(),
            Failure::Told(why) => why,
        })
    }

    fn take(&self, url: &Url) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.get_mut(&place(url))?.pop()
    }

    fn keep(&self, url: &Url, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(place(url)).or_default();
        kept.retain(|connection| !connection.is_closed());
        if kept.len() < KEPT && !connection.is_closed() {
            kept.push(connection);
        }
    }

    async fn connect(&self, url: &Url) -> Result<Connection, String> {
        let stream = tcp(url).await?;
        if !url.is_secure {
            return handshaken(stream).await;
        }
        let name = ServerName::try_from(url.host.to_string());
        let name = name.map_err(|_| "its host is no name of a certificate".to_owned())?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await;
        handshaken(stream.map_err(|error| format!("TLS: {error}"))?).await
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        url: &Url,
        headers: &[(&str, String)],
        body: &str,
    ) -> Result<Vec<u8>, Failure> {
        let path = url.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::post(path)
            .header("host", url.uri.authority().map_or("", |authority| authority.as_str()))
            .header("content-type", "application/json")
            .header("user-agent", concat!("tandem/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes())));
        let request = request.map_err(|error| Failure::Told(error.to_string()))?;
        let answer = connection.send_request(request).await.map_err(|error| {
            match error.is_closed() || error.is_incomplete_message() || error.is_canceled() {
                true => Failure::Closed,
                false => Failure::Told(format!("no answer: {error}")),
            }
        })?;
        let status = answer.status();
        let read = Limited::new(answer.into_body(), MAX_RESPONSE_BYTES).collect().await;
        let read = read.map_err(|error| {
            Failure::Told(format!("its answer cannot be read to its end: {error}"))
        })?;
        self.keep(url, connection);
        match status {
            StatusCode::NO_CONTENT => Ok(b"null".to_vec()),
            status if status.is_success() => Ok(read.to_bytes().to_vec()),
            status => Err(Failure::Told(format!("answered with status {}", status.as_u16()))),
        }
    }
}

enum Failure {
    /// Before an answer.
    Closed,
    Told(String),
}

fn place(url: &Url) -> Place {
    (url.host.clone(), url.port, url.is_secure)
}

async fn tcp(url: &Url) -> Result<TcpStream, String> {
    let found = tokio::net::lookup_host((&*url.host, url.port)).await;
    let found = found.map_err(|error| format!("{} is not found: {error}", url.host))?;
    let mut last = "it has no address".to_owned();
    for address in found {
        // A name like localhost is what the resolver makes of it.
        if !url.is_secure && !address.ip().is_loopback() {
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(last)
}

async fn handshaken<S>(stream: S) -> Result<Connection, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // It ends when its sender is dropped or the other side closes it.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
