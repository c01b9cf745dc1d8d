use super::document::{Document, LUCK, Secrets};
use super::import::{check, tags_by_resource};
use control_api::state::{Kind, Row};
use directory::{Resources, VoiceConnector};
use model::VoiceConnectorId;
use serde_json::{Value, json};

const VC: &str = "abcdef1ghij2klmno3pqr4";

fn row(kind: Kind, id: &str, body: &Value) -> Row {
    let (id, body) = (id.to_owned(), body.to_string());
    Row { kind, id, body, created_ms: 5, updated_ms: 6 }
}

fn connector(id: &str) -> Row {
    let body = json!({ "Name": "n", "RequireEncryption": false, "AwsRegion": "us-east-1",
        "NetworkType": "IPV4_ONLY", "Termination": { "CidrAllowedList": ["192.0.2.1/32"],
        "CallingRegions": ["US"] } });
    row(Kind::Connector, id, &body)
}

fn rows() -> Vec<Row> {
    let secret = json!([{ "Username": "pbx", "Password": "geheim" }]);
    vec![connector(VC), row(Kind::Credentials, VC, &secret)]
}

fn exported(secrets: &Secrets<'_>) -> String {
    Document::of(&rows(), secrets, "us-east-1", "111122223333").unwrap().text().unwrap()
}

#[test]
fn what_is_exported_is_read_again() {
    // Fewer iterations than a file has: what is tested does not depend on them.
    let text = exported(&Secrets::Sealed("open sesame", 1_000, [7; LUCK]));
    assert!(!text.contains("geheim") && !text.contains("pbx"), "{text}");
    let document = Document::parse(&text).unwrap();
    assert!(document.is_sealed() && document.left_out == 0);
    let parsed = |rows: Vec<Row>| -> Vec<(Kind, String, Value)> {
        let body = |row: &Row| serde_json::from_str(&row.body).unwrap();
        rows.iter().map(|row| (row.kind, row.id.clone(), body(row))).collect()
    };
    assert_eq!(parsed(document.rows(Some("open sesame")).unwrap()), parsed(rows()));
    assert_eq!(document.rows(None).unwrap().len(), 1);
    assert!(document.rows(Some("open")).unwrap_err().contains("passphrase"));
    let tampered = text.replacen("\"sealed\": \"", "\"sealed\": \"00", 1);
    assert!(Document::parse(&tampered).unwrap().rows(Some("open sesame")).is_err());
}

#[test]
fn secrets_are_left_out_by_choice() {
    let text = exported(&Secrets::LeftOut);
    assert!(!text.contains("geheim"));
    let document = Document::parse(&text).unwrap();
    assert_eq!((document.is_sealed(), document.left_out), (false, 1));
    assert_eq!(document.rows(None).unwrap().len(), 1);
}

#[test]
fn what_is_no_export_is_told() {
    let text = exported(&Secrets::LeftOut);
    for (from, to, told) in [
        ("\"version\": 2", "\"version\": 3", "version 3"),
        ("\"version\": 2", "\"version\": 0", "version 0"),
        ("tandem-directory", "other", "format"),
        ("\"region\"", "\"place\"", "place"),
        ("\"kind\": \"voice-connector\"", "\"kind\": \"moon\"", "moon"),
    ] {
        let text = text.replacen(from, to, 1);
        let error = Document::parse(&text).and_then(|document| document.rows(None)).unwrap_err();
        assert!(error.contains(told), "{error}");
    }
    for text in ["", "[]", "{}", "{\"format\":1}"] {
        assert!(Document::parse(text).is_err(), "{text}");
    }
    let mut odd: Value =
        serde_json::from_str(&exported(&Secrets::Sealed("x", 1, [7; LUCK]))).unwrap();
    for (member, value) in [
        ("iterations", json!(4_000_000_000_u32)),
        ("iterations", json!(0)),
        ("nonce", json!("00")),
        ("salt", json!("é")),
        ("sealed", json!("0")),
        ("cipher", json!("ROT13")),
    ] {
        let kept = odd["secrets"][member].take();
        odd["secrets"][member] = value;
        assert!(Document::parse(&odd.to_string()).unwrap().rows(Some("x")).is_err(), "{member}");
        odd["secrets"][member] = kept;
    }
}

#[test]
fn conflicts_are_named_and_nothing_else_is() {
    let file = Resources { domain: "tandem.localhost".into(), ..Resources::default() };
    assert_eq!(check(&rows(), &[], &file), Ok(()));
    let against = check(&rows(), &[connector(VC)], &file).unwrap_err();
    assert_eq!(against, [format!("voice-connector {VC} is there already")]);
    let twice = [connector(VC), connector(VC)];
    assert!(check(&twice, &[], &file).is_err());
    let mine = VoiceConnector::new(VoiceConnectorId::new(VC).unwrap());
    let of_file = Resources { voice_connectors: vec![mine], ..file.clone() };
    let against = check(&rows(), &[], &of_file).unwrap_err();
    assert_eq!(against, [format!("voice connector {VC} is in the configuration file too")]);
    // What the file hid before is no matter of the import.
    assert_eq!(check(&[connector("zbcdef1ghij2klmno3pqr4")], &[connector(VC)], &of_file), Ok(()));
    let against = check(&rows()[1..], &[], &file).unwrap_err();
    assert!(against[0].ends_with("which is nowhere"), "{against:?}");
    let broken = row(Kind::Connector, VC, &json!({ "Name": 1 }));
    assert!(check(&[broken], &[], &file).is_err());
}

#[test]
fn tags_follow_their_resource_to_another_account() {
    let tags = |id: &str| row(Kind::Tags, id, &json!([]));
    let mut rows =
        vec![tags("arn:aws:chime:us-east-1:1:vc/a"), tags("arn:aws:chime:x:9:vc/b"), tags("vcg/c")];
    tags_by_resource(&mut rows, "us-east-1", "1");
    let ids: Vec<_> = rows.iter().map(|row| &*row.id).collect();
    assert_eq!(ids, ["vc/a", "vcg/c"]);
}

#[test]
fn a_file_of_the_first_version_is_read() {
    let text = exported(&Secrets::LeftOut).replacen("\"version\": 2", "\"version\": 1", 1);
    assert_eq!(Document::parse(&text).unwrap().rows(None).unwrap().len(), 1);
}
