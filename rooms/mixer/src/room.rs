//! The room: who is in it, and what a tick does.

mod frame;

#[cfg(test)]
mod tests;

use crate::config::{
    Format, JoinError, MAX_PARTICIPANTS, ParticipantId, Record, RoomConfig, is_known,
};
use crate::jitter::{JitterCounts, Taken};
use crate::limiter::Limiter;
use crate::member::Member;
use crate::mouth::{Loss, Mouth};
use crate::playing::{Ear, PlayError, PlayId, PlayOptions, Player};
use crate::speakers::{ActiveSpeaker, Choice};
use crate::{TICK_MS, TICK_SAMPLES};
use codecs::{ComfortNoise, Recording};
use model::Instant;
use std::sync::Arc;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(TICK_MS as u64);
/// Ticks of noise that are made once.
const NOISE_TICKS: usize = 97;
/// Ticks that are made up for when one comes late; beyond that they are left out.
const MOST_TICKS: u32 = 5;

/// A packet for a participant. RTP's sequence number, source and the offset of its timestamps are the
/// caller's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutgoingPacket<'a> {
    /// Whom it is for.
    pub participant: ParticipantId,
    /// Of [`Format::payload_type`] or [`Format::comfort_noise`].
    pub payload_type: u8,
    /// The payload; others may get the same.
    pub payload: &'a [u8],
    /// In the format's clock, from the room's beginning on.
    pub timestamp: u32,
    /// It follows a silence in which nothing was sent, or is the first.
    pub marker: bool,
    /// What it holds of audio.
    pub duration: Duration,
}

/// What is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// All that is heard in the room.
    Mix,
    /// A participant alone, as it came: neither turned up nor down, muted or not.
    Participant(ParticipantId),
}

/// What happened in a tick.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoomEvent {
    /// Somebody else is the active speaker, or nobody because that one left.
    ActiveSpeaker(Option<ParticipantId>),
    /// A recording has been played to its end.
    Played(PlayId),
}

/// Where a tick's results go. Called on the mixer's thread: to be done with at once.
pub trait Sink {
    /// A packet to be sent.
    fn packet(&mut self, packet: &OutgoingPacket<'_>);

    /// 20 ms at 48,000 Hz of what [`RoomConfig::record`] asks for, once for each tick: of each participant,
    /// then of the mix.
    fn recorded(&mut self, _what: Recorded, _samples: &[i16; TICK_SAMPLES]) {}

    /// Something happened.
    fn event(&mut self, _event: RoomEvent) {}
}

/// Why a participant is not heard.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Muting {
    /// A moderator muted it.
    pub by_room: bool,
    /// It muted itself.
    pub by_self: bool,
}

/// What is known of a participant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ParticipantStats {
    /// What came.
    pub counts: JitterCounts,
    /// How long packets are to wait, in ms, and do.
    pub target_ms: f32,
    /// See `target_ms`.
    pub wait_ms: f32,
    /// How loud the last frame was as it came, in dBov.
    pub level: f32,
    /// What a voice is turned up by to be as loud as others, in dB.
    pub gain: f32,
    /// It speaks, whether it is muted or not.
    pub is_voice: bool,
    /// It is among those who are heard.
    pub is_heard: bool,
    /// Why not.
    pub muting: Muting,
}

/// A meeting's audio.
pub struct Room {
    config: RoomConfig,
    /// By id.
    members: Vec<Member>,
    /// When the next tick is due, and how many were before.
    next: Instant,
    tick: u64,
    /// Ticks that were left out.
    skipped: u64,
    /// One for each kind and loss of listeners.
    shared: Vec<Mouth>,
    /// Encoders for those who will be heard.
    #[expect(clippy::vec_box, reason = "they change hands in ticks, and are large")]
    free: Vec<Box<Mouth>>,
    player: Player,
    plays: u64,
    choice: Choice,
    active: ActiveSpeaker,
    /// What is heard while nobody is, again and again; whole ticks of it.
    noise: Box<[i16]>,
    frames: Box<Frames>,
    /// Of what is recorded, and of what listeners hear.
    limiter: Limiter,
    shared_limiter: Limiter,
}

/// Memory of a tick.
struct Frames {
    /// All voices, before anything else.
    sum: [f32; TICK_SAMPLES],
    /// What everybody is played.
    played: [f32; TICK_SAMPLES],
    mix: [f32; TICK_SAMPLES],
    own: [f32; TICK_SAMPLES],
    scratch: [i16; TICK_SAMPLES],
    /// What listeners hear, and heard in the tick before.
    shared: [i16; TICK_SAMPLES],
    shared_before: [i16; TICK_SAMPLES],
    limited: [i16; TICK_SAMPLES],
}

impl Frames {
    fn new() -> Box<Self> {
        Box::new(Frames {
            sum: [0.0; TICK_SAMPLES],
            played: [0.0; TICK_SAMPLES],
            mix: [0.0; TICK_SAMPLES],
            own: [0.0; TICK_SAMPLES],
            scratch: [0; TICK_SAMPLES],
            shared: [0; TICK_SAMPLES],
            shared_before: [0; TICK_SAMPLES],
            limited: [0; TICK_SAMPLES],
        })
    }
}

impl Room {
    /// An empty room whose first tick is 20 ms after `now`.
    pub fn new(config: RoomConfig, now: Instant) -> Self {
        let config = config.bounded();
        let mut noise = vec![0; NOISE_TICKS * TICK_SAMPLES];
        let mut made = ComfortNoise::default();
        made.describe(&[config.comfort_noise]);
        made.generate(&mut noise);
        Room {
            config,
            members: Vec::new(),
            next: now + TICK,
            tick: 0,
            skipped: 0,
            shared: Vec::new(),
            free: Vec::new(),
            player: Player::new(),
            plays: 0,
            choice: Choice::new(MAX_PARTICIPANTS),
            active: ActiveSpeaker::default(),
            noise: noise.into(),
            frames: Frames::new(),
            limiter: Limiter::default(),
            shared_limiter: Limiter::default(),
        }
    }

    /// Adds a participant. Takes memory: about 0.5 MB with Opus, 0.2 MB without.
    ///
    /// # Errors
    /// [`JoinError`]; nothing has changed then.
    pub fn join(&mut self, id: ParticipantId, format: &Format) -> Result<(), JoinError> {
        if self.members.len() >= MAX_PARTICIPANTS {
            return Err(JoinError::Full);
        }
        let Err(at) = self.find(id) else { return Err(JoinError::Present(id)) };
        let sent = [Some(format.payload_type), format.comfort_noise];
        if let Some(number) = sent.into_iter().flatten().find(|number| *number > 127) {
            return Err(JoinError::PayloadType(number));
        }
        if !is_known(format.format) {
            return Err(JoinError::NoFormat);
        }
        let member = Member::new(id, format)?;
        // A format that cannot be written is found before anybody relies on it.
        let (kind, loss) = (member.kind, member.loss);
        if !self.shared.iter().any(|mouth| mouth.kind == kind && mouth.loss == loss) {
            self.shared.push(Mouth::new(kind, loss, &self.config)?);
        }
        self.members.insert(at, member);
        self.provide()
    }

    /// Removes a participant; whether it was there. Its packets and what it was to hear are forgotten.
    pub fn leave(&mut self, id: ParticipantId) -> bool {
        let Ok(at) = self.find(id) else { return false };
        let member = self.members.remove(at);
        let is_needed = |mouth: &Mouth| self.members.iter().any(|one| one.kind == mouth.kind);
        if let Some(own) = member.own.filter(|own| is_needed(own)) {
            self.free.push(own);
        }
        let members = &self.members;
        self.free.retain(|mouth| members.iter().any(|one| one.kind == mouth.kind));
        let is_used = |mouth: &Mouth| {
            members.iter().any(|one| one.kind == mouth.kind && one.loss == mouth.loss)
        };
        self.shared.retain(|mouth| is_used(mouth));
        true
    }

    /// Takes an RTP packet of a participant, decrypted, with its arrival; `None` when it is not here.
    pub fn packet(&mut self, id: ParticipantId, octets: &[u8], arrival: Instant) -> Option<Taken> {
        let at = self.find(id).ok()?;
        Some(self.members.get_mut(at)?.take(octets, arrival))
    }

    /// When the next tick is due.
    pub const fn deadline(&self) -> Instant {
        self.next
    }

    /// Mixes all that is due by `now`, usually one frame of 20 ms; the frames. Who comes late gets up
    /// to five at once; the rest is left out, and timestamps jump over it.
    pub fn tick(&mut self, now: Instant, sink: &mut impl Sink) -> u32 {
        let mut done = 0;
        while self.next <= now && done < MOST_TICKS {
            self.frame(self.next, sink);
            self.next += TICK;
            self.tick += 1;
            done += 1;
        }
        let behind = (now - self.next).as_millis() / TICK.as_millis();
        if self.next <= now {
            let left_out = u64::try_from(behind).unwrap_or_default() + 1;
            self.tick += left_out;
            self.skipped += left_out;
            self.next += Duration::from_millis(left_out.saturating_mul(u64::from(TICK_MS)));
        }
        done
    }

    /// Records this from the next tick on.
    pub const fn set_record(&mut self, record: Record) {
        self.config.record = record;
    }

    /// Ticks since the beginning, with those that were left out.
    pub const fn ticks(&self) -> u64 {
        self.tick
    }

    /// Ticks that were left out because nobody called in time.
    pub const fn skipped_ticks(&self) -> u64 {
        self.skipped
    }

    /// Mutes a participant, or lets it be heard again; whether it is here.
    pub fn set_muted(&mut self, id: ParticipantId, muting: Muting) -> bool {
        self.member(id).map(|member| member.muting = muting).is_some()
    }

    /// Takes what a participant's RTCP reports of lost packets, 0 to 1: Opus then tells more twice.
    /// Whether it is here.
    pub fn set_packet_loss(&mut self, id: ParticipantId, fraction: f32) -> bool {
        let Some(member) = self.member(id) else { return false };
        if !member.hear_of_loss(fraction) {
            return true;
        }
        let (kind, loss) = (member.kind, member.loss);
        if let Some(own) = &mut member.own {
            own.set_loss(loss);
        }
        let is_there = self.shared.iter().any(|mouth| mouth.kind == kind && mouth.loss == loss);
        // The kind is one that could be written before.
        if let (false, Ok(mouth)) = (is_there, Mouth::new(kind, loss, &self.config)) {
            self.shared.push(mouth);
        }
        let members = &self.members;
        self.shared.retain(|mouth| {
            members.iter().any(|one| one.kind == mouth.kind && one.loss == mouth.loss)
        });
        true
    }

    /// Plays a recording behind those that play already.
    ///
    /// # Errors
    /// [`PlayError`].
    pub fn play(
        &mut self,
        ear: Ear,
        recording: Arc<Recording>,
        options: PlayOptions,
    ) -> Result<PlayId, PlayError> {
        let id = PlayId(self.plays);
        match ear {
            Ear::Everybody => self.player.play(id, recording, options)?,
            Ear::One(participant) => {
                let member = self.member(participant).ok_or(PlayError::Absent(participant))?;
                member.player.play(id, recording, options)?;
                // Who hears something alone needs an encoder of its own; formats are known by now.
                let _ = self.provide();
            }
        }
        self.plays += 1;
        Ok(id)
    }

    /// Has a participant, who may still be on its way here, not hear a recording that is or will be played
    /// to everybody: it hears the others as before. Whether that is still to be heard. One at a time for
    /// each recording.
    pub fn except(&mut self, id: PlayId, participant: ParticipantId) -> bool {
        let is_there = self.player.except(id, participant);
        // Who hears another mix needs an encoder of its own; formats are known by now.
        let _ = self.provide();
        is_there
    }

    /// Stops a recording, or takes it from its queue; whether it was there.
    pub fn stop(&mut self, id: PlayId) -> bool {
        let members = self.members.iter_mut().map(|member| &mut member.player);
        members.chain([&mut self.player]).any(|player| player.stop(id))
    }

    /// Who is looked at.
    pub const fn active_speaker(&self) -> Option<ParticipantId> {
        self.active.current()
    }

    /// Those who are here, in the order of their ids.
    pub fn participants(&self) -> impl Iterator<Item = ParticipantId> + '_ {
        self.members.iter().map(|member| member.id)
    }

    /// What is known of a participant.
    pub fn stats(&self, id: ParticipantId) -> Option<ParticipantStats> {
        let member = self.members.get(self.find(id).ok()?)?;
        let (target_ms, wait_ms) = member.jitter.waits_ms();
        Some(ParticipantStats {
            counts: member.jitter.counts(),
            target_ms,
            wait_ms,
            level: member.heard.level,
            gain: member.gain.decibels(),
            is_voice: member.heard.is_voice,
            is_heard: member.is_heard(),
            muting: member.muting,
        })
    }

    /// How loud a participant's last frame was as it came, in dBov, and whether it speaks; what is muted
    /// by [`Room::set_muted`] speaks as well. `None` when it is not here.
    pub fn voice(&self, id: ParticipantId) -> Option<(f32, bool)> {
        let member = self.members.get(self.find(id).ok()?)?;
        Some((member.heard.level, member.heard.is_voice))
    }

    /// How many encoders there are: those that listeners share, and those for who is heard.
    pub fn encoders(&self) -> (usize, usize) {
        let own = self.members.iter().filter(|member| member.own.is_some()).count();
        (self.shared.len(), self.free.len() + own)
    }

    /// Whether a member hears, or will, what no other does, or not what all others do.
    fn hears_alone(&self, member: &Member) -> bool {
        member.player.is_playing() || self.player.spares(member.id)
    }

    fn find(&self, id: ParticipantId) -> Result<usize, usize> {
        self.members.binary_search_by_key(&id, |member| member.id)
    }

    fn member(&mut self, id: ParticipantId) -> Option<&mut Member> {
        let at = self.find(id).ok()?;
        self.members.get_mut(at)
    }

    /// Makes as many encoders as can be needed at once: for all who are heard, who fall silent in the
    /// same frame, and who hear something alone.
    fn provide(&mut self) -> Result<(), JoinError> {
        let voices = 2 * self.config.voices;
        for at in 0..self.members.len() {
            let Some(kind) = self.members.get(at).map(|member| member.kind) else { break };
            let alike = || self.members.iter().filter(|member| member.kind == kind);
            let alone = alike().filter(|member| self.hears_alone(member)).count();
            let needed = alike().count().min(voices + alone);
            let owned = alike().filter(|member| member.own.is_some()).count();
            let free = self.free.iter().filter(|mouth| mouth.kind == kind).count();
            for _ in owned + free..needed {
                self.free.push(Box::new(Mouth::new(kind, Loss::None, &self.config)?));
            }
        }
        // All of them may be free at once.
        self.free.reserve(self.members.len());
        Ok(())
    }
}
