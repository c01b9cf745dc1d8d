//! The call logic as the driver sees it, so that the driver can be tested with a scripted one.

use crate::clock::unix_time;
use b2bua::{
    EdgeStatistics, ListenRefusal, NotCalled, Output, PeerCertificate, ResolveId, SavedBinding,
    Stir,
};
use bytes::Bytes;
use directory::Snapshot;
use model::{
    ApplicationOrder, ConnectionId, Fingerprint, Flow, Instant, MediaEvent, OutboundCall,
    TransactionId,
};
use sip_proto::ClientKey;
use sip_proto::locate::Target;
use std::net::SocketAddr;
use std::sync::Arc;

/// What the driver needs of [`b2bua::Edge`]; each method is described there.
pub(crate) trait CallLogic {
    fn handle_input(&mut self, now: Instant, flow: Flow, raw: Bytes);
    fn handle_media_event(&mut self, now: Instant, event: MediaEvent);
    fn handle_resolved(&mut self, now: Instant, id: ResolveId, targets: Vec<Target>);
    fn handle_unreachable(&mut self, now: Instant, client: ClientKey);
    fn handle_peer_unreachable(&mut self, now: Instant, remote: SocketAddr);
    fn handle_certificate(&mut self, id: ConnectionId, certificate: PeerCertificate);
    fn handle_connection_closed(&mut self, now: Instant, id: ConnectionId);
    fn handle_timeout(&mut self, now: Instant);
    fn set_directory(&mut self, directory: Arc<Snapshot>);
    fn drain(&mut self, now: Instant);
    fn end_all(&mut self, now: Instant);
    fn active_calls(&self) -> usize;
    fn statistics(&self) -> EdgeStatistics;
    fn bindings(&mut self, now: Instant) -> Vec<SavedBinding>;
    fn bindings_revision(&self) -> u64;
    fn set_listening(
        &mut self,
        now: Instant,
        call: TransactionId,
        wanted: bool,
    ) -> Result<(), ListenRefusal>;
    fn order_application(
        &mut self,
        now: Instant,
        call: TransactionId,
        number: u32,
        order: ApplicationOrder,
    );
    fn application_unreachable(&mut self, now: Instant, call: TransactionId);
    fn call_for_application(
        &mut self,
        now: Instant,
        wanted: OutboundCall,
    ) -> Result<TransactionId, NotCalled>;
    fn call_for_rooms(&mut self, now: Instant, call: TransactionId, to: Arc<str>);
    fn set_stir(&mut self, stir: Stir);
    fn set_dtls_fingerprint(&mut self, fingerprint: Option<Fingerprint>);
    fn poll_output(&mut self) -> Option<Output>;
    fn poll_timeout(&self) -> Option<Instant>;
}

impl CallLogic for b2bua::Edge {
    fn handle_input(&mut self, now: Instant, flow: Flow, raw: Bytes) {
        // A step of the calendar must not outlive a message.
        self.set_calendar(now, unix_time());
        self.handle_input(now, flow, raw);
    }
    fn handle_media_event(&mut self, now: Instant, event: MediaEvent) {
        self.handle_media_event(now, event);
    }
    fn handle_resolved(&mut self, now: Instant, id: ResolveId, targets: Vec<Target>) {
        self.handle_resolved(now, id, targets);
    }
    fn handle_unreachable(&mut self, now: Instant, client: ClientKey) {
        self.handle_unreachable(now, client);
    }
    fn handle_peer_unreachable(&mut self, now: Instant, remote: SocketAddr) {
        self.handle_peer_unreachable(now, remote);
    }
    fn handle_certificate(&mut self, id: ConnectionId, certificate: PeerCertificate) {
        self.handle_certificate(id, certificate);
    }
    fn handle_connection_closed(&mut self, now: Instant, id: ConnectionId) {
        self.handle_connection_closed(now, id);
    }
    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }
    fn set_directory(&mut self, directory: Arc<Snapshot>) {
        self.set_directory(directory);
    }
    fn set_listening(
        &mut self,
        now: Instant,
        call: TransactionId,
        wanted: bool,
    ) -> Result<(), ListenRefusal> {
        b2bua::Edge::set_listening(self, now, call, wanted)
    }
    fn order_application(
        &mut self,
        now: Instant,
        call: TransactionId,
        number: u32,
        order: ApplicationOrder,
    ) {
        b2bua::Edge::order_application(self, now, call, number, order);
    }
    fn application_unreachable(&mut self, now: Instant, call: TransactionId) {
        b2bua::Edge::application_unreachable(self, now, call);
    }
    fn call_for_application(
        &mut self,
        now: Instant,
        wanted: OutboundCall,
    ) -> Result<TransactionId, NotCalled> {
        // Its INVITE may be signed, with the time of day.
        self.set_calendar(now, unix_time());
        b2bua::Edge::call_for_application(self, now, wanted)
    }
    fn call_for_rooms(&mut self, now: Instant, call: TransactionId, to: Arc<str>) {
        self.set_calendar(now, unix_time());
        b2bua::Edge::call_for_rooms(self, now, call, to);
    }

    fn drain(&mut self, now: Instant) {
        self.drain(now);
    }
    fn end_all(&mut self, now: Instant) {
        self.end_all(now);
    }
    fn active_calls(&self) -> usize {
        self.active_calls()
    }
    fn statistics(&self) -> EdgeStatistics {
        self.statistics()
    }
    fn bindings(&mut self, now: Instant) -> Vec<SavedBinding> {
        self.set_calendar(now, unix_time());
        b2bua::Edge::bindings(self, now)
    }
    fn bindings_revision(&self) -> u64 {
        self.bindings_revision()
    }
    fn set_stir(&mut self, stir: Stir) {
        self.set_stir(stir);
    }
    fn set_dtls_fingerprint(&mut self, fingerprint: Option<Fingerprint>) {
        self.set_dtls_fingerprint(fingerprint);
    }
    fn poll_output(&mut self) -> Option<Output> {
        self.poll_output()
    }
    fn poll_timeout(&self) -> Option<Instant> {
        self.poll_timeout()
    }
}
