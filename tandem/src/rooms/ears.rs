//! What one caller hears and where it sits: what the rooms want becomes orders to its call. Pure.

use model::{
    ApplicationOrder, AudioSource, ConferenceId, ConferenceRecording, LegSide, ParticipantId, Seat,
    TransactionId,
};
use room_core::{MediaCapability, MeetingId, Words};
use std::collections::VecDeque;

/// What waits to be played to one caller. Full policy: an announcement that finds no room is not heard by
/// this caller.
const LINE: usize = 2 * Words::MOST;

/// Something in the line.
enum Sound {
    Clip(AudioSource),
    /// All clips of the words of this number were heard.
    End(u32),
}

/// Its place in a meeting.
struct Place {
    meeting: MeetingId,
    conference: ConferenceId,
    is_muted: bool,
    audio: MediaCapability,
    /// The newest order of a seat.
    order: u32,
}

/// One caller.
pub(super) struct Ears {
    call: TransactionId,
    last_order: u32,
    line: VecDeque<Sound>,
    /// The order whose clip is heard.
    heard: Option<u32>,
    /// What is heard while nothing else is.
    music: Option<AudioSource>,
    has_music: bool,
    place: Option<Place>,
    /// The newest order to record its conference.
    record: Option<u32>,
    orders: Vec<(u32, ApplicationOrder)>,
    ended: Vec<u32>,
}

impl Ears {
    pub(super) const fn new(call: TransactionId) -> Self {
        Ears {
            call,
            last_order: 0,
            line: VecDeque::new(),
            heard: None,
            music: None,
            has_music: false,
            place: None,
            record: None,
            orders: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Orders to its call, with their numbers.
    pub(super) fn take_orders(&mut self) -> Vec<(u32, ApplicationOrder)> {
        std::mem::take(&mut self.orders)
    }

    /// Numbers of words that were heard to their end.
    pub(super) fn take_ended(&mut self) -> std::vec::IntoIter<u32> {
        std::mem::take(&mut self.ended).into_iter()
    }

    pub(super) fn answer(&mut self) {
        self.order(ApplicationOrder::Answer);
    }

    pub(super) fn hang_up(&mut self, status: u16) {
        self.place = None;
        self.order(ApplicationOrder::HangUp { leg: None, status });
    }

    /// Words of this number are heard, in place of those before.
    pub(super) fn play(&mut self, number: u32, clips: Vec<AudioSource>) {
        let was_heard = self.heard.take().is_some();
        self.line.clear();
        self.line.extend(clips.into_iter().map(Sound::Clip));
        self.line.push_back(Sound::End(number));
        self.go_on(was_heard);
    }

    /// No more words are heard.
    pub(super) fn stop(&mut self) {
        let was_heard = self.heard.take().is_some();
        self.line.clear();
        self.go_on(was_heard);
    }

    /// Everybody hears this; after what is being said to this caller alone.
    pub(super) fn announce(&mut self, clips: &[AudioSource]) {
        if self.line.len() + clips.len() <= LINE {
            self.line.extend(clips.iter().cloned().map(Sound::Clip));
        }
        if self.heard.is_none() {
            self.go_on(false);
        }
    }

    pub(super) fn start_music(&mut self, music: AudioSource) {
        self.music = Some(music);
        if self.heard.is_none() {
            self.go_on(false);
        }
    }

    pub(super) fn stop_music(&mut self) {
        self.music = None;
        if std::mem::take(&mut self.has_music) {
            self.order(ApplicationOrder::StopPlaying { leg: LegSide::A });
        }
    }

    /// The order of this number has been played, or could not be.
    pub(super) fn handle_played(&mut self, order: u32) {
        if self.heard == Some(order) {
            self.heard = None;
            self.go_on(false);
        }
    }

    /// Whether the order of this number was its newest of a seat.
    pub(super) fn is_seat(&self, order: u32) -> bool {
        self.place.as_ref().is_some_and(|place| place.order == order)
    }

    /// The meeting whose mix it is in.
    pub(super) fn meeting(&self) -> Option<MeetingId> {
        self.place.as_ref().map(|place| place.meeting)
    }

    /// Its conference is recorded from now on, or, without a recording, not any more.
    pub(super) fn record(&mut self, recording: Option<Box<ConferenceRecording>>) {
        let order = self.order(ApplicationOrder::RecordConference(recording));
        self.record = Some(order);
    }

    /// Whether the order of this number was its newest to record.
    pub(super) fn is_record(&self, order: u32) -> bool {
        self.record == Some(order)
    }

    /// Whether it is in the mix of a meeting.
    pub(super) fn is_in(&self, meeting: MeetingId) -> bool {
        self.place.as_ref().is_some_and(|place| place.meeting == meeting)
    }

    pub(super) fn join(
        &mut self,
        (meeting, conference): (MeetingId, ConferenceId),
        is_muted: bool,
        audio: MediaCapability,
    ) {
        self.place = Some(Place { meeting, conference, is_muted, audio, order: 0 });
        self.sit();
    }

    pub(super) fn leave(&mut self) {
        if self.place.take().is_some() {
            self.order(ApplicationOrder::StandUp);
        }
    }

    pub(super) fn mute(&mut self, is_muted: bool) {
        if let Some(place) = &mut self.place {
            place.is_muted = is_muted;
            self.sit();
        }
    }

    pub(super) fn allow(&mut self, audio: MediaCapability) {
        if let Some(place) = &mut self.place {
            place.audio = audio;
            self.sit();
        }
    }

    fn sit(&mut self) {
        let Some(place) = &self.place else { return };
        let seat = Seat {
            conference: place.conference,
            // All but two bits of an id's lower half are random.
            participant: ParticipantId(self.call.as_u128() as u64),
            is_muted: place.is_muted || !place.audio.sends(),
        };
        let order = self.order(ApplicationOrder::Sit { seat });
        if let Some(place) = &mut self.place {
            place.order = order;
        }
    }

    /// What is next in the line is heard, or music; `stops` where something is heard that is to end.
    fn go_on(&mut self, stops: bool) {
        while let Some(sound) = self.line.pop_front() {
            match sound {
                Sound::Clip(source) => {
                    self.has_music = false;
                    let play = ApplicationOrder::Play { leg: LegSide::A, source, rounds: Some(1) };
                    self.heard = Some(self.order(play));
                    return;
                }
                Sound::End(number) => self.ended.push(number),
            }
        }
        match self.music.clone().filter(|_| !self.has_music) {
            Some(source) => {
                self.has_music = true;
                self.order(ApplicationOrder::Play { leg: LegSide::A, source, rounds: None });
            }
            None if stops => {
                self.order(ApplicationOrder::StopPlaying { leg: LegSide::A });
            }
            None => {}
        }
    }

    fn order(&mut self, order: ApplicationOrder) -> u32 {
        self.last_order += 1;
        self.orders.push((self.last_order, order));
        self.last_order
    }
}

#[cfg(test)]
mod tests;
