//! Which legs of the load have SRTP, and with which keys.

use model::{LegSecurity, SdesKeys, SrtpKey, SrtpSuite};
use std::fmt;
use std::str::FromStr;

/// What the ends send under.
const OF_THE_ENDS: u8 = 1;
/// What Tandem's relay sends under.
const OF_THE_RELAY: u8 = 2;

/// `SUITE` for the caller's leg, `SUITE:both` for both.
#[derive(Clone, Copy, Debug)]
pub struct Srtp {
    /// The suite of each leg that has one.
    pub suite: SrtpSuite,
    both: bool,
}

impl Srtp {
    /// The suite of a leg, `0` being the caller's.
    pub fn on(&self, leg: usize) -> Option<SrtpSuite> {
        (leg == 0 || self.both).then_some(self.suite)
    }

    /// How the relay is to protect a leg.
    pub fn security(&self, leg: usize) -> LegSecurity {
        self.on(leg).map_or(LegSecurity::Plain, |suite| {
            let (receive, send) = (key(suite, OF_THE_ENDS), key(suite, OF_THE_RELAY));
            LegSecurity::Sdes(Box::new(SdesKeys { receive, send }))
        })
    }

    /// What the ends of a leg send under.
    pub fn key(&self, leg: usize) -> Option<SrtpKey> {
        self.on(leg).map(|suite| key(suite, OF_THE_ENDS))
    }
}

impl FromStr for Srtp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, both) = match text.split_once(':') {
            Some((name, "both")) => (name, true),
            None => (text, false),
            Some(_) => return Err(format!("{text:?}: SUITE or SUITE:both")),
        };
        let suite = SrtpSuite::ALL.into_iter().find(|suite| suite.name() == name);
        let names = SrtpSuite::ALL.map(SrtpSuite::name).join(", ");
        let suite = suite.ok_or_else(|| format!("{name:?} is none of {names}"))?;
        Ok(Srtp { suite, both })
    }
}

impl fmt::Display for Srtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.suite, if self.both { ":both" } else { "" })
    }
}

/// Octets that SRTP adds to a packet, without an identifier.
pub fn tag(suite: SrtpSuite) -> usize {
    match suite {
        SrtpSuite::AesCm128HmacSha1_80 | SrtpSuite::AesCm256HmacSha1_80 => 10,
        SrtpSuite::AesCm128HmacSha1_32 | SrtpSuite::AesCm256HmacSha1_32 => 4,
        SrtpSuite::AeadAes128Gcm | SrtpSuite::AeadAes256Gcm => 16,
    }
}

/// A key for benches, full of `fill`.
///
/// # Panics
/// Never: it has its suite's length.
pub fn key(suite: SrtpSuite, fill: u8) -> SrtpKey {
    let material = vec![fill; suite.key_len() + suite.salt_len()];
    #[expect(clippy::expect_used, reason = "it has its suite's length")]
    SrtpKey::new(suite, &material).expect("the suite's length")
}
