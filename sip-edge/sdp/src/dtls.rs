//! `a=fingerprint` and `a=setup`: what a description says of a handshake on the media path
//! (DTLS-SRTP, RFC 5763).

use crate::audio::AudioStream;
use crate::ice::{IceAttributes, IceTold};
use model::{DtlsPlan, DtlsRole, Fingerprint, LegSecurity};
use sdp_types::Attribute;

/// Who begins, as `a=setup` says (RFC 4145 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setup {
    /// Whoever wrote it begins.
    Active,
    /// Whoever wrote it waits.
    Passive,
    /// The answerer may choose.
    Actpass,
}

impl Setup {
    const ALL: [Setup; 3] = [Setup::Active, Setup::Passive, Setup::Actpass];

    /// As it stands in `a=setup`.
    pub const fn name(self) -> &'static str {
        match self {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::Actpass => "actpass",
        }
    }

    /// Of a role that is ours.
    pub(crate) const fn of(role: DtlsRole) -> Self {
        match role {
            DtlsRole::Active => Setup::Active,
            DtlsRole::Passive => Setup::Passive,
        }
    }
}

/// What a description says of the handshake of its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DtlsAttributes {
    /// Of its certificate: of several the one by the longest hash function (RFC 8122 section 5).
    pub fingerprint: Fingerprint,
    /// `None` when it has no `a=setup`: an offer means active then, an answer passive (RFC 4145
    /// section 4).
    pub setup: Option<Setup>,
}

/// What we say of a stream whose keys come from a handshake.
#[derive(Clone, Debug)]
pub(crate) struct LocalDtls {
    pub(crate) attributes: DtlsAttributes,
    pub(crate) ice: Option<IceAttributes>,
}

/// The attributes of a stream while they are read, the media level before the session level.
#[derive(Default)]
pub(crate) struct DtlsTold<'a> {
    fingerprint: Option<Fingerprint>,
    /// The media level had one, of whatever kind: the session level's does not count then.
    settled: bool,
    /// The value of the first `a=setup`.
    setup: Option<&'a str>,
    pub(crate) ice: IceTold<'a>,
}

impl<'a> DtlsTold<'a> {
    /// What we ourselves write.
    pub(crate) fn of(local: &'a LocalDtls) -> Self {
        DtlsTold {
            fingerprint: Some(local.attributes.fingerprint),
            settled: true,
            setup: local.attributes.setup.map(Setup::name),
            ice: local.ice.as_ref().map(IceTold::of).unwrap_or_default(),
        }
    }

    /// Takes the attributes of one level.
    pub(crate) fn take_level(&mut self, attributes: impl IntoIterator<Item = &'a Attribute>) {
        let mut seen = false;
        for attribute in attributes {
            let name = attribute.attribute.trim();
            let Some(value) = attribute.value.as_deref().map(str::trim) else {
                self.ice.take_flag(name);
                continue;
            };
            match name.len() {
                11 if name.eq_ignore_ascii_case("fingerprint") && !self.settled => {
                    seen = true;
                    self.take_fingerprint(value);
                }
                5 if name.eq_ignore_ascii_case("setup") => {
                    self.setup.get_or_insert(value);
                }
                _ => self.ice.take(name, value),
            }
        }
        self.settled |= seen;
    }

    /// A function that proves nothing is passed over; another line may have a better one.
    fn take_fingerprint(&mut self, value: &str) {
        let strength = |f: &Fingerprint| f.hash().digest_len();
        if let Some(found) = Fingerprint::parse(value)
            && self.fingerprint.as_ref().is_none_or(|best| strength(&found) > strength(best))
        {
            self.fingerprint = Some(found);
        }
    }

    /// `None` without a fingerprint to hold the certificate to, and when `a=setup` says neither who
    /// begins nor that we may choose (`holdconn`, which RFC 5763 section 5 forbids).
    pub(crate) fn attributes(&self) -> Option<DtlsAttributes> {
        let known =
            |value: &str| Setup::ALL.into_iter().find(|s| s.name().eq_ignore_ascii_case(value));
        let setup = match self.setup {
            Some(value) => Some(known(value)?),
            None => None,
        };
        Some(DtlsAttributes { fingerprint: self.fingerprint?, setup })
    }
}

/// What two descriptions of a stream agree on when one is by DTLS; `None` when they do not, or not
/// yet.
pub(crate) fn dtls_security(
    received: Option<&AudioStream>,
    sent: Option<&AudioStream>,
) -> Option<LegSecurity> {
    let (theirs, ours) = (received?.dtls?, sent?.dtls?);
    let role = match (ours.setup?, theirs.setup) {
        (Setup::Active, None | Some(Setup::Passive | Setup::Actpass))
        | (Setup::Actpass, None | Some(Setup::Passive)) => DtlsRole::Active,
        (Setup::Passive, None | Some(Setup::Active | Setup::Actpass))
        | (Setup::Actpass, Some(Setup::Active)) => DtlsRole::Passive,
        _ => return None,
    };
    let plan = DtlsPlan { role, remote_fingerprint: theirs.fingerprint };
    Some(LegSecurity::Dtls(Box::new(plan)))
}
