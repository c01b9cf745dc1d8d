//! Whom each receiver sees.

use super::{Composed, Line, MAX_PARTICIPANTS, Participant, StreamKey, VideoSwitch};
use crate::format::forwardable;
use model::Instant;

impl VideoSwitch {
    /// Looks at every receiver anew. Called where something has changed, never per packet.
    pub(super) fn choose(&mut self, _now: Instant) {
        for index in 0..self.receivers.len() {
            let key = StreamKey::of(index);
            let Some((wanted, refused)) = self.best(key) else { continue };
            let Some(Some(receiver)) = self.receivers.get_mut(index) else { continue };
            receiver.refused = refused;
            if receiver.want(wanted)
                && let Some(wanted) = wanted
                && let Some(Some(entry)) = self.sources.get_mut(wanted.index())
            {
                entry.requests.want();
            }
        }
        for (index, entry) in self.sources.iter_mut().enumerate() {
            let Some(entry) = entry else { continue };
            let key = StreamKey::of(index);
            entry.watched_by.clear();
            for (receiver, place) in self.receivers.iter().enumerate() {
                if place.as_ref().is_some_and(|receiver| receiver.watches(key)) {
                    entry.watched_by.push(receiver as u16);
                }
            }
        }
    }

    /// The first candidate that this receiver can be given, and the first that it cannot; `None` for no
    /// receiver.
    #[expect(clippy::type_complexity, reason = "a stream, and a stream with why not")]
    fn best(
        &self,
        to: StreamKey,
    ) -> Option<(Option<StreamKey>, Option<(StreamKey, crate::Mismatch)>)> {
        let receiver = self.receivers.get(to.index())?.as_ref()?;
        let mut refused = None;
        let mut fits = |candidate: &StreamKey| {
            if receiver.may_not_see(*candidate) || candidate.participant == to.participant {
                return false;
            }
            let Some(Some(entry)) = self.sources.get(candidate.index()) else { return false };
            if !entry.alive {
                return false;
            }
            let sets = entry.source.parameter_sets();
            match forwardable(&entry.settings.format, sets, &receiver.format) {
                Ok(()) => true,
                Err(mismatch) => {
                    refused.get_or_insert((*candidate, mismatch));
                    false
                }
            }
        };
        let pinned = receiver.pinned.map(StreamKey::main);
        if let Some(Composed::Tile(_)) = Composed::of(to) {
            // It shows whom it is for, or nothing.
            return Some((pinned.filter(|pinned| fits(pinned)), refused));
        }
        let slides = self.presenter.map(StreamKey::slides);
        if to.line == Line::Slides {
            let wanted = slides.filter(|slides| fits(slides));
            return Some((wanted, refused));
        }
        // Slides take the main picture's place where there is no line for them.
        let has_slides = self.has_receiver(StreamKey::slides(to.participant));
        let everybody = self.sources.len().min(usize::from(MAX_PARTICIPANTS) * 2);
        let wanted = pinned
            .into_iter()
            .chain(slides.filter(|_| !has_slides))
            .chain(receiver.grid.map(StreamKey::main))
            .chain(self.speakers.order().map(StreamKey::main))
            // Whoever is seen stays, before somebody is chosen by number alone.
            .chain(receiver.wanted().filter(|wanted| {
                wanted.line == Line::Main && wanted.participant.0 < MAX_PARTICIPANTS
            }))
            .chain((0..everybody).step_by(2).map(StreamKey::of))
            .find(|candidate| fits(candidate));
        Some((wanted, refused))
    }

    pub(super) fn has_receiver(&self, key: StreamKey) -> bool {
        self.receivers.get(key.index()).is_some_and(Option::is_some)
    }

    /// Participants that send or are given something.
    pub(super) fn participants(&self) -> usize {
        let there = |participant: &usize| {
            [0, 1].into_iter().any(|line| {
                let index = participant * 2 + line;
                self.sources.get(index).is_some_and(Option::is_some)
                    || self.receivers.get(index).is_some_and(Option::is_some)
            })
        };
        let most = self.sources.len().max(self.receivers.len()).div_ceil(2);
        let most = most.min(usize::from(MAX_PARTICIPANTS));
        (0..most).filter(there).count()
    }

    /// Whether a participant's slides are what is shown.
    pub fn presenter(&self) -> Option<Participant> {
        self.presenter
    }
}
