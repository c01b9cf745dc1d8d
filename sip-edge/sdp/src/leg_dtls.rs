//! Our part of one leg's handshake and connectivity checks: what is offered, what answers an offer,
//! and what stays while the leg changes nothing.

use crate::audio::AudioStream;
use crate::dtls::{DtlsAttributes, LocalDtls, Setup};
use crate::ice::IceAttributes;
use model::{DtlsRole, Fingerprint, LegPlan, LegSecurity};
use std::sync::Arc;

/// What one leg knows of our certificate and credentials.
#[derive(Clone, Default, Debug)]
pub(crate) struct LegDtls {
    /// Of the relay's certificate; `None` when it has none, and no leg is served.
    pub(crate) ours: Option<Fingerprint>,
    /// Our role and the leg's certificate, once they were agreed.
    agreed: Option<Box<(DtlsRole, Fingerprint)>>,
    credentials: Option<IceAttributes>,
    /// The leg's user name fragment that our credentials stand beside, once it is known.
    beside: Option<Arc<str>>,
}

impl LegDtls {
    pub(crate) const fn new(ours: Option<Fingerprint>) -> Self {
        LegDtls { ours, agreed: None, credentials: None, beside: None }
    }

    /// The credentials are those that the leg was told before this process began.
    pub(crate) fn restore(&mut self, credentials: Option<IceAttributes>) {
        self.credentials = credentials;
    }

    /// The next description is for another path: a new handshake, and other credentials.
    pub(crate) fn renew(&mut self) {
        *self = LegDtls::new(self.ours);
    }

    /// Notes what is now in force with the leg.
    pub(crate) fn agreed(&mut self, plan: &LegPlan) {
        if let LegSecurity::Dtls(dtls) = &plan.security {
            self.agreed = Some(Box::new((dtls.role, dtls.remote_fingerprint)));
        }
        if let Some(ice) = &plan.ice {
            self.beside = Some(Arc::clone(&ice.remote_fragment));
        }
    }

    /// For an offer to the leg: at first it may choose who begins, later all stays as it is
    /// (RFC 8842 section 5.5). `None` without a certificate.
    pub(crate) fn offer(&mut self, draw: &mut dyn FnMut() -> u64) -> Option<LocalDtls> {
        let setup = self.agreed.as_deref().map_or(Setup::Actpass, |&(role, _)| Setup::of(role));
        let attributes = DtlsAttributes { fingerprint: self.ours?, setup: Some(setup) };
        // A leg that answered without ICE goes on without.
        let without_ice = self.agreed.is_some() && self.beside.is_none();
        let ice = (!without_ice).then(|| self.credentials(draw));
        Some(LocalDtls { attributes, ice })
    }

    /// For the answer to `offered`. Where the leg leaves the choice to us, it begins: it may be
    /// behind a NAT, and with ICE we do not know where it is before it speaks. `None` without a
    /// certificate of ours or the leg's.
    pub(crate) fn answer(
        &mut self,
        offered: &AudioStream,
        draw: &mut dyn FnMut() -> u64,
    ) -> Option<LocalDtls> {
        let (fingerprint, theirs) = (self.ours?, offered.dtls?);
        let before = self.agreed.as_deref().filter(|(_, before)| *before == theirs.fingerprint);
        let role = match (theirs.setup, before) {
            (Some(Setup::Passive), _) => DtlsRole::Active,
            (Some(Setup::Actpass), Some(&(role, _))) => role,
            _ => DtlsRole::Passive,
        };
        let ice = offered.ice.as_ref().filter(|ice| !ice.lite).map(|ice| {
            if self.beside.as_ref().is_none_or(|before| !ice.continues(before)) {
                self.credentials = None;
                self.beside = Some(Arc::clone(&ice.fragment));
            }
            self.credentials(draw)
        });
        let attributes = DtlsAttributes { fingerprint, setup: Some(Setup::of(role)) };
        Some(LocalDtls { attributes, ice })
    }

    /// Ours, made when they are first asked for.
    fn credentials(&mut self, draw: &mut dyn FnMut() -> u64) -> IceAttributes {
        self.credentials.get_or_insert_with(|| IceAttributes::draw(draw)).clone()
    }
}
