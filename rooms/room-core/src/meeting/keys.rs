//! What keys do in a meeting.

use super::member::Input;
use super::{By, Command, Meeting, Refused, Role};
use crate::id::Draw;
use crate::layout::Sees;
use crate::menu::{Menu, MenuAction};
use crate::output::{Now, Outputs};
use crate::prompt::Prompt;
use model::{DtmfKey, PictureLayout, TransactionId};
use std::time::Duration;

/// How long the next key of a number, or a confirmation, may take.
const NEXT_INPUT: Duration = Duration::from_secs(10);
/// Digits of a number that is typed.
const MOST_NUMBER: usize = 18;

/// What keys do, for each role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Menus {
    /// Moderators'.
    pub moderators: Menu,
    /// Attendees'.
    pub attendees: Menu,
}

impl Default for Menus {
    fn default() -> Self {
        Menus { moderators: Menu::moderators(), attendees: Menu::attendees() }
    }
}

impl Meeting {
    /// Somebody has pressed a key, who can be shown this. Keys of those who wait do nothing.
    pub(crate) fn handle_key(
        &mut self,
        now: Now,
        call: TransactionId,
        (key, sees): (DtmfKey, Sees),
        menus: &Menus,
        draw: Draw<'_>,
        out: &mut Outputs,
    ) {
        if self.called.contains_key(&call) {
            self.confirm_called(now, call, key, out);
            return;
        }
        let Some(member) = self.people.get_mut(&call).filter(|member| member.is_in()) else {
            return;
        };
        let menu = match member.role {
            Role::Moderator => &menus.moderators,
            Role::Attendee => &menus.attendees,
        };
        let done = match member.input.take() {
            Some(Input::Number(digits, until)) if until > now.at => {
                self.number(now, call, digits, key, draw, out)
            }
            Some(Input::ConfirmEnd(until)) if until > now.at => {
                if key.symbol() == '1' {
                    self.command(now, By::Call(call), Command::End, draw, out)
                } else {
                    Ok(())
                }
            }
            _ => match member.pressed.press(now.at, key, menu) {
                Some(action) => self.act(now, call, (action, sees), menu, draw, out),
                None => Ok(()),
            },
        };
        if let Err(why) = done
            && let Some(member) = self.people.get(&call)
        {
            let prompt = match why {
                Refused::ModeratorsOnly => Prompt::NotAllowed,
                _ => Prompt::CannotCall,
            };
            out.play(call, &member.language, vec![prompt]);
        }
    }

    /// One more key of a number: `#` ends it, `*` gives it up.
    fn number(
        &mut self,
        now: Now,
        call: TransactionId,
        mut digits: String,
        key: DtmfKey,
        draw: Draw<'_>,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        match key.symbol() {
            '#' => {
                // The table of keys says who may; a command of an attendee would be refused.
                return self.dial_out(now, By::Call(call), &digits, draw, out);
            }
            digit if digit.is_ascii_digit() && digits.len() < MOST_NUMBER => digits.push(digit),
            _ => return Ok(()),
        }
        if let Some(member) = self.people.get_mut(&call) {
            member.input = Some(Input::Number(digits, now.at + NEXT_INPUT));
        }
        Ok(())
    }

    fn act(
        &mut self,
        now: Now,
        call: TransactionId,
        (action, sees): (MenuAction, Sees),
        menu: &Menu,
        draw: Draw<'_>,
        out: &mut Outputs,
    ) -> Result<(), Refused> {
        let by = By::Call(call);
        let command = match action {
            MenuAction::Lock => Command::Lock(!self.locked),
            MenuAction::Record => Command::Record(!self.recording),
            MenuAction::MuteAll => Command::MuteAll(true),
            MenuAction::UnmuteAll => Command::MuteAll(false),
            MenuAction::Admit => {
                self.moderator(by)?;
                if self.waiting().is_empty() {
                    self.say_to(call, vec![Prompt::NobodyWaits], out);
                }
                Command::AdmitAll
            }
            MenuAction::RaiseHand => {
                let hand = self.people.get(&call).is_some_and(|member| member.hand);
                return self.raise(now, by, call, !hand, out);
            }
            MenuAction::MuteSelf => {
                let muted = self.people.get(&call).is_some_and(|member| member.is_muted());
                if self.mute(now, by, call, !muted, out) == Err(Refused::NotAllowed) {
                    self.say_to(call, vec![Prompt::CannotUnmute], out);
                }
                return Ok(());
            }
            // Who sees nothing is told of nothing that it would see.
            MenuAction::Layout if sees == Sees::Nothing => return Ok(()),
            MenuAction::Layout if sees == Sees::Speaker => {
                self.say_to(call, vec![Prompt::SpeakerShown], out);
                return Ok(());
            }
            MenuAction::Layout => {
                let (layout, prompt) = match self.layout_of(call) {
                    PictureLayout::Speaker => (PictureLayout::Grid, Prompt::EverybodyShown),
                    PictureLayout::Grid => (PictureLayout::Speaker, Prompt::SpeakerShown),
                };
                self.lay_out(by, call, layout, out)?;
                self.say_to(call, vec![prompt], out);
                return Ok(());
            }
            MenuAction::Help => {
                self.say_to(call, spoken(menu), out);
                return Ok(());
            }
            MenuAction::CountPeople => {
                let count = self.people.values().filter(|member| member.is_in()).count();
                let digits = count.to_string();
                let prompts = [Prompt::PeopleCount].into_iter();
                self.say_to(call, prompts.chain(digits.chars().map(Prompt::Key)).collect(), out);
                return Ok(());
            }
            MenuAction::DialOut => {
                let until = now.at + NEXT_INPUT;
                self.expect(call, Input::Number(String::new(), until), Prompt::EnterNumber, out);
                return Ok(());
            }
            MenuAction::EndForAll => {
                self.moderator(by)?;
                let until = now.at + NEXT_INPUT;
                self.expect(call, Input::ConfirmEnd(until), Prompt::ConfirmEnd, out);
                return Ok(());
            }
        };
        self.command(now, by, command, draw, out)
    }

    fn expect(&mut self, call: TransactionId, input: Input, prompt: Prompt, out: &mut Outputs) {
        if let Some(member) = self.people.get_mut(&call) {
            member.input = Some(input);
        }
        self.say_to(call, vec![prompt], out);
    }

    fn say_to(&self, call: TransactionId, prompts: Vec<Prompt>, out: &mut Outputs) {
        if let Some(member) = self.people.get(&call) {
            out.play(call, &member.language, prompts);
        }
    }
}

/// A menu, said.
fn spoken(menu: &Menu) -> Vec<Prompt> {
    let entry = |(keys, action): (&str, MenuAction)| {
        let keys: Vec<Prompt> = keys.chars().map(Prompt::Key).collect();
        [Prompt::Menu(action)].into_iter().chain(keys)
    };
    menu.entries().flat_map(entry).collect()
}
