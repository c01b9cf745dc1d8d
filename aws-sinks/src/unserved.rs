//! Why a request outside a queue was not served.

use crate::connection::{Connection, NoAnswer};
use crate::fault::{Fault, Waiting};
use std::fmt;
use std::time::Duration;

/// Why a service did not do what was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unserved {
    /// It may do so later: it is away, throttles, or refuses the account or a setting.
    Wait {
        /// In words, with what to do.
        reason: String,
        /// How long it asks to be left alone.
        after: Option<Duration>,
    },
    /// It never will.
    Refused(String),
}

impl Unserved {
    /// In words, with what to do.
    pub fn reason(&self) -> &str {
        match self {
            Unserved::Wait { reason, .. } | Unserved::Refused(reason) => reason,
        }
    }

    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Unserved::Wait { reason: reason.into(), after: None }
    }

    /// What a fault means, after which `connection` looks credentials up again where they are at fault.
    pub(crate) fn of(fault: Fault, connection: &mut Connection) -> Self {
        match fault {
            Fault::Wait(waiting) | Fault::Again(waiting) => {
                if waiting.renew {
                    connection.forget_credentials();
                }
                let Waiting { reason, after, .. } = waiting;
                Unserved::Wait { reason, after }
            }
            Fault::Invalid(reason) => Unserved::Refused(reason),
            Fault::Taken => Unserved::because("it is there already"),
        }
    }
}

impl From<NoAnswer> for Unserved {
    fn from(NoAnswer(reason): NoAnswer) -> Self {
        Unserved::because(reason)
    }
}

impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for Unserved {}
