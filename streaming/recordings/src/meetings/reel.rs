//! One meeting that is recorded: its files, and who was there.

use super::{Beginning, FOLDER, Mark, MeetingFormat, MeetingsConfig, TAPE_RATE, TapedPerson};
use crate::calendar;
use crate::description::{DescribedMeeting, DescribedParticipant, Description, cut};
use crate::recording::{Done, Place, Recording};
use crate::subject::{Container, Subject};
use codecs::Resampler;
use model::{Instant, TransactionId, UnixTime};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Stays that are told of in the JSON; who comes later is not named there.
const MOST_STAYS: usize = 1_000;
/// Files of participants at a time; who comes later has none.
const MOST_FILES: usize = 500;
/// The file of somebody who has left is finished so much later: a call that changes its audio format, or is
/// taken off hold, leaves for a moment.
const GONE: Duration = Duration::from_secs(10);

/// A meeting's files.
pub(super) struct Reel {
    config: MeetingsConfig,
    meeting: DescribedMeeting,
    began: UnixTime,
    mark: Arc<Mark>,
    mix: Track,
    each: HashMap<TransactionId, Track>,
    /// Whose coming, name or leaving is in no JSON yet.
    news: BTreeSet<TransactionId>,
    /// What the disk has said last.
    trouble: Option<String>,
}

/// A file, and what makes its rate.
struct Track {
    recording: Recording,
    resampler: Option<Resampler>,
    samples: Vec<i16>,
    left_since: Option<Instant>,
}

/// What came of a turn.
#[derive(Default)]
pub(super) struct Turned {
    pub(super) done: Vec<Done>,
    /// It has failed: nothing more is written.
    pub(super) is_over: bool,
}

impl Reel {
    pub(super) fn new(config: MeetingsConfig, beginning: Beginning) -> Self {
        let Beginning { meeting, mark, .. } = beginning;
        let described = DescribedMeeting {
            meeting_id: cut(&meeting.id),
            name: cut(&meeting.name),
            alone: None,
            participants: Vec::new(),
        };
        let mix = Track::new(config, meeting.began, described.clone(), 0);
        let (began, each) = (meeting.began, HashMap::new());
        let (news, trouble) = (BTreeSet::new(), None);
        Reel { config, meeting: described, began, mark, mix, each, news, trouble }
    }

    /// Whether who mixes still has the other end.
    pub(super) fn is_alive(&self) -> bool {
        Arc::strong_count(&self.mark) > 1
    }

    pub(super) fn joined(&mut self, call: TransactionId, at: u64) {
        self.news.insert(call);
        let first_sample = self.scaled(at);
        let joined = self.time(first_sample);
        let known = self.named_before(call);
        let transaction_id = call.to_string();
        if let Some(track) = self.each.get_mut(&call) {
            track.left_since = None;
        }
        if self.meeting.participants.len() >= MOST_STAYS {
            return;
        }
        let (name, moderator) = known.unwrap_or_default();
        self.meeting.participants.push(DescribedParticipant {
            transaction_id,
            name,
            moderator,
            joined,
            left: None,
            first_sample,
        });
    }

    pub(super) fn named(&mut self, person: &TapedPerson) {
        self.news.insert(person.call);
        let id = person.call.to_string();
        let stays = self.meeting.participants.iter_mut().filter(|stay| stay.transaction_id == id);
        for stay in stays {
            stay.name = cut(&person.name);
            stay.moderator = person.is_moderator;
        }
    }

    pub(super) fn left(&mut self, call: TransactionId, at: u64, now: Instant) {
        self.news.insert(call);
        let (id, left) = (call.to_string(), self.time(self.scaled(at)));
        let mut stays = self.meeting.participants.iter_mut().rev();
        if let Some(stay) = stays.find(|stay| stay.transaction_id == id && stay.left.is_none()) {
            stay.left = Some(left);
        }
        if let Some(track) = self.each.get_mut(&call) {
            track.left_since = Some(now);
        }
    }

    /// Takes 20 ms.
    pub(super) fn frame(
        &mut self,
        place: &Place,
        whose: Option<TransactionId>,
        at: u64,
        samples: &[i16],
    ) -> Turned {
        let at = self.scaled(at);
        let Some(call) = whose else {
            let done = self.mix.take(place, at, samples);
            return self.judge(done);
        };
        if !self.each.contains_key(&call) {
            if self.each.len() >= MOST_FILES {
                return Turned::default();
            }
            let alone = DescribedMeeting {
                alone: Some(call.to_string()),
                participants: self.stays_of(call),
                ..self.meeting.clone()
            };
            self.each.insert(call, Track::new(self.config, self.began, alone, at));
        }
        let track = self.each.get_mut(&call);
        let done = track.map(|track| track.take(place, at, samples)).unwrap_or_default();
        Turned { done: vec![done], is_over: false }
    }

    /// What has become of the mix decides how the recording fares.
    fn judge(&mut self, done: Done) -> Turned {
        if let Some(error) = &done.error {
            self.trouble = Some(error.to_string());
        }
        let is_over = self.mix.recording.fails();
        if is_over {
            self.mark.fail(self.trouble.as_deref().unwrap_or("the disk takes nothing"));
        } else if self.mix.recording.is_written() {
            self.mark.run();
        }
        Turned { done: vec![done], is_over }
    }

    /// Once a second.
    pub(super) fn tick(&mut self, place: &Place, now: Instant) -> Turned {
        // Each JSON that is written costs the disk a moment: those of others have not changed.
        let news = std::mem::take(&mut self.news);
        if !news.is_empty() {
            self.describe(true, |call| news.contains(call));
        }
        let done = self.mix.recording.tick(place);
        let mut turned = self.judge(done);
        turned.done.extend(self.each.values_mut().map(|track| track.recording.tick(place)));
        let is_gone = |track: &Track| {
            track.left_since.is_some_and(|since| now.saturating_since(since) >= GONE)
        };
        let gone: Vec<_> =
            self.each.iter().filter(|(_, track)| is_gone(track)).map(|(call, _)| *call).collect();
        for call in gone {
            self.describe(false, |each| *each == call);
            let track = self.each.remove(&call);
            turned.done.extend(track.map(|track| track.recording.finish(place)));
        }
        turned
    }

    /// Nothing more comes: all files are finished.
    pub(super) fn finish(mut self, place: &Place) -> Vec<Done> {
        self.describe(false, |_| true);
        let each = std::mem::take(&mut self.each).into_values();
        let all = each.chain([self.mix]);
        all.map(|track| track.recording.finish(place)).collect()
    }

    /// Gives who was there to the JSON of the mix and of these alone.
    fn describe(&mut self, now: bool, whose: impl Fn(&TransactionId) -> bool) {
        self.mix.recording.describe(self.meeting.clone(), now);
        let calls: Vec<_> = self.each.keys().copied().filter(whose).collect();
        for call in calls {
            let alone = DescribedMeeting {
                alone: Some(call.to_string()),
                participants: self.stays_of(call),
                ..self.meeting.clone()
            };
            if let Some(track) = self.each.get_mut(&call) {
                track.recording.describe(alone, now);
            }
        }
    }

    fn stays_of(&self, call: TransactionId) -> Vec<DescribedParticipant> {
        let id = call.to_string();
        let stays = self.meeting.participants.iter();
        stays.filter(|stay| stay.transaction_id == id).cloned().collect()
    }

    fn named_before(&self, call: TransactionId) -> Option<(String, bool)> {
        let id = call.to_string();
        let stay = self.meeting.participants.iter().find(|stay| stay.transaction_id == id)?;
        Some((stay.name.clone(), stay.moderator))
    }

    /// A place in samples of the files.
    fn scaled(&self, at: u64) -> u64 {
        at / u64::from(TAPE_RATE / self.config.sample_rate.clamp(1, TAPE_RATE))
    }

    fn time(&self, sample: u64) -> String {
        calendar::readable(self.began, sample, self.config.sample_rate)
    }
}

impl Track {
    /// Of the mix, or of one `alone`, whose first sample is at the place `first`.
    fn new(config: MeetingsConfig, began: UnixTime, meeting: DescribedMeeting, first: u64) -> Self {
        let container = match config.format {
            MeetingFormat::Mkv => Container::MkvOpus,
            MeetingFormat::Wav => Container::Wav,
        };
        let rate = config.sample_rate;
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name = meeting.alone.as_ref().unwrap_or(&meeting.meeting_id);
        let subject = Subject {
            folder: FOLDER.to_owned(),
            name: name.chars().take(64).map(plain).collect(),
            began,
            sample_rate: rate,
            channels: 1,
            container,
            description: Description::of_meeting((container, rate), began, meeting),
            voice_connector: None,
        };
        let resampler = (rate != TAPE_RATE).then(|| Resampler::new(TAPE_RATE, rate)).flatten();
        let recording = Recording::of_one(subject, first);
        Track { recording, resampler, samples: Vec::new(), left_since: None }
    }

    fn take(&mut self, place: &Place, at: u64, samples: &[i16]) -> Done {
        let Some(resampler) = &mut self.resampler else {
            return self.recording.samples(place, at, samples);
        };
        self.samples.resize(resampler.output_of(samples.len()), 0);
        let count = resampler.resample(samples, &mut self.samples);
        let samples = self.samples.get(..count).unwrap_or_default();
        self.recording.samples(place, at, samples)
    }
}
