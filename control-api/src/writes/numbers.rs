//! Phone numbers of the inventory: names, what they are for, the deletion queue.

use super::{Writing, bad_request, not_found, of_file};
use crate::error::{ApiError, ErrorKind};
use crate::state::{CALLING_NAME_MS, FOR_VOICE_CONNECTORS, Number, NumberSettings, Stored};
use directory::parse_e164;
use model::UnixTime;
use serde_json::{Value, json};

/// Most numbers of one request, where AWS names no limit.
pub(super) const NUMBERS_MAX: usize = 1_000;

/// Why one number of several was left as it is: the model's ErrorCode, and words.
pub(super) struct NumberFault {
    pub(super) code: &'static str,
    pub(super) kind: ErrorKind,
    pub(super) message: String,
}

impl NumberFault {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        NumberFault { code: kind.code(), kind, message: message.into() }
    }
}

impl From<NumberFault> for ApiError {
    fn from(fault: NumberFault) -> ApiError {
        ApiError::new(fault.kind, fault.message)
    }
}

impl Writing<'_, '_> {
    /// A number of the inventory, to be changed; also one of the deletion queue.
    pub(super) fn number(&self, e164: &str) -> Result<Stored<Number>, NumberFault> {
        if self.catalogue.number(e164).is_some() {
            let ApiError { kind, message } = of_file(&format!("phone number {e164}"));
            return Err(NumberFault::new(kind, message));
        }
        let stored = self.draft.get::<Number>(e164);
        let there = stored.filter(|stored| !stored.value.is_gone(self.draft.now()));
        there.cloned().ok_or_else(|| {
            NumberFault::new(ErrorKind::NotFound, format!("there is no phone number {e164:?}"))
        })
    }

    /// A number that is not in the deletion queue.
    pub(super) fn live_number(&self, e164: &str) -> Result<Stored<Number>, NumberFault> {
        let stored = self.number(e164)?;
        match stored.value.deleted_ms {
            None => Ok(stored),
            Some(_) => Err(NumberFault::new(
                ErrorKind::NotFound,
                format!("phone number {e164} is in the deletion queue: restore it first"),
            )),
        }
    }

    /// Numbers of a request, each with `+`; one that is none is a fault of its own later.
    pub(super) fn numbers(&self, member: &str, limit: usize) -> Result<Vec<String>, ApiError> {
        let numbers: Vec<String> = self.required(member)?;
        if numbers.is_empty() || numbers.len() > limit {
            return Err(bad_request(format!("{member}: must be 1 to {limit} numbers")));
        }
        Ok(numbers.into_iter().map(|number| with_plus(&number)).collect())
    }

    /// Does something to each number; what is wrong with one leaves the others alone, as at AWS.
    pub(super) fn each<T>(
        &mut self,
        numbers: Vec<(String, T)>,
        mut act: impl FnMut(&mut Self, &str, T) -> Result<(), NumberFault>,
    ) -> Value {
        let mut errors = Vec::new();
        for (number, with) in numbers {
            if let Err(fault) = act(self, &number, with) {
                errors.push(json!({
                    "PhoneNumberId": number,
                    "ErrorCode": fault.code,
                    "ErrorMessage": fault.message,
                }));
            }
        }
        json!({ "PhoneNumberErrors": errors })
    }

    fn id(&self) -> String {
        with_plus(self.routed.member("PhoneNumberId").unwrap_or_default())
    }

    fn told_number(&self, id: &str) -> Value {
        let stored = self.draft.get::<Number>(id);
        let written = stored.map(|stored| crate::reads::written_number(self.settings, id, stored));
        json!({ "PhoneNumber": written })
    }

    pub(super) fn update_number(&mut self) -> Result<Value, ApiError> {
        let (id, input) = (self.id(), self.input.clone());
        self.update_one(&id, &input)?;
        Ok(self.told_number(&id))
    }

    pub(super) fn batch_update_numbers(&mut self) -> Result<Value, ApiError> {
        let items: Vec<Value> = self.required("UpdatePhoneNumberRequestItems")?;
        if items.is_empty() || items.len() > NUMBERS_MAX {
            let message =
                format!("UpdatePhoneNumberRequestItems: must be 1 to {NUMBERS_MAX} items");
            return Err(bad_request(message));
        }
        let mut numbers = Vec::with_capacity(items.len());
        for (n, item) in items.into_iter().enumerate() {
            let id = item.get("PhoneNumberId").and_then(Value::as_str).ok_or_else(|| {
                let item = format!("UpdatePhoneNumberRequestItems[{n}]");
                bad_request(format!("{item}.PhoneNumberId: is missing"))
            })?;
            numbers.push((with_plus(id), item));
        }
        Ok(self.each(numbers, |writing, id, item| writing.update_one(id, &item)))
    }

    fn update_one(&mut self, id: &str, item: &Value) -> Result<(), NumberFault> {
        let bad = |message: String| NumberFault::new(ErrorKind::BadRequest, message);
        let mut number = self.live_number(id)?.value;
        let mut given = Vec::new();
        for member in ["ProductType", "CallingName", "Name"] {
            match item.get(member) {
                None | Some(Value::Null) => {}
                Some(Value::String(text)) => given.push((member, text.clone())),
                Some(_) => return Err(bad(format!("{member}: must be a text"))),
            }
        }
        let [(member, text)] = <[_; 1]>::try_from(given).map_err(|given| {
            let count = given.len();
            bad(format!("one of ProductType, CallingName and Name at a time, not {count}"))
        })?;
        match member {
            "ProductType" => change_product(id, &mut number, text)?,
            "CallingName" => {
                change_calling_name(id, &mut number, text, self.draft.now())?;
            }
            _ => {
                check_name(&text).map_err(bad)?;
                number.name = Some(text).filter(|text| !text.is_empty());
            }
        }
        self.draft.put(id, number);
        Ok(())
    }

    pub(super) fn delete_number(&mut self) -> Result<Value, ApiError> {
        let id = self.id();
        self.delete_one(&id)?;
        self.purge();
        Ok(Value::Null)
    }

    pub(super) fn batch_delete_numbers(&mut self) -> Result<Value, ApiError> {
        let numbers = self.numbers("PhoneNumberIds", NUMBERS_MAX)?;
        let numbers = numbers.into_iter().map(|number| (number, ())).collect();
        let told = self.each(numbers, |writing, id, ()| writing.delete_one(id));
        self.purge();
        Ok(told)
    }

    fn delete_one(&mut self, id: &str) -> Result<(), NumberFault> {
        let mut number = self.number(id)?.value;
        if number.association.is_some() {
            let message = format!("phone number {id} is associated: disassociate it first");
            let fault = NumberFault::new(ErrorKind::Forbidden, message);
            return Err(NumberFault { code: "PhoneNumberAssociationsExist", ..fault });
        }
        // Deleting once more does not begin the days anew.
        if number.deleted_ms.is_none() {
            number.deleted_ms = Some(self.draft.now().as_millis());
            self.draft.put(id, number);
        }
        Ok(())
    }

    pub(super) fn restore_number(&mut self) -> Result<Value, ApiError> {
        let id = self.id();
        let mut number = self.number(&id)?.value;
        if number.deleted_ms.take().is_none() {
            return Err(not_found(format!("phone number {id} is not in the deletion queue")));
        }
        self.draft.put(&id, number);
        Ok(self.told_number(&id))
    }

    /// Takes out what has been in the deletion queue for its time; reads do not show it any more.
    pub(super) fn purge(&mut self) {
        let now = self.draft.now();
        let gone =
            self.draft.all::<Number>().iter().filter(|(_, stored)| stored.value.is_gone(now));
        let gone: Vec<String> = gone.map(|(id, _)| id.clone()).collect();
        for id in gone {
            self.forget(&id);
        }
    }

    /// Takes out a number and its tags.
    pub(super) fn forget(&mut self, id: &str) {
        self.draft.remove::<Number>(id);
        self.drop_tags("phone-number", id);
    }

    pub(super) fn update_number_settings(&mut self) -> Result<Value, ApiError> {
        let name: String = self.required("CallingName")?;
        check_calling_name(&name).map_err(bad_request)?;
        let before = self.draft.get::<NumberSettings>(NumberSettings::ID);
        let before = before.map(|stored| stored.value.calling_name_ms);
        if let Some(until) = stays_until(before, self.draft.now()) {
            let message = format!("CallingName: changes once in seven days; again from {until}");
            return Err(bad_request(message));
        }
        let calling_name = Some(name).filter(|name| !name.is_empty());
        let calling_name_ms = self.draft.now().as_millis();
        self.draft.put(NumberSettings::ID, NumberSettings { calling_name, calling_name_ms });
        Ok(Value::Null)
    }
}

fn change_product(id: &str, number: &mut Number, product: String) -> Result<(), NumberFault> {
    let refuse = |kind, message| Err(NumberFault::new(kind, message));
    if product != FOR_VOICE_CONNECTORS && product != "SipMediaApplicationDialIn" {
        let message = format!(
            "ProductType: {product:?} is none of VoiceConnector, SipMediaApplicationDialIn"
        );
        return refuse(ErrorKind::BadRequest, message);
    }
    if number.association.is_some() && product != number.product_type {
        let message = format!("phone number {id} is associated: disassociate it first");
        return refuse(ErrorKind::Conflict, message);
    }
    number.product_type = product;
    Ok(())
}

fn change_calling_name(
    id: &str,
    number: &mut Number,
    name: String,
    now: UnixTime,
) -> Result<(), NumberFault> {
    check_calling_name(&name)
        .map_err(|message| NumberFault::new(ErrorKind::BadRequest, message))?;
    let name = Some(name).filter(|name| !name.is_empty());
    if name == number.calling_name {
        return Ok(());
    }
    if let Some(until) = stays_until(number.calling_name_ms, now) {
        let message =
            format!("CallingName: that of {id} changes once in seven days; again from {until}");
        return Err(NumberFault::new(ErrorKind::Conflict, message));
    }
    number.calling_name = name;
    number.calling_name_ms = Some(now.as_millis());
    Ok(())
}

/// Until when a calling name that was changed at `changed_ms` stays; `None` when it may change.
fn stays_until(changed_ms: Option<u64>, now: UnixTime) -> Option<String> {
    let until = changed_ms?.saturating_add(CALLING_NAME_MS);
    (now.as_millis() < until).then(|| super::timestamp(UnixTime::from_millis(until)))
}

fn check_calling_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == ' ';
    match name.is_empty() || ((2..=15).contains(&name.len()) && name.chars().all(fits)) {
        true => Ok(()),
        false => {
            Err("CallingName: must be 2 to 15 letters, digits and spaces, or empty".to_owned())
        }
    }
}

/// As the model's pattern for names of numbers says.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ",._-".contains(c) || c.is_ascii_whitespace();
    let is_trimmed = name.trim_ascii() == name;
    match name.len() <= 256 && is_trimmed && name.chars().all(fits) {
        true => Ok(()),
        false => Err("Name: must be up to 256 letters, digits and characters of ,._- with spaces \
                      between them"
            .to_owned()),
    }
}

/// The model lets numbers come without it.
pub(crate) fn with_plus(number: &str) -> String {
    match parse_e164(&format!("+{number}")) {
        Some(number) => number.to_owned(),
        None => number.to_owned(),
    }
}
