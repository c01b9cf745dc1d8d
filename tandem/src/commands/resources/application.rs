//! `tandem application`: SIP media applications.

use super::shown::Column;
use super::value::{pair, tag};
use super::{How, Outcome, Resource, done, facts, list};
use crate::control_api::{Asked, Failure};
use serde_json::{Map, Value, json};

/// SIP media applications: programs that steer calls. Rules (`tandem rule`) lead calls to them.
#[derive(clap::Args)]
pub(crate) struct ApplicationArgs {
    #[command(flatten)]
    pub(crate) how: How,
    #[command(subcommand)]
    pub(crate) command: ApplicationCommand,
}

#[derive(clap::Subcommand)]
pub(crate) enum ApplicationCommand {
    /// List the applications.
    List,
    /// One application.
    Show {
        /// Its id.
        id: String,
    },
    /// Make an application.
    Create {
        /// What it is called: letters, digits, spaces and _.-
        #[arg(long)]
        name: String,
        /// Its endpoint: an https address, or the ARN of a Lambda function.
        #[arg(long, value_name = "ADDRESS")]
        endpoint: String,
        /// Its region, such as us-east-1.
        #[arg(long)]
        region: String,
        /// A tag; may be given more than once.
        #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
        tags: Vec<Value>,
    },
    /// Change an application; what is not given stays.
    Update {
        /// Its id.
        id: String,
        /// What it is called from now on.
        #[arg(long)]
        name: Option<String>,
        /// Its endpoint from now on.
        #[arg(long, value_name = "ADDRESS")]
        endpoint: Option<String>,
    },
    /// Delete an application; no rule may lead to it.
    Delete {
        /// Its id.
        id: String,
    },
    /// Show whether its messages are logged, or choose it.
    Logging {
        /// Its id.
        id: String,
        /// Whether what it is asked and answers is logged.
        #[arg(long, value_name = "true|false")]
        messages: Option<bool>,
    },
    /// Place a call that it steers.
    Call {
        /// Its id.
        id: String,
        /// Who calls, in E.164.
        #[arg(long, value_name = "NUMBER")]
        from: String,
        /// Who is called, in E.164.
        #[arg(long, value_name = "NUMBER")]
        to: String,
        /// An argument that it is given; may be given more than once.
        #[arg(long = "argument", value_name = "NAME=VALUE", value_parser = pair)]
        arguments: Vec<(String, String)>,
        /// A SIP header of the call; may be given more than once.
        #[arg(long = "header", value_name = "NAME=VALUE", value_parser = pair)]
        headers: Vec<(String, String)>,
    },
    /// Send new arguments to the application for a call that it steers.
    Steer {
        /// Its id.
        id: String,
        /// The transaction id of the call.
        transaction_id: String,
        /// An argument that it is given; may be given more than once.
        #[arg(long = "argument", value_name = "NAME=VALUE", value_parser = pair, required = true)]
        arguments: Vec<(String, String)>,
    },
}

const COLUMNS: &[Column] = &[
    Column("id", &["/SipMediaApplicationId"]),
    Column("name", &["/Name"]),
    Column("region", &["/AwsRegion"]),
    Column("endpoint", &["/Endpoints/0/LambdaArn"]),
];

impl Resource for ApplicationCommand {
    fn is_read(&self) -> bool {
        use ApplicationCommand::{List, Logging, Show};
        matches!(self, List | Show { .. } | Logging { messages: None, .. })
    }

    fn listing(&self) -> &'static str {
        "tandem application list"
    }

    fn perform(&self, api: &mut dyn Asked, _: bool) -> Result<Outcome, Failure> {
        let of = |id: &str| json!({ "SipMediaApplicationId": id });
        match self {
            ApplicationCommand::List => {
                list(api, "ListSipMediaApplications", json!({}), "SipMediaApplications", COLUMNS)
            }
            ApplicationCommand::Show { id } => facts(api, "GetSipMediaApplication", of(id)),
            ApplicationCommand::Create { name, endpoint, region, tags } => {
                let asked = json!({
                    "Name": name,
                    "AwsRegion": region,
                    "Endpoints": [{ "LambdaArn": endpoint }],
                    "Tags": (!tags.is_empty()).then_some(tags),
                });
                facts(api, "CreateSipMediaApplication", asked)
            }
            ApplicationCommand::Update { id, name, endpoint } => {
                let mut asked = of(id);
                asked["Name"] = json!(name);
                asked["Endpoints"] =
                    json!(endpoint.as_ref().map(|endpoint| [json!({ "LambdaArn": endpoint })]));
                facts(api, "UpdateSipMediaApplication", asked)
            }
            ApplicationCommand::Delete { id } => {
                let text = format!("application {id} is deleted");
                done(api, "DeleteSipMediaApplication", of(id), text)
            }
            ApplicationCommand::Logging { id, messages: None } => {
                facts(api, "GetSipMediaApplicationLoggingConfiguration", of(id))
            }
            ApplicationCommand::Logging { id, messages: Some(messages) } => {
                let mut asked = of(id);
                asked["SipMediaApplicationLoggingConfiguration"] =
                    json!({ "EnableSipMediaApplicationMessageLogs": messages });
                facts(api, "PutSipMediaApplicationLoggingConfiguration", asked)
            }
            ApplicationCommand::Call { id, from, to, arguments, headers } => {
                let mut asked = of(id);
                asked["FromPhoneNumber"] = json!(from);
                asked["ToPhoneNumber"] = json!(to);
                asked["ArgumentsMap"] = map(arguments);
                asked["SipHeaders"] = map(headers);
                facts(api, "CreateSipMediaApplicationCall", asked)
            }
            ApplicationCommand::Steer { id, transaction_id, arguments } => {
                let mut asked = of(id);
                asked["TransactionId"] = json!(transaction_id);
                asked["Arguments"] = map(arguments);
                facts(api, "UpdateSipMediaApplicationCall", asked)
            }
        }
    }
}

/// Nothing when nothing was given.
fn map(pairs: &[(String, String)]) -> Value {
    let map: Map<String, Value> =
        pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}
