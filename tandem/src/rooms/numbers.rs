//! Telephone numbers as people type them. Pure.

use directory::parse_e164;

/// What is dialled before a number of another country: in most of them, and in North America, whose digits
/// are an area elsewhere.
const INTERNATIONAL: &str = "00";
const FROM_NORTH_AMERICA: &str = "011";
/// Italy, whose numbers keep their leading 0.
const KEEPS_ZERO: &str = "39";

/// E.164 of what somebody has typed, or of what begins with `+`; `None` of anything else, as the numbers
/// for help are. Without `country_code` a number is international as it is; with one, those without
/// `00`, or `011` where that is North America's, before them are of that country, with or without its own `0`, or in North America `1`.
pub(super) fn e164(typed: &str, country_code: Option<&str>) -> Option<String> {
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if typed.starts_with('+') {
        return parse_e164(typed).map(str::to_owned);
    }
    if !is_number(typed) {
        return None;
    }
    let is_north_american = matches!(country_code, None | Some("1"));
    let abroad = typed
        .strip_prefix(INTERNATIONAL)
        .or_else(|| typed.strip_prefix(FROM_NORTH_AMERICA).filter(|_| is_north_american));
    let number = match (abroad, country_code) {
        (Some(digits), _) => format!("+{digits}"),
        (None, None) => format!("+{typed}"),
        // Ten digits without the leading 1, or with it.
        (None, Some("1")) => match typed.len() {
            10 => format!("+1{typed}"),
            11 if typed.starts_with('1') => format!("+{typed}"),
            _ => return None,
        },
        (None, Some(KEEPS_ZERO)) => format!("+{KEEPS_ZERO}{typed}"),
        (None, Some(code)) => format!("+{code}{}", typed.strip_prefix('0').unwrap_or(typed)),
    };
    parse_e164(&number).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::e164;

    #[test]
    fn typed_numbers_are_of_the_country_or_of_another() {
        for (typed, code, number) in [
            ("+12065550100", None, Some("+12065550100")),
            ("+12065550100", Some("81"), Some("+12065550100")),
            ("12065550100", None, Some("+12065550100")),
            ("0012065550100", None, Some("+12065550100")),
            ("01181312345678", Some("1"), Some("+81312345678")),
            ("2065550100", Some("1"), Some("+12065550100")),
            ("12065550100", Some("1"), Some("+12065550100")),
            ("0312345678", Some("81"), Some("+81312345678")),
            ("312345678", Some("81"), Some("+81312345678")),
            ("0012065550100", Some("81"), Some("+12065550100")),
            // 011 is a city in most countries.
            ("01132223333", Some("44"), Some("+441132223333")),
            ("0112223333", Some("81"), Some("+81112223333")),
            ("0612345678", Some("39"), Some("+390612345678")),
            // Numbers for help, and no numbers.
            ("911", None, None),
            ("911", Some("1"), None),
            ("112", Some("49"), None),
            ("119", Some("81"), None),
            ("0110", Some("81"), None),
            ("5550100", Some("1"), None),
            ("", None, None),
            ("+", None, None),
            ("+1206555a100", None, None),
            ("1#2", None, None),
        ] {
            assert_eq!(e164(typed, code).as_deref(), number, "{typed} {code:?}");
        }
    }
}
