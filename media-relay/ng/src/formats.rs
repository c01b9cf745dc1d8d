//! Formats that are taken out of a description, or put first.

use crate::text::{joined, lines};
use model::TranscodableFormat;

/// What is asked of the formats. Names are those of `a=rtpmap`, with clock rate and channels if
/// those matter, or payload types.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct FormatRules {
    /// Taken out; `all` or `full` for every one.
    pub(crate) strip: Vec<String>,
    /// Left in all the same.
    pub(crate) except: Vec<String>,
    /// Left in all the same, and put first in this order.
    pub(crate) offer: Vec<String>,
    /// Of an answer only the first one.
    pub(crate) single: bool,
    /// Not shown to the other side, but the offerer may have them: what the other side takes is
    /// transcoded to them. Named as `strip`.
    pub(crate) mask: Vec<String>,
    /// Offered to the other side whether the offerer has them or not.
    pub(crate) transcode: Vec<TranscodableFormat>,
    /// Bits a second of Opus where that is made here.
    pub(crate) opus_bitrate: Option<u32>,
}

impl FormatRules {
    /// Names of each kind that are kept.
    pub(crate) const MAX_NAMES: usize = 32;

    fn is_idle(&self) -> bool {
        self.strip.is_empty() && self.offer.is_empty()
    }

    /// The description with the formats of its audio as the rules want them. Where they would leave
    /// none, all stay.
    pub(crate) fn apply(&self, text: &[u8]) -> Vec<u8> {
        if self.is_idle() {
            return text.to_vec();
        }
        rewrite(text, |formats| {
            let mut kept: Vec<&Format<'_>> =
                formats.iter().filter(|format| self.keeps(format)).collect();
            // Those that are not named keep their order behind those that are.
            kept.sort_by_key(|format| {
                self.offer.iter().position(|name| format.is(name)).unwrap_or(usize::MAX)
            });
            kept.into_iter().map(|format| format.payload_type).collect()
        })
    }

    /// Whether the sides may end with different formats.
    pub(crate) fn may_transcode(&self) -> bool {
        !self.mask.is_empty() || !self.transcode.is_empty()
    }

    /// An offer, as `apply` left it, without what the other side is not to see.
    pub(crate) fn masked(&self, text: &[u8]) -> Vec<u8> {
        let shown = self.transcode.iter().map(|format| {
            let mapping = (format.codec.name(), format.clock_rate);
            format!("{}/{}", mapping.0, mapping.1)
        });
        let rules = FormatRules {
            strip: self.mask.clone(),
            except: self.except.iter().cloned().chain(shown).collect(),
            ..FormatRules::default()
        };
        rules.apply(text)
    }

    /// An answer with one format, and telephone events, if `single` is set.
    pub(crate) fn apply_to_answer(&self, text: &[u8]) -> Vec<u8> {
        if !self.single {
            return text.to_vec();
        }
        rewrite(text, |formats| {
            let mut audio = 0;
            let mut is_kept = |format: &&Format<'_>| {
                let is_event = format.is("telephone-event");
                audio += usize::from(!is_event);
                is_event || audio == 1
            };
            formats.iter().filter(|f| is_kept(f)).map(|f| f.payload_type).collect()
        })
    }

    fn keeps(&self, format: &Format<'_>) -> bool {
        let named = |names: &[String]| names.iter().any(|name| format.is(name));
        let all = self.strip.iter().any(|name| matches!(name.as_str(), "all" | "full"));
        named(&self.except) || named(&self.offer) || !(all || named(&self.strip))
    }
}

struct Format<'a> {
    payload_type: &'a str,
    /// `name/clock rate/channels`.
    encoding: String,
}

impl Format<'_> {
    fn is(&self, name: &str) -> bool {
        if name == self.payload_type {
            return true;
        }
        let mut have = self.encoding.split('/');
        let fits = |want: &str| have.next().is_some_and(|have| have.eq_ignore_ascii_case(want));
        name.split('/').filter(|part| !part.is_empty()).take(3).all(fits)
    }
}

/// Rewrites each audio section with the payload types that `choose` gives.
fn rewrite(text: &[u8], choose: impl for<'a> Fn(&[Format<'a>]) -> Vec<&'a str>) -> Vec<u8> {
    let all: Vec<&[u8]> = lines(text).collect();
    let is_start = |line: &&[u8]| line.starts_with(b"m=");
    let mut out: Vec<Vec<u8>> = Vec::with_capacity(all.len());
    let mut rest = all.as_slice();
    while !rest.is_empty() {
        let next = rest.iter().skip(1).position(is_start).map_or(rest.len(), |at| at + 1);
        let (section, others) = rest.split_at(next);
        rest = others;
        match rewrite_section(section, &choose) {
            Some(rewritten) => out.extend(rewritten),
            None => out.extend(section.iter().map(|line| line.to_vec())),
        }
    }
    joined(out)
}

fn rewrite_section(
    section: &[&[u8]],
    choose: impl for<'a> Fn(&[Format<'a>]) -> Vec<&'a str>,
) -> Option<Vec<Vec<u8>>> {
    let first = std::str::from_utf8(section.first()?).ok()?;
    let mut words = first.strip_prefix("m=audio ")?.split_ascii_whitespace();
    let (port, proto) = (words.next()?, words.next()?);
    let formats: Vec<Format<'_>> = words
        .map(|payload_type| Format {
            payload_type,
            encoding: encoding(section, payload_type).unwrap_or_default(),
        })
        .collect();
    let kept = choose(&formats);
    if kept.is_empty() {
        return None;
    }
    let is_gone = |line: &[u8]| {
        described(line).is_some_and(|payload_type| {
            !kept.contains(&payload_type)
                && formats.iter().any(|format| format.payload_type == payload_type)
        })
    };
    let mut out = vec![format!("m=audio {port} {proto} {}", kept.join(" ")).into_bytes()];
    out.extend(section.iter().skip(1).filter(|line| !is_gone(line)).map(|line| line.to_vec()));
    Some(out)
}

/// The payload type that a line is about.
fn described(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    let about = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"];
    let value = about.iter().find_map(|prefix| line.strip_prefix(prefix))?;
    value.split_ascii_whitespace().next()
}

fn encoding(section: &[&[u8]], payload_type: &str) -> Option<String> {
    let named = section.iter().find_map(|line| {
        let value = std::str::from_utf8(line).ok()?.strip_prefix("a=rtpmap:")?;
        let (number, encoding) = value.split_once(' ')?;
        (number == payload_type).then(|| encoding.trim().to_owned())
    });
    // RFC 3551 table 4.
    let by_number = || match payload_type {
        "0" => Some("PCMU/8000"),
        "3" => Some("GSM/8000"),
        "4" => Some("G723/8000"),
        "8" => Some("PCMA/8000"),
        "9" => Some("G722/8000"),
        "13" => Some("CN/8000"),
        "15" => Some("G728/8000"),
        "18" => Some("G729/8000"),
        _ => None,
    };
    named.or_else(|| by_number().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\nm=audio 4000 RTP/AVP 96 0 8 9 101\r\na=rtpmap:96 opus/48000/2\r\n\
        a=fmtp:96 useinbandfec=1\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
        a=sendrecv\r\nm=video 5000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";

    fn rules(strip: &[&str], except: &[&str], offer: &[&str]) -> FormatRules {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        FormatRules {
            strip: owned(strip),
            except: owned(except),
            offer: owned(offer),
            ..FormatRules::default()
        }
    }

    fn formats(rules: &FormatRules) -> String {
        let text = String::from_utf8(rules.apply(OFFER.as_bytes())).unwrap();
        assert!(text.contains("m=video 5000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"), "{text}");
        let line = text.lines().find(|line| line.starts_with("m=audio")).unwrap();
        line.trim_start_matches("m=audio 4000 RTP/AVP ").to_owned()
    }

    #[test]
    fn formats_are_taken_out_and_put_first() {
        assert_eq!(formats(&rules(&["opus", "G722"], &[], &[])), "0 8 101");
        assert_eq!(formats(&rules(&["OPUS/48000/2"], &[], &[])), "0 8 9 101");
        assert_eq!(formats(&rules(&["opus/16000", "8"], &[], &[])), "96 0 9 101");
        assert_eq!(formats(&rules(&["all"], &["PCMA", "telephone-event"], &[])), "8 101");
        assert_eq!(formats(&rules(&["all"], &[], &["PCMA", "PCMU"])), "8 0");
        assert_eq!(formats(&rules(&[], &[], &["PCMA"])), "8 96 0 9 101");
        assert_eq!(formats(&rules(&["all"], &[], &[])), "96 0 8 9 101", "none left: all stay");
    }

    #[test]
    fn lines_about_what_is_gone_go_too() {
        let text = rules(&["opus"], &[], &[]).apply(OFFER.as_bytes());
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("opus") && !text.contains("inbandfec"), "{text}");
        assert!(text.contains("a=fmtp:101 0-15") && text.contains("a=sendrecv"));
    }

    #[test]
    fn an_answer_may_be_cut_to_one_format() {
        let rules = FormatRules { single: true, ..FormatRules::default() };
        let text = String::from_utf8(rules.apply_to_answer(OFFER.as_bytes())).unwrap();
        assert!(text.contains("m=audio 4000 RTP/AVP 96 101\r\n"), "{text}");
    }
}
