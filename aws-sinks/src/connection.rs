//! Signed requests to one service.

use crate::Endpoint;
use crate::answer::{Answer, MOST_BYTES, ObjectHeaders};
use crate::authorities;
use crate::clock::{ServiceClock, apart};
use crate::credentials::Chain;
use crate::fault;
use crate::lambda::FUNCTION_ERROR;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use model::UnixTime;
use outbox::DeliveryError;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a service may take for one answer; less than the outbox gives to a batch.
const PATIENCE: Duration = Duration::from_secs(20);
/// A signature whose time is farther than this from the service's is made again with that one.
const SKEW: Duration = Duration::from_secs(60);
/// How long the chain of credentials may take: a metadata service that is not there.
const CREDENTIALS_PATIENCE: Duration = Duration::from_secs(15);

/// Whose service it is, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    /// The AWS region, for example `eu-central-1`.
    pub region: String,
    /// Another backend than AWS's own of that region.
    pub endpoint: Option<Endpoint>,
    /// A file of the authorities that its certificate is checked against, in PEM; `None` for the one
    /// that `AWS_CA_BUNDLE` names, or else the system's.
    pub authorities: Option<Arc<Path>>,
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
    authorities: Option<Arc<Path>>,
    clock: Arc<ServiceClock>,
    chain: Chain,
    connector: Option<SharedHttpConnector>,
}

/// A request without its signature.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, &'a str)>,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct NoAnswer(pub(crate) String);

impl Connection {
    pub(crate) fn new(access: &Access, protocol: Protocol) -> Self {
        Connection {
            region: access.region.clone(),
            protocol,
            authorities: access.authorities.clone(),
            clock: Arc::new(ServiceClock::new(protocol.signing_name)),
            chain: Chain::default(),
            connector: None,
        }
    }

    /// The time that the service judges by, as far as it is known.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.unix_time()
    }

    /// Gets what requests need: credentials and a client.
    ///
    /// # Errors
    /// [`NoAnswer`], when there are no credentials, or no authorities to check a certificate with.
    pub(crate) async fn prepare(&mut self) -> Result<Sender, NoAnswer> {
        let credentials = self.chain.credentials(&self.region, self.clock.now());
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
        let connector = match &self.connector {
            Some(connector) => connector.clone(),
            None => {
                let made = authorities::connector(self.authorities.as_deref()).map_err(NoAnswer)?;
                self.connector.insert(made).clone()
            }
        };
        let (region, protocol) = (self.region.clone(), self.protocol);
        Ok(Sender { region, protocol, clock: Arc::clone(&self.clock), credentials, connector })
    }

    /// The region that requests are signed for.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    /// How many seconds the service's clock is ahead of this node's, where they are too far apart.
    pub(crate) fn seconds_ahead(&self) -> Option<i64> {
        self.clock.seconds_ahead()
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
    clock: Arc<ServiceClock>,
    credentials: aws_credential_types::Credentials,
    connector: SharedHttpConnector,
}

impl Sender {
    /// Sends a request and waits for the answer. One that was refused for its time is sent once more
    /// with the service's.
    ///
    /// # Errors
    /// [`NoAnswer`], when none came in time. The request may have arrived all the same.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Answer, NoAnswer> {
        self.send_within(request, PATIENCE).await
    }

    /// The same for a request that may take so long: one with a large body.
    ///
    /// # Errors
    /// As of [`Sender::send`].
    pub(crate) async fn send_within(
        &self,
        request: Request<'_>,
        patience: Duration,
    ) -> Result<Answer, NoAnswer> {
        self.send_for(request, patience, MOST_BYTES).await
    }

    /// The same for an answer of so many octets.
    ///
    /// # Errors
    /// As of [`Sender::send`], and when the answer is longer.
    pub(crate) async fn send_for(
        &self,
        request: Request<'_>,
        patience: Duration,
        most: usize,
    ) -> Result<Answer, NoAnswer> {
        let time = self.clock.now();
        let answer = self.send_at(&request, time, (patience, most)).await?;
        let now = self.clock.now();
        let is_skewed = !answer.is_success() && fault::is_clock(&answer.error());
        if is_skewed && apart(now, time) > SKEW {
            return self.send_at(&request, now, (patience, most)).await;
        }
        Ok(answer)
    }

    /// The time that the service judges by, as far as it is known.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.unix_time()
    }

    /// Has the service tell its time, by whatever it answers, where it is not known yet.
    ///
    /// # Errors
    /// [`NoAnswer`], when none came.
    pub(crate) async fn learn_time(&self, url: String) -> Result<(), NoAnswer> {
        if self.clock.is_known() {
            return Ok(());
        }
        let request = Request { method: "GET", url, headers: Vec::new(), body: Bytes::new() };
        self.send_at(&request, self.clock.now(), (PATIENCE, MOST_BYTES)).await.map(|_| ())
    }

    async fn send_at(
        &self,
        request: &Request<'_>,
        time: SystemTime,
        (patience, most): (Duration, usize),
    ) -> Result<Answer, NoAnswer> {
        let url = &request.url;
        let signed = self
            .signed(request, time)
            .map_err(|error| NoAnswer(format!("the request to {url} cannot be made: {error}")))?;
        tokio::time::timeout(patience, self.exchange(signed, most))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs())))
            .map_err(|reason| NoAnswer(format!("{}: {reason}", base(url))))
    }

    async fn exchange(&self, request: HttpRequest, most: usize) -> Result<Answer, String> {
        let response = self
            .connector
            .call(request)
            .await
            .map_err(|error| DeliveryError::in_one_line(&error))?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).map(str::to_owned);
        let retry_after = header("retry-after").and_then(|text| text.trim().parse().ok());
        let retry_after = retry_after.map(Duration::from_secs);
        // Lambda says so that a function failed, with 200.
        let function = || header("x-amz-function-error").map(|_| FUNCTION_ERROR.to_owned());
        let error_type = header("x-amzn-errortype").or_else(function);
        let bucket_region = header("x-amz-bucket-region");
        let object = ObjectHeaders {
            etag: header("etag"),
            checksum: header("x-amz-checksum-sha256"),
            length: header("content-length").and_then(|text| text.trim().parse().ok()),
        };
        if let Some(date) = header("date") {
            self.clock.note(&date);
        }
        let body = Limited::new(response.into_body(), most).collect().await;
        let body = body.map_err(|error| {
            format!("the answer broke off: {}", DeliveryError::in_one_line(&*error))
        })?;
        let body = body.to_bytes().to_vec();
        Ok(Answer { status, retry_after, error_type, bucket_region, object, body })
    }

    fn signed(&self, request: &Request<'_>, time: SystemTime) -> Result<HttpRequest, String> {
        let mut settings = SigningSettings::default();
        if self.protocol.is_s3 {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let body = SignableBody::Bytes(&request.body);
        let signed = self.signed_as(request, settings, body, time)?;
        HttpRequest::try_from(signed.map(SdkBody::from))
            .map_err(|error| DeliveryError::in_one_line(&error))
    }

    /// A request whose body is made while it is sent, so that its signature does not count it: the
    /// header `x-amz-content-sha256` says so. It is sent over a connection of the caller's.
    ///
    /// # Errors
    /// In words, when the request cannot be made.
    pub(crate) fn signed_open(&self, request: &Request<'_>) -> Result<http::Request<()>, String> {
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let time = self.clock.now();
        let signed = self.signed_as(request, settings, SignableBody::UnsignedPayload, time)?;
        Ok(signed.map(|_| ()))
    }

    /// Notes the `Date` of an answer that came over a connection of the caller's.
    pub(crate) fn note_date(&self, date: &str) {
        self.clock.note(date);
    }

    fn signed_as(
        &self,
        request: &Request<'_>,
        settings: SigningSettings,
        body_of: SignableBody<'_>,
        time: SystemTime,
    ) -> Result<http::Request<Bytes>, String> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.protocol.signing_name)
            .time(time)
            .settings(settings)
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let Request { method, url, headers, body } = request;
        let signable = SignableRequest::new(method, url, headers.iter().copied(), body_of);
        let signable = signable.map_err(|error| DeliveryError::in_one_line(&error))?;
        let signed = sign(signable, &params).map_err(|error| DeliveryError::in_one_line(&error))?;
        let mut builder = http::Request::builder().method(*method).uri(url);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let mut out = builder.body(body.clone()).map_err(|error| error.to_string())?;
        signed.into_parts().0.apply_to_request_http1x(&mut out);
        Ok(out)
    }
}

/// Scheme, host and port of a URL.
fn base(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(after..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| after + at);
    url.get(..end).unwrap_or(url)
}
