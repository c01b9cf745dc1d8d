//! E.164 numbers and the countries that they belong to.

mod calling_code;
mod high_risk;
mod nanp;
mod pool;
mod table;

pub(crate) use high_risk::HighRisk;
pub use high_risk::RiskClass;
pub use pool::{NumberPool, NumberRange, is_toll_free};
pub use table::{NumberEntry, NumberOwner, NumberTable};

#[cfg(test)]
mod tests;

/// The user part as an E.164 number, if it is one: `+` and 7 to 15 digits, the first not 0
/// (ITU-T E.164 section 6). Visual separators are not accepted.
pub fn parse_e164(user: &str) -> Option<&str> {
    let digits = user.strip_prefix('+')?;
    let fine = (7..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    fine.then_some(user)
}

/// The country of an E.164 number, ISO 3166-1 alpha-2 (`XK` for Kosovo, `AC` for Ascension, `TA`
/// for Tristan da Cunha).
///
/// `None` for what is no number, for unassigned codes, and for numbers that belong to no country:
/// satellite and other global services, universal freephone and premium rate, and North American
/// 500, 700 and 900 numbers. Whoever polices by country so refuses them. North American freephone
/// numbers count as `US`.
pub fn country_of(e164: &str) -> Option<&'static str> {
    let digits = parse_e164(e164)?.strip_prefix('+')?;
    if digits.starts_with('1') {
        // A national number in the plan has exactly ten digits; anything else cannot be dialled.
        return if digits.len() == 11 { nanp::country(digits.get(1..4)?) } else { None };
    }
    calling_code::country(digits)
}

/// The three digits of the area code of a number in the North American Numbering Plan, if a country has
/// it.
pub fn area_code(e164: &str) -> Option<&str> {
    let digits = parse_e164(e164)?.strip_prefix("+1")?;
    let code = digits.get(..3).filter(|_| digits.len() == 10)?;
    nanp::country(code).map(|_| code)
}

/// The code as [`country_of`] writes it, when some number can have it; in any case.
pub fn country_code(text: &str) -> Option<&'static str> {
    calling_code::countries()
        .chain(nanp::countries())
        .find(|country| country.eq_ignore_ascii_case(text))
}
