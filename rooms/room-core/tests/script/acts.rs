//! Any octets as a scene.

use super::{World, draw};
use model::{Heard, TransactionId};
use room_core::*;
use std::time::Duration;

/// Meetings of every kind.
fn all_kinds(world: &mut World) {
    let base = || MeetingSettings { empty_seconds: 30, capacity: 6, ..MeetingSettings::default() };
    let personal = MeetingSettings { plan: Plan::Personal, ..base() };
    let kinds = [
        personal.clone(),
        MeetingSettings { access: Access::Moderated, ..personal.clone() },
        MeetingSettings {
            access: Access::Moderated,
            when_locked: WhenLocked::Knock,
            last_moderator: LastModerator::BackToWaiting,
            announce: Announce::Off,
            ..personal.clone()
        },
        MeetingSettings {
            access: Access::Admitted,
            last_moderator: LastModerator::Promote,
            floor: FloorPolicy::Moderators,
            confirm_called: false,
            ..personal.clone()
        },
        MeetingSettings {
            announce: Announce::Name,
            last_moderator: LastModerator::EndAfter(20),
            longest_minutes: 5,
            warnings: vec![1, 3],
            unmute_oneself: false,
            ..personal
        },
        MeetingSettings { empty_seconds: 0, vanished_seconds: 5, ..base() },
    ];
    for kind in kinds {
        let id = world.make(kind);
        world.guest(id, false);
        world.guest(id, true);
    }
}

/// Plays the scene that these octets are: three for each act.
///
/// # Panics
/// When an order or event contradicts what was before, an input has too many outputs, or something
/// that was due is not done.
pub(crate) fn run(octets: &[u8]) -> World {
    let mut world = World::new(FocusSettings { most_callers: Some(40), ..Default::default() });
    all_kinds(&mut world);
    for act in octets.chunks_exact(3).take(250) {
        if let [what, whom, how] = act {
            world.act(*what, usize::from(*whom), *how);
            // An order for a call that is over finds one that was never answered.
            world.views.retain(|_, view| !view.gone && !view.hung_up);
        }
    }
    // Whatever happened, everything ends.
    let calls: Vec<TransactionId> = world.views.keys().copied().collect();
    for call in calls {
        if !world.view(call).hung_up {
            world.gone(call, None);
        }
    }
    world.seconds(4_000);
    assert_eq!(world.focus.callers(), 0);
    assert_eq!(world.focus.held().count(), 0);
    assert_eq!(world.focus.poll_timeout(), None);
    world
}

impl World {
    fn act(&mut self, what: u8, whom: usize, how: u8) {
        let Some(meeting) = self.rooms.get(usize::from(how) % self.rooms.len().max(1)).copied()
        else {
            return;
        };
        let alive = self.views.iter().filter(|(_, view)| !view.gone && !view.hung_up);
        let alive: Vec<TransactionId> = alive.map(|(call, _)| *call).collect();
        let call = alive.get(whom % alive.len().max(1)).copied();
        let Some(call) = call.filter(|_| what % 16 > 4) else {
            self.arrive(what, whom, how, meeting);
            return;
        };
        let key = char::from(*b"0123456789*#A*04".get(usize::from(how) % 16).unwrap_or(&b'#'));
        let place = self.views.get(&call).and_then(|view| view.meeting).unwrap_or(meeting);
        match what % 16 {
            5 | 6 => self.keys(call, key.encode_utf8(&mut [0; 4])),
            7 => {
                let menu = [MODERATOR_MENU, ATTENDEE_MENU].concat();
                if let Some((keys, _)) = menu.get(usize::from(how) % menu.len()) {
                    self.keys(call, keys);
                }
            }
            8 => self.played(call),
            9 => self.gone(call, (how > 127).then_some(500)),
            10 => {
                let now = self.now();
                self.focus.handle_silence(now, call, Duration::from_secs(u64::from(how) % 8));
                let (is_speaking, is_active_speaker) = (how & 1 == 1, how & 2 == 2);
                let heard = Heard { is_speaking, is_active_speaker, level: how };
                self.focus.handle_heard(call, heard);
                self.drain();
            }
            11 => {
                self.name_recorded(call, how & 1 == 1);
            }
            12 => self.answer_questions(how),
            13 => drop(self.command(place, By::Call(call), some_command(how, call, &alive))),
            14 => drop(self.command(place, By::Api, some_command(how, call, &alive))),
            _ => self.wait(Duration::from_millis(u64::from(how) * u64::from(how))),
        }
    }

    /// What a call has said as its name is known, or that it has said none.
    pub(crate) fn name_recorded(&mut self, call: TransactionId, has_said_name: bool) {
        if let Some(view) = self.views.get_mut(&call) {
            view.records_name = false;
        }
        let now = self.now();
        self.focus.handle_name_recorded(now, call, has_said_name);
        self.drain();
    }

    fn arrive(&mut self, what: u8, whom: usize, how: u8, meeting: MeetingId) {
        let (attendee, moderator) = self.numbers(meeting);
        match what % 5 {
            0 => drop(self.call_from(how, Dialled::default(), how.is_multiple_of(2))),
            1 => drop(self.call_from(
                how,
                Dialled { id: Some(attendee), passcode: None, ..Dialled::default() },
                how.is_multiple_of(2),
            )),
            2 => drop(self.dial(&moderator, (!how.is_multiple_of(7)).then_some("4321"))),
            3 => drop(self.join_guest(whom % self.guests.len().max(1))),
            _ => match how {
                0..=20 => {
                    let now = self.now();
                    // The last one is made again, so that there is always something to do.
                    let deleted = self.focus.delete_meeting(now, meeting);
                    self.drain();
                    self.rooms.retain(|id| *id != meeting || deleted.is_err());
                    if let Ok(deleted) = deleted {
                        self.make(deleted.settings);
                    }
                }
                21..=60 => {
                    let draw = &mut draw(&mut self.random);
                    drop(self.focus.registry_mut().reset_numbers(meeting, draw));
                }
                61..=75 => self.recording_started(meeting),
                76..=90 => {
                    let now = self.now();
                    self.focus.handle_recording_failed(now, meeting);
                    self.drain();
                }
                91..=120 => {
                    let now = self.now();
                    let number = "+12065550100";
                    let _ = self.focus.dial_out(now, meeting, number, &mut draw(&mut self.random));
                    self.drain();
                }
                121..=150 => self.change_elsewhere(meeting, how),
                _ => {
                    let call = self.dial("999", None);
                    self.keys(call, "12345678901234567#");
                }
            },
        }
    }

    /// A meeting is set otherwise, or taken away, by whoever stores it.
    fn change_elsewhere(&mut self, meeting: MeetingId, how: u8) {
        let Ok(mut record) = self.focus.registry().get_meeting(meeting).cloned() else { return };
        if self.focus.registry().is_retired(meeting) {
            // Its ids and token may be another's.
            return;
        }
        let settings = &mut record.settings;
        settings.access = [Access::Open, Access::Moderated, Access::Admitted][usize::from(how % 3)];
        settings.capacity = u16::from(how % 8) + 1;
        settings.longest_minutes = u32::from(how % 4) + 1;
        settings.empty_seconds = u32::from(how % 5) * 10;
        settings.floor = [FloorPolicy::Nobody, FloorPolicy::Asked][usize::from(how % 2)];
        let retires = how > 140;
        let stored = Followed::Stored(Box::new(StoredMeeting::V1(record.clone())));
        let what = if retires { Followed::Retired } else { stored };
        let now = self.now();
        // Who waited may come in by it.
        self.everyone_expected = true;
        let faults = self.focus.follow_meetings(now, vec![(meeting, what)]);
        assert!(faults.is_empty(), "{faults:?}");
        self.drain();
        if self.focus.registry().get_meeting(meeting).is_err() {
            self.rooms.retain(|id| *id != meeting);
            self.make(record.settings);
        }
    }

    /// Numbers that meetings want to call, and people who are called.
    fn answer_questions(&mut self, how: u8) {
        let asked = self.orders.iter().rev().take(4).find_map(|(meeting, order)| match order {
            MeetingOrder::AskNumber { call, .. } => Some((*meeting, *call)),
            _ => None,
        });
        if let Some((meeting, call)) = asked {
            self.verdict(meeting, call, !how.is_multiple_of(4));
        }
        let dialled = self.orders.iter().rev().take(8).find_map(|(_, order)| match order {
            MeetingOrder::DialOut { call, .. } => Some(*call),
            _ => None,
        });
        if let Some(call) = dialled
            .filter(|call| self.views.get(call).is_some_and(|view| !view.gone && !view.hung_up))
        {
            let news =
                if how.is_multiple_of(8) { CalledNews::Failed(486) } else { CalledNews::Answered };
            self.called(call, news);
        }
    }
}

fn some_command(how: u8, call: TransactionId, alive: &[TransactionId]) -> Command {
    let other = alive.get(usize::from(how / 16) % alive.len().max(1)).copied().unwrap_or(call);
    let on = how.is_multiple_of(2);
    match how / 2 % 14 {
        0 => Command::Lock(on),
        1 => Command::Record(on),
        2 => Command::MuteAll(on),
        3 => Command::Mute(other, on),
        4 => Command::Hand(call, on),
        5 => Command::Admit(other),
        6 => Command::AdmitAll,
        7 => Command::Remove(other),
        8 => Command::Promote(other),
        9 => Command::DialOut("+12065550101".into()),
        10 => Command::Say("hello".repeat(usize::from(how))),
        11 => Command::TakeFloor(call),
        12 => Command::LeaveFloor(other),
        _ if how > 200 => Command::End,
        _ => Command::Mute(call, on),
    }
}
