//! Following a callee's redirect (RFC 3261 section 8.1.3.4), where policy allows it. Otherwise it is
//! told to leg A as `crate::redirect` says.

use super::Call;
use crate::admission::refusal_of;
use crate::context::Context;
use crate::preference::preference;
use crate::redirect;
use directory::{Host, RedirectPolicy, Route, parse_e164};
use model::{CallDirection, TransportProtocol};
use sip_proto::{HeaderName, Message, Scheme, Uri};
use std::collections::VecDeque;
use std::sync::Arc;

/// The targets that redirects have named in one call.
#[derive(Default)]
pub(super) struct Redirections {
    /// At most as many as policy allows, [`RedirectPolicy::MAX_LIMIT`].
    waiting: VecDeque<Target>,
    followed: u8,
    visited: Vec<(Arc<str>, Host)>,
    /// The number that the present attempt calls instead of the caller's.
    called: Option<Arc<str>>,
}

struct Target {
    route: Route,
    user: Arc<str>,
}

impl Redirections {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next target's route; its number is called from now on.
    pub(super) fn next(&mut self) -> Option<Route> {
        let target = self.waiting.pop_front();
        let (route, user) = target.map(|target| (target.route, target.user)).unzip();
        self.called = user;
        route
    }

    pub(super) fn called(&self) -> Option<&Arc<str>> {
        self.called.as_ref()
    }
}

impl Call {
    /// Takes the targets of a redirect that may be followed. They come before any further route.
    pub(super) fn take_redirect(
        &mut self,
        context: &Context,
        status: u16,
        response: Option<&Message>,
    ) {
        let Some(response) = response
            .filter(|_| redirect::is_shown_redirect(status) && self.parties.emergency.is_none())
        else {
            return;
        };
        let Some(route) = self.pending.as_ref().and_then(|pending| pending.route.clone()) else {
            return;
        };
        let policy = match &route.carrier {
            Some(carrier) => carrier.redirects.clone(),
            None => self.voice_connector.redirects.clone(),
        };
        let mut contacts: Vec<_> = response.addresses(HeaderName::Contact).flatten().collect();
        // RFC 3261 section 20.10: the preferred ones first; none means 1.
        contacts.sort_by_key(|contact| std::cmp::Reverse(preference(contact.params.get("q"))));
        for contact in contacts {
            if let Ok(uri) = contact.uri() {
                self.take_target(context, &policy, &route, &uri);
            }
        }
    }

    fn take_target(
        &mut self,
        context: &Context,
        policy: &RedirectPolicy,
        from: &Route,
        uri: &Uri<'_>,
    ) {
        let secure = from.protocol == TransportProtocol::Tls;
        let Some(user) = uri.user.and_then(|user| self.payable(context, user)) else { return };
        let host = match &uri.host {
            sip_proto::Host::Ip(ip) => Host::Ip(*ip),
            sip_proto::Host::Name(name) => match Host::parse(name) {
                Ok(host) => host,
                Err(_) => return,
            },
        };
        let named = uri.param("transport").flatten().and_then(TransportProtocol::parse);
        let protocol = named.unwrap_or(from.protocol);
        // No redirect leads out of an encrypted trunk, and none needs one that the route lacks.
        let as_secure = secure == (protocol == TransportProtocol::Tls)
            && (secure || uri.scheme == Scheme::Sip)
            && uri.scheme != Scheme::Tel;
        let Some(pending) = self.pending.as_mut() else { return };
        let redirections = &mut pending.redirections;
        let known = redirections.visited.iter().any(|(u, h)| *u == user && *h == host);
        if !as_secure
            || known
            || !policy.allows(&from.host, &host)
            || redirections.followed >= policy.limit.min(RedirectPolicy::MAX_LIMIT)
        {
            return;
        }
        redirections.followed += 1;
        redirections.visited.push((user.clone(), host.clone()));
        let port = uri.port.or(from.port.filter(|_| host == from.host));
        let route = Route { host, port, protocol, ..from.clone() };
        redirections.waiting.push_back(Target { route, user });
    }

    /// The redirect's number, if the caller may call it: the same one, or one that the rules on
    /// countries and risks allow. A redirect must not reach what the caller could not dial.
    fn payable(&self, context: &Context, user: &str) -> Option<Arc<str>> {
        let user = user.split(';').next().unwrap_or_default();
        if user == &*self.parties.to_user {
            return Some(self.parties.to_user.clone());
        }
        let number = parse_e164(user)?;
        // Inbound, these are the customer's own telephones.
        let refused = self.parties.direction == CallDirection::Outbound
            && refusal_of(&context.directory, &self.voice_connector, number).is_some();
        (!refused).then(|| number.into())
    }
}
