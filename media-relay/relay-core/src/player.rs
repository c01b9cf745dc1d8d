//! What is played to a leg: packets of a [`Clip`] at their times, in the leg's one source.
//!
//! Packet n is due n packet durations after the first, whatever happens between: nothing drifts. A
//! worker that comes late sends what was missed at once, five packets at most; what is beyond is
//! left out, and timestamps show it.

use crate::ear::Ear;
use crate::forward::pair;
use crate::made::{Made, MadePacket};
use crate::plan::{CompiledLeg, Format};
use crate::rtp_session::{Leg, RtpSession};
use codecs::{AudioFormat, Clip};
use model::{Codec, Instant, LegSide, OtherMedia};
use rtp_proto::{RtpHeader, RtpPacket};
use std::sync::Arc;
use std::time::Duration;

/// How long nothing must have come from the other leg before something is played that yields to it:
/// longer than the jitter between two packets of somebody who speaks.
const QUIET: Duration = Duration::from_millis(200);
/// The same when what comes holds nothing but silence: longer than a rest in music.
const SILENCE: Duration = Duration::from_secs(1);
/// Packets that are sent at once by who comes late.
const MOST_AT_ONCE: u32 = 5;

/// How a leg's audio can be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlayableFormat {
    /// Under which number the leg has the format.
    pub payload_type: u8,
    /// The format.
    pub format: AudioFormat,
    /// Audio in a packet, in ms; as [`AudioFormat::packet_ms`] gives it.
    pub packet_ms: u32,
}

/// What is to be played to a leg, ready to be sent.
#[derive(Clone, Debug)]
pub struct Track {
    /// Its packets.
    pub clip: Arc<Clip>,
    /// Under which number the leg has the format.
    pub payload_type: u8,
    /// The packet that the first round begins with; behind the last there is none.
    pub first: usize,
    /// How often; `None` for ever.
    pub rounds: Option<u32>,
    /// What of the other leg's media.
    pub with: OtherMedia,
}

/// What is being played to a leg.
#[derive(Debug)]
pub(crate) struct Player {
    track: Track,
    /// The next packet.
    next: usize,
    /// Of the next packet; with `fresh`, not before then.
    due: Instant,
    /// Of the next packet.
    timestamp: u32,
    /// Nothing has been sent since it began, or since the other leg was last heard.
    fresh: bool,
    /// When the other leg last sent anything but silence.
    audible_at: Instant,
    /// Hears whether it does; `None` where that makes no difference, or cannot be told.
    ear: Option<Ear>,
}

impl RtpSession {
    /// The format to play to a leg: the one that it is sent now, else the first that it has and that
    /// can be made; `None` when there is none, or no plan.
    pub fn playable(&self, leg: LegSide) -> Option<PlayableFormat> {
        let is_fax = self.rare.as_ref().is_some_and(|rare| rare.is_fax);
        let plan = self.legs[leg.index()].plan.as_ref().filter(|_| !is_fax)?;
        let passing = self.legs[leg.other().index()].stream.format;
        let of = |(payload_type, format): (u8, Format)| {
            Some((payload_type, format, audio_format(format)?))
        };
        let all = || plan.numbered().filter_map(of);
        let chosen = all().find(|(_, format, _)| Some(*format) == passing).or_else(|| all().next());
        let (payload_type, _, format) = chosen?;
        let packet_ms = format.packet_ms(plan.packet_ms.into());
        Some(PlayableFormat { payload_type, format, packet_ms })
    }

    /// Plays a track to a leg from now on, in the place of what it is played now. While the leg wants
    /// no media nothing is sent. `draw` gives unguessable numbers. The worker is to look at
    /// [`RtpSession::made_deadline`] then.
    pub fn play(&mut self, to: LegSide, track: Track, now: Instant, draw: &mut dyn FnMut() -> u64) {
        let (other, _) = pair(&mut self.legs, to.other());
        let due = match track.with {
            OtherMedia::Wins if other.may_send() => {
                other.stream.last_rtp.map_or(now, |(_, at)| now.max(at + QUIET))
            }
            OtherMedia::Wins | OtherMedia::Yields => now,
        };
        let ear = match track.with {
            OtherMedia::Wins => other.stream.format.and_then(audio_format).and_then(Ear::new),
            OtherMedia::Yields => None,
        };
        let audible_at = other.stream.last_rtp.map_or(Instant::ZERO, |(_, at)| at);
        let made = self.make_for(to, now, draw);
        made.played = false;
        let (next, timestamp, fresh) = (track.first, 0, true);
        made.player = Some(Player { track, next, due, timestamp, fresh, audible_at, ear });
    }

    /// Plays nothing more to a leg; what the other leg sends goes on in the same source. Whether
    /// anything was played.
    pub fn stop_playing(&mut self, to: LegSide, now: Instant) -> bool {
        let (other, leg) = pair(&mut self.legs, to.other());
        let stopped = leg.made.as_deref_mut().is_some_and(|made| {
            made.played = false;
            made.player.take().is_some()
        });
        if stopped {
            // It was not to be heard meanwhile.
            other.heard = other.heard.max(now);
        }
        stopped
    }

    /// Whether something is being played to a leg.
    pub fn is_played_to(&self, leg: LegSide) -> bool {
        self.legs[leg.index()].is_played_to()
    }

    /// A leg that has heard all that was to be played to it; said once.
    pub fn poll_played(&mut self) -> Option<LegSide> {
        LegSide::BOTH.into_iter().find(|side| {
            let made = self.legs[side.index()].made.as_deref_mut();
            made.is_some_and(|made| std::mem::take(&mut made.played))
        })
    }

    /// Writes the packet of a leg's track that is due.
    pub(crate) fn poll_player(
        &mut self,
        to: LegSide,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<MadePacket> {
        loop {
            let leg = &mut self.legs[to.index()];
            leg.player_deadline().filter(|due| *due <= now)?;
            let made = leg.made.as_deref_mut()?;
            let Made { player, outbound, .. } = made;
            let player = player.as_mut()?;
            player.catch_up(now);
            if player.fresh {
                player.begin(now, outbound.timestamp_at(now));
            }
            let header = RtpHeader {
                payload_type: player.track.payload_type,
                marker: std::mem::take(&mut player.fresh),
                sequence: outbound.insert(),
                timestamp: player.timestamp,
                ssrc: outbound.ssrc(),
            };
            let clip = Arc::clone(&player.track.clip);
            let packet = player.next;
            let goes_on = player.step();
            // What follows, whoever sends it, stands behind this packet's audio.
            outbound.advance(player.timestamp, clip.format().clock_rate(), player.due);
            // The other leg's source, should it come back, follows what was played.
            outbound.part();
            let (other, _) = pair(&mut self.legs, to.other());
            other.stream.hide_losses();
            if !goes_on {
                self.legs[to.index()].end_player();
                let (other, _) = pair(&mut self.legs, to.other());
                other.heard = other.heard.max(now);
            }
            if let Some(sent) = self.send_made(to, &header, clip.payload(packet), now, buffer) {
                return Some(sent);
            }
        }
    }
}

impl Player {
    /// Its first packet, or the first after a pause, is sent now.
    fn begin(&mut self, now: Instant, timestamp: u32) {
        (self.due, self.timestamp) = (now, timestamp);
    }

    /// Leaves out what can no longer be sent in time.
    fn catch_up(&mut self, now: Instant) {
        let duration = self.track.clip.packet_duration();
        let late = now - self.due;
        if self.fresh || late < duration * MOST_AT_ONCE {
            return;
        }
        let missed = late.as_nanos() / duration.as_nanos().max(1);
        let missed = u32::try_from(missed).unwrap_or(u32::MAX);
        self.due += duration * missed;
        let ticks = self.track.clip.packet_ticks().wrapping_mul(missed);
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }

    /// On to the next packet; `false` when there is none.
    fn step(&mut self) -> bool {
        self.due += self.track.clip.packet_duration();
        self.timestamp = self.timestamp.wrapping_add(self.track.clip.packet_ticks());
        self.next += 1;
        if self.next < self.track.clip.packets() {
            return true;
        }
        self.next = 0;
        match &mut self.track.rounds {
            None => true,
            Some(rounds) => {
                *rounds = rounds.saturating_sub(1);
                *rounds > 0
            }
        }
    }

    /// Whether it is played in the place of a packet that came from the other leg, which holds nothing
    /// but silence or does not.
    fn replaces(&mut self, is_silent: bool, arrival: Instant) -> bool {
        if self.track.with == OtherMedia::Yields {
            return true;
        }
        let quiet_for = arrival.saturating_since(self.audible_at);
        let is_heard = !is_silent || (self.fresh && quiet_for < SILENCE);
        if !is_silent {
            self.audible_at = arrival;
        }
        match (is_heard, self.fresh) {
            (true, _) => (self.due, self.fresh) = (arrival + QUIET, true),
            (false, true) => self.due = self.due.min(arrival),
            (false, false) => {}
        }
        !is_heard
    }
}

pub(crate) fn audio_format(format: Format) -> Option<AudioFormat> {
    AudioFormat::new(format.codec, format.clock_rate)
}

/// Whether a packet of a leg whose plan is `plan` holds nothing but silence, as far as it can be told.
pub(crate) fn is_silent(ear: &mut Option<Ear>, plan: &CompiledLeg, packet: &RtpPacket<'_>) -> bool {
    let format = plan.format(packet.payload_type());
    match ear {
        _ if plan.is_telephone_event(packet.payload_type()) => false,
        _ if format.codec == Codec::ComfortNoise => true,
        Some(ear) => ear.is_silent(audio_format(format), packet.payload()),
        None => false,
    }
}

impl Leg {
    fn end_player(&mut self) {
        if let Some(made) = self.made.as_deref_mut() {
            (made.player, made.played) = (None, true);
        }
    }

    fn may_send(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.accepts_from)
    }

    /// Whether it gets packets of what is played or said to it, and not the other leg's.
    pub(crate) fn hears_other_audio(&self, now: Instant) -> bool {
        let Some(made) = self.made.as_deref() else { return false };
        let player = made.player.as_ref();
        player.is_some_and(|player| player.track.with == OtherMedia::Yields || !player.fresh)
            || made.voice.as_deref().is_some_and(|voice| voice.is_heard(now))
    }

    pub(crate) fn is_played_to(&self) -> bool {
        self.made.as_deref().is_some_and(|made| made.player.is_some())
    }

    /// Whether a packet of the other leg, whose plan is `plan`, is dropped because something is played
    /// or said in its place.
    #[inline]
    pub(crate) fn replaces(
        &mut self,
        plan: &CompiledLeg,
        packet: &RtpPacket<'_>,
        arrival: Instant,
    ) -> bool {
        let Some(made) = self.made.as_deref_mut() else { return false };
        if let Some(player) = &mut made.player {
            let is_silent = is_silent(&mut player.ear, plan, packet);
            return player.replaces(is_silent, arrival);
        }
        made.voice.as_deref_mut().is_some_and(|voice| voice.replaces(plan, packet, arrival))
    }

    /// When the next packet of what is played is due; `None` while the leg wants no media.
    pub(crate) fn player_deadline(&self) -> Option<Instant> {
        let player = self.made.as_deref()?.player.as_ref()?;
        self.plan.as_ref().filter(|plan: &&CompiledLeg| plan.sends_to).map(|_| player.due)
    }
}

#[cfg(test)]
mod tests;
