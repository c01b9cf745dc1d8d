//! Calls whose audio goes to listeners: the hub that serves them, and what it gives the audio to. It runs
//! where the relay does.

mod failures;
mod kinesis;
mod web_sockets;

use crate::clock::Origin;
use crate::config::Config;
use crate::node::StartError;
use crate::sinks::StreamTeller;
use crate::{readings, recordings};
use call_metrics::{Numbers, ObservationSender, Reading};
use call_recordings::{OrderedOpener, Recordings};
use call_streaming::{Hub, Open, Openers};
use failures::Failures;
use kinesis::Kinesis;
use model::{OrderedRecording, RecordingListener};
use outbox::{FileSender, Outbox};
use relay_core::ListenNews;
use sip_edge::Clock;
use std::sync::mpsc::{SyncSender, sync_channel};
use web_sockets::WebSockets;

/// News of streams that wait for the hub. Full policy: nobody listens to the next stream, and the edge
/// asks again.
const NEWS: usize = 1_024;

/// Everything that a process with a relay has for calls that are listened to.
pub(crate) struct Started {
    pub(crate) recordings: Recordings,
    pub(crate) streaming: Streaming,
    /// Where the relay is to hand streams over.
    pub(crate) news: SyncSender<ListenNews>,
}

/// Starts it. What becomes of Kinesis video streams `teller` tells; beside recordings people are shown as
/// `shown` says; notices of recordings go to `file` and into `outbox`, how many there are to `observations`.
/// What applications have recorded `ordered` opens.
///
/// # Errors
/// When a directory cannot be made, a key cannot be read or there is no thread.
pub(crate) fn start(
    config: &Config,
    origin: Origin,
    (teller, shown): (StreamTeller, Numbers),
    (file, outbox): (FileSender, &mut Outbox),
    observations: ObservationSender,
    ordered: Option<OrderedOpener>,
) -> Result<Started, StartError> {
    let clock = Clock::new(origin.monotonic);
    let recordings = recordings::start(config, file, outbox, observations, clock)?;
    let opener = recordings.opener().map(|opener| recordings::opening(opener, shown));
    let opened = (opener, ordered);
    let (streaming, news) = Streaming::start(config, origin, teller, opened)?;
    Ok(Started { recordings, streaming, news })
}

/// What opens recordings of applications.
fn ordering(opener: OrderedOpener) -> Open<OrderedRecording> {
    Box::new(move |ordered, opening| opener.open(ordered, opening))
}

/// What serves calls that are listened to.
pub(crate) struct Streaming {
    hub: Hub,
    kinesis: Kinesis,
    web_sockets: WebSockets,
}

impl Streaming {
    fn start(
        config: &Config,
        origin: Origin,
        teller: StreamTeller,
        (recording, ordered): (Option<Open<RecordingListener>>, Option<OrderedOpener>),
    ) -> Result<(Streaming, SyncSender<ListenNews>), StartError> {
        let (sender, news) = sync_channel(NEWS);
        let kinesis = Kinesis::start(config, &teller)?;
        let failures = Failures { events: teller.events.clone(), origin };
        let web_sockets = WebSockets::start(config, failures.clone().of_sockets())?;
        let openers = Openers {
            kinesis_video: Some(kinesis.opener(teller)),
            web_socket: Some(web_sockets.opener()),
            refused: Some(failures.of_orders(ordered.clone())),
            recording,
            ordered: ordered.map(ordering),
        };
        let hub = Hub::start(config.streaming.hub, origin.monotonic, news, openers)
            .map_err(|error| StartError(format!("no thread for listeners: {error}")))?;
        Ok((Streaming { hub, kinesis, web_sockets }, sender))
    }

    /// Its numbers for the Prometheus page.
    pub(crate) fn read(&self, out: &mut Vec<Reading>) {
        readings::of_hub(&self.hub.statistics(), out);
        self.kinesis.read(out);
        self.web_sockets.read(out);
    }

    /// Gives away what has come so far, and ends. After the relay.
    pub(crate) fn stop(self) {
        let Streaming { hub, kinesis, web_sockets } = self;
        hub.stop();
        web_sockets.stop();
        kinesis.stop();
    }
}
