//! Orders of phone numbers as the API has them: new numbers, and numbers that are ported.

use model::UnixTime;
use serde::{Deserialize, Serialize};

/// An order; its id is a UUID.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Order {
    /// `VoiceConnector` or `SipMediaApplicationDialIn`.
    pub product_type: String,
    /// What is ordered.
    pub order_type: OrderType,
    /// What has become of it.
    pub status: OrderStatus,
    /// Which numbers.
    pub numbers: Vec<OrderedNumber>,
    /// The firm order commitment: the day on which ported numbers change over, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foc_date: Option<String>,
    /// Of a porting order: how it came to its status, the first step first; bounded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<OrderStep>,
}

/// When a porting order came to a status, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OrderStep {
    /// The status.
    pub status: OrderStatus,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// What the operator says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Steps of one order that are kept: with more, the oldest but the first goes.
const STEPS_MAX: usize = 100;

impl Order {
    /// Whether nothing can become of it any more.
    pub fn is_finished(&self) -> bool {
        self.status != OrderStatus::Processing && self.status.porting_next().is_empty()
    }

    /// Brings a porting order to a status.
    pub(crate) fn step(&mut self, status: OrderStatus, now: UnixTime, reason: Option<&str>) {
        self.status = status;
        if self.history.len() >= STEPS_MAX {
            self.history.remove(1);
        }
        let reason = reason.map(str::to_owned);
        self.history.push(OrderStep { status, at_ms: now.as_millis(), reason });
    }
}

/// What is ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum OrderType {
    /// Numbers of a pool.
    New,
    /// Numbers that another carrier has.
    Porting,
}

/// One number of an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OrderedNumber {
    /// E.164.
    #[serde(rename = "E164PhoneNumber")]
    pub e164: String,
    /// What has become of it.
    pub status: OrderedStatus,
}

/// What has become of a number of an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum OrderedStatus {
    /// It is waited for.
    Processing,
    /// It is in the inventory.
    Acquired,
    /// It does not come.
    Failed,
}

/// What has become of an order, by the model's names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum OrderStatus {
    /// New numbers are taken from their pools.
    Processing,
    /// All numbers are in the inventory: of a porting order, it is COMPLETED.
    Successful,
    /// None of them is.
    Failed,
    /// Some of them are.
    Partial,
    /// The other carrier needs papers.
    PendingDocuments,
    /// The order is with the other carrier.
    Submitted,
    /// The other carrier has named the day.
    #[serde(rename = "FOC")]
    Foc,
    /// The customer wants something changed.
    ChangeRequested,
    /// The other carrier refuses as things are.
    Exception,
    /// The customer wants the order cancelled.
    CancelRequested,
    /// It is cancelled.
    Cancelled,
}

impl OrderStatus {
    /// Every status of a porting order.
    pub const PORTING: [OrderStatus; 8] = [
        OrderStatus::Submitted,
        OrderStatus::PendingDocuments,
        OrderStatus::Foc,
        OrderStatus::ChangeRequested,
        OrderStatus::CancelRequested,
        OrderStatus::Cancelled,
        OrderStatus::Exception,
        OrderStatus::Successful,
    ];

    /// What operators call a status of porting; `None` for those of new numbers.
    pub const fn porting_name(self) -> Option<&'static str> {
        Some(match self {
            OrderStatus::Submitted => "SUBMITTED",
            OrderStatus::PendingDocuments => "PENDING_DOCUMENTS",
            OrderStatus::Foc => "FOC",
            OrderStatus::ChangeRequested => "CHANGE_REQUESTED",
            OrderStatus::CancelRequested => "CANCEL_REQUESTED",
            OrderStatus::Cancelled => "CANCELLED",
            OrderStatus::Exception => "EXCEPTION",
            OrderStatus::Successful => "COMPLETED",
            OrderStatus::Processing | OrderStatus::Failed | OrderStatus::Partial => return None,
        })
    }

    /// The status that operators call so.
    pub fn of_porting_name(name: &str) -> Option<OrderStatus> {
        Self::PORTING.into_iter().find(|status| status.porting_name() == Some(name))
    }

    /// What a porting order may become next; nothing after it is completed or cancelled.
    pub const fn porting_next(self) -> &'static [OrderStatus] {
        use OrderStatus::*;
        match self {
            Submitted => &[PendingDocuments, Foc, ChangeRequested, CancelRequested, Exception],
            PendingDocuments => &[Submitted, ChangeRequested, CancelRequested, Exception],
            Foc => &[ChangeRequested, CancelRequested, Exception, Successful],
            ChangeRequested => &[Submitted, PendingDocuments, Foc, CancelRequested, Exception],
            // A cancellation that comes too late is refused: the day stays.
            CancelRequested => &[Cancelled, Foc, Exception],
            Exception => &[Submitted, PendingDocuments, ChangeRequested, CancelRequested],
            Cancelled | Successful | Processing | Failed | Partial => &[],
        }
    }
}
