//! Dial strings of meeting rooms.

use crate::bounded;
use b2bua::dialled_in;
use model::MeetingDigits;

/// Reads a URI, and the same text as the user of one.
///
/// # Panics
/// When something is read that no caller can have meant.
pub fn dialled(data: &[u8]) {
    let text = String::from_utf8_lossy(bounded(data));
    for uri in [text.to_string(), format!("sips:{text}@meet.tandem.localhost;user=phone")] {
        let dialled = dialled_in(&uri);
        let codes = [(&dialled.passcode, 16), (&dialled.layout, 48), (&dialled.host_key, 16)];
        for (code, longest) in codes {
            let is_code = code.as_ref().is_none_or(|code| {
                (1..=longest).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit())
            });
            assert!(is_code, "{code:?} of {uri:?}");
            assert!(code.is_none() || dialled.meeting.is_some(), "{code:?} of no meeting: {uri:?}");
        }
        if let Some(meeting) = &dialled.meeting {
            assert_eq!(MeetingDigits::parse(meeting.digits()).as_ref(), Some(meeting));
            // The digits of a meeting and of a layout may be those of a code, too.
            let printed = format!("{dialled:?}").replacen(meeting.digits(), "", 1);
            let rest = printed.replacen(dialled.layout.as_deref().unwrap_or_default(), "", 1);
            let codes = [&dialled.passcode, &dialled.host_key].into_iter().flatten();
            for code in codes.filter(|code| code.len() > 2) {
                assert!(!rest.contains(&**code), "a code is printed: {dialled:?}");
            }
        }
    }
}

/// Long ones, and those with much to pass over.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("separators", b"#*.".repeat(20_000)),
        ("escapes", b"%23".repeat(20_000)),
        ("ornaments", [b"- ".repeat(10_000), b"4081234567".to_vec()].concat()),
    ]
}
