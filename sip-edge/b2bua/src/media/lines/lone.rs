//! Lines of pictures in a call to a meeting room: leg A's alone, for nobody is on their other side.

use super::{CallLine, CallMedia, LegMedia};
use model::{LegPlan, LegSide, MAX_CALL_LINES, MediaId, MediaLine, MediaType};
use sdp::{RoomPicture, media_plan_leg};

const A: usize = LegSide::A.index();

impl CallMedia {
    /// Those of the lines at these places that have no ports yet, as many as the call may still have.
    pub(crate) fn pictures_wanted(&self, places: impl Iterator<Item = usize>) -> Vec<usize> {
        let has = |index: usize| self.lines.iter().any(|line| line.at[A] == index);
        let free = (MAX_CALL_LINES - 1).saturating_sub(self.lines.len());
        places.filter(|index| !has(*index)).take(free).collect()
    }

    /// Notes that ports are asked for; returns what the relay is to call the line.
    pub(crate) fn picture_requested(&mut self, id: MediaId, index: usize) -> MediaLine {
        let (media, at) = (MediaType::Video, [index; 2]);
        self.lines.push(CallLine { id, media, at, local: None, fresh: true, is_lone: true });
        // A description has 16 lines at most.
        MediaLine::Further { index: index as u8, media }
    }

    /// Forgets those that leg A has declined; returns the streams to release.
    pub(crate) fn release_declined_pictures(&mut self) -> Vec<MediaId> {
        self.take_lines(|legs, line| line.is_lone && legs[A].agreed(line.at[A]).is_none())
    }

    /// What leg A and the room have agreed on.
    pub(crate) fn note_pictures(&mut self, pictures: Vec<RoomPicture>) {
        self.legs[A].lines.pictures = pictures;
    }

    /// The pictures that leg A and the room have agreed on, with their streams.
    pub(crate) fn pictures(&self) -> impl Iterator<Item = (MediaId, &RoomPicture)> {
        let leg = &self.legs[A];
        self.lines.iter().filter(|line| line.is_lone && line.local.is_some()).filter_map(|line| {
            leg.agreed(line.at[A])?;
            let picture = leg.lines.pictures.iter().find(|picture| picture.index == line.at[A])?;
            Some((line.id, picture))
        })
    }
}

impl CallLine {
    /// Of a line with nobody on its other side: leg A was last told that it is declined, or of nothing. What
    /// leg A declines itself keeps its ports while what it was told may be told again as an offer.
    pub(super) fn is_untold(&self, legs: &[LegMedia; 2]) -> bool {
        legs[A].origin.last_line(self.at[A]).is_none()
    }
}

/// The plan of nobody: nothing passes.
pub(super) fn nobody() -> LegPlan {
    media_plan_leg(None, None, None, None)
}
