//! The thread on which TLS handshakes run, so that their arithmetic, which anybody may ask for,
//! shares the machine with the calls and not their thread.

use crate::error::StartError;
use crate::tls::{Tls, TlsSettings};
use directory::Snapshot;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// How often a certificate that ends soon is spoken of.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(86_400);

/// The running thread; dropping it ends it, and every handshake.
pub(crate) struct TlsThread {
    pub(crate) tls: Arc<Tls>,
    pub(crate) handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TlsThread {
    pub(crate) fn start(
        settings: TlsSettings,
        directory: &Snapshot,
    ) -> Result<TlsThread, StartError> {
        let tls = Arc::new(Tls::start(settings, directory).map_err(StartError::Tls)?);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| StartError::System { what: "a poller", source })?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let watched = Arc::clone(&tls);
        let run = move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = stopped => {}
                    () = watch(&watched) => {}
                }
            });
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new()
            .name("sip-tls".to_owned())
            .spawn(run)
            .map_err(|source| StartError::System { what: "a thread", source })?;
        Ok(TlsThread { tls, handle, stop: Some(stop), thread: Some(thread) })
    }
}

/// Takes changed files, and speaks of certificates that end.
async fn watch(tls: &Tls) {
    let mut files = tokio::time::interval(tls.poll());
    let mut expiry = tokio::time::interval(EXPIRY_INTERVAL);
    expiry.tick().await;
    loop {
        tokio::select! {
            _ = files.tick() => tls.refresh(),
            _ = expiry.tick() => tls.warn_of_expiry(),
        }
    }
}

impl Drop for TlsThread {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the TLS thread ended by a panic");
        }
    }
}
