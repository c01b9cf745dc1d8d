//! Proxy phone sessions: two people call each other over numbers that are neither's own (AWS: proxy
//! configuration, proxy sessions).
//!
//! Each participant has a proxy number: the one that it calls to reach the other, and that it sees
//! when the other calls. One proxy number serves any number of sessions, as long as nobody has it in
//! two open ones: who calls it then says which session is meant.

mod choice;
mod index;
#[cfg(test)]
mod tests;

pub use index::{ProxiedTo, ProxyNumber};
pub(crate) use index::{ProxyIndex, index};

use crate::number::parse_e164;
use crate::{VoiceConnector, country_of};
use choice::choose_numbers;
use model::{ProxySessionId, UnixTime, VoiceConnectorId};
use std::fmt;
use std::sync::Arc;

/// Which numbers of a voice connector mask its sessions, and what holds for all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProxyConfiguration {
    /// Whose.
    pub voice_connector: VoiceConnectorId,
    /// Minutes that a session lasts which does not say how long; at least 1.
    pub default_expiry_minutes: u32,
    /// No further session is made; those that there are go on.
    pub disabled: bool,
    /// Who gets the calls of anybody without an open session, E.164; `None` refuses them with 404.
    pub fallback: Option<Arc<str>>,
    /// Countries that proxy numbers are taken from, as [`crate::country_code`] returns them.
    pub countries: Vec<&'static str>,
    /// The proxy numbers among the voice connector's own; `None` for all of them in `countries`.
    pub numbers: Option<Vec<Arc<str>>>,
}

impl ProxyConfiguration {
    /// The proxy numbers: those of the voice connector that are in `countries`, and listed where there
    /// is a list.
    pub fn pool<'a>(
        &'a self,
        connector: &'a VoiceConnector,
    ) -> impl Iterator<Item = &'a Arc<str>> + 'a {
        connector.numbers.iter().filter(|number| {
            country_of(number).is_some_and(|country| self.countries.contains(&country))
                && self.numbers.as_ref().is_none_or(|listed| listed.contains(number))
        })
    }
}

/// What a session is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyCapability {
    /// Calls.
    Voice,
    /// Text messages, which are not served.
    Sms,
}

/// Whether two people get the proxy numbers of their last session again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NumberSelection {
    /// If they are free.
    PreferSticky,
    /// Only if no others are free.
    AvoidSticky,
}

/// What proxy numbers should have in common with the first participant's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GeoMatchLevel {
    /// The country.
    Country,
    /// The area code of the North American Numbering Plan; elsewhere the country.
    AreaCode,
}

/// Where proxy numbers should be, instead of where the first participant is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GeoMatchParams {
    /// ISO 3166-1 alpha-2.
    pub country: Arc<str>,
    /// Three digits.
    pub area_code: Arc<str>,
}

/// One of the two people of a session.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Participant {
    /// Its own number, E.164.
    pub number: Arc<str>,
    /// The proxy number that it calls and sees.
    pub proxy_number: Arc<str>,
}

/// Where a session is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxySessionStatus {
    /// The participants can call each other.
    Open,
    /// A call of it is up.
    InProgress,
    /// It was ended or has expired, and no call of it is up.
    Closed,
}

/// A session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProxySession {
    /// Its identity.
    pub id: ProxySessionId,
    /// The voice connector whose numbers mask it, and that its calls are counted for.
    pub voice_connector: VoiceConnectorId,
    /// What people call it.
    pub name: Option<Arc<str>>,
    /// Who takes part.
    pub participants: [Participant; 2],
    /// What it is for.
    pub capabilities: Vec<ProxyCapability>,
    /// How its proxy numbers were to be chosen.
    pub selection: Option<NumberSelection>,
    /// The same.
    pub geo_level: Option<GeoMatchLevel>,
    /// The same.
    pub geo_params: Option<GeoMatchParams>,
    /// Minutes that it lasts from `updated` on.
    pub expiry_minutes: u32,
    /// When it was made.
    pub created: UnixTime,
    /// When it was made, last changed, or ended.
    pub updated: UnixTime,
    /// When it was ended; one that has merely expired has none.
    pub ended: Option<UnixTime>,
}

/// What somebody asks for who wants a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProxyRequest {
    /// What people will call it.
    pub name: Option<Arc<str>>,
    /// The participants' own numbers.
    pub participants: [Arc<str>; 2],
    /// What it is to be for.
    pub capabilities: Vec<ProxyCapability>,
    /// Whether the numbers of the last session are wanted.
    pub selection: Option<NumberSelection>,
    /// What the proxy numbers should have in common with the first participant's.
    pub geo_level: Option<GeoMatchLevel>,
    /// Where they should be instead.
    pub geo_params: Option<GeoMatchParams>,
    /// Minutes; `None` for the configuration's.
    pub expiry_minutes: Option<u32>,
}

/// Why there is no such session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProxyProblem {
    /// The configuration allows no further sessions.
    Disabled,
    /// Text messages are not served.
    SmsNotServed,
    /// It is for nothing.
    NoCapability,
    /// A participant's number is not E.164.
    NotE164(Arc<str>),
    /// Both participants are the same.
    SameParticipant,
    /// A participant's number is a proxy number: it would call itself.
    ParticipantIsProxyNumber(Arc<str>),
    /// It would last less than a minute.
    NoTime,
    /// Every proxy number is in an open session of this participant already.
    NoNumber(Arc<str>),
    /// It has ended or expired.
    Closed,
}

impl fmt::Display for ProxyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProxyProblem::Disabled => f.write_str(
                "the voice connector's proxy configuration is disabled: no session can be made",
            ),
            ProxyProblem::SmsNotServed => {
                f.write_str("Capabilities: SMS is not served here, only Voice; leave SMS out")
            }
            ProxyProblem::NoCapability => f.write_str("Capabilities: name Voice"),
            // Whose numbers they are is nobody's to write down.
            ProxyProblem::NotE164(_) => f.write_str(
                "ParticipantPhoneNumbers: each must be an E.164 number such as +12065550100",
            ),
            ProxyProblem::SameParticipant => {
                f.write_str("ParticipantPhoneNumbers: both are the same number; name two people")
            }
            ProxyProblem::ParticipantIsProxyNumber(_) => f.write_str(
                "ParticipantPhoneNumbers: one is a proxy number of this voice connector",
            ),
            ProxyProblem::NoTime => f.write_str("ExpiryMinutes: at least 1"),
            ProxyProblem::NoNumber(_) => f.write_str(
                "every proxy number is taken by other open sessions of a participant: end one, or \
                 give the voice connector more numbers in PhoneNumberPoolCountries",
            ),
            ProxyProblem::Closed => f.write_str("the proxy session has ended; make another one"),
        }
    }
}

impl std::error::Error for ProxyProblem {}

impl ProxySession {
    /// How long a closed session is remembered, in minutes: 30 days. Sticky numbers are those of the
    /// last session that is remembered.
    pub const REMEMBERED_MINUTES: u64 = 30 * 24 * 60;

    /// Makes a session with proxy numbers that are free. `sessions` are all of the voice connector
    /// that are known, closed ones too.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn create<'a>(
        id: ProxySessionId,
        now: UnixTime,
        configuration: &ProxyConfiguration,
        connector: &VoiceConnector,
        sessions: impl IntoIterator<Item = &'a ProxySession>,
        request: ProxyRequest,
    ) -> Result<ProxySession, ProxyProblem> {
        if configuration.disabled {
            return Err(ProxyProblem::Disabled);
        }
        check_capabilities(&request.capabilities)?;
        let expiry_minutes = request.expiry_minutes.unwrap_or(configuration.default_expiry_minutes);
        if expiry_minutes == 0 {
            return Err(ProxyProblem::NoTime);
        }
        let pool: Vec<&Arc<str>> = configuration.pool(connector).collect();
        check_participants(&request.participants, &pool)?;
        let participants = choose_numbers(now, &pool, sessions, &request)?;
        Ok(ProxySession {
            id,
            voice_connector: connector.id.clone(),
            name: request.name,
            participants,
            capabilities: request.capabilities,
            selection: request.selection,
            geo_level: request.geo_level,
            geo_params: request.geo_params,
            expiry_minutes,
            created: now,
            updated: now,
            ended: None,
        })
    }

    /// Changes what it is for, and has it last `expiry_minutes` from now on, or as long as before.
    ///
    /// # Errors
    /// Why that cannot be; the session is as it was.
    pub fn update(
        &mut self,
        now: UnixTime,
        capabilities: Vec<ProxyCapability>,
        expiry_minutes: Option<u32>,
    ) -> Result<(), ProxyProblem> {
        check_capabilities(&capabilities)?;
        let expiry_minutes = expiry_minutes.unwrap_or(self.expiry_minutes);
        match (expiry_minutes, self.is_open(now)) {
            (0, _) => Err(ProxyProblem::NoTime),
            (_, false) => Err(ProxyProblem::Closed),
            (_, true) => {
                self.capabilities = capabilities;
                self.expiry_minutes = expiry_minutes;
                self.updated = now;
                Ok(())
            }
        }
    }

    /// Ends it: nobody reaches anybody over it any more. A call that is up goes on.
    pub fn close(&mut self, now: UnixTime) {
        let ends = self.expires_at().min(now);
        if self.ended.is_none() {
            (self.ended, self.updated) = (Some(ends), now.max(self.updated));
        }
    }

    /// When it expires unless it is changed.
    pub fn expires_at(&self) -> UnixTime {
        plus_minutes(self.updated, u64::from(self.expiry_minutes))
    }

    /// Whether new calls of it pass.
    pub fn is_open(&self, now: UnixTime) -> bool {
        self.ended.is_none() && now < self.expires_at()
    }

    /// Where it is, with so many of its calls up.
    pub fn status(&self, now: UnixTime, calls: u32) -> ProxySessionStatus {
        match (calls, self.is_open(now)) {
            (1.., _) => ProxySessionStatus::InProgress,
            (0, true) => ProxySessionStatus::Open,
            (0, false) => ProxySessionStatus::Closed,
        }
    }

    /// When it ended, by somebody's word or because it expired.
    pub fn ended_at(&self, now: UnixTime) -> Option<UnixTime> {
        self.ended.or_else(|| (!self.is_open(now)).then(|| self.expires_at()))
    }

    /// Whether it ended so long ago that nobody needs to know of it.
    pub fn is_forgotten(&self, now: UnixTime) -> bool {
        let ended = self.ended_at(now);
        ended.is_some_and(|ended| plus_minutes(ended, Self::REMEMBERED_MINUTES) <= now)
    }

    /// Whether both have these numbers, in either order.
    fn joins(&self, numbers: &[Arc<str>; 2]) -> bool {
        let [a, b] = &self.participants;
        let [c, d] = numbers;
        (a.number == *c && b.number == *d) || (a.number == *d && b.number == *c)
    }
}

fn check_capabilities(capabilities: &[ProxyCapability]) -> Result<(), ProxyProblem> {
    if capabilities.contains(&ProxyCapability::Sms) {
        return Err(ProxyProblem::SmsNotServed);
    }
    if capabilities.is_empty() { Err(ProxyProblem::NoCapability) } else { Ok(()) }
}

fn check_participants(numbers: &[Arc<str>; 2], pool: &[&Arc<str>]) -> Result<(), ProxyProblem> {
    for number in numbers {
        if parse_e164(number).is_none() {
            return Err(ProxyProblem::NotE164(number.clone()));
        }
        if pool.contains(&number) {
            return Err(ProxyProblem::ParticipantIsProxyNumber(number.clone()));
        }
    }
    if numbers[0] == numbers[1] { Err(ProxyProblem::SameParticipant) } else { Ok(()) }
}

fn plus_minutes(at: UnixTime, minutes: u64) -> UnixTime {
    UnixTime::from_millis(at.as_millis().saturating_add(minutes.saturating_mul(60_000)))
}
