//! Who gets the audio of a voice connector's calls while they run.

use model::{
    CarrierId, KinesisVideoListener, Listener, NotificationTargets, RecordingListener, WarningTone,
    WebSocketListener,
};
use std::sync::Arc;

/// Audio streaming of a voice connector's calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Streaming {
    /// Stream the audio of every call, from its answer on.
    pub enabled: bool,
    /// The customer's systems may say of a call whether it is streamed, with a header.
    pub by_header: bool,
    /// What a calling or called number begins with, in E.164 form, for `enabled` to hold; empty, the
    /// default, for any number. A header and an operator's command go before it.
    pub numbers: Arc<[Arc<str>]>,
    /// The carriers that a call comes from or goes to, for `enabled` to hold; empty, the default, for
    /// any. The same goes before it.
    pub carriers: Arc<[CarrierId]>,
    /// Samples a second that listeners get: 8,000 or 16,000.
    pub sample_rate: u32,
    /// It goes to Kinesis video streams, one for each leg, or to the files that stand for them.
    pub kinesis_video: bool,
    /// How long such a stream keeps it, in hours; 0 for no longer than until it is read.
    pub retention_hours: u32,
    /// As µ-law in place of linear samples, in such a stream; at 8,000 samples a second only.
    pub mu_law: bool,
    /// It goes into files that people can play.
    pub recording: Option<RecordingListener>,
    /// Who is told that a call's stream begins, changes, ends and fails.
    pub notifications: NotificationTargets,
    /// Programs behind WebSockets hear it and may speak, at most one of them to each leg;
    /// [`model::MAX_WEB_SOCKETS`] at most.
    pub web_sockets: Vec<WebSocketListener>,
    /// What the parties hear of it; `None` for nothing.
    pub consent: Option<Consent>,
}

/// What both parties of a call hear while somebody listens to it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Consent {
    /// While anybody listens, and not only while the call is recorded here.
    pub of_streams: bool,
    /// A short tone, again and again.
    pub tone: Option<WarningTone>,
    /// A WAV file that both hear once, when it begins.
    pub announcement: Option<Arc<str>>,
}

impl Default for Streaming {
    fn default() -> Self {
        Streaming {
            enabled: false,
            by_header: false,
            numbers: Arc::default(),
            carriers: Arc::default(),
            sample_rate: 8_000,
            kinesis_video: true,
            retention_hours: 24,
            mu_law: false,
            recording: None,
            notifications: NotificationTargets::default(),
            web_sockets: Vec::new(),
            consent: None,
        }
    }
}

impl Streaming {
    /// Whether a call between these numbers, by way of this carrier, is streamed unless somebody says
    /// otherwise. Of numbers and carriers both must agree.
    pub fn is_for(&self, numbers: [&str; 2], carrier: Option<&CarrierId>) -> bool {
        let is_one = |prefix: &Arc<str>| numbers.iter().any(|number| number.starts_with(&**prefix));
        let is_by_carrier = self.carriers.is_empty()
            || carrier.is_some_and(|carrier| self.carriers.contains(carrier));
        self.enabled
            && is_by_carrier
            && (self.numbers.is_empty() || self.numbers.iter().any(is_one))
    }

    /// What the parties of a call hear while it goes to all of [`Streaming::listeners`].
    pub fn consent(&self) -> Option<&Consent> {
        self.consent.as_ref().filter(|consent| consent.of_streams || self.recording.is_some())
    }

    /// Who listens to a call that is streamed.
    pub fn listeners(&self) -> Vec<Listener> {
        let kinesis_video = KinesisVideoListener {
            retention_hours: self.retention_hours,
            mu_law: self.mu_law,
            notify: self.notifications,
        };
        let kinesis_video = self.kinesis_video.then_some(Listener::KinesisVideo(kinesis_video));
        let recording = self.recording.map(Listener::Recording);
        let web_sockets = self.web_sockets.iter().cloned().map(Listener::WebSocket);
        kinesis_video.into_iter().chain(recording).chain(web_sockets).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_choose_calls_where_any_are_given() {
        let mut streaming = Streaming { enabled: true, ..Streaming::default() };
        let call = ["+12065550100", "+13125550199"];
        let is_for = |streaming: &Streaming, call| streaming.is_for(call, None);
        assert!(is_for(&streaming, call) && is_for(&streaming, ["anonymous", "sos"]));
        streaming.numbers = ["+1312".into(), "+44".into()].into();
        assert!(is_for(&streaming, call));
        assert!(is_for(&streaming, ["+441632960001", "+81312345678"]));
        assert!(!is_for(&streaming, ["+12065550100", "+12065550101"]));
        streaming.enabled = false;
        assert!(!is_for(&streaming, call));
    }

    #[test]
    fn carriers_choose_calls_where_any_are_given() {
        let carrier = |id: &str| CarrierId::new(id).unwrap();
        let numbers = ["+12065550100", "+13125550199"];
        let mut streaming = Streaming { enabled: true, ..Streaming::default() };
        assert!(streaming.is_for(numbers, Some(&carrier("pstn-1"))));
        streaming.carriers = [carrier("pstn-1"), carrier("pstn-2")].into();
        assert!(streaming.is_for(numbers, Some(&carrier("pstn-2"))));
        assert!(!streaming.is_for(numbers, Some(&carrier("pstn-3"))));
        assert!(!streaming.is_for(numbers, None));
        streaming.numbers = ["+44".into()].into();
        assert!(!streaming.is_for(numbers, Some(&carrier("pstn-1"))), "both must agree");
    }

    #[test]
    fn consent_is_for_recorded_calls_unless_it_is_of_streams() {
        let tone = Some(WarningTone::default());
        let consent = Consent { tone, ..Consent::default() };
        let mut streaming = Streaming { consent: Some(consent), ..Streaming::default() };
        assert_eq!(streaming.consent(), None);
        streaming.recording = Some(RecordingListener { format: model::RecordingFormat::Wav });
        assert_eq!(streaming.consent().and_then(|consent| consent.tone), tone);
        streaming.recording = None;
        streaming.consent.as_mut().unwrap().of_streams = true;
        assert_eq!(streaming.consent().and_then(|consent| consent.tone), tone);
    }

    #[test]
    fn a_call_is_streamed_to_kinesis_video_unless_told_otherwise() {
        let mut streaming = Streaming { retention_hours: 3, mu_law: true, ..Streaming::default() };
        let notify = NotificationTargets::default();
        let stream = KinesisVideoListener { retention_hours: 3, mu_law: true, notify };
        assert_eq!(streaming.listeners(), [Listener::KinesisVideo(stream)]);
        streaming.kinesis_video = false;
        assert_eq!(streaming.listeners(), []);
        let recording = RecordingListener { format: model::RecordingFormat::OggOpus };
        streaming.recording = Some(recording);
        assert_eq!(streaming.listeners(), [Listener::Recording(recording)]);
    }
}
