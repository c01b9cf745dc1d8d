//! What a request asks for besides its command, by the names that proxies send.

use crate::formats::FormatRules;
use crate::value::{Dictionary, Value};
use model::{IpFamily, TranscodableFormat};
use sdp::RtpProfile;
use std::net::IpAddr;

/// Names of one request that are reported as unknown, and their length: a peer fills no log.
const MAX_UNKNOWN: usize = 16;
const MAX_UNKNOWN_LENGTH: usize = 48;
/// Bits a second of Opus that may be asked for.
const BITS: std::ops::RangeInclusive<u32> = 6_000..=128_000;
/// Durations of packets that may be asked for, ms.
const PACKETS: std::ops::RangeInclusive<u16> = 10..=120;

/// What may be asked of `a=rtcp-mux` (RFC 5761).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct RtcpMux {
    /// Offer it whether the offerer does or not.
    pub(crate) offer: bool,
    /// Do not pass it on, and accept it back to the offerer.
    pub(crate) demux: bool,
    /// Refuse it to the offerer.
    pub(crate) reject: bool,
}

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Flags {
    /// The profile towards the other side.
    pub(crate) profile: Option<RtpProfile>,
    /// The address family towards the other side.
    pub(crate) family: Option<IpFamily>,
    /// The address to write instead of the relay's.
    pub(crate) media_address: Option<IpAddr>,
    /// Where the SIP message came from.
    pub(crate) received_from: Option<IpAddr>,
    /// Take the address of `received_from` and the port of the description.
    pub(crate) sip_source_address: bool,
    pub(crate) rtcp_mux: RtcpMux,
    pub(crate) formats: FormatRules,
    /// ICE is wanted towards the other side.
    pub(crate) ice: bool,
    /// Keys must not come from descriptions.
    pub(crate) sdes_off: bool,
    /// Keys must not come from a handshake.
    pub(crate) dtls_off: bool,
    /// An unknown call is an error, not a warning.
    pub(crate) fatal: bool,
    /// The proxy understands the result `load limit`.
    pub(crate) load_limit: bool,
    /// What came is no description but a part of one: candidates of ICE (RFC 8840).
    pub(crate) fragment: bool,
    /// The whole call, not one party.
    pub(crate) all: bool,
    /// Seconds.
    pub(crate) delete_delay: Option<u64>,
    /// The call is to be recorded, or no longer.
    pub(crate) record: Option<bool>,
    /// Packets towards the other side are to be so long, ms.
    pub(crate) ptime: Option<u16>,
    /// Names that mean nothing here.
    pub(crate) unknown: Vec<String>,
}

impl Flags {
    /// Reads a request.
    pub(crate) fn read(request: &Dictionary) -> Self {
        let mut flags = Flags::default();
        for (name, value) in request.iter() {
            flags.read_entry(&normal(name), value);
        }
        flags
    }

    fn read_entry(&mut self, name: &str, value: &Value) {
        let word = || value.text().map(normal).unwrap_or_default();
        match name {
            // Read by others, or of no meaning to a relay.
            "command" | "call-id" | "from-tag" | "to-tag" | "via-branch" | "sdp" | "label"
            | "from-label" | "set-label" | "address" | "limit" | "cookie" | "file" | "blob"
            | "db-id" | "repeat-times" | "repeat-duration" | "start-pos" | "code" | "digit"
            | "duration" | "metadata" => {}
            // What this relay always does: origin, addresses and version are its own.
            "replace" => self.read_replace(value),
            "flags" => words(value).for_each(|flag| self.read_flag(&flag)),
            "supports" => self.load_limit |= words(value).any(|word| word == "load-limit"),
            "transport-protocol" => self.read_profile(&word()),
            "address-family" => self.read_family(&word()),
            "media-address" => self.media_address = address(value),
            "received-from" => {
                self.received_from = value.list().and_then(|list| address(list.get(1)?));
            }
            "rtcp-mux" => words(value).for_each(|word| self.read_rtcp_mux(&word)),
            "codec" => {
                for (rule, names) in value.dictionary().into_iter().flat_map(Dictionary::iter) {
                    let names: Vec<String> = names_of(names).collect();
                    names.iter().for_each(|name| self.read_codec(&normal(rule), name));
                }
            }
            "ice" => self.read_ice(&word()),
            "sdes" => words(value).for_each(|word| self.read_sdes(&word)),
            "dtls" => self.dtls_off |= matches!(word().as_str(), "off" | "no" | "disable"),
            "delete-delay" => {
                self.delete_delay = value.integer().and_then(|seconds| seconds.try_into().ok());
            }
            "all" => self.all |= word() == "all",
            "record-call" => match word().as_str() {
                "yes" | "on" | "1" | "true" => self.record = Some(true),
                "no" | "off" | "0" | "false" => self.record = Some(false),
                other => self.note_unknown(&format!("record-call={other}")),
            },
            // What OpenSIPS calls it.
            "ptime" | "repacketize" => self.read_ptime(value.integer()),
            // The interfaces of one relay are one: descriptions name its addresses by family.
            _ => self.note_unknown(name),
        }
    }

    fn read_flag(&mut self, flag: &str) {
        match flag {
            // How this relay always is.
            "trust-address"
            | "symmetric"
            | "strict-source"
            | "port-latching"
            | "loop-protect"
            | "reuse-codecs"
            | "no-codec-renegotiation"
            // Every call can get keys (`play DTMF`).
            | "inject-dtmf" => {}
            "sip-source-address" => self.sip_source_address = true,
            "fatal" => self.fatal = true,
            "fragment" => self.fragment = true,
            "all" => self.all = true,
            "single-codec" => self.formats.single = true,
            "record-call" => self.record = Some(true),
            _ => self.read_compound_flag(flag),
        }
    }

    /// Flags that stand for an entry of the dictionary.
    fn read_compound_flag(&mut self, flag: &str) {
        let rules = ["strip", "except", "offer", "mask", "transcode", "accept", "consume", "set"];
        if let Some(codec) = flag.strip_prefix("codec-") {
            for rule in rules {
                let name = codec.strip_prefix(rule).and_then(|rest| rest.strip_prefix('-'));
                if let Some(name) = name {
                    return self.read_codec(rule, name);
                }
            }
        }
        if let Some(word) = flag.strip_prefix("rtcp-mux-") {
            return self.read_rtcp_mux(word);
        }
        if let Some(millis) = flag.strip_prefix("ptime-") {
            return self.read_ptime(millis.parse().ok());
        }
        if let Some(word) = flag.strip_prefix("sdes-") {
            return self.read_sdes(word);
        }
        self.note_unknown(flag);
    }

    fn read_ptime(&mut self, millis: Option<i64>) {
        let millis = millis.and_then(|millis| u16::try_from(millis).ok());
        match millis.filter(|millis| PACKETS.contains(millis)) {
            Some(millis) => self.ptime = Some(millis),
            None => self.note_unknown("ptime-out-of-range"),
        }
    }

    fn read_replace(&mut self, value: &Value) {
        for word in words(value) {
            let known = ["origin", "session-connection", "session-name", "sdp-version", "username"];
            if !known.contains(&word.as_str()) && word != "zero-address" {
                self.note_unknown(&format!("replace-{word}"));
            }
        }
    }

    fn read_profile(&mut self, word: &str) {
        match RtpProfile::parse(word) {
            Some(profile) => self.profile = Some(profile),
            // An answer always has its offer's profile.
            None if word == "accept" => {}
            None => self.note_unknown(&format!("transport-protocol={word}")),
        }
    }

    fn read_family(&mut self, word: &str) {
        match word {
            "ip4" | "inet" => self.family = Some(IpFamily::V4),
            "ip6" | "inet6" => self.family = Some(IpFamily::V6),
            _ => self.note_unknown(&format!("address-family={word}")),
        }
    }

    fn read_rtcp_mux(&mut self, word: &str) {
        match word {
            "offer" | "require" => self.rtcp_mux.offer = true,
            "demux" => self.rtcp_mux.demux = true,
            "reject" => self.rtcp_mux.reject = true,
            "accept" => {}
            _ => self.note_unknown(&format!("rtcp-mux={word}")),
        }
    }

    fn read_codec(&mut self, rule: &str, name: &str) {
        let names = match rule {
            "strip" => &mut self.formats.strip,
            "except" => &mut self.formats.except,
            "offer" => &mut self.formats.offer,
            // What is accepted here is transcoded to it where the sides have nothing in common.
            "mask" | "consume" => &mut self.formats.mask,
            "transcode" => return self.read_transcoding(name),
            "set" => return self.read_setting(name),
            // Everything that can be transcoded is accepted already.
            "accept" => return,
            _ => return self.note_unknown(&format!("codec-{rule}-{name}")),
        };
        if names.len() < FormatRules::MAX_NAMES {
            names.push(name.to_owned());
        }
    }

    fn read_transcoding(&mut self, name: &str) {
        let mut parts = name.split('/');
        let (codec, clock) = (parts.next().unwrap_or_default(), parts.next());
        let fits = |format: &TranscodableFormat| {
            format.codec.name().eq_ignore_ascii_case(codec)
                && clock.is_none_or(|clock| clock.parse() == Ok(format.clock_rate))
        };
        // Telephone events follow the audio by themselves.
        if codec.eq_ignore_ascii_case("telephone-event") {
            return;
        }
        let Some(format) = TranscodableFormat::ALL.into_iter().find(fits) else {
            return self.note_unknown(&format!("codec-transcode-{name}"));
        };
        if !self.formats.transcode.contains(&format) {
            self.formats.transcode.push(format);
        }
        // Channels say nothing: one is made of all.
        let has_options = parts.skip(1).any(|part| !part.is_empty());
        if has_options && !self.read_bitrate(name) {
            self.note_unknown(&format!("codec-transcode-{name}"));
        }
    }

    /// Options of a format that the offerer has: the bit rate of Opus. The others have no choice.
    fn read_setting(&mut self, name: &str) {
        if !self.read_bitrate(name) {
            self.note_unknown(&format!("codec-set-{name}"));
        }
    }

    /// `opus/CLOCK/CHANNELS/BITS`, without anything more; whether it is so.
    fn read_bitrate(&mut self, name: &str) -> bool {
        let mut parts = name.split('/');
        let codec = parts.next().unwrap_or_default();
        let bits = parts.nth(2).and_then(|bits| bits.parse().ok());
        let bits = bits.filter(|bits| codec.eq_ignore_ascii_case("opus") && BITS.contains(bits));
        self.formats.opus_bitrate = bits.or(self.formats.opus_bitrate);
        bits.is_some() && parts.all(str::is_empty)
    }

    fn read_ice(&mut self, word: &str) {
        match word {
            "force" => self.ice = true,
            // Plain and SDES legs never have ICE, and DTLS legs always.
            "remove" | "default" | "optional" => {}
            _ => self.note_unknown(&format!("ice={word}")),
        }
    }

    fn read_sdes(&mut self, word: &str) {
        match word {
            "off" | "no" | "disable" => self.sdes_off = true,
            // Our padding is what RFC 4568 wants, and unencrypted media is refused.
            "pad" | "encrypted-srtp" | "encrypted-srtcp" | "authenticated-srtp" => {}
            _ => self.note_unknown(&format!("sdes-{word}")),
        }
    }

    fn note_unknown(&mut self, name: &str) {
        if self.unknown.len() < MAX_UNKNOWN {
            self.unknown.push(name.chars().take(MAX_UNKNOWN_LENGTH).collect());
        }
    }
}

/// A name or word as it is compared: case, and which of space, hyphen and underscore stands between
/// words, do not count.
pub(crate) fn normal(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.trim()
        .chars()
        .map(|c| match c {
            ' ' | '_' => '-',
            c => c.to_ascii_lowercase(),
        })
        .collect()
}

/// The words of a list, or of a text with commas or spaces.
fn words(value: &Value) -> impl Iterator<Item = String> {
    names_of(value).map(|word| normal(word.as_bytes()))
}

fn names_of(value: &Value) -> impl Iterator<Item = String> {
    let list = value.list().into_iter().flatten().filter_map(Value::text).map(lossy);
    let text = value.text().map(lossy).unwrap_or_default();
    let single: Vec<String> =
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    list.collect::<Vec<_>>().into_iter().chain(single)
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn address(value: &Value) -> Option<IpAddr> {
    let text = std::str::from_utf8(value.text()?).ok()?;
    text.trim().trim_start_matches('[').trim_end_matches(']').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Flags {
        match crate::json::parse(json.as_bytes()).unwrap() {
            Value::Dictionary(dictionary) => Flags::read(&dictionary),
            other => panic!("{other:?}"),
        }
    }

    /// As the modules of Kamailio and OpenSIPS write them.
    #[test]
    fn what_proxies_send_by_default_is_known() {
        let kamailio = read(
            r#"{"supports":["load limit"],"sdp":"","ICE":"remove","flags":["trust-address"],
            "replace":["origin","session-connection"],"call-id":"c","via-branch":"z9hG4bK1",
            "received-from":["IP4","192.0.2.7"],"from-tag":"f","command":"offer",
            "transport-protocol":"RTP/AVP"}"#,
        );
        assert!(kamailio.unknown.is_empty(), "{:?}", kamailio.unknown);
        assert!(kamailio.load_limit && !kamailio.ice);
        assert_eq!(kamailio.received_from, Some([192, 0, 2, 7].into()));
        assert_eq!(kamailio.profile, Some(RtpProfile::Avp));
        let opensips = read(
            r#"{"sdp":"","flags":["trust address","symmetric"],"replace":["origin",
            "session connection"],"rtcp-mux":["offer"],"ICE":"force","codec":{"strip":["G729"]},
            "transport protocol":"UDP/TLS/RTP/SAVPF","address family":"IP6","call-id":"c"}"#,
        );
        assert!(opensips.unknown.is_empty(), "{:?}", opensips.unknown);
        assert!(opensips.ice && opensips.rtcp_mux.offer);
        assert_eq!(opensips.family, Some(IpFamily::V6));
        assert_eq!(opensips.formats.strip, ["G729"]);
    }

    #[test]
    fn flags_stand_for_entries_and_unknown_ones_are_named() {
        let flags = read(
            r#"{"flags":["codec-strip-opus","codec-transcode-PCMA","codec-transcode-L16/16000",
            "codec-transcode-AMR","codec-mask-G722","codec-set-opus","SDES-off","fatal",
            "moon phase","SIP source address","all"],"delete delay":"5","direction":["a","b"],
            "record call":"yes","media address":"[2001:db8::1]"}"#,
        );
        assert_eq!(flags.formats.strip, ["opus"]);
        let transcoded: Vec<_> = flags.formats.transcode.iter().map(|f| f.name()).collect();
        assert_eq!(transcoded, ["PCMA", "L16/16000"]);
        assert_eq!(flags.formats.mask, ["g722"]);
        let unknown = ["direction", "codec-transcode-amr", "codec-set-opus", "moon-phase"];
        assert_eq!(flags.unknown, unknown);
        assert!(flags.sdes_off && flags.fatal && flags.sip_source_address && flags.all);
        assert_eq!(flags.record, Some(true));
        assert_eq!(flags.delete_delay, Some(5));
        assert_eq!(flags.media_address.map(|ip| ip.to_string()).as_deref(), Some("2001:db8::1"));
    }

    #[test]
    fn opus_is_given_a_bit_rate_and_what_else_is_set_is_named() {
        let bitrate = |flags: &str| {
            let read = read(&format!(r#"{{"flags":["{flags}"]}}"#));
            (read.formats.opus_bitrate, read.unknown)
        };
        let named = |name: &str| vec![name.to_owned()];
        assert_eq!(bitrate("codec-set-opus/48000/1/16000"), (Some(16_000), vec![]));
        assert_eq!(bitrate("codec-transcode-opus/48000/2/32000"), (Some(32_000), vec![]));
        assert_eq!(bitrate("codec-transcode-opus/48000/2"), (None, vec![]));
        for wrong in ["opus/48000/2/5999", "opus/48000/2/128001", "opus/48000", "AMR/8000/1/7400"] {
            let flag = format!("codec-set-{wrong}").to_ascii_lowercase();
            assert_eq!(bitrate(&flag), (None, named(&flag)));
        }
        // What is understood of it counts, and what is not is said.
        let more = "codec-set-opus/48000/2/24000//useinbandfec--1";
        assert_eq!(
            bitrate(more),
            (Some(24_000), named(&more[..MAX_UNKNOWN_LENGTH.min(more.len())]))
        );
        let listed = read(r#"{"codec":{"set":["opus/48000/2/20000","PCMU/8000/1"]}}"#);
        assert_eq!(listed.formats.opus_bitrate, Some(20_000));
        assert_eq!(listed.unknown, ["codec-set-PCMU/8000/1"]);
    }

    #[test]
    fn a_request_full_of_unknown_names_is_cut() {
        let names: Vec<String> = (0..1_000).map(|n| format!("\"{n}{}\"", "x".repeat(90))).collect();
        let flags = read(&format!("{{\"flags\":[{}]}}", names.join(",")));
        assert_eq!(flags.unknown.len(), MAX_UNKNOWN);
        assert!(flags.unknown.iter().all(|name| name.len() <= MAX_UNKNOWN_LENGTH));
    }
}
