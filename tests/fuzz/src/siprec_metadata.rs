//! Metadata of recording clients.

use crate::bounded;
use siprec::{MAX_ENTRIES, Metadata};
use std::hint::black_box;

/// Reads a document; what can be read is asked for everything, updates itself, and is written and read
/// again.
///
/// # Panics
/// When what was written cannot be read, or says something else.
pub fn siprec(data: &[u8]) {
    let Ok(metadata) = Metadata::read(bounded(data)) else { return };
    for label in metadata.labels() {
        black_box(metadata.sender_of(label).and_then(siprec::Participant::user));
    }
    let sizes = [metadata.participants.len(), metadata.streams.len(), metadata.memberships.len()];
    assert!(sizes.iter().all(|size| *size <= MAX_ENTRIES), "{sizes:?}");
    let mut updated = metadata.clone();
    black_box(updated.update(metadata.clone()).is_ok());
    let written = metadata.write();
    match Metadata::read(written.as_bytes()) {
        Ok(again) => assert_eq!(again.labels().count(), metadata.labels().count()),
        // Escaping may have made it longer than a document may be.
        Err(fault) => assert_eq!(fault, siprec::MetadataFault::TooLarge),
    }
}

/// Documents that grow, or would.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let open = |count| "<a>".repeat(count);
    let attributes: String = (0..3_000).map(|at| format!(" a{at}='&lt;'")).collect();
    let namespaces: String = (0..3_000).map(|at| format!(" xmlns:a{at}='u'")).collect();
    let in_recording = |inner: &str| format!("<recording>{inner}</recording>").into_bytes();
    vec![
        ("deep", in_recording(&open(20_000))),
        ("attributes", in_recording(&format!("<x{attributes}/>"))),
        ("namespaces", in_recording(&format!("<x{namespaces}><a1:b/></x>"))),
        ("references", in_recording(&format!("<datamode>{}</datamode>", "&#65;".repeat(12_000)))),
        ("streams", in_recording(&"<stream stream_id='1'/>".repeat(2_800))),
        (
            "laughs",
            b"<!DOCTYPE r [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><recording>&b;</recording>"
                .to_vec(),
        ),
    ]
}
