//! `[stir]`: how callers are signed and verified (RFC 8224). The files are read when the node
//! starts, see [`crate::identity`].

use super::reader::Table;
use super::value;
use std::path::PathBuf;

/// Keys and certificates of callers' identities.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Stir {
    /// What signs our calls.
    pub(crate) signer: Option<SignerFiles>,
    /// Authorities whose certificates are believed, in PEM.
    pub(crate) roots: Vec<PathBuf>,
    /// Certificates of those who sign calls to us, by their address; nothing is fetched.
    pub(crate) certificates: Vec<(String, PathBuf)>,
}

/// The key that signs, and its certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SignerFiles {
    /// The private key, EC P-256, PEM.
    pub(crate) key: PathBuf,
    /// Its certificate, PEM, to see that they belong together; optional.
    pub(crate) certificate: Option<PathBuf>,
    /// Where everybody finds that certificate: an `https:` address.
    pub(crate) x5u: String,
}

pub(super) fn read(mut table: Table<'_>) -> Stir {
    let key = table.optional("key", value::path);
    let certificate = table.optional("certificate", value::path);
    let x5u = table.optional("x5u", read_url);
    let roots = table.one_or_list("roots", value::path).unwrap_or_default();
    let certificates = table.tables("certificates", |mut table| {
        let url = table.required("url", "url = \"https://example.com/sti.pem\"", read_url);
        let file = table.required("file", "file = \"sti.pem\"", value::path);
        table.finish();
        Some((url?, file?))
    });
    match (&key, &x5u) {
        (Some(_), None) if !table.has("x5u") => table.error_at(
            "key",
            "whoever gets a signed call must find the certificate; add x5u = \"https://…\"",
        ),
        (None, Some(_)) if !table.has("key") => {
            table.error_at("x5u", "there is no key to sign with; add key = \"FILE\"");
        }
        _ => {}
    }
    if !certificates.is_empty() && roots.is_empty() {
        table.error_at("certificates", "there is no authority to check them by; add roots");
    }
    table.finish();
    let signer = key.zip(x5u).map(|(key, x5u)| SignerFiles { key, certificate, x5u });
    Stir { signer, roots, certificates }
}

fn read_url(value: &toml::de::DeValue<'_>) -> Result<String, String> {
    let url = value::string(value)?;
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"');
    if url.starts_with("https://") && url.chars().all(plain) {
        Ok(url)
    } else {
        Err(format!("{url:?} is not an https: address"))
    }
}

#[cfg(test)]
#[path = "caller_tests.rs"]
mod tests;
