//! What is advised where a call was refused or not answered.

/// What a refusal by its name means, and what to do.
pub(in crate::report) fn refusal_advice(refusal: &str) -> &'static str {
    of_caller(refusal)
        .or_else(|| of_limit(refusal))
        .or_else(|| of_request(refusal))
        .unwrap_or("see the refusal's name. Look it up in docs/metrics.md.")
}

/// Of who calls, and how it is proved.
fn of_caller(refusal: &str) -> Option<&'static str> {
    Some(match refusal {
        "unknown_source" => {
            "no voice connector and no carrier owns the source address. Add it to a cidr_allowed_list or to inbound_cidrs."
        }
        "source_not_allowed" => {
            "the source address is not in the voice connector's cidr_allowed_list. Add it there if it is \
             the customer's."
        }
        "wrong_credentials" => {
            "the user name or password is none of the voice connector's credentials. Compare them with \
             credentials in [voice_connector.termination]."
        }
        "too_many_failures" => {
            "the source gave wrong credentials too often. Correct its password and wait half a minute."
        }
        "certificate_required" => {
            "the caller showed no certificate that client_certificate_ca vouches for with one of \
             client_certificate_names. Look at the certificate that it has."
        }
        "sips_not_allowed" => {
            "the call was for a sips: URI, and came without TLS or has no route over TLS. \
             Use TLS on both sides, or a sip: URI."
        }
        "caller_not_allowed" => {
            "the calling number is not one of the voice connector's. Add it to numbers, or change \
             caller_policy."
        }
        "identity_missing" => {
            "the carrier did not sign the call, and its verify is \"require\". Ask it to sign, or loosen \
             verify."
        }
        "identity_stale" => {
            "the carrier's signature was more than a minute off. Compare both clocks."
        }
        "identity_unknown" => {
            "the signature names a certificate that is not in [stir] certificates. Add it there."
        }
        "identity_credential" => {
            "the certificate is expired, or may not speak for the calling number. Ask the carrier to \
             renew it."
        }
        "identity_invalid" => {
            "the signature does not fit the call. Ask the carrier what changes its calls on the way."
        }
        "plain_signalling" => {
            "the voice connector requires encryption and the request came without TLS. Let the \
             customer's system use TLS."
        }
        _ => return None,
    })
}

/// Of what was used up or not there.
fn of_limit(refusal: &str) -> Option<&'static str> {
    Some(match refusal {
        "call_rate_limit" => {
            "the voice connector's cps_limit is used up. Raise it, or look for a dialler or a loop."
        }
        "concurrent_call_limit" => {
            "the voice connector's concurrent_calls_limit is used up. Raise it, or look at `tandem \
             calls` for calls that hang."
        }
        "source_call_limit" => {
            "one address has as many calls to the meeting rooms as max_calls_per_source of [rooms] allows. \
             Raise it where many devices are behind one address, or list that in allow_plain."
        }
        "draining" => {
            "this node was being stopped. Let the other side try another node when it gets a 503."
        }
        "overloaded" => {
            "a table of this node was full. Look at its load, and for a flood of calls."
        }
        "relay_unavailable" => {
            "no media relay was there, or it lost the call. Start it, and see docs/split.md."
        }
        "ports_exhausted" => "all of [media] ports was in use. Widen the range.",
        "daily_minutes_cap" => {
            "the voice connector's minutes_per_day were used up. Look for fraud before you raise them."
        }
        "daily_spend_cap" => {
            "the voice connector's spend_per_day was used up. Look for fraud before you raise it."
        }
        "call_duration_cap" => {
            "the voice connector's caps.max_call_duration was over. Raise it if that was no forgotten \
             call."
        }
        "routes_full" => "every route had its max_calls or cps_limit. Raise them or add a carrier.",
        _ => return None,
    })
}

/// Of what was asked for.
fn of_request(refusal: &str) -> Option<&'static str> {
    Some(match refusal {
        "not_e164" => "the called number is not '+' and 7 to 15 digits. Let the PBX send E.164.",
        "region_not_allowed" => {
            "the called country is not in calling_regions. Add it if it is wanted."
        }
        "no_route" => {
            "no carrier has a prefix of the called number. Add it to prefixes of a [[carrier]]."
        }
        "unknown_number" => {
            "no voice connector has the called number. Add it to numbers of its connector, or ask the \
             carrier why it sends it."
        }
        "no_origination" => {
            "the voice connector has no origination route. Add [[voice_connector.origination]]."
        }
        "disabled" => {
            "termination or origination is switched off for the voice connector. Look at who did that \
             and why."
        }
        "loop" => "the request went round in a circle. Look at which system sends it back.",
        "not_acceptable" => {
            "the session description offered nothing that can be relayed. Look at it in the ladder."
        }
        "high_risk" => {
            "the called number is in a high-risk range and the connector has no allow_high_risk. Look \
             for fraud before you set it."
        }
        "method_not_allowed" => "the method is not served here. Look at what the caller sends.",
        "plain_media" => {
            "SRTP is required and only plain RTP was offered. Switch SRTP (SDES) on in the system \
             that called."
        }
        "streaming_disabled" => {
            "a recording client (SIPREC) sent the copy of a call, and the voice connector does not \
             stream. Set enabled in its [voice_connector.streaming], or send the copy elsewhere."
        }
        "no_proxy_session" => {
            "the called number is a proxy number, and the caller is in no open session there. Make one, or \
             have such calls go to a FallBackPhoneNumber."
        }
        "no_emergency_number" => {
            "the call was for the emergency service (urn:service:sos) and the voice connector has no \
             number for it. Add [voice_connector.emergency] with a dnis."
        }
        _ => return None,
    })
}

/// What a final status of the called side means; empty when it is none that everybody knows.
pub(super) fn status_advice(status: u16) -> &'static str {
    match status {
        0 => "The record was closed without the call's end.",
        401 | 407 => {
            "The called side asked for credentials: check username and password of the route."
        }
        403 => "The called side forbids it: check what it allows for this number and source.",
        404 | 484 | 604 => "The called side does not know the number.",
        408 => "Nobody answered Tandem's INVITE in time: the peer is down or a firewall drops SIP.",
        415 | 488 | 606 => "The sides have no codec or media security in common.",
        480 => "The called party was not available.",
        486 | 600 => "The called party was busy.",
        487 => "The caller gave up.",
        603 => "The called party declined.",
        500..=599 => "A server on the way failed or was overloaded.",
        _ => "",
    }
}
