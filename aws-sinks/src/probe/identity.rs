//! Whose credentials they are (STS, GetCallerIdentity: every identity may ask that).

use super::{Question, Said, asked};
use crate::connection::{Connection, NoAnswer, Protocol, Request, Sender};
use crate::fault::{self, Words};
use crate::{Access, Endpoint};
use std::time::Duration;

const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
pub(super) const WORDS: Words = Words::of_records("identity", "sts:GetCallerIdentity");

/// Less than a service gets, since it is not needed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where it is asked: once at AWS, once at each other backend.
pub(super) fn places(questions: &[Question]) -> Vec<Access> {
    let mut places: Vec<Access> = Vec::new();
    for Question { access, .. } in questions {
        if places.iter().all(|place| place.endpoint != access.endpoint) {
            places.push(access.clone());
        }
    }
    places
}

pub(super) async fn ask(access: Access) -> Result<Vec<Said>, NoAnswer> {
    let mut connection = Connection::new(&access, Protocol { signing_name: "sts", is_s3: false });
    let endpoint = match &access.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => Endpoint::of_aws("sts", &access.region),
    };
    let (at, is_aws) = (endpoint.as_str(), access.endpoint.is_none());
    asked(&mut connection, WORDS, at, async |sender| vec![ask_at(sender, at, is_aws).await]).await
}

async fn ask_at(sender: &Sender, at: &str, is_aws: bool) -> Said {
    let headers = vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let request =
        Request { method: "POST", url: format!("{at}/"), headers, body: BODY.as_bytes().into() };
    // Services may be reached where STS is not; each of them answers for itself.
    let answer = match tokio::time::timeout(PATIENCE, sender.send(request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(NoAnswer(reason))) => return Said::unknown(WORDS, reason),
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            return Said::unknown(WORDS, format!("{at}: no answer within {seconds} s"));
        }
    };
    let told = (answer.element("Arn"), answer.element("Account"));
    match told {
        (Some(arn), Some(account)) if answer.is_success() => {
            Said::works(WORDS, format!("{arn} of account {account}, says {at}"))
        }
        _ if !is_aws => {
            let told = fault::told(&answer.error());
            Said::unknown(
                WORDS,
                format!("{at} tells none ({told}); a backend other than AWS's need not"),
            )
        }
        _ => Said::refused(WORDS, at, &answer.error()),
    }
}
