//! `follow_redirects` and `redirect_hosts` of carriers and voice connectors.

use super::reader::Table;
use super::value;
use directory::RedirectPolicy;

pub(super) fn read(table: &mut Table<'_>) -> RedirectPolicy {
    let limit = table.or("follow_redirects", 0, |value| {
        let limit: u8 = value::integer(value)?;
        let most = RedirectPolicy::MAX_LIMIT;
        if limit > most {
            return Err(format!("{limit} is out of range; use 0 to {most}"));
        }
        Ok(limit)
    });
    let hosts = table.list("redirect_hosts", value::host).unwrap_or_default();
    if limit == 0 && !hosts.is_empty() {
        table.warn_at("redirect_hosts", "without effect while follow_redirects is 0");
    }
    RedirectPolicy { limit, hosts }
}
