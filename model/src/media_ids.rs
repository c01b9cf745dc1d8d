//! Which stream a command or an event is about.

use crate::{MediaCommand, MediaEvent, MediaId};

impl MediaCommand {
    /// The stream that it is about; of [`MediaCommand::MoveLeg`] the one that the leg leaves.
    pub const fn id(&self) -> MediaId {
        match self {
            MediaCommand::Allocate { id, .. }
            | MediaCommand::Apply { id, .. }
            | MediaCommand::MoveLeg { from: (id, _), .. }
            | MediaCommand::SendEvent { id, .. }
            | MediaCommand::Play { id, .. }
            | MediaCommand::StopPlaying { id, .. }
            | MediaCommand::Record { id, .. }
            | MediaCommand::StopRecording { id }
            | MediaCommand::Copy { id, .. }
            | MediaCommand::Listen { id, .. }
            | MediaCommand::UpdateListening { id, .. }
            | MediaCommand::StopListening { id }
            | MediaCommand::Sit { id, .. }
            | MediaCommand::SitPicture { id, .. }
            | MediaCommand::RefreshPicture { id }
            | MediaCommand::Announce { id, .. }
            | MediaCommand::RecordConference { id, .. }
            | MediaCommand::RecordUtterance { id, .. }
            | MediaCommand::StandUp { id }
            | MediaCommand::Report { id }
            | MediaCommand::Release { id } => *id,
        }
    }

    /// Every id in it, to be replaced by the ones that another process knows the streams by.
    pub fn ids_mut(&mut self) -> [Option<&mut MediaId>; 2] {
        match self {
            MediaCommand::MoveLeg { from: (from, _), to: (to, _) } => [Some(from), Some(to)],
            MediaCommand::Copy { id, to, .. } => [Some(id), to.as_mut()],
            MediaCommand::Apply { id, plan } => {
                [Some(id), plan.bundled.as_deref_mut().map(|bundled| &mut bundled.on)]
            }
            MediaCommand::Allocate { id, .. }
            | MediaCommand::SendEvent { id, .. }
            | MediaCommand::Play { id, .. }
            | MediaCommand::StopPlaying { id, .. }
            | MediaCommand::Record { id, .. }
            | MediaCommand::StopRecording { id }
            | MediaCommand::Listen { id, .. }
            | MediaCommand::UpdateListening { id, .. }
            | MediaCommand::StopListening { id }
            | MediaCommand::Sit { id, .. }
            | MediaCommand::SitPicture { id, .. }
            | MediaCommand::RefreshPicture { id }
            | MediaCommand::Announce { id, .. }
            | MediaCommand::RecordConference { id, .. }
            | MediaCommand::RecordUtterance { id, .. }
            | MediaCommand::StandUp { id }
            | MediaCommand::Report { id }
            | MediaCommand::Release { id } => [Some(id), None],
        }
    }
}

impl MediaEvent {
    /// The stream that it is about.
    pub fn id(&self) -> MediaId {
        match self {
            MediaEvent::Allocated { id, .. }
            | MediaEvent::AllocationFailed { id, .. }
            | MediaEvent::Silent { id, .. }
            | MediaEvent::TimedOut { id, .. }
            | MediaEvent::Unheard { id, .. }
            | MediaEvent::Plays { id, .. }
            | MediaEvent::Played { id, .. }
            | MediaEvent::Records { id }
            | MediaEvent::RecordingFailed { id, .. }
            | MediaEvent::Listens { id }
            | MediaEvent::ListenFailed { id, .. }
            | MediaEvent::Sits { id }
            | MediaEvent::PictureWanted { id }
            | MediaEvent::ConferenceRecords { id }
            | MediaEvent::ConferenceRecordingFailed { id, .. }
            | MediaEvent::Uttered { id, .. }
            | MediaEvent::Heard { id, .. }
            | MediaEvent::SeatFailed { id, .. }
            | MediaEvent::Dtmf { id, .. }
            | MediaEvent::Lost { id } => *id,
            MediaEvent::Report(report) => report.id,
            MediaEvent::Rtcp(copy) => copy.id,
        }
    }

    /// The same, to be replaced.
    pub fn id_mut(&mut self) -> &mut MediaId {
        match self {
            MediaEvent::Allocated { id, .. }
            | MediaEvent::AllocationFailed { id, .. }
            | MediaEvent::Silent { id, .. }
            | MediaEvent::TimedOut { id, .. }
            | MediaEvent::Unheard { id, .. }
            | MediaEvent::Plays { id, .. }
            | MediaEvent::Played { id, .. }
            | MediaEvent::Records { id }
            | MediaEvent::RecordingFailed { id, .. }
            | MediaEvent::Listens { id }
            | MediaEvent::ListenFailed { id, .. }
            | MediaEvent::Sits { id }
            | MediaEvent::PictureWanted { id }
            | MediaEvent::ConferenceRecords { id }
            | MediaEvent::ConferenceRecordingFailed { id, .. }
            | MediaEvent::Uttered { id, .. }
            | MediaEvent::Heard { id, .. }
            | MediaEvent::SeatFailed { id, .. }
            | MediaEvent::Dtmf { id, .. }
            | MediaEvent::Lost { id } => id,
            MediaEvent::Report(report) => &mut report.id,
            MediaEvent::Rtcp(copy) => &mut copy.id,
        }
    }
}
