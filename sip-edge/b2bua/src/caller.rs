//! Who calls: what leg B is told of the caller's number and name, under the voice connector's and
//! the carrier's rules, and who vouches for it (RFC 3323, RFC 3325, RFC 8224).

use crate::admission::{Admission, user_of};
use crate::carry::{self, Privacy, Towards, VERSTAT, Without};
use crate::context::Context;
use directory::{CallerId, Carrier, ForeignCaller, Snapshot, Verify, VoiceConnector, parse_e164};
use model::{CallDirection, CallerVerification, Instant, ProxiedCall, Refusal, TransactionId};
use sip_proto::{Composer, HeaderName, Message, NameAddr};
use stir::{Attestation, CallFacts, Claims, Failure, canonical_number};

/// The caller of one call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Caller {
    direction: CallDirection,
    /// The number that the call comes from, if it has one.
    number: Option<String>,
    /// The number is the connector's choice, not the caller's.
    is_replaced: bool,
    /// The name to show, quoted; `None` leaves the caller's own.
    name: Option<String>,
    attestation: Attestation,
    /// The caller does not want to be shown.
    is_anonymous: bool,
    verification: Option<CallerVerification>,
    /// What the carrier asserts is believed.
    is_trusted: bool,
    /// Nothing of the caller passes.
    is_masked: bool,
}

impl Caller {
    /// The caller of an inbound call: whoever the carrier says.
    pub(crate) fn inbound(invite: &Message, admission: &Admission) -> Self {
        Caller {
            direction: CallDirection::Inbound,
            number: claimed_number(invite),
            is_replaced: false,
            name: None,
            attestation: Attestation::C,
            is_anonymous: is_anonymous(invite),
            verification: admission.verification,
            is_trusted: admission.carrier.as_ref().is_none_or(|carrier| carrier.trust_identity),
            is_masked: false,
        }
    }

    /// The caller of an outbound call, by the voice connector's policy. A call that does not come
    /// from the customer itself (`by_customer`), because it was transferred, is never refused for
    /// its number: the customer could not have chosen another. Nor is an emergency call.
    ///
    /// # Errors
    /// The number may not be used.
    pub(crate) fn outbound(
        invite: &Message,
        directory: &Snapshot,
        connector: &VoiceConnector,
        by_customer: bool,
        is_emergency: bool,
    ) -> Result<Self, Refusal> {
        let policy = &connector.caller;
        let claimed = claimed_number(invite);
        let is_own = |number: &str| directory.is_number_of(connector, number);
        let claims_own = claimed.as_deref().and_then(parse_e164).is_some_and(is_own);
        let replaces = policy.always_default
            || match policy.foreign {
                _ if claims_own => false,
                ForeignCaller::Pass => false,
                ForeignCaller::Override => true,
                ForeignCaller::Refuse if by_customer && !is_emergency => {
                    return Err(Refusal::CallerNotAllowed);
                }
                ForeignCaller::Refuse => true,
            };
        let default = || {
            let own = || directory.first_number_of(connector);
            policy.default_number.clone().or_else(own).map(|number| number.to_string())
        };
        let default = if replaces { default() } else { None };
        let is_replaced = default.is_some();
        let number = if is_replaced { default } else { claimed };
        let own = number.as_deref().and_then(parse_e164).filter(|number| is_own(number));
        let owned = own.is_some();
        let name = policy.name.as_ref().or_else(|| directory.calling_name(own?));
        let name = name.map(|name| quoted(name));
        let attestation = match (owned, by_customer) {
            (true, _) => Attestation::A,
            (false, true) => Attestation::B,
            (false, false) => Attestation::C,
        };
        Ok(Caller {
            direction: CallDirection::Outbound,
            number,
            is_replaced,
            name,
            attestation,
            is_anonymous: is_anonymous(invite),
            verification: None,
            is_trusted: true,
            is_masked: false,
        })
    }

    /// The caller of a masked call, of whom only a proxy number is shown. It is the voice connector's,
    /// which so vouches for it.
    pub(crate) fn masked(proxy: &ProxiedCall, connector: &VoiceConnector) -> Self {
        Caller {
            direction: CallDirection::Outbound,
            number: Some(proxy.shown.to_string()),
            is_replaced: true,
            name: connector.caller.name.as_deref().map(quoted),
            attestation: Attestation::A,
            is_anonymous: false,
            verification: None,
            is_trusted: true,
            is_masked: true,
        }
    }

    /// Leg B's From, without a tag.
    pub(crate) fn address(&self, invite: &Message, our_host: &str) -> String {
        let shown = carry::caller_address(invite, our_host);
        if self.is_anonymous || (!self.is_replaced && self.name.is_none()) {
            return shown;
        }
        let given = NameAddr::parse(&shown).ok();
        let user = match (&self.number, &given) {
            (Some(number), _) if self.is_replaced => Some(number.clone()),
            (_, Some(given)) => given.uri().ok().and_then(|uri| uri.user.map(str::to_owned)),
            (_, None) => None,
        };
        let name = self.name.clone().or_else(|| {
            // The name of whoever had the number before says nothing of the one that replaces it.
            let name = given.as_ref()?.display_name.filter(|_| !self.is_replaced)?;
            Some(name.to_owned())
        });
        self.named(name.as_deref(), user.as_deref(), our_host)
    }

    fn named(&self, name: Option<&str>, user: Option<&str>, our_host: &str) -> String {
        let name = name.map(|name| [name, " "].concat()).unwrap_or_default();
        match user {
            Some(user) => format!("{name}<sip:{user}@{our_host}>"),
            None => format!("{name}<sip:{our_host}>"),
        }
    }

    /// What leg B's INVITE says of the caller beside From, and everything else that passes from
    /// leg A's.
    pub(crate) fn carry(
        &self,
        composer: &mut Composer,
        invite: &Message,
        towards: Towards,
        our_host: &str,
        carrier: Option<&Carrier>,
        signs: bool,
    ) {
        match (self.direction, carrier) {
            (CallDirection::Outbound, Some(carrier)) => {
                self.carry_outbound(composer, invite, our_host, carrier, signs);
            }
            _ if self.verification.is_some() => self.carry_verified(composer, invite, our_host),
            (CallDirection::Inbound, _) if !self.is_trusted => {
                let without = Without { asserted: true, ..Without::default() };
                carry::carry_but(composer, invite, towards.direction, our_host, without);
            }
            _ => carry::carry(composer, invite, towards, our_host),
        }
    }

    fn carry_outbound(
        &self,
        composer: &mut Composer,
        invite: &Message,
        our_host: &str,
        carrier: &Carrier,
        signs: bool,
    ) {
        let asserts = invite.header(HeaderName::PAssertedIdentity).is_some();
        let ours = match carrier.caller_id {
            CallerId::From => None,
            CallerId::Pai => self.number.as_deref(),
            CallerId::Both => self
                .number
                .as_deref()
                .filter(|_| self.is_replaced && (asserts || self.is_anonymous)),
        };
        let without = Without {
            asserted: ours.is_some() || self.is_replaced || carrier.caller_id == CallerId::From,
            signature: signs,
            verdict: false,
        };
        if !self.is_masked {
            carry::carry_but(composer, invite, CallDirection::Outbound, our_host, without);
        }
        if let Some(number) = ours {
            let identity = self.named(self.name.as_deref(), Some(number), our_host);
            composer.header(HeaderName::PAssertedIdentity, identity);
        }
    }

    /// RFC 8224 leaves it open how the verdict travels: as carriers have it, in the user part of
    /// P-Asserted-Identity (3GPP TS 24.229), and in a header of its own.
    fn carry_verified(&self, composer: &mut Composer, invite: &Message, our_host: &str) {
        let without = Without { asserted: true, signature: false, verdict: true };
        carry::carry_but(composer, invite, CallDirection::Inbound, our_host, without);
        let Some(verification) = self.verification else { return };
        let (verstat, level) = match verification {
            CallerVerification::Passed { attestation } => ("TN-Validation-Passed", attestation),
            CallerVerification::Failed(_) => ("TN-Validation-Failed", ""),
            CallerVerification::Missing => ("No-TN-Validation", ""),
        };
        let mark = if level.is_empty() { "" } else { "-" };
        composer.header_named(VERSTAT, &[verstat, mark, level].concat());
        let number = self.number.as_deref().filter(|_| !Privacy::of(invite).identity);
        if let Some(number) = number {
            let identity = format!("<sip:{number};verstat={verstat}@{our_host};user=phone>");
            composer.header(HeaderName::PAssertedIdentity, identity);
        }
    }

    /// Whether a carrier can tell whom a signature would be about.
    fn is_told_to(&self, carrier: &Carrier) -> bool {
        !self.is_anonymous || carrier.caller_id != CallerId::From
    }

    /// The Identity header for a carrier that wants one, and the level that it attests.
    pub(crate) fn sign(
        &self,
        context: &Context,
        now: Instant,
        carrier: Option<&Carrier>,
        called: &str,
        call: TransactionId,
    ) -> Option<(String, &'static str)> {
        carrier.filter(|carrier| carrier.sign_calls && self.is_told_to(carrier))?;
        let signer = context.config.stir.signer.as_ref()?;
        let claims = Claims {
            attestation: self.attestation,
            orig: canonical_number(self.number.as_deref()?)?,
            dest: vec![canonical_number(called)?],
            issued_at: context.unix_time(now)?.as_secs(),
            origid: call.to_string(),
        };
        Some((signer.sign(&claims)?, self.attestation.as_str()))
    }
}

impl Context {
    /// Looks at the Identity headers of a carrier's call, as its `verify` says.
    ///
    /// # Errors
    /// The carrier's calls must prove their caller, and this one does not.
    pub(crate) fn verify_caller(
        &self,
        now: Instant,
        admission: &Admission,
        invite: &Message,
    ) -> Result<Option<CallerVerification>, Refusal> {
        let Some(carrier) = admission.carrier.as_ref() else { return Ok(None) };
        if carrier.verify == Verify::Off {
            return Ok(None);
        }
        let verified = match (&self.config.stir.verifier, self.unix_time(now)) {
            (Some(verifier), Some(unix)) => {
                let orig = claimed_number(invite).unwrap_or_default();
                let values = invite.values(HeaderName::Identity);
                let date = invite.header(HeaderName::Date);
                let call = CallFacts { orig: &orig, dest: admission.dialled(), date };
                verifier.verify(values, call, unix)
            }
            _ => Err(Failure::UnknownCertificate),
        };
        match verified {
            Ok(verified) => {
                let attestation = verified.attestation.map_or("", Attestation::as_str);
                Ok(Some(CallerVerification::Passed { attestation }))
            }
            Err(failure) if carrier.verify == Verify::Require => Err(refusal_of(failure)),
            Err(Failure::Missing) => Ok(Some(CallerVerification::Missing)),
            Err(failure) => Ok(Some(CallerVerification::Failed(failure.name()))),
        }
    }
}

fn refusal_of(failure: Failure) -> Refusal {
    match failure {
        Failure::Missing => Refusal::IdentityMissing,
        Failure::Stale => Refusal::IdentityStale,
        Failure::UnknownCertificate => Refusal::IdentityUnknown,
        Failure::UnsupportedCredential => Refusal::IdentityCredential,
        Failure::Invalid => Refusal::IdentityInvalid,
    }
}

/// The caller's number in E.164, by which a participant of a proxy phone session is known: what the
/// carrier asserts where that is believed, else From. Separators and a missing `+` do not matter.
pub(crate) fn calling_e164(invite: &Message, is_trusted: bool) -> Option<String> {
    let shown = || user_of(invite.from().ok()?.uri_text);
    let claimed = if is_trusted { claimed_number(invite) } else { shown() };
    let number = ["+", &canonical_number(&claimed?)?].concat();
    parse_e164(&number).is_some().then_some(number)
}

/// The number that a caller claims: asserted before preferred before shown (RFC 3325 section 9.1).
fn claimed_number(invite: &Message) -> Option<String> {
    let asserted = [HeaderName::PAssertedIdentity, HeaderName::PPreferredIdentity];
    let number = |text: &str| user_of(text).filter(|user| canonical_number(user).is_some());
    let of_line = |value: &str| number(NameAddr::parse(value).ok()?.uri_text);
    asserted
        .into_iter()
        .find_map(|name| invite.values(name).find_map(of_line))
        .or_else(|| number(invite.from().ok()?.uri_text))
}

fn is_anonymous(invite: &Message) -> bool {
    Privacy::of(invite).user || carry::is_anonymous_address(invite)
}

/// A display name as a quoted string (RFC 3261 section 25.1).
fn quoted(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    for character in name.chars().filter(|c| !c.is_control()) {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    text
}
