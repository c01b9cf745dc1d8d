//! Two handshakes against each other, over a wire that loses, changes and mixes.

use super::*;

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Both ends of one path, with each other's fingerprints.
struct Path {
    active: Handshake,
    passive: Handshake,
    now: Instant,
}

#[expect(clippy::disallowed_methods, reason = "an origin; the test moves on from there itself")]
fn path(seen_by_passive: Fingerprint, active: &DtlsIdentity, passive: &DtlsIdentity) -> Path {
    let plan = |role, remote_fingerprint| DtlsPlan { role, remote_fingerprint };
    let to_passive = plan(DtlsRole::Active, passive.fingerprint());
    let to_active = plan(DtlsRole::Passive, seen_by_passive);
    Path {
        active: Handshake::new(active, &to_passive, address(1)).unwrap(),
        passive: Handshake::new(passive, &to_active, address(2)).unwrap(),
        now: Instant::now(),
    }
}

type Agreed = Result<[SdesKeys; 2], DtlsError>;

impl Path {
    /// Runs until both have keys or one gives up. `lost` says of each datagram, counted from 0,
    /// whether the network loses it.
    fn run(&mut self, lost: impl Fn(usize) -> bool) -> Agreed {
        self.active.begin(self.now, address(2))?;
        let mut keys = [None, None];
        let mut sent = 0;
        for _ in 0..300 {
            let mut quiet = true;
            while let Some((to, datagram)) = self.active.poll_transmit() {
                assert_eq!(to, address(2));
                quiet = false;
                sent += 1;
                if !lost(sent - 1) {
                    let agreed = self.passive.handle(self.now, address(1), &datagram)?;
                    keys[1] = keys[1].take().or(agreed);
                }
            }
            while let Some((to, datagram)) = self.passive.poll_transmit() {
                assert_eq!(to, address(1));
                quiet = false;
                sent += 1;
                if !lost(sent - 1) {
                    let agreed = self.active.handle(self.now, address(2), &datagram)?;
                    keys[0] = keys[0].take().or(agreed);
                }
            }
            if let [Some(a), Some(b)] = &keys {
                return Ok([a.clone(), b.clone()]);
            }
            if quiet {
                self.now += FLIGHT_INTERVAL + Duration::from_millis(1);
                self.active.handle_timeout(self.now)?;
                self.passive.handle_timeout(self.now)?;
            }
        }
        panic!(
            "neither keys nor an error after {sent} datagrams: {:?}, timers {:?}",
            keys.map(|keys| keys.is_some()),
            [self.active.poll_timeout(), self.passive.poll_timeout()].map(|at| at.is_some()),
        );
    }
}

fn assert_joined([active, passive]: &[SdesKeys; 2]) {
    assert_eq!(active.send, passive.receive);
    assert_eq!(active.receive, passive.send);
    assert_ne!(active.send, active.receive);
    assert_eq!(active.send.suite(), SrtpSuite::AeadAes128Gcm);
}

#[test]
fn both_ends_agree_on_keys() {
    let (a, b) = (DtlsIdentity::generate().unwrap(), DtlsIdentity::generate().unwrap());
    let keys = path(a.fingerprint(), &a, &b).run(|_| false).unwrap();
    assert_joined(&keys);
    let again = path(a.fingerprint(), &a, &b).run(|_| false).unwrap();
    assert_ne!(keys[0].send, again[0].send, "every call has keys of its own");
}

#[test]
fn a_lost_datagram_is_sent_again() {
    let (a, b) = (DtlsIdentity::generate().unwrap(), DtlsIdentity::generate().unwrap());
    for lost in 0..6 {
        let keys = path(a.fingerprint(), &a, &b).run(|position| position == lost);
        assert_joined(&keys.unwrap_or_else(|error| panic!("datagram {lost} lost: {error}")));
    }
}

/// Whole flights are lost, and every third datagram of a bad path: the timers do their work.
#[test]
fn lost_flights_and_a_bad_path_cost_time_and_nothing_else() {
    let (a, b) = (DtlsIdentity::generate().unwrap(), DtlsIdentity::generate().unwrap());
    for flights in [2, 6, 12, 60] {
        let keys = path(a.fingerprint(), &a, &b).run(|position| position < flights);
        assert_joined(&keys.unwrap_or_else(|error| panic!("the first {flights} lost: {error}")));
    }
    let never = path(a.fingerprint(), &a, &b).run(|_| true);
    assert!(matches!(never, Err(DtlsError::Handshake(_))), "{never:?}");
    for seed in 0..40_usize {
        let mut path = path(a.fingerprint(), &a, &b);
        let begun = path.now;
        let lost = |position: usize| {
            (position + 1).wrapping_mul(2_654_435_761).wrapping_add(seed * 40_503) >> 7 & 3 == 0
        };
        let keys = path.run(lost);
        assert_joined(&keys.unwrap_or_else(|error| panic!("path {seed}: {error}")));
        assert!(path.now - begun < Duration::from_secs(20), "path {seed}: {:?}", path.now - begun);
    }
}

#[test]
fn another_certificate_than_the_described_one_gets_no_keys() {
    let (a, b) = (DtlsIdentity::generate().unwrap(), DtlsIdentity::generate().unwrap());
    let stranger = DtlsIdentity::generate().unwrap();
    assert_eq!(
        path(stranger.fingerprint(), &a, &b).run(|_| false),
        Err(DtlsError::WrongCertificate)
    );
}

#[test]
fn a_second_source_cannot_disturb_a_handshake_that_has_begun() {
    let (a, b) = (DtlsIdentity::generate().unwrap(), DtlsIdentity::generate().unwrap());
    let mut path = path(a.fingerprint(), &a, &b);
    path.active.begin(path.now, address(2)).unwrap();
    let (_, hello) = path.active.poll_transmit().unwrap();
    assert_eq!(path.passive.handle(path.now, address(1), &hello), Ok(None));
    assert_eq!(path.passive.handle(path.now, address(9), &hello), Ok(None));
    while let Some((to, datagram)) = path.passive.poll_transmit() {
        assert_eq!(to, address(1), "the attacker gets no answer");
        let _ = path.active.handle(path.now, address(2), &datagram).unwrap();
    }
    assert_joined(&path.run(|_| false).unwrap());
}

#[test]
fn garbage_does_not_end_a_handshake() {
    let (a, b) = (DtlsIdentity::generate().unwrap(), DtlsIdentity::generate().unwrap());
    let mut path = path(a.fingerprint(), &a, &b);
    path.active.begin(path.now, address(2)).unwrap();
    // DTLS by its first byte (RFC 7983), and nothing else of it.
    for length in [1, 2, 13, 14, 60, 1_400] {
        let _ = path.active.handle(path.now, address(2), &vec![22; length]);
    }
    assert_joined(&path.run(|_| false).unwrap());
}
