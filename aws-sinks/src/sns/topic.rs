//! Which topic.

use std::fmt;

/// The ARN of a topic of SNS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicArn(String);

/// Why a text is no [`TopicArn`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidTopic(String);

impl TopicArn {
    /// Checks `text`.
    ///
    /// # Errors
    /// When it is not `arn:PARTITION:sns:REGION:ACCOUNT:NAME`.
    pub fn parse(text: &str) -> Result<Self, InvalidTopic> {
        let parts: Vec<_> = text.split(':').collect();
        let name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        match &parts[..] {
            ["arn", partition, "sns", region, account, topic]
                if !partition.is_empty()
                    && !region.is_empty()
                    && !account.is_empty()
                    && (1..=256).contains(&topic.len())
                    && topic.chars().all(name) =>
            {
                Ok(TopicArn(text.to_owned()))
            }
            _ => Err(InvalidTopic(text.to_owned())),
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region that it is in.
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }

    /// Whether messages of one group keep their order.
    pub fn is_fifo(&self) -> bool {
        self.0.ends_with(".fifo")
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for InvalidTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a topic's ARN; write one such as \
             \"arn:aws:sns:eu-central-1:111122223333:calls\"",
            self.0
        )
    }
}

impl std::error::Error for InvalidTopic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_a_region_and_a_name() {
        let topic = TopicArn::parse("arn:aws-cn:sns:cn-north-1:111122223333:calls.fifo").unwrap();
        assert_eq!((topic.region(), topic.is_fifo()), ("cn-north-1", true));
        for bad in [
            "",
            "calls",
            "arn:aws:sqs:eu-west-1:1:calls",
            "arn:aws:sns::1:calls",
            "arn:aws:sns:eu-west-1:1:",
            "arn:aws:sns:eu-west-1:1:calls:subscription",
        ] {
            assert!(TopicArn::parse(bad).is_err(), "{bad}");
        }
    }
}
