//! Header names, their compact forms, and a lookup that costs a hash and one comparison.

use std::fmt;

macro_rules! header_names {
    ($($variant:ident = $text:literal $(, $compact:literal)?;)*) => {
        /// The header fields that this crate knows by name. Names match in any case, and in their
        /// compact form where one is registered (RFC 3261 section 7.3.3).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum HeaderName {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// Any other header; its name is in [`crate::HeaderLine::raw_name`].
            Other,
        }

        const NAMES: &[(&str, HeaderName)] = &[
            $(($text, HeaderName::$variant),)*
        ];

        const fn compact_form(letter: u8) -> HeaderName {
            $($(if letter == $compact { return HeaderName::$variant; })?)*
            HeaderName::Other
        }

        impl HeaderName {
            /// The canonical spelling; empty for [`HeaderName::Other`].
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(HeaderName::$variant => $text,)*
                    HeaderName::Other => "",
                }
            }
        }
    };
}

header_names! {
    Via = "Via", b'v';
    From = "From", b'f';
    To = "To", b't';
    CallId = "Call-ID", b'i';
    CSeq = "CSeq";
    Contact = "Contact", b'm';
    MaxForwards = "Max-Forwards";
    Route = "Route";
    RecordRoute = "Record-Route";
    ContentLength = "Content-Length", b'l';
    ContentType = "Content-Type", b'c';
    ContentDisposition = "Content-Disposition";
    ContentEncoding = "Content-Encoding", b'e';
    ContentLanguage = "Content-Language";
    ContentId = "Content-ID";
    Allow = "Allow";
    AllowEvents = "Allow-Events", b'u';
    Supported = "Supported", b'k';
    Require = "Require";
    ProxyRequire = "Proxy-Require";
    Unsupported = "Unsupported";
    Expires = "Expires";
    MinExpires = "Min-Expires";
    SessionExpires = "Session-Expires", b'x';
    MinSe = "Min-SE";
    Reason = "Reason";
    RetryAfter = "Retry-After";
    UserAgent = "User-Agent";
    Server = "Server";
    Accept = "Accept";
    AcceptContact = "Accept-Contact", b'a';
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    RejectContact = "Reject-Contact", b'j';
    RequestDisposition = "Request-Disposition", b'd';
    Warning = "Warning";
    Date = "Date";
    Timestamp = "Timestamp";
    Privacy = "Privacy";
    PAssertedIdentity = "P-Asserted-Identity";
    PPreferredIdentity = "P-Preferred-Identity";
    PChargingVector = "P-Charging-Vector";
    PAccessNetworkInfo = "P-Access-Network-Info";
    PEarlyMedia = "P-Early-Media";
    RemotePartyId = "Remote-Party-ID";
    Diversion = "Diversion";
    HistoryInfo = "History-Info";
    UserToUser = "User-to-User";
    ReferTo = "Refer-To", b'r';
    ReferredBy = "Referred-By", b'b';
    ReferSub = "Refer-Sub";
    Replaces = "Replaces";
    Join = "Join";
    TargetDialog = "Target-Dialog";
    Event = "Event", b'o';
    SubscriptionState = "Subscription-State";
    Authorization = "Authorization";
    ProxyAuthorization = "Proxy-Authorization";
    WwwAuthenticate = "WWW-Authenticate";
    ProxyAuthenticate = "Proxy-Authenticate";
    AuthenticationInfo = "Authentication-Info";
    AlertInfo = "Alert-Info";
    CallInfo = "Call-Info";
    ErrorInfo = "Error-Info";
    Subject = "Subject", b's';
    Organization = "Organization";
    Priority = "Priority";
    ReplyTo = "Reply-To";
    InReplyTo = "In-Reply-To";
    RSeq = "RSeq";
    RAck = "RAck";
    InfoPackage = "Info-Package";
    RecvInfo = "Recv-Info";
    Identity = "Identity", b'y';
    MimeVersion = "MIME-Version";
    Geolocation = "Geolocation";
    GeolocationRouting = "Geolocation-Routing";
    Path = "Path";
    ServiceRoute = "Service-Route";
    SipEtag = "SIP-ETag";
    SipIfMatch = "SIP-If-Match";
    SecurityClient = "Security-Client";
    SecurityServer = "Security-Server";
    SecurityVerify = "Security-Verify";
    SessionId = "Session-ID";
    MaxBreadth = "Max-Breadth";
    ResourcePriority = "Resource-Priority";
}

impl HeaderName {
    /// Names the header in `text`, in any case and in its compact form.
    pub fn parse(text: &str) -> HeaderName {
        HeaderName::parse_bytes(text.as_bytes())
    }

    pub(crate) fn parse_bytes(text: &[u8]) -> HeaderName {
        let (Some(&first), Some(&last)) = (text.first(), text.last()) else {
            return HeaderName::Other;
        };
        if text.len() == 1 {
            return compact_form(first.to_ascii_lowercase());
        }
        let mut candidate = BUCKETS[bucket(text.len(), first, last)];
        while let Some((name, variant)) = NAMES.get(usize::from(candidate)) {
            // Nearly everybody sends the canonical spelling, and that compares fastest.
            let name = name.as_bytes();
            if text == name || (text.len() == name.len() && text.eq_ignore_ascii_case(name)) {
                return *variant;
            }
            candidate = NEXT[usize::from(candidate)];
        }
        HeaderName::Other
    }

    /// Whether RFC 3261 and its extensions allow the field once in a message.
    pub(crate) const fn is_single(self) -> bool {
        matches!(
            self,
            HeaderName::From
                | HeaderName::To
                | HeaderName::CallId
                | HeaderName::CSeq
                | HeaderName::MaxForwards
                | HeaderName::ContentLength
                | HeaderName::ContentType
                | HeaderName::ContentDisposition
                | HeaderName::Expires
                | HeaderName::MinExpires
                | HeaderName::SessionExpires
                | HeaderName::MinSe
                | HeaderName::RSeq
                | HeaderName::RAck
                | HeaderName::ReferTo
                | HeaderName::ReferredBy
                | HeaderName::Replaces
                | HeaderName::Event
                | HeaderName::SubscriptionState
                | HeaderName::Date
                | HeaderName::MimeVersion
        )
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// End of a bucket's chain.
const NONE: u8 = u8::MAX;
// `Message::repeated_single` keeps one bit of a `u128` per name.
const _: () = assert!(NAMES.len() < 128 && NAMES.len() < NONE as usize);

const fn bucket(length: usize, first: u8, last: u8) -> usize {
    let first = (first | 0x20) as usize;
    let last = (last | 0x20) as usize;
    (length.wrapping_mul(7) ^ first.wrapping_mul(5) ^ last.wrapping_mul(19)) & 0xff
}

/// The first candidate of each bucket, and for each name the next one of its bucket.
const TABLES: ([u8; 256], [u8; NAMES.len()]) = {
    let mut buckets = [NONE; 256];
    let mut next = [NONE; NAMES.len()];
    // From the last name to the first, so that the common ones head their chains.
    let mut index = NAMES.len();
    while index > 0 {
        index -= 1;
        let name = NAMES[index].0.as_bytes();
        let slot = bucket(name.len(), name[0], name[name.len() - 1]);
        next[index] = buckets[slot];
        buckets[slot] = index as u8;
    }
    (buckets, next)
};
static BUCKETS: [u8; 256] = TABLES.0;
static NEXT: [u8; NAMES.len()] = TABLES.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for (text, name) in NAMES {
            assert_eq!(HeaderName::parse(text), *name);
            assert_eq!(HeaderName::parse(&text.to_ascii_lowercase()), *name);
            assert_eq!(HeaderName::parse(&text.to_ascii_uppercase()), *name);
            assert_eq!(name.as_str(), *text);
            assert_eq!(HeaderName::parse(&format!("{text}x")), HeaderName::Other);
        }
        assert_eq!(HeaderName::parse(""), HeaderName::Other);
    }

    #[test]
    fn compact_forms_of_the_registry() {
        for (letter, name) in [
            ("a", HeaderName::AcceptContact),
            ("b", HeaderName::ReferredBy),
            ("c", HeaderName::ContentType),
            ("d", HeaderName::RequestDisposition),
            ("e", HeaderName::ContentEncoding),
            ("f", HeaderName::From),
            ("i", HeaderName::CallId),
            ("j", HeaderName::RejectContact),
            ("k", HeaderName::Supported),
            ("l", HeaderName::ContentLength),
            ("m", HeaderName::Contact),
            ("o", HeaderName::Event),
            ("r", HeaderName::ReferTo),
            ("s", HeaderName::Subject),
            ("t", HeaderName::To),
            ("u", HeaderName::AllowEvents),
            ("v", HeaderName::Via),
            ("x", HeaderName::SessionExpires),
            ("y", HeaderName::Identity),
            ("z", HeaderName::Other),
        ] {
            assert_eq!(HeaderName::parse(letter), name);
            assert_eq!(HeaderName::parse(&letter.to_uppercase()), name);
        }
    }

    #[test]
    fn chains_are_short() {
        let longest = BUCKETS
            .iter()
            .map(|head| {
                std::iter::successors(Some(*head), |at| NEXT.get(usize::from(*at)).copied())
                    .take_while(|at| *at != NONE)
                    .count()
            })
            .max();
        assert!(longest <= Some(4), "{longest:?}");
    }
}
