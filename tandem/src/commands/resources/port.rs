//! `tandem number port`: numbers that another carrier has come over, step by step.

use super::number::Product;
use super::shown::Column;
use super::{Outcome, facts, list};
use crate::control_api::{Asked, Failure};
use serde_json::{Value, json};

/// The statuses of a porting order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Status {
    /// The order is with the other carrier.
    #[value(name = "SUBMITTED")]
    Submitted,
    /// The other carrier needs papers.
    #[value(name = "PENDING_DOCUMENTS", aliases = ["PENDING DOCUMENTS", "PENDING-DOCUMENTS"])]
    PendingDocuments,
    /// The other carrier has named the day (firm order commitment).
    #[value(name = "FOC")]
    Foc,
    /// The customer wants something changed.
    #[value(name = "CHANGE_REQUESTED", aliases = ["CHANGE REQUESTED", "CHANGE-REQUESTED"])]
    ChangeRequested,
    /// The customer wants the order cancelled.
    #[value(name = "CANCEL_REQUESTED", aliases = ["CANCEL REQUESTED", "CANCEL-REQUESTED"])]
    CancelRequested,
    /// It is cancelled.
    #[value(name = "CANCELLED")]
    Cancelled,
    /// The other carrier refuses as things are.
    #[value(name = "EXCEPTION")]
    Exception,
    /// The numbers are in the inventory.
    #[value(name = "COMPLETED")]
    Completed,
}

impl Status {
    fn written(self) -> &'static str {
        match self {
            Status::Submitted => "SUBMITTED",
            Status::PendingDocuments => "PENDING_DOCUMENTS",
            Status::Foc => "FOC",
            Status::ChangeRequested => "CHANGE_REQUESTED",
            Status::CancelRequested => "CANCEL_REQUESTED",
            Status::Cancelled => "CANCELLED",
            Status::Exception => "EXCEPTION",
            Status::Completed => "COMPLETED",
        }
    }
}

#[derive(clap::Subcommand)]
pub(crate) enum PortCommand {
    /// Open an order for numbers that another carrier has; its status is SUBMITTED.
    Create {
        /// Numbers in E.164, 1 to 50.
        #[arg(required = true)]
        numbers: Vec<String>,
        /// What they are for.
        #[arg(long = "for", value_enum, value_name = "PRODUCT", default_value = "voice-connector")]
        product: Product,
        /// What is to be remembered of it, such as the other carrier's name.
        #[arg(long)]
        reason: Option<String>,
    },
    /// List the orders.
    List {
        /// Only those of this status.
        #[arg(long, value_enum, ignore_case = true)]
        status: Option<Status>,
    },
    /// One order: what may become of it, and how it came so far.
    Show {
        /// Its id.
        order: String,
    },
    /// Move an order on, as the other carrier says. COMPLETED puts its numbers into the inventory.
    Advance {
        /// Its id.
        order: String,
        /// The next status; `show` has which ones may follow.
        #[arg(long, value_enum, ignore_case = true)]
        to: Status,
        /// The day on which the numbers come, such as 2026-03-31; FOC needs it.
        #[arg(long, value_name = "DATE")]
        foc: Option<String>,
        /// Why, for the order's history.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Ask for an order to be cancelled: its status is CANCEL_REQUESTED until `advance --to CANCELLED`.
    Cancel {
        /// Its id.
        order: String,
        /// Why, for the order's history.
        #[arg(long)]
        reason: Option<String>,
    },
}

const COLUMNS: &[Column] = &[
    Column("order", &["/PortingOrderId"]),
    Column("status", &["/Status"]),
    Column("day", &["/FocDate"]),
    Column("changed (UTC)", &["/UpdatedTimestamp"]),
    Column("first number", &["/OrderedPhoneNumbers/0/E164PhoneNumber"]),
];

impl PortCommand {
    pub(super) fn is_read(&self) -> bool {
        matches!(self, PortCommand::List { .. } | PortCommand::Show { .. })
    }

    pub(super) fn perform(&self, api: &mut dyn Asked) -> Result<Outcome, Failure> {
        match self {
            PortCommand::Create { numbers, product, reason } => {
                let asked = json!({
                    "ProductType": product.written(), "E164PhoneNumbers": numbers, "Reason": reason,
                });
                facts(api, "CreatePortingOrder", asked)
            }
            PortCommand::List { status } => {
                let asked = json!({ "Status": status.map(Status::written) });
                list(api, "ListPortingOrders", asked, "PortingOrders", COLUMNS)
            }
            PortCommand::Show { order } => {
                facts(api, "GetPortingOrder", json!({ "PortingOrderId": order }))
            }
            PortCommand::Advance { order, to, foc, reason } => {
                let more = json!({ "FocDate": foc, "Reason": reason });
                advance(api, order, *to, more)
            }
            PortCommand::Cancel { order, reason } => {
                advance(api, order, Status::CancelRequested, json!({ "Reason": reason }))
            }
        }
    }
}

fn advance(
    api: &mut dyn Asked,
    order: &str,
    to: Status,
    mut asked: Value,
) -> Result<Outcome, Failure> {
    asked["PortingOrderId"] = order.into();
    asked["Status"] = to.written().into();
    facts(api, "AdvancePortingOrder", asked)
}
