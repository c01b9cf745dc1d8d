//! One call: what shares a Call-ID.

use crate::dialogue::Dialogue;
use crate::recording::CallRecording;
use crate::request::Request;
use model::{Instant, LegSide, MediaId, TransactionId};

/// Streams of one call, one for each fork that the proxy tells apart; more offers are refused.
pub(crate) const MAX_DIALOGUES: usize = 16;

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) transaction_id: TransactionId,
    pub(crate) created: Instant,
    pub(crate) last_signal: Instant,
    pub(crate) dialogues: Vec<Dialogue>,
    /// What is recorded of it.
    pub(crate) recording: Option<CallRecording>,
}

impl Call {
    /// The dialogue of both tags, and the side that has the first.
    fn of_pair(&self, from: &str, to: &str) -> Option<(usize, LegSide)> {
        self.dialogues.iter().enumerate().find_map(|(at, dialogue)| {
            let side = dialogue.side_of(from)?;
            dialogue.party(side.other()).is(to).then_some((at, side))
        })
    }

    /// The dialogue that an offer belongs to, and the side that makes it.
    pub(crate) fn for_offer(&self, request: &Request) -> Option<(usize, LegSide)> {
        let from = request.from_tag.as_deref()?;
        if let Some(to) = request.to_tag.as_deref() {
            if let Some(found) = self.of_pair(from, to) {
                return Some(found);
            }
            // A party that has not signalled yet: an UPDATE before the answer.
            return self.dialogues.iter().enumerate().find_map(|(at, dialogue)| {
                let side =
                    dialogue.side_of(from).or_else(|| Some(dialogue.side_of(to)?.other()))?;
                let other = dialogue.party(side.other());
                (other.tag.is_none() || dialogue.party(side).tag.is_none()).then_some((at, side))
            });
        }
        let same_branch = |dialogue: &Dialogue| match (&dialogue.branch, &request.via_branch) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        let at = self.dialogues.iter().position(|d| {
            d.party(LegSide::A).is(from) && same_branch(d) && d.parties[1].tag.is_none()
        });
        let at = at.or_else(|| {
            self.dialogues.iter().position(|d| d.party(LegSide::A).is(from) && same_branch(d))
        })?;
        Some((at, LegSide::A))
    }

    /// The dialogue that an answer belongs to, and the side that answers. In an answer the From tag
    /// is the offerer's. Of several forks without a branch of their own the latest answer wins.
    pub(crate) fn for_answer(&self, request: &Request) -> Option<(usize, LegSide)> {
        let (from, to) = (request.from_tag.as_deref()?, request.to_tag.as_deref()?);
        if let Some((at, side)) = self.of_pair(from, to) {
            // Some scripts swap the tags: who made the offer is known here.
            let offerer = self.dialogues[at].offer.as_ref().map_or(side, |(offerer, _)| *offerer);
            return Some((at, offerer.other()));
        }
        let offered = |d: &Dialogue| d.offer.as_ref().map(|(side, _)| *side);
        let fits = |d: &&Dialogue| offered(d).is_some_and(|side| d.party(side).is(from));
        let branch = request.via_branch.as_deref();
        let candidates = || self.dialogues.iter().filter(fits);
        let found = candidates()
            .find(|d| branch.is_some() && d.branch.as_deref() == branch)
            .or_else(|| {
                candidates().find(|d| offered(d).is_some_and(|s| d.party(s.other()).tag.is_none()))
            })
            .or_else(|| candidates().next_back())?;
        let at = self.dialogues.iter().position(|d| d.media == found.media)?;
        Some((at, offered(found)?.other()))
    }

    /// The dialogues that a deletion is about.
    pub(crate) fn for_deletion(&self, request: &Request) -> Vec<MediaId> {
        let all = || self.dialogues.iter().map(|d| d.media).collect::<Vec<_>>();
        let Some(from) = request.from_tag.as_deref() else { return all() };
        if let Some(branch) = request.via_branch.as_deref() {
            let of_branch: Vec<MediaId> = self
                .dialogues
                .iter()
                .filter(|d| d.branch.as_deref() == Some(branch) && d.side_of(from).is_some())
                .map(|d| d.media)
                .collect();
            if !of_branch.is_empty() {
                return of_branch;
            }
        }
        let pair = request.to_tag.as_deref().and_then(|to| self.of_pair(from, to));
        let Some((at, _)) = pair else {
            let has = |tag: Option<&str>, d: &Dialogue| tag.is_some_and(|t| d.side_of(t).is_some());
            let known = |d: &&Dialogue| has(Some(from), d) || has(request.to_tag.as_deref(), d);
            return self.dialogues.iter().filter(known).map(|d| d.media).collect();
        };
        // What else rings when the answered call ends has nobody left to answer to.
        let goes = |(number, d): &(usize, &Dialogue)| *number == at || !d.answered;
        self.dialogues.iter().enumerate().filter(goes).map(|(_, d)| d.media).collect()
    }

    /// The parties that a request names, as (dialogue, side); `None` for the whole call.
    ///
    /// # Errors
    /// Words for the reply when it names one that is not there.
    pub(crate) fn named_parties(
        &self,
        request: &Request,
    ) -> Result<Option<Vec<(usize, LegSide)>>, &'static str> {
        if request.flags.all {
            return Ok(None);
        }
        let every = |fits: &dyn Fn(&Dialogue, LegSide) -> bool| {
            let sides = |(at, d)| LegSide::BOTH.map(|side| (at, d, side));
            self.dialogues
                .iter()
                .enumerate()
                .flat_map(sides)
                .filter(|(_, d, side)| fits(d, *side))
                .map(|(at, _, side)| (at, side))
                .collect::<Vec<_>>()
        };
        let (found, missing) = if let Some(label) = &request.label {
            let fits = |d: &Dialogue, s| d.party(s).label.as_ref() == Some(label);
            (every(&fits), "No party has the given label")
        } else if let Some(address) = request.address {
            let fits = |d: &Dialogue, s| d.party(s).advertised.is_some_and(|a| a.ip() == address);
            (every(&fits), "No party describes the given address")
        } else if let Some(tag) = &request.from_tag {
            (every(&|d: &Dialogue, s| d.party(s).is(tag)), "From-tag given, but no such tag exists")
        } else {
            return Ok(None);
        };
        if found.is_empty() { Err(missing) } else { Ok(Some(found)) }
    }
}
