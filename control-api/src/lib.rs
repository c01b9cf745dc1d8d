//! The control API: what `chime-sdk-voice` clients (the aws CLI, boto3, Terraform) ask, and STS's
//! GetCallerIdentity.
//!
//! A pure core: [`Api::handle`] takes one HTTP request as values, the time and a [`Backend`], and gives
//! an answer and its audit record. Sockets, TLS, the clock, random numbers, the database and call
//! routing are the binary's, behind the backend.
//!
//! The way of a request: the claim of its signature is read ([`sigv4::read`]), its key is found and
//! the signature verified, the key's rate is counted, the operation is found in [`OPERATIONS`], the
//! key's [`Policy`] decides, the request is held against the operation's shape ([`schema`]), and the
//! operation answers. A write works on a draft of the [`State`]: the backend writes its changes down
//! and routes calls by them before the client is answered, or the draft is undone. Whatever fails is
//! an [`ApiError`], which clients turn into a typed exception.
#![forbid(unsafe_code)]

mod access_key;
mod api;
mod audit;
mod backend;
mod calendar;
mod compose;
mod encoding;
mod error;
mod operations;
mod page_token;
mod policy;
mod porting;
mod rate;
mod reads;
mod request;
mod rooms;
mod router;
pub mod schema;
pub mod sigv4;
pub mod state;
mod steering;
mod sts;
mod write;
mod writes;

pub use access_key::{AccessKey, KeySource, KeySourceFault, NewAccessKey};
pub use api::{Answer, Api, Ids, NumberView, RequestKind, Settings};
pub use audit::FILE as AUDIT_FILE;
pub use backend::{
    Backend, CommitFault, ComposedPicture, HeldMeeting, Made, NotCalled, NotUpdated,
};
pub use compose::{ComposeFault, Composed, compose};
pub use error::{ApiError, ErrorKind};
pub use operations::{MEETING_OPERATIONS, Method, OPERATIONS, OWN_OPERATIONS, Operation, Support};
pub use policy::{Policy, PolicyFault, Question};
pub use request::{MAX_BODY_BYTES, Request};
pub use router::{Routed, route};
pub use schema::shown::text_shown;
pub use state::State;
