//! Keys that the two ends of a media path agree between themselves (DTLS-SRTP, RFC 5763 and
//! RFC 5764), and how they find their way to each other (ICE, RFC 8445).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The longest digest of a certificate, in bytes.
const LONGEST_DIGEST: usize = 64;

/// A hash function of `a=fingerprint` (RFC 8122 section 5). MD5 and SHA-1 are not among them: they
/// prove nothing any more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum FingerprintHash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl FingerprintHash {
    /// Its name in `a=fingerprint`.
    pub const fn name(self) -> &'static str {
        match self {
            FingerprintHash::Sha256 => "sha-256",
            FingerprintHash::Sha384 => "sha-384",
            FingerprintHash::Sha512 => "sha-512",
        }
    }

    /// Length of its digest, in bytes.
    pub const fn digest_len(self) -> usize {
        match self {
            FingerprintHash::Sha256 => 32,
            FingerprintHash::Sha384 => 48,
            FingerprintHash::Sha512 => 64,
        }
    }

    /// Reads a name in any case.
    pub fn parse(name: &str) -> Option<Self> {
        [FingerprintHash::Sha256, FingerprintHash::Sha384, FingerprintHash::Sha512]
            .into_iter()
            .find(|hash| hash.name().eq_ignore_ascii_case(name))
    }
}

/// The digest of a certificate, by which a peer's session description vouches for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: FingerprintHash,
    digest: [u8; LONGEST_DIGEST],
}

impl Fingerprint {
    /// A fingerprint from a digest; `None` when its length is not the hash function's.
    pub fn new(hash: FingerprintHash, digest: &[u8]) -> Option<Self> {
        let mut fingerprint = Fingerprint { hash, digest: [0; LONGEST_DIGEST] };
        if digest.len() != hash.digest_len() {
            return None;
        }
        fingerprint.digest.get_mut(..digest.len())?.copy_from_slice(digest);
        Some(fingerprint)
    }

    /// Reads the value of `a=fingerprint`: the function, a space, and pairs of hexadecimal digits
    /// with colons between them.
    pub fn parse(value: &str) -> Option<Self> {
        let (name, digits) = value.trim().split_once(' ')?;
        let hash = FingerprintHash::parse(name)?;
        let mut digest = [0; LONGEST_DIGEST];
        let mut pairs = digits.trim().split(':');
        for byte in digest.get_mut(..hash.digest_len())? {
            let pair = pairs.next().filter(|pair| is_two_digits(pair))?;
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        pairs.next().is_none().then_some(Fingerprint { hash, digest })
    }

    /// The hash function.
    pub const fn hash(&self) -> FingerprintHash {
        self.hash
    }

    /// The digest.
    pub fn digest(&self) -> &[u8] {
        self.digest.get(..self.hash.digest_len()).unwrap_or_default()
    }
}

/// The standard library's reader would take a sign too.
fn is_two_digits(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The value of `a=fingerprint`, digits in upper case as RFC 8122 section 5 wants them.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        for (position, byte) in self.digest().iter().enumerate() {
            let before = if position == 0 { ' ' } else { ':' };
            write!(f, "{before}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Who begins the handshake (`a=setup`, RFC 5763 section 5).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum DtlsRole {
    /// We send the first message.
    Active,
    /// The leg does.
    Passive,
}

/// How the keys between us and a leg are agreed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DtlsPlan {
    /// Our part.
    pub role: DtlsRole,
    /// Of the certificate that the leg must show; any other ends the handshake.
    pub remote_fingerprint: Fingerprint,
}

/// What an ICE-lite agent knows of a leg (RFC 8445 section 2.5). We send no checks: media goes where
/// the leg's checks come from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IcePlan {
    /// Our user name fragment, `a=ice-ufrag` of our description.
    pub local_fragment: Arc<str>,
    /// Our password, `a=ice-pwd` of our description; checks are authenticated with it.
    pub local_password: Arc<str>,
    /// The leg's user name fragment.
    pub remote_fragment: Arc<str>,
}

/// The password is not shown.
impl fmt::Debug for IcePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IcePlan")
            .field("local_fragment", &self.local_fragment)
            .field("remote_fragment", &self.remote_fragment)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of RFC 8122 section 5, with a function that still counts.
    const VALUE: &str = "sha-256 \
         12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD";

    #[test]
    fn a_fingerprint_is_read_and_written() {
        let fingerprint = Fingerprint::parse(VALUE).expect("a good one");
        assert_eq!(fingerprint.to_string(), VALUE);
        assert_eq!(Fingerprint::parse(&VALUE.to_lowercase()), Some(fingerprint));
        assert_eq!(fingerprint.digest().len(), 32);
        assert_eq!(
            Fingerprint::new(FingerprintHash::Sha256, fingerprint.digest()),
            Some(fingerprint)
        );
        for hash in [FingerprintHash::Sha384, FingerprintHash::Sha512] {
            let long =
                Fingerprint::new(hash, &vec![7; hash.digest_len()]).expect("the right length");
            assert_eq!(Fingerprint::parse(&long.to_string()), Some(long));
        }
    }

    #[test]
    fn what_is_no_fingerprint_is_refused() {
        for bad in [
            "",
            "sha-256",
            "md5 12:DF",
            "sha-1 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02",
            &VALUE[..VALUE.len() - 3],
            &format!("{VALUE}:00"),
            &VALUE.replace(":DF", ":+F"),
            &VALUE.replace(":DF", ":DFF"),
        ] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
        assert_eq!(Fingerprint::new(FingerprintHash::Sha256, &[0; 31]), None);
    }

    #[test]
    fn printing_an_ice_plan_shows_no_password() {
        let plan = IcePlan {
            local_fragment: "abcd".into(),
            local_password: "secret".into(),
            remote_fragment: "efgh".into(),
        };
        assert!(!format!("{plan:?}").contains("secret"));
    }
}
