//! Asking an application: two tries.

use crate::connections::Connections;
use crate::endpoint::{Application, Endpoint};
use crate::signature::{SIGNATURE_HEADER, sign};
use aws_sinks::{Access, Lambda};
use model::TransactionId;
use outbox::clock::Clock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The pause before the second try.
const PAUSE: Duration = Duration::from_millis(250);

/// What came of asking an application once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AskedOutcome {
    /// It answered.
    Answered,
    /// Not within its time.
    Late,
    /// It could not be asked, refused, or answered with an error.
    Failed,
}

impl AskedOutcome {
    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            AskedOutcome::Answered => "answered",
            AskedOutcome::Late => "timeout",
            AskedOutcome::Failed => "failed",
        }
    }
}

/// Asks applications, so many at once.
pub(crate) struct Invoker {
    connections: Connections,
    access: Access,
    /// By region.
    functions: Mutex<HashMap<Arc<str>, Arc<Lambda>>>,
    places: Semaphore,
    clock: Clock,
}

impl Invoker {
    pub(crate) fn new(
        connections: Connections,
        access: Access,
        at_once: usize,
        clock: Clock,
    ) -> Self {
        let places = Semaphore::new(at_once.min(Semaphore::MAX_PERMITS));
        Invoker { connections, access, functions: Mutex::default(), places, clock }
    }

    /// Asks, twice at most; `Err` says why there is no answer. `told` hears of each time.
    pub(crate) async fn invoke(
        &self,
        application: &Application,
        call: TransactionId,
        body: &str,
        told: impl Fn(AskedOutcome, Duration) + Send + Sync,
    ) -> Result<Vec<u8>, String> {
        let mut first = None;
        for attempt in 1..=2 {
            let begun = self.clock.now();
            let asked = timeout(application.timeout, self.ask(application, call, body)).await;
            let took = self.clock.now().saturating_since(begun);
            let why = match asked {
                Ok(Ok(answer)) => {
                    told(AskedOutcome::Answered, took);
                    return Ok(answer);
                }
                Ok(Err(why)) => {
                    told(AskedOutcome::Failed, took);
                    why
                }
                Err(_) => {
                    told(AskedOutcome::Late, took);
                    format!("no answer within {} s", application.timeout.as_secs_f32())
                }
            };
            tracing::warn!(%call, application = %application.id, attempt, %why, "an application fails");
            if attempt == 1 {
                tokio::time::sleep(PAUSE).await;
            }
            first.get_or_insert(why);
        }
        Err(first.unwrap_or_default())
    }

    async fn ask(
        &self,
        application: &Application,
        call: TransactionId,
        body: &str,
    ) -> Result<Vec<u8>, String> {
        let Ok(_place) = self.places.acquire().await else {
            return Err("the node stops".to_owned());
        };
        match &application.endpoint {
            Endpoint::Url(url) => {
                let mut headers = vec![("x-tandem-transaction-id", call.to_string())];
                if let Some(secret) = &application.secret {
                    let signature = sign(secret, outbox::clock::unix_time(), body);
                    headers.push((SIGNATURE_HEADER, signature));
                }
                self.connections.post(url, &headers, body).await
            }
            Endpoint::Lambda { arn, region } => {
                let lambda = self.lambda(region);
                let answer = lambda.invoke(arn, body, application.timeout).await;
                answer.map_err(|unserved| unserved.to_string())
            }
        }
    }

    fn lambda(&self, region: &Arc<str>) -> Arc<Lambda> {
        let mut functions = self.functions.lock().unwrap_or_else(PoisonError::into_inner);
        let made = functions.entry(Arc::clone(region)).or_insert_with(|| {
            let access = Access { region: region.to_string(), ..self.access.clone() };
            Arc::new(Lambda::new(&access))
        });
        Arc::clone(made)
    }
}
