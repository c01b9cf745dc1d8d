//! KMS: keys that encrypt data here, which are themselves encrypted there (envelope encryption).

use crate::answer::{Answer, ServiceError};
use crate::connection::{Connection, Protocol, Request, Sender};
use crate::fault::{self, Fault, Waiting, Words};
use crate::{Access, Endpoint, Unserved};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::fmt;

const TABLE: &str = "kms";

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
        let body =
            json!({ "KeyId": key, "KeySpec": "AES_256", "EncryptionContext": object(context) });
        let answer = self.ask("GenerateDataKey", "kms:GenerateDataKey", &body).await?;
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
        let blob = STANDARD.encode(wrapped);
        let body =
            json!({ "KeyId": key, "CiphertextBlob": blob, "EncryptionContext": object(context) });
        let answer = self.ask("Decrypt", "kms:Decrypt", &body).await?;
        let answer = Fields(serde_json::from_slice(&answer.body).unwrap_or_default());
        let strange = || Unserved::Refused("KMS holds no key of 256 bits there".to_owned());
        answer.key().ok_or_else(strange)
    }

    async fn ask(
        &mut self,
        operation: &str,
        action: &'static str,
        body: &Value,
    ) -> Result<Answer, Unserved> {
        let sender = self.connection.prepare().await?;
        let answer = self.send(&sender, operation, body).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        let fault = fault_of(&answer.error(), Words { table: TABLE, action });
        Err(Unserved::of(fault, &mut self.connection))
    }

    async fn send(
        &self,
        sender: &Sender,
        operation: &str,
        body: &Value,
    ) -> Result<Answer, Unserved> {
        let target = format!("TrentService.{operation}");
        let headers =
            vec![("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        let url = format!("{}/", self.endpoint);
        let body = body.to_string().into();
        Ok(sender.send(Request { method: "POST", url, headers, body }).await?)
    }
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

fn fault_of(error: &ServiceError, words: Words) -> Fault {
    let told = fault::told(error);
    let wait = |advice: &str| Fault::Wait(Waiting::because(format!("{told}: {advice}")));
    match error.code.as_str() {
        "NotFoundException" => wait("there is no such key; correct kms_key of [recordings]"),
        "DisabledException" | "KMSInvalidStateException" | "KeyUnavailableException" => {
            wait("enable the key that kms_key of [recordings] names")
        }
        "InvalidKeyUsageException" => {
            wait("kms_key of [recordings] must be a symmetric key for encryption")
        }
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
            fault_of(&error, Words { table: TABLE, action: "kms:Decrypt" })
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
