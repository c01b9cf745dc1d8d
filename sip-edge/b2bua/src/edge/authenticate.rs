//! Customers prove who they are before anything is kept of their call.

use super::Edge;
use crate::admission::{Admission, Denied};
use crate::authentication::Decision;
use directory::Snapshot;
use model::{CallDirection, Flow, Instant, Refusal, VoiceConnectorId};
use sip_proto::auth::{Challenge, ChallengedBy};
use sip_proto::{Message, ServerKey};

impl Edge {
    /// Whether an INVITE outside any dialog may go on: its voice connector asks for no credentials,
    /// or it has right ones. `false` when it was asked for some; then it has its final response.
    ///
    /// Requests inside a dialog are not asked: nobody else knows the dialog's tags. Nor are emergency
    /// calls, which no mistake in a password may keep from being placed; they do not come here.
    pub(super) fn authenticate(
        &mut self,
        now: Instant,
        server: ServerKey,
        invite: &Message,
        flow: Flow,
        admission: &mut Admission,
    ) -> Result<bool, Denied> {
        let connector = admission.voice_connector.clone();
        let termination = connector.termination.as_ref();
        let Some(termination) = termination.filter(|termination| {
            // A masked call goes out, and comes from a carrier.
            admission.direction == CallDirection::Outbound
                && admission.carrier.is_none()
                && !termination.credentials.is_empty()
        }) else {
            return Ok(true);
        };
        let decision = self.authentication.decide(
            now,
            self.context.random.as_mut(),
            &realm_of(&self.context.directory, &connector.id),
            flow.remote.ip(),
            &termination.credentials,
            &termination.digest_algorithms,
            invite,
        );
        match decision {
            Decision::Admit(user) => {
                admission.sip_auth_user = Some(user);
                Ok(true)
            }
            Decision::Ask { challenges, wrong } => {
                if wrong {
                    let refusal = Refusal::WrongCredentials;
                    self.note_refusal(now, invite, flow, refusal, Some(&connector));
                }
                self.ask(now, server, invite, &challenges);
                Ok(false)
            }
            Decision::Block => {
                Err(Denied { refusal: Refusal::TooManyFailures, voice_connector: Some(connector) })
            }
        }
    }

    pub(super) fn ask(
        &mut self,
        now: Instant,
        server: ServerKey,
        request: &Message,
        challenges: &[Challenge],
    ) {
        let by = ChallengedBy::Server;
        self.context.answer_outside(now, server, request, by.status(), |composer| {
            for challenge in challenges {
                composer.header(by.challenge_header(), challenge.to_value());
            }
        });
    }
}

/// The realm of a voice connector: its host name.
pub(super) fn realm_of(directory: &Snapshot, id: &VoiceConnectorId) -> String {
    format!("{}.voiceconnector.{}", id.as_str(), directory.domain())
}
