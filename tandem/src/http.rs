//! The Prometheus page over HTTP.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use call_metrics::RecorderView;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;

/// Serves `/metrics` on a thread of its own until the process ends.
pub(crate) fn serve(listen: SocketAddr, view: RecorderView) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let page = move || {
        let view = view.clone();
        async move { ([(CONTENT_TYPE, call_metrics::CONTENT_TYPE)], view.encode()) }
    };
    let router = Router::new().route("/metrics", get(page));
    thread::Builder::new().name("prometheus".into()).spawn(move || {
        runtime.block_on(async {
            let listener = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => return tracing::error!(%error, "the Prometheus page is not served"),
            };
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the Prometheus page is served no longer");
            }
        });
    })?;
    Ok(address)
}
