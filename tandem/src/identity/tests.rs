use super::*;
use crate::config::SignerFiles;
use std::fs;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip-edge/stir/src/tests").join(name)
}

/// 2030-01-01.
const NOW: UnixTime = UnixTime::from_millis(1_893_456_000_000);
const LATE: UnixTime = UnixTime::from_millis(10_000_000_000_000);

fn signer(key: &str, certificate: &str) -> Stir {
    signer_at(file(key), file(certificate))
}

fn signer_at(key: PathBuf, certificate: PathBuf) -> Stir {
    let x5u = "https://certificates.example/provider.pem".to_owned();
    let signer = SignerFiles { key, certificate: Some(certificate), x5u };
    Stir { signer: Some(signer), ..Stir::default() }
}

fn verifier(roots: &str) -> Stir {
    Stir {
        roots: vec![file(roots)],
        certificates: vec![("https://a.example/c".to_owned(), file("provider.pem"))],
        ..Stir::default()
    }
}

#[test]
fn what_fits_together_is_loaded() {
    let loaded = load(&signer("provider.key", "provider.pem"), NOW).unwrap();
    assert!(loaded.stir.signer.is_some() && loaded.stir.verifier.is_none());
    assert_eq!(loaded.ends.len(), 1);
    let loaded = load(&verifier("root.pem"), NOW).unwrap();
    assert!(loaded.stir.verifier.is_some() && loaded.refused.is_empty());
    let keys: Vec<_> = loaded.ends.iter().map(|end| end.key).collect();
    assert_eq!(keys, ["roots", "certificates"]);
}

#[test]
fn what_does_not_is_named() {
    let error = |stir: &Stir| load(stir, NOW).unwrap_err();
    let text = error(&signer("provider.key", "ranged.pem"));
    assert!(text.ends_with("ranged.pem\": it is not the certificate of key"), "{text}");
    let text = error(&signer("provider.pem", "provider.pem"));
    assert!(text.starts_with("[stir] key \"") && text.contains("PRIVATE KEY"), "{text}");
    let text = error(&signer("absent.key", "provider.pem"));
    assert!(text.contains("absent.key\": No such file"), "{text}");
}

#[test]
fn a_certificate_of_others_that_is_not_trusted_keeps_nobody_from_starting() {
    for (roots, now) in [("ranged.pem", NOW), ("root.pem", LATE)] {
        let loaded = load(&verifier(roots), now).unwrap();
        assert!(loaded.stir.verifier.is_some());
        let text = &loaded.refused[0];
        assert!(text.contains("does not chain to a configured root"), "{text}");
    }
}

#[test]
fn the_end_is_told_a_month_before() {
    let end = load(&signer("provider.key", "provider.pem"), NOW).unwrap().ends.remove(0);
    let before = |days: u64| UnixTime::from_millis(end.at.as_millis() - days * 86_400_000);
    assert_eq!(end.warning(before(40)), None);
    let soon = end.warning(before(10)).unwrap();
    assert!(soon.contains("provider.pem\": expires in 10 days; put a new"), "{soon}");
    assert!(end.warning(LATE).unwrap().contains("has expired"));
    assert!(end.seconds_left(LATE) < 0);
}

#[test]
fn changed_files_are_taken_when_they_are_good() {
    let directory = tempdir("identity-watch");
    let (key, certificate) = (directory.join("key.pem"), directory.join("certificate.pem"));
    let put = |from: [&str; 2]| {
        fs::write(&key, fs::read(file(from[0])).unwrap()).unwrap();
        fs::write(&certificate, fs::read(file(from[1])).unwrap()).unwrap();
    };
    put(["provider.key", "provider.pem"]);
    let stir = signer_at(key.clone(), certificate.clone());
    let (mut files, first) = IdentityFiles::start(stir, NOW).unwrap();
    assert!(first.signer.is_some());
    let shared = files.ends();
    let before = shared.load_full();
    assert!(files.look(NOW).is_none(), "nothing has changed");
    // The new key without its certificate: as in the middle of a renewal.
    fs::write(&key, fs::read(file("ranged.key")).unwrap()).unwrap();
    assert!(files.look(NOW).is_none());
    assert_eq!(*shared.load_full(), *before);
    put(["ranged.key", "ranged.pem"]);
    let taken = files.look(NOW).expect("both are there");
    let public = |stir: &b2bua::Stir| stir.signer.as_ref().unwrap().public_key().to_vec();
    assert_ne!(public(&taken), public(&first));
    assert_ne!(*shared.load_full(), *before);
    assert!(files.look(NOW).is_none());
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn another_section_is_followed_and_a_removed_one_too() {
    let (mut files, _) = IdentityFiles::start(Stir::default(), NOW).unwrap();
    assert!(files.look(NOW).is_none() && files.follow(Stir::default(), NOW).is_none());
    assert!(files.follow(signer("absent.key", "provider.pem"), NOW).is_none(), "not readable");
    let own = signer("provider.key", "provider.pem");
    assert!(files.follow(own.clone(), NOW).unwrap().signer.is_some());
    assert!(files.follow(own, NOW).is_none(), "nothing is new");
    assert_eq!(files.ends().load().len(), 1);
    let none = files.follow(Stir::default(), NOW).unwrap();
    assert!(none.signer.is_none() && none.verifier.is_none());
    assert_eq!(files.ends().load().len(), 0);
}

fn tempdir(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("tandem-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}
