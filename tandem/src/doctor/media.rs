//! The media plane: are there ports for the calls, and can packets reach them?

use super::finding::Finding;
use super::host::is_private;
use crate::config::{Config, Media};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Ports of a call: RTP and RTCP on both legs.
const PORTS_A_CALL: usize = 4;
/// How long a packet from this host to itself may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// Ports to try when calls or other programs use some.
const ATTEMPTS: usize = 64;
const NONCE: usize = 16;

/// `public_peers`: some carrier or customer is configured by a public address.
pub(super) fn examine(config: &Config, public_peers: bool) -> Vec<Finding> {
    let media = &config.media;
    let mut findings = vec![room(media, config.sip.max_calls)];
    for (bind, advertise) in media.bind.iter().zip(&media.advertise) {
        findings.push(address(*bind, *advertise, public_peers));
        findings.push(reachable(*bind, *advertise, &media.ports));
    }
    findings
}

fn room(media: &Media, max_calls: usize) -> Finding {
    let calls = media.ports.clone().count() / PORTS_A_CALL * media.bind.len().max(1);
    let found = format!("ports for {calls} calls at once, [sip] max_calls is {max_calls}");
    if calls >= max_calls {
        return Finding::fine("port room", found);
    }
    let advice = "widen [media] ports, add an address to bind, or lower max_calls: calls beyond \
                  the ports get 503";
    Finding::warning("port room", found, advice)
}

fn address(bind: IpAddr, advertise: IpAddr, public_peers: bool) -> Finding {
    if let Err(error) = UdpSocket::bind((bind, 0)) {
        let advice = "give [media] bind an address that an interface of this host has (ip address)";
        return Finding::broken("media address", format!("{bind}: {error}"), advice);
    }
    if bind == advertise {
        let found = format!("{bind}, as peers are told");
        return if is_private(bind) && public_peers {
            let advice = "peers on the internet cannot send there: set [media] advertise to the \
                          public address that leads to this host";
            Finding::warning("media address", found, advice)
        } else {
            Finding::fine("media address", found)
        };
    }
    let found = format!("{bind}, peers are told {advertise}");
    let own = UdpSocket::bind((advertise, 0)).is_ok();
    if !own && is_private(advertise) && public_peers {
        let advice = "[media] advertise is a private address of no interface here: peers on the \
                      internet cannot send there";
        return Finding::warning("media address", found, advice);
    }
    Finding::fine("media address", found)
}

/// Sends one datagram to the advertised address and looks whether it arrives at the bound one.
fn reachable(bind: IpAddr, advertise: IpAddr, ports: &RangeInclusive<u16>) -> Finding {
    let subject = "media port";
    let receiver = ports
        .clone()
        .step_by(2)
        .take(ATTEMPTS)
        .find_map(|port| UdpSocket::bind((bind, port)).ok().map(|socket| (socket, port)));
    let Some((receiver, port)) = receiver else {
        return Finding::unknown(
            subject,
            format!("the first {ATTEMPTS} even ports of the range are in use"),
            "ask again when fewer calls are running",
        );
    };
    let to = SocketAddr::new(advertise, port);
    match arrives(&receiver, bind, to) {
        Ok(true) => Finding::fine(subject, format!("a packet to {to} arrives")),
        Ok(false) if bind == advertise => Finding::broken(
            subject,
            format!("a packet to {to} does not arrive"),
            format!(
                "a packet filter of this host drops it (nft list ruleset): admit udp to ports \
                 {}-{}",
                ports.start(),
                ports.end()
            ),
        ),
        Ok(false) => Finding::unknown(
            subject,
            format!("a packet from here to {to} does not come back"),
            format!(
                "not every NAT returns such packets; make sure that it forwards udp {}-{} to \
                 {bind}",
                ports.start(),
                ports.end()
            ),
        ),
        Err(error) => {
            Finding::unknown(subject, format!("no packet could be sent to {to}: {error}"), "")
        }
    }
}

fn arrives(receiver: &UdpSocket, bind: IpAddr, to: SocketAddr) -> io::Result<bool> {
    let mut nonce = [0; NONCE];
    getrandom::fill(&mut nonce).map_err(|error| io::Error::other(error.to_string()))?;
    let sender = UdpSocket::bind((bind, 0))?;
    sender.send_to(&nonce, to)?;
    receiver.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = [0; NONCE];
    // What else comes to this port is not ours.
    for _ in 0..ATTEMPTS {
        match receiver.recv(&mut buffer) {
            Ok(NONCE) if buffer == nonce => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_packet_to_an_address_of_this_host_arrives_and_one_to_nowhere_does_not() {
        let ports = 41_000..=41_200;
        assert_eq!(reachable(LOOPBACK, LOOPBACK, &ports).state, State::Fine);
        // 127.0.0.9 is this host too, but the socket is bound to 127.0.0.1.
        let other = reachable(LOOPBACK, "127.0.0.9".parse().unwrap(), &ports);
        assert_eq!(other.state, State::Unknown, "{other:?}");
        assert!(other.advice.contains("41000-41200"), "{}", other.advice);
    }

    #[test]
    fn an_address_of_no_interface_is_broken_and_a_private_one_is_judged_by_the_peers() {
        let nobodys: IpAddr = "192.0.2.77".parse().unwrap();
        assert_eq!(address(nobodys, nobodys, false).state, State::Broken);
        assert_eq!(address(LOOPBACK, LOOPBACK, false).state, State::Fine);
        assert_eq!(address(LOOPBACK, LOOPBACK, true).state, State::Warning);
        assert_eq!(address(LOOPBACK, "203.0.113.7".parse().unwrap(), true).state, State::Fine);
        assert_eq!(address(LOOPBACK, "10.9.9.9".parse().unwrap(), true).state, State::Warning);
    }
}
