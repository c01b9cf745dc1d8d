//! Whether S3 would take objects.

use super::{S3, encoded};
use crate::answer::Answer;
use crate::connection::{NoAnswer, Request, Sender};
use crate::fault::{self, Words};
use crate::objects;
use crate::probe::{Judgement, Said, asked};
use bytes::Bytes;

/// An upload that nobody has begun. S3 says so only to whoever may put objects, and a part of it
/// stays nowhere.
const UPLOAD: &str = "partNumber=1&uploadId=tandem-doctor";

/// What is asked about.
struct Bucket<'a> {
    words: Words,
    base: &'a str,
    name: &'a str,
    /// The region that requests are signed for.
    region: &'a str,
    /// Of the object, with the prefix.
    key: String,
}

/// What the bucket answered.
struct Answers {
    bucket: Answer,
    part: Answer,
    /// Of an object that nobody has put; where objects are looked at.
    object: Option<Answer>,
}

impl S3 {
    /// Asks for the bucket, which it need not be allowed to, and sends a part of an upload that is
    /// not there, to `key`. Recordings are looked at when they are there, so that is asked as well.
    pub(crate) async fn probe(mut self, key: &str, words: Words) -> Result<Vec<Said>, NoAnswer> {
        let region = self.connection.region().to_owned();
        let bucket = Bucket {
            words,
            base: &self.base,
            name: &self.config.bucket,
            region: &region,
            key: format!("{}{key}", self.config.prefix),
        };
        asked(&mut self.connection, words, bucket.base, async |sender| {
            match bucket.ask(sender).await {
                Ok(answers) => bucket.judge(&answers),
                Err(NoAnswer(reason)) => vec![Said::unanswered(words, reason)],
            }
        })
        .await
    }
}

impl Bucket<'_> {
    async fn ask(&self, sender: &Sender) -> Result<Answers, NoAnswer> {
        let object = format!("{}/{}", self.base, encoded(&self.key));
        let request =
            |method, url| Request { method, url, headers: Vec::new(), body: Bytes::new() };
        let bucket = sender.send(request("HEAD", self.base.to_owned())).await?;
        let part = sender.send(request("PUT", format!("{object}?{UPLOAD}"))).await?;
        let object = match self.words.table == objects::WORDS.table {
            true => Some(sender.send(request("HEAD", object)).await?),
            false => None,
        };
        Ok(Answers { bucket, part, object })
    }

    fn judge(&self, answers: &Answers) -> Vec<Said> {
        let put = self.judge_put(&answers.bucket, &answers.part);
        let looked = match &answers.object {
            Some(object) if put.judgement != Judgement::Fails => {
                Some(self.judge_look(answers.bucket.is_success(), object.status))
            }
            Some(_) | None => None,
        };
        std::iter::once(put).chain(looked).collect()
    }

    fn judge_put(&self, seen: &Answer, part: &Answer) -> Said {
        let Bucket { words, base: at, name, key, .. } = self;
        let error = part.error();
        let there = seen.bucket_region.clone().or_else(|| part.bucket_region.clone());
        let there = there.or_else(|| part.element("Region"));
        match error.code.as_str() {
            _ if part.is_success() => {
                let took = "took a part of an upload that nobody began; see whether it has";
                Said::unknown(*words, format!("{at} {took} {key}"))
            }
            "NoSuchUpload" => {
                let there = there.map(|there| format!(" in {there}")).unwrap_or_default();
                Said::works(*words, format!("{at} allows s3:PutObject; bucket {name}{there}"))
            }
            "NoSuchBucket" => {
                let advice = format!(
                    "make the bucket {name}, or correct bucket of [sinks] {}; objects wait",
                    words.table
                );
                Said::refused_with(*words, at, &error, advice)
            }
            // Other servers than AWS's, which do not know uploads.
            "NotImplemented" | "InvalidArgument" | "InvalidRequest" | "MethodNotAllowed"
            | "NoSuchKey" => {
                let told = fault::told(&error);
                let untold = "answers, but tells not whether s3:PutObject is allowed";
                let found = format!("{at} {untold} ({told}); the first record shows it");
                Said::unknown(*words, found)
            }
            _ => self.refused(part, there),
        }
    }

    /// Whether what was put could be looked at. S3 says that an object is not there only to whoever may
    /// list the bucket, and refuses it to others: `may_list`, as far as it is known.
    fn judge_look(&self, may_list: bool, status: u16) -> Said {
        let Bucket { words, base: at, key, .. } = self;
        match status {
            200 | 404 => Said::works(*words, format!("{at} allows s3:GetObject (asked for {key})")),
            401 | 403 if may_list => Said::fails(
                *words,
                format!("{at} refuses to look at {key}: {status}"),
                "allow s3:GetObject to these credentials (docs/recordings.md has the policy): \
                 recordings are put, but never taken for uploaded, and stay here",
            ),
            401 | 403 => Said::unknown(
                *words,
                "whether s3:GetObject is allowed is told only to whoever may list the bucket \
                 (s3:ListBucket); the first upload shows it",
            ),
            _ => Said::unknown(
                *words,
                format!(
                    "{at} answers {status} when an object is looked at; the first upload shows \
                         whether s3:GetObject is allowed"
                ),
            ),
        }
    }

    /// Another refusal; `there` is the region that the bucket is in, as far as it was told.
    fn refused(&self, part: &Answer, there: Option<String>) -> Said {
        let Bucket { words, base: at, name, region, .. } = self;
        let error = part.error();
        match there.filter(|there| there != region && is_of_region(&error.code, part.status)) {
            Some(there) => {
                let advice = format!(
                    "bucket {name} is in {there}: set region = \"{there}\" in [sinks] {}; it is \
                     {region:?}",
                    words.table
                );
                Said::refused_with(*words, at, &error, advice)
            }
            None => Said::refused(*words, at, &error),
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
