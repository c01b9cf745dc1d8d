//! `[rooms]`: how meeting rooms are reached.

use super::reader::Table;
use super::sip::Sip;
use super::value;
use directory::Rooms;
use std::sync::Arc;

/// What callers hear in the welcome; `None` for a tone of ours.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct RoomPrompts {
    /// At the beginning, and again: it asks for an ID.
    pub(crate) welcome: Option<Arc<str>>,
    /// There is no such meeting.
    pub(crate) wrong: Option<Arc<str>>,
    /// After the last try.
    pub(crate) goodbye: Option<Arc<str>>,
}

/// Rooms as the file has them, and what their callers hear; `None` without the section.
pub(super) fn read(mut table: Table<'_>, sip: &Sip) -> Option<(Rooms, RoomPrompts)> {
    if !table.is_present() {
        table.finish();
        return None;
    }
    let domain = table.or("domain", sip.domain.as_str().into(), value::shared_text);
    let rooms = Rooms {
        regions: table.tables("regions", read_region),
        require_srtp: table.or("require_srtp", true, value::boolean),
        allow_plain: table.list("allow_plain", value::network).unwrap_or_default(),
        numbers: table.list("numbers", value::shared_text).unwrap_or_default(),
        max_calls: table.or("max_calls", Rooms::DEFAULT_MAX_CALLS, value::integer),
        ..Rooms::new(&domain)
    };
    let has_tls = sip.listeners.iter().any(|each| each.protocol == model::TransportProtocol::Tls);
    if !has_tls && rooms.allow_plain.is_empty() {
        let message = "nobody can call the rooms: [sip] has no tls listener, and allow_plain is \
             empty; add tls = [\"0.0.0.0:5061\"] to [sip]";
        table.warn_at("domain", message);
    }
    table.warn_at("domain", "callers are welcomed and asked for an ID, but there are no meetings yet: every ID is wrong");
    let prompts = read_prompts(table.table("prompts"));
    table.finish();
    Some((rooms, prompts))
}

fn read_region(mut table: Table<'_>) -> Option<Arc<str>> {
    let code = table.required("code", "code = \"us-east-1\"", value::shared_text);
    table.finish();
    code
}

fn read_prompts(mut table: Table<'_>) -> RoomPrompts {
    let mut prompt = |key| {
        let path = table.optional(key, value::shared_text)?;
        table.note_audio_file(key, &path);
        Some(path)
    };
    let prompts = RoomPrompts {
        welcome: prompt("welcome"),
        wrong: prompt("wrong"),
        goodbye: prompt("goodbye"),
    };
    table.finish();
    prompts
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accepts, errors, with};
    use directory::Rooms;

    #[test]
    fn without_the_section_there_are_no_rooms() {
        let config = accepts("");
        assert!(config.resources.rooms.is_none() && config.directory.rooms().is_none());
    }

    #[test]
    fn the_section_has_its_defaults() {
        let config = accepts("[rooms]\n");
        let rooms = config.resources.rooms.clone().unwrap();
        assert_eq!(rooms, Rooms::new(config.directory.domain()));
        assert!(rooms.require_srtp && rooms.allow_plain.is_empty() && rooms.max_calls == 500);
        let reached = config.directory.rooms_by_host(&rooms.host());
        assert!(reached.is_some_and(|reached| reached.region().is_none()));
    }

    #[test]
    fn the_section_says_all_of_it() {
        let config = accepts(
            "[rooms]\ndomain = \"example.com\"\nregions = [{ code = \"eu\" }, { code = \"us-1\" }]\n\
             require_srtp = false\nallow_plain = [\"192.0.2.7\", \"198.51.100.0/24\"]\n\
             numbers = [\"+12065550777\"]\nmax_calls = 20\n\
             [rooms.prompts]\nwelcome = \"welcome.wav\"\n",
        );
        let rooms = config.resources.rooms.clone().unwrap();
        assert_eq!(
            rooms.hosts(),
            ["meet.example.com", "meet.eu.example.com", "meet.us-1.example.com"]
        );
        assert!(!rooms.require_srtp && rooms.max_calls == 20);
        assert!(config.directory.rooms_by_number("+12065550777").is_some());
        assert_eq!(config.room_prompts.welcome.as_deref(), Some("welcome.wav"));
        assert!(config.audio_files.iter().any(|file| &*file.path == "welcome.wav"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, message) in [
            ("domain = \"a b\"", "domain: \"a b\" is not a domain name; write one such as"),
            ("regions = [\"eu\"]", "regions"),
            ("regions = [{}]", "[rooms.regions] needs `code`"),
            (
                "regions = [{ code = \"a.b\" }]",
                "code: \"a.b\" cannot stand in meet.<code>.<domain>",
            ),
            ("require_srtp = 1", "require_srtp: expected true or false"),
            ("allow_plain = [\"meeting\"]", "allow_plain"),
            ("allow_plain = [\"192.0.2.1/24\"]", "allow_plain: 192.0.2.1/24 has bits set"),
            ("numbers = [\"4711\"]", "numbers: \"4711\" is not an E.164 number"),
            ("max_calls = 0", "max_calls: 0 is out of range; use 1 to 1000000"),
            ("pin = 1", "unknown key `pin` in [rooms]"),
            ("prompts = { hello = \"x.wav\" }", "unknown key `hello` in [rooms.prompts]"),
        ] {
            let found = errors(&with(&format!("[rooms]\n{text}")));
            let expected = format!("t.toml:5: {message}");
            assert!(found.starts_with(&expected), "{text}: {found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }
}
