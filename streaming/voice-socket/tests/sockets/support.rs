//! A call, and a service that is scripted.

use call_audio::{AudioConsumer, Frame, Opening};
use futures_util::{SinkExt, StreamExt};
use model::{
    BearerToken, CallDirection, Channel, ChannelLayout, LegSide, ListenedCall, OtherMedia, Secret,
    TransactionId, UnixTime, VoiceConnectorId, WebSocketListener,
};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use voice_socket::{Settings, SocketCounts, VoiceSockets};

/// Nothing here takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Believes the certificates of these authorities.
pub(crate) fn believing(authorities: RootCertStore) -> Settings {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let tls = builder.with_root_certificates(authorities).with_no_client_auth();
    Settings::new(Arc::new(tls))
}

/// Believes nobody's.
pub(crate) fn settings() -> Settings {
    believing(RootCertStore::empty())
}

pub(crate) fn sockets() -> VoiceSockets {
    VoiceSockets::start(&settings()).unwrap()
}

pub(crate) fn listener(url: String) -> WebSocketListener {
    WebSocketListener {
        url: url.into(),
        token: Some(BearerToken::Words(Secret::new("open sesame"))),
        speaks_to: [true, false],
        other_media: OtherMedia::Yields,
        layout: ChannelLayout::Stereo,
        message_ms: 20,
        notify: model::NotificationTargets::NONE,
    }
}

pub(crate) fn opening() -> Opening {
    let channel = |side| {
        let is_caller = side == LegSide::A;
        Some(Channel { side, is_caller, media_index: 0, label: None })
    };
    Opening {
        call: Arc::new(ListenedCall {
            transaction_id: TransactionId::from_random(7),
            voice_connector_id: VoiceConnectorId::new("abcdef1ghij2klmno3pqr4").unwrap(),
            call_id: "a84b4c76e66710@pbx.example.com".into(),
            direction: CallDirection::Outbound,
            from_number: "+12065550100".into(),
            to_number: "+12065550199".into(),
            invite_headers: Vec::new(),
            siprec_metadata: None,
        }),
        channels: [channel(LegSide::A), channel(LegSide::B)],
        sample_rate: 8_000,
        began: UnixTime::from_millis(1_700_000_000_000),
    }
}

/// 20 ms of both channels.
pub(crate) fn speak(consumer: &mut dyn AudioConsumer, nth: u64) {
    for (side, sample) in [(LegSide::A, 1), (LegSide::B, -1)] {
        let samples = [sample * nth as i16; 160];
        consumer.audio(&Frame { side, at: nth * 160, samples: &samples, missing: 0 });
    }
}

/// Where a service listens.
pub(crate) async fn service() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/calls?key=1", listener.local_addr().unwrap());
    (listener, url)
}

pub(crate) async fn accept_tcp(listener: &TcpListener) -> TcpStream {
    timeout(PATIENCE, listener.accept()).await.expect("a connection").unwrap().0
}

/// The service's end of a connection.
pub(crate) struct Served<S> {
    pub(crate) socket: WebSocketStream<S>,
    pub(crate) authorization: Option<String>,
    pub(crate) path: String,
}

pub(crate) async fn accept(listener: &TcpListener) -> Served<TcpStream> {
    let stream = accept_tcp(listener).await;
    upgrade(stream).await
}

#[expect(clippy::result_large_err, reason = "the library's own")]
pub(crate) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Served<S> {
    let (mut authorization, mut path) = (None, String::new());
    let look = |request: &Request, response: Response| {
        let header = request.headers().get("authorization");
        authorization = header.and_then(|value| value.to_str().ok()).map(str::to_owned);
        path = request.uri().to_string();
        Ok(response)
    };
    let upgrading = tokio_tungstenite::accept_hdr_async(stream, look);
    let socket = timeout(PATIENCE, upgrading).await.expect("an opening handshake").unwrap();
    Served { socket, authorization, path }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Served<S> {
    /// The next message that is no ping.
    pub(crate) async fn next(&mut self) -> Message {
        loop {
            let next = timeout(PATIENCE, self.socket.next()).await.expect("a message");
            match next.expect("an open connection").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    pub(crate) async fn text(&mut self) -> Value {
        loop {
            match self.next().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Binary(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn audio(&mut self) -> Vec<u8> {
        loop {
            match self.next().await {
                Message::Binary(octets) => return octets.to_vec(),
                Message::Text(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }
}

/// Waits until `reached` holds of what was counted.
pub(crate) async fn counted(
    sockets: &VoiceSockets,
    reached: impl Fn(&SocketCounts) -> bool,
) -> SocketCounts {
    let waiting = async {
        loop {
            let counts = sockets.counts();
            if reached(&counts) {
                return counts;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let counts = timeout(PATIENCE, waiting).await;
    counts.unwrap_or_else(|_| panic!("not reached: {:?}", sockets.counts()))
}
