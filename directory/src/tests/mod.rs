mod cidr_property;
mod problems;
mod snapshot;
