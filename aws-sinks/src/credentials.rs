//! Credentials by the default chain of AWS's SDK.

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use outbox::DeliveryError;
use std::time::{Duration, SystemTime};

/// Credentials that expire within this time are replaced.
const BEFORE_EXPIRY: Duration = Duration::from_secs(300);
/// Credentials that do not say when they expire are looked up again after this time, so that a file
/// that was changed counts.
const KEPT: Duration = Duration::from_secs(900);

/// The chain, and what it gave last.
#[derive(Default, Debug)]
pub(crate) struct Chain {
    provider: Option<SharedCredentialsProvider>,
    current: Option<(Credentials, SystemTime)>,
}

impl Chain {
    /// The credentials to sign with; `now` is the time that tells whether they have expired.
    ///
    /// # Errors
    /// In words, when the chain has none.
    pub(crate) async fn credentials(
        &mut self,
        region: &str,
        now: SystemTime,
    ) -> Result<Credentials, String> {
        if let Some((credentials, _)) = self.current.as_ref().filter(|(_, until)| now < *until) {
            return Ok(credentials.clone());
        }
        let provider = match &self.provider {
            Some(provider) => provider.clone(),
            None => self.provider.insert(load(region).await?).clone(),
        };
        let credentials = provider.provide_credentials().await.map_err(|error| {
            format!("no AWS credentials: {}", DeliveryError::in_one_line(&error))
        })?;
        let until = credentials.expiry().map_or(now + KEPT, |expiry| {
            expiry.checked_sub(BEFORE_EXPIRY).unwrap_or(now).min(now + KEPT)
        });
        self.current = Some((credentials.clone(), until));
        Ok(credentials)
    }

    /// Has the chain asked again before the next request.
    pub(crate) fn forget(&mut self) {
        *self = Chain::default();
    }
}

async fn load(region: &str) -> Result<SharedCredentialsProvider, String> {
    let defaults = aws_config::defaults(BehaviorVersion::latest());
    let config = defaults.region(Region::new(region.to_owned())).load().await;
    config.credentials_provider().ok_or_else(|| "no AWS credentials: the chain is empty".to_owned())
}
