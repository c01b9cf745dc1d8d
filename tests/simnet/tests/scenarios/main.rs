//! Calls through the edge, message by message. Every scenario ends in `finish`, which lets all
//! timers run and checks that nothing is left; every message from the edge is checked for
//! identifiers of the other side on its way out.
#![allow(missing_docs, clippy::unwrap_used)]

mod attended;
mod authentication;
mod bodies;
mod caller;
mod cancel;
mod carrier_authentication;
mod descriptions;
mod dialogs;
mod dtls;
mod emergency;
mod encryption;
mod fax;
mod forking;
mod fraud;
mod groups;
mod headers;
mod health;
mod hostile;
mod hunting;
mod information;
mod kept_registrations;
mod keys;
mod loss;
mod loss_of_dialogs;
mod loss_of_transfers;
mod over_mtu;
mod passed;
mod policing;
mod registration;
mod reliable;
mod renegotiation;
mod required_encryption;
mod setup;
mod streams;
mod support;
mod targets;
mod teardown;
mod timers;
mod tls;
mod transfer;
mod transfer_refused;
mod transferred_keys;
mod update;
