//! What belongs to a voice connector: `tandem vc origination`, `termination`, `credentials`, `logging`,
//! `streaming`, `emergency`.

use super::super::secret_of;
use super::value::{dnis, route};
use super::{Outcome, done, facts, members};
use crate::control_api::{Asked, Failure};
use serde_json::{Map, Value, json};

#[derive(clap::Args)]
pub(crate) struct Connector {
    /// The id of the voice connector.
    id: String,
}

impl Connector {
    fn asked(&self) -> Value {
        json!({ "VoiceConnectorId": self.id })
    }

    fn with(&self, member: &str, value: Value) -> Value {
        let mut asked = self.asked();
        asked[member] = value;
        asked
    }

    /// `member` of what the connector has now; nothing when it has none.
    fn now(
        &self,
        api: &mut dyn Asked,
        operation: &str,
        member: &str,
    ) -> Result<Map<String, Value>, Failure> {
        match api.ask(operation, &members(self.asked())) {
            Ok(mut reply) => Ok(members(reply.value[member].take())),
            Err(Failure::Refused { exception, .. }) if exception == "NotFoundException" => {
                Ok(Map::new())
            }
            Err(other) => Err(other),
        }
    }

    fn deleted(
        &self,
        api: &mut dyn Asked,
        operation: &str,
        what: &str,
    ) -> Result<Outcome, Failure> {
        let text = format!("voice connector {} has no {what} any more", self.id);
        done(api, operation, self.asked(), text)
    }
}

/// Puts what was given over what is there.
fn put(into: &mut Map<String, Value>, member: &str, value: Option<Value>) {
    if let Some(value) = value {
        into.insert(member.to_owned(), value);
    }
}

/// A list that was given, or nothing.
fn given(values: &[impl Clone + Into<Value>]) -> Option<Value> {
    (!values.is_empty()).then(|| values.iter().cloned().map(Into::into).collect())
}

#[derive(clap::Subcommand)]
pub(crate) enum OriginationCommand {
    /// Show the routes.
    Show(Connector),
    /// Set the routes; what is not given stays.
    Set {
        #[command(flatten)]
        connector: Connector,
        /// A route: `HOST[:PORT][,udp|tcp][,priority=N][,weight=N]`; may be given more than once, and
        /// replaces all that there are.
        #[arg(long = "route", value_name = "ROUTE", value_parser = route)]
        routes: Vec<Value>,
        /// Whether inbound calls are refused.
        #[arg(long, value_name = "true|false")]
        disabled: Option<bool>,
    },
    /// Remove all routes.
    Delete(Connector),
}

impl OriginationCommand {
    pub(super) fn is_read(&self) -> bool {
        matches!(self, OriginationCommand::Show(_))
    }

    pub(super) fn perform(&self, api: &mut dyn Asked) -> Result<Outcome, Failure> {
        const GET: &str = "GetVoiceConnectorOrigination";
        match self {
            OriginationCommand::Show(connector) => facts(api, GET, connector.asked()),
            OriginationCommand::Set { connector, routes, disabled } => {
                let mut wanted = connector.now(api, GET, "Origination")?;
                put(&mut wanted, "Routes", given(routes));
                put(&mut wanted, "Disabled", disabled.map(Value::from));
                let asked = connector.with("Origination", Value::Object(wanted));
                facts(api, "PutVoiceConnectorOrigination", asked)
            }
            OriginationCommand::Delete(connector) => {
                connector.deleted(api, "DeleteVoiceConnectorOrigination", "origination")
            }
        }
    }
}

#[derive(clap::Subcommand)]
pub(crate) enum TerminationCommand {
    /// Show who may call, where to and how many.
    Show(Connector),
    /// Set it; what is not given stays.
    Set {
        #[command(flatten)]
        connector: Connector,
        /// A network that may place calls, such as 203.0.113.0/28; may be given more than once, and
        /// replaces all that there are.
        #[arg(long = "cidr", value_name = "CIDR")]
        networks: Vec<String>,
        /// A country that may be called, such as US; may be given more than once, and replaces all that
        /// there are.
        #[arg(long = "calling-region", value_name = "COUNTRY")]
        regions: Vec<String>,
        /// Most calls a second.
        #[arg(long, value_name = "N")]
        cps_limit: Option<u32>,
        /// The number of callers that name none, in E.164.
        #[arg(long, value_name = "NUMBER")]
        default_number: Option<String>,
        /// Whether outbound calls are refused.
        #[arg(long, value_name = "true|false")]
        disabled: Option<bool>,
    },
    /// Remove it: nobody may place outbound calls any more.
    Delete(Connector),
}

impl TerminationCommand {
    pub(super) fn is_read(&self) -> bool {
        matches!(self, TerminationCommand::Show(_))
    }

    pub(super) fn perform(&self, api: &mut dyn Asked) -> Result<Outcome, Failure> {
        const GET: &str = "GetVoiceConnectorTermination";
        match self {
            TerminationCommand::Show(connector) => facts(api, GET, connector.asked()),
            TerminationCommand::Set {
                connector,
                networks,
                regions,
                cps_limit,
                default_number,
                disabled,
            } => {
                let mut wanted = connector.now(api, GET, "Termination")?;
                put(&mut wanted, "CidrAllowedList", given(networks));
                put(&mut wanted, "CallingRegions", given(regions));
                put(&mut wanted, "CpsLimit", cps_limit.map(Value::from));
                put(&mut wanted, "DefaultPhoneNumber", default_number.clone().map(Value::from));
                put(&mut wanted, "Disabled", disabled.map(Value::from));
                let asked = connector.with("Termination", Value::Object(wanted));
                facts(api, "PutVoiceConnectorTermination", asked)
            }
            TerminationCommand::Delete(connector) => {
                connector.deleted(api, "DeleteVoiceConnectorTermination", "termination")
            }
        }
    }
}

#[derive(clap::Subcommand)]
pub(crate) enum CredentialsCommand {
    /// List the user names.
    List(Connector),
    /// Add a user name with its password, or give it another password.
    Put {
        #[command(flatten)]
        connector: Connector,
        /// The user name.
        #[arg(long, value_name = "NAME")]
        username: String,
        /// A file whose first line is the password; - is standard input.
        #[arg(long, value_name = "FILE")]
        password_file: String,
    },
    /// Remove user names.
    Delete {
        #[command(flatten)]
        connector: Connector,
        /// A user name; may be given more than once.
        #[arg(long = "username", value_name = "NAME", required = true)]
        usernames: Vec<String>,
    },
}

impl CredentialsCommand {
    pub(super) fn is_read(&self) -> bool {
        matches!(self, CredentialsCommand::List(_))
    }

    pub(super) fn perform(&self, api: &mut dyn Asked) -> Result<Outcome, Failure> {
        match self {
            CredentialsCommand::List(connector) => {
                facts(api, "ListVoiceConnectorTerminationCredentials", connector.asked())
            }
            CredentialsCommand::Put { connector, username, password_file } => {
                let password = secret_of(password_file, "password").map_err(Failure::Way)?;
                let credentials = json!([{ "Username": username, "Password": &*password }]);
                let asked = connector.with("Credentials", credentials);
                let text = format!("voice connector {} takes {username}", connector.id);
                done(api, "PutVoiceConnectorTerminationCredentials", asked, text)
            }
            CredentialsCommand::Delete { connector, usernames } => {
                let asked = connector.with("Usernames", json!(usernames));
                let names = usernames.join(", ");
                let text = format!("voice connector {} no longer takes {names}", connector.id);
                done(api, "DeleteVoiceConnectorTerminationCredentials", asked, text)
            }
        }
    }
}

#[derive(clap::Subcommand)]
pub(crate) enum LoggingCommand {
    /// Show which logs are written.
    Show(Connector),
    /// Choose them; what is not given stays.
    Set {
        #[command(flatten)]
        connector: Connector,
        /// Whether SIP messages are logged.
        #[arg(long, value_name = "true|false")]
        sip_messages: Option<bool>,
        /// Whether the quality of media is logged each minute.
        #[arg(long, value_name = "true|false")]
        media_metrics: Option<bool>,
    },
}

impl LoggingCommand {
    pub(super) fn is_read(&self) -> bool {
        matches!(self, LoggingCommand::Show(_))
    }

    pub(super) fn perform(&self, api: &mut dyn Asked) -> Result<Outcome, Failure> {
        const GET: &str = "GetVoiceConnectorLoggingConfiguration";
        match self {
            LoggingCommand::Show(connector) => facts(api, GET, connector.asked()),
            LoggingCommand::Set { connector, sip_messages, media_metrics } => {
                let mut wanted = connector.now(api, GET, "LoggingConfiguration")?;
                put(&mut wanted, "EnableSIPLogs", sip_messages.map(Value::from));
                put(&mut wanted, "EnableMediaMetricLogs", media_metrics.map(Value::from));
                let asked = connector.with("LoggingConfiguration", Value::Object(wanted));
                facts(api, "PutVoiceConnectorLoggingConfiguration", asked)
            }
        }
    }
}

/// Whom streaming events go to.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Notified {
    #[value(name = "eventbridge")]
    EventBridge,
    Sns,
    Sqs,
}

impl Notified {
    fn written(self) -> Value {
        let target = match self {
            Notified::EventBridge => "EventBridge",
            Notified::Sns => "SNS",
            Notified::Sqs => "SQS",
        };
        json!({ "NotificationTarget": target })
    }
}

#[derive(clap::Subcommand)]
pub(crate) enum StreamingCommand {
    /// Show how audio is streamed.
    Show(Connector),
    /// Set it; what is not given stays. A connector that had none streams from now on.
    Set {
        #[command(flatten)]
        connector: Connector,
        /// How long streams are kept.
        #[arg(long, value_name = "HOURS")]
        retention_hours: Option<u32>,
        /// Whether nothing is streamed.
        #[arg(long, value_name = "true|false")]
        disabled: Option<bool>,
        /// Whom events go to; may be given more than once, and replaces all that there are.
        #[arg(long = "notify", value_enum, value_name = "TARGET")]
        notified: Vec<Notified>,
    },
    /// Remove it: nothing is streamed any more.
    Delete(Connector),
}

impl StreamingCommand {
    pub(super) fn is_read(&self) -> bool {
        matches!(self, StreamingCommand::Show(_))
    }

    pub(super) fn perform(&self, api: &mut dyn Asked) -> Result<Outcome, Failure> {
        const GET: &str = "GetVoiceConnectorStreamingConfiguration";
        match self {
            StreamingCommand::Show(connector) => facts(api, GET, connector.asked()),
            StreamingCommand::Set { connector, retention_hours, disabled, notified } => {
                let mut wanted = Map::from_iter([
                    ("DataRetentionInHours".to_owned(), json!(24)),
                    ("Disabled".to_owned(), json!(false)),
                ]);
                wanted.extend(connector.now(api, GET, "StreamingConfiguration")?);
                put(&mut wanted, "DataRetentionInHours", retention_hours.map(Value::from));
                put(&mut wanted, "Disabled", disabled.map(Value::from));
                let targets: Vec<Value> = notified.iter().map(|each| each.written()).collect();
                put(&mut wanted, "StreamingNotificationTargets", given(&targets));
                let asked = connector.with("StreamingConfiguration", Value::Object(wanted));
                facts(api, "PutVoiceConnectorStreamingConfiguration", asked)
            }
            StreamingCommand::Delete(connector) => {
                connector.deleted(api, "DeleteVoiceConnectorStreamingConfiguration", "streaming")
            }
        }
    }
}

#[derive(clap::Subcommand)]
pub(crate) enum EmergencyCommand {
    /// Show the numbers.
    Show(Connector),
    /// Set the numbers.
    Set {
        #[command(flatten)]
        connector: Connector,
        /// A number that emergency calls go to: `NUMBER,COUNTRY[,TEST_NUMBER]`; may be given more than
        /// once.
        #[arg(long = "number", value_name = "NUMBER,COUNTRY", value_parser = dnis, required = true)]
        numbers: Vec<Value>,
    },
    /// Remove the numbers.
    Delete(Connector),
}

impl EmergencyCommand {
    pub(super) fn is_read(&self) -> bool {
        matches!(self, EmergencyCommand::Show(_))
    }

    pub(super) fn perform(&self, api: &mut dyn Asked) -> Result<Outcome, Failure> {
        match self {
            EmergencyCommand::Show(connector) => {
                facts(api, "GetVoiceConnectorEmergencyCallingConfiguration", connector.asked())
            }
            EmergencyCommand::Set { connector, numbers } => {
                let wanted = json!({ "DNIS": numbers });
                let asked = connector.with("EmergencyCallingConfiguration", wanted);
                facts(api, "PutVoiceConnectorEmergencyCallingConfiguration", asked)
            }
            EmergencyCommand::Delete(connector) => connector.deleted(
                api,
                "DeleteVoiceConnectorEmergencyCallingConfiguration",
                "numbers for emergency calls",
            ),
        }
    }
}
