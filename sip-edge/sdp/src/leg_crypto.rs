//! Our keys towards one leg: which are offered, which answers an offer, when they change.

use crate::audio::AudioStream;
use crate::crypto::CryptoAttribute;
use crate::dtls::{LocalDtls, dtls_security};
use crate::leg_dtls::LegDtls;
use crate::profile::{Encryption, RtpProfile};
use model::{Fingerprint, LegPlan, LegSecurity, SdesKeys, SrtpKey, SrtpSuite};
use zeroize::Zeroizing;

/// The suites of an offer, the best first. Those with a 32-bit tag or without AEAD stand at the
/// end for peers that have nothing else; AES_256_CM with a 32-bit tag is left out, because every
/// line makes an INVITE over UDP longer and no peer has that one alone.
const OFFERED: [SrtpSuite; 5] = [
    SrtpSuite::AeadAes256Gcm,
    SrtpSuite::AeadAes128Gcm,
    SrtpSuite::AesCm256HmacSha1_80,
    SrtpSuite::AesCm128HmacSha1_80,
    SrtpSuite::AesCm128HmacSha1_32,
];

/// The keys that protect what we send to one leg, one for each suite that was ever named to it.
#[derive(Clone, Default, Debug)]
pub(crate) struct LegCrypto {
    pub(crate) encryption: Encryption,
    keys: Vec<SrtpKey>,
    /// The leg's own key when ours was last put into force.
    peer: Option<SrtpKey>,
    dtls: LegDtls,
}

/// What our next description says about its protection.
pub(crate) struct Protection {
    pub(crate) profile: RtpProfile,
    pub(crate) crypto: Vec<CryptoAttribute>,
    pub(crate) dtls: Option<LocalDtls>,
}

impl Protection {
    /// For a stream that cannot be protected.
    pub(crate) const fn none(profile: RtpProfile) -> Self {
        Protection { profile, crypto: Vec::new(), dtls: None }
    }
}

impl LegCrypto {
    pub(crate) const fn new(encryption: Encryption, fingerprint: Option<Fingerprint>) -> Self {
        LegCrypto { encryption, keys: Vec::new(), peer: None, dtls: LegDtls::new(fingerprint) }
    }

    /// With the keys, credentials and certificate that the leg was told in `told` before this process
    /// began.
    pub(crate) fn restored(
        encryption: Encryption,
        fingerprint: Option<Fingerprint>,
        told: Option<&AudioStream>,
    ) -> Self {
        let certificate = told.and_then(|told| told.dtls).map(|dtls| dtls.fingerprint);
        let mut crypto = LegCrypto::new(encryption, certificate.or(fingerprint));
        if let Some(told) = told {
            let ours = told.crypto.iter().filter_map(|line| line.usable().ok());
            crypto.keys = ours.cloned().collect();
            crypto.dtls.restore(told.ice.clone());
        }
        crypto
    }

    /// Of our certificate for handshakes.
    pub(crate) const fn fingerprint(&self) -> Option<Fingerprint> {
        self.dtls.ours
    }

    /// Takes the fingerprint where it has none.
    pub(crate) fn learn(&mut self, fingerprint: Fingerprint) {
        self.dtls.ours.get_or_insert(fingerprint);
    }

    /// Forgets our keys; what follows gets new ones.
    pub(crate) fn renew(&mut self) {
        self.keys.clear();
        self.dtls.renew();
    }

    /// The keys that are now in force with the leg.
    pub(crate) fn agreed(&mut self, security: &LegSecurity) {
        self.peer = match security {
            LegSecurity::Sdes(keys) => Some(keys.receive.clone()),
            _ => None,
        };
    }

    /// The plan that is now in force with the leg.
    pub(crate) fn planned(&mut self, plan: &LegPlan) {
        self.agreed(&plan.security);
        self.dtls.agreed(plan);
    }

    /// For an offer to the leg, whose last description from us was `last`: that one's profile and
    /// lines again, so that its keys stay while nobody wants others. `None` when keys are to come
    /// from a handshake and we have no certificate for one.
    pub(crate) fn offer(
        &mut self,
        received: RtpProfile,
        last: Option<&AudioStream>,
        draw: &mut dyn FnMut() -> u64,
    ) -> Option<Protection> {
        let profile =
            last.map_or_else(|| received.offered_under(self.encryption), |last| last.profile);
        if last.map_or(profile.is_dtls(), |last| last.dtls.is_some()) {
            let dtls = Some(self.dtls.offer(draw)?);
            return Some(Protection { profile, crypto: Vec::new(), dtls });
        }
        if let Some(last) = last {
            let again = |line: &CryptoAttribute| line.answered_with(self.key(line.suite(), draw));
            let crypto = last.crypto.iter().filter_map(again).collect();
            return Some(Protection { profile, crypto, dtls: None });
        }
        let crypto = match self.encryption {
            Encryption::Off | Encryption::Mirror | Encryption::Dtls => Vec::new(),
            Encryption::Optional | Encryption::Required => (1..)
                .zip(OFFERED)
                .map(|(tag, suite)| CryptoAttribute::new(tag, self.key(suite, draw)))
                .collect(),
        };
        Some(Protection { profile, crypto, dtls: None })
    }

    /// What answers `offered`; `None` when keys are to come from a handshake that we cannot have.
    pub(crate) fn answer(
        &mut self,
        offered: &AudioStream,
        draw: &mut dyn FnMut() -> u64,
    ) -> Option<Protection> {
        let profile = offered.profile;
        if offered.dtls.is_some() {
            let dtls = Some(self.dtls.answer(offered, draw)?);
            return Some(Protection { profile, crypto: Vec::new(), dtls });
        }
        let crypto = self.answering_line(offered, draw).into_iter().collect();
        Some(Protection { profile, crypto, dtls: None })
    }

    /// The line that answers `offered`, if its leg is to be encrypted: the first that can be, which
    /// is the one that the offerer likes best (RFC 4568 section 5.1.2). A leg that changed its key
    /// gets another of ours.
    fn answering_line(
        &mut self,
        offered: &AudioStream,
        draw: &mut dyn FnMut() -> u64,
    ) -> Option<CryptoAttribute> {
        let line = offered.crypto.first().filter(|_| self.encryption != Encryption::Off)?;
        let theirs = line.usable().ok()?;
        if self.peer.as_ref().is_some_and(|before| before != theirs) {
            self.keys.retain(|key| key.suite() != line.suite());
        }
        line.answered_with(self.key(line.suite(), draw))
    }

    /// Our key of a suite, made when it is first asked for.
    fn key(&mut self, suite: SrtpSuite, draw: &mut dyn FnMut() -> u64) -> SrtpKey {
        if let Some(key) = self.keys.iter().find(|key| key.suite() == suite) {
            return key.clone();
        }
        let mut material = Zeroizing::new([0_u8; 48]);
        for word in material.chunks_exact_mut(8) {
            word.copy_from_slice(&draw().to_ne_bytes());
        }
        let length = suite.key_len() + suite.salt_len();
        #[expect(clippy::expect_used, reason = "the slice has the suite's own length")]
        let key = SrtpKey::new(suite, &material[..length]).expect("the suite's length");
        self.keys.push(key.clone());
        key
    }
}

/// How the media of a leg is protected, when `received` is its latest description and `sent` the
/// latest one that we sent to it. `None` while that is not settled, or when the two do not fit:
/// then no packet may pass in either direction.
///
/// One of the two answers the other with one line. Its suite decides which line of the offer it
/// means, and its tag only between lines of one suite: there are peers that number their answer's
/// line anew.
pub fn leg_security(
    received: Option<&AudioStream>,
    sent: Option<&AudioStream>,
) -> Option<LegSecurity> {
    let is_dtls = |stream: Option<&AudioStream>| stream.is_some_and(|s| s.dtls.is_some());
    if is_dtls(received) || is_dtls(sent) {
        return dtls_security(received, sent);
    }
    let offers_keys = sent.is_some_and(|sent| !sent.crypto.is_empty());
    let is_sdes = |stream: Option<&AudioStream>| stream.is_some_and(|s| s.profile.is_sdes());
    let answered = received.is_some_and(|received| !received.crypto.is_empty());
    if !offers_keys || (received.is_some() && !answered) {
        let must = is_sdes(sent) || is_sdes(received) || (sent.is_none() && answered);
        return (!must).then_some(LegSecurity::Plain);
    }
    let (received, sent) = (received?, sent?);
    let mut pairs = received
        .crypto
        .iter()
        .flat_map(|theirs| sent.crypto.iter().map(move |ours| (theirs, ours)))
        .filter(|(theirs, ours)| theirs.suite() == ours.suite());
    let first = pairs.clone().next();
    let same_tag = pairs.find(|(theirs, ours)| theirs.tag() == ours.tag());
    let (theirs, ours) = same_tag.or(first)?;
    let (receive, send) = (theirs.usable().ok()?.clone(), ours.usable().ok()?.clone());
    Some(LegSecurity::Sdes(Box::new(SdesKeys { receive, send })))
}
