//! Signed requests to one service.

use crate::Endpoint;
use crate::answer::{Answer, MOST_BYTES};
use crate::clock;
use crate::credentials::{Chain, reasons};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use std::time::Duration;

/// How long a service may take for one answer; less than the outbox gives to a batch.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the chain of credentials may take: a metadata service that is not there.
const CREDENTIALS_PATIENCE: Duration = Duration::from_secs(15);

/// Whose service it is, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    /// The AWS region, for example `eu-central-1`.
    pub region: String,
    /// Another backend than AWS's own of that region.
    pub endpoint: Option<Endpoint>,
}

/// How a service is spoken to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Protocol {
    /// As signatures name it.
    pub(crate) signing_name: &'static str,
    /// S3 wants its paths signed as they are, and the body's digest in a header.
    pub(crate) is_s3: bool,
}

/// A service's connections and credentials. It connects with the first request.
#[derive(Debug)]
pub(crate) struct Connection {
    region: String,
    protocol: Protocol,
    chain: Chain,
    connector: Option<SharedHttpConnector>,
}

/// A request without its signature.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, &'a str)>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NoAnswer(pub(crate) String);

impl Connection {
    pub(crate) fn new(region: &str, protocol: Protocol) -> Self {
        let region = region.to_owned();
        Connection { region, protocol, chain: Chain::default(), connector: None }
    }

    /// Gets what requests need: credentials and a client.
    ///
    /// # Errors
    /// [`NoAnswer`], when there are no credentials.
    pub(crate) async fn prepare(&mut self) -> Result<Sender, NoAnswer> {
        let credentials = self.chain.credentials(&self.region);
        let credentials = tokio::time::timeout(CREDENTIALS_PATIENCE, credentials)
            .await
            .unwrap_or_else(|_| Err("no AWS credentials: their source does not answer".to_owned()));
        let credentials = credentials.map_err(|reason| {
            self.chain.forget();
            NoAnswer(format!(
                "{reason}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give \
                 the machine a role"
            ))
        })?;
        let connector = self.connector.get_or_insert_with(|| {
            let provider = Provider::Rustls(CryptoMode::AwsLc);
            SharedHttpConnector::new(Connector::builder().tls_provider(provider).build())
        });
        let (region, protocol) = (self.region.clone(), self.protocol);
        Ok(Sender { region, protocol, credentials, connector: connector.clone() })
    }

    /// Has credentials looked up again, after a service refused those of before.
    pub(crate) fn forget_credentials(&mut self) {
        self.chain.forget();
    }
}

/// What sends requests, until credentials are to be looked at again.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    region: String,
    protocol: Protocol,
    credentials: aws_credential_types::Credentials,
    connector: SharedHttpConnector,
}

impl Sender {
    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// [`NoAnswer`], when none came in time. The request may have arrived all the same.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Answer, NoAnswer> {
        let host = request.url.clone();
        let request = self
            .signed(request)
            .map_err(|error| NoAnswer(format!("the request to {host} cannot be made: {error}")))?;
        tokio::time::timeout(PATIENCE, self.exchange(request))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
            .map_err(|reason| NoAnswer(format!("{}: {reason}", base(&host))))
    }

    async fn exchange(&self, request: HttpRequest) -> Result<Answer, String> {
        let response = self.connector.call(request).await.map_err(|error| reasons(&error))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).map(str::to_owned);
        let retry_after = header("retry-after").and_then(|text| text.trim().parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        let error_type = header("x-amzn-errortype");
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|error| format!("the answer broke off: {}", reasons(&*error)))?;
        Ok(Answer { status, retry_after, error_type, body: body.to_bytes().to_vec() })
    }

    fn signed(&self, request: Request<'_>) -> Result<HttpRequest, String> {
        let mut settings = SigningSettings::default();
        if self.protocol.is_s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.protocol.signing_name)
            .time(clock::system_time())
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let Request { method, url, headers, body } = request;
        let body_of = SignableBody::Bytes(&body);
        let signable = SignableRequest::new(method, &url, headers.iter().copied(), body_of);
        let signable = signable.map_err(|error| reasons(&error))?;
        let signed = sign(signable, &params).map_err(|error| reasons(&error))?;
        let mut builder = http::Request::builder().method(method).uri(&url);
        for (name, value) in &headers {
            builder = builder.header(*name, *value);
        }
        let mut out = builder.body(SdkBody::from(body)).map_err(|error| error.to_string())?;
        signed.into_parts().0.apply_to_request_http1x(&mut out);
        HttpRequest::try_from(out).map_err(|error| reasons(&error))
    }
}

/// Scheme, host and port of a URL.
fn base(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(after..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| after + at);
    url.get(..end).unwrap_or(url)
}
