//! Questions to services whether records could be delivered there. They leave nothing behind and ask
//! for nothing that the delivery itself may not do.

mod identity;

use crate::answer::ServiceError;
use crate::connection::{Connection, NoAnswer, Sender};
use crate::fault::{self, Words};
use crate::{
    Access, CloudWatch, Endpoint, EventBridge, EventBridgeConfig, EventTarget, KinesisVideo, Kms,
    Logs, QueueUrl, S3, S3Config, Service, Sns, Sqs, TopicArn, objects, s3,
};
use futures_util::future::{join, join_all};
use std::time::Duration;

/// The subject of what is said of times.
const CLOCK: &str = "clock";
/// How long a service may take for all that it is asked.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long the credentials' source may take.
const CREDENTIALS_PATIENCE: Duration = Duration::from_secs(8);

/// One service, and what it is to take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// Where it is.
    pub access: Access,
    /// Which one.
    pub target: Target,
}

/// What a service is to take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Metrics of this namespace.
    CloudWatch {
        /// As it is configured.
        namespace: String,
    },
    /// Events of this log group.
    Logs {
        /// Such as a voice connector's.
        group: String,
        /// A stream that is not there.
        stream: String,
    },
    /// Objects.
    S3 {
        /// As it is configured.
        config: S3Config,
        /// Of an object, without the prefix; nothing is put there.
        key: String,
    },
    /// Files of recordings, which are looked at after they were put.
    Recordings {
        /// As it is configured.
        config: S3Config,
        /// Of an object, without the prefix; nothing is put there.
        key: String,
    },
    /// Keys for data (envelope encryption).
    Kms {
        /// An id, alias or ARN.
        key: String,
        /// What the key is asked for with, which a policy may demand.
        context: Vec<(String, String)>,
    },
    /// Audio.
    KinesisVideo {
        /// A stream's name; it need not be there.
        stream: String,
        /// Where audio is sent, when that is not what the service says.
        data_endpoint: Option<Endpoint>,
    },
    /// Events on a bus.
    EventBridge {
        /// As it is configured.
        config: EventBridgeConfig,
    },
    /// Messages of this topic.
    Sns {
        /// As it is configured.
        topic: TopicArn,
    },
    /// Messages of this queue.
    Sqs {
        /// As it is configured.
        queue: QueueUrl,
    },
}

/// How it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Judgement {
    /// As it should be.
    Works,
    /// It cannot be asked, or does not tell.
    Unknown,
    /// Records would wait.
    Fails,
}

/// One thing that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// `identity`, `clock`, or the service as `[sinks]` names it.
    pub subject: &'static str,
    /// How it is.
    pub judgement: Judgement,
    /// In words, one line.
    pub found: String,
    /// What to change; may be empty.
    pub advice: String,
}

/// Asks all services at once whose credentials these are and whether they take records; it takes at
/// most 15 seconds, whatever they do.
pub fn probe(questions: &[Question]) -> Vec<Said> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return vec![Said::new("identity", Judgement::Unknown, error.to_string(), "")];
        }
    };
    let identities = join_all(identity::places(questions).into_iter().map(identity::ask));
    let services = join_all(questions.iter().map(ask));
    let (identities, services) = runtime.block_on(join(identities, services));
    // A name that is being resolved is not waited for.
    runtime.shutdown_background();
    let identities = identities.into_iter().map(|said| (identity::WORDS.table, said));
    let tables = questions.iter().map(|question| question.target.table());
    once(identities.chain(tables.zip(services)))
}

impl Target {
    /// As `[sinks]` names the service.
    const fn table(&self) -> &'static str {
        match self {
            Target::CloudWatch { .. } => Service::CloudWatch.name(),
            Target::Logs { .. } => Service::Logs.name(),
            Target::S3 { .. } => Service::S3.name(),
            Target::Recordings { .. } => objects::WORDS.table,
            Target::Kms { .. } => crate::kms::TABLE,
            Target::KinesisVideo { .. } => crate::kinesis_video::WORDS.table,
            Target::EventBridge { .. } => EventTarget::EventBridge.name(),
            Target::Sns { .. } => EventTarget::Sns.name(),
            Target::Sqs { .. } => EventTarget::Sqs.name(),
        }
    }
}

async fn ask(question: &Question) -> Result<Vec<Said>, NoAnswer> {
    let access = &question.access;
    match &question.target {
        Target::CloudWatch { namespace } => CloudWatch::new(access, namespace).probe().await,
        Target::Logs { group, stream } => Logs::new(access, None).probe(group, stream).await,
        Target::S3 { config, key } => S3::new(access, config.clone()).probe(key, s3::WORDS).await,
        Target::Recordings { config, key } => {
            S3::new(access, config.clone()).probe(key, objects::WORDS).await
        }
        Target::Kms { key, context } => Kms::new(access).probe(key, context).await,
        Target::KinesisVideo { stream, data_endpoint } => {
            KinesisVideo::new(access, data_endpoint.clone()).probe(stream).await
        }
        Target::EventBridge { config } => EventBridge::new(access, config.clone()).probe().await,
        Target::Sns { topic } => Sns::new(access, topic.clone()).probe().await,
        Target::Sqs { queue } => Sqs::new(access, queue.clone()).probe().await,
    }
}

/// What was found, by subject, or why nobody could be asked; what is the same for all is said once.
fn once(all: impl Iterator<Item = (&'static str, Result<Vec<Said>, NoAnswer>)>) -> Vec<Said> {
    let (mut out, mut reasons): (Vec<Said>, Vec<String>) = Default::default();
    for (subject, said) in all {
        match said {
            Ok(said) => {
                let has_clock = out.iter().any(|before| before.subject == CLOCK);
                out.extend(said.into_iter().filter(|said| !has_clock || said.subject != CLOCK));
            }
            Err(NoAnswer(reason)) if reasons.contains(&reason) => {
                out.push(Said::new(subject, Judgement::Unknown, "is not asked: see above", ""));
            }
            Err(NoAnswer(reason)) => {
                out.push(Said::new(subject, Judgement::Fails, &reason, ""));
                reasons.push(reason);
            }
        }
    }
    out
}

/// Gets credentials, and asks.
///
/// # Errors
/// Why nobody can be asked.
pub(crate) async fn asked(
    connection: &mut Connection,
    words: Words,
    at: &str,
    ask: impl AsyncFnOnce(&Sender) -> Vec<Said>,
) -> Result<Vec<Said>, NoAnswer> {
    let ready = tokio::time::timeout(CREDENTIALS_PATIENCE, connection.prepare()).await;
    let sender = ready.unwrap_or_else(|_| {
        let seconds = CREDENTIALS_PATIENCE.as_secs();
        Err(NoAnswer(format!(
            "no AWS credentials: their source does not answer within {seconds} s; set \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give the machine a role"
        )))
    })?;
    let said = tokio::time::timeout(PATIENCE, ask(&sender)).await;
    let mut said = said.unwrap_or_else(|_| {
        let seconds = PATIENCE.as_secs();
        vec![Said::unanswered(words, format!("{at}: no answer within {seconds} s"))]
    });
    said.extend(connection.seconds_ahead().map(Said::skewed));
    Ok(said)
}

impl Said {
    pub(crate) fn new(
        subject: &'static str,
        judgement: Judgement,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Said { subject, judgement, found: found.into(), advice: advice.into() }
    }

    pub(crate) fn works(words: Words, found: impl Into<String>) -> Self {
        Said::new(words.table, Judgement::Works, found, "")
    }

    pub(crate) fn unknown(words: Words, found: impl Into<String>) -> Self {
        Said::new(words.table, Judgement::Unknown, found, "")
    }

    /// Records would wait, or be refused.
    pub(crate) fn fails(words: Words, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Said::new(words.table, Judgement::Fails, found, advice)
    }

    /// Nobody answered.
    pub(crate) fn unanswered(words: Words, reason: impl Into<String>) -> Self {
        let table = words.table;
        let advice = format!(
            "check endpoint_url and region of [sinks] {table}, names (DNS) and firewalls on the way, \
             and tls_ca where a certificate is refused; records wait meanwhile"
        );
        Said::new(table, Judgement::Fails, reason, advice)
    }

    /// It was refused; `words` has the permission that was asked for.
    pub(crate) fn refused(words: Words, at: &str, error: &ServiceError) -> Self {
        let advice = fault::advice(error, words);
        let advice = advice.unwrap_or_else(|| {
            let table = words.table;
            format!("correct what it names, or [sinks] {table}; records wait meanwhile")
        });
        Said::refused_with(words, at, error, advice)
    }

    pub(crate) fn refused_with(
        words: Words,
        at: &str,
        error: &ServiceError,
        advice: impl Into<String>,
    ) -> Self {
        let found = format!("{at} refuses: {}", fault::told(error));
        Said::new(words.table, Judgement::Fails, found, advice)
    }

    /// The service's clock is so many seconds ahead of this node's.
    fn skewed(seconds: i64) -> Self {
        let (seconds, side) =
            (seconds.unsigned_abs(), if seconds > 0 { "behind" } else { "ahead of" });
        let found = format!("this host's clock is {seconds} s {side} the services'");
        let advice = "correct it (NTP): requests are signed by the services' time meanwhile, and \
                      records have this host's";
        Said::new(CLOCK, Judgement::Fails, found, advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_services_suffer_from_is_said_once() {
        let none = |subject| (subject, Err(NoAnswer("no AWS credentials".to_owned())));
        let clock = |subject| (subject, Ok(vec![Said::skewed(-400)]));
        let all = [none("identity"), none("logs"), clock("cloudwatch"), none("s3"), clock("s3")];
        let told = once(all.into_iter());
        let told: Vec<_> = told.iter().map(|said| (said.subject, said.judgement)).collect();
        assert_eq!(
            told,
            [
                ("identity", Judgement::Fails),
                ("logs", Judgement::Unknown),
                ("clock", Judgement::Fails),
                ("s3", Judgement::Unknown),
            ]
        );
        let found = Said::skewed(-400).found;
        assert_eq!(found, "this host's clock is 400 s ahead of the services'");
    }
}
