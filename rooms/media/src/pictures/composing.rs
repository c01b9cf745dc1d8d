//! Pictures composed of several, for those who ask for them: what the switch gives tiles goes to whoever
//! composes, what that makes is another source of the switch.

use super::line::PictureLine;
use super::places::{Change, Placed, Places, Sender};
use model::{ConferenceId, Instant};
use room_grid::{
    Grid, GridPace, GridPool, GridSize, GridState, MOST_UNIT, OutputSettings, TAKEN_FORMAT, Tile,
};
use room_video::h264::{H264Format, Level, PacketizationMode, ProfileLevelId};
use room_video::{
    Composed, Feedback, LADDER, LimitWays, Line, OutboundSettings, Outgoing, Participant,
    ReceiverSettings, RequestWays, SourceSettings, StreamKey, VideoFormat, VideoSwitch,
};
use rtp_proto::{RtpHeader, RtpPacket};
use std::sync::Arc;
use std::time::Duration;

/// How long nobody asks for it before it is composed no more.
const LINGER: Duration = Duration::from_secs(5);
/// How soon it is tried again where it could not be composed.
const AGAIN: Duration = Duration::from_secs(10);
/// Who sees fewer others than this is shown one of them whole.
const FEWEST: usize = 2;
/// Of a packet to a tile or of a grid: the switch has one format for each.
const PAYLOAD_TYPE: u8 = 96;
/// Octets of a payload to a tile, where units are not to be cut.
const PAYLOAD: usize = 1_400;
/// What is decoded of who was not agreed to send high definition: high profile, level 3.1, 1280x720 at the most.
/// Of others it is [`TAKEN_FORMAT`], whose decoders need nearly twice the memory.
const USUAL_FORMAT: &str = "profile-level-id=64001f;packetization-mode=1";
/// bit/s of the smallest size at the most.
const SMALL: u64 = 300_000;

/// What makes composed pictures; shared by all conferences.
#[derive(Clone, Debug)]
pub(crate) struct Composer {
    pub(crate) pool: Arc<GridPool>,
    /// Pictures a second.
    pub(crate) per_second: u32,
}

/// The composed pictures of a conference.
pub(super) struct Composing {
    composer: Option<Composer>,
    conference: ConferenceId,
    grid: Option<Grid>,
    places: Places,
    /// Who could be shown, and the tiles as they were told; both keep their memory.
    senders: Vec<Sender>,
    /// How many of them have a picture.
    seen: usize,
    tiles: Vec<Tile>,
    outputs: [Output; GridSize::ALL.len()],
    /// When participants spoke last, by their numbers.
    spoke: Vec<Option<Instant>>,
    /// Since when nobody asks.
    unseen: Option<Instant>,
    /// Not before.
    try_at: Instant,
    /// That it is made less often, and not at all, was logged.
    is_slow: bool,
    is_refused: bool,
    unit: Vec<u8>,
    packet: Vec<u8>,
}

/// A size of a grid.
#[derive(Clone, Copy, Debug, Default)]
struct Output {
    told: Option<OutputSettings>,
    /// What those who see it take, as the switch says; 0 before it does.
    limit: u64,
    unseen: Option<Instant>,
    sequence: u16,
}

/// Who would see a size.
#[derive(Clone, Copy)]
struct Viewers {
    level: Level,
    most: u64,
    count: u32,
}

impl Composing {
    pub(super) fn new(composer: Option<Composer>, conference: ConferenceId) -> Self {
        Composing {
            composer,
            conference,
            grid: None,
            places: Places::default(),
            senders: Vec::new(),
            seen: 0,
            tiles: Vec::new(),
            outputs: [Output::default(); GridSize::ALL.len()],
            spoke: Vec::new(),
            unseen: None,
            try_at: Instant::ZERO,
            is_slow: false,
            is_refused: false,
            unit: Vec::new(),
            packet: Vec::new(),
        }
    }

    /// The sound says who speaks.
    pub(super) fn set_speaker(&mut self, now: Instant, speaker: Option<Participant>) {
        let Some(speaker) = speaker.filter(|_| self.composer.is_some()) else { return };
        let at = usize::from(speaker.0);
        if self.spoke.len() <= at {
            self.spoke.resize(at + 1, None);
        }
        if let Some(spoke) = self.spoke.get_mut(at) {
            *spoke = Some(now);
        }
    }

    /// A participant has left; its number may be somebody else's soon.
    pub(super) fn forget(
        &mut self,
        now: Instant,
        participant: Participant,
        switch: &mut VideoSwitch,
    ) {
        if let Some(spoke) = self.spoke.get_mut(usize::from(participant.0)) {
            *spoke = None;
        }
        if let Some(placed) = self.places.forget(participant) {
            switch.remove_tile(now, placed.tile);
        }
    }

    /// Gives a tile's packet to whoever composes; `false` for a line that is no tile.
    pub(super) fn packet(&mut self, to: StreamKey, packet: &Outgoing<'_>) -> bool {
        let Some(Composed::Tile(tile)) = Composed::of(to) else { return false };
        let mut octets = [0; relay_core::LONGEST_PICTURE];
        let written = packet.write(&mut octets).and_then(|len| octets.get(..len));
        if let (Some(octets), Some(placed), Some(grid)) =
            (written, self.places.of_tile(tile), &mut self.grid)
        {
            // What finds no room is counted there, and asked for again by a key frame.
            grid.packet(placed.key, octets);
        }
        true
    }

    /// Takes what the switch says about a grid; `false` of anybody else.
    pub(super) fn take_feedback(&mut self, feedback: &Feedback) -> bool {
        let (Feedback::KeyFrame { to, .. }
        | Feedback::Limit { to, .. }
        | Feedback::LimitTaken { to, .. }
        | Feedback::Missing { to, .. }) = *feedback;
        let number = match Composed::of(to) {
            None => return false,
            Some(Composed::Tile(_)) => return true,
            Some(Composed::Grid(number)) => usize::from(number),
        };
        match *feedback {
            Feedback::KeyFrame { .. } => {
                if let (Some(grid), Some(size)) = (&mut self.grid, GridSize::ALL.get(number)) {
                    grid.ask_key_frame(*size);
                }
            }
            Feedback::Limit { bits_per_second, .. } => {
                if let Some(output) = self.outputs.get_mut(number) {
                    output.limit = bits_per_second;
                }
            }
            // It is asked for nothing again: it sends in order.
            Feedback::LimitTaken { .. } | Feedback::Missing { .. } => {}
        }
        true
    }

    /// Shows those who see it what was composed meanwhile.
    pub(super) fn show(
        &mut self,
        now: Instant,
        switch: &mut VideoSwitch,
        emit: &mut impl FnMut(StreamKey, Outgoing<'_>),
    ) {
        let Some(grid) = &mut self.grid else { return };
        while let Some(unit) = grid.read(&mut self.unit) {
            let number = unit.size as usize;
            let Some(output) = self.outputs.get_mut(number) else { continue };
            output.sequence = output.sequence.wrapping_add(1);
            let header = RtpHeader {
                payload_type: PAYLOAD_TYPE,
                sequence: output.sequence,
                ssrc: number as u32 + 1,
                timestamp: unit.timestamp,
                marker: unit.ends_picture,
            };
            self.packet.clear();
            self.packet.extend_from_slice(&header.to_bytes());
            self.packet.extend_from_slice(&self.unit);
            if let Ok(packet) = RtpPacket::parse(&self.packet) {
                let key = Composed::Grid(number as u16).key();
                switch.handle_rtp(now, key, &packet, emit);
            }
        }
        while let Some(key) = grid.want() {
            if let Some(placed) = self.places.of_key(key) {
                switch.refresh(now, Composed::Tile(placed.tile).key());
            }
        }
    }

    /// Looks who asks, who is to be seen and what is to be made: each 20 ms, and when somebody has left, shows
    /// or sees something else.
    pub(super) fn look(&mut self, now: Instant, lines: &[PictureLine], switch: &mut VideoSwitch) {
        let Some(Composer { per_second, .. }) = self.composer else { return };
        let mut viewers: [Option<Viewers>; GridSize::ALL.len()] = [None; GridSize::ALL.len()];
        let asks = lines.iter().any(|line| line.asks_grid(per_second).is_some());
        if !asks && self.grid.is_none() {
            // What was made before is no source of the switch for ever.
            if self.outputs.iter().any(|output| output.unseen.is_some()) {
                self.tell_outputs(now, &viewers, switch);
            }
            return;
        }
        self.find_senders(now, lines);
        for line in lines.iter().filter(|line| line.key.line == Line::Main) {
            let size = line.asks_grid(per_second).filter(|_| self.sees_several(now, line));
            if let (Some(size), Some(format)) = (size, line.h264())
                && let Some(viewers) = viewers.get_mut(size as usize)
            {
                let level = format.profile_level_id.level;
                let most = line.most_of_grid(format);
                let before = viewers.unwrap_or(Viewers { level, most, count: 0 });
                let (level, most) = (before.level.min(level), before.most.min(most));
                *viewers = Some(Viewers { level, most, count: before.count + 1 });
            }
        }
        self.open_or_close(now, viewers.iter().any(Option::is_some), switch);
        for line in lines.iter().filter(|line| line.key.line == Line::Main) {
            let size = line.asks_grid(per_second).filter(|_| self.sees_several(now, line));
            let size = size.filter(|_| self.grid.is_some()).map(|size| size as u16);
            switch.ask_grid(now, line.key.participant, size);
        }
        self.tell_tiles(now, lines, switch);
        self.tell_outputs(now, &viewers, switch);
    }

    /// Those whose pictures come, in the order of their lines.
    fn find_senders(&mut self, now: Instant, lines: &[PictureLine]) {
        self.senders.clear();
        let sends = lines.iter().enumerate().filter(|(_, line)| line.sends_camera(now));
        self.senders.extend(sends.map(|(order, line)| {
            let participant = line.key.participant;
            let spoke = self.spoke.get(usize::from(participant.0)).copied().flatten();
            Sender { participant, order, spoke, has_picture: line.sends_h264() }
        }));
        self.seen = self.senders.iter().filter(|sender| sender.has_picture).count();
    }

    /// Whether somebody would see more than one other; `line` is its camera's.
    fn sees_several(&self, now: Instant, line: &PictureLine) -> bool {
        let is_seen = line.sends_camera(now) && line.sends_h264();
        self.seen >= FEWEST + usize::from(is_seen)
    }

    /// What the log calls it: the conference is the first half of the meeting's id.
    fn meeting(&self) -> String {
        format!("{:016x}", self.conference.0)
    }

    fn open_or_close(&mut self, now: Instant, is_seen: bool, switch: &mut VideoSwitch) {
        if let Some(grid) = &self.grid {
            match grid.state() {
                GridState::Closed => {
                    tracing::warn!(
                        meeting = self.meeting(),
                        "there is no CPU for a meeting's composed picture: who asked for it sees the speaker"
                    );
                    self.try_at = now + AGAIN;
                    self.close(now, switch);
                }
                GridState::Open(pace) => {
                    let is_slow = pace != GridPace::Full;
                    if is_slow && !std::mem::replace(&mut self.is_slow, is_slow) {
                        tracing::warn!(
                            meeting = self.meeting(),
                            "a meeting's composed picture moves less smoothly: there is too little CPU"
                        );
                    }
                }
            }
        }
        match (&self.grid, is_seen) {
            (Some(_), true) => self.unseen = None,
            (Some(_), false) => {
                if now - *self.unseen.get_or_insert(now) >= LINGER {
                    self.close(now, switch);
                }
            }
            (None, true) if now >= self.try_at => self.open(now),
            (None, _) => {}
        }
    }

    fn open(&mut self, now: Instant) {
        let Some(composer) = &self.composer else { return };
        match composer.pool.open(std::thread::current(), self.conference.0) {
            Ok(grid) => {
                tracing::info!(meeting = self.meeting(), "a meeting's picture is composed");
                (self.grid, self.unseen, self.is_slow) = (Some(grid), None, false);
                // It was told none.
                self.tiles.clear();
            }
            Err(error) => {
                self.try_at = now + AGAIN;
                if !std::mem::replace(&mut self.is_refused, true) {
                    tracing::warn!(
                        meeting = self.meeting(),
                        %error,
                        "who asked for a meeting's composed picture sees the speaker"
                    );
                }
            }
        }
    }

    /// Tiles go; what was shown of it stays until the speaker's key frame has come.
    fn close(&mut self, now: Instant, switch: &mut VideoSwitch) {
        self.grid = None;
        self.unseen = None;
        self.places.clear(&mut |change| follow_tile(now, switch, &[], change));
        for output in &mut self.outputs {
            if output.told.take().is_some() {
                output.unseen.get_or_insert(now);
            }
        }
    }

    fn tell_tiles(&mut self, now: Instant, lines: &[PictureLine], switch: &mut VideoSwitch) {
        let Some(grid) = &mut self.grid else { return };
        self.places.follow(&mut self.senders, &mut |change| {
            follow_tile(now, switch, lines, change);
        });
        let speaker = switch.speaker();
        let tile = |placed: &Placed| Tile {
            key: placed.key,
            name: name_of(placed.participant, lines),
            speaks: speaker == Some(placed.participant),
        };
        let placed = self.places.placed();
        let is_told = placed.len() == self.tiles.len()
            && placed.iter().zip(&self.tiles).all(|(placed, told)| tile(placed) == *told);
        if !is_told {
            self.tiles.clear();
            self.tiles.extend(placed.iter().map(tile));
            grid.set_tiles(&self.tiles);
        }
    }

    fn tell_outputs(
        &mut self,
        now: Instant,
        viewers: &[Option<Viewers>],
        switch: &mut VideoSwitch,
    ) {
        for (size, (output, viewers)) in
            GridSize::ALL.into_iter().zip(self.outputs.iter_mut().zip(viewers))
        {
            let number = size as u16;
            if let (Some(viewers), Some(grid)) = (viewers, &mut self.grid) {
                output.unseen = None;
                if output.told.is_none() {
                    // Its numbers go on, so that a late packet of before is none of now.
                    output.limit = viewers.most.min(ladder(size));
                    let settings = source_of(size, viewers.level);
                    if switch.add_grid(now, number, settings).is_err() {
                        continue;
                    }
                }
                // The switch knows what they receive, not what they decode.
                let limit = output.limit.min(ladder(size)).min(viewers.most);
                let wanted = OutputSettings {
                    bits_per_second: u32::try_from(limit).unwrap_or(u32::MAX),
                    level: viewers.level,
                    viewers: viewers.count,
                };
                if output.told != Some(wanted) {
                    output.told = Some(wanted);
                    grid.set_output(size, Some(wanted));
                }
                continue;
            }
            if let (Some(told), Some(grid)) = (&mut output.told, &mut self.grid)
                && told.viewers > 0
            {
                // If there is no CPU for all, it is the first to go.
                told.viewers = 0;
                grid.set_output(size, Some(*told));
            }
            let is_there = output.told.is_some() || output.unseen.is_some();
            if is_there && now - *output.unseen.get_or_insert(now) >= LINGER {
                (output.told, output.unseen) = (None, None);
                switch.remove_grid(now, number);
                if let Some(grid) = &mut self.grid {
                    grid.set_output(size, None);
                }
            }
        }
    }
}

fn follow_tile(now: Instant, switch: &mut VideoSwitch, lines: &[PictureLine], change: Change) {
    match change {
        Change::Gone(placed) => switch.remove_tile(now, placed.tile),
        Change::Come(placed) => {
            let line = main_line(placed.participant, lines);
            let may_high = line.is_some_and(PictureLine::may_send_high);
            let taken = if may_high { TAKEN_FORMAT } else { USUAL_FORMAT };
            let Ok(format) = H264Format::parse(taken) else { return };
            let outbound = OutboundSettings {
                ssrc: u32::from(placed.key),
                payload_type: PAYLOAD_TYPE,
                first_sequence: 0,
                first_timestamp: 0,
                payload_limit: PAYLOAD,
                mode: Some(PacketizationMode::NonInterleaved),
            };
            let format = VideoFormat::H264(Box::new(format));
            let settings = ReceiverSettings { format, outbound, most_bits_per_second: u64::MAX };
            // Its number is below the bound: places are no more than tiles.
            let _ = switch.set_tile(now, placed.tile, settings, placed.participant);
        }
    }
}

/// What the switch is told of a grid: units of one packet each, and rates as of anybody's picture.
fn source_of(size: GridSize, level: Level) -> SourceSettings {
    let profile = ProfileLevelId::constrained_baseline(level);
    SourceSettings {
        format: VideoFormat::H264(Box::new(H264Format::new(profile, PacketizationMode::Single))),
        requests: RequestWays { picture_loss: true, full_intra: false },
        limits: LimitWays { remb: true, tmmbr: false },
        sends_again: false,
        high_definition: size == GridSize::High,
    }
}

/// bit/s of a size at the most.
const fn ladder(size: GridSize) -> u64 {
    match size {
        GridSize::Small => SMALL,
        GridSize::Usual => LADDER[2],
        GridSize::High => LADDER[3],
    }
}

fn name_of(participant: Participant, lines: &[PictureLine]) -> Arc<str> {
    main_line(participant, lines).map(PictureLine::name).unwrap_or_default()
}

fn main_line(participant: Participant, lines: &[PictureLine]) -> Option<&PictureLine> {
    lines.iter().find(|line| line.key == StreamKey::main(participant))
}

const _: () = assert!(MOST_UNIT <= PAYLOAD);
const _: () = assert!(GridSize::ALL.len() == room_video::GRIDS as usize);
const _: () = assert!(room_grid::MOST_TILES >= room_video::TILES as usize);

#[cfg(test)]
#[cfg(feature = "grid")]
mod tests;
