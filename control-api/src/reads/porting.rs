//! Porting orders as their operator sees them.

use super::Reading;
use crate::error::{ApiError, ErrorKind};
use crate::state::{Order, OrderStatus, OrderType, Stored};
use crate::writes::timestamp;
use model::UnixTime;
use serde_json::{Value, json};

impl Reading<'_> {
    pub(super) fn porting_order(&self) -> Result<Value, ApiError> {
        let id = self.routed.member("PortingOrderId").unwrap_or_default();
        let stored = self.told_order(id).filter(|each| each.value.order_type == OrderType::Porting);
        let stored = stored.ok_or_else(|| {
            ApiError::new(ErrorKind::NotFound, format!("there is no porting order {id:?}"))
        })?;
        Ok(json!({ "PortingOrder": written_porting(id, stored) }))
    }

    pub(super) fn list_porting_orders(&self) -> Result<Value, ApiError> {
        // One of the shape's: no other text comes so far.
        let status = self.routed.parameter("status");
        let wanted = status.and_then(OrderStatus::of_porting_name);
        let list = format!("{}?{}", self.routed.operation.name, status.unwrap_or_default());
        let is_wanted = |order: &Order| {
            order.order_type == OrderType::Porting
                && wanted.is_none_or(|wanted| order.status == wanted)
        };
        self.orders_page("PortingOrders", &list, is_wanted, written_porting)
    }
}

/// A porting order with what may become of it, and how it came so far.
pub(crate) fn written_porting(id: &str, stored: &Stored<Order>) -> Value {
    let order = &stored.value;
    let name = |status: OrderStatus| status.porting_name();
    let numbers = order.numbers.iter();
    let numbers =
        numbers.map(|each| json!({ "E164PhoneNumber": each.e164, "Status": each.status }));
    let history = order.history.iter().map(|step| {
        let at = timestamp(UnixTime::from_millis(step.at_ms));
        let mut written = json!({ "Status": name(step.status), "Timestamp": at });
        if let Some(reason) = &step.reason {
            written["Reason"] = reason.as_str().into();
        }
        written
    });
    let next = order.status.porting_next().iter();
    let mut written = json!({
        "PortingOrderId": id,
        "ProductType": order.product_type,
        "Status": name(order.status),
        "Next": next.map(|status| name(*status)).collect::<Vec<_>>(),
        "OrderedPhoneNumbers": numbers.collect::<Vec<_>>(),
        "History": history.collect::<Vec<_>>(),
        "CreatedTimestamp": timestamp(stored.created),
        "UpdatedTimestamp": timestamp(stored.updated),
    });
    if let Some(date) = &order.foc_date {
        written["FocDate"] = date.as_str().into();
    }
    written
}
