//! Voice connector groups.

use super::{Writing, bad_request, conflict, not_found, of_file, refused};
use crate::error::{ApiError, ErrorKind};
use crate::state::{Association, Connector, Group, GroupItem, Number, Stored};
use directory::limits;
use serde_json::{Value, json};
use std::collections::HashSet;

impl Writing<'_, '_> {
    pub(super) fn create_group(&mut self) -> Result<Value, ApiError> {
        let items: Vec<GroupItem> = self.member("VoiceConnectorItems")?.unwrap_or_default();
        if items.len() > limits::GROUP_MEMBERS {
            let most = limits::GROUP_MEMBERS;
            return Err(ApiError::new(
                ErrorKind::ResourceLimitExceeded,
                format!("VoiceConnectorItems: a group has at most {most} voice connectors"),
            ));
        }
        self.check_items(&items)?;
        let group = Group {
            name: self.name()?,
            voice_connector_items: items,
            call_distribution_type: self.distribution()?,
        };
        let id = self.uuid()?;
        self.draft.put(&id, group);
        self.told_group(&id)
    }

    pub(super) fn update_group(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.group()?;
        // An empty list empties the group: Terraform sends one before it deletes.
        let items: Vec<GroupItem> = self.required("VoiceConnectorItems")?;
        self.check_items(&items)?;
        stored.value.name = self.name()?;
        stored.value.voice_connector_items = items;
        if let Some(given) = self.distribution()? {
            stored.value.call_distribution_type = Some(given);
        }
        self.draft.put(&id, stored.value);
        self.told_group(&id)
    }

    pub(super) fn delete_group(&mut self) -> Result<Value, ApiError> {
        let (id, stored) = self.group()?;
        if !stored.value.voice_connector_items.is_empty() {
            return Err(conflict(format!(
                "group {id} has voice connectors: update it with an empty list of them first"
            )));
        }
        let leads_here = |association: &Option<Association>| matches!(association, Some(Association::Group(to)) if *to == id);
        if self.draft.all::<Number>().values().any(|each| leads_here(&each.value.association)) {
            return Err(conflict(format!("group {id} has phone numbers: disassociate them first")));
        }
        self.draft.remove::<Group>(&id);
        self.drop_tags("vcg", &id);
        Ok(Value::Null)
    }

    /// The group of the path, to be changed.
    fn group(&self) -> Result<(String, Stored<Group>), ApiError> {
        let id = self.routed.member("VoiceConnectorGroupId").unwrap_or_default();
        match self.draft.get::<Group>(id) {
            Some(stored) => Ok((id.to_owned(), stored.clone())),
            None if self.catalogue.group(id).is_some() => {
                Err(of_file(&format!("voice connector group {id}")))
            }
            None => Err(not_found(format!("there is no voice connector group {id:?}"))),
        }
    }

    fn check_items(&self, items: &[GroupItem]) -> Result<(), ApiError> {
        let most = limits::GROUP_MEMBERS;
        if items.len() > most {
            return Err(bad_request(format!(
                "VoiceConnectorItems: a group has at most {most} voice connectors"
            )));
        }
        let mut seen = HashSet::new();
        for (n, item) in items.iter().enumerate() {
            let (id, at) = (&item.voice_connector_id, format!("VoiceConnectorItems[{n}]"));
            if !limits::GROUP_PRIORITY.contains(&item.priority) {
                return Err(bad_request(format!("{at}.Priority: must be 1 to 99")));
            }
            if !seen.insert(id) {
                return Err(bad_request(format!("{at}.VoiceConnectorId: {id} is given twice")));
            }
            let is_known =
                self.draft.get::<Connector>(id).is_some() || self.catalogue.connector(id).is_some();
            if !is_known {
                let message = format!("{at}.VoiceConnectorId: there is no voice connector {id:?}");
                return Err(not_found(message));
            }
        }
        Ok(())
    }

    fn distribution(&self) -> Result<Option<String>, ApiError> {
        let given: Option<String> = self.member("CallDistributionType")?;
        match given.as_deref() {
            None | Some(Group::BY_PRIORITY) => Ok(given),
            Some("LoadBalancedDistribution") => Err(refused(format!(
                "CallDistributionType: Tandem tries a group's voice connectors by priority; use {}",
                Group::BY_PRIORITY
            ))),
            Some(other) => Err(bad_request(format!("CallDistributionType: {other:?} is unknown"))),
        }
    }

    fn told_group(&self, id: &str) -> Result<Value, ApiError> {
        let written = self.draft.get::<Group>(id);
        let written = written.map(|stored| crate::reads::written_group(self.settings, id, stored));
        Ok(json!({ "VoiceConnectorGroup": written }))
    }
}
