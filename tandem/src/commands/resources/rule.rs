//! `tandem rule`: SIP rules.

use super::shown::Column;
use super::value::rule_target;
use super::{How, Outcome, Resource, done, facts, list, members};
use crate::control_api::{Asked, Failure};
use serde_json::{Value, json};

/// SIP rules: which calls go to which SIP media application (`tandem application`).
#[derive(clap::Args)]
pub(crate) struct RuleArgs {
    #[command(flatten)]
    pub(crate) how: How,
    #[command(subcommand)]
    pub(crate) command: RuleCommand,
}

/// Which calls a rule takes.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Trigger {
    /// Calls to this number, in E.164.
    #[arg(long, value_name = "NUMBER")]
    to_number: Option<String>,
    /// Calls whose request URI has this host name.
    #[arg(long, value_name = "HOST")]
    request_host: Option<String>,
}

#[derive(clap::Subcommand)]
pub(crate) enum RuleCommand {
    /// List the rules.
    List {
        /// Only those that lead to this SIP media application.
        #[arg(long, value_name = "ID")]
        application: Option<String>,
    },
    /// One rule.
    Show {
        /// Its id.
        id: String,
    },
    /// Make a rule.
    Create {
        /// What it is called: letters, digits, spaces and _.-
        #[arg(long)]
        name: String,
        #[command(flatten)]
        trigger: Trigger,
        /// Where its calls go: `APPLICATION_ID[:PRIORITY[:REGION]]`, 1 first; may be given more than once.
        #[arg(long = "target", value_name = "TARGET", value_parser = rule_target, required = true)]
        targets: Vec<Value>,
        /// It takes no calls for now.
        #[arg(long)]
        disabled: bool,
    },
    /// Change a rule; what is not given stays.
    Update {
        /// Its id.
        id: String,
        /// What it is called from now on.
        #[arg(long)]
        name: Option<String>,
        /// Where its calls go: `APPLICATION_ID[:PRIORITY[:REGION]]`; may be given more than once, and
        /// replaces all that there are.
        #[arg(long = "target", value_name = "TARGET", value_parser = rule_target)]
        targets: Vec<Value>,
        /// Whether it takes no calls.
        #[arg(long, value_name = "true|false")]
        disabled: Option<bool>,
    },
    /// Delete a rule; it must be disabled before.
    Delete {
        /// Its id.
        id: String,
    },
}

const COLUMNS: &[Column] = &[
    Column("id", &["/SipRuleId"]),
    Column("name", &["/Name"]),
    Column("trigger", &["/TriggerType"]),
    Column("value", &["/TriggerValue"]),
    Column("disabled", &["/Disabled"]),
    Column("first target", &["/TargetApplications/0/SipMediaApplicationId"]),
];

impl Resource for RuleCommand {
    fn is_read(&self) -> bool {
        matches!(self, RuleCommand::List { .. } | RuleCommand::Show { .. })
    }

    fn listing(&self) -> &'static str {
        "tandem rule list"
    }

    fn perform(&self, api: &mut dyn Asked, _: bool) -> Result<Outcome, Failure> {
        match self {
            RuleCommand::List { application } => {
                let asked = json!({ "SipMediaApplicationId": application });
                list(api, "ListSipRules", asked, "SipRules", COLUMNS)
            }
            RuleCommand::Show { id } => facts(api, "GetSipRule", json!({ "SipRuleId": id })),
            RuleCommand::Create { name, trigger, targets, disabled } => {
                let (kind, value) = match &trigger.request_host {
                    Some(host) => ("RequestUriHostname", Some(host)),
                    None => ("ToPhoneNumber", trigger.to_number.as_ref()),
                };
                let asked = json!({
                    "Name": name,
                    "TriggerType": kind,
                    "TriggerValue": value,
                    "Disabled": disabled,
                    "TargetApplications": targets,
                });
                facts(api, "CreateSipRule", asked)
            }
            RuleCommand::Update { id, name, targets, disabled } => {
                let id = json!({ "SipRuleId": id });
                let now = api.ask("GetSipRule", &members(id.clone()))?.value;
                let now = &now["SipRule"];
                let mut asked = id;
                asked["Name"] = name.as_ref().map_or(now["Name"].clone(), |name| json!(name));
                asked["Disabled"] = disabled.map_or(now["Disabled"].clone(), Value::from);
                asked["TargetApplications"] = match targets.as_slice() {
                    [] => now["TargetApplications"].clone(),
                    targets => json!(targets),
                };
                facts(api, "UpdateSipRule", asked)
            }
            RuleCommand::Delete { id } => {
                let asked = json!({ "SipRuleId": id });
                done(api, "DeleteSipRule", asked, format!("rule {id} is deleted"))
            }
        }
    }
}
