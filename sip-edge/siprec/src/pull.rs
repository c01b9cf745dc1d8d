//! XML, piece by piece, within bounds.

use crate::{MAX_ATTRIBUTES, MAX_BYTES, MAX_DEPTH, MAX_VALUE, MetadataFault};
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// Namespaces of the RFC and of its drafts begin so.
const OUR_NAMESPACES: &str = "urn:ietf:params:xml:ns:recording";

/// An element that begins.
pub(crate) struct Element {
    /// Its name without a prefix; empty for an element that is not of metadata.
    pub(crate) name: String,
    /// The name of an element that is not of metadata.
    pub(crate) foreign: Option<String>,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// The value of the first of these attributes that there is: drafts named some differently.
    pub(crate) fn attribute(&self, names: &[&str]) -> Option<Box<str>> {
        let of = |name: &&str| self.attributes.iter().find(|(key, _)| key == name);
        names.iter().find_map(of).map(|(_, value)| cut(value))
    }
}

/// What comes next.
enum Step {
    Open(Element),
    Text(String),
    Close,
    End,
}

/// The reader of one document.
pub(crate) struct Pull<'a> {
    reader: NsReader<&'a [u8]>,
    depth: usize,
}

impl<'a> Pull<'a> {
    /// # Errors
    /// [`MetadataFault::TooLarge`], and [`MetadataFault::Malformed`] for what is not UTF-8.
    pub(crate) fn new(document: &'a [u8]) -> Result<Self, MetadataFault> {
        if document.len() > MAX_BYTES {
            return Err(MetadataFault::TooLarge);
        }
        let text = std::str::from_utf8(document).map_err(|_| MetadataFault::Malformed)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = NsReader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Ok(Pull { reader, depth: 0 })
    }

    /// The root element.
    pub(crate) fn root(&mut self) -> Result<Element, MetadataFault> {
        loop {
            match self.step()? {
                Step::Open(element) => return Ok(element),
                Step::Text(text) if text.trim().is_empty() => {}
                Step::Text(_) | Step::Close | Step::End => return Err(MetadataFault::Malformed),
            }
        }
    }

    /// That nothing but white space follows.
    pub(crate) fn finish(&mut self) -> Result<(), MetadataFault> {
        loop {
            match self.step()? {
                Step::End => return Ok(()),
                Step::Text(text) if text.trim().is_empty() => {}
                Step::Text(_) | Step::Open(_) | Step::Close => {
                    return Err(MetadataFault::Malformed);
                }
            }
        }
    }

    /// Gives every element inside the present one to `take`, which must read it to its end by one of
    /// these methods.
    pub(crate) fn children(
        &mut self,
        mut take: impl FnMut(&mut Self, Element) -> Result<(), MetadataFault>,
    ) -> Result<(), MetadataFault> {
        loop {
            match self.step()? {
                Step::Open(element) => take(self, element)?,
                Step::Text(_) => {}
                Step::Close => return Ok(()),
                Step::End => return Err(MetadataFault::Malformed),
            }
        }
    }

    /// The text of the present element, without white space around it; what is inside other elements
    /// does not count.
    pub(crate) fn text(&mut self) -> Result<Box<str>, MetadataFault> {
        let mut text = String::new();
        loop {
            match self.step()? {
                // What is cut anyway needs no room.
                Step::Text(more) if text.len() <= MAX_VALUE * 4 => text.push_str(&more),
                Step::Text(_) => {}
                Step::Open(_) => self.skip()?,
                Step::Close => return Ok(cut(text.trim())),
                Step::End => return Err(MetadataFault::Malformed),
            }
        }
    }

    /// Passes over the present element.
    pub(crate) fn skip(&mut self) -> Result<(), MetadataFault> {
        self.find("").map(drop)
    }

    /// Passes over the present element; returns the text of the last element of this name in it.
    pub(crate) fn find(&mut self, name: &str) -> Result<Option<Box<str>>, MetadataFault> {
        let end = self.depth.saturating_sub(1);
        let mut found = None;
        while self.depth > end {
            match self.step()? {
                Step::Open(element) if is_named(&element, name) => found = Some(self.text()?),
                Step::Open(_) | Step::Text(_) | Step::Close => {}
                Step::End => return Err(MetadataFault::Malformed),
            }
        }
        Ok(found)
    }

    fn step(&mut self) -> Result<Step, MetadataFault> {
        loop {
            let (namespace, event) =
                self.reader.read_resolved_event().map_err(|_| MetadataFault::Malformed)?;
            match event {
                Event::Start(start) => {
                    let ours = is_ours(&namespace);
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(MetadataFault::TooDeep);
                    }
                    return Ok(Step::Open(element(&start, ours)?));
                }
                Event::End(_) => {
                    self.depth = self.depth.checked_sub(1).ok_or(MetadataFault::Malformed)?;
                    return Ok(Step::Close);
                }
                Event::Text(text) => return Ok(Step::Text(text.xml10_content().into_owned())),
                Event::CData(text) => return Ok(Step::Text(text.xml10_content().into_owned())),
                Event::GeneralRef(reference) => return Ok(Step::Text(referred(&reference)?)),
                Event::DocType(_) => return Err(MetadataFault::DocumentType),
                Event::Eof if self.depth == 0 => return Ok(Step::End),
                // An element without its end; `Empty` does not come.
                Event::Eof | Event::Empty(_) => return Err(MetadataFault::Malformed),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    }
}

fn is_named(element: &Element, name: &str) -> bool {
    !name.is_empty() && (element.name == name || element.foreign.as_deref() == Some(name))
}

/// Without a namespace it counts as ours: some clients leave it out.
fn is_ours(namespace: &ResolveResult<'_>) -> bool {
    match namespace {
        ResolveResult::Unbound => true,
        ResolveResult::Bound(namespace) => namespace.as_ref().starts_with(OUR_NAMESPACES),
        ResolveResult::Unknown(_) => false,
    }
}

fn element(start: &BytesStart<'_>, ours: bool) -> Result<Element, MetadataFault> {
    let mut attributes = Vec::new();
    for (index, attribute) in start.attributes().enumerate() {
        if index >= MAX_ATTRIBUTES {
            return Err(MetadataFault::TooMany);
        }
        let attribute = attribute.map_err(|_| MetadataFault::Malformed)?;
        let value = attribute
            .normalized_value(XmlVersion::Explicit1_0)
            .map_err(|_| MetadataFault::Entity)?;
        let name = attribute.key.local_name().as_ref().to_owned();
        attributes.push((name, value.into_owned()));
    }
    let name = start.local_name().as_ref().to_owned();
    let (name, foreign) = if ours { (name, None) } else { (String::new(), Some(name)) };
    Ok(Element { name, foreign, attributes })
}

/// The character that a reference stands for.
fn referred(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, MetadataFault> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => return Ok(character.to_string()),
        Ok(None) => {}
        Err(_) => return Err(MetadataFault::Malformed),
    }
    let name = reference.clone().into_inner();
    let text = quick_xml::escape::resolve_predefined_entity(&name).ok_or(MetadataFault::Entity)?;
    Ok(text.to_owned())
}

/// At most [`MAX_VALUE`] characters.
fn cut(value: &str) -> Box<str> {
    match value.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => value.get(..end).unwrap_or_default().into(),
        None => value.into(),
    }
}
