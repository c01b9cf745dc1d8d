//! The INVITE that a PBX sends through one proxy, and every value of it that call logic reads.

use bytes::Bytes;
use sip_proto::{Message, Uri};

const HEAD: &str = "\
INVITE sip:+12065550100@abcdef1ghij2klmno3pqr4.voiceconnector.example.com:5060 SIP/2.0\r\n\
Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK-524287-1---b2c3d4e5f6a7b8c9;rport\r\n\
Max-Forwards: 70\r\n\
Route: <sip:edge.example.com:5060;lr>\r\n\
Contact: <sip:+14255550123@198.51.100.7:5060;transport=udp>\r\n\
To: <sip:+12065550100@abcdef1ghij2klmno3pqr4.voiceconnector.example.com>\r\n\
From: \"Reception\" <sip:+14255550123@198.51.100.7>;tag=8f2b6c1d\r\n\
Call-ID: 98asjd8-7f3c2a1b-4e5d@198.51.100.7\r\n\
CSeq: 101 INVITE\r\n\
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO\r\n\
Supported: 100rel, timer, replaces\r\n\
User-Agent: Example PBX 4.2\r\n\
Session-Expires: 1800;refresher=uac\r\n\
Content-Type: application/sdp\r\n";

const SDP: &str = "\
v=0\r\n\
o=- 3847362 3847362 IN IP4 198.51.100.7\r\n\
s=-\r\n\
c=IN IP4 198.51.100.7\r\n\
t=0 0\r\n\
m=audio 20000 RTP/AVP 0 8 101\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-16\r\n\
a=ptime:20\r\n\
a=sendrecv\r\n";

/// About 1,050 bytes.
pub(crate) fn invite() -> Bytes {
    // A shared buffer from the start, as a receive buffer is: cloning it costs nothing.
    let text = format!("{HEAD}Content-Length: {}\r\n\r\n{SDP}", SDP.len());
    let mut buffer = bytes::BytesMut::with_capacity(text.len());
    buffer.extend_from_slice(text.as_bytes());
    buffer.freeze()
}

/// Reads every typed value, URIs included; the sum keeps the work from being optimised away.
pub(crate) fn read_all(message: &Message) -> usize {
    let uri_size = |text: &str| {
        Uri::parse(text).map_or(0, |uri| {
            uri.user.map_or(0, str::len) + uri.host_port().port.map_or(0, usize::from)
        })
    };
    let mut sum = message.request_uri().map_or(0, uri_size);
    for via in message.vias() {
        sum += via.map_or(0, |via| via.branch.map_or(0, str::len) + via.protocol.len());
    }
    for address in [message.from(), message.to()] {
        sum += address.map_or(0, |a| uri_size(a.uri_text) + a.tag().map_or(0, str::len));
    }
    if let Ok(Some(contact)) = message.contact() {
        sum += uri_size(contact.uri_text);
    }
    for route in message.routes() {
        sum += route.map_or(0, |route| uri_size(route.uri_text));
    }
    sum += message.cseq().map_or(0, |cseq| cseq.number as usize);
    sum += message.call_id().map_or(0, str::len);
    sum += message.max_forwards().ok().flatten().map_or(0, |hops| hops as usize);
    sum += message.header(sip_proto::HeaderName::ContentLength).map_or(0, str::len);
    sum + message.body_bytes().len()
}
