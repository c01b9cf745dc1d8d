//! Voice connectors and their origination.

use super::{Writing, bad_request};
use crate::error::{ApiError, ErrorKind};
use crate::state::{Association, Group};
use crate::state::{Connector, Credentials, Number, Origination, Protocol};
use directory::Host;
use serde_json::{Value, json};

/// What ids of voice connectors are drawn from.
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

impl Writing<'_, '_> {
    pub(super) fn create_voice_connector(&mut self) -> Result<Value, ApiError> {
        let region: Option<String> = self.member("AwsRegion")?;
        let record = Connector {
            name: self.name()?,
            require_encryption: self.required("RequireEncryption")?,
            aws_region: region.unwrap_or_else(|| self.settings.region.clone()),
            network_type: self.member("NetworkType")?.unwrap_or_else(|| "IPV4_ONLY".to_owned()),
            integration_type: self.member("IntegrationType")?,
            origination: None,
            termination: None,
            streaming: None,
            logging: None,
            emergency: None,
            external_systems: None,
        };
        self.check_region(&record.aws_region)?;
        let id = connector_id(self.draw()?);
        self.keep_tags(&self.settings.arn("vc", &id))?;
        self.draft.put(&id, record);
        self.told(&id)
    }

    pub(super) fn update_voice_connector(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        stored.value.name = self.name()?;
        stored.value.require_encryption = self.required("RequireEncryption")?;
        if let Some(origination) = &stored.value.origination {
            check_origination(origination, stored.value.require_encryption)?;
        }
        self.draft.put(&id, stored.value);
        self.told(&id)
    }

    pub(super) fn delete_voice_connector(&mut self) -> Result<Value, ApiError> {
        let (id, _) = self.connector()?;
        let leads_here = |association: &Option<Association>| matches!(association, Some(Association::Connector(to)) if *to == id);
        if self.draft.all::<Number>().values().any(|each| leads_here(&each.value.association)) {
            return Err(ApiError::new(
                ErrorKind::Conflict,
                format!("voice connector {id} has phone numbers: disassociate them first"),
            ));
        }
        let is_member = |group: &Group| {
            group.voice_connector_items.iter().any(|item| item.voice_connector_id == id)
        };
        let mut of_api = self.draft.all::<Group>().iter();
        let of_api = of_api.find(|(_, stored)| is_member(&stored.value)).map(|(id, _)| id.clone());
        let of_file =
            self.catalogue.groups.iter().find(|group| {
                group.members.iter().any(|member| member.voice_connector.as_str() == id)
            });
        if let Some(group) = of_api.or_else(|| of_file.map(|group| group.id.to_string())) {
            return Err(ApiError::new(
                ErrorKind::Conflict,
                format!("voice connector {id} is in group {group}: take it out first"),
            ));
        }
        self.remove_proxy(&id);
        self.draft.remove::<Connector>(&id);
        self.draft.remove::<Credentials>(&id);
        self.drop_tags("vc", &id);
        Ok(Value::Null)
    }

    pub(super) fn put_origination(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        let origination: Origination = self.required("Origination")?;
        check_origination(&origination, stored.value.require_encryption)?;
        let told = json!({ "Origination": origination });
        stored.value.origination = Some(origination);
        self.draft.put(&id, stored.value);
        Ok(told)
    }

    pub(super) fn delete_origination(&mut self) -> Result<Value, ApiError> {
        let (id, mut stored) = self.connector()?;
        self.refuse_in_emergency(&id, &stored.value, "origination")?;
        stored.value.origination = None;
        self.draft.put(&id, stored.value);
        Ok(Value::Null)
    }

    /// Origination and termination stay while emergency calling needs them, as at AWS.
    pub(super) fn refuse_in_emergency(
        &self,
        id: &str,
        record: &Connector,
        what: &str,
    ) -> Result<(), ApiError> {
        match record.emergency {
            None => Ok(()),
            Some(_) => Err(ApiError::new(
                ErrorKind::Conflict,
                format!(
                    "voice connector {id} has emergency calling, which needs its {what}: delete the \
                     emergency calling configuration first"
                ),
            )),
        }
    }

    fn told(&self, id: &str) -> Result<Value, ApiError> {
        let written = self.draft.get::<Connector>(id).map(|stored| {
            crate::reads::written_connector(self.settings, self.catalogue.domain(), id, stored)
        });
        Ok(json!({ "VoiceConnector": written }))
    }
}

/// 22 characters of 36 are 113 bits.
fn connector_id(mut random: u128) -> String {
    let mut id = String::with_capacity(22);
    for _ in 0..22 {
        id.push(char::from(LETTERS[(random % 36) as usize]));
        random /= 36;
    }
    id
}

fn check_origination(origination: &Origination, is_encrypted: bool) -> Result<(), ApiError> {
    let most = directory::limits::ORIGINATION_ROUTES;
    if origination.routes.len() > most {
        return Err(bad_request(format!("Origination.Routes: at most {most} routes are allowed")));
    }
    for (n, route) in origination.routes.iter().enumerate() {
        let refuse = |member: &str, why: &str| {
            Err(bad_request(format!("Origination.Routes[{n}].{member}: {why}")))
        };
        if Host::parse(&route.host).is_err() {
            return refuse("Host", "is neither an address nor a domain name");
        }
        for (member, value) in [("Priority", route.priority), ("Weight", route.weight)] {
            if !directory::limits::PRIORITY_AND_WEIGHT.contains(&value) {
                return refuse(member, "must be 1 to 100");
            }
        }
        if is_encrypted && route.protocol == Protocol::Udp {
            return refuse(
                "Protocol",
                "must be TCP, which means TLS where the voice connector requires encryption",
            );
        }
    }
    Ok(())
}
