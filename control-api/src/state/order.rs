//! Orders of phone numbers as the API has them: new numbers, and numbers that are ported.

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
