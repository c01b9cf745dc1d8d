use super::{calling_code, country_code, country_of, nanp, parse_e164};

#[test]
fn e164_is_plus_and_7_to_15_digits() {
    for fine in ["+1206555", "+12065550100", "+123456789012345"] {
        assert_eq!(parse_e164(fine), Some(fine));
    }
    for wrong in [
        "",
        "+",
        "12065550100",
        "+120655",
        "+1234567890123456",
        "+0206555010",
        "++2065550100",
        "+1206555010a",
        "+1 206 555 0100",
        "+1-206-555-0100",
        "+1206555010٣",
    ] {
        assert_eq!(parse_e164(wrong), None, "{wrong:?}");
    }
}

#[test]
fn numbers_of_the_north_american_plan_have_their_own_countries() {
    for (number, country) in [
        ("+12065550100", "US"),
        ("+12125550100", "US"),
        ("+19075550100", "US"),
        ("+18085550100", "US"),
        ("+19895550100", "US"),
        ("+18005550100", "US"),
        ("+18885550100", "US"),
        ("+14165550100", "CA"),
        ("+16045550100", "CA"),
        ("+18675550100", "CA"),
        ("+19025550100", "CA"),
        ("+12685550100", "AG"),
        ("+12645550100", "AI"),
        ("+16845550100", "AS"),
        ("+12465550100", "BB"),
        ("+14415550100", "BM"),
        ("+12425550100", "BS"),
        ("+17675550100", "DM"),
        ("+18095550100", "DO"),
        ("+18295550100", "DO"),
        ("+18495550100", "DO"),
        ("+14735550100", "GD"),
        ("+16715550100", "GU"),
        ("+18765550100", "JM"),
        ("+16585550100", "JM"),
        ("+18695550100", "KN"),
        ("+13455550100", "KY"),
        ("+17585550100", "LC"),
        ("+16705550100", "MP"),
        ("+16645550100", "MS"),
        ("+17875550100", "PR"),
        ("+19395550100", "PR"),
        ("+17215550100", "SX"),
        ("+16495550100", "TC"),
        ("+18685550100", "TT"),
        ("+17845550100", "VC"),
        ("+12845550100", "VG"),
        ("+13405550100", "VI"),
    ] {
        assert_eq!(country_of(number), Some(country), "{number}");
    }
}

#[test]
fn numbers_of_the_world_have_their_countries() {
    for (number, country) in [
        ("+442079460100", "GB"),
        ("+447700900100", "GB"),
        ("+441481960100", "GG"),
        ("+447781960100", "GG"),
        ("+441534960100", "JE"),
        ("+447797960100", "JE"),
        ("+447700300100", "JE"),
        ("+441624960100", "IM"),
        ("+447624960100", "IM"),
        ("+74951234567", "RU"),
        ("+79161234567", "RU"),
        ("+77271234567", "KZ"),
        ("+76001234567", "KZ"),
        ("+81312345678", "JP"),
        ("+33123456789", "FR"),
        ("+4930123456", "DE"),
        ("+390669812345", "VA"),
        ("+390612345678", "IT"),
        ("+61891621234", "CC"),
        ("+61891641234", "CX"),
        ("+61212345678", "AU"),
        ("+358181234567", "AX"),
        ("+358912345678", "FI"),
        ("+4779123456", "SJ"),
        ("+4721234567", "NO"),
        ("+262269123456", "YT"),
        ("+262262123456", "RE"),
        ("+212528812345", "EH"),
        ("+212522123456", "MA"),
        ("+59995123456", "CW"),
        ("+5997151234", "BQ"),
        ("+672312345", "NF"),
        ("+29021234", "SH"),
        ("+2908123", "TA"),
        ("+38338123456", "XK"),
        ("+35312345678", "IE"),
        ("+3780549123456", "SM"),
        ("+97221234567", "IL"),
        ("+970591234567", "PS"),
        ("+85221234567", "HK"),
        ("+886212345678", "TW"),
        ("+8613912345678", "CN"),
        ("+919876543210", "IN"),
        ("+5511912345678", "BR"),
        ("+525512345678", "MX"),
        ("+2348012345678", "NG"),
        ("+27821234567", "ZA"),
        ("+201001234567", "EG"),
        ("+211912345678", "SS"),
        ("+6421123456", "NZ"),
        ("+6837012", "NU"),
        ("+998901234567", "UZ"),
        ("+992900123456", "TJ"),
        ("+4231234567", "LI"),
        ("+50012345", "FK"),
    ] {
        assert_eq!(country_of(number), Some(country), "{number}");
    }
}

#[test]
fn numbers_of_no_country_have_none() {
    for number in [
        "+19005550100",  // premium rate
        "+15005550100",  // personal numbers
        "+17005550100",  // carriers' own services
        "+19995550100",  // no area code
        "+11115550100",  // no area code
        "+1206555010",   // a digit short
        "+120655501000", // a digit long
        "+870773123456", // Inmarsat
        "+881612345678", // satellite
        "+88213123456",  // international networks
        "+80012345678",  // universal freephone
        "+979123456789", // universal premium rate
        "+67298765",     // no territory
        "+2101234567",   // spare code
        "+99912345678",  // spare code
        "12065550100",   // no E.164
        "anonymous",
        "",
    ] {
        assert_eq!(country_of(number), None, "{number:?}");
    }
}

#[test]
fn country_codes_are_those_that_a_number_can_have() {
    assert_eq!(country_code("US"), Some("US"));
    assert_eq!(country_code("jp"), Some("JP"));
    assert_eq!(country_code("GG"), Some("GG"));
    for wrong in ["UK", "XX", "U", "USA", "", "1"] {
        assert_eq!(country_code(wrong), None, "{wrong:?}");
    }
    for country in calling_code::countries().chain(nanp::countries()) {
        assert!(
            country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase()),
            "{country} is not an ISO 3166-1 alpha-2 code"
        );
    }
    let mut all: Vec<_> = calling_code::countries().chain(nanp::countries()).collect();
    all.sort_unstable();
    all.dedup();
    assert!(all.len() >= 230, "{} countries", all.len());
}
