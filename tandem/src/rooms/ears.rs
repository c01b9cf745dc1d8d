//! What one caller hears and where it sits: what the rooms want becomes orders to its call. Pure.

use model::{
    ApplicationOrder, AudioSource, ConferenceId, ConferenceRecordingOrder, FloorAccess, LegSide,
    ParticipantId, PictureCard, PictureLayout, PicturesShown, PicturesWithheld, ROOM_ORDERS, Seat,
    TransactionId,
};
use room_core::{Capabilities, Language, MeetingId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

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
    capabilities: Capabilities,
    /// It has the floor of the slides.
    presents: bool,
    /// The newest order of a seat, and whether the relay has said that one is taken.
    order: u32,
    is_seated: bool,
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
    /// What it sees while it sees nobody.
    card: Option<Arc<PictureCard>>,
    /// How it is called where several are seen at once, and what it sees, as its call was told.
    laid_out: Option<(Arc<str>, PictureLayout)>,
    /// What it was spoken to in last.
    language: Language,
    /// The newest order to record its conference.
    record: Option<u32>,
    /// While it says its name, in a conference with nobody else: the orders of that.
    naming: Option<[u32; 2]>,
    orders: Vec<(u32, ApplicationOrder)>,
    ended: Vec<u32>,
}

impl Ears {
    pub(super) const fn new(call: TransactionId, language: Language) -> Self {
        Ears {
            call,
            last_order: 0,
            line: VecDeque::new(),
            heard: None,
            music: None,
            has_music: false,
            place: None,
            card: None,
            laid_out: None,
            language,
            record: None,
            naming: None,
            orders: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Of a call that an application steers: its orders have numbers that are none of the application's.
    pub(super) fn steered(call: TransactionId, language: Language) -> Self {
        Ears { last_order: ROOM_ORDERS, ..Ears::new(call, language) }
    }

    /// Whether it has a place in a meeting's mix.
    pub(super) const fn has_place(&self) -> bool {
        self.place.is_some()
    }

    /// Orders to its call, with their numbers.
    pub(super) fn take_orders(&mut self) -> Vec<(u32, ApplicationOrder)> {
        std::mem::take(&mut self.orders)
    }

    /// Numbers of words that were heard to their end.
    pub(super) fn take_ended(&mut self) -> std::vec::IntoIter<u32> {
        std::mem::take(&mut self.ended).into_iter()
    }

    /// Its device may ask for the floor, by this way.
    pub(super) fn control_floor(&mut self, access: FloorAccess) {
        self.order(ApplicationOrder::ControlFloor { access });
    }

    pub(super) fn answer(&mut self) {
        self.order(ApplicationOrder::Answer);
    }

    pub(super) fn hang_up(&mut self, status: u16) {
        (self.place, self.naming) = (None, None);
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

    /// Everybody in its meeting but one hears this, in the mix.
    pub(super) fn announce(&mut self, clips: Vec<AudioSource>, except: Option<TransactionId>) {
        let except = except.map(participant_of);
        for source in clips {
            self.order(ApplicationOrder::Announce { source, except });
        }
    }

    /// What it says is kept as its name, for so long at most.
    pub(super) fn record_name(&mut self, longest: Duration) {
        let seat = Seat {
            // Half of its id, all random, as a meeting's conference is half of that one's.
            conference: ConferenceId((self.call.as_u128() >> 64) as u64),
            participant: participant_of(self.call),
            leg: LegSide::A,
            is_muted: false,
        };
        let sit = ApplicationOrder::Sit { seat, shown: PicturesShown::default() };
        let longest = Some(longest);
        let record = ApplicationOrder::RecordUtterance { longest };
        self.naming = Some([self.order(sit), self.order(record)]);
    }

    /// It has said its name.
    pub(super) fn stop_recording_name(&mut self) {
        if self.naming.is_some() {
            self.order(ApplicationOrder::RecordUtterance { longest: None });
        }
    }

    /// Whether the order of this number was to have its name kept.
    pub(super) fn is_naming(&self, order: u32) -> bool {
        self.naming.is_some_and(|orders| orders.contains(&order))
    }

    /// Nothing it says is a name any more; whether that was one until now.
    pub(super) fn end_naming(&mut self) -> bool {
        let was_naming = self.naming.take().is_some();
        if was_naming {
            self.order(ApplicationOrder::StandUp);
        }
        was_naming
    }

    pub(super) fn start_music(&mut self, music: AudioSource) {
        self.end_naming();
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

    /// The order of this number was a seat's, which is taken.
    pub(super) fn handle_seated(&mut self, order: u32) {
        if let Some(place) = self.place.as_mut().filter(|place| place.order == order) {
            place.is_seated = true;
        }
    }

    /// Whether it has a seat for sure.
    pub(super) fn is_seated(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.is_seated)
    }

    /// The meeting whose mix it is in.
    pub(super) fn meeting(&self) -> Option<MeetingId> {
        self.place.as_ref().map(|place| place.meeting)
    }

    /// Its conference is recorded from now on, or not any more.
    pub(super) fn record(&mut self, recording: ConferenceRecordingOrder) {
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

    pub(super) const fn language(&self) -> &Language {
        &self.language
    }

    /// It is spoken to in this language.
    pub(super) fn speaks(&mut self, language: Language) {
        self.language = language;
    }

    /// What it sees from now on while it sees nobody; `None` for what it saw before.
    pub(super) fn show(&mut self, card: Option<Arc<PictureCard>>) {
        if card.is_some() && self.card != card {
            self.card.clone_from(&card);
            self.order(ApplicationOrder::ShowCard { card });
        }
    }

    /// What it sees of the others from now on, and how they see it called; `None` for the name of before.
    pub(super) fn lay_out(&mut self, name: Option<Arc<str>>, layout: PictureLayout) {
        let (before, seen) = self.laid_out.clone().unwrap_or_default();
        let name = name.unwrap_or_else(|| Arc::clone(&before));
        if (&name, layout) != (&before, seen) {
            self.laid_out = Some((Arc::clone(&name), layout));
            self.order(ApplicationOrder::LayOut { name, layout });
        }
    }

    pub(super) fn join(
        &mut self,
        (meeting, conference): (MeetingId, ConferenceId),
        is_muted: bool,
        capabilities: Capabilities,
    ) {
        self.end_naming();
        let (presents, order, is_seated) = (false, 0, false);
        let place =
            Place { meeting, conference, is_muted, capabilities, presents, order, is_seated };
        self.place = Some(place);
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

    pub(super) fn allow(&mut self, capabilities: Capabilities) {
        if let Some(place) = &mut self.place {
            place.capabilities = capabilities;
            self.sit();
        }
    }

    /// It has the floor of the slides of this meeting from now on, or has it no more.
    pub(super) fn present(&mut self, meeting: MeetingId, presents: bool) {
        if let Some(place) = self.place.as_mut().filter(|place| place.meeting == meeting) {
            place.presents = presents;
            self.sit();
        }
    }

    fn sit(&mut self) {
        let Some(place) = &self.place else { return };
        let seat = Seat {
            conference: place.conference,
            participant: participant_of(self.call),
            leg: LegSide::A,
            is_muted: place.is_muted || !place.capabilities.audio.sends(),
        };
        let shown = PicturesShown {
            camera: place.capabilities.video.sends(),
            slides: place.presents && place.capabilities.content.sends(),
            withheld: PicturesWithheld {
                cameras: !place.capabilities.video.receives(),
                slides: !place.capabilities.content.receives(),
            },
        };
        let order = self.order(ApplicationOrder::Sit { seat, shown });
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

/// What whoever mixes calls a caller: all but two bits of an id's lower half are random.
const fn participant_of(call: TransactionId) -> ParticipantId {
    ParticipantId(call.as_u128() as u64)
}

#[cfg(test)]
mod tests;
