//! One tick: 20 ms of everybody in, 20 ms for everybody out.

use super::{Frames, OutgoingPacket, Recorded, Room, RoomEvent, Sink};
use crate::TICK_SAMPLES;
use crate::config::{ParticipantId, SMALL_ROOM};
use crate::member::Member;
use crate::mouth::{Mouth, Said};
use crate::playing::Ducking;
use model::Instant;
use std::time::Duration;

/// Ticks for which somebody keeps an encoder of its own behind its last word: by then it has encoded
/// what the shared one has for so long that the two hardly differ.
const HOLD: u32 = 100;

/// What is the same for all encoders of a tick.
#[derive(Clone, Copy)]
struct Speaking {
    tick: u64,
    may_pause: bool,
    bitrate: u32,
}

impl Room {
    pub(super) fn frame(&mut self, at: Instant, sink: &mut impl Sink) {
        self.listen(at, sink);
        let spared = self.player.spared();
        let ducking = self.sum(sink);
        self.mix_for_listeners();
        let speaking = Speaking {
            tick: self.tick,
            may_pause: self.config.discontinuous,
            bitrate: match self.members.len() {
                ..=2 => self.config.opus_pair_bitrate,
                3..=SMALL_ROOM => self.config.opus_bitrate,
                _ => self.config.opus_crowd_bitrate,
            },
        };
        let voices = self.members.iter().filter(|member| member.is_heard()).count();
        let is_silence = voices == 0 && !self.player.is_playing();
        for at in 0..self.members.len() {
            self.choose_mouth(at, spared);
            let Some(member) = self.members.get_mut(at) else { continue };
            if let Some(mut own) = member.own.take() {
                let is_alone = voices == usize::from(member.is_heard());
                let played = (spared != Some(member.id)).then_some(ducking);
                let is_silence = is_alone && (played.is_none() || !self.player.is_playing());
                let noise = is_silence.then_some((&*self.noise, self.tick));
                let ended = mix_for_one(&mut self.frames, member, played, noise);
                let is_silence = is_silence && !member.player.is_playing();
                let limited = &self.frames.limited;
                own.say(limited, self.tick, is_silence, speaking.may_pause, speaking.bitrate);
                send(sink, member, &own, self.tick);
                member.own = Some(own);
                if let Some(ended) = ended {
                    sink.event(RoomEvent::Played(ended));
                }
                continue;
            }
            let (kind, loss) = (member.kind, member.loss);
            let mouth = self.shared.iter_mut().find(|one| one.kind == kind && one.loss == loss);
            let Some(mouth) = mouth else { continue };
            speak_once(mouth, &self.frames, is_silence, speaking);
            send(sink, member, mouth, self.tick);
        }
        std::mem::swap(&mut self.frames.shared, &mut self.frames.shared_before);
    }

    /// Takes everybody's audio, and chooses who is heard.
    fn listen(&mut self, at: Instant, sink: &mut impl Sink) {
        self.choice.begin();
        for (place, member) in self.members.iter_mut().enumerate() {
            member.pull(at);
            self.choice.consider(place, &mut member.speech);
        }
        for place in self.choice.settle(self.config.voices) {
            if let Some(member) = self.members.get_mut(place) {
                member.speech.is_chosen = true;
            }
        }
        if self.active.look(self.members.iter().map(|member| (member.id, &member.speech))) {
            sink.event(RoomEvent::ActiveSpeaker(self.active.current()));
        }
    }

    /// Sums the voices and what everybody is played, and hands out what is recorded.
    fn sum(&mut self, sink: &mut impl Sink) -> Ducking {
        let (frames, record) = (&mut *self.frames, self.config.record);
        frames.sum.fill(0.0);
        for member in &mut self.members {
            if member.speak(record.each) {
                for (sum, value) in frames.sum.iter_mut().zip(member.voice.iter()) {
                    *sum += value;
                }
            }
            if record.each {
                sink.recorded(Recorded::Participant(member.id), member.alone());
            }
        }
        let (ducking, ended) = self.player.frame(&mut frames.scratch, &mut frames.played);
        if let Some(ended) = ended {
            sink.event(RoomEvent::Played(ended));
        }
        frames.mix = frames.sum;
        ducking.apply(&mut frames.mix);
        add(&mut frames.mix, &frames.played);
        if record.mix {
            self.limiter.limit(&frames.mix, &mut frames.limited);
            sink.recorded(Recorded::Mix, &frames.limited);
        }
        ducking
    }

    /// What all hear who say nothing.
    fn mix_for_listeners(&mut self) {
        let frames = &mut *self.frames;
        let is_silence = !self.members.iter().any(Member::is_heard) && !self.player.is_playing();
        if is_silence {
            add_noise(&mut frames.mix, &self.noise, self.tick);
        }
        self.shared_limiter.limit(&frames.mix, &mut frames.shared);
    }

    /// Gives the member at a place an encoder of its own if it needs one, and takes it back when it
    /// has not for a while.
    fn choose_mouth(&mut self, at: usize, spared: Option<ParticipantId>) {
        let Some(member) = self.members.get_mut(at) else { return };
        let is_needed =
            member.is_heard() || member.player.is_playing() || spared == Some(member.id);
        member.hold = if is_needed { HOLD } else { member.hold.saturating_sub(1) };
        let is_boundary = self.tick.is_multiple_of(u64::from(member.kind.ticks()));
        if member.own.is_some() {
            if member.hold == 0 && is_boundary {
                self.free.extend(member.own.take());
            }
            return;
        }
        if !is_needed {
            return;
        }
        let (kind, loss) = (member.kind, member.loss);
        let found = self.free.iter().position(|mouth| mouth.kind == kind);
        let mouth = match found {
            Some(place) => Some(self.free.swap_remove(place)),
            None => self.take_back(at),
        };
        let Some(mut mouth) = mouth else { return };
        mouth.set_loss(loss);
        let shared = self.shared.iter().find(|one| one.kind == kind && one.loss == loss);
        mouth.take_over(shared, &self.frames.shared_before, self.tick);
        if let Some(member) = self.members.get_mut(at) {
            member.own = Some(mouth);
        }
    }

    /// The encoder of somebody who only keeps one: whoever has said nothing for longest.
    fn take_back(&mut self, for_place: usize) -> Option<Box<Mouth>> {
        let kind = self.members.get(for_place)?.kind;
        let holders = self
            .members
            .iter_mut()
            .filter(|member| member.kind == kind && member.own.is_some() && member.hold < HOLD);
        holders.min_by_key(|member| member.hold)?.own.take()
    }
}

/// Writes what a member hears that has an encoder of its own to `limited`; what ended with it. What everybody
/// is played turns down the others by `played`; `None` of who does not hear it.
fn mix_for_one(
    frames: &mut Frames,
    member: &mut Member,
    played: Option<Ducking>,
    noise: Option<(&[i16], u64)>,
) -> Option<crate::PlayId> {
    frames.own = frames.sum;
    if member.is_heard() {
        for (sum, own) in frames.own.iter_mut().zip(member.voice.iter()) {
            *sum -= own;
        }
    }
    if let Some(ducking) = played {
        ducking.apply(&mut frames.own);
        add(&mut frames.own, &frames.played);
    }
    let mut ended = None;
    if member.player.is_playing() {
        // `mix` has been heard by now.
        let (ducking, done) = member.player.frame(&mut frames.scratch, &mut frames.mix);
        ducking.apply(&mut frames.own);
        add(&mut frames.own, &frames.mix);
        ended = done;
    } else if let Some((noise, tick)) = noise {
        add_noise(&mut frames.own, noise, tick);
    }
    member.limiter.limit(&frames.own, &mut frames.limited);
    ended
}

/// Says a tick's mix to all who share `mouth`, if that was not done for another of them.
fn speak_once(mouth: &mut Mouth, frames: &Frames, is_silence: bool, speaking: Speaking) {
    if mouth.has_said(speaking.tick) {
        return;
    }
    if !mouth.is_warm(speaking.tick) {
        mouth.take_over(None, &frames.shared_before, speaking.tick);
    }
    mouth.say(&frames.shared, speaking.tick, is_silence, speaking.may_pause, speaking.bitrate);
}

fn send(sink: &mut impl Sink, member: &mut Member, mouth: &Mouth, tick: u64) {
    for said in mouth.said() {
        let payload_type = match member.format.comfort_noise {
            Some(number) if said.is_noise => number,
            _ => member.format.payload_type,
        };
        let marker = std::mem::take(&mut member.is_new) || said.marker;
        sink.packet(&OutgoingPacket {
            participant: member.id,
            payload_type,
            payload: said.payload,
            timestamp: timestamp(&said, mouth, tick),
            marker,
            duration: Duration::from_millis(u64::from(said.packet_ms)),
        });
    }
}

/// In the format's clock.
fn timestamp(said: &Said<'_>, mouth: &Mouth, tick: u64) -> u32 {
    let at = (tick * TICK_SAMPLES as u64).wrapping_add_signed(said.offset);
    let ratio = u64::from(crate::SAMPLE_RATE / mouth.kind.format.clock_rate().max(1));
    (at / ratio.max(1)) as u32
}

fn add(to: &mut [f32; TICK_SAMPLES], from: &[f32; TICK_SAMPLES]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

fn add_noise(to: &mut [f32; TICK_SAMPLES], noise: &[i16], tick: u64) {
    let ticks = (noise.len() / TICK_SAMPLES).max(1) as u64;
    let from = (tick % ticks) as usize * TICK_SAMPLES;
    for (to, from) in to.iter_mut().zip(noise.get(from..).unwrap_or_default()) {
        *to += f32::from(*from);
    }
}
