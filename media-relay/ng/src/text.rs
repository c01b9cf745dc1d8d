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

/// The description with `a=rtcp-mux` in each section of RTP.
pub(crate) fn with_rtcp_mux(text: &[u8]) -> Vec<u8> {
    let mut out: Vec<&[u8]> = Vec::new();
    let mut in_rtp = false;
    for line in lines(text).filter(|line| !is_rtcp_mux(line)) {
        if line.starts_with(b"m=") && std::mem::take(&mut in_rtp) {
            out.push(b"a=rtcp-mux");
        }
        in_rtp |= is_rtp_section(line);
        out.push(line);
    }
    if in_rtp {
        out.push(b"a=rtcp-mux");
    }
    joined(out)
}

/// The description with packets of `millis` in its audio.
pub(crate) fn with_ptime(text: &[u8], millis: u16) -> Vec<u8> {
    let said = format!("a=ptime:{millis}");
    let mut out: Vec<&[u8]> = Vec::new();
    let mut in_audio = false;
    for line in lines(text) {
        if line.starts_with(b"m=") {
            if in_audio {
                out.push(said.as_bytes());
            }
            in_audio = line.starts_with(b"m=audio ");
        }
        if !(in_audio && line.starts_with(b"a=ptime:")) {
            out.push(line);
        }
    }
    if in_audio {
        out.push(said.as_bytes());
    }
    joined(out)
}

fn is_rtp_section(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let is_media = words.next().is_some_and(|word| word.starts_with("m="));
    let is_on = words.next().is_some_and(|port| port != "0");
    is_media
        && is_on
        && words.next().is_some_and(|proto| proto.split('/').any(|part| part == "RTP"))
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
        let mut words = as_text.split(' ');
        let is_media = words.next().is_some_and(|word| word.starts_with("m="));
        if is_media && words.next().is_some_and(|port| port != "0") {
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
    fn packets_of_audio_are_as_long_as_wanted() {
        let text = "v=0\r\nm=audio 4000 RTP/AVP 0\r\na=ptime:20\r\na=sendrecv\r\n\
            m=video 5000 RTP/AVP 96\r\na=ptime:7\r\n";
        let expected = "v=0\r\nm=audio 4000 RTP/AVP 0\r\na=sendrecv\r\na=ptime:40\r\n\
            m=video 5000 RTP/AVP 96\r\na=ptime:7\r\n";
        assert_eq!(with_ptime(text.as_bytes(), 40), expected.as_bytes());
        let last = with_ptime(b"m=audio 4000 RTP/AVP 0\r\n", 30);
        assert_eq!(last, b"m=audio 4000 RTP/AVP 0\r\na=ptime:30\r\n");
    }

    #[test]
    fn rtcp_is_beside_every_line_of_rtp() {
        let text = b"m=audio 4000 RTP/AVP 0\r\nm=video 5000 UDP/TLS/RTP/SAVPF 96\r\n\
            m=application 6000 UDP/BFCP *\r\n";
        let with = String::from_utf8(with_rtcp_mux(text)).unwrap();
        assert_eq!(with.matches("a=rtcp-mux").count(), 2, "{with}");
        assert!(with.ends_with("m=application 6000 UDP/BFCP *\r\n"));
        assert_eq!(without_rtcp_mux(with.as_bytes()), text);
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
