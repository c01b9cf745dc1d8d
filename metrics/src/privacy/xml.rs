//! Names of people in XML.

use std::borrow::Cow;

/// Written in the place of a name.
const HIDDEN: &str = "***";

/// XML without what stands in elements `name`, whatever their namespace. It need not be well-formed;
/// an element without an end has no text.
pub(super) fn without_names(xml: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = xml;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        out.push('<');
        rest = after;
        let Some((tag, text)) = after.split_once('>') else { break };
        if !is_name(tag) {
            continue;
        }
        let end = text.find("</").unwrap_or(text.len());
        out.push_str(tag);
        out.push('>');
        if end > 0 {
            out.push_str(HIDDEN);
        }
        rest = text.get(end..).unwrap_or_default();
    }
    if out.is_empty() {
        return Cow::Borrowed(xml);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Whether a start tag is one of an element `name` with content.
fn is_name(tag: &str) -> bool {
    let element = tag.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
    let local = element.rsplit(':').next().unwrap_or_default();
    matches!(local, "name" | "display-name") && !element.starts_with('/') && !tag.ends_with('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_hidden_and_all_else_stays() {
        let xml = "<p><nameID aor=\"sip:a@b\"><name xml:lang=\"en\">Ann &amp; Bo</name></nameID>\
                   <r:name>C</r:name><name/><surname>D</surname></p>";
        let expected = "<p><nameID aor=\"sip:a@b\"><name xml:lang=\"en\">***</name></nameID>\
                        <r:name>***</r:name><name/><surname>D</surname></p>";
        assert_eq!(without_names(xml), expected);
        assert_eq!(without_names("no XML"), "no XML");
        assert_eq!(without_names("<name>open"), "<name>***");
        assert_eq!(without_names("<name"), "<name");
    }

    proptest! {
        #[test]
        fn nothing_is_beyond_it(text in "[<>/a-z:= \"é]{0,40}(<name>)?[<>/a-z ]{0,40}") {
            let hidden = without_names(&text);
            prop_assert!(hidden.len() <= text.len() + 3 * text.matches('<').count());
        }
    }
}
