//! What an endpoint does about requests.

use super::{Actor, Deed};
use model::Instant;
use sip_proto::{Dialog, Message, Method, ServerKey};

impl Actor {
    pub(super) fn requested(&mut self, now: Instant, key: ServerKey, request: Message) {
        let method = request.method().unwrap();
        let known = self.index_of(&request);
        let in_dialog = request.to().unwrap().tag().is_some();
        match (method, known) {
            (Method::Invite, None) if !in_dialog => self.invited(now, key, &request),
            (Method::Invite, Some(index)) => self.reinvited(now, index, key, request),
            (Method::Bye, Some(index)) => {
                self.calls[index].over = true;
                self.reply(now, &self.calls[index].tag.clone(), key, &request, 200, None);
            }
            (_, Some(index)) => {
                if method == Method::Prack {
                    self.pracked(index, &request);
                }
                let offers = matches!(method, Method::Update | Method::Prack);
                let body = (offers && !request.body_bytes().is_empty())
                    .then(|| self.description(index, "sendrecv"));
                self.reply(now, &self.calls[index].tag.clone(), key, &request, 200, body);
            }
            (_, None) => self.reply(now, "inner-unknown", key, &request, 481, None),
        }
    }

    fn invited(&mut self, now: Instant, key: ServerKey, invite: &Message) {
        let call_id = invite.call_id().unwrap().to_owned();
        let local = invite.to().unwrap().uri_text.to_owned();
        let remote = invite.from().unwrap().uri_text.to_owned();
        let index = self.new_call(call_id, local, remote);
        let call = &mut self.calls[index];
        call.dialog = Dialog::from_request_uas(invite, &call.tag).ok();
        call.invited = Some((key, invite.clone()));
        let mut at = now;
        for _ in 0..self.rng.below(3) {
            at += self.rng.millis(10, 3_000);
            let status = self.rng.pick(&[180, 183, 183, 182]);
            self.plan(at, index, Deed::Ring(status));
        }
        // Some never answer.
        if !self.rng.percent(8) {
            at += self.rng.millis(0, 12_000);
            let status =
                self.rng.pick(&[200, 200, 200, 200, 200, 200, 486, 503, 480, 404, 302, 422]);
            self.plan(at, index, Deed::Answer(status));
        }
    }

    fn reinvited(&mut self, now: Instant, index: usize, key: ServerKey, request: Message) {
        let busy = self.calls[index].inviting.is_some() || self.calls[index].invited.is_some();
        self.calls[index].invited.get_or_insert((key, request.clone()));
        if busy {
            self.reply(now, &self.calls[index].tag.clone(), key, &request, 491, None);
        } else {
            let after = self.rng.millis(0, 3_000);
            let status = self.rng.pick(&[200, 200, 200, 200, 488, 491, 500]);
            self.plan(now + after, index, Deed::Answer(status));
        }
    }
}
