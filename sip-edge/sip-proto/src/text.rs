//! Numbers and addresses as text, without the cost of format arguments.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// Appends the decimal digits of `number`.
pub fn push_number(out: &mut String, number: u64) {
    let mut digits = [b'0'; 20];
    let (mut rest, mut start) = (number, digits.len() - 1);
    digits[start] += (rest % 10) as u8;
    while rest > 9 {
        rest /= 10;
        start -= 1;
        digits[start] += (rest % 10) as u8;
    }
    out.extend(digits[start..].iter().map(|&digit| char::from(digit)));
}

/// Appends an address as it displays: an IPv6 one without brackets.
pub fn push_ip(out: &mut String, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            let [first, rest @ ..] = ip.octets();
            push_octet(out, first);
            for octet in rest {
                out.push('.');
                push_octet(out, octet);
            }
        }
        // Writing into a String cannot fail.
        IpAddr::V6(ip) => drop(write!(out, "{ip}")),
    }
}

fn push_octet(out: &mut String, octet: u8) {
    let digit = |value: u8| char::from(b'0' + value % 10);
    if octet > 99 {
        out.push(digit(octet / 100));
    }
    if octet > 9 {
        out.push(digit(octet / 10));
    }
    out.push(digit(octet));
}

/// Appends an address and a port as they display: an IPv6 address in brackets.
pub fn push_address(out: &mut String, address: SocketAddr) {
    match address {
        SocketAddr::V4(_) => {
            push_ip(out, address.ip());
            out.push(':');
            push_number(out, u64::from(address.port()));
        }
        SocketAddr::V6(address) => drop(write!(out, "{address}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_displays() {
        for number in [0, 9, 10, 99, 100, 65_535, u64::MAX] {
            let mut out = "x".to_owned();
            push_number(&mut out, number);
            assert_eq!(out, format!("x{number}"));
        }
        for text in
            ["0.10.99.100:0", "192.0.2.255:65535", "[2001:db8::1%3]:5060", "[::ffff:1.2.3.4]:1"]
        {
            let address: SocketAddr = text.parse().unwrap();
            let (mut ip, mut out) = (String::new(), String::new());
            push_ip(&mut ip, address.ip());
            push_address(&mut out, address);
            assert_eq!((ip, out), (address.ip().to_string(), address.to_string()));
        }
    }
}
