//! Call detail records: one JSON file per call and form, with the names and places that AWS uses.

mod business_calling;

use crate::{Numbers, calendar};
use model::{CallDirection, CallParties, TransactionId, UnixTime};
use serde::Serialize;
use std::time::Duration;

/// In which of AWS's forms call detail records are written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum CdrForm {
    /// That of voice connectors.
    #[default]
    VoiceConnector,
    /// That of Amazon Chime's Business Calling, for billing systems that read it.
    BusinessCalling,
    /// Each call in both forms.
    Both,
}

impl CdrForm {
    const fn has_voice_connector(self) -> bool {
        matches!(self, CdrForm::VoiceConnector | CdrForm::Both)
    }

    const fn has_business_calling(self) -> bool {
        matches!(self, CdrForm::BusinessCalling | CdrForm::Both)
    }
}

/// What a call detail record tells of a call.
#[derive(Clone)]
pub(crate) struct Billed<'a> {
    pub(crate) account_id: &'a str,
    pub(crate) region: &'a str,
    pub(crate) transaction_id: TransactionId,
    pub(crate) parties: &'a CallParties,
    pub(crate) began: UnixTime,
    pub(crate) ended: UnixTime,
    /// Time from the answer to the end; `None` for a call that was not answered.
    pub(crate) talk: Option<Duration>,
    /// Final status of leg A's INVITE.
    pub(crate) status: u16,
    pub(crate) cause: &'a str,
    /// Its audio went to listeners.
    pub(crate) streaming: bool,
    /// It is a recording client's copy: nobody was called.
    pub(crate) is_recorded: bool,
    /// The first meeting that it was in, by its id.
    pub(crate) meeting: Option<&'a str>,
    pub(crate) numbers: &'a Numbers,
}

impl Billed<'_> {
    /// The paths and contents of the call's records.
    pub(crate) fn documents(&self, form: CdrForm) -> Vec<(String, Vec<u8>)> {
        let own = form.has_voice_connector().then(|| (self.path(), self.body()));
        let business = form
            .has_business_calling()
            .then(|| (business_calling::path(self), business_calling::body(self)));
        own.into_iter().chain(business).collect()
    }

    /// `…/json/<vc>/YYYY/MM/DD/HH.MM.SS.mmm_<transaction id>`, by the time that the call began.
    fn path(&self) -> String {
        format!(
            "s3/Amazon-Chime-Voice-Connector-CDRs/json/{}/{}_{}",
            self.parties.voice_connector,
            calendar::key(self.began),
            self.transaction_id
        )
    }

    /// The file's content.
    fn body(&self) -> Vec<u8> {
        let parties = self.parties;
        let (from, to) =
            (self.numbers.user(&parties.from_user), self.numbers.user(&parties.to_user));
        let auth_user = parties.sip_auth_user.as_deref().map(|user| self.numbers.user(user));
        let seconds = self.talk.map_or(0, whole_seconds);
        let document = Document {
            aws_account_id: self.account_id,
            transaction_id: self.transaction_id.to_string(),
            call_id: &parties.call_id,
            voice_connector_id: parties.voice_connector.as_str(),
            status: if self.talk.is_some() { "Completed" } else { "Failed" },
            status_message: self.status_message(),
            sip_auth_user: auth_user.as_deref(),
            billable_duration_seconds: seconds,
            billable_duration_minutes: minutes(seconds),
            schema_version: "2.0",
            source_phone_number: &from,
            source_phone_number_name: None,
            source_country: parties.from_country,
            destination_phone_number: &to,
            destination_phone_number_name: None,
            destination_country: parties.to_country,
            usage_type: match self.is_recorded {
                true => format!("{}-VC-kinesis-audio-streaming", region_code(self.region)),
                false => usage_type(self.region, parties),
            },
            service_code: "AmazonChimeVoiceConnector",
            direction: parties.direction.name(),
            start_time_epoch_seconds: self.began.as_secs(),
            end_time_epoch_seconds: self.ended.as_secs(),
            region: self.region,
            streaming: self.streaming,
        };
        let mut out = Vec::with_capacity(1_024);
        // Serialising plain fields into memory cannot fail.
        let _ = serde_json::to_writer(&mut out, &document);
        out
    }

    fn status_message(&self) -> String {
        if self.talk.is_some() {
            "OK".to_owned()
        } else {
            format!("{} {}", self.status, self.cause)
        }
    }
}

/// Started seconds count whole.
fn whole_seconds(talk: Duration) -> u64 {
    talk.as_secs() + u64::from(talk.subsec_nanos() > 0)
}

/// To four decimals: a minute is not a decimal fraction of a second count.
fn minutes(seconds: u64) -> f64 {
    (seconds as f64 / 60.0 * 10_000.0).round() / 10_000.0
}

/// Such as `USE1-US-US-outbound-minutes`; an unknown country is `ZZ`.
fn usage_type(region: &str, parties: &CallParties) -> String {
    let country = |c: &'static str| if c.is_empty() { "ZZ" } else { c };
    let direction = match parties.direction {
        CallDirection::Outbound => "outbound",
        CallDirection::Inbound => "inbound",
    };
    format!(
        "{}-{}-{}-{direction}-minutes",
        region_code(region),
        country(parties.from_country),
        country(parties.to_country)
    )
}

/// The short code of a region in usage types: `us-east-1` is `USE1`. A region that is not in the
/// table (a private name) becomes its letters and digits in upper case.
pub fn region_code(region: &str) -> String {
    const CODES: [(&str, &str); 17] = [
        ("us-east-1", "USE1"),
        ("us-east-2", "USE2"),
        ("us-west-1", "USW1"),
        ("us-west-2", "USW2"),
        ("ca-central-1", "CAN1"),
        ("sa-east-1", "SAE1"),
        ("eu-west-1", "EUW1"),
        ("eu-west-2", "EUW2"),
        ("eu-west-3", "EUW3"),
        ("eu-central-1", "EUC1"),
        ("eu-north-1", "EUN1"),
        ("ap-northeast-1", "APN1"),
        ("ap-northeast-2", "APN2"),
        ("ap-northeast-3", "APN3"),
        ("ap-southeast-1", "APS1"),
        ("ap-southeast-2", "APS2"),
        ("ap-south-1", "APS3"),
    ];
    match CODES.iter().find(|(name, _)| *name == region) {
        Some((_, code)) => (*code).to_owned(),
        None => region
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_uppercase())
            .collect(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Document<'a> {
    aws_account_id: &'a str,
    transaction_id: String,
    call_id: &'a str,
    voice_connector_id: &'a str,
    status: &'a str,
    status_message: String,
    sip_auth_user: Option<&'a str>,
    billable_duration_seconds: u64,
    billable_duration_minutes: f64,
    schema_version: &'a str,
    source_phone_number: &'a str,
    source_phone_number_name: Option<&'a str>,
    source_country: &'a str,
    destination_phone_number: &'a str,
    destination_phone_number_name: Option<&'a str>,
    destination_country: &'a str,
    usage_type: String,
    service_code: &'a str,
    direction: &'a str,
    start_time_epoch_seconds: u64,
    end_time_epoch_seconds: u64,
    region: &'a str,
    streaming: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_their_billing_codes() {
        assert_eq!(region_code("us-east-1"), "USE1");
        assert_eq!(region_code("ap-south-1"), "APS3");
        assert_eq!(region_code("my-lab"), "MYLAB");
    }

    #[test]
    fn started_seconds_are_billed() {
        assert_eq!(whole_seconds(Duration::from_millis(6_000)), 6);
        assert_eq!(whole_seconds(Duration::from_millis(6_001)), 7);
        assert!((minutes(6) - 0.1).abs() < 1e-9);
    }
}
