//! What several scenarios do.

use simnet::{CARRIER, PBX, Ua, World};
use sip_proto::Message;

/// A call of which leg B has the INVITE.
pub(crate) fn calling(w: &mut World, headers: &[(&str, &str)], offers: bool) -> (Ua, Ua) {
    let mut pbx = w.caller(PBX, "+12065550123");
    let offer = pbx.sdp(30_000);
    pbx.invite_with(w, headers, offers.then_some(&*offer));
    let pstn = w.callee(CARRIER);
    (pbx, pstn)
}

/// The numbers that a PRACK of this response names.
pub(crate) fn rack_of(response: &Message) -> [u32; 2] {
    [response.rseq().unwrap().unwrap(), response.cseq().unwrap().number]
}

/// Acknowledges a reliable provisional response.
pub(crate) fn prack(w: &mut World, ua: &mut Ua, response: &Message, body: Option<&str>) {
    let [rseq, cseq] = rack_of(response);
    let rack = format!("{rseq} {cseq} INVITE");
    ua.request(w, "PRACK", &[("RAck", &rack)], body.map(|body| ("application/sdp", body)));
}

/// Sends a provisional response reliably.
pub(crate) fn ring_reliably(
    w: &mut World,
    ua: &mut Ua,
    status: u16,
    rseq: u32,
    body: Option<&str>,
) {
    let rseq = rseq.to_string();
    let allow = "INVITE, ACK, BYE, CANCEL, UPDATE, PRACK";
    let headers = [("Require", "100rel"), ("RSeq", &*rseq), ("Allow", allow)];
    ua.reply_with(w, status, &headers, body);
}
