//! Names of people in XML.

use std::borrow::Cow;

/// Written in the place of a name.
const HIDDEN: &str = "***";

/// XML without what stands in elements `name`, whatever their namespace and whatever it is. It need not be
/// well-formed; of an element without an end all that follows is in it.
pub(super) fn without_names(xml: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = xml;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        out.push('<');
        rest = after;
        let Some((tag, text)) = split_tag(after) else { break };
        let Some(element) = name_of(tag) else { continue };
        let end = end_of(element, text);
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

/// A tag, without its ends, and what follows it. An attribute may have a `>` in it.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let end = text.find(|c| {
        match quote {
            Some(open) if open == c => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            _ => {}
        }
        quote.is_none() && c == '>'
    })?;
    let (tag, rest) = text.split_at_checked(end)?;
    Some((tag, rest.get(1..)?))
}

/// The element, with its prefix, if a tag begins one that is called `name` and has content.
fn name_of(tag: &str) -> Option<&str> {
    let element = tag.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
    let local = element.rsplit(':').next().unwrap_or_default();
    let is_name = matches!(local, "name" | "display-name");
    (is_name && !element.starts_with('/') && !tag.ends_with('/')).then_some(element)
}

/// Where the end tag of `element` begins.
fn end_of(element: &str, text: &str) -> usize {
    let is_its_own = |(_, rest): &(usize, &str)| {
        let behind = rest.strip_prefix("</").and_then(|rest| rest.strip_prefix(element));
        behind.is_some_and(|rest| rest.starts_with(|c: char| c == '>' || c.is_ascii_whitespace()))
    };
    let mut ends = text.match_indices("</").filter_map(|(at, _)| Some((at, text.get(at..)?)));
    ends.find(is_its_own).map_or(text.len(), |(at, _)| at)
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
        for inside in ["<first>A</first><last>B</last>", "A<b>C</b> B", "<![CDATA[A</b> B]]>"] {
            let xml = format!("<r:name>{inside}</r:name ><q>D</q>");
            assert_eq!(without_names(&xml), "<r:name>***</r:name ><q>D</q>", "{inside}");
        }
        assert_eq!(without_names("<name lang=\"a>b\">A</name>"), "<name lang=\"a>b\">***</name>");
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
