//! Lines of a description that are changed before it is read, or after it is written.

use sdp::RtpProfile;

/// The lines of a description, without their ends.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let cut = |line: &'_ [u8]| line.len() - usize::from(line.last() == Some(&b'\r'));
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    body.split(|&octet| octet == b'\n').map(move |line| &line[..cut(line)])
}

/// Lines with CRLF.
pub(crate) fn joined<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    for line in lines {
        out.extend_from_slice(line.as_ref());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// The description without `a=rtcp-mux`.
pub(crate) fn without_rtcp_mux(text: &[u8]) -> Vec<u8> {
    joined(lines(text).filter(|line| !is_rtcp_mux(line)))
}

/// The description with `a=rtcp-mux` in each audio section.
pub(crate) fn with_rtcp_mux(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<&[u8]> = Vec::new();
    let mut in_audio = false;
    for line in lines(text).filter(|line| !is_rtcp_mux(line)) {
        if line.starts_with(b"m=") && std::mem::take(&mut in_audio) {
            out.push(b"a=rtcp-mux");
        }
        in_audio |= line.starts_with(b"m=audio");
        out.push(line);
    }
    if in_audio {
        out.push(b"a=rtcp-mux");
    }
    joined(out)
}

fn is_rtcp_mux(line: &[u8]) -> bool {
    line.trim_ascii_end().eq_ignore_ascii_case(b"a=rtcp-mux")
}

/// A description that we wrote, with early feedback in its profiles or without, as `wanted` has it.
pub(crate) fn with_feedback_of(text: Vec<u8>, wanted: RtpProfile) -> Vec<u8> {
    let pairs = [
        (RtpProfile::Avp, RtpProfile::Avpf),
        (RtpProfile::Savp, RtpProfile::Savpf),
        (RtpProfile::DtlsSavp, RtpProfile::DtlsSavpf),
    ];
    let Some(pair) = pairs.into_iter().find(|pair| pair.0 == wanted || pair.1 == wanted) else {
        return text;
    };
    let other = if pair.0 == wanted { pair.1 } else { pair.0 };
    let (from, to) = (format!(" {} ", other.name()), format!(" {} ", wanted.name()));
    joined(lines(&text).map(|line| {
        let as_text = std::str::from_utf8(line).unwrap_or_default();
        // Port 0 is a stream that was declined, under the name that it was offered by.
        if as_text.starts_with("m=audio ") && !as_text.starts_with("m=audio 0 ") {
            as_text.replacen(&from, &to, 1).into_bytes()
        } else {
            line.to_vec()
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "v=0\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\nm=video 0 RTP/AVP 96\r\n";

    #[test]
    fn rtcp_mux_goes_and_comes() {
        let without = without_rtcp_mux(TEXT.as_bytes());
        assert_eq!(String::from_utf8(without.clone()).unwrap(), TEXT.replace("a=rtcp-mux\r\n", ""));
        assert_eq!(with_rtcp_mux(&without), TEXT.as_bytes());
        assert_eq!(with_rtcp_mux(TEXT.as_bytes()), TEXT.as_bytes());
        let last = with_rtcp_mux(b"v=0\nm=audio 4000 RTP/AVP 0");
        assert_eq!(last, b"v=0\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\n");
    }

    #[test]
    fn feedback_follows_what_is_wanted() {
        let text = |profile| String::from_utf8(with_feedback_of(TEXT.into(), profile)).unwrap();
        assert!(text(RtpProfile::Avpf).contains("m=audio 4000 RTP/AVPF 0"));
        assert!(text(RtpProfile::Avpf).contains("m=video 0 RTP/AVP 96"));
        assert_eq!(text(RtpProfile::Avp), TEXT);
        assert_eq!(text(RtpProfile::Savp), TEXT, "which keys there are is not decided here");
    }
}
