//! `tandem number`: phone numbers.

use super::port::PortCommand;
use super::shown::{Column, Shown};
use super::{How, Outcome, Resource, done, facts, list, members};
use crate::control_api::{Asked, Failure};
use serde_json::{Value, json};

/// Phone numbers: the inventory, orders, and whose they are.
#[derive(clap::Args)]
pub(crate) struct NumberArgs {
    #[command(flatten)]
    pub(crate) how: How,
    #[command(subcommand)]
    pub(crate) command: NumberCommand,
}

/// What a number is for.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Product {
    /// Calls of voice connectors.
    VoiceConnector,
    /// Calls of SIP media applications.
    Application,
}

impl Product {
    pub(super) fn written(self) -> &'static str {
        match self {
            Product::VoiceConnector => "VoiceConnector",
            Product::Application => "SipMediaApplicationDialIn",
        }
    }
}

/// The kinds of numbers.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Kind {
    Local,
    TollFree,
}

impl Kind {
    fn written(self) -> &'static str {
        match self {
            Kind::Local => "Local",
            Kind::TollFree => "TollFree",
        }
    }
}

/// Whose a number is or becomes.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Owner {
    /// The id of a voice connector.
    #[arg(long, value_name = "ID")]
    vc: Option<String>,
    /// The id of a voice connector group.
    #[arg(long, value_name = "ID")]
    group: Option<String>,
}

#[derive(clap::Subcommand)]
pub(crate) enum NumberCommand {
    /// List the numbers of the inventory.
    List {
        /// Only those of this voice connector.
        #[arg(long, value_name = "ID", conflicts_with_all = ["group", "rule"])]
        vc: Option<String>,
        /// Only those of this voice connector group.
        #[arg(long, value_name = "ID", conflicts_with = "rule")]
        group: Option<String>,
        /// Only those of this SIP rule.
        #[arg(long, value_name = "ID")]
        rule: Option<String>,
        /// Only those in this state, such as Assigned, Unassigned, ReleaseInProgress (deleted, and still to
        /// be restored).
        #[arg(long)]
        status: Option<String>,
        /// Only those for this.
        #[arg(long = "for", value_enum, value_name = "PRODUCT")]
        product: Option<Product>,
    },
    /// One number.
    Show {
        /// The number in E.164, such as +12065550100.
        number: String,
    },
    /// Search the pools for numbers that can be ordered.
    Search {
        /// A country, such as US.
        #[arg(long)]
        country: Option<String>,
        /// An area code.
        #[arg(long)]
        area_code: Option<String>,
        /// A state, such as WA.
        #[arg(long)]
        state: Option<String>,
        /// A city.
        #[arg(long)]
        city: Option<String>,
        /// The kind of numbers.
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        /// The first digits of toll-free numbers, such as 800.
        #[arg(long, value_name = "DIGITS")]
        toll_free_prefix: Option<String>,
        /// Most numbers to show, 1 to 500.
        #[arg(long, value_name = "N", default_value_t = 20,
              value_parser = clap::value_parser!(u16).range(1..=500))]
        max: u16,
    },
    /// Order numbers into the inventory.
    Order {
        /// Numbers in E.164.
        #[arg(required = true)]
        numbers: Vec<String>,
        /// What they are for.
        #[arg(long = "for", value_enum, value_name = "PRODUCT", default_value = "voice-connector")]
        product: Product,
        /// What they are called.
        #[arg(long)]
        name: Option<String>,
    },
    /// List the orders, or show one.
    Orders {
        /// The id of one order.
        id: Option<String>,
    },
    /// Have numbers come over that another carrier has.
    Port {
        #[command(subcommand)]
        command: PortCommand,
    },
    /// Give numbers to a voice connector or a group.
    Associate {
        /// Numbers in E.164.
        #[arg(required = true)]
        numbers: Vec<String>,
        #[command(flatten)]
        owner: Owner,
        /// Also those that belong to another one now.
        #[arg(long)]
        force: bool,
    },
    /// Take numbers from a voice connector or a group.
    Disassociate {
        /// Numbers in E.164.
        #[arg(required = true)]
        numbers: Vec<String>,
        #[command(flatten)]
        owner: Owner,
    },
    /// Change a number; what is not given stays.
    Update {
        /// The number in E.164.
        number: String,
        /// What it is called here.
        #[arg(long)]
        name: Option<String>,
        /// What called parties are shown: 2 to 15 letters, digits and spaces.
        #[arg(long)]
        calling_name: Option<String>,
        /// What it is for.
        #[arg(long = "for", value_enum, value_name = "PRODUCT")]
        product: Option<Product>,
    },
    /// Delete numbers; for some days they can be restored.
    Delete {
        /// Numbers in E.164.
        #[arg(required = true)]
        numbers: Vec<String>,
    },
    /// Take a deleted number back.
    Restore {
        /// The number in E.164.
        number: String,
    },
    /// List the countries that numbers can be ordered of.
    Countries {
        /// What they are for.
        #[arg(long = "for", value_enum, value_name = "PRODUCT", default_value = "voice-connector")]
        product: Product,
    },
}

const COLUMNS: &[Column] = &[
    Column("number", &["/E164PhoneNumber"]),
    Column("status", &["/Status"]),
    Column("country", &["/Country"]),
    Column("type", &["/Type"]),
    Column("for", &["/ProductType"]),
    Column("belongs to", &["/Associations/0/Value"]),
    Column("calling name", &["/CallingName"]),
    Column("name", &["/Name"]),
];

const ORDERS: &[Column] = &[
    Column("order", &["/PhoneNumberOrderId"]),
    Column("status", &["/Status"]),
    Column("type", &["/OrderType"]),
    Column("for", &["/ProductType"]),
    Column("made (UTC)", &["/CreatedTimestamp"]),
    Column("first number", &["/OrderedPhoneNumbers/0/E164PhoneNumber"]),
];

const FOUND: &[Column] = &[Column("number", &[""])];

const COUNTRIES: &[Column] =
    &[Column("country", &["/CountryCode"]), Column("types", &["/SupportedPhoneNumberTypes"])];

impl Resource for NumberCommand {
    fn is_read(&self) -> bool {
        use NumberCommand::{Countries, List, Orders, Port, Search, Show};
        if let Port { command } = self {
            return command.is_read();
        }
        matches!(self, List { .. } | Show { .. } | Search { .. } | Orders { .. } | Countries { .. })
    }

    fn listing(&self) -> &'static str {
        match self {
            NumberCommand::Orders { .. } => "tandem number orders",
            NumberCommand::Port { .. } => "tandem number port list",
            NumberCommand::Associate { .. } | NumberCommand::Disassociate { .. } => {
                "tandem vc list` or `tandem group list"
            }
            _ => "tandem number list",
        }
    }

    fn perform(&self, api: &mut dyn Asked, _: bool) -> Result<Outcome, Failure> {
        match self {
            NumberCommand::List { vc, group, rule, status, product } => {
                let filters = [
                    ("VoiceConnectorId", vc),
                    ("VoiceConnectorGroupId", group),
                    ("SipRuleId", rule),
                ];
                let filter = filters.iter().find_map(|(name, id)| Some((*name, id.as_ref()?)));
                let asked = json!({
                    "Status": status,
                    "ProductType": product.map(Product::written),
                    "FilterName": filter.map(|(name, _)| name),
                    "FilterValue": filter.map(|(_, id)| id),
                });
                list(api, "ListPhoneNumbers", asked, "PhoneNumbers", COLUMNS)
            }
            NumberCommand::Show { number } => {
                facts(api, "GetPhoneNumber", json!({ "PhoneNumberId": number }))
            }
            NumberCommand::Orders { id: None } => {
                list(api, "ListPhoneNumberOrders", json!({}), "PhoneNumberOrders", ORDERS)
            }
            NumberCommand::Orders { id: Some(id) } => {
                facts(api, "GetPhoneNumberOrder", json!({ "PhoneNumberOrderId": id }))
            }
            NumberCommand::Port { command } => command.perform(api),
            NumberCommand::Countries { product } => {
                let asked = json!({ "ProductType": product.written() });
                list(
                    api,
                    "ListSupportedPhoneNumberCountries",
                    asked,
                    "PhoneNumberCountries",
                    COUNTRIES,
                )
            }
            NumberCommand::Search { .. } => self.search(api),
            NumberCommand::Associate { numbers, owner, force } => {
                let more = force.then_some(true);
                owner.change(api, "Associate", "With", numbers, more.map(Value::from))
            }
            NumberCommand::Disassociate { numbers, owner } => {
                owner.change(api, "Disassociate", "From", numbers, None)
            }
            _ => self.change(api),
        }
    }
}

impl NumberCommand {
    fn search(&self, api: &mut dyn Asked) -> Result<Outcome, Failure> {
        let NumberCommand::Search { country, area_code, state, city, kind, toll_free_prefix, max } =
            self
        else {
            return Err(Failure::Way("this is no search".to_owned()));
        };
        let asked = json!({
            "Country": country,
            "AreaCode": area_code,
            "State": state,
            "City": city,
            "PhoneNumberType": kind.map(Kind::written),
            "TollFreePrefix": toll_free_prefix,
            "MaxResults": max,
        });
        // One page is what was asked for.
        let reply = api.ask("SearchAvailablePhoneNumbers", &members(asked))?;
        let shown = Shown::Table { entries: "E164PhoneNumbers", columns: FOUND };
        Ok(Outcome { reply, shown })
    }

    fn change(&self, api: &mut dyn Asked) -> Result<Outcome, Failure> {
        match self {
            NumberCommand::Order { numbers, product, name } => {
                let asked = json!({
                    "ProductType": product.written(), "E164PhoneNumbers": numbers, "Name": name,
                });
                facts(api, "CreatePhoneNumberOrder", asked)
            }
            NumberCommand::Update { number, name, calling_name, product } => {
                let asked = json!({
                    "PhoneNumberId": number,
                    "Name": name,
                    "CallingName": calling_name,
                    "ProductType": product.map(Product::written),
                });
                facts(api, "UpdatePhoneNumber", asked)
            }
            NumberCommand::Delete { numbers } => {
                let text = format!(
                    "{} deleted; `tandem number restore` takes one back for some days",
                    is_or_are(numbers)
                );
                match numbers.as_slice() {
                    [number] => {
                        done(api, "DeletePhoneNumber", json!({ "PhoneNumberId": number }), text)
                    }
                    _ => {
                        let asked = json!({ "PhoneNumberIds": numbers });
                        done(api, "BatchDeletePhoneNumber", asked, text)
                    }
                }
            }
            NumberCommand::Restore { number } => {
                facts(api, "RestorePhoneNumber", json!({ "PhoneNumberId": number }))
            }
            _ => Err(Failure::Way("this changes nothing".to_owned())),
        }
    }
}

impl Owner {
    fn change(
        &self,
        api: &mut dyn Asked,
        verb: &str,
        preposition: &str,
        numbers: &[String],
        force: Option<Value>,
    ) -> Result<Outcome, Failure> {
        // One of the two is there: clap asks for it.
        let (kind, id) = match &self.group {
            Some(id) => ("VoiceConnectorGroup", id.as_str()),
            None => ("VoiceConnector", self.vc.as_deref().unwrap_or_default()),
        };
        let operation = format!("{verb}PhoneNumbers{preposition}{kind}");
        let mut asked = json!({ "E164PhoneNumbers": numbers, "ForceAssociate": force });
        asked[format!("{kind}Id")] = id.into();
        let text = match preposition {
            "With" => format!("{} associated with {id}", is_or_are(numbers)),
            _ => format!("{} taken from {id}", is_or_are(numbers)),
        };
        done(api, &operation, asked, text)
    }
}

fn is_or_are(numbers: &[String]) -> String {
    let verb = if numbers.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", numbers.join(", "))
}
