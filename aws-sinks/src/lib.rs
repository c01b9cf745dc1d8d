//! Delivery to AWS: [`CloudWatch`] (PutMetricData), [`Logs`] (PutLogEvents), [`S3`] (PutObject),
//! [`EventBridge`] (PutEvents), [`Sns`] (PublishBatch) and [`Sqs`] (SendMessageBatch) as
//! [`outbox::Destination`]s; and [`KinesisVideo`], the streams that
//! audio goes into.
//!
//! Credentials come from the default chain of AWS's SDK, as do signatures and the HTTP client; the
//! requests are written here (docs/decisions/0062). What a service documents as a limit is kept by a
//! pure builder (`cloudwatch::batch`, `logs::batch`, `events::batch`), so that no request is refused for its size.
//!
//! What fails is told apart by who can mend it:
//! - a service that is away, throttles, or refuses the account or a setting: everything waits, and
//!   the log says which setting or permission it is;
//! - a single record that the service will never take: it is refused, the others of its request are
//!   delivered.
//!
//! [`Objects`] (S3, of any size), [`ObjectReader`], [`Kms`] and [`Lambda`] are for whoever asks by
//! itself.
#![forbid(unsafe_code)]

mod answer;
mod authorities;
mod clock;
pub mod cloudwatch;
mod connection;
mod credentials;
mod endpoint;
mod event_bridge;
pub mod events;
mod fault;
mod kinesis_video;
mod kms;
mod lambda;
pub mod logs;
mod object_reader;
mod objects;
mod probe;
mod routing;
mod s3;
mod sns;
mod sqs;
mod tally;
mod unserved;

pub use answer::ServiceError;
pub use cloudwatch::CloudWatch;
pub use connection::Access;
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use event_bridge::{EventBridge, EventBridgeConfig};
pub use events::{EventTarget, NewEvent};
pub use kinesis_video::{KinesisVideo, StreamDescription, StreamState, StreamsPage, Trouble};
pub use kms::{DataKey, Kms};
pub use lambda::Lambda;
pub use logs::{Logs, RETENTION_DAYS};
pub use object_reader::ObjectReader;
pub use objects::{BegunUpload, Objects, Stored};
pub use probe::{Judgement, Question, Said, Target, probe};
pub use routing::{Service, log_stream, outbox_record};
pub use s3::{BucketChoice, Encryption, S3, S3Config};
pub use sns::{InvalidTopic, Sns, TopicArn};
pub use sqs::{InvalidQueueUrl, QueueUrl, Sqs};
pub use unserved::Unserved;
