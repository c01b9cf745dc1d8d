//! Calls under TLS from end to end: `sips` URIs (RFC 3261 section 26.2.2, RFC 5630), and whom TLS
//! connections must lead to.

use crate::admission::Admission;
use crate::context::Context;
use crate::leg::Leg;
use directory::{Host, OriginationRoute, Route, TlsPolicy, VoiceConnector};
use model::{Flow, PeerIdentity, Refusal, TransportProtocol};
use sip_proto::{Composer, HeaderName, Message, Uri};
use std::sync::Arc;

/// Whether a request asks that every hop is under TLS.
pub(crate) fn asks_for_sips(request: &Message) -> bool {
    request.request_uri().is_some_and(|uri| Uri::parse(uri).is_ok_and(|uri| uri.is_secure()))
}

/// Whether a new request came as safely as it asks to go on. `sips` over a plain transport has
/// already been where it must not be (RFC 5630 section 3.1.3 ends the last-hop exception).
pub(crate) fn may_pass(flow: &Flow, request: &Message) -> bool {
    flow.protocol == TransportProtocol::Tls || !asks_for_sips(request)
}

/// The routes that a call may take, and whether there were some but none that it may.
pub(crate) fn usable(mut routes: Vec<Route>, secure: bool) -> (Vec<Route>, bool) {
    let before = routes.len();
    if secure {
        routes.retain(|route| route.protocol == TransportProtocol::Tls || may_be_secure(route));
    }
    let insecure_only = routes.is_empty() && before > 0;
    (routes, insecure_only)
}

/// Whether the DNS may lead a route to TLS; it is then asked for nothing else.
fn may_be_secure(route: &Route) -> bool {
    route.choose_transport && route.port.is_none() && matches!(route.host, Host::Name(_))
}

/// Whom a connection for `route` must lead to: the configured host, whatever it resolves to.
/// `protocol` is the route's, or the one that the DNS chose for it.
pub(crate) fn expected(
    context: &mut Context,
    route: &Route,
    protocol: TransportProtocol,
) -> Option<PeerIdentity> {
    match protocol {
        TransportProtocol::Tls => context.identity_of(&route.host, &route.tls),
        _ => None,
    }
}

/// Lets messages to a caller find it again when its connection has closed: a new one must lead to
/// the name that the configuration has for it, whatever address its Contact or Via gives.
pub(crate) fn expect_caller(context: &mut Context, leg: &mut Leg, admission: &Admission) {
    if leg.flow.protocol != TransportProtocol::Tls || leg.flow.identity.is_some() {
        return;
    }
    leg.flow.identity = match &admission.carrier {
        Some(carrier) => context.identity_of(&carrier.host, &carrier.tls),
        None => customer_name(&admission.voice_connector)
            .and_then(|(name, policy)| context.identity_of(&name, &policy)),
    };
}

/// The name of a customer's system: that of its first route over TLS, else what its certificate must
/// show. One that neither names can only connect to us. What its own messages say is no name that
/// could be verified: whoever sent them chose it.
fn customer_name(connector: &VoiceConnector) -> Option<(Host, Arc<TlsPolicy>)> {
    let over_tls =
        |route: &&OriginationRoute| route.protocol == TransportProtocol::Tls && !route.registered;
    let routes = connector.origination.routes.iter();
    if let Some(route) = routes.filter(over_tls).min_by_key(|route| route.priority) {
        return Some((route.host.clone(), Arc::clone(&route.tls)));
    }
    let asked = &connector.termination.as_ref()?.client_certificate;
    let name = Host::parse(asked.names.first()?).ok()?;
    let policy = TlsPolicy { ca: asked.ca.clone(), ..TlsPolicy::default() };
    Some((name, Arc::new(policy)))
}

/// The scheme of our URIs, with its colon.
pub(crate) const fn scheme(secure: bool) -> &'static str {
    if secure { "sips:" } else { "sip:" }
}

/// Says why a `sips` request was refused (RFC 5630 section 5.4).
pub(crate) fn explain(composer: &mut Composer, refusal: Refusal) {
    if refusal == Refusal::SipsNotAllowed {
        composer.header(HeaderName::Warning, "380 tandem \"SIPS Not Allowed\"");
    }
}
