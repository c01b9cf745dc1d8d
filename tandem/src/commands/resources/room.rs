//! `tandem room`: meetings, their numbers, and what goes on in them.

use super::room_set::{Layout, Set};
use super::shown::{Column, Shown};
use super::{How, Outcome, Resource, done, members};
use crate::control_api::{Asked, Failure, Reply};
use serde_json::{Map, Value, json};

/// Meetings in the meeting rooms.
#[derive(clap::Args)]
pub(crate) struct RoomArgs {
    #[command(flatten)]
    pub(crate) how: How,
    #[command(subcommand)]
    pub(crate) command: RoomCommand,
}

#[derive(clap::Subcommand)]
pub(crate) enum RoomCommand {
    /// Make a meeting: it gets a 10-digit attendee id, a 13-digit moderator id, and a passcode for
    /// moderators. It is gone when it has ended, unless it is personal or scheduled.
    Create {
        /// What people call it, 1 to 64 characters.
        #[arg(long)]
        name: String,
        /// Somebody's own room: any number of times, with the same numbers.
        #[arg(long, conflicts_with_all = ["start", "end"])]
        personal: bool,
        /// When people may enter, such as 2026-03-31T09:00:00Z.
        #[arg(long, value_name = "TIME", requires = "end")]
        start: Option<String>,
        /// When it ends; it may last a quarter of an hour longer.
        #[arg(long, value_name = "TIME", requires = "start")]
        end: Option<String>,
        /// What moderators type after their id, 4 to 10 digits; without DIGITS, and when this is left
        /// out, six digits are drawn.
        #[arg(long, value_name = "DIGITS", num_args = 0..=1)]
        passcode: Option<Option<String>>,
        /// The moderator id is enough.
        #[arg(long, conflicts_with = "passcode")]
        no_passcode: bool,
        #[command(flatten)]
        set: Set,
    },
    /// List the meetings.
    List,
    /// One meeting: its numbers, what is set for it, and who is in it.
    Show {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
    },
    /// Change what is set for a meeting, also while it is held; nobody has to leave by it.
    Update {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
        /// What people call it from now on.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        set: Set,
    },
    /// Delete a meeting; it ends for all who are in it.
    Delete {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
    },
    /// Give a meeting new ids and a new passcode; the old ones are wrong from then on.
    Reset {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
    },
    /// Lock a meeting that is held: no attendee more gets in.
    Lock {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
    },
    /// Unlock it.
    Unlock {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
    },
    /// Mute everyone but moderators, or one who is in it.
    Mute {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
        /// Whom: a call id that `show` tells.
        #[arg(long, value_name = "CALL")]
        call: Option<String>,
    },
    /// End that everyone, or one, is muted.
    Unmute {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
        /// Whom: a call id that `show` tells.
        #[arg(long, value_name = "CALL")]
        call: Option<String>,
    },
    /// Let everyone in who waits, or one.
    Admit {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
        /// Whom: a call id that `show` tells.
        #[arg(long, value_name = "CALL")]
        call: Option<String>,
    },
    /// Have somebody who is in it share slides, in the place of whoever does.
    Present {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
        /// Who: a call id that `show` tells.
        #[arg(long, value_name = "CALL")]
        call: String,
    },
    /// End that somebody shares slides, or say no to who asks for it.
    StopPresenting {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
        /// Who: a call id that `show` tells.
        #[arg(long, value_name = "CALL")]
        call: String,
    },
    /// What somebody who is in it sees of the others.
    Layout {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
        /// Who: a call id that `show` tells.
        #[arg(long, value_name = "CALL")]
        call: String,
        /// What.
        #[arg(value_enum)]
        layout: Layout,
    },
    /// Record a meeting that is held, or stop it.
    Record {
        #[command(subcommand)]
        what: RecordCommand,
    },
    /// End a meeting for all who are in it.
    End {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
    },
    /// Call a number into a meeting.
    Call {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
        /// In E.164, such as +12065550100.
        number: String,
    },
}

/// Whether a meeting is recorded.
#[derive(clap::Subcommand)]
pub(crate) enum RecordCommand {
    /// Record what everybody hears from now on. Those in the meeting hear when it has begun, or that it
    /// cannot be.
    Start {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
    },
    /// Record nothing more; the files are complete.
    Stop {
        /// Its meeting id, attendee id, moderator id or name.
        room: String,
    },
}

const COLUMNS: &[Column] = &[
    Column("name", &["/Name"]),
    Column("attendee id", &["/AttendeeId"]),
    Column("moderator id", &["/ModeratorId"]),
    Column("plan", &["/Plan"]),
    Column("access", &["/Access"]),
    Column("people", &["/People"]),
    Column("composed cpu %", &["/Composed/CpuPercent"]),
    Column("meeting id", &["/MeetingId"]),
];

impl Resource for RoomCommand {
    fn is_read(&self) -> bool {
        matches!(self, RoomCommand::List | RoomCommand::Show { .. })
    }

    fn listing(&self) -> &'static str {
        "tandem room list"
    }

    fn perform(&self, api: &mut dyn Asked, _: bool) -> Result<Outcome, Failure> {
        match self {
            RoomCommand::Create { name, personal, start, end, passcode, no_passcode, set } => {
                let mut asked = set.written();
                asked["Name"] = name.as_str().into();
                asked["Plan"] = json!(personal.then_some("Personal"));
                asked["StartTimestamp"] = json!(start);
                asked["EndTimestamp"] = json!(end);
                asked["Passcode"] = json!(passcode.as_ref().and_then(Option::as_ref));
                asked["WithoutPasscode"] = json!(no_passcode.then_some(true));
                api.ask("CreateRoom", &members(asked)).map(room)
            }
            RoomCommand::List => {
                let reply = api.ask_all("ListRooms", &Map::new(), "Rooms")?;
                let text = snake(&reply.value).to_string();
                let reply = Reply { text, value: reply.value };
                Ok(Outcome { reply, shown: Shown::Table { entries: "Rooms", columns: COLUMNS } })
            }
            RoomCommand::Show { room: given } => show(api, given),
            RoomCommand::Update { room: given, name, set } => {
                let mut asked = set.written();
                asked["Name"] = json!(name);
                asked["RoomId"] = id_of(api, given)?.into();
                api.ask("UpdateRoom", &members(asked)).map(room)
            }
            RoomCommand::Reset { room: given } => {
                let asked = json!({ "RoomId": id_of(api, given)? });
                api.ask("ResetRoom", &members(asked)).map(room)
            }
            RoomCommand::Delete { room } => act(api, room, "DeleteRoom", "is deleted"),
            RoomCommand::Lock { room } => act(api, room, "LockRoom", "is locked"),
            RoomCommand::Unlock { room } => act(api, room, "UnlockRoom", "is unlocked"),
            RoomCommand::Mute { room, call } => on_call(api, room, call, "MuteRoom", "is muted"),
            RoomCommand::Unmute { room, call } => {
                on_call(api, room, call, "UnmuteRoom", "is not muted any more")
            }
            RoomCommand::Admit { room, call } => {
                on_call(api, room, call, "AdmitToRoom", "is admitted")
            }
            RoomCommand::Present { room, call } => {
                on_call(api, room, &Some(call.clone()), "PresentInRoom", "may share slides")
            }
            RoomCommand::StopPresenting { room, call } => {
                let (operation, what) = ("StopPresentingInRoom", "shares no slides any more");
                on_call(api, room, &Some(call.clone()), operation, what)
            }
            RoomCommand::Layout { room, call, layout } => {
                let id = id_of(api, room)?;
                let asked = json!({ "RoomId": id, "CallId": call, "Layout": layout.word() });
                let what = match layout {
                    Layout::Speaker => "whoever speaks",
                    Layout::Grid => "all at once, while there is CPU for it",
                };
                done(api, "LayOutRoom", asked, format!("call {call} sees {what}"))
            }
            RoomCommand::Record { what: RecordCommand::Start { room } } => act(
                api,
                room,
                "StartRoomRecording",
                "is to be recorded; those in it hear when it is",
            ),
            RoomCommand::Record { what: RecordCommand::Stop { room } } => {
                act(api, room, "StopRoomRecording", "is not recorded any more")
            }
            RoomCommand::End { room } => act(api, room, "EndRoom", "has ended"),
            RoomCommand::Call { room, number } => {
                let asked = json!({ "RoomId": id_of(api, room)?, "E164PhoneNumber": number });
                done(api, "CallFromRoom", asked, format!("{number} is called into meeting {room}"))
            }
        }
    }
}

fn act(api: &mut dyn Asked, room: &str, operation: &str, what: &str) -> Result<Outcome, Failure> {
    let asked = json!({ "RoomId": id_of(api, room)? });
    done(api, operation, asked, format!("meeting {room} {what}"))
}

fn on_call(
    api: &mut dyn Asked,
    room: &str,
    call: &Option<String>,
    operation: &str,
    what: &str,
) -> Result<Outcome, Failure> {
    let asked = json!({ "RoomId": id_of(api, room)?, "CallId": call });
    let who =
        call.as_ref().map_or_else(|| format!("everyone in {room}"), |call| format!("call {call}"));
    done(api, operation, asked, format!("{who} {what}"))
}

fn show(api: &mut dyn Asked, given: &str) -> Result<Outcome, Failure> {
    let id = json!({ "RoomId": id_of(api, given)? });
    let mut told = api.ask("GetRoom", &members(id.clone()))?.value["Room"].take();
    if told["Held"] == true {
        let people = api.ask("ListRoomParticipants", &members(id))?.value["Participants"].take();
        told["Participants"] = people;
    }
    Ok(room(Reply { text: String::new(), value: json!({ "Room": told }) }))
}

/// A reply about one meeting: for programs it is one object with names in small letters.
fn room(reply: Reply) -> Outcome {
    let text = snake(&reply.value["Room"]).to_string();
    Outcome { reply: Reply { text, value: reply.value }, shown: Shown::Facts }
}

/// The meeting id of what a user says of a meeting.
fn id_of(api: &mut dyn Asked, given: &str) -> Result<String, Failure> {
    if model::TransactionId::parse(given).is_ok() {
        return Ok(given.to_owned());
    }
    let is_number = matches!(given.len(), 10 | 13) && given.bytes().all(|b| b.is_ascii_digit());
    let asked = match is_number {
        true => json!({ "Number": given }),
        false => json!({}),
    };
    let rooms = api.ask_all("ListRooms", &members(asked), "Rooms")?.value["Rooms"].take();
    let rooms = rooms.as_array().into_iter().flatten();
    let mut found = rooms.filter(|each| is_number || each["Name"] == given);
    match (found.next().and_then(|each| each["MeetingId"].as_str()), found.next()) {
        (Some(id), None) => Ok(id.to_owned()),
        (Some(_), Some(_)) => Err(Failure::Way(format!(
            "several meetings are called {given:?}: name one by an id that `tandem room list` shows"
        ))),
        (None, _) => Err(Failure::Refused {
            exception: "NotFoundException".to_owned(),
            message: format!("there is no meeting {given:?}"),
        }),
    }
}

/// `AttendeeId` is `attendee_id`, in all depths.
fn snake(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(snake).collect(),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (small(name), snake(value)));
            Value::Object(members.collect())
        }
        value => value.clone(),
    }
}

fn small(name: &str) -> String {
    let mut small = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !small.is_empty() {
            small.push('_');
        }
        small.push(letter.to_ascii_lowercase());
    }
    small
}
