//! KMS: keys that encrypt data here, which are themselves encrypted there (envelope encryption).

mod probe;

use crate::answer::{Answer, ServiceError};
use crate::connection::{Connection, NoAnswer, Protocol, Request, Sender};
use crate::fault::{self, Fault, Waiting, Words};
use crate::{Access, Endpoint, Unserved};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::fmt;

/// As `[sinks]` names it.
pub(crate) const TABLE: &str = "kms";
const GENERATE: Operation = Operation { name: "GenerateDataKey", action: "kms:GenerateDataKey" };
const DECRYPT: Operation = Operation { name: "Decrypt", action: "kms:Decrypt" };

/// What is asked, and the permission that it needs.
#[derive(Clone, Copy)]
struct Operation {
    name: &'static str,
    action: &'static str,
}

impl Operation {
    const fn words(self) -> Words {
        Words::of_records(TABLE, self.action)
    }
}

/// A key of 256 bits for data.
#[derive(Clone)]
pub struct DataKey {
    /// The key itself. Whoever keeps it wipes it.
    pub plain: [u8; 32],
    /// The same, as only KMS can open it.
    pub wrapped: Vec<u8>,
    /// The ARN of the key that did it.
    pub key_id: String,
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Asks KMS for keys. It connects with the first request.
#[derive(Debug)]
pub struct Kms {
    endpoint: Endpoint,
    connection: Connection,
}

impl Kms {
    /// KMS of a region, or another backend.
    pub fn new(access: &Access) -> Self {
        let endpoint =
            access.endpoint.clone().unwrap_or_else(|| Endpoint::of_aws(TABLE, &access.region));
        let protocol = Protocol { signing_name: "kms", is_s3: false };
        Kms { endpoint, connection: Connection::new(access, protocol) }
    }

    /// A new key (GenerateDataKey) under `key`, an id, alias or ARN. `context` is named again to open it.
    ///
    /// # Errors
    /// [`Unserved`].
    pub async fn generate(
        &mut self,
        key: &str,
        context: &[(String, String)],
    ) -> Result<DataKey, Unserved> {
        let answer = self.ask(GENERATE, &to_generate(key, context)).await?;
        let answer = Fields(serde_json::from_slice(&answer.body).unwrap_or_default());
        let strange =
            || Unserved::because("KMS answered GenerateDataKey without a key of 256 bits");
        Ok(DataKey {
            plain: answer.key().ok_or_else(strange)?,
            wrapped: answer.octets("CiphertextBlob").ok_or_else(strange)?,
            key_id: answer.text("KeyId").ok_or_else(strange)?.to_owned(),
        })
    }

    /// Opens what [`Kms::generate`] wrapped (Decrypt).
    ///
    /// # Errors
    /// [`Unserved`].
    pub async fn open(
        &mut self,
        key: &str,
        wrapped: &[u8],
        context: &[(String, String)],
    ) -> Result<[u8; 32], Unserved> {
        let answer = self.ask(DECRYPT, &to_open(key, wrapped, context)).await?;
        let answer = Fields(serde_json::from_slice(&answer.body).unwrap_or_default());
        let strange = || Unserved::Refused("KMS holds no key of 256 bits there".to_owned());
        answer.key().ok_or_else(strange)
    }

    async fn ask(&mut self, operation: Operation, body: &Value) -> Result<Answer, Unserved> {
        let sender = self.connection.prepare().await?;
        let answer = send(&sender, &self.endpoint, operation, body).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        let fault = fault_of(&answer.error(), operation.words());
        Err(Unserved::of(fault, &mut self.connection))
    }
}

async fn send(
    sender: &Sender,
    endpoint: &Endpoint,
    operation: Operation,
    body: &Value,
) -> Result<Answer, NoAnswer> {
    let target = format!("TrentService.{}", operation.name);
    let headers =
        vec![("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
    let (url, body) = (format!("{endpoint}/"), body.to_string().into());
    sender.send(Request { method: "POST", url, headers, body }).await
}

fn to_generate(key: &str, context: &[(String, String)]) -> Value {
    json!({ "KeyId": key, "KeySpec": "AES_256", "EncryptionContext": object(context) })
}

fn to_open(key: &str, wrapped: &[u8], context: &[(String, String)]) -> Value {
    let blob = STANDARD.encode(wrapped);
    json!({ "KeyId": key, "CiphertextBlob": blob, "EncryptionContext": object(context) })
}

/// An answer in JSON.
struct Fields(Value);

impl Fields {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn octets(&self, name: &str) -> Option<Vec<u8>> {
        STANDARD.decode(self.text(name)?).ok()
    }

    fn key(&self) -> Option<[u8; 32]> {
        self.octets("Plaintext")?.try_into().ok()
    }
}

fn object(context: &[(String, String)]) -> Value {
    let pairs = context.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// What to do about an error that is KMS's own.
fn advice(error: &ServiceError) -> Option<&'static str> {
    Some(match error.code.as_str() {
        "NotFoundException" => "there is no such key; correct kms_key of [recordings]",
        "DisabledException" | "KMSInvalidStateException" | "KeyUnavailableException" => {
            "enable the key that kms_key of [recordings] names"
        }
        "InvalidKeyUsageException" => {
            "kms_key of [recordings] must be a symmetric key for encryption"
        }
        _ => return None,
    })
}

fn fault_of(error: &ServiceError, words: Words) -> Fault {
    let told = fault::told(error);
    if let Some(advice) = advice(error) {
        return Fault::Wait(Waiting::because(format!("{told}: {advice}")));
    }
    match error.code.as_str() {
        "InvalidCiphertextException" | "IncorrectKeyException" => Fault::Invalid(told),
        _ => fault::common(error, words).unwrap_or_else(|| Fault::Wait(Waiting::because(told))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        let key = DataKey { plain: [7; 32], wrapped: vec![1], key_id: "arn".to_owned() };
        assert_eq!(format!("{key:?}"), "DataKey { key_id: \"arn\", .. }");
    }

    #[test]
    fn what_an_administrator_can_mend_waits() {
        let fault = |status, code: &str| {
            let (code, message) = (code.to_owned(), String::new());
            let error = ServiceError { status, code, message, retry_after: None };
            fault_of(&error, Words::of_records(TABLE, "kms:Decrypt"))
        };
        for (status, code) in [
            (400, "NotFoundException"),
            (400, "DisabledException"),
            (400, "AccessDeniedException"),
            (400, "ThrottlingException"),
            (500, "KMSInternalException"),
        ] {
            assert!(matches!(fault(status, code), Fault::Wait(_)), "{code}");
        }
        assert!(matches!(fault(400, "InvalidCiphertextException"), Fault::Invalid(_)));
    }
}
