//! `languages` of `[rooms]`: who is spoken to in another language than the usual one.

use super::super::reader::Table;
use super::super::value;
use room_core::{Language, Languages};
use std::sync::Arc;
use toml::de::DeValue;

/// The default one is not among them. Codes are those of `regions`.
pub(super) fn read(table: &mut Table<'_>, regions: &[Arc<str>]) -> Languages {
    let mut languages = Languages::default();
    table.tables("languages", |table| {
        read_one(table, regions, &mut languages);
        None::<()>
    });
    languages
}

fn read_one(mut table: Table<'_>, regions: &[Arc<str>], languages: &mut Languages) {
    let example = "language = \"ja\"";
    let language =
        table.required("language", example, |value| Language::parse(value::text(value)?));
    let called = table.optional("called", e164);
    let region = table.optional("region", value::shared_text);
    let caller = table.optional("caller", e164);
    let given = ["called", "region", "caller"].into_iter().filter(|key| table.has(key)).count();
    if given != 1 {
        let which = "called (a number), region (a code) and caller (the beginning of a number)";
        table.error(format!("languages: give one of {which}"));
    }
    if let Some(code) = &region
        && !regions.contains(code)
    {
        table.error_at("region", format!("{code:?} is no region; add it to regions of [rooms]"));
    }
    if let Some(language) = language {
        let of = |what: Option<Arc<str>>| what.map(|what| (what, language.clone()));
        languages.called.extend(of(called));
        languages.regions.extend(of(region));
        languages.callers.extend(of(caller));
    }
    table.finish();
}

fn e164(value: &DeValue<'_>) -> Result<Arc<str>, String> {
    let text = value::text(value)?;
    let digits = text.strip_prefix('+').unwrap_or_default();
    let is_number =
        (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    match is_number {
        true => Ok(text.into()),
        false => Err(format!("{text:?} is no number; write it as +81 or +81312345678 (E.164)")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{accepts, errors, with};

    #[test]
    fn who_is_spoken_to_in_which_language() {
        let config = accepts(
            "[rooms]\nregions = [{ code = \"tokyo\" }]\nlanguages = [\n\
             { called = \"+81312345678\", language = \"ja\" },\n\
             { region = \"tokyo\", language = \"ja\" },\n\
             { caller = \"+81\", language = \"ja\" }]\n",
        );
        let languages = config.rooms.unwrap().languages;
        let chosen =
            |called, region, caller| languages.choose(called, region, caller).as_str().to_owned();
        assert_eq!(chosen(None, None, Some("+12065550100")), "en");
        assert_eq!(chosen(None, None, Some("+81900000000")), "ja");
        assert_eq!(chosen(Some("+81312345678"), None, None), "ja");
        assert_eq!(chosen(None, Some("tokyo"), None), "ja");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, message) in [
            ("{ language = \"ja\" }", "languages: give one of called"),
            ("{ called = \"+1\", caller = \"+1\", language = \"ja\" }", "languages: give one of"),
            ("{ called = \"+1\" }", "[rooms.languages] needs `language`"),
            ("{ called = \"81\", language = \"ja\" }", "called: \"81\" is no number; write it as"),
            ("{ caller = \"+x\", language = \"ja\" }", "caller: \"+x\" is no number"),
            ("{ region = \"mars\", language = \"ja\" }", "region: \"mars\" is no region; add it"),
            (
                "{ caller = \"+81\", language = \"Japanese\" }",
                "language: \"Japanese\" is no language",
            ),
        ] {
            let found = errors(&with(&format!("[rooms]\nlanguages = [{text}]\n")));
            assert!(found.starts_with(&format!("t.toml:5: {message}")), "{text}: {found}");
            assert_eq!(found.lines().count(), 1, "{found}");
        }
    }
}
