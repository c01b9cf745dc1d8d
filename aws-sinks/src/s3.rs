//! S3.

mod probe;

use crate::answer::ServiceError;
use crate::connection::{Connection, Protocol, Request, Sender};
use crate::fault::{self, Fault, Waiting, Words};
use crate::tally::{Item, Sent, Tally};
use crate::{Access, Endpoint};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use outbox::{BatchRules, Destination, Entry, OutboxRecord, Outcome};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

pub(crate) const WORDS: Words = Words::of_records("s3", "s3:PutObject");
pub(crate) const PROTOCOL: Protocol = Protocol { signing_name: "s3", is_s3: true };
/// Objects that are put at once.
const AT_ONCE: usize = 16;
/// Octets of an object's key.
pub(crate) const MAX_KEY: usize = 1_024;
/// The attribute of a record that holds its object's key.
pub(crate) const KEY: &str = "key";

/// What encrypts objects in the bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Encryption {
    /// Keys of S3 (`AES256`).
    S3,
    /// A key of KMS: the bucket's or account's default one, or this one.
    Kms(Option<String>),
}

/// Where objects go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct S3Config {
    /// The bucket; it is not made.
    pub bucket: String,
    /// What each key begins with; may be empty.
    pub prefix: String,
    /// What is asked for; `None` leaves it to the bucket.
    pub encryption: Option<Encryption>,
}

/// Puts each record into an object of its own, whose key is `prefix` and the record's attribute
/// `key`. Putting one twice leaves one: what may be there already is put only if it is not, so that a
/// bucket with versions gets no second one.
#[derive(Debug)]
pub struct S3 {
    base: String,
    connection: Connection,
    config: S3Config,
    access: Access,
    choice: Choice,
}

/// A bucket in place of the configured one, asked at each object; `None` for the configured one.
pub type BucketChoice = Box<dyn Fn() -> Option<Arc<str>> + Send + Sync>;

#[derive(Default)]
struct Choice(Option<BucketChoice>);

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Choice").field(&self.0.is_some()).finish()
    }
}

#[derive(Clone, Copy)]
struct Object(usize);

impl Item for Object {
    fn entry(&self) -> usize {
        self.0
    }

    fn name(&self) -> String {
        String::new()
    }
}

impl S3 {
    /// Puts objects as `config` says. With an endpoint of its own the bucket is in the path, at AWS
    /// in the host's name.
    pub fn new(access: &Access, config: S3Config) -> Self {
        let base = base(access, &config.bucket);
        let connection = Connection::new(access, PROTOCOL);
        S3 { base, connection, config, access: access.clone(), choice: Choice::default() }
    }

    /// Objects go into the bucket that `choice` says when they are put: also those that wait.
    #[must_use]
    pub fn choosing(mut self, choice: BucketChoice) -> Self {
        self.choice = Choice(Some(choice));
        self
    }

    async fn put(&self, sender: &Sender, entry: &Entry) -> Sent {
        let is_repeated = entry.possible_duplicate;
        let chosen = self.choice.0.as_ref().and_then(|choice| choice());
        let bucket = chosen.as_deref().unwrap_or(&self.config.bucket);
        let base = match &chosen {
            Some(bucket) => &base(&self.access, bucket),
            None => &self.base,
        };
        match self.put_one(sender, base, &entry.record, is_repeated).await {
            // A backend without conditional requests: the object replaces itself.
            Err(error) if is_repeated && is_unconditional(&error) => {
                self.put_one(sender, base, &entry.record, false).await
            }
            other => other,
        }
        .unwrap_or_else(|error| Sent::Failed(fault_of(&error, bucket, WORDS)))
    }

    /// Puts an object; `Err` is the service's own error.
    async fn put_one(
        &self,
        sender: &Sender,
        base: &str,
        record: &OutboxRecord,
        only_if_missing: bool,
    ) -> Result<Sent, ServiceError> {
        let invalid = |reason: String| Ok(Sent::Failed(Fault::Invalid(reason)));
        let Some(key) = record.attribute(KEY) else {
            return invalid("it has no key".to_owned());
        };
        let key = format!("{}{key}", self.config.prefix);
        if key.len() > MAX_KEY {
            return invalid(format!("its key is longer than {MAX_KEY} octets"));
        }
        let checksum = STANDARD.encode(Sha256::digest(&record.body));
        let mut headers =
            vec![("content-type", "application/json"), ("x-amz-checksum-sha256", &checksum)];
        headers.extend(encryption_headers(self.config.encryption.as_ref()));
        if only_if_missing {
            headers.push(("if-none-match", "*"));
        }
        let url = format!("{base}/{}", encoded(&key));
        let body = record.body.clone().into();
        match sender.send(Request { method: "PUT", url, headers, body }).await {
            Ok(answer) if answer.is_success() => Ok(Sent::Except(Vec::new())),
            Ok(answer) if only_if_missing && answer.status == 412 => Ok(Sent::Failed(Fault::Taken)),
            Ok(answer) => Err(answer.error()),
            Err(no_answer) => Ok(Sent::Failed(Fault::Wait(no_answer.into()))),
        }
    }
}

impl Destination for S3 {
    fn rules(&self) -> BatchRules {
        BatchRules {
            max_entries: AT_ONCE,
            max_bytes: AT_ONCE * OutboxRecord::MAX_BODY_BYTES,
            overhead_bytes: 0,
            one_stream: false,
            max_span: None,
        }
    }

    async fn deliver(&mut self, batch: &[Entry]) -> Outcome {
        let mut tally = Tally::new(batch.len());
        let objects: Vec<_> = (0..batch.len()).map(Object).collect();
        tally.expect(&objects);
        let sent = match self.connection.prepare().await {
            Ok(sender) => {
                let puts = batch.iter().map(|entry| self.put(&sender, entry));
                futures_util::future::join_all(puts).await
            }
            Err(no_answer) => vec![Sent::Failed(Fault::Wait(no_answer.into()))],
        };
        for (object, sent) in objects.iter().zip(sent) {
            tally.take(std::slice::from_ref(object), sent);
        }
        if tally.renews() {
            self.connection.forget_credentials();
        }
        tally.outcome()
    }
}

/// Where the objects of a bucket are, without a slash at the end.
pub(crate) fn base(access: &Access, bucket: &str) -> String {
    let bucket = encoded(bucket);
    let aws = || Endpoint::of_aws("s3", &access.region);
    match &access.endpoint {
        Some(endpoint) => format!("{endpoint}/{bucket}"),
        // A certificate's wildcard covers no dots.
        None if bucket.contains('.') => format!("{}/{bucket}", aws()),
        None => Endpoint::of_aws(&format!("{bucket}.s3"), &access.region).to_string(),
    }
}

/// What asks for an object's encryption in the bucket.
pub(crate) fn encryption_headers(
    encryption: Option<&Encryption>,
) -> impl Iterator<Item = (&'static str, &str)> {
    let (algorithm, key) = match encryption {
        Some(Encryption::S3) => (Some("AES256"), None),
        Some(Encryption::Kms(key)) => (Some("aws:kms"), key.as_deref()),
        None => (None, None),
    };
    let algorithm = algorithm.map(|name| ("x-amz-server-side-encryption", name));
    let key = key.map(|key| ("x-amz-server-side-encryption-aws-kms-key-id", key));
    algorithm.into_iter().chain(key)
}

/// A key as a path: everything but unreserved characters (RFC 3986 section 2.3) and `/` in per cent.
pub(crate) fn encoded(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Whether a backend does not know conditional requests.
fn is_unconditional(error: &ServiceError) -> bool {
    error.status == 501 || matches!(error.code.as_str(), "NotImplemented" | "MethodNotAllowed")
}

/// What an error of PutObject means.
pub(crate) fn fault_of(error: &ServiceError, bucket: &str, words: Words) -> Fault {
    let (told, table) = (fault::told(error), words.table);
    let wait = |advice: String| Fault::Wait(Waiting::because(format!("{told}: {advice}")));
    match error.code.as_str() {
        "NoSuchBucket" => wait(format!(
            "make the bucket {bucket}, or correct bucket of [sinks] {table}; objects wait"
        )),
        "InvalidBucketName" => wait(format!("correct bucket of [sinks] {table}")),
        "KMS.DisabledException"
        | "KMS.NotFoundException"
        | "KMS.KMSInvalidStateException"
        | "InvalidEncryptionAlgorithmError"
        | "ServerSideEncryptionConfigurationNotFoundError" => {
            wait(format!("correct encryption of [sinks] {table}, or the state of its key"))
        }
        "BadDigest"
        | "XAmzContentSHA256Mismatch"
        | "IncompleteBody"
        | "RequestTimeout"
        | "OperationAborted"
        | "ConditionalRequestConflict" => {
            Fault::Again(Waiting { after: error.retry_after, ..Waiting::because(told) })
        }
        "KeyTooLongError" | "EntityTooLarge" | "InvalidURI" | "InvalidObjectName"
        | "InvalidRequest" | "InvalidArgument" | "MetadataTooLarge" => Fault::Invalid(told),
        _ if error.status == 413 => Fault::Invalid(told),
        _ => fault::common(error, words).unwrap_or_else(|| Fault::Wait(Waiting::because(told))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(endpoint: Option<&str>, bucket: &str) -> String {
        let endpoint = endpoint.map(|text| Endpoint::parse(text).unwrap());
        let access = Access { region: "eu-west-1".to_owned(), endpoint, authorities: None };
        let config =
            S3Config { bucket: bucket.to_owned(), prefix: String::new(), encryption: None };
        S3::new(&access, config).base
    }

    #[test]
    fn the_bucket_is_in_the_host_at_aws_and_in_the_path_elsewhere() {
        assert_eq!(base(None, "records"), "https://records.s3.eu-west-1.amazonaws.com");
        assert_eq!(base(None, "a.b"), "https://s3.eu-west-1.amazonaws.com/a.b");
        assert_eq!(
            base(Some("http://127.0.0.1:5000/"), "records"),
            "http://127.0.0.1:5000/records"
        );
    }

    #[test]
    fn a_key_is_a_path() {
        assert_eq!(encoded("CDRs/json/a-b_c/03.04"), "CDRs/json/a-b_c/03.04");
        assert_eq!(encoded("a b+ü?#%"), "a%20b%2B%C3%BC%3F%23%25");
    }

    #[test]
    fn a_setting_waits_and_an_object_is_refused() {
        let fault = |status, code: &str| {
            let (code, message) = (code.to_owned(), String::new());
            let error = ServiceError { status, code, message, retry_after: None };
            fault_of(&error, "records", WORDS)
        };
        for (status, code) in [
            (404, "NoSuchBucket"),
            (403, "AccessDenied"),
            (503, "SlowDown"),
            (500, "InternalError"),
            (400, "KMS.DisabledException"),
            (301, "PermanentRedirect"),
            (400, "SomethingNew"),
        ] {
            assert!(matches!(fault(status, code), Fault::Wait(_)), "{code}");
        }
        assert!(matches!(fault(400, "KeyTooLongError"), Fault::Invalid(_)));
        assert!(matches!(fault(400, "BadDigest"), Fault::Again(_)));
    }
}
