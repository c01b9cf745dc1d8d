//! The attributes of ICE (RFC 8839). We are an ICE-lite agent (RFC 8445 section 2.5): a peer's
//! candidates need not be read, because its checks say where it is.

use crate::audio::AudioStream;
use model::IcePlan;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// The priority of an only host candidate (RFC 8445 section 5.1.2.1): type preference 126, local
/// preference 65,535, component 1.
const HOST_PRIORITY: u32 = (126 << 24) | (65_535 << 8) | 255;

/// Six random bits each (RFC 8839 section 5.4: `ice-char`).
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// How a description's connectivity checks are known.
#[derive(Clone, PartialEq, Eq)]
pub struct IceAttributes {
    /// `a=ice-ufrag`.
    pub fragment: Arc<str>,
    /// `a=ice-pwd`.
    pub password: Arc<str>,
    /// `a=ice-lite`: it sends no checks.
    pub lite: bool,
}

/// The password is not shown.
impl fmt::Debug for IceAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceAttributes")
            .field("fragment", &self.fragment)
            .field("lite", &self.lite)
            .finish_non_exhaustive()
    }
}

impl IceAttributes {
    /// Our own. RFC 8445 section 5.3 asks for 24 random bits in the fragment and 128 in the
    /// password; they have 48 and 144.
    pub(crate) fn draw(draw: &mut dyn FnMut() -> u64) -> Self {
        let mut text = |length: usize| -> Arc<str> {
            let mut text = String::with_capacity(length);
            while text.len() < length {
                let mut bits = draw();
                // Ten characters have 60 of the 64 bits.
                for _ in 0..(length - text.len()).min(10) {
                    text.push(char::from(ICE_CHARS[(bits & 63) as usize]));
                    bits >>= 6;
                }
            }
            text.into()
        };
        IceAttributes { fragment: text(8), password: text(24), lite: true }
    }

    /// Whether it is the same agent without a restart (RFC 8445 section 9).
    pub(crate) fn continues(&self, before: &str) -> bool {
        *self.fragment == *before
    }
}

/// The value of `a=candidate` for our RTP address (RFC 8839 section 5.1). RTCP has the same: who
/// agrees keys on the media path multiplexes.
pub(crate) fn candidate_value(rtp: SocketAddr) -> String {
    format!("1 1 UDP {HOST_PRIORITY} {} {} typ host", rtp.ip(), rtp.port())
}

/// The attributes of a stream while they are read, the media level before the session level.
#[derive(Default)]
pub(crate) struct IceTold<'a> {
    fragment: Option<&'a str>,
    password: Option<&'a str>,
    lite: bool,
}

impl<'a> IceTold<'a> {
    /// What we ourselves write.
    pub(crate) fn of(ours: &'a IceAttributes) -> Self {
        IceTold { fragment: Some(&ours.fragment), password: Some(&ours.password), lite: ours.lite }
    }

    pub(crate) fn take(&mut self, name: &str, value: &'a str) {
        match name.len() {
            9 if name.eq_ignore_ascii_case("ice-ufrag") => {
                self.fragment.get_or_insert(value);
            }
            7 if name.eq_ignore_ascii_case("ice-pwd") => {
                self.password.get_or_insert(value);
            }
            _ => {}
        }
    }

    pub(crate) fn take_flag(&mut self, name: &str) {
        self.lite |= name.eq_ignore_ascii_case("ice-lite");
    }

    /// `None` unless both are as RFC 8839 section 5.4 has them: then it is a stream without ICE.
    pub(crate) fn attributes(&self) -> Option<IceAttributes> {
        let ok = |text: &str, shortest: usize| {
            (shortest..=256).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        };
        let (fragment, password) = (self.fragment?, self.password?);
        (ok(fragment, 4) && ok(password, 22)).then(|| IceAttributes {
            fragment: fragment.into(),
            password: password.into(),
            lite: self.lite,
        })
    }
}

/// What the relay has to know to answer a leg's checks. `None` when either side is without ICE, and
/// when the leg is ICE-lite as we are: then nobody checks, and both send to the described address
/// (RFC 8445 section 6.1.1).
pub(crate) fn ice_plan(
    received: Option<&AudioStream>,
    sent: Option<&AudioStream>,
) -> Option<Box<IcePlan>> {
    let (theirs, ours) = (received?.ice.as_ref()?, sent?.ice.as_ref()?);
    (!theirs.lite).then(|| {
        Box::new(IcePlan {
            local_fragment: Arc::clone(&ours.fragment),
            local_password: Arc::clone(&ours.password),
            remote_fragment: Arc::clone(&theirs.fragment),
        })
    })
}
