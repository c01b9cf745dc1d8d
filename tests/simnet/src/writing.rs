//! The messages that a random endpoint writes.

use crate::endpoint::Actor;
use bytes::Bytes;
use sip_proto::{Composer, HeaderName, Message};

impl Actor {
    pub(crate) fn response(
        &self,
        tag: &str,
        request: &Message,
        status: u16,
        body: Option<&str>,
    ) -> Bytes {
        let reason = sip_proto::default_reason(status);
        let mut composer = Composer::response_to(request, status, reason, Some(tag));
        composer
            .header_args(HeaderName::Contact, format_args!("<sip:inner@{}>", self.at))
            .header(HeaderName::Allow, allow(self.at));
        if status == 422 {
            composer.header(HeaderName::MinSe, "120");
        }
        if status == 200 && request.session_expires().is_ok_and(|s| s.is_some()) {
            composer.header(HeaderName::SessionExpires, "100;refresher=uac");
        }
        match body.map(|body| self.secured_response(request, body)) {
            Some(body) => composer.body(Some("application/sdp"), body.as_bytes()),
            None => composer.finish(),
        }
    }

    pub(crate) fn compose(
        &self,
        index: usize,
        method: &str,
        cseq: u32,
        branch: &str,
        header: Option<(&str, &str)>,
        body: Option<&str>,
    ) -> Bytes {
        let call = &self.calls[index];
        let dialog = call.dialog.as_ref().or(call.early.as_ref());
        let dialog = dialog.filter(|_| method != "INVITE" || call.dialog.is_some());
        let target = dialog.map_or(call.remote.as_str(), |d| d.remote_target());
        let to_tag = match dialog {
            Some(dialog) => format!(";tag={}", dialog.remote_tag()),
            None => String::new(),
        };
        let mut composer = Composer::request(method, target);
        composer
            .header_args(
                HeaderName::Via,
                format_args!("SIP/2.0/UDP {};branch={branch};rport", self.at),
            )
            .header(HeaderName::MaxForwards, "70")
            .header_args(HeaderName::From, format_args!("<{}>;tag={}", call.local, call.tag))
            .header_args(HeaderName::To, format_args!("<{}>{to_tag}", call.remote))
            .header(HeaderName::CallId, &call.call_id)
            .header_args(HeaderName::CSeq, format_args!("{cseq} {method}"))
            .header_args(HeaderName::Contact, format_args!("<sip:inner@{}>", self.at));
        if let Some((name, value)) = &call.next_header {
            composer.header(*name, value);
        }
        if method == "INVITE" && cseq % 2 == 1 {
            composer
                .header(HeaderName::Supported, "timer, 100rel")
                .header(HeaderName::Allow, allow(self.at))
                .header(HeaderName::SessionExpires, "90;refresher=uas");
            if call.call_id.len().is_multiple_of(3) {
                composer.header(HeaderName::Require, "100rel");
            }
        }
        if let Some((name, value)) = header {
            composer.header_named(name, value);
        }
        match body {
            Some(body) if method == "INFO" => {
                composer.body(Some("application/dtmf-relay"), body.as_bytes())
            }
            Some(body) => {
                let body = self.secured_request(index, method, cseq, body);
                composer.body(Some("application/sdp"), body.as_bytes())
            }
            None => composer.finish(),
        }
    }
}

/// One of the endpoints does not take UPDATE.
fn allow(at: std::net::SocketAddr) -> &'static str {
    if at == crate::fixture::CARRIER_2 {
        "INVITE, ACK, BYE, CANCEL, PRACK, INFO"
    } else {
        "INVITE, ACK, BYE, CANCEL, PRACK, UPDATE, INFO"
    }
}
