//! `[rooms.menus]`: what the keys of people in meetings do.

use super::super::reader::Table;
use room_core::{Menu, MenuAction, MenuOf, Menus};

/// Each menu as a whole: one that is absent is the usual one.
pub(super) fn read(mut table: Table<'_>) -> Menus {
    let mut menus = Menus::default();
    if let Some(menu) = read_menu(&mut table, "moderators", MenuOf::Moderators) {
        menus.moderators = menu;
    }
    if let Some(menu) = read_menu(&mut table, "attendees", MenuOf::Attendees) {
        menus.attendees = menu;
    }
    table.finish();
    menus
}

fn read_menu(table: &mut Table<'_>, key: &'static str, of: MenuOf) -> Option<Menu> {
    let is_there = table.has(key);
    let entries = table.texts(key, |name, _| match action(name) {
        Some(_) => Ok(()),
        None => {
            let known: Vec<_> = MenuAction::ALL.iter().map(|action| action.name()).collect();
            Err(format!("no key does that; use any of {}", known.join(", ")))
        }
    });
    let entries = entries.iter().filter_map(|(name, keys)| Some((keys.as_str(), action(name)?)));
    match Menu::new(of, entries) {
        Ok(menu) => is_there.then_some(menu),
        Err(fault) => {
            table.error_at(key, fault.to_string());
            None
        }
    }
}

fn action(name: &str) -> Option<MenuAction> {
    MenuAction::ALL.iter().copied().find(|action| action.name() == name)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{accepts, errors, with};
    use room_core::{MenuAction, Menus};

    #[test]
    fn a_menu_is_replaced_whole() {
        let menus = |text: &str| accepts(&format!("[rooms]\n{text}")).rooms.unwrap().menus;
        assert_eq!(menus(""), Menus::default());
        let given =
            menus("[rooms.menus]\nattendees = { mute-self = \"1\", raise-hand = \"#2\" }\n");
        let entries: Vec<_> = given.attendees.entries().collect();
        assert!(entries.contains(&("1", MenuAction::MuteSelf)) && entries.len() == 2);
        assert_eq!(given.moderators, Menus::default().moderators);
        assert_eq!(menus("[rooms.menus]\nattendees = {}\n").attendees.entries().count(), 0);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, message) in [
            ("attendees = { lock = \"1\" }", "attendees: lock is for moderators alone; leave it"),
            ("attendees = { help = \"12345\" }", "attendees: \"12345\" are no keys: give 1 to 4"),
            ("moderators = { sing = \"1\" }", "sing: no key does that; use any of help, "),
            ("moderators = { help = 1 }", "help: expected a string in quotes"),
            (
                "moderators = { help = \"1\", lock = \"12\" }",
                "moderators: help has the keys \"1\", which begin \"12\" of lock",
            ),
            ("guests = {}", "unknown key `guests` in [rooms.menus]"),
        ] {
            let found = errors(&with(&format!("[rooms]\n[rooms.menus]\n{text}")));
            let expected = format!("t.toml:6: {message}");
            assert!(found.starts_with(&expected), "{text}: {found}");
        }
    }
}
