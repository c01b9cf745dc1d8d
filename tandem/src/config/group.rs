//! `[[voice_connector_group]]`.

use super::reader::Table;
use super::value;
use directory::{GroupMember, VoiceConnectorGroup};
use model::VoiceConnectorId;

pub(super) fn read(mut table: Table<'_>) -> Option<VoiceConnectorGroup> {
    let id = table.required("id", "id = \"headquarters\"", value::shared_text);
    let name = table.optional("name", value::shared_text);
    let numbers = table.list("numbers", value::shared_text).unwrap_or_default();
    let members = table.tables("members", read_member);
    if members.is_empty() {
        table.warn_at("id", "the group has no members: calls to its numbers are refused");
    }
    table.finish();
    let id = id?;
    Some(VoiceConnectorGroup { name: name.unwrap_or_else(|| id.clone()), id, members, numbers })
}

fn read_member(mut table: Table<'_>) -> Option<GroupMember> {
    let example = "voice_connector = \"abcdef1ghij2klmno3pqr4\"";
    let voice_connector = table.required("voice_connector", example, |v| {
        VoiceConnectorId::new(value::text(v)?).map_err(|error| error.to_string())
    });
    let priority = table.or("priority", 1, value::integer);
    table.finish();
    Some(GroupMember { voice_connector: voice_connector?, priority })
}
