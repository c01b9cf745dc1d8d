//! Descriptions with keys, and what came of them.

use directory::{Resources, Srtp};
use model::{LegSecurity, LegSide, SrtpKey, TransportProtocol};
use sdp::{CryptoAttribute, Encryption, Limits, SessionDescription};
use simnet::{PBX, World, config, directory, sdp};
use sip_proto::Message;
use std::net::SocketAddr;

pub(crate) const KEY: &str = "inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd";
pub(crate) const KEY_2: &str = "inline:HRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA";
pub(crate) const KEY_3: &str = "inline:ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CB";
pub(crate) const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";

/// A description with keys; its key is a secret of its side.
pub(crate) fn secure(w: &mut World, at: SocketAddr, version: u32, crypto: &str) -> String {
    for key in [KEY, KEY_2, KEY_3] {
        if crypto.contains(key) {
            w.audit.keep_secret(at, key);
        }
    }
    let port = if at == PBX { 30_000 } else { 40_000 };
    sdp(at, port, version, "sendrecv").replace("RTP/AVP", "RTP/SAVP")
        + &format!("a=crypto:{crypto}\r\n")
}

/// A description of SRTP that may be answered with plain RTP (RFC 8643).
pub(crate) fn optional(w: &mut World, at: SocketAddr, version: u32, crypto: &str) -> String {
    secure(w, at, version, crypto).replace("RTP/SAVP", "RTP/AVP")
}

pub(crate) fn one(tag: u32, key: &str) -> String {
    format!("{tag} {SUITE} {key}")
}

pub(crate) fn key(value: &str) -> SrtpKey {
    CryptoAttribute::parse(value).unwrap().usable().unwrap().clone()
}

pub(crate) fn described(message: &Message) -> SessionDescription {
    SessionDescription::parse(message.body_bytes(), &Limits::default())
        .unwrap()
        .for_leg(Encryption::Optional)
}

pub(crate) fn crypto_of(message: &Message) -> Vec<CryptoAttribute> {
    described(message).audio().map(|audio| audio.crypto).unwrap_or_default()
}

pub(crate) fn media_lines(message: &Message) -> Vec<String> {
    let body = String::from_utf8_lossy(message.body_bytes()).into_owned();
    body.lines().filter(|line| line.starts_with("m=")).map(str::to_owned).collect()
}

pub(crate) fn is_plain(w: &World, leg: LegSide) -> bool {
    w.plan().legs[leg.index()].security == LegSecurity::Plain
}

/// The keys in force on a leg: what it sends with, what we send with.
pub(crate) fn keys(w: &World, leg: LegSide) -> (SrtpKey, SrtpKey) {
    match &w.plan().legs[leg.index()].security {
        LegSecurity::Sdes(keys) => (keys.receive.clone(), keys.send.clone()),
        other => panic!("leg {leg:?} has {other:?}\n{}", w.ladder()),
    }
}

pub(crate) fn with_carriers(srtp: Srtp) -> Resources {
    let mut resources = directory();
    for carrier in &mut resources.carriers {
        carrier.srtp = srtp;
    }
    resources
}

pub(crate) fn with_required() -> Resources {
    let mut resources = directory();
    let connector = &mut resources.voice_connectors[0];
    connector.require_encryption = true;
    connector.origination.routes[0].protocol = TransportProtocol::Tls;
    resources
}

/// The customer speaks TLS.
pub(crate) fn over_tls(resources: Resources) -> World {
    let mut w = World::with(config(), resources);
    w.connect_tls(PBX);
    w
}
