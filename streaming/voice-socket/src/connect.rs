//! From a URL to a connection.

use crate::endpoint::Endpoint;
use crate::token::{TokenError, read_token};
use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use model::{BearerToken, Secret};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::fmt;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long name, TCP, TLS and the opening handshake may take together.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The longest message that is taken from the other end, in octets: two seconds at the higher rate.
pub(crate) const LONGEST_MESSAGE: usize = 64 * 1024;
/// Buffers of a connection, in octets.
const BUFFER: usize = 8 * 1024;
const LONGEST_UNSENT: usize = 256 * 1024;

pub(crate) type Socket = WebSocketStream<Stream>;

/// A connection without or with TLS.
#[derive(Debug)]
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Why there is no connection.
#[derive(Debug)]
pub enum ConnectError {
    /// The name leads nowhere.
    Name(io::Error),
    /// No TCP connection.
    Tcp(io::Error),
    /// No TLS, or a certificate that is not believed.
    Tls(io::Error),
    /// An answer that is no 101 Switching Protocols.
    Answer(StatusCode),
    /// Something that is no answer of a WebSocket server.
    NoWebSocket(String),
    /// Nothing of all that in time.
    TooLate,
    /// The token cannot stand in a header field.
    Token,
    /// The file that it is to be read from gives none.
    TokenFile(Arc<str>, TokenError),
}

impl ConnectError {
    /// Whether another attempt may go better.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            ConnectError::Name(_) | ConnectError::Tcp(_) | ConnectError::TooLate => true,
            // It may be about to be written anew.
            ConnectError::TokenFile(..) => true,
            ConnectError::Tls(error) => error.kind() != io::ErrorKind::InvalidData,
            ConnectError::Answer(status) => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    )
            }
            ConnectError::NoWebSocket(_) | ConnectError::Token => false,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Name(error) => {
                write!(f, "its name leads nowhere ({error}); check `url` and this host's resolver")
            }
            ConnectError::Tcp(error) => {
                write!(f, "no connection ({error}); is it running, and may this host reach it?")
            }
            ConnectError::Tls(error) => write!(
                f,
                "no TLS ({error}); a private authority's certificate belongs into `tls_ca` of \
                 [streaming]"
            ),
            ConnectError::Answer(status) => {
                write!(f, "it answered {status}; {}", advice(*status))
            }
            ConnectError::NoWebSocket(why) => {
                write!(f, "it does not speak WebSocket ({why}); check `url`")
            }
            ConnectError::TooLate => {
                write!(f, "no answer within {} s", CONNECT_LIMIT.as_secs())
            }
            ConnectError::TokenFile(path, error) => write!(f, "`token_file` {path} {error}"),
            ConnectError::Token => f.write_str("`token` holds characters that no header field may"),
        }
    }
}

impl std::error::Error for ConnectError {}

fn advice(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 403 => "check `token`, or what `token_file` holds",
        404 | 410 => "check the path of `url`",
        300..=399 => "redirects are not followed: write the address that it leads to into `url`",
        429 => "it gets too many calls",
        400 | 405 | 426 => "is this the path of its WebSocket? check `url`",
        500..=599 => "look into its log",
        _ => "is this the path of its WebSocket? check `url` and its log",
    }
}

/// Connects within [`CONNECT_LIMIT`].
pub(crate) async fn connect(
    endpoint: &Endpoint,
    token: Option<&BearerToken>,
    tls: &Arc<ClientConfig>,
) -> Result<Socket, ConnectError> {
    let connecting = tokio::time::timeout(CONNECT_LIMIT, open(endpoint, token, tls));
    connecting.await.unwrap_or(Err(ConnectError::TooLate))
}

async fn open(
    endpoint: &Endpoint,
    token: Option<&BearerToken>,
    tls: &Arc<ClientConfig>,
) -> Result<Socket, ConnectError> {
    let token = match token {
        Some(token) => Some(words_of(token).await?),
        None => None,
    };
    let request = request(endpoint, token.as_ref())?;
    let addresses = tokio::net::lookup_host((endpoint.host(), endpoint.port())).await;
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    let mut found = None;
    for address in addresses.map_err(ConnectError::Name)? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                found = Some(stream);
                break;
            }
            Err(error) => failure = error,
        }
    }
    let stream = found.ok_or(ConnectError::Tcp(failure))?;
    // Every 20 ms a packet, none of which is to wait for the next.
    stream.set_nodelay(true).map_err(ConnectError::Tcp)?;
    let stream = if endpoint.is_secure() {
        let name = ServerName::try_from(endpoint.host().to_owned());
        let name = name.map_err(|error| ConnectError::Tls(io::Error::other(error)))?;
        let connector = TlsConnector::from(Arc::clone(tls));
        let stream = connector.connect(name, stream).await.map_err(ConnectError::Tls)?;
        Stream::Tls(Box::new(stream))
    } else {
        Stream::Plain(stream)
    };
    let opened = client_async_with_config(request, stream, Some(limits())).await;
    opened.map(|(socket, _)| socket).map_err(refusal)
}

/// A file is read for each connection, so that who changes its token need not tell us; beside the thread
/// that serves the sockets, because a file may be as slow as a network.
async fn words_of(token: &BearerToken) -> Result<Secret, ConnectError> {
    match token {
        BearerToken::Words(words) => Ok(words.clone()),
        BearerToken::File(path) => {
            let file = Arc::clone(path);
            let read = tokio::task::spawn_blocking(move || read_token(Path::new(&*file))).await;
            let broken = |error: tokio::task::JoinError| TokenError::Unreadable(error.into());
            let token = read.unwrap_or_else(|error| Err(broken(error)));
            token.map_err(|error| ConnectError::TokenFile(Arc::clone(path), error))
        }
    }
}

/// What a connection may take.
pub(crate) fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(LONGEST_UNSENT)
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE))
}

fn request(endpoint: &Endpoint, token: Option<&Secret>) -> Result<Request<()>, ConnectError> {
    let request = endpoint.uri().clone().into_client_request();
    let mut request = request.map_err(|error| ConnectError::NoWebSocket(error.to_string()))?;
    let headers = request.headers_mut();
    let agent = concat!("tandem/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    if let Some(token) = token {
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
        let mut bearer = bearer.map_err(|_| ConnectError::Token)?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(request)
}

fn refusal(error: Error) -> ConnectError {
    match error {
        Error::Http(response) => ConnectError::Answer(response.status()),
        Error::Io(error) => ConnectError::Tcp(error),
        Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            ConnectError::Tcp(io::ErrorKind::UnexpectedEof.into())
        }
        error => ConnectError::NoWebSocket(error.to_string()),
    }
}

/// What an error of a connection that stood is, in a few words.
pub(crate) fn lost(error: &Error) -> String {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            format!("it sent a message of {size} octets; {max_size} are allowed")
        }
        Error::ConnectionClosed | Error::AlreadyClosed => "it closed the connection".to_owned(),
        error => error.to_string(),
    }
}

/// Whether the other end broke the protocol, so that it would do so again.
pub(crate) fn is_violation(error: &Error) -> bool {
    match error {
        Error::Capacity(_) | Error::Utf8(_) | Error::AttackAttempt => true,
        Error::Protocol(error) => !matches!(error, ProtocolError::ResetWithoutClosingHandshake),
        _ => false,
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, octets),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
