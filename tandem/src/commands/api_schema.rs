//! `tandem api-schema`.

use super::say_data;
use control_api::schema::openapi;
use std::process::ExitCode;

pub(crate) fn api_schema() -> ExitCode {
    say_data(&format!("{:#}", openapi::document(env!("CARGO_PKG_VERSION"))));
    ExitCode::SUCCESS
}
