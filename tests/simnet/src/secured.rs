//! Random endpoints that speak SRTP, with keys in their descriptions, and what must hold of keys.

use crate::endpoint::Actor;
use crate::fixture::{CARRIER, CARRIER_2, PBX, sdp};
use crate::network::Rng;
use bytes::Bytes;
use directory::{Host, Resources, Srtp};
use model::{LegSecurity, MediaPlan};
use sip_proto::{Limits, Message, Method};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

const SUITES: [&str; 2] = ["AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"];
/// What the next description of a stream costs: one more key in so many requests.
const REQUESTS_A_KEY: u32 = 3;

/// What an endpoint does about SRTP.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Habit {
    /// It knows none, and answers as if there were none.
    #[default]
    Plain,
    /// It answers SRTP with SRTP, and offers plain RTP.
    Answers,
    /// It offers keys beside plain RTP (RFC 8643).
    Optional,
    /// It offers nothing else.
    Required,
}

/// Chooses who is to have SRTP. Half of the runs have none.
pub(crate) fn choose(rng: &mut Rng, resources: &mut Resources) -> Habits {
    let mut habits = Habits::default();
    if rng.percent(50) {
        return habits;
    }
    let mut srtp = rng.pick(&[Srtp::Off, Srtp::Optional, Srtp::Required]);
    // A name may lead to either address, and then both are one carrier's.
    let is_named = !matches!(resources.carriers[0].host, Host::Ip(_));
    for (carrier, at) in resources.carriers.iter_mut().zip([CARRIER, CARRIER_2]) {
        carrier.srtp = srtp;
        if !is_named {
            srtp = rng.pick(&[Srtp::Off, Srtp::Optional, Srtp::Required]);
        }
        let habit = match carrier.srtp {
            Srtp::Required => rng.pick(&[Habit::Required, Habit::Required, Habit::Plain]),
            Srtp::Optional => rng.pick(&[Habit::Answers, Habit::Optional, Habit::Plain]),
            Srtp::Off | Srtp::Dtls => Habit::Plain,
        };
        habits.0.insert(at, habit);
        if carrier.srtp == Srtp::Required {
            habits.1.push(at.ip());
        }
    }
    let route = &mut resources.voice_connectors[0].origination.routes[0];
    route.srtp = rng.pick(&[Srtp::Off, Srtp::Optional]);
    habits.0.insert(PBX, rng.pick(&[Habit::Plain, Habit::Answers, Habit::Optional]));
    habits
}

/// Of every endpoint, and those who get no plain media by their operator's wish.
#[derive(Default, Debug)]
pub(crate) struct Habits(HashMap<SocketAddr, Habit>, Vec<IpAddr>);

impl Habits {
    pub(crate) fn of(&self, at: SocketAddr) -> Habit {
        self.0.get(&at).copied().unwrap_or_default()
    }
}

/// The text that every key of an endpoint begins with: a secret of its side.
pub(crate) fn key_mark(at: SocketAddr) -> String {
    format!("innerKey{}x", at.port())
}

impl Actor {
    pub(crate) fn description(&mut self, index: usize, direction: &str) -> String {
        let version = self.calls[index].version;
        let port = 30_000 + 2 * index as u16;
        let audio = sdp(self.at, port, version, direction);
        // Some have a camera, which is switched on and off; who answers does not always count the
        // lines of the offer.
        match (port / 2 + version as u16) % 4 {
            0 => audio + &format!("m=video {} RTP/AVP 31\r\n", port + 10_000),
            1 if port.is_multiple_of(4) => audio + "m=video 0 RTP/AVP 31\r\n",
            _ => audio,
        }
    }

    /// The last description that came, for what answers it in an ACK or PRACK.
    pub(crate) fn hear(&mut self, index: usize, message: &Message) {
        if !message.body_bytes().is_empty() {
            self.calls[index].heard = text(message);
        }
    }

    /// The body of a request: an offer, or in ACK and PRACK the answer to the last one.
    pub(crate) fn secured_request(
        &self,
        index: usize,
        method: &str,
        cseq: u32,
        body: &str,
    ) -> String {
        let call = &self.calls[index];
        let answers = matches!(method, "ACK" | "PRACK") && !call.sent_offer;
        self.secured(&call.call_id, cseq, body, answers.then_some(call.heard.as_str()))
    }

    /// The body of a response, which answers the offer of its request if there was one.
    pub(crate) fn secured_response(&self, request: &Message, body: &str) -> String {
        let offer = (!request.body_bytes().is_empty()).then(|| text(request));
        let number = request.cseq().map(|cseq| cseq.number).unwrap_or_default();
        self.secured(request.call_id().unwrap_or_default(), number, body, offer.as_deref())
    }

    fn secured(&self, call_id: &str, cseq: u32, body: &str, offer: Option<&str>) -> String {
        let key = |suite: &str| self.key(&format!("{call_id} {suite}"), cseq / REQUESTS_A_KEY);
        let Some(offer) = offer else {
            let proto = match self.habit {
                Habit::Plain | Habit::Answers => return body.to_owned(),
                Habit::Optional => "RTP/AVP",
                Habit::Required => "RTP/SAVP",
            };
            let lines = (1..).zip(SUITES);
            let lines =
                lines.map(|(tag, suite)| format!("a=crypto:{tag} {suite} {}\r\n", key(suite)));
            return in_each_section(&body.replace("RTP/AVP", proto), &lines.collect::<String>());
        };
        let known = Secured::of(offer).lines.into_iter();
        let mut known: Vec<_> =
            known.filter(|(_, suite, _)| SUITES.contains(&suite.as_str())).collect();
        if self.habit == Habit::Plain || known.is_empty() {
            return body.to_owned();
        }
        let (tag, suite, _) = known.swap_remove(call_id.len() % known.len());
        let proto = if offer.contains(" RTP/SAVP ") { "RTP/SAVP" } else { "RTP/AVP" };
        let line = format!("a=crypto:{tag} {suite} {}\r\n", key(&suite));
        in_each_section(&body.replace("RTP/AVP", proto), &line)
    }

    /// 40 symbols of Base64: 30 octets.
    fn key(&self, seed: &str, epoch: u32) -> String {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325 ^ u64::from(epoch), fold);
        let mark = key_mark(self.at);
        let rest = 40 - mark.len();
        format!("inline:{mark}{hash:0>rest$x}")
    }
}

/// A description whose every media section ends with `lines`.
fn in_each_section(body: &str, lines: &str) -> String {
    let mut sections = body.split_inclusive("\r\n").peekable();
    let mut out = String::new();
    let mut in_media = false;
    while let Some(line) = sections.next() {
        in_media |= line.starts_with("m=");
        out.push_str(line);
        if in_media && sections.peek().is_none_or(|next| next.starts_with("m=")) {
            out.push_str(lines);
        }
    }
    out
}

/// What a description says of its audio stream's protection.
struct Secured {
    /// The stream is there, and its profile is plain RTP.
    plain_profile: bool,
    /// The stream is there.
    has_audio: bool,
    /// Tag, suite, key.
    lines: Vec<(String, String, String)>,
}

impl Secured {
    fn of(body: &str) -> Self {
        let audio = body.lines().find(|line| line.starts_with("m=audio "));
        let audio = audio.filter(|line| !line.starts_with("m=audio 0 "));
        let others = ["m=video", "m=image"];
        let main = body.lines().take_while(|line| !others.iter().any(|m| line.starts_with(m)));
        let lines = main.filter_map(|line| {
            let mut words = line.strip_prefix("a=crypto:")?.split(' ').map(str::to_owned);
            Some((words.next()?, words.next()?, words.next()?))
        });
        Secured {
            plain_profile: audio.is_some_and(|line| line.contains(" RTP/AVP ")),
            has_audio: audio.is_some(),
            lines: lines.collect(),
        }
    }
}

/// Sees what passes, and what must hold of keys.
#[derive(Default)]
pub(crate) struct KeyWatch {
    required: Vec<IpAddr>,
    /// The leg (Call-ID) that each key of the edge belongs to.
    legs: HashMap<String, String>,
    /// The lines that endpoints offered, by Call-ID and CSeq.
    offers: HashMap<(String, u32), Vec<(String, String)>>,
    /// Answers with SRTP, to know that there were some.
    pub(crate) answers: usize,
}

impl KeyWatch {
    pub(crate) fn new(habits: &Habits) -> Self {
        KeyWatch { required: habits.1.clone(), ..KeyWatch::default() }
    }

    /// An endpoint sends something.
    pub(crate) fn note(&mut self, raw: &Bytes) {
        let Ok(message) = Message::parse(raw.clone(), &Limits::default()) else { return };
        if message.is_request()
            && message.method() != Some(Method::Ack)
            && !text(&message).is_empty()
        {
            let lines = Secured::of(&text(&message)).lines.into_iter();
            let lines = lines.map(|(tag, suite, _)| (tag, suite)).collect();
            self.offers.insert(identity(&message), lines);
        }
    }

    /// The edge sends `message` to `to`.
    ///
    /// # Panics
    /// When a key serves two legs, an answer takes what was not offered, or a peer that is to have
    /// SRTP is told of plain RTP.
    pub(crate) fn check(&mut self, to: SocketAddr, message: &Message) {
        let body = text(message);
        let keys = body.split("inline:").skip(1).map(|key| key.lines().next());
        let mut keys: Vec<_> = keys.collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count, "a key of ours stands twice, to {to}:\n{body}");
        let said = Secured::of(&body);
        let identity = identity(message);
        for (_, _, key) in &said.lines {
            let leg = self.legs.entry(key.clone()).or_insert_with(|| identity.0.clone());
            assert_eq!(*leg, identity.0, "two legs have one key of ours, to {to}:\n{body}");
        }
        let required = self.required.contains(&to.ip()) && said.has_audio;
        assert!(!required || !said.plain_profile, "{to} is to have no plain media:\n{body}");
        assert!(!required || !said.lines.is_empty(), "{to} gets no key:\n{body}");
        if message.is_request() || !said.has_audio {
            return;
        }
        if let Some(offered) = self.offers.get(&identity) {
            assert!(said.lines.len() <= 1, "an answer takes one line:\n{body}");
            for (tag, suite, _) in said.lines {
                assert!(offered.contains(&(tag, suite)), "{offered:?} was offered:\n{body}");
                self.answers += 1;
            }
        }
    }

    /// The relay gets a plan.
    ///
    /// # Panics
    /// When plain media may pass to or from a peer that is to have SRTP.
    pub(crate) fn check_plan(&self, plan: &MediaPlan) {
        for leg in &plan.legs {
            let peer = leg.remote_rtp.map(|at| at.ip());
            if peer.is_some_and(|ip| self.required.contains(&ip)) {
                let silent = !leg.accepts_from && !leg.sends_to;
                assert!(leg.security != LegSecurity::Plain || silent, "plain media: {leg:?}");
            }
        }
    }
}

fn identity(message: &Message) -> (String, u32) {
    let number = message.cseq().map(|cseq| cseq.number).unwrap_or_default();
    (message.call_id().unwrap_or_default().to_owned(), number)
}

fn text(message: &Message) -> String {
    // The body of an INFO is no description.
    let is_info = message.method() == Some(Method::Info);
    if is_info { String::new() } else { String::from_utf8_lossy(message.body_bytes()).into() }
}
