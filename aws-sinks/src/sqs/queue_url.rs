//! Which queue, and where.

use crate::Endpoint;
use std::fmt;

/// The URL of a queue of SQS, which names the place that requests for it go to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueueUrl(String);

/// Why a text is no [`QueueUrl`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidQueueUrl(String);

impl QueueUrl {
    /// Checks `text`.
    ///
    /// # Errors
    /// When it is no URL of scheme http or https with a path that names a queue.
    pub fn parse(text: &str) -> Result<Self, InvalidQueueUrl> {
        let wrong = || InvalidQueueUrl(text.to_owned());
        Endpoint::parse(text).map_err(|_| wrong())?;
        let queue = QueueUrl(text.to_owned());
        let name = text.rsplit('/').next().unwrap_or_default();
        let is_named = text.len() > queue.origin().len() + 1 && !name.is_empty();
        is_named.then_some(queue).ok_or_else(wrong)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether messages of one group keep their order.
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(".fifo")
    }

    /// The region of a queue at AWS, as its host's name tells it.
    pub fn region(&self) -> Option<&str> {
        let (_, host) = self.origin().split_once("://")?;
        let region = host.strip_prefix("sqs.")?.split('.').next()?;
        host.contains(".amazonaws.com").then_some(region)
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> &str {
        let host = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0.get(host..).and_then(|rest| rest.find('/')).map(|at| host + at);
        self.0.get(..end.unwrap_or(self.0.len())).unwrap_or_default()
    }
}

impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InvalidQueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a queue's URL; write one such as \
             \"https://sqs.eu-central-1.amazonaws.com/111122223333/calls\"",
            self.0
        )
    }
}

impl std::error::Error for InvalidQueueUrl {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_where_its_url_says() {
        let url = |text| QueueUrl::parse(text).unwrap();
        let aws = url("https://sqs.eu-west-1.amazonaws.com/111122223333/calls.fifo");
        assert_eq!(aws.origin(), "https://sqs.eu-west-1.amazonaws.com");
        assert_eq!((aws.region(), aws.is_fifo()), (Some("eu-west-1"), true));
        let own = url("http://127.0.0.1:5000/111122223333/calls");
        assert_eq!(own.origin(), "http://127.0.0.1:5000");
        assert_eq!((own.region(), own.is_fifo()), (None, false));
        for bad in ["", "calls", "https://sqs.eu-west-1.amazonaws.com", "http://a/", "http://a/b/"]
        {
            assert!(QueueUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
