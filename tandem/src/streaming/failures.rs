//! Events of calls that somebody was to hear and does not.

use crate::clock::Origin;
use call_audio::Opening;
use call_recordings::OrderedOpener;
use call_streaming::Refuse;
use call_streaming::events::EventSender;
use model::{Listener, NotificationTargets, UnixTime};
use sip_edge::Clock;
use voice_socket::GivenUp;

/// Tells of them in FAILED events, one for each leg, to whom the voice connector's events go.
#[derive(Clone)]
pub(super) struct Failures {
    pub(super) events: EventSender,
    pub(super) origin: Origin,
}

impl Failures {
    /// For orders that were refused, by the relay or for want of room behind it: one event a leg, however
    /// many listeners there are. Applications hear of their recordings by `ordered`.
    pub(super) fn of_orders(self, ordered: Option<OrderedOpener>) -> Refuse {
        Box::new(move |listeners, opening, reason| {
            for listener in listeners {
                if let (Listener::Ordered(of), Some(ordered)) = (listener, &ordered) {
                    ordered.refuse(
                        opening.call.transaction_id,
                        of.order,
                        format!("not recorded: {reason}"),
                    );
                }
            }
            let notify = listeners.iter().map(Listener::notify);
            let notify = notify.fold(NotificationTargets::NONE, NotificationTargets::and);
            if listeners
                .iter()
                .any(|listener| !matches!(listener, Listener::Recording(_) | Listener::Ordered(_)))
            {
                self.tell(opening, notify, opening.began, reason);
            }
        })
    }

    /// For calls whose WebSocket is given up.
    pub(super) fn of_sockets(self) -> GivenUp {
        let clock = Clock::new(self.origin.monotonic);
        GivenUp::new(move |listener, opening, why| {
            let since = clock.now().as_nanos() / 1_000_000;
            let at = UnixTime::from_millis(self.origin.calendar.as_millis() + since);
            self.tell(opening, listener.notify, at, why);
        })
    }

    fn tell(&self, opening: &Opening, notify: NotificationTargets, at: UnixTime, reason: &str) {
        let Opening { call, channels, sample_rate, .. } = opening;
        self.events.failed(call, channels, *sample_rate, notify, (at, reason));
    }
}
