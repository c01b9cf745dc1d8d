use super::{accepts, refuses, warnings};

#[test]
fn the_api_is_served_where_it_is_asked_for() {
    assert_eq!(accepts("").api, None);
    let api = accepts("[api]").api.unwrap();
    assert_eq!(api.listen.to_string(), "127.0.0.1:8080");
    assert_eq!((api.requests_per_second, api.max_connections), (100, 256));
    assert!(api.tls.is_none());
    let api = accepts("[api]\nrequests_per_second = 10000\nmax_connections = 1").api.unwrap();
    assert_eq!((api.requests_per_second, api.max_connections), (10_000, 1));
}

#[test]
fn an_api_that_others_reach_is_warned_about() {
    assert!(warnings("[api]\nlisten = \"[::1]:8080\"").is_empty());
    let told = warnings("[api]\nlisten = \"192.0.2.1:8080\"");
    assert!(told[0].starts_with("t.toml:5: listen: other hosts reach"), "{told:?}");
    assert!(told[0].contains("in the clear"), "{told:?}");
    let pair = "tls_certificate = \"a.pem\"\ntls_key = \"a.key\"";
    let told = warnings(&format!("[api]\nlisten = \"192.0.2.1:8080\"\n{pair}"));
    assert!(!told[0].contains("in the clear"), "{told:?}");
    assert_eq!(accepts(&format!("[api]\n{pair}")).tls_files.len(), 1);
}

#[test]
fn what_is_wrong_with_it_is_said() {
    for (line, expected) in [
        ("requests_per_second = 0", "requests_per_second: 0 is out of range; use 1 to 10000"),
        ("max_connections = 10001", "max_connections: 10001 is out of range; use 1 to 10000"),
        (
            "tls_key = \"a.key\"",
            "tls_key: tls_certificate and tls_key go together; give both or neither",
        ),
    ] {
        refuses(&format!("[api]\n{line}"), &format!("t.toml:5: {expected}"));
    }
}
