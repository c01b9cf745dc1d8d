//! Who owns an address: networks looked up by binary search.

use ipnet::IpNet;
use std::net::IpAddr;

/// Networks and their owners (positions in a list of resources).
///
/// Two CIDR networks are nested or disjoint, so together they cut the address space into ranges
/// that each have one innermost network. A lookup is one binary search over the range starts and a
/// walk outwards; memory is linear in the number of networks.
#[derive(Debug, Default)]
pub(crate) struct CidrIndex {
    v4: Family,
    v6: Family,
}

#[derive(Debug, Default)]
struct Family {
    /// First address of each range, ascending, and the innermost network there.
    ranges: Vec<(u128, Option<usize>)>,
    networks: Vec<Network>,
}

#[derive(Debug)]
struct Network {
    owners: Vec<usize>,
    /// The next larger network around this one.
    around: Option<usize>,
}

/// A network whose end the sweep has not reached yet.
struct Open {
    first: u128,
    last: u128,
    network: usize,
}

impl CidrIndex {
    /// Indexes `entries`. Owners of one and the same network keep the order given.
    pub(crate) fn new(entries: impl IntoIterator<Item = (IpNet, usize)>) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (net, owner) in entries {
            let family = if matches!(net, IpNet::V4(_)) { &mut v4 } else { &mut v6 };
            family.push((bits(net.network()), bits(net.broadcast()), owner));
        }
        CidrIndex { v4: Family::new(v4), v6: Family::new(v6) }
    }

    /// The owners of the networks that hold `ip`, most specific network first. An IPv4-mapped IPv6
    /// address counts as IPv4.
    pub(crate) fn owners(&self, ip: IpAddr) -> Owners<'_> {
        let ip = ip.to_canonical();
        let family = if ip.is_ipv4() { &self.v4 } else { &self.v6 };
        let here = &[];
        Owners { family, here, next: family.innermost(bits(ip)) }
    }
}

impl Family {
    fn new(mut entries: Vec<(u128, u128, usize)>) -> Self {
        // Larger networks before those inside them; a stable sort keeps the owners' order.
        entries.sort_by_key(|&(first, last, _)| (first, std::cmp::Reverse(last)));
        let mut family = Family::default();
        let mut open: Vec<Open> = Vec::new();
        for (first, last, owner) in entries {
            while let Some(done) = open.pop_if(|open| open.last < first) {
                let around = open.last().map(|open| open.network);
                family.start_range(done.last.saturating_add(1), around);
            }
            let around = open.last();
            if let Some(same) = around.filter(|open| (open.first, open.last) == (first, last)) {
                family.networks[same.network].owners.push(owner);
                continue;
            }
            let around = around.map(|open| open.network);
            let network = family.networks.len();
            family.networks.push(Network { owners: vec![owner], around });
            open.push(Open { first, last, network });
            family.start_range(first, Some(network));
        }
        while let Some(done) = open.pop() {
            // Nothing comes after the last address of all.
            if let Some(next) = done.last.checked_add(1) {
                family.start_range(next, open.last().map(|open| open.network));
            }
        }
        family
    }

    /// A range that starts where the last one started replaces it: that one was empty.
    fn start_range(&mut self, first: u128, network: Option<usize>) {
        match self.ranges.last_mut() {
            Some(last) if last.0 == first => last.1 = network,
            _ => self.ranges.push((first, network)),
        }
    }

    fn innermost(&self, address: u128) -> Option<usize> {
        let after = self.ranges.partition_point(|&(first, _)| first <= address);
        self.ranges.get(after.checked_sub(1)?)?.1
    }
}

/// See [`CidrIndex::owners`].
#[derive(Clone, Debug)]
pub(crate) struct Owners<'a> {
    family: &'a Family,
    here: &'a [usize],
    next: Option<usize>,
}

impl Iterator for Owners<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            if let Some((&owner, rest)) = self.here.split_first() {
                self.here = rest;
                return Some(owner);
            }
            let network = &self.family.networks[self.next?];
            self.here = &network.owners;
            self.next = network.around;
        }
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}
