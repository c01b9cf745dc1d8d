//! Where phone numbers lead.

use super::numbers::{NUMBERS_MAX, NumberFault};
use super::{Writing, not_found, of_file};
use crate::error::{ApiError, ErrorKind};
use crate::state::{Association, FOR_VOICE_CONNECTORS, Group, Number};
use serde_json::Value;

impl Writing<'_, '_> {
    pub(super) fn associate_with_connector(&mut self) -> Result<Value, ApiError> {
        let (id, _) = self.connector()?;
        self.associate(Association::Connector(id))
    }

    pub(super) fn associate_with_group(&mut self) -> Result<Value, ApiError> {
        let id = self.group_of_path()?;
        self.associate(Association::Group(id))
    }

    pub(super) fn disassociate_from_connector(&mut self) -> Result<Value, ApiError> {
        let (id, _) = self.connector()?;
        self.disassociate(Association::Connector(id))
    }

    pub(super) fn disassociate_from_group(&mut self) -> Result<Value, ApiError> {
        let id = self.group_of_path()?;
        self.disassociate(Association::Group(id))
    }

    /// The group of the path, to be changed.
    fn group_of_path(&self) -> Result<String, ApiError> {
        let id = self.routed.member("VoiceConnectorGroupId").unwrap_or_default();
        match self.draft.get::<Group>(id) {
            Some(_) => Ok(id.to_owned()),
            None if self.catalogue.group(id).is_some() => {
                Err(of_file(&format!("voice connector group {id}")))
            }
            None => Err(not_found(format!("there is no voice connector group {id:?}"))),
        }
    }

    fn associate(&mut self, to: Association) -> Result<Value, ApiError> {
        let is_forced = self.member("ForceAssociate")?.unwrap_or(false);
        let numbers = self.numbers("E164PhoneNumbers", NUMBERS_MAX)?;
        let numbers = numbers.into_iter().map(|number| (number, ())).collect();
        Ok(self.each(numbers, |writing, e164, ()| writing.associate_one(e164, &to, is_forced)))
    }

    fn associate_one(
        &mut self,
        e164: &str,
        to: &Association,
        is_forced: bool,
    ) -> Result<(), NumberFault> {
        let mut number = self.live_number(e164)?.value;
        if number.product_type != FOR_VOICE_CONNECTORS {
            let message = format!(
                "phone number {e164} is for {}: change its ProductType first",
                number.product_type
            );
            return Err(NumberFault::new(ErrorKind::BadRequest, message));
        }
        if self.catalogue.has_trigger(e164) {
            let message = format!(
                "phone number {e164} leads to the applications of a SIP rule: delete the rule first"
            );
            return Err(NumberFault::new(ErrorKind::Conflict, message));
        }
        match &number.association {
            Some(before) if before == to => return Ok(()),
            Some(before) if !is_forced => {
                let (kind, id) = match before {
                    Association::Connector(id) => ("voice connector", id),
                    Association::Group(id) => ("voice connector group", id),
                };
                let message = format!(
                    "phone number {e164} is associated with {kind} {id}: disassociate it first, or \
                     ask with ForceAssociate"
                );
                let fault = NumberFault::new(ErrorKind::Conflict, message);
                return Err(NumberFault { code: "PhoneNumberAssociationsExist", ..fault });
            }
            _ => {}
        }
        number.association = Some(to.clone());
        number.associated_ms = Some(self.draft.now().as_millis());
        self.draft.put(e164, number);
        Ok(())
    }

    fn disassociate(&mut self, from: Association) -> Result<Value, ApiError> {
        let numbers = self.numbers("E164PhoneNumbers", NUMBERS_MAX)?;
        let numbers = numbers.into_iter().map(|number| (number, ())).collect();
        Ok(self.each(numbers, |writing, e164, ()| {
            // Also where the file has taken the number over: only the API's claim is given up.
            let stored = writing.draft.get::<Number>(e164).cloned();
            let mut number = stored.map_or_else(|| writing.live_number(e164), Ok)?.value;
            if number.association.as_ref() != Some(&from) {
                let message = format!("phone number {e164} is not associated with it");
                return Err(NumberFault::new(ErrorKind::NotFound, message));
            }
            number.association = None;
            number.associated_ms = None;
            writing.draft.put(e164, number);
            Ok(())
        }))
    }
}
