//! `block media`, `block DTMF` and their opposites.

use crate::control::{Control, Served, result};
use crate::dialogue::Party;
use crate::request::{Muted, Muting, Request};
use model::{Instant, LegSide};

impl Control {
    pub(crate) fn serve_muting(
        &mut self,
        now: Instant,
        request: &Request,
        muting: Muting,
    ) -> Served {
        let call = self.calls.get_mut(&request.call_id).ok_or("Unknown call-id")?;
        let named = call.named_parties(request)?.unwrap_or_else(|| {
            let all = |at| LegSide::BOTH.map(|side| (at, side));
            (0..call.dialogues.len()).flat_map(all).collect()
        });
        call.last_signal = now;
        for (at, side) in &named {
            set(call.dialogues[*at].party_mut(*side), muting);
        }
        let mut changed: Vec<usize> = named.into_iter().map(|(at, _)| at).collect();
        changed.dedup();
        let plans: Vec<_> =
            changed.into_iter().filter_map(|at| call.dialogues[at].plan_again()).collect();
        for plan in plans {
            self.order(plan);
        }
        let mut reply = result("ok");
        if muting.what == Muted::Silence && muting.on {
            reply.set("warning", "Media is blocked; this relay does not make silence of it");
        }
        Ok(Some(reply))
    }
}

fn set(party: &mut Party, muting: Muting) {
    match muting.what {
        Muted::Media | Muted::Silence => party.blocks_media = muting.on,
        Muted::Events => party.blocks_events = muting.on,
    }
}
