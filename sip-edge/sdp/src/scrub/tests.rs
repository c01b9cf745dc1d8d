use super::*;

#[test]
fn addresses_are_found_wherever_they_stand() {
    for text in [
        "10.0.0.1",
        "user@10.0.0.1",
        "sip:a@10.0.0.1:5060",
        "1.10.0.0.1",
        "v=1.2;10.0.0.1.",
        "[2001:db8::1]:5060",
        "via 2001:db8:0:0:0:0:0:1",
        "x::ffff:a",
        "fe80::1%eth0",
    ] {
        assert!(has_ipv4_literal(text) || has_ipv6_literal(text), "{text}");
    }
}

#[test]
fn numbers_that_are_no_addresses_pass() {
    for text in [
        "1.2.3",
        "300.1.2.3",
        "0-15,66,70",
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "00:11:22:33:44:55",
        "12:30:45",
        "opus/48000/2",
        "profile-level-id=428016;max-br=5000",
    ] {
        assert!(!has_ipv4_literal(text) && !has_ipv6_literal(text), "{text}");
    }
}

#[test]
fn a_host_counts_as_a_whole_word_only() {
    assert!(has_word("media@pbx.example:5060", "pbx.example"));
    assert!(has_word("xpbx pbx", "pbx"));
    assert!(!has_word("pbx-2 xpbx pbx2", "pbx"));
}

#[test]
fn the_quick_look_at_a_name_misses_none() {
    for name in NOT_PASSED {
        assert!(is_not_passed(name) && is_not_passed(&name.to_ascii_uppercase()), "{name}");
        assert!(!is_not_passed(&format!("{name}{}", "y".repeat(32))));
    }
    for name in ["", "rtpmap", "fmtp", "ptime", "\u{e9}", "candidates"] {
        assert!(!is_not_passed(name), "{name}");
    }
}
