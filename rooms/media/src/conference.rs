//! One conference: the rings of its legs, the room that mixes what is in them, and its pictures.

use crate::pictures::{Composer, PictureTurn, Pictures};
use crate::recording::{Recorder, RecordingEvents, Taping};
use crate::statistics::Tally;
use crate::telling::Telling;
use crate::uttering::Uttering;
use codecs::{AudioFormat, Recording};
use media_relay::{MixBell, RecordingOrder, SeatedPicture, SeatedStream, UtteranceOrder};
use mixer::{
    Ear, Format, MAX_FORMATS, OutgoingPacket, ParticipantId, PlayError, PlayId, PlayOptions,
    ReceiveFormats, Record, Recorded, Room, RoomConfig, RoomEvent, Sink, TICK_SAMPLES,
};
use model::{
    Codec, ConferenceId, ConferenceRecordingFailure, ConferenceRecordingId,
    ConferenceRecordingOrder, Instant, MediaEvent, MediaId,
};
use relay_core::{LegFormats, Listened, MixedPacket};
use room_video::StillPicture;
use std::sync::Arc;

/// A conference of this thread.
pub(crate) struct Conference {
    room: Room,
    /// By the ids of their streams.
    legs: Vec<Leg>,
    pictures: Pictures,
    /// Whom the room looks at.
    speaker: Option<model::ParticipantId>,
    /// Of what was counted of the room before.
    skipped: u64,
    /// While it is recorded.
    taping: Option<Taping>,
    /// Legs of which it is kept what they say.
    uttering: Vec<Uttering>,
    /// What is announced, and who does not hear it, here or still on its way.
    excepted: Vec<(PlayId, model::ParticipantId)>,
    /// The newest recording that was stopped by order.
    stopped: Option<ConferenceRecordingId>,
}

/// A leg that takes part.
pub(crate) struct Leg {
    pub(crate) stream: Box<SeatedStream>,
    /// What its packets are, and what it is sent; `None` before that is known.
    format: Option<Format>,
    /// Of what was counted before.
    lost: u64,
    /// How it is heard, as signalling knows it.
    telling: Telling,
}

/// What happened to legs in a turn.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pub(crate) tally: Tally,
    /// Workers that have something to send; each once.
    pub(crate) bells: Vec<MixBell>,
    /// Legs that cannot take part.
    pub(crate) refused: u64,
}

impl Turn {
    /// Has a worker's bell rung when the turn is done.
    fn ring(&mut self, bell: &MixBell) {
        if !self.bells.iter().any(|known| known.is_same(bell)) {
            self.bells.push(bell.clone());
        }
    }
}

impl Conference {
    /// An empty one, whose first frame is 20 ms after `now`.
    pub(crate) fn new(
        id: ConferenceId,
        config: RoomConfig,
        composer: Option<Composer>,
        now: Instant,
    ) -> Self {
        Conference {
            room: Room::new(config, now),
            legs: Vec::new(),
            pictures: Pictures::new(id, composer),
            speaker: None,
            skipped: 0,
            taping: None,
            uttering: Vec::new(),
            excepted: Vec::new(),
            stopped: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.legs.is_empty() && self.pictures.is_empty()
    }

    /// Lines of pictures.
    pub(crate) fn pictures(&self) -> usize {
        self.pictures.len()
    }

    /// Takes a line of pictures in.
    ///
    /// # Errors
    /// Why it has none.
    pub(crate) fn sit_picture(
        &mut self,
        now: Instant,
        stream: Box<SeatedPicture>,
        still: Option<Arc<StillPicture>>,
    ) -> Result<(), String> {
        self.pictures.sit(now, stream, still)
    }

    /// Gives participants what they are to see of what has come. Not only when frames are mixed: a picture
    /// does not wait for that.
    pub(crate) fn turn_pictures(&mut self, turn: &mut PictureTurn<'_>) {
        if !self.pictures.is_empty() {
            self.pictures.turn(turn);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.legs.len()
    }

    /// Takes a leg in, in place of what its stream had before.
    pub(crate) fn sit(&mut self, stream: Box<SeatedStream>, events: &RecordingEvents) {
        let id = stream.id;
        self.remove(id);
        // What it said where it sat before is nobody's.
        self.end_utterances(events);
        if let Some(taping) = &mut self.taping {
            taping.joined(stream.transaction_id, self.room.ticks());
        }
        let at = self.legs.partition_point(|leg| leg.stream.id < id);
        for (played, who) in &self.excepted {
            if *who == stream.seat.participant {
                self.room.except(*played, name_of(id));
            }
        }
        self.legs.insert(at, Leg { stream, format: None, lost: 0, telling: Telling::default() });
    }

    /// Records from now on, goes on with it, or ends it.
    ///
    /// # Errors
    /// [`ConferenceRecordingFailure`]; what was recorded before has ended then.
    pub(crate) fn record(
        &mut self,
        order: &RecordingOrder,
        recorder: &dyn Recorder,
    ) -> Result<(), ConferenceRecordingFailure> {
        let recording = match &order.recording {
            ConferenceRecordingOrder::Record(recording) => recording,
            ConferenceRecordingOrder::Stop(id) => {
                self.stopped = self.stopped.max(Some(*id));
                if self.taping.as_ref().is_some_and(|taping| taping.id() <= *id) {
                    self.stop_taping();
                }
                return Ok(());
            }
        };
        let runs = self.taping.as_ref().map(Taping::id);
        if runs.is_none() && self.stopped.is_some_and(|stopped| recording.id <= stopped) {
            return Ok(());
        }
        if runs.is_none_or(|runs| runs < recording.id) {
            self.stop_taping();
            let began = self.room.ticks();
            let mut taping = Taping::begin(recorder, recording, began)?;
            self.legs.iter().for_each(|leg| taping.joined(leg.stream.transaction_id, began));
            self.taping = Some(taping);
            self.review_record();
        }
        if let Some(taping) = &mut self.taping {
            taping.order(order.id, recording);
        }
        Ok(())
    }

    /// Tells what has become of its recording.
    pub(crate) fn look_at_tape(&mut self, events: &RecordingEvents) {
        let anybody = self.legs.first().map(|leg| leg.stream.id);
        if self.taping.as_mut().is_some_and(|taping| !taping.look(anybody, events)) {
            self.stop_taping();
        }
    }

    fn stop_taping(&mut self) {
        self.taping = None;
        self.review_record();
    }

    /// Has the room hand out what somebody wants.
    fn review_record(&mut self) {
        let wanted = self.taping.as_ref().map_or_else(Record::default, Taping::wants);
        let each = wanted.each || !self.uttering.is_empty();
        self.room.set_record(Record { each, ..wanted });
    }

    /// Legs of which it is kept what they say.
    pub(crate) const fn uttering(&self) -> usize {
        self.uttering.len()
    }

    /// Keeps what a leg says from now on, or tells what it has said.
    pub(crate) fn utter(&mut self, order: &UtteranceOrder, events: &RecordingEvents) {
        let id = order.id;
        let before = self.uttering.iter().position(|one| one.id() == id);
        let before = before.map(|at| self.uttering.swap_remove(at));
        let is_here = self.legs.iter().any(|leg| leg.stream.id == id);
        match (order.longest, before) {
            (Some(longest), _) if is_here => {
                self.uttering.push(Uttering::begin(id, longest, self.room.ticks()));
            }
            (Some(_), _) => events(MediaEvent::Uttered { id, utterance: None }),
            (None, Some(uttering)) => {
                events(MediaEvent::Uttered { id, utterance: uttering.finish() });
            }
            // Its time was over just before, and that was told.
            (None, None) => {}
        }
        self.review_record();
    }

    /// Tells what legs have said whose time is over, and of those that have left that it is nothing: whoever
    /// waits for it would wait for ever.
    pub(crate) fn end_utterances(&mut self, events: &RecordingEvents) {
        if self.uttering.is_empty() {
            return;
        }
        let (tick, legs) = (self.room.ticks(), &self.legs);
        let is_here = |one: &Uttering| legs.iter().any(|leg| leg.stream.id == one.id());
        while let Some(at) = self.uttering.iter().position(|one| one.is_over(tick) || !is_here(one))
        {
            let uttering = self.uttering.swap_remove(at);
            let (id, stays) = (uttering.id(), is_here(&uttering));
            let utterance = if stays { uttering.finish() } else { None };
            events(MediaEvent::Uttered { id, utterance });
        }
        self.review_record();
    }

    /// Takes what legs have said, and mixes what is due.
    pub(crate) fn turn(&mut self, now: Instant, octets: &mut Vec<u8>, turn: &mut Turn) {
        for at in 0..self.legs.len() {
            self.hear(at, octets, turn);
        }
        let gone = |leg: &Leg| leg.stream.rings.says.is_abandoned();
        for id in
            self.legs.iter().filter(|leg| gone(leg)).map(|leg| leg.stream.id).collect::<Vec<_>>()
        {
            self.remove(id);
        }
        if let Some(taping) = &mut self.taping {
            taping.at_tick(self.room.ticks());
        }
        let mut mouths = Mouths {
            legs: &mut self.legs,
            taping: self.taping.as_mut(),
            uttering: &mut self.uttering,
            excepted: &mut self.excepted,
            turn,
            speaker: self.speaker,
        };
        let frames = self.room.tick(now, &mut mouths);
        self.speaker = mouths.speaker;
        // Again and again, for the pictures of who speaks may come later.
        self.pictures.set_speaker(now, self.speaker);
        if frames > 0 {
            self.tell(turn);
        }
        let skipped = self.room.skipped_ticks();
        turn.tally.skipped += skipped - std::mem::replace(&mut self.skipped, skipped);
    }

    /// Everybody but one hears this, behind what was announced before.
    pub(crate) fn announce(
        &mut self,
        recording: Arc<Recording>,
        except: Option<model::ParticipantId>,
    ) -> Result<(), PlayError> {
        let played = self.room.play(Ear::Everybody, recording, PlayOptions::default())?;
        let Some(except) = except else { return Ok(()) };
        let there = self.legs.iter().find(|leg| leg.stream.seat.participant == except);
        if let Some(leg) = there {
            self.room.except(played, name_of(leg.stream.id));
        }
        self.excepted.push((played, except));
        Ok(())
    }

    /// Tells signalling how legs are heard, where it is time to.
    fn tell(&mut self, turn: &mut Turn) {
        let active = self.room.active_speaker();
        for leg in &mut self.legs {
            let name = name_of(leg.stream.id);
            let (level, is_speaking) = self.room.voice(name).unwrap_or((f32::NEG_INFINITY, false));
            if let Some(heard) = leg.telling.take(level, is_speaking, active == Some(name)) {
                leg.stream.rings.heard.tell(heard);
                turn.ring(&leg.stream.bell);
            }
        }
    }

    /// Takes what one leg has said.
    fn hear(&mut self, at: usize, octets: &mut Vec<u8>, turn: &mut Turn) {
        let Some(leg) = self.legs.get_mut(at) else { return };
        let name = name_of(leg.stream.id);
        while let Some(listened) = leg.stream.rings.hears.read(octets) {
            match listened {
                Listened::Packet { arrival, .. } => {
                    turn.tally.packets += 1;
                    self.room.packet(name, octets, arrival);
                }
                Listened::Formats(formats) => leg.speak(&mut self.room, &formats, turn),
            }
        }
        let lost = leg.stream.rings.hears.lost();
        turn.tally.lost_packets += lost - std::mem::replace(&mut leg.lost, lost);
    }

    fn remove(&mut self, id: MediaId) {
        let leaves = self.legs.iter().find(|leg| leg.stream.id == id);
        if let (Some(taping), Some(leg)) = (&mut self.taping, leaves) {
            taping.left(leg.stream.transaction_id, self.room.ticks());
        }
        self.legs.retain(|leg| leg.stream.id != id);
        self.room.leave(name_of(id));
    }
}

impl Leg {
    /// Goes on with what the leg has agreed to now.
    fn speak(&mut self, room: &mut Room, agreed: &LegFormats, turn: &mut Turn) {
        let name = name_of(self.stream.id);
        let format = format_of(agreed);
        if format.is_some() && format == self.format {
            return;
        }
        room.leave(name);
        self.format = None;
        let joined = format.map(|format| room.join(name, &format).map(|()| format));
        match joined {
            Some(Ok(format)) => self.format = Some(format),
            Some(Err(error)) => self.refuse(&error.to_string(), turn),
            None => self.refuse("none of its formats is PCMU, PCMA, G722, L16 or opus", turn),
        }
    }

    fn refuse(&self, why: &str, turn: &mut Turn) {
        turn.refused += 1;
        let (transaction, media) = (self.stream.transaction_id, self.stream.id.0);
        tracing::warn!(%transaction, media, "a call hears and says nothing in its conference: {why}");
    }
}

/// Where the packets of a turn go.
struct Mouths<'a> {
    legs: &'a mut [Leg],
    taping: Option<&'a mut Taping>,
    uttering: &'a mut Vec<Uttering>,
    excepted: &'a mut Vec<(PlayId, model::ParticipantId)>,
    turn: &'a mut Turn,
    /// Whom the room looks at.
    speaker: Option<model::ParticipantId>,
}

impl Sink for Mouths<'_> {
    fn packet(&mut self, packet: &OutgoingPacket<'_>) {
        let id = MediaId(packet.participant.0);
        let Ok(at) = self.legs.binary_search_by_key(&id, |leg| leg.stream.id) else { return };
        let Some(leg) = self.legs.get_mut(at) else { return };
        let rate = leg.format.as_ref().map_or(8_000, |format| format.format.clock_rate());
        let millis = u32::try_from(packet.duration.as_millis()).unwrap_or_default();
        let mixed = MixedPacket {
            payload_type: packet.payload_type,
            marker: packet.marker,
            timestamp: packet.timestamp,
            ticks: rate / 1_000 * millis,
        };
        self.turn.tally.made += 1;
        if !leg.stream.rings.says.write(mixed, packet.payload) {
            self.turn.tally.lost_made += 1;
        }
        self.turn.ring(&leg.stream.bell);
    }

    fn event(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::ActiveSpeaker(speaker) => {
                let leg = speaker.and_then(|name| {
                    let at = self.legs.binary_search_by_key(&name.0, |leg| leg.stream.id.0).ok()?;
                    self.legs.get(at)
                });
                self.speaker = leg.map(|leg| leg.stream.seat.participant);
            }
            RoomEvent::Played(ended) => self.excepted.retain(|(played, _)| *played != ended),
        }
    }

    fn recorded(&mut self, what: Recorded, samples: &[i16; TICK_SAMPLES]) {
        if let Recorded::Participant(name) = what {
            let said = self.uttering.iter_mut().filter(|one| name_of(one.id()) == name);
            said.for_each(|one| one.take(samples));
        }
        if let Some(taping) = &mut self.taping {
            taping.take(what, samples, self.legs);
        }
    }
}

/// What a leg is called in its room: a leg that comes again is another one.
const fn name_of(id: MediaId) -> ParticipantId {
    ParticipantId(id.0)
}

/// What a leg sends and is sent: the first format that it has agreed to and that can be made.
fn format_of(agreed: &LegFormats) -> Option<Format> {
    let audio = agreed.formats.iter().filter_map(|format| {
        Some((format.payload_type, AudioFormat::new(format.codec, format.clock_rate)?))
    });
    let audio: Vec<_> = audio.take(MAX_FORMATS).collect();
    let (payload_type, format) = *audio.first()?;
    let is_noise = |codec, rate| codec == Codec::ComfortNoise && rate == format.clock_rate();
    let noise = agreed.formats.iter().find(|one| is_noise(one.codec, one.clock_rate));
    let comfort_noise = noise.map(|one| one.payload_type);
    let receive = ReceiveFormats { audio, telephone_events: Vec::new(), comfort_noise };
    let packet_ms = agreed.packet_ms.into();
    Some(Format { receive, payload_type, format, packet_ms, comfort_noise, loudness: None })
}
