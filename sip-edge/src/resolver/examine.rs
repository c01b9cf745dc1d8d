//! Locating a host once, outside a running edge, with every step shown.

use super::{Reply, ResolverLimits, lookup_over};
use crate::random::OsRandom;
use model::Instant;
use sip_proto::locate::{
    Abilities, Answer, Locate, LocateFailure, Question, Record, Target, Wanted,
};
use std::io;
use std::net::SocketAddr;

/// What was asked and found on the way to a host's servers.
#[derive(Clone, Debug)]
pub struct Located {
    /// The questions in the order in which they were asked; `None` where nobody answered.
    pub steps: Vec<(Question, Option<Vec<Record>>)>,
    /// Where a request would be sent, the first to be tried at the front. How long that holds is
    /// not told.
    pub outcome: Result<Vec<Target>, LocateFailure>,
}

/// Finds the servers of a host as an edge with these listeners and name servers would (RFC 3263);
/// without name servers, those of the system are asked. Blocks for as long as that takes, which is
/// bounded by [`ResolverLimits::timeout`] for each of a few questions.
///
/// # Errors
/// When the system gives no event loop or no random numbers.
pub fn locate(wanted: Wanted, abilities: Abilities, servers: &[SocketAddr]) -> io::Result<Located> {
    let mut random = OsRandom::new()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let lookup = lookup_over(servers);
    let limit = ResolverLimits::default().timeout;
    let mut search = Locate::new(wanted, abilities);
    let mut steps = Vec::new();
    while let Some(question) = search.poll_question() {
        let asking = lookup(question.clone());
        let reply = runtime.block_on(async { tokio::time::timeout(limit, asking).await });
        let (answer, records) = match reply.unwrap_or(Reply::Failed) {
            Reply::Records(records, _) => {
                (Answer::Records(records.as_slice().into(), Instant::ZERO), Some(records))
            }
            Reply::Failed => (Answer::Failed, None),
        };
        search.handle_answer(&question, &answer, &mut random);
        steps.push((question, records));
    }
    let outcome = search.outcome().unwrap_or(Err(LocateFailure::Unanswered));
    // There is no clock here that a life of records could be told by.
    let lasting = |target: &Target| Target { until: None, ..target.clone() };
    let outcome = outcome.map(|targets| targets.iter().map(lasting).collect());
    Ok(Located { steps, outcome })
}

/// Asks name servers, or those of the system where none are given, each of these questions, and nothing
/// else: no file of this host and no answer from before. `None` where nobody answered. Blocks for as
/// long as that takes, which is bounded by [`ResolverLimits::timeout`] for each question.
///
/// # Errors
/// When the system gives no event loop.
pub fn look_up(
    questions: &[Question],
    servers: &[SocketAddr],
) -> io::Result<Vec<Option<Vec<Record>>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let limit = ResolverLimits::default().timeout;
    let asked = questions.iter().map(|question| {
        let asking = super::ask_servers(servers, question);
        match runtime.block_on(async { tokio::time::timeout(limit, asking).await }) {
            Ok(Reply::Records(records, _)) => Some(records),
            Ok(Reply::Failed) | Err(_) => None,
        }
    });
    Ok(asked.collect())
}
