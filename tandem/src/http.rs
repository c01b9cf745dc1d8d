//! What monitoring asks over HTTP: the Prometheus page, whether the process is alive, and whether it
//! takes new calls.

use crate::readiness::{Lack, Readiness};
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use call_metrics::RecorderView;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;

/// Serves `/metrics`, `/healthz` and `/readyz` on a thread of its own until the process ends.
pub(crate) fn serve(
    listen: SocketAddr,
    view: RecorderView,
    readiness: Readiness,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let router = router(view, readiness);
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

fn router(view: RecorderView, readiness: Readiness) -> Router {
    let page = move || {
        let view = view.clone();
        async move { ([(CONTENT_TYPE, call_metrics::CONTENT_TYPE)], view.encode()) }
    };
    let ready = readiness.clone();
    Router::new()
        .route("/metrics", get(page))
        .route("/healthz", get(move || async move { said("alive", readiness.dead().as_slice()) }))
        .route("/readyz", get(move || async move { said("ready", &ready.lacking()) }))
}

/// 200 when nothing is lacking and 503 otherwise, with what it is: `{"ready":false,"missing":[…]}`.
fn said(what: &'static str, missing: &[Lack]) -> impl IntoResponse + use<> {
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut body = serde_json::json!({ what: missing.is_empty(), "missing": missing }).to_string();
    body.push('\n');
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], (status, body))
}
