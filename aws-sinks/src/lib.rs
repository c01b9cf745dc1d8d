//! Delivery to AWS: [`CloudWatch`] (PutMetricData), [`Logs`] (PutLogEvents) and [`S3`] (PutObject)
//! as [`outbox::Destination`]s.
//!
//! Credentials come from the default chain of AWS's SDK, as do signatures and the HTTP client; the
//! requests are written here (docs/decisions/0062). What a service documents as a limit is kept by a
//! pure builder (`cloudwatch::batch`, `logs::batch`), so that no request is refused for its size.
//!
//! What fails is told apart by who can mend it:
//! - a service that is away, throttles, or refuses the account or a setting: everything waits, and
//!   the log says which setting or permission it is;
//! - a single record that the service will never take: it is refused, the others of its request are
//!   delivered.
#![forbid(unsafe_code)]

mod answer;
mod authorities;
mod clock;
pub mod cloudwatch;
mod connection;
mod credentials;
mod endpoint;
mod fault;
pub mod logs;
mod routing;
mod s3;
mod tally;

pub use cloudwatch::CloudWatch;
pub use connection::Access;
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use logs::{Logs, RETENTION_DAYS};
pub use routing::{Service, log_stream, outbox_record};
pub use s3::{Encryption, S3, S3Config};
