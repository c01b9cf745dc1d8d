//! `tandem vc`: voice connectors.

use super::shown::{Column, Shown, facts as written_facts};
use super::value::tag;
use super::vc_part::{
    CredentialsCommand, EmergencyCommand, LoggingCommand, OriginationCommand, StreamingCommand,
    TerminationCommand,
};
use super::{How, Outcome, Resource, done, facts, list, members};
use crate::control_api::{Asked, Failure};
use serde_json::{Value, json};

/// Voice connectors, and what belongs to each.
#[derive(clap::Args)]
pub(crate) struct VcArgs {
    #[command(flatten)]
    pub(crate) how: How,
    #[command(subcommand)]
    pub(crate) command: VcCommand,
}

#[derive(clap::Subcommand)]
pub(crate) enum VcCommand {
    /// List the voice connectors.
    List,
    /// One voice connector, with its origination, termination and other settings; with --json itself
    /// alone.
    Show {
        /// Its id.
        id: String,
    },
    /// Make a voice connector.
    Create {
        /// What it is called: letters, digits, spaces and _.-
        #[arg(long)]
        name: String,
        /// Take and place its calls over TLS with SRTP alone.
        #[arg(long)]
        require_encryption: bool,
        /// A tag; may be given more than once.
        #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
        tags: Vec<Value>,
    },
    /// Change a voice connector; what is not given stays.
    Update {
        /// Its id.
        id: String,
        /// What it is called from now on.
        #[arg(long)]
        name: Option<String>,
        /// Whether its calls must be encrypted.
        #[arg(long, value_name = "true|false")]
        require_encryption: Option<bool>,
    },
    /// Delete a voice connector; its numbers must be disassociated before.
    Delete {
        /// Its id.
        id: String,
    },
    /// Where its inbound calls go (origination).
    Origination {
        #[command(subcommand)]
        command: OriginationCommand,
    },
    /// Who may place outbound calls, where to and how many (termination).
    Termination {
        #[command(subcommand)]
        command: TerminationCommand,
    },
    /// User names and passwords that outbound calls must prove.
    Credentials {
        #[command(subcommand)]
        command: CredentialsCommand,
    },
    /// Which logs are written of its calls.
    Logging {
        #[command(subcommand)]
        command: LoggingCommand,
    },
    /// Whether the audio of its calls is streamed.
    Streaming {
        #[command(subcommand)]
        command: StreamingCommand,
    },
    /// Which numbers its emergency calls go to.
    Emergency {
        #[command(subcommand)]
        command: EmergencyCommand,
    },
    /// When its systems were last heard of (OPTIONS).
    Health {
        /// Its id.
        id: String,
    },
}

const COLUMNS: &[Column] = &[
    Column("id", &["/VoiceConnectorId"]),
    Column("name", &["/Name"]),
    Column("encryption", &["/RequireEncryption"]),
    Column("host name for outbound calls", &["/OutboundHostName"]),
];

/// What `show` tells beside the connector itself.
const PARTS: [(&str, &str); 7] = [
    ("origination", "GetVoiceConnectorOrigination"),
    ("termination", "GetVoiceConnectorTermination"),
    ("credentials", "ListVoiceConnectorTerminationCredentials"),
    ("logging", "GetVoiceConnectorLoggingConfiguration"),
    ("streaming", "GetVoiceConnectorStreamingConfiguration"),
    ("emergency calls", "GetVoiceConnectorEmergencyCallingConfiguration"),
    ("external systems", "GetVoiceConnectorExternalSystemsConfiguration"),
];

impl Resource for VcCommand {
    fn is_read(&self) -> bool {
        match self {
            VcCommand::List | VcCommand::Show { .. } | VcCommand::Health { .. } => true,
            VcCommand::Create { .. } | VcCommand::Update { .. } | VcCommand::Delete { .. } => false,
            VcCommand::Origination { command } => command.is_read(),
            VcCommand::Termination { command } => command.is_read(),
            VcCommand::Credentials { command } => command.is_read(),
            VcCommand::Logging { command } => command.is_read(),
            VcCommand::Streaming { command } => command.is_read(),
            VcCommand::Emergency { command } => command.is_read(),
        }
    }

    fn listing(&self) -> &'static str {
        "tandem vc list"
    }

    fn perform(&self, api: &mut dyn Asked, brief: bool) -> Result<Outcome, Failure> {
        match self {
            VcCommand::List => {
                list(api, "ListVoiceConnectors", json!({}), "VoiceConnectors", COLUMNS)
            }
            VcCommand::Show { id } if brief => {
                facts(api, "GetVoiceConnector", json!({ "VoiceConnectorId": id }))
            }
            VcCommand::Show { id } => show(api, id),
            VcCommand::Create { name, require_encryption, tags } => {
                let tags = (!tags.is_empty()).then_some(tags);
                let asked = json!({
                    "Name": name, "RequireEncryption": require_encryption, "Tags": tags,
                });
                facts(api, "CreateVoiceConnector", asked)
            }
            VcCommand::Update { id, name, require_encryption } => {
                let id = json!({ "VoiceConnectorId": id });
                let now = api.ask("GetVoiceConnector", &members(id.clone()))?.value;
                let now = &now["VoiceConnector"];
                let mut asked = id;
                asked["Name"] = name.as_ref().map_or(now["Name"].clone(), |name| json!(name));
                asked["RequireEncryption"] =
                    require_encryption.map_or(now["RequireEncryption"].clone(), Value::from);
                facts(api, "UpdateVoiceConnector", asked)
            }
            VcCommand::Delete { id } => {
                let asked = json!({ "VoiceConnectorId": id });
                done(api, "DeleteVoiceConnector", asked, format!("voice connector {id} is deleted"))
            }
            VcCommand::Origination { command } => command.perform(api),
            VcCommand::Termination { command } => command.perform(api),
            VcCommand::Credentials { command } => command.perform(api),
            VcCommand::Logging { command } => command.perform(api),
            VcCommand::Streaming { command } => command.perform(api),
            VcCommand::Emergency { command } => command.perform(api),
            VcCommand::Health { id } => {
                facts(api, "GetVoiceConnectorTerminationHealth", json!({ "VoiceConnectorId": id }))
            }
        }
    }
}

fn show(api: &mut dyn Asked, id: &str) -> Result<Outcome, Failure> {
    let asked = members(json!({ "VoiceConnectorId": id }));
    let reply = api.ask("GetVoiceConnector", &asked)?;
    let mut text = written_facts(&reply.value);
    for (title, operation) in PARTS {
        let part = match api.ask(operation, &asked) {
            Ok(part) => written_facts(&part.value),
            // It has none, or this version serves none.
            Err(Failure::Refused { exception, .. })
                if matches!(exception.as_str(), "NotFoundException" | "ForbiddenException") =>
            {
                continue;
            }
            Err(other) => return Err(other),
        };
        text.push_str(&format!("\n\n{title}"));
        for line in part.lines() {
            text.push_str("\n  ");
            text.push_str(line);
        }
    }
    Ok(Outcome { reply, shown: Shown::Written(text) })
}
