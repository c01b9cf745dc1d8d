//! The meetings that there are, whether they are held or not: made, found, changed and deleted, in
//! the shapes of chime-sdk-meetings where it has them.

mod check;
mod retired;
mod shapes;

pub use retired::Clash;
pub use shapes::{
    ApiError, Attendee, AttendeeFeatures, AudioFeatures, Capabilities, CreateAttendee,
    CreateAttendeeError, CreateMeeting, FeatureStatus, MediaCapability, MeetingFeatures,
    PictureFeatures, Resolution, Tag,
};

use crate::id::{Draw, Numbers, same_text};
use crate::settings::{MOST_PEOPLE, MeetingSettings, Plan};
use crate::{AttendeeId, AttendeeNumber, MeetingId, ModeratorNumber, Passcode};
use model::UnixTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Meetings that can be.
pub const MOST_MEETINGS: usize = 100_000;
/// Items of one `BatchCreateAttendee`.
pub const MOST_BATCH: usize = 100;
/// Entries of one page of a list.
pub const MOST_PAGE: usize = 100;

/// A meeting as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MeetingRecord {
    /// Its id for programs.
    pub meeting_id: MeetingId,
    /// Its id for attendees.
    pub attendee_number: AttendeeNumber,
    /// Its id for moderators.
    pub moderator_number: ModeratorNumber,
    /// What moderators type after it; `None` where their id is enough.
    pub passcode: Option<Passcode>,
    /// What it was made with.
    pub request: CreateMeeting,
    /// What is set for it.
    pub settings: MeetingSettings,
    /// When it was made.
    pub created: UnixTime,
    /// Who was made for it.
    pub attendees: Vec<Attendee>,
}

/// A record in the form that it is stored in. A later form gets a variant of its own, so that what
/// was stored before can be read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum StoredMeeting {
    /// The first form. It holds passcodes and join tokens: whoever stores it seals it.
    #[serde(rename = "1")]
    V1(MeetingRecord),
}

/// What a meeting is made with beyond the service's request.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct RoomOptions {
    /// What is set for it.
    pub settings: MeetingSettings,
    /// What moderators type after their id.
    pub passcode: PasscodeChoice,
}

/// Which passcode a meeting gets.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum PasscodeChoice {
    /// Six digits that are drawn.
    #[default]
    Drawn,
    /// This one.
    Given(Passcode),
    /// None: the moderator id is enough.
    None,
}

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<T> {
    /// Its entries.
    pub entries: Vec<T>,
    /// What to ask for the next one with; `None` after the last.
    pub next: Option<String>,
}

/// All meetings of a node.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    meetings: BTreeMap<MeetingId, MeetingRecord>,
    numbers: Numbers,
    by_attendee_number: BTreeMap<AttendeeNumber, MeetingId>,
    by_moderator_number: BTreeMap<ModeratorNumber, MeetingId>,
    by_token: BTreeMap<String, MeetingId>,
    changed: BTreeSet<MeetingId>,
    /// Those whom nobody enters any more, and whose ids may be another's.
    retired: BTreeSet<MeetingId>,
}

impl Registry {
    /// Takes a stored meeting in.
    ///
    /// # Errors
    /// When its ids are another's already, or a setting cannot be; in words.
    pub fn restore(&mut self, stored: StoredMeeting) -> Result<(), ApiError> {
        let StoredMeeting::V1(record) = stored;
        record.settings.check().map_err(|fault| ApiError::BadRequest(fault.to_string()))?;
        self.insert(record)
    }

    /// What is to be stored since [`Registry::take_changed`] was asked last: meetings as they are now,
    /// or none where one is gone.
    pub fn changed(&self) -> Vec<(MeetingId, Option<StoredMeeting>)> {
        let stored = |id: &MeetingId| self.meetings.get(id).cloned().map(StoredMeeting::V1);
        self.changed.iter().map(|id| (*id, stored(id))).collect()
    }

    /// The same; from now on it counts as stored.
    pub fn take_changed(&mut self) -> Vec<(MeetingId, Option<StoredMeeting>)> {
        let changed = self.changed();
        self.changed.clear();
        changed
    }

    /// Goes on with a meeting as whoever stores it has it: another one, changed, or gone. That is
    /// nothing to be stored.
    ///
    /// # Errors
    /// As [`Registry::restore`]; then there is no such meeting.
    pub fn follow(&mut self, id: MeetingId, stored: Option<StoredMeeting>) -> Result<(), ApiError> {
        // One that is not there yet is no fault.
        let _ = self.delete_meeting(id);
        self.changed.remove(&id);
        stored.map_or(Ok(()), |stored| self.restore(stored))
    }

    /// `CreateMeeting`. The same token with the same request gives the meeting that it has made
    /// before.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn create_meeting(
        &mut self,
        now: UnixTime,
        request: CreateMeeting,
        options: RoomOptions,
        draw: Draw<'_>,
    ) -> Result<&MeetingRecord, ApiError> {
        check::meeting(&request)?;
        if let Some(id) = self.by_token.get(&request.client_request_token).copied() {
            let made = self.meetings.get(&id).ok_or(ApiError::no_meeting(id))?;
            if made.request == request {
                return Ok(made);
            }
            let why = "ClientRequestToken: another request had it; give each meeting its own";
            return Err(ApiError::Conflict(why.to_owned()));
        }
        let mut settings = options.settings;
        if let Some(count) = request.meeting_features.and_then(|f| f.attendee?.max_count) {
            settings.capacity = count;
        }
        settings.check().map_err(|fault| ApiError::BadRequest(fault.to_string()))?;
        if settings.is_over_at(now) {
            return Err(ApiError::BadRequest("end must be in the future".to_owned()));
        }
        if self.meetings.len() >= MOST_MEETINGS {
            let why = format!("there are {MOST_MEETINGS} meetings; delete some");
            return Err(ApiError::LimitExceeded(why));
        }
        let exhausted = || ApiError::Unavailable("no free number was drawn; try again".to_owned());
        let (attendee_number, moderator_number) = self.numbers.draw(draw).ok_or_else(exhausted)?;
        self.numbers.remove(attendee_number, moderator_number);
        let passcode = match options.passcode {
            PasscodeChoice::Drawn => Some(Passcode::draw(draw)),
            PasscodeChoice::Given(passcode) => Some(passcode),
            PasscodeChoice::None => None,
        };
        let id = MeetingId::draw(draw);
        let record = MeetingRecord {
            meeting_id: id,
            attendee_number,
            moderator_number,
            passcode,
            request,
            settings,
            created: now,
            attendees: Vec::new(),
        };
        self.insert(record)?;
        self.changed.insert(id);
        self.get_meeting(id)
    }

    fn insert(&mut self, record: MeetingRecord) -> Result<(), ApiError> {
        let id = record.meeting_id;
        let token = &record.request.client_request_token;
        if self.meetings.contains_key(&id) || self.by_token.contains_key(token) {
            return Err(ApiError::Conflict(format!("there is a meeting {id}, or of its token")));
        }
        if !self.numbers.insert(record.attendee_number, record.moderator_number) {
            return Err(ApiError::Conflict(format!("the numbers of meeting {id} are another's")));
        }
        self.by_attendee_number.insert(record.attendee_number, id);
        self.by_moderator_number.insert(record.moderator_number, id);
        self.by_token.insert(token.clone(), id);
        self.meetings.insert(id, record);
        Ok(())
    }

    /// `GetMeeting`.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub fn get_meeting(&self, id: MeetingId) -> Result<&MeetingRecord, ApiError> {
        self.meetings.get(&id).ok_or(ApiError::no_meeting(id))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.meetings.is_empty()
    }

    /// All meetings, in the order of their ids.
    ///
    /// # Errors
    /// [`ApiError::BadRequest`] for a token that no page gave.
    pub fn list_meetings(
        &self,
        next: Option<&str>,
        most: usize,
    ) -> Result<Page<&MeetingRecord>, ApiError> {
        let after = next.map(MeetingId::parse).transpose().map_err(|_| bad_token())?;
        let rest = self.meetings.values();
        let rest = rest.filter(|record| after.is_none_or(|after| record.meeting_id > after));
        Ok(page(rest, most, |record| record.meeting_id.to_string()))
    }

    /// `DeleteMeeting`. Of a meeting that is held, [`crate::Focus::delete_meeting`] is for all who
    /// are in it.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub fn delete_meeting(&mut self, id: MeetingId) -> Result<MeetingRecord, ApiError> {
        self.release_ids(id);
        let record = self.meetings.remove(&id).ok_or(ApiError::no_meeting(id))?;
        self.retired.remove(&id);
        self.changed.insert(id);
        Ok(record)
    }

    /// Changes what is set for a meeting; one that is held goes on as it was.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::BadRequest`].
    pub fn change_settings(
        &mut self,
        id: MeetingId,
        settings: MeetingSettings,
    ) -> Result<(), ApiError> {
        settings.check().map_err(|fault| ApiError::BadRequest(fault.to_string()))?;
        let record = self.meetings.get_mut(&id).ok_or(ApiError::no_meeting(id))?;
        record.settings = settings;
        self.changed.insert(id);
        Ok(())
    }

    /// Gives a meeting new numbers and, where it has one, a new passcode; the old ones are wrong from
    /// now on.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::Unavailable`].
    pub fn reset_numbers(
        &mut self,
        id: MeetingId,
        draw: Draw<'_>,
    ) -> Result<&MeetingRecord, ApiError> {
        let record = self.meetings.get_mut(&id).ok_or(ApiError::no_meeting(id))?;
        let exhausted = || ApiError::Unavailable("no free number was drawn; try again".to_owned());
        let (attendee, moderator) = self.numbers.draw(draw).ok_or_else(exhausted)?;
        self.numbers.remove(record.attendee_number, record.moderator_number);
        self.by_attendee_number.remove(&record.attendee_number);
        self.by_moderator_number.remove(&record.moderator_number);
        self.by_attendee_number.insert(attendee, id);
        self.by_moderator_number.insert(moderator, id);
        (record.attendee_number, record.moderator_number) = (attendee, moderator);
        if record.passcode.is_some() {
            record.passcode = Some(Passcode::draw(draw));
        }
        self.changed.insert(id);
        Ok(record)
    }

    /// `CreateAttendee`.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn create_attendee(
        &mut self,
        id: MeetingId,
        request: CreateAttendee,
        moderator: bool,
        draw: Draw<'_>,
    ) -> Result<&Attendee, ApiError> {
        let record = self.meetings.get_mut(&id).ok_or(ApiError::no_meeting(id))?;
        check::external_id("ExternalUserId", &request.external_user_id)?;
        let features = record.request.meeting_features.unwrap_or_default();
        let capabilities = match request.capabilities {
            Some(capabilities) => {
                check::capabilities(capabilities, features)?;
                capabilities
            }
            None => check::default_capabilities(features),
        };
        let most = usize::from(record.settings.capacity.min(MOST_PEOPLE));
        if record.attendees.len() >= most {
            let why = format!("the meeting has {most} attendees; delete some");
            return Err(ApiError::LimitExceeded(why));
        }
        let attendee_id = AttendeeId::draw(draw);
        let join_token = format!("{:016x}{:016x}", draw(), draw());
        let external_user_id = request.external_user_id;
        let made = Attendee { external_user_id, attendee_id, join_token, capabilities, moderator };
        record.attendees.push(made);
        self.changed.insert(id);
        record.attendees.last().ok_or(ApiError::no_attendee(attendee_id))
    }

    /// `BatchCreateAttendee`: each by itself; what fails is told beside what was made.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] of the meeting, [`ApiError::BadRequest`] for none or too many.
    pub fn batch_create_attendee(
        &mut self,
        id: MeetingId,
        requests: Vec<CreateAttendee>,
        draw: Draw<'_>,
    ) -> Result<(Vec<Attendee>, Vec<CreateAttendeeError>), ApiError> {
        self.get_meeting(id)?;
        if !(1..=MOST_BATCH).contains(&requests.len()) {
            return Err(ApiError::BadRequest(format!("Attendees: give 1 to {MOST_BATCH}")));
        }
        let (mut made, mut errors) = (Vec::new(), Vec::new());
        for request in requests {
            let external_user_id = request.external_user_id.clone();
            match self.create_attendee(id, request, false, draw) {
                Ok(attendee) => made.push(attendee.clone()),
                Err(error) => errors.push(CreateAttendeeError {
                    external_user_id,
                    error_code: error.code().to_owned(),
                    error_message: error.to_string(),
                }),
            }
        }
        Ok((made, errors))
    }

    /// `GetAttendee`.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub fn get_attendee(&self, id: MeetingId, of: AttendeeId) -> Result<&Attendee, ApiError> {
        let attendees = &self.get_meeting(id)?.attendees;
        attendees.iter().find(|it| it.attendee_id == of).ok_or(ApiError::no_attendee(of))
    }

    /// `ListAttendees`, in the order in which they were made.
    ///
    /// # Errors
    /// [`ApiError::NotFound`]; [`ApiError::BadRequest`] for a token that no page gave.
    pub fn list_attendees(
        &self,
        id: MeetingId,
        next: Option<&str>,
        most: usize,
    ) -> Result<Page<&Attendee>, ApiError> {
        let attendees = &self.get_meeting(id)?.attendees;
        let begin = match next {
            None => 0,
            Some(next) => {
                let after = AttendeeId::parse(next).map_err(|_| bad_token())?;
                let at = attendees.iter().position(|it| it.attendee_id == after);
                at.ok_or_else(bad_token)?.saturating_add(1)
            }
        };
        let rest = attendees.iter().skip(begin);
        Ok(page(rest, most, |attendee| attendee.attendee_id.to_string()))
    }

    /// `DeleteAttendee`. Of a meeting that is held, [`crate::Focus::delete_attendee`] is.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub fn delete_attendee(&mut self, id: MeetingId, of: AttendeeId) -> Result<(), ApiError> {
        let record = self.meetings.get_mut(&id).ok_or(ApiError::no_meeting(id))?;
        let before = record.attendees.len();
        record.attendees.retain(|it| it.attendee_id != of);
        if record.attendees.len() == before {
            return Err(ApiError::no_attendee(of));
        }
        self.changed.insert(id);
        Ok(())
    }

    /// `UpdateAttendeeCapabilities`. Of a meeting that is held,
    /// [`crate::Focus::update_attendee_capabilities`] is.
    ///
    /// # Errors
    /// [`ApiError::NotFound`], [`ApiError::BadRequest`].
    pub fn update_attendee_capabilities(
        &mut self,
        id: MeetingId,
        of: AttendeeId,
        capabilities: Capabilities,
    ) -> Result<&Attendee, ApiError> {
        let record = self.meetings.get_mut(&id).ok_or(ApiError::no_meeting(id))?;
        check::capabilities(capabilities, record.request.meeting_features.unwrap_or_default())?;
        let attendee = record.attendees.iter_mut().find(|it| it.attendee_id == of);
        let attendee = attendee.ok_or(ApiError::no_attendee(of))?;
        attendee.capabilities = capabilities;
        self.changed.insert(id);
        Ok(attendee)
    }

    /// The attendee that a join token is of.
    pub fn attendee_of_token(
        &self,
        id: MeetingId,
        of: AttendeeId,
        token: &str,
    ) -> Option<&Attendee> {
        let attendee = self.get_attendee(id, of).ok()?;
        same_text(&attendee.join_token, token).then_some(attendee)
    }

    /// The meeting of an attendee's number.
    pub fn by_attendee_number(&self, number: AttendeeNumber) -> Option<&MeetingRecord> {
        self.meetings.get(self.by_attendee_number.get(&number)?)
    }

    /// The meeting of a moderator's number.
    pub fn by_moderator_number(&self, number: ModeratorNumber) -> Option<&MeetingRecord> {
        self.meetings.get(self.by_moderator_number.get(&number)?)
    }

    /// Deletes scheduled meetings that were over at this time, and those on demand that were made before
    /// it, but for those that are held.
    pub fn remove_over(
        &mut self,
        before: UnixTime,
        is_held: impl Fn(MeetingId) -> bool,
    ) -> Vec<MeetingRecord> {
        let is_over = |record: &&MeetingRecord| match record.settings.plan {
            Plan::Personal => false,
            Plan::Scheduled { .. } => record.settings.is_over_at(before),
            Plan::OnDemand => record.created < before,
        };
        let over = self.meetings.values().filter(is_over).map(|record| record.meeting_id);
        let over: Vec<_> = over.filter(|id| !is_held(*id)).collect();
        over.into_iter().filter_map(|id| self.delete_meeting(id).ok()).collect()
    }

    /// Whether a meeting goes when it has ended.
    pub(crate) fn is_once(&self, id: MeetingId) -> bool {
        self.meetings.get(&id).is_some_and(|record| record.settings.plan == Plan::OnDemand)
    }
}

fn bad_token() -> ApiError {
    ApiError::BadRequest("NextToken: give one that a list has returned".to_owned())
}

fn page<'a, T>(
    rest: impl Iterator<Item = &'a T>,
    most: usize,
    token: impl Fn(&T) -> String,
) -> Page<&'a T> {
    let most = most.clamp(1, MOST_PAGE);
    let mut entries: Vec<&T> = rest.take(most + 1).collect();
    let mut next = None;
    if entries.len() > most {
        entries.truncate(most);
        next = entries.last().map(|last| token(last));
    }
    Page { entries, next }
}

#[cfg(test)]
mod tests;
