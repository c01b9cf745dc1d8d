//! Orders of phone numbers.

use super::Reading;
use crate::error::{ApiError, ErrorKind};
use crate::state::{Order, OrderStatus, OrderedStatus, Stored};
use crate::writes::timestamp;
use model::UnixTime;
use serde_json::{Value, json};
use std::ops::Bound;

impl Reading<'_> {
    pub(super) fn order(&self) -> Result<Value, ApiError> {
        let id = self.routed.member("PhoneNumberOrderId").unwrap_or_default();
        let stored = self.told_order(id).ok_or_else(|| {
            ApiError::new(ErrorKind::NotFound, format!("there is no phone number order {id:?}"))
        })?;
        Ok(json!({ "PhoneNumberOrder": written_order(id, stored, false) }))
    }

    pub(super) fn list_orders(&self) -> Result<Value, ApiError> {
        let list = self.routed.operation.name;
        let written = |id: &str, stored: &Stored<Order>| written_order(id, stored, false);
        self.orders_page("PhoneNumberOrders", list, |_| true, written)
    }

    /// A page of the orders that `is_wanted`; `list` tells one list from another.
    pub(super) fn orders_page(
        &self,
        member: &str,
        list: &str,
        is_wanted: impl Fn(&Order) -> bool,
        written: impl Fn(&str, &Stored<Order>) -> Value,
    ) -> Result<Value, ApiError> {
        let (after, most) = (self.after(list)?.unwrap_or_default(), self.max_results(100)?);
        let orders = self.state.all::<Order>();
        let rest = orders.range::<str, _>((Bound::Excluded(after.as_str()), Bound::Unbounded));
        let mut rest = rest.filter(|(_, stored)| {
            is_wanted(&stored.value) && !is_forgotten(stored, self.now, self.orders_kept_ms)
        });
        let page: Vec<_> = rest.by_ref().take(most).collect();
        let shown: Vec<_> = page.iter().map(|(id, stored)| written(id, stored)).collect();
        let mut body = json!({ member: shown });
        if let Some((last, _)) = page.last().filter(|_| rest.next().is_some()) {
            body["NextToken"] = self.tokens.write(list, last).into();
        }
        Ok(body)
    }

    /// An order that is told.
    pub(super) fn told_order(&self, id: &str) -> Option<&Stored<Order>> {
        let stored = self.state.get::<Order>(id)?;
        (!is_forgotten(stored, self.now, self.orders_kept_ms)).then_some(stored)
    }
}

/// Whether an order was finished `kept_ms` ago: nobody is told of it, and the next order takes it out.
pub(crate) fn is_forgotten(stored: &Stored<Order>, now: UnixTime, kept_ms: u64) -> bool {
    let until = stored.updated.as_millis().saturating_add(kept_ms);
    stored.value.is_finished() && now.as_millis() >= until
}

/// An order in the model's shape; one that was only now placed says, as at AWS, that it is under way.
pub(crate) fn written_order(id: &str, stored: &Stored<Order>, is_placed_now: bool) -> Value {
    let Order { product_type, order_type, status, numbers, foc_date, history: _ } = &stored.value;
    let numbers = numbers.iter().map(|number| {
        let status = if is_placed_now { OrderedStatus::Processing } else { number.status };
        json!({ "E164PhoneNumber": number.e164, "Status": status })
    });
    let mut written = json!({
        "PhoneNumberOrderId": id,
        "ProductType": product_type,
        "Status": if is_placed_now { OrderStatus::Processing } else { *status },
        "OrderType": order_type,
        "OrderedPhoneNumbers": numbers.collect::<Vec<_>>(),
        "CreatedTimestamp": timestamp(stored.created),
        "UpdatedTimestamp": timestamp(stored.updated),
    });
    if let Some(date) = foc_date {
        written["FocDate"] = date.as_str().into();
    }
    written
}
