//! What speaks against an import, and how it is done: whole or not at all.

use control_api::State;
use control_api::state::{Association, Connector, Credentials, Group, Kind, Number, Row};
use directory::{Resources, Snapshot};
use std::collections::BTreeSet;

/// Conflicts that are named; the rest are counted.
const NAMED_MAX: usize = 20;

/// Files of the first version have tags under ARNs, with the names of the node that wrote them: they
/// are kept under kind and id. Tags of another node's resources were nobody's.
pub(super) fn tags_by_resource(rows: &mut Vec<Row>, region: &str, account_id: &str) {
    let prefix = format!("arn:aws:chime:{region}:{account_id}:");
    for row in rows.iter_mut().filter(|row| row.kind == Kind::Tags) {
        if let Some(rest) = row.id.strip_prefix(&prefix) {
            row.id = rest.to_owned();
        }
    }
    rows.retain(|row| row.kind != Kind::Tags || !row.id.starts_with("arn:"));
}

/// Checks that `rows` can be put beside those that are `there` already and the `file`'s resources.
///
/// # Errors
/// Everything that speaks against it, in words.
pub(super) fn check(rows: &[Row], there: &[Row], file: &Resources) -> Result<(), Vec<String>> {
    let mut against = Vec::new();
    let mut seen: BTreeSet<(Kind, &str)> = there.iter().map(|row| (row.kind, &*row.id)).collect();
    let mut again = Vec::new();
    for row in rows {
        if !seen.insert((row.kind, &row.id)) {
            again.push(format!("{} {} is there already", row.kind.name(), row.id));
        }
    }
    name_some(again, &mut against);
    let load = |rows: Vec<Row>| State::load(rows);
    let bad = |bad: control_api::state::BadRow| {
        vec![format!("{} {}: {}", bad.kind.name(), bad.id, bad.why)]
    };
    let before = load(there.to_vec()).map_err(bad)?;
    let after = load(there.iter().chain(rows).cloned().collect()).map_err(bad)?;
    let mut dangling = Vec::new();
    for row in rows {
        dangling.extend(leads_nowhere(row, &after, file));
    }
    name_some(dangling, &mut against);
    let (_, hidden) = file.clone().with_made(before.resources());
    let (merged, left_out) = file.clone().with_made(after.resources());
    let new = left_out.into_iter().filter(|what| !hidden.contains(what));
    name_some(
        new.map(|what| format!("{what} is in the configuration file too")).collect(),
        &mut against,
    );
    if against.is_empty()
        && let Err(problems) = Snapshot::build(merged)
    {
        name_some(problems.iter().map(ToString::to_string).collect(), &mut against);
    }
    if against.is_empty() { Ok(()) } else { Err(against) }
}

/// What a row needs and nobody has.
fn leads_nowhere(row: &Row, state: &State, file: &Resources) -> Option<String> {
    let is_connector = |id: &str| {
        state.get::<Connector>(id).is_some()
            || file.voice_connectors.iter().any(|each| each.id.as_str() == id)
    };
    let is_group = |id: &str| {
        state.get::<Group>(id).is_some() || file.groups.iter().any(|each| *each.id == *id)
    };
    let needed = if row.kind == Kind::Credentials {
        state.get::<Credentials>(&row.id)?;
        (!is_connector(&row.id)).then(|| format!("voice connector {}", row.id))
    } else if row.kind == Kind::Number {
        match &state.get::<Number>(&row.id)?.value.association {
            Some(Association::Connector(id)) if !is_connector(id) => {
                Some(format!("voice connector {id}"))
            }
            Some(Association::Group(id)) if !is_group(id) => Some(format!("group {id}")),
            _ => None,
        }
    } else {
        None
    };
    needed.map(|what| format!("{} {} belongs to {what}, which is nowhere", row.kind.name(), row.id))
}

fn name_some(all: Vec<String>, into: &mut Vec<String>) {
    let more = all.len().saturating_sub(NAMED_MAX);
    into.extend(all.into_iter().take(NAMED_MAX));
    if more > 0 {
        into.push(format!("and {more} more"));
    }
}
