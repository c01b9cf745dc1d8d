//! Request methods (RFC 3261 section 7.1): case-sensitive tokens.

use std::fmt;

macro_rules! methods {
    ($($variant:ident = $text:literal, $doc:literal;)*) => {
        /// A request method. Names are case-sensitive (RFC 3261 section 7.1).
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Method<'a> {
            $(#[doc = $doc] $variant,)*
            /// Any other token, as sent.
            Other(&'a str),
        }

        impl<'a> Method<'a> {
            /// Names the method in `text`. Never fails: what is unknown is [`Method::Other`].
            pub fn parse(text: &'a str) -> Method<'a> {
                match text {
                    $($text => Method::$variant,)*
                    _ => Method::Other(text),
                }
            }

            /// The method as it stands in a start line.
            pub const fn as_str(self) -> &'a str {
                match self {
                    $(Method::$variant => $text,)*
                    Method::Other(text) => text,
                }
            }

            /// The same method free of the borrowed text, when it is a known one.
            pub const fn known(self) -> Option<Method<'static>> {
                match self {
                    $(Method::$variant => Some(Method::$variant),)*
                    Method::Other(_) => None,
                }
            }
        }
    };
}

methods! {
    Invite = "INVITE", "RFC 3261 section 13.";
    Ack = "ACK", "RFC 3261 section 13.";
    Bye = "BYE", "RFC 3261 section 15.";
    Cancel = "CANCEL", "RFC 3261 section 9.";
    Options = "OPTIONS", "RFC 3261 section 11.";
    Register = "REGISTER", "RFC 3261 section 10.";
    Info = "INFO", "RFC 6086.";
    Prack = "PRACK", "RFC 3262.";
    Update = "UPDATE", "RFC 3311.";
    Refer = "REFER", "RFC 3515.";
    Notify = "NOTIFY", "RFC 6665.";
    Subscribe = "SUBSCRIBE", "RFC 6665.";
    Message = "MESSAGE", "RFC 3428.";
    Publish = "PUBLISH", "RFC 3903.";
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
