//! Porting orders: the operator makes and moves them, by what the other carrier says.

use super::Writing;
use super::orders::ORDER_MAX;
use crate::error::ApiError;
use crate::porting;
use crate::reads::written_porting;
use crate::state::{FOR_VOICE_CONNECTORS, Order, OrderStatus};
use crate::writes::bad_request;
use serde_json::{Value, json};

impl Writing<'_, '_> {
    pub(super) fn create_porting_order(&mut self) -> Result<Value, ApiError> {
        let product_type: Option<String> = self.member("ProductType")?;
        let product_type = product_type.unwrap_or_else(|| FOR_VOICE_CONNECTORS.to_owned());
        let numbers = self.numbers("E164PhoneNumbers", ORDER_MAX)?;
        let reason: Option<String> = self.member("Reason")?;
        let id = self.uuid()?;
        self.forget_orders();
        let asked = porting::Asked {
            id: &id,
            product_type: &product_type,
            numbers: &numbers,
            reason: reason.as_deref(),
        };
        porting::open(&mut self.draft, self.directory, &asked)?;
        Ok(self.told_porting(&id))
    }

    pub(super) fn advance_porting_order(&mut self) -> Result<Value, ApiError> {
        let id = self.routed.member("PortingOrderId").unwrap_or_default().to_owned();
        let to: String = self.required("Status")?;
        let to = OrderStatus::of_porting_name(&to)
            .ok_or_else(|| bad_request("Status: is no status of porting"))?;
        let foc_date: Option<String> = self.member("FocDate")?;
        let reason: Option<String> = self.member("Reason")?;
        let step = porting::Step { to, foc_date: foc_date.as_deref(), reason: reason.as_deref() };
        porting::advance(&mut self.draft, self.directory, &id, &step)?;
        Ok(self.told_porting(&id))
    }

    fn told_porting(&self, id: &str) -> Value {
        let written = self.draft.get::<Order>(id).map(|stored| written_porting(id, stored));
        json!({ "PortingOrder": written })
    }
}
