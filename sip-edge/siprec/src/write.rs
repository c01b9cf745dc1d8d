//! Values, as a document.

use crate::metadata::{DataMode, Metadata, Times};
use crate::{NAMESPACE, time};
use model::UnixTime;
use quick_xml::escape::escape;
use std::borrow::Cow;

impl Metadata {
    /// The document that says this (RFC 7865 section 11), with CRLF line ends. Characters that XML
    /// cannot hold become U+FFFD.
    pub fn write(&self) -> String {
        let mut out = Writer::default();
        out.line("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        out.line(&format!("<recording xmlns=\"{NAMESPACE}\">"));
        let mode = match self.mode {
            DataMode::Complete => "complete",
            DataMode::Partial => "partial",
        };
        out.value(1, "datamode", mode);
        for group in &self.groups {
            out.open("group", &[("group_id", &group.id)]);
            out.times(group.times);
            out.close("group");
        }
        self.write_communications(&mut out);
        self.write_participants(&mut out);
        for stream in &self.streams {
            let session = stream.communication.as_deref().map(|id| ("session_id", id));
            let ids: Vec<_> = [("stream_id", &*stream.id)].into_iter().chain(session).collect();
            out.open("stream", &ids);
            out.optional("label", stream.label.as_deref());
            out.close("stream");
        }
        for one in &self.recorded {
            out.open("sessionrecordingassoc", &[("session_id", &one.to)]);
            out.times(one.times);
            out.close("sessionrecordingassoc");
        }
        for one in &self.memberships {
            let ids = [("participant_id", &*one.of), ("session_id", &*one.to)];
            out.open("participantsessionassoc", &ids);
            out.times(one.times);
            out.close("participantsessionassoc");
        }
        for one in &self.participations {
            out.open("participantstreamassoc", &[("participant_id", &one.participant)]);
            for (name, ids) in [("send", &one.sends), ("recv", &one.receives)] {
                ids.iter().for_each(|id| out.value(2, name, id));
            }
            out.times(one.times);
            out.close("participantstreamassoc");
        }
        out.line("</recording>");
        out.text
    }

    fn write_communications(&self, out: &mut Writer) {
        for session in &self.communications {
            out.open("session", &[("session_id", &session.id)]);
            session.sip_session_ids.iter().for_each(|id| out.value(2, "sipSessionID", id));
            out.optional("reason", session.reason.as_deref());
            out.optional("group-ref", session.group.as_deref());
            out.time("start-time", session.start);
            out.time("stop-time", session.stop);
            out.close("session");
        }
    }

    fn write_participants(&self, out: &mut Writer) {
        for participant in &self.participants {
            out.open("participant", &[("participant_id", &participant.id)]);
            for name in &participant.names {
                let aor = attribute(&name.aor);
                match name.name.as_deref() {
                    Some(text) => {
                        out.line(&format!("    <nameID aor=\"{aor}\">"));
                        out.value(3, "name", text);
                        out.line("    </nameID>");
                    }
                    None => out.line(&format!("    <nameID aor=\"{aor}\"/>")),
                }
            }
            out.close("participant");
        }
    }
}

#[derive(Default)]
struct Writer {
    text: String,
}

impl Writer {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push_str("\r\n");
    }

    fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        let mut line = format!("  <{name}");
        for (key, value) in attributes {
            line.push_str(&format!(" {key}=\"{}\"", attribute(value)));
        }
        line.push('>');
        self.line(&line);
    }

    fn close(&mut self, name: &str) {
        self.line(&format!("  </{name}>"));
    }

    fn value(&mut self, depth: usize, name: &str, value: &str) {
        let indent = "  ".repeat(depth);
        let value = legal(value);
        self.line(&format!("{indent}<{name}>{}</{name}>", escape(&*value)));
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.value(2, name, value);
        }
    }

    fn time(&mut self, name: &str, time: Option<UnixTime>) {
        if let Some(time) = time {
            self.value(2, name, &time::write(time));
        }
    }

    fn times(&mut self, times: Times) {
        self.time("associate-time", times.from);
        self.time("disassociate-time", times.until);
    }
}

fn attribute(value: &str) -> String {
    escape(&*legal(value)).into_owned()
}

/// XML 1.0 section 2.2: no control characters but tab and line ends, and those would not survive in
/// an attribute.
fn legal(value: &str) -> Cow<'_, str> {
    let is_illegal = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    if !value.contains(is_illegal) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.chars().map(|c| if is_illegal(c) { '\u{fffd}' } else { c }).collect())
}
