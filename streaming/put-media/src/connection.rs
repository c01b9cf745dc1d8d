//! One PutMedia request: an HTTP/1.1 connection of its own, whose answer is read while its body is
//! sent.

use crate::rule::Refusal;
use aws_sinks::KinesisVideo;
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// How long a connection may take to be made, and its handshake.
const CONNECTING: Duration = Duration::from_secs(10);
/// Octets of a refusal that are read.
const MOST_REFUSAL: usize = 65_536;
/// Octets that wait below a connection for the socket.
const WRITE_BUFFER: usize = 65_536;

/// What is heard over a connection.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Octets of the answer.
    Octets(Bytes),
    /// Another status than 200.
    Refused(Refusal),
    /// The answer is over.
    Closed,
    /// The connection broke.
    Failed(String),
}

/// A request that is being sent. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    /// Pieces of the body: one waits here while the one before is being written. `None` after the end.
    pub(crate) body: Option<mpsc::Sender<Bytes>>,
    /// What is heard, in order; it is not read faster than this is.
    pub(crate) heard: mpsc::Receiver<Heard>,
    task: AbortHandle,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The body of a request: what comes through a channel, a chunk each.
struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Opens a connection to where `request`, a whole URL, leads, and begins the request on it.
///
/// # Errors
/// In words, when there is no connection.
pub(crate) async fn open(
    service: Arc<KinesisVideo>,
    tls: &TlsConnector,
    request: http::Request<()>,
) -> Result<Line, String> {
    let uri = request.uri().clone();
    let named = |reason: String| format!("{}: {reason}", base(&uri));
    let connecting = tokio::time::timeout(CONNECTING, connect(tls, &uri)).await;
    let late = || Err(format!("no connection within {} s", CONNECTING.as_secs()));
    let stream = connecting.unwrap_or_else(|_| late()).map_err(named)?;
    let (body, pieces) = mpsc::channel(1);
    let (hears, heard) = mpsc::channel(16);
    let task = tokio::spawn(async move {
        if let Err(reason) = exchange(&service, stream, request, Pieces(pieces), &hears).await {
            let _ = hears.send(Heard::Failed(reason)).await;
        }
    });
    Ok(Line { body: Some(body), heard, task: task.abort_handle() })
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn connect(tls: &TlsConnector, uri: &http::Uri) -> Result<Box<dyn Stream>, String> {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await.map_err(|error| error.to_string())?;
    // Fragments are whole messages: none waits for the next one.
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    if !is_tls {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let stream = tls.connect(name, stream).await.map_err(|error| format!("TLS: {error}"))?;
    Ok(Box::new(stream))
}

/// Sends the request and passes on what is heard, until the answer is over.
async fn exchange(
    service: &KinesisVideo,
    stream: Box<dyn Stream>,
    request: http::Request<()>,
    pieces: Pieces,
    hears: &mpsc::Sender<Heard>,
) -> Result<(), String> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(WRITE_BUFFER);
    let handshake = builder.handshake::<_, Pieces>(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| in_one_line(&error))?;
    let answer = sender.send_request(to_origin(request, pieces)?);
    let read = async {
        let answer = answer.await.map_err(|error| in_one_line(&error))?;
        let heard = if answer.status() == http::StatusCode::OK {
            return pass_on(answer.into_body(), hears).await;
        } else {
            Heard::Refused(refusal(service, answer).await)
        };
        let _ = hears.send(heard).await;
        Ok(())
    };
    let (mut read, mut connection) = (pin!(read), pin!(connection));
    tokio::select! {
        biased;
        result = &mut read => result,
        // The connection is over: what it read before is still there.
        ended = &mut connection => match (read.await, ended) {
            (Ok(()), _) => Ok(()),
            (Err(_), Err(error)) => Err(in_one_line(&error)),
            (Err(reason), Ok(())) => Err(reason),
        },
    }
}

async fn pass_on(mut body: Incoming, hears: &mpsc::Sender<Heard>) -> Result<(), String> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| in_one_line(&error))?;
        let Ok(octets) = frame.into_data() else { continue };
        if hears.send(Heard::Octets(octets)).await.is_err() {
            return Ok(());
        }
    }
    let _ = hears.send(Heard::Closed).await;
    Ok(())
}

async fn refusal(service: &KinesisVideo, answer: http::Response<Incoming>) -> Refusal {
    let (head, body) = answer.into_parts();
    // What the service says is worth having, but not worth waiting for.
    let body = tokio::time::timeout(CONNECTING, Limited::new(body, MOST_REFUSAL).collect()).await;
    let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes().to_vec());
    let status = head.status.as_u16();
    let error = service.refusal_of(status, &head.headers, body.unwrap_or_default()).await;
    Refusal::new("PutMedia", error)
}

/// The request as HTTP/1.1 has it: a path, and the host in a header (RFC 9112 section 3.2.1).
fn to_origin(request: http::Request<()>, pieces: Pieces) -> Result<http::Request<Pieces>, String> {
    let (mut head, ()) = request.into_parts();
    let authority = head.uri.authority().map_or("", |authority| authority.as_str()).to_owned();
    let host = http::HeaderValue::try_from(authority).map_err(|error| error.to_string())?;
    head.headers.entry(http::header::HOST).or_insert(host);
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    head.uri = path.parse().map_err(|_| format!("{path}: is no path"))?;
    Ok(http::Request::from_parts(head, pieces))
}

fn base(uri: &http::Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    format!("{}://{authority}", uri.scheme_str().unwrap_or("https"))
}

/// An error with its causes.
fn in_one_line(error: &hyper::Error) -> String {
    outbox::DeliveryError::in_one_line(error)
}
