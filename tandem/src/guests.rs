//! The page of browser guests: its listener, and what it is joined to.

use crate::config::{Config, GuestsSection};
use crate::node::StartError;
use crate::readings::reading;
use b2bua::Listener;
use call_metrics::{Reading, definitions};
use model::TransportProtocol;
use room_guests::{GuestCounters, Guests, GuestsConfig, RoomsPort};
use sip_edge::{ShellConfig, SipEdge};
use std::net::TcpListener;

/// The page of `[rooms.guests]` before it is served.
pub(crate) struct Door {
    section: GuestsSection,
    host: String,
    grid: bool,
    longest_message: usize,
    listener: TcpListener,
}

impl Door {
    /// Binds its address, and has the edge know it; `None` without the section.
    pub(crate) fn open(
        config: &Config,
        shell: &mut ShellConfig,
    ) -> Result<Option<Door>, StartError> {
        let section = config.rooms.as_ref().and_then(|rooms| rooms.guests.clone());
        let grid = config.rooms.as_ref().is_some_and(|rooms| rooms.grid.is_some());
        let Some((section, rooms)) = section.zip(config.resources.rooms.as_ref()) else {
            return Ok(None);
        };
        let failed = |error: std::io::Error| {
            let advice = crate::listening::advice(error.kind());
            StartError(format!("[rooms.guests] listen \"{}\": {error}; {advice}", section.listen))
        };
        let listener = TcpListener::bind(section.listen).map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        let protocol = match section.plain {
            true => TransportProtocol::Ws,
            false => TransportProtocol::Wss,
        };
        let advertised = (section.advertise, local.port()).into();
        shell.edge.listeners.push(Listener { protocol, local, advertised });
        shell.web_tls |= !section.plain;
        let scheme = if section.plain { "http" } else { "https" };
        tracing::info!(address = %local, scheme, "the page of guests is served");
        let longest_message = config.limits.message.message_bytes;
        Ok(Some(Door { section, host: rooms.host(), grid, longest_message, listener }))
    }

    /// Serves it.
    pub(crate) fn serve(self, edge: &SipEdge, rooms: RoomsPort) -> Result<Guests, StartError> {
        let Door { section, host, grid, longest_message, listener } = self;
        let config = GuestsConfig {
            host,
            grid,
            max_connections: section.max_connections,
            max_per_source: section.max_per_source,
            longest_message,
        };
        let tls = edge.web_tls().filter(|_| !section.plain);
        if tls.is_none() && !section.plain {
            return Err(StartError("[rooms.guests] has no certificate; see [sip]".to_owned()));
        }
        Guests::start(config, listener, tls, (edge.message_connections(), rooms))
            .map_err(|error| StartError(format!("[rooms.guests] cannot be served: {error}")))
    }
}

/// Its numbers for the Prometheus page.
pub(crate) fn read(counters: &GuestCounters, out: &mut Vec<Reading>) {
    out.push(reading(&definitions::GUEST_CONNECTIONS, "", counters.connections()));
    out.push(reading(&definitions::GUEST_SIP_SOCKETS, "", counters.sip_sockets()));
    for (reason, count) in counters.refusals() {
        out.push(reading(&definitions::GUESTS_REFUSED, reason, count));
    }
}
