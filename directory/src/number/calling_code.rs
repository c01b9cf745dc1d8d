//! Country calling codes (ITU-T E.164, list of assigned codes), but for calling code 1.

/// The country of a number's digits, without `+`.
pub(super) fn country(digits: &str) -> Option<&'static str> {
    let within = WITHIN.iter().find(|(prefix, _)| digits.starts_with(prefix));
    if let Some((_, country)) = within {
        return Some(country);
    }
    let code: usize = digits.get(..3)?.parse().ok()?;
    TABLE.get(code).copied().filter(|country| !country.is_empty())
}

/// Every country here.
pub(super) fn countries() -> impl Iterator<Item = &'static str> {
    CODES.iter().map(|(_, c)| *c).chain(WITHIN.iter().map(|(_, c)| *c))
}

/// By the first three digits: no code is longer, and none is the start of another.
const TABLE: [&str; 1000] = build();

const fn build() -> [&'static str; 1000] {
    let mut table = [""; 1000];
    let mut c = 0;
    while c < CODES.len() {
        let (code, country) = CODES[c];
        let span: usize = match code {
            0..10 => 100,
            10..100 => 10,
            _ => 1,
        };
        let first = code as usize * span;
        let mut i = first;
        while i < first + span {
            assert!(table[i].is_empty(), "a calling code is listed twice");
            table[i] = country;
            i += 1;
        }
        c += 1;
    }
    table
}

/// Countries inside another one's calling code.
#[rustfmt::skip]
const WITHIN: &[(&str, &str)] = &[
    // Calling code 7: Kazakhstan has 6 and 7.
    ("76", "KZ"), ("77", "KZ"),
    // Calling code 44: Guernsey, Jersey, Isle of Man, with their mobile ranges.
    ("441481", "GG"), ("447781", "GG"), ("447839", "GG"), ("4479111", "GG"), ("4479117", "GG"),
    ("441534", "JE"), ("447509", "JE"), ("4477003", "JE"), ("447797", "JE"), ("447829", "JE"), ("447937", "JE"),
    ("441624", "IM"), ("447524", "IM"), ("447624", "IM"), ("447924", "IM"),
    // Calling code 61: Cocos (Keeling) Islands, Christmas Island.
    ("6189162", "CC"), ("6189164", "CX"),
    ("35818", "AX"),
    ("3906698", "VA"),
    ("4779", "SJ"),
    ("262269", "YT"), ("262639", "YT"),
    ("2125288", "EH"), ("2125289", "EH"),
    ("2908", "TA"),
    ("5999", "CW"),
    ("6721", "AQ"), ("6723", "NF"),
];

#[rustfmt::skip]
const CODES: &[(u16, &str)] = &[
    (7, "RU"), (20, "EG"), (27, "ZA"), (30, "GR"), (31, "NL"), (32, "BE"), (33, "FR"), (34, "ES"),
    (36, "HU"), (39, "IT"), (40, "RO"), (41, "CH"), (43, "AT"), (44, "GB"), (45, "DK"), (46, "SE"),
    (47, "NO"), (48, "PL"), (49, "DE"), (51, "PE"), (52, "MX"), (53, "CU"), (54, "AR"), (55, "BR"),
    (56, "CL"), (57, "CO"), (58, "VE"), (60, "MY"), (61, "AU"), (62, "ID"), (63, "PH"), (64, "NZ"),
    (65, "SG"), (66, "TH"), (81, "JP"), (82, "KR"), (84, "VN"), (86, "CN"), (90, "TR"), (91, "IN"),
    (92, "PK"), (93, "AF"), (94, "LK"), (95, "MM"), (98, "IR"),
    (211, "SS"), (212, "MA"), (213, "DZ"), (216, "TN"), (218, "LY"),
    (220, "GM"), (221, "SN"), (222, "MR"), (223, "ML"), (224, "GN"), (225, "CI"), (226, "BF"),
    (227, "NE"), (228, "TG"), (229, "BJ"), (230, "MU"), (231, "LR"), (232, "SL"), (233, "GH"),
    (234, "NG"), (235, "TD"), (236, "CF"), (237, "CM"), (238, "CV"), (239, "ST"), (240, "GQ"),
    (241, "GA"), (242, "CG"), (243, "CD"), (244, "AO"), (245, "GW"), (246, "IO"), (247, "AC"),
    (248, "SC"), (249, "SD"), (250, "RW"), (251, "ET"), (252, "SO"), (253, "DJ"), (254, "KE"),
    (255, "TZ"), (256, "UG"), (257, "BI"), (258, "MZ"), (260, "ZM"), (261, "MG"), (262, "RE"),
    (263, "ZW"), (264, "NA"), (265, "MW"), (266, "LS"), (267, "BW"), (268, "SZ"), (269, "KM"),
    (290, "SH"), (291, "ER"), (297, "AW"), (298, "FO"), (299, "GL"),
    (350, "GI"), (351, "PT"), (352, "LU"), (353, "IE"), (354, "IS"), (355, "AL"), (356, "MT"),
    (357, "CY"), (358, "FI"), (359, "BG"), (370, "LT"), (371, "LV"), (372, "EE"), (373, "MD"),
    (374, "AM"), (375, "BY"), (376, "AD"), (377, "MC"), (378, "SM"), (379, "VA"), (380, "UA"),
    (381, "RS"), (382, "ME"), (383, "XK"), (385, "HR"), (386, "SI"), (387, "BA"), (389, "MK"),
    (420, "CZ"), (421, "SK"), (423, "LI"),
    (500, "FK"), (501, "BZ"), (502, "GT"), (503, "SV"), (504, "HN"), (505, "NI"), (506, "CR"),
    (507, "PA"), (508, "PM"), (509, "HT"), (590, "GP"), (591, "BO"), (592, "GY"), (593, "EC"),
    (594, "GF"), (595, "PY"), (596, "MQ"), (597, "SR"), (598, "UY"), (599, "BQ"),
    (670, "TL"), (673, "BN"), (674, "NR"), (675, "PG"), (676, "TO"), (677, "SB"), (678, "VU"),
    (679, "FJ"), (680, "PW"), (681, "WF"), (682, "CK"), (683, "NU"), (685, "WS"), (686, "KI"),
    (687, "NC"), (688, "TV"), (689, "PF"), (690, "TK"), (691, "FM"), (692, "MH"),
    (850, "KP"), (852, "HK"), (853, "MO"), (855, "KH"), (856, "LA"), (880, "BD"), (886, "TW"),
    (960, "MV"), (961, "LB"), (962, "JO"), (963, "SY"), (964, "IQ"), (965, "KW"), (966, "SA"),
    (967, "YE"), (968, "OM"), (970, "PS"), (971, "AE"), (972, "IL"), (973, "BH"), (974, "QA"),
    (975, "BT"), (976, "MN"), (977, "NP"), (992, "TJ"), (993, "TM"), (994, "AZ"), (995, "GE"),
    (996, "KG"), (998, "UZ"),
];
