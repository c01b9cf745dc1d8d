//! Who finds room in the tables when they fill: the share of each source, the part that is kept for
//! dialogs, and the reserve of emergency calls.

use std::collections::HashMap;
use std::net::IpAddr;

use bytes::Bytes;
use model::Flow;

use super::TransactionConfig;

/// How a message stands when the tables are full.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Precedence {
    /// Like everybody's.
    #[default]
    Ordinary,
    /// Of an emergency call: what is kept for those is open to it. The caller vouches that the
    /// sender is one of its own.
    Emergency,
}

impl Precedence {
    /// How many client transactions there may be.
    pub(crate) const fn client_limit(self, config: &TransactionConfig) -> usize {
        match self {
            Precedence::Ordinary => config.max_transactions,
            Precedence::Emergency => {
                config.max_transactions.saturating_add(config.emergency_reserve)
            }
        }
    }
}

/// How a request is sent beside what every request needs.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SendOptions {
    /// The same request written for another flow, see
    /// [`send_request_or`](super::Transactions::send_request_or).
    pub fallback: Option<(Flow, Bytes)>,
    /// Whose it is.
    pub precedence: Precedence,
}

/// What a server transaction counts as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// One of the table, and of nobody's share.
    Table,
    /// One of the table, in the share of a source.
    Share(u64),
    /// One of the emergency reserve.
    Reserve,
}

/// Why there is no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoPlace {
    /// The table is full.
    Table,
    /// The source has its share.
    Share,
}

/// What is used beside the tables' own lengths. Bounded by them: a source without a transaction in
/// its share has no entry.
#[derive(Debug, Default)]
pub(crate) struct Room {
    shares: HashMap<u64, u32>,
    reserved: usize,
}

impl Room {
    /// A place for a new server transaction in a table of `used`. `inside` says that the request is
    /// one of a dialog, or a CANCEL: a running call must be able to hang up.
    pub(crate) fn take(
        &mut self,
        config: &TransactionConfig,
        used: usize,
        source: IpAddr,
        inside: bool,
        precedence: Precedence,
    ) -> Result<Place, NoPlace> {
        let limit = config.max_transactions;
        let kept = if inside { 0 } else { limit.div_ceil(5) };
        let key = network_of(source);
        let share = self.shares.get(&key).copied().unwrap_or(0);
        let found = if used.saturating_sub(self.reserved) + kept >= limit {
            Err(NoPlace::Table)
        } else if inside {
            Ok(Place::Table)
        } else if (share as usize) < config.max_transactions_per_source {
            Ok(Place::Share(key))
        } else {
            Err(NoPlace::Share)
        };
        let has_reserve = self.reserved < config.emergency_reserve;
        let found = match found {
            Err(_) if precedence == Precedence::Emergency && has_reserve => Ok(Place::Reserve),
            found => found,
        };
        match found {
            Ok(Place::Share(key)) => *self.shares.entry(key).or_insert(0) += 1,
            Ok(Place::Reserve) => self.reserved += 1,
            Ok(Place::Table) | Err(_) => {}
        }
        found
    }

    /// Gives a place back.
    pub(crate) fn give_back(&mut self, place: Place) {
        match place {
            Place::Table => {}
            Place::Reserve => self.reserved = self.reserved.saturating_sub(1),
            Place::Share(key) => {
                if let Some(share) = self.shares.get_mut(&key) {
                    *share = share.saturating_sub(1);
                    if *share == 0 {
                        self.shares.remove(&key);
                    }
                }
            }
        }
    }

    /// Whether nothing is counted any more.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.shares.is_empty() && self.reserved == 0
    }
}

/// What counts as one source: an IPv4 address, or the /64 that one IPv6 host can have to itself.
fn network_of(source: IpAddr) -> u64 {
    match source.to_canonical() {
        IpAddr::V4(ip) => u64::from(u32::from(ip)) | 0xff << 56,
        IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn config() -> TransactionConfig {
        TransactionConfig {
            max_transactions: 20,
            max_transactions_per_source: 10,
            emergency_reserve: 2,
            ..TransactionConfig::default()
        }
    }

    /// Takes places until there is none; how many, and why not one more.
    fn fill(room: &mut Room, used: &mut usize, from: u8, inside: bool) -> (usize, NoPlace) {
        for n in 0.. {
            match room.take(&config(), *used, ip(from), inside, Precedence::Ordinary) {
                Ok(_) => *used += 1,
                Err(why) => return (n, why),
            }
        }
        unreachable!("a table has an end")
    }

    #[test]
    fn a_source_has_its_share_and_the_others_have_theirs() {
        let (mut room, mut used) = (Room::default(), 0);
        assert_eq!(fill(&mut room, &mut used, 1, false), (10, NoPlace::Share));
        assert_eq!(fill(&mut room, &mut used, 2, false), (6, NoPlace::Table), "4 are for dialogs");
        assert_eq!(fill(&mut room, &mut used, 1, true), (4, NoPlace::Table));
        room.give_back(Place::Share(network_of(ip(1))));
        used -= 1;
        assert_eq!(fill(&mut room, &mut used, 1, true), (1, NoPlace::Table));
    }

    #[test]
    fn an_emergency_finds_room_over_share_and_table_until_the_reserve_is_used() {
        let (mut room, mut used) = (Room::default(), 0);
        let urgent = |room: &mut Room, used: usize| {
            room.take(&config(), used, ip(1), false, Precedence::Emergency)
        };
        fill(&mut room, &mut used, 1, false);
        assert_eq!(urgent(&mut room, used), Ok(Place::Reserve), "over its share");
        used += 1;
        fill(&mut room, &mut used, 2, false);
        fill(&mut room, &mut used, 2, true);
        assert_eq!(used, 21, "the reserve takes nothing from the table");
        assert_eq!(urgent(&mut room, used), Ok(Place::Reserve));
        assert_eq!(urgent(&mut room, used + 1), Err(NoPlace::Table));
        room.give_back(Place::Reserve);
        assert_eq!(urgent(&mut room, used), Ok(Place::Reserve));
    }

    #[test]
    fn while_there_is_room_an_emergency_uses_nothing_of_the_reserve() {
        let mut room = Room::default();
        let place = room.take(&config(), 0, ip(1), false, Precedence::Emergency);
        assert_eq!(place, Ok(Place::Share(network_of(ip(1)))));
        room.give_back(Place::Share(network_of(ip(1))));
        assert!(room.is_empty());
    }

    #[test]
    fn a_host_with_a_whole_ipv6_network_is_one_source() {
        let of = |n: u128| IpAddr::V6((0x2001_0db8 << 96 | n).into());
        assert_eq!(network_of(of(1)), network_of(of(2)));
        assert_ne!(network_of(of(1)), network_of(of(1 << 64)));
        assert_eq!(network_of("::ffff:192.0.2.1".parse().unwrap()), network_of(ip(1)));
    }
}
