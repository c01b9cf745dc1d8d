//! What a question about recordings finds: their bucket, and the key of KMS that encrypts them.

use super::server::{Reply, Seen, Server};
use super::{access, run};
use aws_sinks::{Access, Judgement, Question, S3Config, Said, Target, probe};
use serde_json::json;

const NO_UPLOAD: Reply = Reply::Answer(404, "<Error><Code>NoSuchUpload</Code></Error>");
/// As KMS makes one: 32 octets, and the same wrapped.
const MADE: &str = r#"{"KeyId":"arn:aws:kms:eu-west-1:1:key/k","CiphertextBlob":"d3JhcHBlZA==",
    "Plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#;
const PLAIN: &str = r#"{"Plaintext":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#;
const OBJECT: &str = "/voices/p/doctor";

fn questions(access: &Access) -> Vec<Question> {
    let config =
        S3Config { bucket: "voices".to_owned(), prefix: "p/".to_owned(), encryption: None };
    let context = vec![("purpose".to_owned(), "a test".to_owned())];
    let targets = [
        Target::Recordings { config, key: "doctor".to_owned() },
        Target::Kms { key: "alias/voices".to_owned(), context },
    ];
    targets.map(|target| Question { access: access.clone(), target }).into()
}

/// What is said of a subject; `probe` has a runtime of its own, so it is asked from another thread.
async fn asked(server: &Server, subject: &str) -> Vec<Said> {
    let access = access(server);
    let told = tokio::task::spawn_blocking(move || probe(&questions(&access))).await.unwrap();
    told.into_iter().filter(|said| said.subject == subject).collect()
}

fn judged(told: &[Said]) -> Vec<Judgement> {
    told.iter().map(|said| said.judgement).collect()
}

fn well(seen: &Seen) -> Reply {
    match (seen.operation(), seen.method.as_str(), seen.path.as_str()) {
        ("GenerateDataKey", ..) => Reply::Answer(200, MADE),
        ("Decrypt", ..) => Reply::Answer(200, PLAIN),
        ("", "HEAD", OBJECT) => Reply::Answer(404, ""),
        ("", "PUT", _) => NO_UPLOAD,
        _ => Reply::Answer(200, ""),
    }
}

#[test]
fn a_bucket_and_a_key_that_serve_keep_nothing() {
    run("recordings::a_bucket_and_a_key_that_serve_keep_nothing", async {
        let server = Server::start(well).await;
        let bucket = asked(&server, "recordings").await;
        assert_eq!(judged(&bucket), [Judgement::Works; 2], "{bucket:?}");
        assert!(
            bucket[1].found.ends_with("allows s3:GetObject (asked for p/doctor)"),
            "{bucket:?}"
        );
        for seen in server.seen() {
            let is_part = seen.path == format!("{OBJECT}?partNumber=1&uploadId=tandem-doctor");
            assert!(seen.method != "PUT" || (is_part && seen.body.is_empty()), "{}", seen.path);
        }
        let key = asked(&server, "kms").await;
        assert_eq!(judged(&key), [Judgement::Works; 2], "{key:?}");
        assert!(key[0].found.ends_with("with arn:aws:kms:eu-west-1:1:key/k"), "{key:?}");
        let seen = server.seen();
        let of = |name: &str| seen.iter().find(|seen| seen.operation() == name).unwrap().json();
        let context = json!({"purpose": "a test"});
        assert_eq!(of("GenerateDataKey")["KeyId"], "alias/voices");
        assert_eq!(of("GenerateDataKey")["EncryptionContext"], context);
        // What was made is what is opened.
        assert_eq!(of("Decrypt")["CiphertextBlob"], "d3JhcHBlZA==");
        assert_eq!(of("Decrypt")["EncryptionContext"], context);
        assert!(!format!("{key:?}").contains("AAAA"), "the key is told: {key:?}");
    });
}

#[test]
fn whether_objects_may_be_read_is_told_as_far_as_s3_does() {
    run("recordings::whether_objects_may_be_read_is_told_as_far_as_s3_does", async {
        for (bucket, object, judgement, text) in [
            (200, 403, Judgement::Fails, "allow s3:GetObject"),
            (403, 403, Judgement::Unknown, "(s3:ListBucket)"),
            (200, 200, Judgement::Works, "allows s3:GetObject"),
            (403, 404, Judgement::Works, "allows s3:GetObject"),
            (200, 501, Judgement::Unknown, "answers 501"),
        ] {
            let server =
                Server::start(move |seen| match (seen.method.as_str(), seen.path.as_str()) {
                    ("HEAD", OBJECT) => Reply::Answer(object, ""),
                    ("HEAD", _) => Reply::Answer(bucket, ""),
                    _ => well(seen),
                })
                .await;
            let told = asked(&server, "recordings").await;
            assert_eq!(judged(&told), [Judgement::Works, judgement], "{told:?}");
            let said = format!("{} {}", told[1].found, told[1].advice);
            assert!(said.contains(text), "{said}");
        }
        // Where nothing may be put nobody asks further.
        let server = Server::start(|seen| match seen.method.as_str() {
            "PUT" => Reply::Answer(403, "<Error><Code>AccessDenied</Code></Error>"),
            _ => well(seen),
        })
        .await;
        let told = asked(&server, "recordings").await;
        assert_eq!(judged(&told), [Judgement::Fails], "{told:?}");
        assert!(told[0].advice.contains("allow s3:PutObject and s3:GetObject"), "{told:?}");
    });
}

#[test]
fn what_is_wrong_with_a_key_is_named() {
    run("recordings::what_is_wrong_with_a_key_is_named", async {
        for (operation, answer, advice) in [
            ("GenerateDataKey", "NotFoundException", "correct kms_key of [recordings]"),
            ("GenerateDataKey", "DisabledException", "enable the key"),
            ("GenerateDataKey", "InvalidKeyUsageException", "must be a symmetric key"),
            ("GenerateDataKey", "AccessDeniedException", "allow kms:GenerateDataKey"),
            ("Decrypt", "AccessDeniedException", "allow kms:Decrypt"),
            ("Decrypt", "UnknownOperationException", "endpoint_url of [sinks] kms"),
            ("GenerateDataKey", "ThrottlingException", "it throttles"),
        ] {
            let body: &'static str = format!(r#"{{"__type":"{answer}"}}"#).leak();
            let server = Server::start(move |seen| match seen.operation() == operation {
                true => Reply::Answer(400, body),
                false => well(seen),
            })
            .await;
            let told = asked(&server, "kms").await;
            let last = told.last().unwrap();
            assert_eq!(told.len(), if operation == "Decrypt" { 2 } else { 1 }, "{told:?}");
            assert_eq!(last.judgement, Judgement::Fails, "{answer}: {told:?}");
            assert!(last.found.contains(answer), "{last:?}");
            assert!(last.advice.contains(advice), "{last:?}");
        }
        // Another server, which answers everything.
        let server = Server::start(|_| Reply::Answer(200, "<html>")).await;
        let told = asked(&server, "kms").await;
        assert_eq!(judged(&told), [Judgement::Fails], "{told:?}");
        assert!(told[0].advice.contains("endpoint_url of [sinks] kms"), "{told:?}");
    });
}
