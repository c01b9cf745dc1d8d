//! `[rooms.call_out]`: who may be called into meetings, and what that may cost.

use super::super::policy::read_caps;
use super::super::reader::Table;
use super::super::value;
use directory::{DEFAULT_CONCURRENT_CALLS, RoomsCallOut, Termination};
use std::sync::Arc;
use toml::de::DeValue;

/// The rules; `None` without the section, which calls nobody.
pub(super) fn read(mut table: Table<'_>) -> Option<RoomsCallOut> {
    if !table.is_present() {
        table.finish();
        return None;
    }
    let example = "caller_id = \"+12065550100\"";
    let caller_id = table.required("caller_id", example, value::shared_text);
    let calling_regions = table.list("calling_regions", value::country).unwrap_or_default();
    if calling_regions.is_empty() && !table.has("calling_regions") {
        let message = "nobody can be called into a meeting: list countries, such as \
                       calling_regions = [\"US\"]";
        table.warn_at("caller_id", message);
    }
    let allow_high_risk = table.or("allow_high_risk", false, value::boolean);
    let cps_limit = table.or("cps_limit", Termination::DEFAULT_CPS_LIMIT, value::integer);
    let most = DEFAULT_CONCURRENT_CALLS;
    let concurrent_calls_limit = table.or("concurrent_calls_limit", most, value::integer);
    let caps = read_caps(table.table("caps"));
    table.finish();
    Some(RoomsCallOut {
        caller_id: caller_id?,
        calling_regions,
        allow_high_risk,
        cps_limit,
        concurrent_calls_limit,
        caps,
    })
}

/// A calling code of a country, without `+`.
pub(super) fn country_code(value: &DeValue<'_>) -> Result<Arc<str>, String> {
    let text = value::text(value)?;
    let is_code = (1..=3).contains(&text.len())
        && text.bytes().all(|digit| digit.is_ascii_digit())
        && !text.starts_with('0');
    match is_code {
        true => Ok(text.into()),
        false => Err(format!("{text:?} is no calling code: write one such as \"1\" or \"81\"")),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{accepts, errors, warnings, with};

    #[test]
    fn nobody_is_called_unless_it_is_said() {
        let config = accepts("[rooms]\n");
        assert!(config.resources.rooms.as_ref().is_some_and(|rooms| rooms.call_out.is_none()));
        assert!(config.directory.rooms_call_out().is_none());
        assert!(!config.rooms.unwrap().call_out);
    }

    #[test]
    fn the_section_says_who_may_be_called_and_what_it_may_cost() {
        let config = accepts(
            "[rooms]\ncountry_code = \"81\"\n[rooms.call_out]\ncaller_id = \"+12065550777\"\n\
             calling_regions = [\"US\", \"JP\"]\nallow_high_risk = true\ncps_limit = 3\n\
             concurrent_calls_limit = 7\n[rooms.call_out.caps]\nminutes_per_day = 90\n",
        );
        let (target, shown) = config.directory.rooms_call_out().unwrap();
        assert_eq!(&**shown, "+12065550777");
        assert_eq!(target.connector.caps.minutes_per_day, Some(90));
        let rules = target.connector.termination.clone().unwrap();
        assert_eq!((rules.cps_limit, rules.concurrent_calls_limit), (3, 7));
        assert!(rules.allow_high_risk && rules.allows_region(Some("JP")));
        let found = config.directory.connector_of_calls(&target.connector.id);
        assert_eq!(found.map(|found| &found.id), Some(&target.connector.id));
        let section = config.rooms.unwrap();
        assert!(section.call_out && section.country_code.as_deref() == Some("81"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, message) in [
            ("[rooms]\ncountry_code = \"+1\"", "t.toml:5: country_code: \"+1\" is no calling code"),
            ("[rooms.call_out]", "t.toml:4: [rooms.call_out] needs `caller_id`"),
            (
                "[rooms.call_out]\ncaller_id = \"911\"",
                "t.toml:5: caller_id: \"911\" is not an E.164 number",
            ),
            (
                "[rooms.call_out]\ncaller_id = \"+12065550100\"\ncps_limit = 0",
                "t.toml:6: cps_limit: 0 is out of range",
            ),
            (
                "[rooms.call_out]\ncaller_id = \"+12065550100\"\nwhoever = 1",
                "t.toml:6: unknown key `whoever` in [rooms.call_out]",
            ),
        ] {
            let found = errors(&with(text));
            assert!(found.starts_with(message), "{text}: {found}");
        }
        let found = warnings("[rooms.call_out]\ncaller_id = \"+12065550100\"\n");
        assert!(
            found.iter().any(|w| w.contains("nobody can be called into a meeting")),
            "{found:?}"
        );
    }
}
