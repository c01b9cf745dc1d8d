//! The control API: what `chime-sdk-voice` clients (the aws CLI, boto3, Terraform) ask, and STS's
//! GetCallerIdentity.
//!
//! A pure core: [`Api::handle`] takes one HTTP request as values, the time, the directory's snapshot
//! and a source of access keys, and gives an answer and its audit record. Sockets, TLS, the clock and
//! the database are the binary's.
//!
//! The way of a request: the claim of its signature is read ([`sigv4::read`]), its key is found and
//! the signature verified, the key's rate is counted, the operation is found in [`OPERATIONS`], the
//! key's [`Policy`] decides, and the operation answers. Whatever fails is an [`ApiError`], which
//! clients turn into a typed exception.
#![forbid(unsafe_code)]

mod access_key;
mod api;
mod audit;
mod calendar;
mod compose;
mod encoding;
mod error;
mod operations;
mod page_token;
mod policy;
mod rate;
mod reads;
mod request;
mod router;
pub mod sigv4;
mod sts;

pub use access_key::{AccessKey, KeySource, KeySourceFault, NewAccessKey};
pub use api::{Answer, Api, Ids, Settings};
pub use audit::FILE as AUDIT_FILE;
pub use compose::{ComposeFault, Composed, compose};
pub use error::{ApiError, ErrorKind};
pub use operations::{Method, OPERATIONS, Operation, Support};
pub use policy::{Policy, PolicyFault, Question};
pub use request::{MAX_BODY_BYTES, Request};
pub use router::{Routed, route};
