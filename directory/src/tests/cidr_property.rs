//! The network index against the obvious linear search.

use crate::{Carrier, Host, Resources, Snapshot, Termination, VoiceConnector};
use model::{CarrierId, VoiceConnectorId};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Few distinct bits, so that networks nest, touch and repeat.
fn networks() -> impl Strategy<Value = Vec<ipnet::IpNet>> {
    let v4 = (any::<u8>(), 0..=32u8).prop_map(|(bits, length)| {
        let address = Ipv4Addr::from_bits(u32::from(bits) << 24 | u32::from(bits & 3));
        ipnet::IpNet::new(address.into(), length).unwrap().trunc()
    });
    let v6 = (any::<u8>(), prop_oneof![0..=8u8, 124..=128u8]).prop_map(|(bits, length)| {
        let address = Ipv6Addr::from_bits(u128::from(bits) << 120 | u128::from(bits & 7));
        ipnet::IpNet::new(address.into(), length).unwrap().trunc()
    });
    // IPv4-mapped and all-embracing IPv6 networks are the validator's subject.
    let v6 = v6.prop_filter("mapped", |net| match net.addr() {
        IpAddr::V6(ip) => ip.to_ipv4_mapped().is_none(),
        IpAddr::V4(_) => true,
    });
    proptest::collection::vec(prop_oneof![v4, v6], 0..24)
}

fn addresses(networks: &[ipnet::IpNet]) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for net in networks {
        addresses.extend([net.network(), net.broadcast()]);
        match (net.network(), net.broadcast()) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                addresses.push(Ipv4Addr::from_bits(first.to_bits().wrapping_sub(1)).into());
                addresses.push(Ipv4Addr::from_bits(last.to_bits().wrapping_add(1)).into());
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                addresses.push(Ipv6Addr::from_bits(first.to_bits().wrapping_sub(1)).into());
                addresses.push(Ipv6Addr::from_bits(last.to_bits().wrapping_add(1)).into());
            }
            _ => {}
        }
    }
    addresses
}

proptest! {
    // A failure prints its smallest input; nothing is written beside the sources.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_most_specific_carrier_is_the_one_a_linear_search_finds(mut networks in networks()) {
        networks.sort();
        networks.dedup();
        let carriers: Vec<Carrier> = networks.iter().enumerate().map(|(n, net)| Carrier {
            inbound_cidrs: vec![*net],
            ..Carrier::new(CarrierId::new(&format!("c{n}")).unwrap(), Host::Ip([127, 0, 0, 1].into()))
        }).collect();
        let domain = "example.com".to_owned();
        let resources = Resources { domain, carriers: carriers.clone(), ..Resources::default() };
        let snapshot = Snapshot::build(resources).unwrap();
        for ip in addresses(&networks) {
            let canonical = ip.to_canonical();
            let expected = carriers
                .iter()
                .filter(|carrier| carrier.inbound_cidrs[0].contains(&canonical))
                .max_by_key(|carrier| carrier.inbound_cidrs[0].prefix_len())
                .map(|carrier| carrier.id.clone());
            let found = snapshot.carrier_by_source(ip).map(|carrier| carrier.id.clone());
            prop_assert_eq!(found, expected, "{}", ip);
        }
    }

    #[test]
    fn every_connector_that_allows_a_source_is_found_exactly_once(
        lists in proptest::collection::vec(networks(), 0..6)
    ) {
        let mut voice_connectors = Vec::new();
        for (n, mut networks) in lists.iter().cloned().enumerate() {
            networks.sort();
            networks.dedup();
            let id = VoiceConnectorId::new(&format!("{n:022}")).unwrap();
            voice_connectors.push(VoiceConnector {
                termination: Some(Termination { cidr_allowed_list: networks, ..Termination::default() }),
                ..VoiceConnector::new(id)
            });
        }
        let domain = "example.com".to_owned();
        let resources = Resources { domain, voice_connectors: voice_connectors.clone(), ..Resources::default() };
        let snapshot = Snapshot::build(resources).unwrap();
        let all: Vec<_> = lists.into_iter().flatten().collect();
        for ip in addresses(&all) {
            let mut found: Vec<_> =
                snapshot.voice_connectors_by_source(ip).map(|vc| vc.id.clone()).collect();
            found.sort();
            let expected: Vec<_> = voice_connectors
                .iter()
                .filter(|vc| vc.termination.as_ref().unwrap().allows_source(ip))
                .map(|vc| vc.id.clone())
                .collect();
            prop_assert_eq!(found, expected, "{}", ip);
        }
    }
}
