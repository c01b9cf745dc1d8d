//! The order of SRV records: RFC 2782.

use super::{MAX_SERVERS, Srv};
use crate::random::Random;

/// Puts records into the order in which they are to be tried: by priority, and within one by a
/// draw in proportion to weight. A server of weight 0 comes before a weighted one only when the
/// draw is 0, as the RFC has it; servers that all have weight 0 come in any order.
pub(super) fn rank(mut records: Vec<Srv>, random: &mut dyn Random) -> Vec<Srv> {
    // Among equals those of weight 0 stand first.
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    for group in records.chunk_by_mut(|a, b| a.priority == b.priority) {
        let mut rest = group;
        while rest.len() > 1 {
            let chosen = draw(rest, random);
            // Keeps the order of those left, which a swap would not.
            if let Some(front) = rest.get_mut(..=chosen) {
                front.rotate_right(1);
            }
            rest = &mut rest[1..];
        }
    }
    records.truncate(MAX_SERVERS);
    records
}

/// The record to try next out of one priority.
fn draw(records: &[Srv], random: &mut dyn Random) -> usize {
    let total: u64 = records.iter().map(|record| u64::from(record.weight)).sum();
    if total == 0 {
        return below(random, records.len() as u64) as usize;
    }
    let point = below(random, total + 1);
    let mut sum = 0;
    let reached = records.iter().position(|record| {
        sum += u64::from(record.weight);
        sum >= point
    });
    reached.unwrap_or_default()
}

/// A number evenly from `0..limit`.
fn below(random: &mut dyn Random, limit: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(limit)) >> 64) as u64
}
