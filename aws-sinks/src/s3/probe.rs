//! Whether S3 would take objects.

use super::{S3, WORDS, encoded};
use crate::answer::Answer;
use crate::connection::{NoAnswer, Request, Sender};
use crate::fault;
use crate::probe::{Said, asked};
use bytes::Bytes;

/// An upload that nobody has begun. S3 says so only to whoever may put objects, and a part of it
/// stays nowhere.
const UPLOAD: &str = "partNumber=1&uploadId=tandem-doctor";

/// What is asked about.
struct Bucket<'a> {
    base: &'a str,
    name: &'a str,
    /// The region that requests are signed for.
    region: &'a str,
    /// Of the object, with the prefix.
    key: String,
}

impl S3 {
    /// Asks for the bucket, which it need not be allowed to, and sends a part of an upload that is
    /// not there, to `key`.
    pub(crate) async fn probe(mut self, key: &str) -> Result<Vec<Said>, NoAnswer> {
        let region = self.connection.region().to_owned();
        let bucket = Bucket {
            base: &self.base,
            name: &self.config.bucket,
            region: &region,
            key: format!("{}{key}", self.config.prefix),
        };
        asked(&mut self.connection, WORDS, bucket.base, async |sender| {
            match bucket.ask(sender).await {
                Ok(said) => vec![said],
                Err(NoAnswer(reason)) => vec![Said::unanswered(WORDS, reason)],
            }
        })
        .await
    }
}

impl Bucket<'_> {
    async fn ask(&self, sender: &Sender) -> Result<Said, NoAnswer> {
        let (headers, body) = (Vec::new, Bytes::new);
        let url = self.base.to_owned();
        let request = Request { method: "HEAD", url, headers: headers(), body: body() };
        let seen = sender.send(request).await?;
        let url = format!("{}/{}?{UPLOAD}", self.base, encoded(&self.key));
        let request = Request { method: "PUT", url, headers: headers(), body: body() };
        Ok(self.judge(&seen, &sender.send(request).await?))
    }

    fn judge(&self, seen: &Answer, part: &Answer) -> Said {
        let Bucket { base: at, name, key, .. } = self;
        let error = part.error();
        let there = seen.bucket_region.clone().or_else(|| part.bucket_region.clone());
        let there = there.or_else(|| part.element("Region"));
        match error.code.as_str() {
            _ if part.is_success() => {
                let took = "took a part of an upload that nobody began; see whether it has";
                Said::unknown(WORDS, format!("{at} {took} {key}"))
            }
            "NoSuchUpload" => {
                let there = there.map(|there| format!(" in {there}")).unwrap_or_default();
                Said::works(WORDS, format!("{at} allows s3:PutObject; bucket {name}{there}"))
            }
            "NoSuchBucket" => {
                let advice = format!(
                    "make the bucket {name}, or correct bucket of [sinks] s3; objects wait"
                );
                Said::refused_with(WORDS, at, &error, advice)
            }
            // Other servers than AWS's, which do not know uploads.
            "NotImplemented" | "InvalidArgument" | "InvalidRequest" | "MethodNotAllowed"
            | "NoSuchKey" => {
                let told = fault::told(&error);
                let untold = "answers, but tells not whether s3:PutObject is allowed";
                let found = format!("{at} {untold} ({told}); the first record shows it");
                Said::unknown(WORDS, found)
            }
            _ => self.refused(part, there),
        }
    }

    /// Another refusal; `there` is the region that the bucket is in, as far as it was told.
    fn refused(&self, part: &Answer, there: Option<String>) -> Said {
        let Bucket { base: at, name, region, .. } = self;
        let error = part.error();
        match there.filter(|there| there != region && is_of_region(&error.code, part.status)) {
            Some(there) => {
                let advice = format!(
                    "bucket {name} is in {there}: set region = \"{there}\" in [sinks] s3; it is \
                     {region:?}"
                );
                Said::refused_with(WORDS, at, &error, advice)
            }
            None => Said::refused(WORDS, at, &error),
        }
    }
}

/// Whether an error is one of the region.
fn is_of_region(code: &str, status: u16) -> bool {
    let codes = [
        "PermanentRedirect",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "IllegalLocationConstraintException",
        "InvalidRegion",
    ];
    codes.contains(&code) || (300..400).contains(&status)
}
