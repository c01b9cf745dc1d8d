//! What everybody in a conference is to hear: read from its octets away from the threads that mix, and
//! handed to the one of the conference.

use crate::inbox::Inboxes;
use crate::statistics::Counters;
use codecs::Recording;
use media_relay::Announcement;
use model::{AudioSource, ConferenceId, ParticipantId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

/// How soon the thread sees that it is to end while the relay goes on; the relay's end is seen at once.
const CHECK: Duration = Duration::from_secs(1);

/// A sound for a conference.
#[derive(Debug)]
pub(crate) struct Sound {
    pub(crate) conference: ConferenceId,
    pub(crate) recording: Arc<Recording>,
    /// Who does not hear it.
    pub(crate) except: Option<ParticipantId>,
}

/// Reads announcements until `stops`, or until the relay has ended.
pub(crate) fn serve(
    announcements: &Receiver<Announcement>,
    inboxes: &Inboxes,
    counters: &Counters,
    stops: &AtomicBool,
) {
    while !stops.load(Ordering::Acquire) {
        let announcement = match announcements.recv_timeout(CHECK) {
            Ok(announcement) => announcement,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let (conference, except) = (announcement.conference, announcement.except);
        let told = read(&announcement.source).and_then(|recording| {
            let sound = Sound { conference, recording: Arc::new(recording), except };
            inboxes.sound(sound).map_err(|()| "the thread that would mix it is behind".to_owned())
        });
        if let Err(why) = told {
            counters.leave_out();
            tracing::warn!(conference = conference.0, "an announcement is not heard: {why}");
        }
    }
}

fn read(source: &AudioSource) -> Result<Recording, String> {
    match source {
        AudioSource::Octets(octets) => {
            Recording::from_wav(octets).map_err(|error| error.to_string())
        }
        AudioSource::Said(utterance) => {
            Recording::from_wav(utterance.octets()).map_err(|error| error.to_string())
        }
        AudioSource::Ringback(ringback) => Ok(Recording::ringback(*ringback)),
        // Files are of the process that gives the order.
        AudioSource::File(_) => Err("it came as a file's name, not as octets".to_owned()),
    }
}
