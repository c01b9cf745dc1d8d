//! The file of `tandem directory export`: records as JSON, those with secrets sealed under a passphrase.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2;
use control_api::state::{Kind, Row};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use zeroize::Zeroizing;

const FORMAT: &str = "tandem-directory";
/// Of a new file. The first version had tags under ARNs.
const VERSION: u32 = 2;
const READ: std::ops::RangeInclusive<u32> = 1..=VERSION;
const DERIVATION: &str = "PBKDF2-HMAC-SHA256";
const CIPHER: &str = "AES-256-GCM";
/// What a new file has (OWASP's figure of 2023), and what is still computed for a file that comes.
pub(super) const ITERATIONS: u32 = 600_000;
const ITERATIONS_MAX: u32 = 20_000_000;
/// Random octets of a new sealed part.
pub(super) const LUCK: usize = 16 + NONCE_LEN;

/// The whole file.
#[derive(Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    format: String,
    version: u32,
    /// The node that it came from: ARNs have them.
    pub(super) region: String,
    pub(super) account_id: String,
    records: Vec<Written>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secrets: Option<Sealed>,
    /// Records with secrets that were left out by choice.
    #[serde(default, skip_serializing_if = "is_none_left")]
    pub(super) left_out: usize,
}

fn is_read(version: u64) -> bool {
    u32::try_from(version).is_ok_and(|version| READ.contains(&version))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_none_left(count: &usize) -> bool {
    *count == 0
}

#[derive(Clone, Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: String,
    id: String,
    created_ms: u64,
    updated_ms: u64,
    body: Value,
}

#[derive(Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Sealed {
    derivation: String,
    iterations: u32,
    salt: String,
    cipher: String,
    nonce: String,
    sealed: String,
}

/// What becomes of records with secrets.
pub(super) enum Secrets<'a> {
    /// They are sealed under a passphrase, with so many iterations and these random octets.
    Sealed(&'a str, u32, [u8; LUCK]),
    /// They are not in the file.
    LeftOut,
}

impl Document {
    /// Writes down all rows of a node.
    ///
    /// # Errors
    /// In words, for a record that is no JSON, which the database never has.
    pub(super) fn of(
        rows: &[Row],
        secrets: &Secrets<'_>,
        region: &str,
        account_id: &str,
    ) -> Result<Document, String> {
        let (secret, open): (Vec<&Row>, Vec<&Row>) =
            rows.iter().partition(|row| row.kind.is_secret());
        let written = |rows: &[&Row]| -> Result<Vec<Written>, String> {
            rows.iter().map(|row| Written::of(row)).collect()
        };
        let (sealed, left_out) = match secrets {
            _ if secret.is_empty() => (None, 0),
            Secrets::LeftOut => (None, secret.len()),
            Secrets::Sealed(passphrase, iterations, luck) => {
                let records = written(&secret)?;
                let text = serde_json::to_vec(&records).map_err(|error| error.to_string())?;
                (Some(Sealed::of(Zeroizing::new(text), passphrase, *iterations, luck)?), 0)
            }
        };
        let mut records = written(&open)?;
        if left_out > 0 {
            let secret: HashSet<&str> = secret.iter().map(|row| row.id.as_str()).collect();
            for record in records.iter_mut().filter(|record| secret.contains(&*record.id)) {
                record.refuse_outbound();
            }
        }
        Ok(Document {
            format: FORMAT.to_owned(),
            version: VERSION,
            region: region.to_owned(),
            account_id: account_id.to_owned(),
            records,
            secrets: sealed,
            left_out,
        })
    }

    /// The file's text.
    pub(super) fn text(&self) -> Result<String, String> {
        serde_json::to_string_pretty(self)
            .map(|text| text + "\n")
            .map_err(|error| error.to_string())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// In words.
    pub(super) fn parse(text: &str) -> Result<Document, String> {
        let not_ours = |error: serde_json::Error| {
            format!("it is not what `tandem directory export` writes: {error}")
        };
        let value: Value = serde_json::from_str(text).map_err(not_ours)?;
        if let Some(format) = value["format"].as_str().filter(|format| *format != FORMAT) {
            return Err(format!("its format is {format:?}, not {FORMAT:?}"));
        }
        if let Some(version) = value["version"].as_u64().filter(|v| !is_read(*v)) {
            return Err(format!(
                "it has version {version}, and this Tandem reads 1 to {VERSION}: export it again, or run the \
                 Tandem that wrote it"
            ));
        }
        serde_json::from_value(value).map_err(not_ours)
    }

    /// Whether a passphrase is needed for all of it.
    pub(super) fn is_sealed(&self) -> bool {
        self.secrets.is_some()
    }

    /// All rows; without a passphrase those that are not sealed.
    ///
    /// # Errors
    /// In words: a wrong passphrase, an unknown kind.
    pub(super) fn rows(&self, passphrase: Option<&str>) -> Result<Vec<Row>, String> {
        let mut records = self.records.clone();
        if self.is_sealed() && passphrase.is_none() {
            // Whose credentials are among them cannot be known.
            records.iter_mut().for_each(Written::refuse_outbound);
        }
        let mut rows: Vec<Row> = records.iter().map(Written::row).collect::<Result<_, _>>()?;
        if let (Some(sealed), Some(passphrase)) = (&self.secrets, passphrase) {
            let text = sealed.open(passphrase)?;
            let records: Vec<Written> =
                serde_json::from_slice(&text).map_err(|error| format!("secrets: {error}"))?;
            for record in &records {
                rows.push(record.row()?);
            }
        }
        Ok(rows)
    }
}

impl Written {
    /// A voice connector that had credentials must not let in whoever has the right address without
    /// them: its outbound calling is disabled.
    fn refuse_outbound(&mut self) {
        if self.kind == Kind::Connector.name()
            && let Some(termination) = self.body.get_mut("Termination")
            && termination.is_object()
        {
            termination["Disabled"] = true.into();
        }
    }

    fn of(row: &Row) -> Result<Written, String> {
        let body = serde_json::from_str(&row.body)
            .map_err(|error| format!("the {} {}: {error}", row.kind.name(), row.id))?;
        Ok(Written {
            kind: row.kind.name().to_owned(),
            id: row.id.clone(),
            created_ms: row.created_ms,
            updated_ms: row.updated_ms,
            body,
        })
    }

    fn row(&self) -> Result<Row, String> {
        let kind = Kind::ALL.iter().find(|kind| kind.name() == self.kind).ok_or_else(|| {
            format!("{:?} {:?}: this Tandem does not know the kind", self.kind, self.id)
        })?;
        Ok(Row {
            kind: *kind,
            id: self.id.clone(),
            body: self.body.to_string(),
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
        })
    }
}

impl Sealed {
    fn of(
        mut content: Zeroizing<Vec<u8>>,
        passphrase: &str,
        iterations: u32,
        luck: &[u8; LUCK],
    ) -> Result<Sealed, String> {
        let (salt, nonce) = luck.split_at(LUCK - NONCE_LEN);
        let key = cipher(passphrase, iterations, salt)?;
        let unique = Nonce::try_assume_unique_for_key(nonce).map_err(|_| "a nonce is too short")?;
        key.seal_in_place_append_tag(unique, Aad::from(FORMAT), &mut *content)
            .map_err(|_| "secrets cannot be sealed")?;
        Ok(Sealed {
            derivation: DERIVATION.to_owned(),
            iterations,
            salt: hex(salt),
            cipher: CIPHER.to_owned(),
            nonce: hex(nonce),
            sealed: hex(&content),
        })
    }

    fn open(&self, passphrase: &str) -> Result<Zeroizing<Vec<u8>>, String> {
        if self.derivation != DERIVATION || self.cipher != CIPHER {
            let (derivation, cipher) = (&self.derivation, &self.cipher);
            return Err(format!("secrets: {derivation:?} and {cipher:?} are not known here"));
        }
        if !(1..=ITERATIONS_MAX).contains(&self.iterations) {
            return Err(format!("secrets: iterations must be 1 to {ITERATIONS_MAX}"));
        }
        let part = |name: &str, text: &str| {
            from_hex(text).ok_or_else(|| format!("secrets: {name} must be hexadecimal digits"))
        };
        let nonce = part("nonce", &self.nonce)?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce)
            .map_err(|_| format!("secrets: nonce must have {NONCE_LEN} octets"))?;
        let mut content = Zeroizing::new(part("sealed", &self.sealed)?);
        let key = cipher(passphrase, self.iterations, &part("salt", &self.salt)?)?;
        let opened = key
            .open_in_place(nonce, Aad::from(FORMAT), &mut content)
            .map_err(|_| "the passphrase is not the one that secrets were sealed with")?;
        Ok(Zeroizing::new(opened.to_vec()))
    }
}

fn cipher(passphrase: &str, iterations: u32, salt: &[u8]) -> Result<LessSafeKey, String> {
    let iterations = NonZeroU32::new(iterations).ok_or("iterations must be 1 at least")?;
    let mut key = Zeroizing::new([0; 32]);
    let passphrase = passphrase.as_bytes();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, passphrase, &mut *key);
    let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| "no cipher")?;
    Ok(LessSafeKey::new(key))
}

fn hex(octets: &[u8]) -> String {
    let mut text = String::with_capacity(2 * octets.len());
    for octet in octets {
        // Writing into a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let octet = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    };
    text.as_bytes().chunks(2).map(octet).collect()
}
