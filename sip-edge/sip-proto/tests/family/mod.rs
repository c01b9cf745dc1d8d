//! A family of generated messages: what they say, and their bytes as the composer writes them.

use bytes::Bytes;
use proptest::prelude::*;
use sip_proto::{Composer, HeaderName};

/// What a generated message says.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    /// Method and Request-URI, or status.
    pub(crate) start: Result<(String, String), u16>,
    /// Sent-by and branch, from the top.
    pub(crate) vias: Vec<(String, String)>,
    /// Display name with its quotes (or nothing), URI, tag.
    pub(crate) from: (String, String, String),
    /// URI, and a tag or none.
    pub(crate) to: (String, Option<String>),
    pub(crate) call_id: String,
    pub(crate) cseq: (u32, String),
    pub(crate) max_forwards: u32,
    pub(crate) contact: Option<String>,
    pub(crate) routes: Vec<String>,
    /// Names that no registry holds, with any text.
    pub(crate) extensions: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Said {
    /// The message, as the composer writes it.
    pub(crate) fn compose(&self) -> Bytes {
        let mut composer = match &self.start {
            Ok((method, uri)) => Composer::request(method, uri),
            Err(status) => Composer::response(*status, sip_proto::default_reason(*status)),
        };
        for (sent_by, branch) in &self.vias {
            let via = format_args!("SIP/2.0/UDP {sent_by};branch={branch}");
            composer.header_args(HeaderName::Via, via);
        }
        composer.header_args(HeaderName::MaxForwards, format_args!("{}", self.max_forwards));
        let (name, uri, tag) = &self.from;
        composer.header_args(HeaderName::From, format_args!("{name}<{uri}>;tag={tag}"));
        let (uri, tag) = &self.to;
        match tag {
            Some(tag) => composer.header_args(HeaderName::To, format_args!("<{uri}>;tag={tag}")),
            None => composer.header_args(HeaderName::To, format_args!("<{uri}>")),
        };
        composer.header(HeaderName::CallId, &self.call_id);
        let (number, method) = &self.cseq;
        composer.header_args(HeaderName::CSeq, format_args!("{number} {method}"));
        if let Some(contact) = &self.contact {
            composer.header_args(HeaderName::Contact, format_args!("<{contact}>"));
        }
        for route in &self.routes {
            composer.header_args(HeaderName::Route, format_args!("<{route};lr>"));
        }
        for (name, value) in &self.extensions {
            composer.header_named(name, value);
        }
        let content_type = (!self.body.is_empty()).then_some("application/sdp");
        composer.body(content_type, &self.body)
    }
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9]{0,8}\\.[a-z]{2,5}",
        any::<[u8; 4]>().prop_map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
        any::<[u16; 8]>().prop_map(|ip| format!("[{}]", std::net::Ipv6Addr::from(ip))),
    ]
}

fn host_port() -> impl Strategy<Value = String> {
    (host(), prop::option::of(1..=u16::MAX)).prop_map(|(host, port)| match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}

fn uri() -> impl Strategy<Value = String> {
    let user = prop::option::of("[a-z0-9+][a-zA-Z0-9_.!~*'()&=+$,-]{0,12}");
    let parameters = prop_oneof![
        Just(""),
        Just(";transport=tcp"),
        Just(";Transport=UDP"),
        Just(";user=phone"),
        Just(";x-y=1;z")
    ];
    (prop_oneof![Just("sip"), Just("sips")], user, host_port(), parameters).prop_map(
        |(scheme, user, host, parameters)| match user {
            Some(user) => format!("{scheme}:{user}@{host}{parameters}"),
            None => format!("{scheme}:{host}{parameters}"),
        },
    )
}

fn display_name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[A-Za-z][A-Za-z0-9.]{0,10} ",
        // Anything at all, quoted: commas, brackets, semicolons and letters of every script.
        "[^\"\\\\\\p{C}]{0,12}".prop_map(|name| format!("\"{name}\" ")),
    ]
}

fn method() -> impl Strategy<Value = String> {
    let known = ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "UPDATE", "PRACK"];
    prop::sample::select(known.to_vec()).prop_map(str::to_owned)
}

/// The part of the family that every parser can read: host names and IPv4, alphanumeric users and
/// tags, no quoted names.
pub(crate) fn plain() -> impl Strategy<Value = Said> {
    let plain_uri = || "sip:[a-z][a-z0-9]{0,8}@[a-z][a-z0-9]{0,8}\\.com(:5[0-9]{3})?";
    let tag = || "[a-z0-9]{1,12}";
    let host = "[a-z][a-z0-9]{0,8}\\.com(:5[0-9]{3})?";
    let branch = "z9hG4bK[a-z0-9]{1,12}";
    let vias = prop::collection::vec((host, branch), 1..3);
    let from = ("([A-Z][a-z]{0,8} )?", plain_uri(), tag());
    let to = (plain_uri(), prop::option::of(tag()));
    let start = (method(), plain_uri());
    (said(), start, vias, from, to).prop_map(|(rest, (method, uri), vias, from, to)| {
        let (start, method) = match rest.start {
            Ok(_) => (Ok((method.clone(), uri)), method),
            // rsip knows the registered codes only.
            Err(_) => (Err(200), method),
        };
        let cseq = (rest.cseq.0, method);
        let (contact, routes, extensions) = (None, Vec::new(), Vec::new());
        Said { start, cseq, vias, from, to, contact, routes, extensions, ..rest }
    })
}

/// Any member of the family.
pub(crate) fn said() -> impl Strategy<Value = Said> {
    let token = || "[A-Za-z0-9.!%*_+`'~-]{1,16}";
    let extension = ("X-[A-Za-z0-9]{1,8}", "[^\\p{C}]{0,24}");
    let addresses = (
        prop::collection::vec((host_port(), "z9hG4bK[A-Za-z0-9]{1,12}"), 1..4),
        (display_name(), uri(), token()),
        (uri(), prop::option::of(token())),
        prop::option::of(uri()),
        prop::collection::vec(uri(), 0..3),
    );
    let rest = (
        prop::collection::vec(extension, 0..4),
        prop::collection::vec(any::<u8>(), 0..64),
        "[a-zA-Z0-9.-]{1,20}(@[a-z0-9.]{1,10})?",
        0..1_u32 << 31,
        1..=255_u32,
    );
    let start = prop_oneof![(method(), uri()).prop_map(Ok), (100..700_u16).prop_map(Err)];
    (start, method(), addresses, rest).prop_map(|(start, method, addresses, rest)| {
        let (vias, from, to, contact, routes) = addresses;
        let (extensions, body, call_id, number, max_forwards) = rest;
        let method = start.as_ref().map_or(method, |(method, _)| method.clone());
        let cseq = (number, method);
        Said {
            start,
            vias,
            from,
            to,
            call_id,
            cseq,
            max_forwards,
            contact,
            routes,
            extensions,
            body,
        }
    })
}
