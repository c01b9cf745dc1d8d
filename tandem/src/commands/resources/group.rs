//! `tandem group`: groups of voice connectors.

use super::shown::Column;
use super::value::group_member;
use super::{How, Outcome, Resource, done, facts, list, members};
use crate::control_api::{Asked, Failure};
use serde_json::{Value, json};

/// Groups of voice connectors, which share numbers.
#[derive(clap::Args)]
pub(crate) struct GroupArgs {
    #[command(flatten)]
    pub(crate) how: How,
    #[command(subcommand)]
    pub(crate) command: GroupCommand,
}

/// How calls are spread over the members.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Distribution {
    /// By priority, and by weight within one.
    Priority,
    /// Evenly.
    Balanced,
}

impl Distribution {
    fn written(self) -> &'static str {
        match self {
            Distribution::Priority => "PriorityWeightedDistribution",
            Distribution::Balanced => "LoadBalancedDistribution",
        }
    }
}

#[derive(clap::Subcommand)]
pub(crate) enum GroupCommand {
    /// List the groups.
    List,
    /// One group.
    Show {
        /// Its id.
        id: String,
    },
    /// Make a group.
    Create {
        /// What it is called: letters, digits, spaces and _.-
        #[arg(long)]
        name: String,
        /// A member: `VOICE_CONNECTOR_ID[:PRIORITY]`, 1 (first) to 99; may be given more than once.
        #[arg(long = "member", value_name = "MEMBER", value_parser = group_member)]
        members: Vec<Value>,
        /// How calls are spread over them.
        #[arg(long, value_enum)]
        distribution: Option<Distribution>,
    },
    /// Change a group; what is not given stays.
    Update {
        /// Its id.
        id: String,
        /// What it is called from now on.
        #[arg(long)]
        name: Option<String>,
        /// A member: `VOICE_CONNECTOR_ID[:PRIORITY]`; may be given more than once, and replaces all that
        /// there are.
        #[arg(long = "member", value_name = "MEMBER", value_parser = group_member)]
        members: Vec<Value>,
        /// How calls are spread over them.
        #[arg(long, value_enum)]
        distribution: Option<Distribution>,
    },
    /// Delete a group; its numbers must be disassociated before.
    Delete {
        /// Its id.
        id: String,
    },
}

const COLUMNS: &[Column] = &[
    Column("id", &["/VoiceConnectorGroupId"]),
    Column("name", &["/Name"]),
    Column("distribution", &["/CallDistributionType"]),
    Column("first member", &["/VoiceConnectorItems/0/VoiceConnectorId"]),
];

impl Resource for GroupCommand {
    fn is_read(&self) -> bool {
        matches!(self, GroupCommand::List | GroupCommand::Show { .. })
    }

    fn listing(&self) -> &'static str {
        "tandem group list"
    }

    fn perform(&self, api: &mut dyn Asked, _: bool) -> Result<Outcome, Failure> {
        match self {
            GroupCommand::List => {
                list(api, "ListVoiceConnectorGroups", json!({}), "VoiceConnectorGroups", COLUMNS)
            }
            GroupCommand::Show { id } => {
                facts(api, "GetVoiceConnectorGroup", json!({ "VoiceConnectorGroupId": id }))
            }
            GroupCommand::Create { name, members, distribution } => {
                let asked = json!({
                    "Name": name,
                    "VoiceConnectorItems": members,
                    "CallDistributionType": distribution.map(Distribution::written),
                });
                facts(api, "CreateVoiceConnectorGroup", asked)
            }
            GroupCommand::Update { id, name, members: wanted, distribution } => {
                let id = json!({ "VoiceConnectorGroupId": id });
                let now = api.ask("GetVoiceConnectorGroup", &members(id.clone()))?.value;
                let now = &now["VoiceConnectorGroup"];
                let mut asked = id;
                asked["Name"] = name.as_ref().map_or(now["Name"].clone(), |name| json!(name));
                asked["VoiceConnectorItems"] = match wanted.as_slice() {
                    [] => now["VoiceConnectorItems"].clone(),
                    wanted => json!(wanted),
                };
                asked["CallDistributionType"] = json!(distribution.map(Distribution::written));
                facts(api, "UpdateVoiceConnectorGroup", asked)
            }
            GroupCommand::Delete { id } => {
                let asked = json!({ "VoiceConnectorGroupId": id });
                done(api, "DeleteVoiceConnectorGroup", asked, format!("group {id} is deleted"))
            }
        }
    }
}
