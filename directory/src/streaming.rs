//! Who gets the audio of a voice connector's calls while they run.

use model::{
    KinesisVideoListener, Listener, NotificationTargets, RecordingListener, WebSocketListener,
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
    /// A program behind a WebSocket hears it, and may speak.
    pub web_socket: Option<WebSocketListener>,
}

impl Default for Streaming {
    fn default() -> Self {
        Streaming {
            enabled: false,
            by_header: false,
            numbers: Arc::default(),
            sample_rate: 8_000,
            kinesis_video: true,
            retention_hours: 24,
            mu_law: false,
            recording: None,
            notifications: NotificationTargets::default(),
            web_socket: None,
        }
    }
}

impl Streaming {
    /// Whether a call between these numbers is streamed unless somebody says otherwise.
    pub fn is_for(&self, numbers: [&str; 2]) -> bool {
        let is_one = |prefix: &Arc<str>| numbers.iter().any(|number| number.starts_with(&**prefix));
        self.enabled && (self.numbers.is_empty() || self.numbers.iter().any(is_one))
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
        let web_socket = self.web_socket.clone().map(Listener::WebSocket);
        kinesis_video.into_iter().chain(recording).chain(web_socket).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_choose_calls_where_any_are_given() {
        let mut streaming = Streaming { enabled: true, ..Streaming::default() };
        let call = ["+12065550100", "+13125550199"];
        assert!(streaming.is_for(call) && streaming.is_for(["anonymous", "sos"]));
        streaming.numbers = ["+1312".into(), "+44".into()].into();
        assert!(streaming.is_for(call) && streaming.is_for(["+441632960001", "+81312345678"]));
        assert!(!streaming.is_for(["+12065550100", "+12065550101"]));
        streaming.enabled = false;
        assert!(!streaming.is_for(call));
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
