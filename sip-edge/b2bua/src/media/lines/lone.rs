//! Lines of pictures in a call to a meeting room: leg A's alone, for nobody is on their other side.

use super::{CallLine, CallMedia, LegLines, LegMedia};
use model::{BundledLine, LegPlan, LegSide, MAX_CALL_LINES, MediaId, MediaLine, MediaType};
use sdp::{RoomBundle, RoomPicture, SessionDescription, media_plan_leg};

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

impl CallMedia {
    /// An offer of leg A in a room as it is read under that leg's policy, where what it says of a bundle is taken:
    /// its lines, as if each had the transport that they share. What the first answer says of it holds for the call:
    /// a browser does not join a bundle later, and a line that leaves one is declined.
    pub(crate) fn bundle_in(
        &self,
        offer: SessionDescription,
        pictures: impl Fn(&SessionDescription) -> Vec<RoomPicture>,
    ) -> RoomOffer {
        let leg = &self.legs[A];
        let is_answered = leg.origin.last_audio().is_some();
        let before = leg.lines.bundle.as_ref();
        let has_left = |bundle: Option<&RoomBundle>, picture: &RoomPicture| {
            let has = |bundle: &RoomBundle| bundle.line(picture.index).is_some();
            before.is_some_and(has) && !bundle.is_some_and(has)
        };
        if let Some(bundle) = offer.room_bundle().filter(|_| !is_answered || before.is_some()) {
            let shared = offer.with_shared_transport(&bundle);
            let mut found = bundle.told_apart(&shared, pictures(&shared));
            if is_answered || bundle.has_all(&found) {
                found.retain(|picture| !has_left(Some(&bundle), picture));
                return RoomOffer { offer: shared, pictures: found, bundle: Some(bundle) };
            }
        }
        let mut pictures = pictures(&offer);
        // Its ports are not read any more.
        pictures.retain(|picture| !has_left(None, picture));
        RoomOffer { offer, pictures, bundle: None }
    }

    /// What leg A and the room share a transport for, from the next answer on; returns what it was.
    pub(crate) fn set_bundle(&mut self, bundle: Option<RoomBundle>) -> Option<RoomBundle> {
        std::mem::replace(&mut self.legs[A].lines.bundle, bundle)
    }
}

/// An offer of leg A in a room.
pub(crate) struct RoomOffer {
    /// As it is read.
    pub(crate) offer: SessionDescription,
    /// The lines of pictures that the room takes.
    pub(crate) pictures: Vec<RoomPicture>,
    /// Those lines that share a transport, where they do.
    pub(crate) bundle: Option<RoomBundle>,
}

impl LegLines {
    /// How the line at a place shares the transport of the call's main stream.
    pub(in crate::media) fn bundled(
        &self,
        main: Option<MediaId>,
        index: usize,
    ) -> Option<Box<BundledLine>> {
        let line = self.bundle.as_ref()?.line(index)?;
        let (mid, mid_extension) = (line.mid.clone(), line.mid_extension);
        Some(Box::new(BundledLine { on: main?, mid, mid_extension }))
    }

    pub(in crate::media) fn bundle(&self) -> Option<&RoomBundle> {
        self.bundle.as_ref()
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
