//! Meetings as people make them: with a name, a plan and a passcode.

use super::{Writing, bad_request};
use crate::error::ApiError;
use crate::reads::written_room;
use crate::rooms::refused;
use crate::schema::seconds_of;
use model::UnixTime;
use room_core::{
    CreateMeeting, Language, LastModerator, MeetingId, MeetingSettings, Passcode, PasscodeChoice,
    Plan, RoomOptions,
};
use serde_json::{Value, json};

/// Seconds that a scheduled meeting may last longer.
const GRACE: u32 = 15 * 60;

impl Writing<'_, '_> {
    pub(super) fn create_room(&mut self) -> Result<Value, ApiError> {
        let mut settings = MeetingSettings { plan: self.plan()?, ..MeetingSettings::default() };
        self.take_settings(&mut settings)?;
        if settings.name.trim().is_empty() {
            return Err(bad_request("Name: give what people call it"));
        }
        let without: bool = self.member("WithoutPasscode")?.unwrap_or_default();
        let passcode: Option<String> = self.member("Passcode")?;
        let passcode = match (passcode, without) {
            (Some(_), true) => {
                return Err(bad_request("WithoutPasscode: leave it out, or Passcode"));
            }
            (Some(text), false) => PasscodeChoice::Given(
                Passcode::parse(&text).map_err(|why| bad_request(format!("Passcode: {why}")))?,
            ),
            (None, true) => PasscodeChoice::None,
            (None, false) => PasscodeChoice::Drawn,
        };
        let request = CreateMeeting {
            client_request_token: self.uuid()?,
            media_region: self.settings.region.clone(),
            external_meeting_id: "room".to_owned(),
            ..CreateMeeting::default()
        };
        let now = self.draft.now();
        self.remove_over(now);
        let options = RoomOptions { settings, passcode };
        let made = self.drawn(|meetings, draw| {
            meetings.create_meeting(now, request, options, draw).map(|record| record.meeting_id)
        })?;
        self.keep_meetings();
        self.written(made)
    }

    pub(super) fn update_room(&mut self) -> Result<Value, ApiError> {
        let id = self.own_meeting()?;
        let mut settings = self.meetings.get_meeting(id).map_err(refused)?.settings.clone();
        self.take_settings(&mut settings)?;
        self.meetings.change_settings(id, settings).map_err(refused)?;
        self.keep_meetings();
        self.written(id)
    }

    pub(super) fn reset_room(&mut self) -> Result<Value, ApiError> {
        let id = self.own_meeting()?;
        self.drawn(|meetings, draw| meetings.reset_numbers(id, draw).map(|_| ()))?;
        self.keep_meetings();
        self.written(id)
    }

    fn written(&self, id: MeetingId) -> Result<Value, ApiError> {
        let record = self.meetings.get_meeting(id).map_err(refused)?;
        Ok(json!({ "Room": written_room(self.directory, record, None) }))
    }

    fn plan(&self) -> Result<Plan, ApiError> {
        let plan: Option<String> = self.member("Plan")?;
        let time = |name: &str| match self.input.get(name) {
            None => Ok(None),
            Some(value) => match seconds_of(value).map(|at| u64::try_from(at.max(0))) {
                Some(Ok(at)) => Ok(Some(UnixTime::from_millis(at.saturating_mul(1_000)))),
                _ => Err(bad_request(format!("{name}: is no time"))),
            },
        };
        match (plan.as_deref(), time("StartTimestamp")?, time("EndTimestamp")?) {
            (Some("Scheduled") | None, Some(start), Some(end)) => {
                Ok(Plan::Scheduled { start, end, grace_seconds: GRACE })
            }
            (Some("Scheduled"), ..) => {
                Err(bad_request("StartTimestamp, EndTimestamp: a scheduled meeting needs both"))
            }
            (_, Some(_), _) | (_, _, Some(_)) => Err(bad_request(
                "StartTimestamp, EndTimestamp: give both, and Plan as Scheduled or not at all",
            )),
            (Some("Personal"), None, None) => Ok(Plan::Personal),
            (_, None, None) => Ok(Plan::OnDemand),
        }
    }

    /// What the request says is set; the rest stays.
    fn take_settings(&self, settings: &mut MeetingSettings) -> Result<(), ApiError> {
        fn set<T>(one: &mut T, given: Option<T>) {
            if let Some(given) = given {
                *one = given;
            }
        }
        set(&mut settings.name, self.member("Name")?);
        set(&mut settings.access, self.member("Access")?);
        set(&mut settings.capacity, self.member("Capacity")?);
        set(&mut settings.announce, self.member("Announce")?);
        set(&mut settings.when_locked, self.member("WhenLocked")?);
        set(&mut settings.floor, self.member("Slides")?);
        set(&mut settings.layout, self.member("Layout")?);
        set(&mut settings.longest_minutes, self.member("LongestMinutes")?);
        set(&mut settings.empty_seconds, self.member("EmptySeconds")?);
        let last_moderator = self.last_moderator(settings.last_moderator)?;
        set(&mut settings.last_moderator, last_moderator);
        set(&mut settings.warnings, self.member("Warnings")?);
        set(&mut settings.waiting_minutes, self.member("WaitingMinutes")?);
        set(&mut settings.vanished_seconds, self.member("VanishedSeconds")?);
        set(&mut settings.unmute_oneself, self.member("UnmuteOneself")?);
        set(&mut settings.confirm_called, self.member("ConfirmCalled")?);
        if let Some(language) = self.member::<String>("Language")? {
            let read = Language::parse(&language);
            settings.language = Some(read.map_err(|why| bad_request(format!("Language: {why}")))?);
        }
        Ok(())
    }

    /// What becomes of it without moderators, where the request says something of that.
    fn last_moderator(&self, before: LastModerator) -> Result<Option<LastModerator>, ApiError> {
        let what: Option<String> = self.member("LastModerator")?;
        let seconds: Option<u32> = self.member("EndAfterSeconds")?;
        let was = match before {
            LastModerator::EndAfter(seconds) => Some(seconds),
            LastModerator::Continue | LastModerator::Promote | LastModerator::BackToWaiting => None,
        };
        match (what.as_deref(), seconds.or(was)) {
            (None, _) if seconds.is_none() => Ok(None),
            (Some("EndAfter"), None) => {
                Err(bad_request("EndAfterSeconds: say after how many seconds it ends"))
            }
            (Some("EndAfter"), Some(after)) => Ok(Some(LastModerator::EndAfter(after))),
            (None, Some(after)) if was.is_some() => Ok(Some(LastModerator::EndAfter(after))),
            (..) if seconds.is_some() => {
                Err(bad_request("EndAfterSeconds: leave it out, or give LastModerator as EndAfter"))
            }
            (Some("Promote"), _) => Ok(Some(LastModerator::Promote)),
            (Some("BackToWaiting"), _) => Ok(Some(LastModerator::BackToWaiting)),
            // The model allows nothing else.
            (..) => Ok(Some(LastModerator::Continue)),
        }
    }
}
