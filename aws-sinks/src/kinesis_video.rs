//! Kinesis Video Streams: which streams there are, what they keep, where their data go. The data
//! themselves are sent over connections of the caller's ([`KinesisVideo::put_media`]).

mod probe;

use crate::answer::{Answer, ObjectHeaders, ServiceError};
use crate::authorities;
use crate::connection::{Connection, NoAnswer, Protocol, Request, Sender};
use crate::fault::Words;
use crate::{Access, Endpoint};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Mutex;

pub(crate) const WORDS: Words = Words::of_records("kinesis_video", "kinesisvideo:DescribeStream");
/// Streams of one page of a list.
const PAGE: u32 = 1_000;

/// The service, for any number of callers at once.
#[derive(Debug)]
pub struct KinesisVideo {
    base: String,
    /// Where data go, in place of where the service says.
    data: Option<Endpoint>,
    authorities: Option<Arc<Path>>,
    connection: Mutex<Connection>,
}

/// A stream as the service describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamDescription {
    /// Its name.
    pub name: String,
    /// Its Amazon Resource Name.
    pub arn: String,
    /// For how many hours it keeps data; 0 for not at all.
    pub retention_hours: u32,
    /// What a change of it must name.
    pub version: String,
    /// Whether it can be used.
    pub state: StreamState,
}

/// Whether a stream can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamState {
    /// It takes data; a change of it may be under way.
    Active,
    /// It is being made.
    Creating,
    /// It is being deleted.
    Deleting,
}

/// A page of a list of streams.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamsPage {
    /// The streams.
    pub streams: Vec<StreamDescription>,
    /// What names the next page.
    pub next: Option<String>,
}

/// Why something was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// There is no answer, or none that can be read; in words.
    Unanswered(String),
    /// The service refuses it.
    Refused(ServiceError),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StreamInfo {
    stream_name: String,
    #[serde(rename = "StreamARN")]
    stream_arn: String,
    #[serde(default)]
    data_retention_in_hours: u32,
    #[serde(default)]
    version: String,
    #[serde(default)]
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    stream_info: StreamInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default)]
    stream_info_list: Vec<StreamInfo>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Located {
    data_endpoint: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tagged {
    #[serde(default)]
    tags: HashMap<String, String>,
}

impl KinesisVideo {
    /// The service at `access`. `data` is where data go, when that is not what the service says.
    pub fn new(access: &Access, data: Option<Endpoint>) -> Self {
        let aws = || Endpoint::of_aws("kinesisvideo", &access.region);
        let base = access.endpoint.clone().unwrap_or_else(aws).to_string();
        let protocol = Protocol { signing_name: "kinesisvideo", is_s3: false };
        let connection = Mutex::new(Connection::new(access, protocol));
        KinesisVideo { base, data, authorities: access.authorities.clone(), connection }
    }

    /// What a stream is like (DescribeStream).
    ///
    /// # Errors
    /// [`Trouble`]; `ResourceNotFoundException` when there is none of this name.
    pub async fn describe(&self, stream: &str) -> Result<StreamDescription, Trouble> {
        let answer = self.ask("describeStream", json!({ "StreamName": stream })).await?;
        read::<Described>(&answer).map(|described| described.stream_info.into())
    }

    /// Makes a stream that keeps data for so long (CreateStream).
    ///
    /// # Errors
    /// [`Trouble`]; `ResourceInUseException` when there is one of this name.
    pub async fn create(
        &self,
        stream: &str,
        retention_hours: u32,
        tags: &[(&str, &str)],
    ) -> Result<(), Trouble> {
        let tags: serde_json::Map<_, _> =
            tags.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))).collect();
        let order = json!({
            "StreamName": stream,
            "DataRetentionInHours": retention_hours,
            "Tags": tags,
        });
        self.ask("createStream", order).await.map(|_| ())
    }

    /// Has a stream keep data for `hours` from now on (UpdateDataRetention).
    ///
    /// # Errors
    /// [`Trouble`]; `VersionMismatchException` when somebody else has changed the stream.
    pub async fn change_retention(
        &self,
        stream: &StreamDescription,
        hours: u32,
    ) -> Result<(), Trouble> {
        let (operation, change) = match hours.checked_sub(stream.retention_hours) {
            Some(0) => return Ok(()),
            Some(more) => ("INCREASE_DATA_RETENTION", more),
            None => ("DECREASE_DATA_RETENTION", stream.retention_hours - hours),
        };
        let order = json!({
            "StreamName": stream.name,
            "CurrentVersion": stream.version,
            "Operation": operation,
            "DataRetentionChangeInHours": change,
        });
        self.ask("updateDataRetention", order).await.map(|_| ())
    }

    /// A page of the streams whose names begin with `prefix` (ListStreams); `next` names the page,
    /// `None` the first.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn list(&self, prefix: &str, next: Option<&str>) -> Result<StreamsPage, Trouble> {
        let mut order = json!({
            "MaxResults": PAGE,
            "StreamNameCondition": {
                "ComparisonOperator": "BEGINS_WITH",
                "ComparisonValue": prefix,
            },
        });
        if let (Some(next), Some(fields)) = (next, order.as_object_mut()) {
            fields.insert("NextToken".to_owned(), next.into());
        }
        let listed: Listed = read(&self.ask("listStreams", order).await?)?;
        let streams = listed.stream_info_list.into_iter().map(StreamDescription::from).collect();
        Ok(StreamsPage { streams, next: listed.next_token.filter(|next| !next.is_empty()) })
    }

    /// The tags of a stream (ListTagsForStream): its first 50, which are all that one may have.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn tags(&self, stream: &str) -> Result<HashMap<String, String>, Trouble> {
        let answer = self.ask("listTagsForStream", json!({ "StreamName": stream })).await?;
        read::<Tagged>(&answer).map(|tagged| tagged.tags)
    }

    /// Where data of a stream go (GetDataEndpoint), unless that is a setting.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn data_endpoint(&self, stream: &str) -> Result<Endpoint, Trouble> {
        if let Some(data) = &self.data {
            return Ok(data.clone());
        }
        let order = json!({ "StreamName": stream, "APIName": "PUT_MEDIA" });
        let located: Located = read(&self.ask("getDataEndpoint", order).await?)?;
        Endpoint::parse(&located.data_endpoint)
            .map_err(|error| Trouble::Unanswered(format!("GetDataEndpoint: {error}")))
    }

    /// The signed head of a PutMedia request to `endpoint`, without a body, with `headers`.
    ///
    /// # Errors
    /// [`Trouble`], when there are no credentials.
    pub async fn put_media(
        &self,
        endpoint: &Endpoint,
        headers: Vec<(&'static str, &str)>,
    ) -> Result<http::Request<()>, Trouble> {
        let url = format!("{endpoint}/putMedia");
        let request = Request { method: "POST", url, headers, body: Bytes::new() };
        let sender = self.sender().await?;
        sender.signed_open(&request).map_err(Trouble::Unanswered)
    }

    /// What an answer to PutMedia with another status than 200 says, and the service's time in it.
    pub async fn refusal_of(
        &self,
        status: u16,
        headers: &http::HeaderMap,
        body: Vec<u8>,
    ) -> ServiceError {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let (Some(date), Ok(sender)) = (header("date"), self.sender().await) {
            sender.note_date(date);
        }
        let retry_after = header("retry-after").and_then(|text| text.trim().parse().ok());
        let answer = Answer {
            status,
            retry_after: retry_after.map(std::time::Duration::from_secs),
            error_type: header("x-amzn-errortype").map(str::to_owned),
            bucket_region: None,
            object: ObjectHeaders::default(),
            body,
        };
        answer.error()
    }

    /// The settings of TLS connections to where data go.
    ///
    /// # Errors
    /// In words, when there are no authorities to check a certificate with.
    pub fn tls(&self) -> Result<rustls::ClientConfig, String> {
        authorities::client_config(self.authorities.as_deref())
    }

    /// Has credentials looked up again before the next request.
    pub async fn forget_credentials(&self) {
        self.connection.lock().await.forget_credentials();
    }

    async fn sender(&self) -> Result<Sender, Trouble> {
        let mut connection = self.connection.lock().await;
        connection.prepare().await.map_err(|NoAnswer(reason)| Trouble::Unanswered(reason))
    }

    async fn ask(&self, operation: &str, order: Value) -> Result<Answer, Trouble> {
        let sender = self.sender().await?;
        let answer = sender.send(self.request(operation, &order)).await;
        let answer = answer.map_err(|NoAnswer(reason)| Trouble::Unanswered(reason))?;
        if answer.is_success() { Ok(answer) } else { Err(Trouble::Refused(answer.error())) }
    }

    fn request(&self, operation: &str, order: &Value) -> Request<'static> {
        let headers = vec![("content-type", "application/json")];
        let url = format!("{}/{operation}", self.base);
        Request { method: "POST", url, headers, body: order.to_string().into() }
    }
}

fn read<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, Trouble> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        Trouble::Unanswered(format!(
            "an answer of Kinesis Video Streams cannot be read ({error}); see that endpoint_url of \
             [sinks] kinesis_video leads there"
        ))
    })
}

impl From<StreamInfo> for StreamDescription {
    fn from(info: StreamInfo) -> Self {
        StreamDescription {
            name: info.stream_name,
            arn: info.stream_arn,
            retention_hours: info.data_retention_in_hours,
            version: info.version,
            state: match info.status.as_str() {
                "CREATING" => StreamState::Creating,
                "DELETING" => StreamState::Deleting,
                _ => StreamState::Active,
            },
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Unanswered(reason) => f.write_str(reason),
            Trouble::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Trouble {}
