//! Which proxy numbers the participants of a new session get.

use super::{
    GeoMatchLevel, NumberSelection, Participant, ProxyProblem, ProxyRequest, ProxySession,
};
use crate::country_of;
use crate::number::area_code;
use model::UnixTime;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What the sessions that there are say about proxy numbers.
#[derive(Default)]
struct Uses<'a> {
    /// Proxy numbers of open sessions of each of the two participants.
    taken: [HashSet<&'a str>; 2],
    /// Participants of open sessions that have a proxy number.
    load: HashMap<&'a str, usize>,
    /// The last session of the same two.
    last: Option<&'a ProxySession>,
}

/// A free proxy number for each participant: by stickiness first, then by place, then the one that the
/// fewest have, then in the order of the pool.
pub(super) fn choose_numbers<'a>(
    now: UnixTime,
    pool: &[&Arc<str>],
    sessions: impl IntoIterator<Item = &'a ProxySession>,
    request: &ProxyRequest,
) -> Result<[Participant; 2], ProxyProblem> {
    let uses = uses(now, sessions, request);
    let choose = |who: usize| {
        let number = &request.participants[who];
        let sticky = uses.last.and_then(|last| {
            last.participants.iter().find(|was| was.number == *number).map(|was| &*was.proxy_number)
        });
        let free = pool.iter().filter(|proxy| !uses.taken[who].contains(&***proxy as &str));
        let best = free.min_by_key(|proxy| {
            let load = uses.load.get(&****proxy).copied().unwrap_or(0);
            (stickiness(request, sticky == Some(&***proxy)), distance(request, proxy), load)
        });
        let proxy_number = best.ok_or_else(|| ProxyProblem::NoNumber(number.clone()))?;
        Ok(Participant { number: number.clone(), proxy_number: Arc::clone(proxy_number) })
    };
    Ok([choose(0)?, choose(1)?])
}

fn uses<'a>(
    now: UnixTime,
    sessions: impl IntoIterator<Item = &'a ProxySession>,
    request: &ProxyRequest,
) -> Uses<'a> {
    let mut uses = Uses::default();
    for session in sessions {
        if session.joins(&request.participants)
            && uses.last.is_none_or(|last| last.created <= session.created)
        {
            uses.last = Some(session);
        }
        if !session.is_open(now) {
            continue;
        }
        for participant in &session.participants {
            *uses.load.entry(&participant.proxy_number).or_default() += 1;
            let who = request.participants.iter().position(|number| *number == participant.number);
            if let Some(taken) = who.and_then(|who| uses.taken.get_mut(who)) {
                taken.insert(&participant.proxy_number);
            }
        }
    }
    uses
}

/// 0 before 1.
fn stickiness(request: &ProxyRequest, is_sticky: bool) -> u8 {
    match request.selection {
        Some(NumberSelection::PreferSticky) => u8::from(!is_sticky),
        Some(NumberSelection::AvoidSticky) => u8::from(is_sticky),
        None => 0,
    }
}

/// How far a proxy number is from where it should be: 0 is there.
fn distance(request: &ProxyRequest, proxy: &str) -> u8 {
    let Some(level) = request.geo_level else { return 0 };
    let first = &*request.participants[0];
    let (country, code) = match &request.geo_params {
        Some(params) => (Some(&*params.country), Some(&*params.area_code)),
        None => (country_of(first), area_code(first)),
    };
    let in_country = country.is_some() && country_of(proxy) == country;
    match level {
        GeoMatchLevel::Country => u8::from(!in_country),
        GeoMatchLevel::AreaCode if in_country => {
            // Without area codes, the country is as near as can be told.
            u8::from(area_code(proxy).is_some() && area_code(proxy) != code)
        }
        GeoMatchLevel::AreaCode => 2,
    }
}
