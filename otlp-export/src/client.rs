//! Requests to the collector over HTTP or HTTPS.

use crate::OtlpConfig;
use crate::answer::{Answer, MOST_BYTES, retry_after};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Limited};
use outbox::{DeliveryError, clock};
use std::io::Write as _;
use std::time::Duration;

/// The connections to the collector. They are opened with the first request.
#[derive(Debug)]
pub(crate) struct Client {
    config: OtlpConfig,
    connector: SharedHttpConnector,
}

impl Client {
    pub(crate) fn new(config: OtlpConfig) -> Self {
        // Authorities are the system's, or those of SSL_CERT_FILE.
        let provider = Provider::Rustls(CryptoMode::AwsLc);
        let connector =
            SharedHttpConnector::new(Connector::builder().tls_provider(provider).build());
        Client { config, connector }
    }

    pub(crate) fn config(&self) -> &OtlpConfig {
        &self.config
    }

    /// The request's body as it goes over the wire.
    pub(crate) fn packed(&self, body: Vec<u8>) -> Vec<u8> {
        if !self.config.gzip {
            return body;
        }
        let mut gzip = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
        // Writing into memory does not fail.
        let _ = gzip.write_all(&body);
        gzip.finish().unwrap_or_default()
    }

    /// Sends a request and waits for the answer, no longer than `patience`.
    ///
    /// # Errors
    /// Why there is none. The request may have arrived all the same.
    pub(crate) async fn post(&self, packed: &[u8], patience: Duration) -> Result<Answer, String> {
        let request = self.request(packed)?;
        tokio::time::timeout(patience, self.exchange(request))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} ms", patience.as_millis())))
    }

    fn request(&self, packed: &[u8]) -> Result<HttpRequest, String> {
        let mut builder = http::Request::post(self.config.endpoint.as_str())
            .header("content-type", "application/x-protobuf")
            .header("user-agent", concat!("tandem/", env!("CARGO_PKG_VERSION")));
        if self.config.gzip {
            builder = builder.header("content-encoding", "gzip");
        }
        for (name, value) in &self.config.headers {
            builder = builder.header(name, value);
        }
        let request = builder.body(SdkBody::from(packed)).map_err(|error| error.to_string())?;
        HttpRequest::try_from(request).map_err(|error| reasons(&error))
    }

    async fn exchange(&self, request: HttpRequest) -> Result<Answer, String> {
        let response = self.connector.call(request).await.map_err(|error| reasons(&error))?;
        let status = response.status().as_u16();
        let now = i64::try_from(clock::unix_time().as_secs()).unwrap_or(i64::MAX);
        let after = response.headers().get("retry-after").and_then(|text| retry_after(text, now));
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|error| format!("the answer broke off: {}", reasons(&*error)))?;
        Ok(Answer { status, retry_after: after, body: body.to_bytes().to_vec() })
    }
}

/// An error with those that it comes from, in one line.
fn reasons(error: &dyn std::error::Error) -> String {
    call_metrics::printable_line(&DeliveryError::in_one_line(error)).into_owned()
}
