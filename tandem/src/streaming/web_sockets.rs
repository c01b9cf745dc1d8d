//! Programs behind WebSockets that hear the calls of this process.

use crate::config::Config;
use crate::node::StartError;
use crate::{readings, trust};
use call_audio::{AudioConsumer, Opening};
use call_metrics::Reading;
use call_streaming::Open;
use model::WebSocketListener;
use std::sync::{Arc, Weak};
use std::time::Duration;
use voice_socket::{GivenUp, OpenError, Settings, VoiceSockets};

/// For how long what waits may still be sent when the node stops.
const LIMIT: Duration = Duration::from_secs(2);

/// The sockets of the node's calls.
pub(super) struct WebSockets(Arc<VoiceSockets>);

impl WebSockets {
    /// Starts it; `given_up` is told of calls whose socket is given up.
    pub(super) fn start(config: &Config, given_up: GivenUp) -> Result<Self, StartError> {
        let tls = trust::believing(config.streaming.authorities.as_deref())
            .map_err(|why| StartError(format!("tls_ca of [streaming]: {why}")))?;
        let settings = Settings { given_up, ..Settings::new(tls) };
        let sockets = VoiceSockets::start(&settings);
        Ok(WebSockets(Arc::new(sockets.map_err(|error| StartError(error.to_string()))?)))
    }

    /// What the hub opens a call's socket with. It holds no socket, so that they can be stopped.
    pub(super) fn opener(&self) -> Open<WebSocketListener> {
        let sockets = Arc::downgrade(&self.0);
        Box::new(move |listener, opening| open(&sockets, listener, opening))
    }

    pub(super) fn read(&self, out: &mut Vec<Reading>) {
        readings::of_sockets(&self.0.counts(), out);
    }

    /// After the hub.
    pub(super) fn stop(self) {
        if let Some(sockets) = Arc::into_inner(self.0) {
            sockets.stop(LIMIT);
        }
    }
}

fn open(
    sockets: &Weak<VoiceSockets>,
    listener: &WebSocketListener,
    opening: &Opening,
) -> Option<Box<dyn AudioConsumer>> {
    let opened = sockets.upgrade()?.open(listener, opening);
    let told = |error: &OpenError| {
        tracing::warn!(call = %opening.call.transaction_id, %error, "a call gets no WebSocket");
    };
    opened.inspect_err(told).ok()
}
