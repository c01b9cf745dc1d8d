//! Reads the files of `[stir]`.

use crate::config::Stir;
use model::UnixTime;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

/// Reads keys and certificates.
///
/// # Errors
/// Which file is wrong, and why.
pub(crate) fn load(stir: &Stir, now: UnixTime) -> Result<b2bua::Stir, String> {
    let mut loaded = b2bua::Stir::default();
    if let Some(files) = &stir.signer {
        let signer = stir::Signer::new(&read("key", &files.key)?, &files.x5u)
            .map_err(|error| wrong("key", &files.key, error))?;
        if let Some(path) = &files.certificate {
            let fits = stir::Verifier::has_key(&read("certificate", path)?, signer.public_key())
                .map_err(|error| wrong("certificate", path, error))?;
            if !fits {
                return Err(wrong("certificate", path, "it is not the certificate of key"));
            }
        }
        loaded.signer = Some(Arc::new(signer));
    }
    if !stir.roots.is_empty() {
        let mut verifier = stir::Verifier::default();
        for path in &stir.roots {
            verifier
                .add_roots(&read("roots", path)?)
                .map_err(|error| wrong("roots", path, error))?;
        }
        for (url, path) in &stir.certificates {
            verifier
                .add_certificate(url, &read("certificates", path)?, now)
                .map_err(|error| wrong("certificates", path, error))?;
        }
        loaded.verifier = Some(Arc::new(verifier));
    }
    Ok(loaded)
}

fn read(key: &str, path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| wrong(key, path, error))
}

fn wrong(key: &str, path: &Path, why: impl Display) -> String {
    format!("[stir] {key} \"{}\": {why}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SignerFiles;
    use std::path::PathBuf;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip-edge/stir/src/tests").join(name)
    }

    /// 2030-01-01.
    const NOW: UnixTime = UnixTime::from_millis(1_893_456_000_000);

    fn signer(key: &str, certificate: &str) -> Stir {
        let x5u = "https://certificates.example/provider.pem".to_owned();
        let signer = SignerFiles { key: file(key), certificate: Some(file(certificate)), x5u };
        Stir { signer: Some(signer), ..Stir::default() }
    }

    #[test]
    fn what_fits_together_is_loaded() {
        let loaded = load(&signer("provider.key", "provider.pem"), NOW).unwrap();
        assert!(loaded.signer.is_some() && loaded.verifier.is_none());
        let stir = Stir {
            roots: vec![file("root.pem")],
            certificates: vec![("https://a.example/c".to_owned(), file("provider.pem"))],
            ..Stir::default()
        };
        assert!(load(&stir, NOW).unwrap().verifier.is_some());
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
        let stir = Stir {
            roots: vec![file("ranged.pem")],
            certificates: vec![("https://a.example/c".to_owned(), file("provider.pem"))],
            ..Stir::default()
        };
        let text = error(&stir);
        assert!(text.contains("does not chain to a configured root"), "{text}");
    }
}
