//! Orders of new numbers, from the operator's pools.

use super::{Writing, bad_request};
use crate::error::ApiError;
use crate::reads::{is_forgotten, pool_of, written_order};
use crate::state::{
    FOR_VOICE_CONNECTORS, Number, Order, OrderStatus, OrderType, OrderedNumber, OrderedStatus,
};
use directory::parse_e164;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Finished orders that are kept: with more, the oldest go.
const FINISHED_MAX: usize = 10_000;
/// Most numbers of one order, as at AWS.
pub(super) const ORDER_MAX: usize = 50;

impl Writing<'_, '_> {
    /// Takes what is free; numbers that are not, fail. The answer says that the order is under way, as
    /// AWS's does; the next request finds it settled.
    pub(super) fn create_order(&mut self) -> Result<Value, ApiError> {
        let product_type: String = self.required("ProductType")?;
        if product_type != FOR_VOICE_CONNECTORS && product_type != "SipMediaApplicationDialIn" {
            return Err(bad_request(format!(
                "ProductType: {product_type:?} is none of VoiceConnector, SipMediaApplicationDialIn"
            )));
        }
        let name: Option<String> = self.member("Name")?;
        super::numbers::check_name(name.as_deref().unwrap_or_default()).map_err(bad_request)?;
        let numbers = self.numbers("E164PhoneNumbers", ORDER_MAX)?;
        if let Some(wrong) = numbers.iter().find(|number| parse_e164(number).is_none()) {
            return Err(bad_request(format!("E164PhoneNumbers: {wrong:?} is no E.164 number")));
        }
        let distinct: HashSet<&String> = numbers.iter().collect();
        if distinct.len() < numbers.len() {
            return Err(bad_request("E164PhoneNumbers: a number is given twice".to_owned()));
        }
        let id = self.uuid()?;
        self.forget_orders();
        let name = name.filter(|name| !name.is_empty());
        let mut ordered = Vec::with_capacity(numbers.len());
        for e164 in numbers {
            let is_taken = self.take(&e164, &product_type, name.as_deref(), &id);
            let status = if is_taken { OrderedStatus::Acquired } else { OrderedStatus::Failed };
            ordered.push(OrderedNumber { e164, status });
        }
        let order = Order {
            product_type,
            order_type: OrderType::New,
            status: settled(&ordered),
            numbers: ordered,
            foc_date: None,
            history: Vec::new(),
        };
        self.draft.put(&id, order);
        let written = self.draft.get::<Order>(&id).map(|stored| written_order(&id, stored, true));
        Ok(json!({ "PhoneNumberOrder": written }))
    }

    /// Takes finished orders out that nobody is told of any more, and the oldest of very many.
    pub(super) fn forget_orders(&mut self) {
        let (now, kept) = (self.draft.now(), self.orders_kept_ms);
        let all = self.draft.all::<Order>().iter();
        let mut finished: Vec<_> = all
            .filter(|(_, stored)| stored.value.is_finished())
            .map(|(id, stored)| (stored.updated, id.clone(), is_forgotten(stored, now, kept)))
            .collect();
        finished.sort();
        let too_many = finished.len().saturating_sub(FINISHED_MAX);
        for (n, (_, id, is_forgotten)) in finished.into_iter().enumerate() {
            if is_forgotten || n < too_many {
                self.draft.remove::<Order>(&id);
            }
        }
    }

    /// Moves a number from its pool into the inventory; false when it cannot be had.
    fn take(&mut self, e164: &str, product_type: &str, name: Option<&str>, order: &str) -> bool {
        let (now, state) = (self.draft.now(), self.draft.state());
        let Some(pool) = pool_of(self.directory, state, now, e164) else { return false };
        let number = Number {
            product_type: product_type.to_owned(),
            name: name.map(str::to_owned),
            order_id: Some(order.to_owned()),
            toll_free: pool.is_toll_free,
            ..Number::default()
        };
        // Whoever had it before has left no name and no tags.
        self.forget(e164);
        self.draft.put(e164, number);
        true
    }
}

fn settled(numbers: &[OrderedNumber]) -> OrderStatus {
    let acquired = numbers.iter().filter(|each| each.status == OrderedStatus::Acquired).count();
    match acquired {
        0 => OrderStatus::Failed,
        all if all == numbers.len() => OrderStatus::Successful,
        _ => OrderStatus::Partial,
    }
}
