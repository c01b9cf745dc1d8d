//! One call: its program, and what the program waits for.

use crate::calls::{Exchanged, NewCall, Shared};
use futures_util::StreamExt as _;
use futures_util::future::{Either, pending};
use futures_util::stream::FuturesUnordered;
use media_applications::{Ended, MeetingRefusal, MeetingRequest, Output, Program};
use model::{ApplicationNews, AudioSource, LegSide, TransactionId};
use serde_json::{Map, Value};
use std::pin::Pin;
use tokio::sync::mpsc;

/// What happens to a call from outside.
pub(crate) enum News {
    Call(ApplicationNews),
    Update(Map<String, Value>),
    Met(u32, Result<(), MeetingRefusal>),
}

/// What a program has asked for and gets.
enum Done {
    Answered(Result<Vec<u8>, String>),
    Fetched(u32, Result<AudioSource, String>),
}

type Work<'a> = Pin<Box<dyn Future<Output = Done> + Send + 'a>>;

/// Steers a call until it is over, and says why its application has given it up, if it has.
pub(crate) async fn run(
    shared: &Shared,
    call: NewCall,
    mut news: mpsc::Receiver<News>,
) -> Option<Ended> {
    let id = call.facts.transaction_id;
    let mut program = Program::new(shared.clock.now(), call.facts);
    // At most one invocation and one sound, and those of actions that were interrupted.
    let mut work: FuturesUnordered<Work<'_>> = FuturesUnordered::new();
    let mut is_failing = false;
    let mut meetings = Meetings { shared, call: id, is_in: false };
    loop {
        while let Some(acted) = program.poll_acted() {
            shared.calls.acted(&call.application.id, acted);
        }
        if let (false, Some(why)) = (is_failing, program.ended()) {
            is_failing = true;
            shared.calls.failing(id, &call.application.id, why);
        }
        while let Some(output) = program.poll_output() {
            match output {
                Output::Order(number, order) => {
                    if !shared.order(id, number, order).await {
                        let why = "the node has too much to do".to_owned();
                        let refused = ApplicationNews::Refused { order: number, why };
                        program.handle_news(shared.clock.now(), &refused);
                    }
                }
                Output::Meeting(number, request) => {
                    if let Err(refusal) = meetings.ask(number, request) {
                        program.handle_meeting(shared.clock.now(), number, Err(refusal));
                    }
                }
                Output::PauseRecording(order, on) => shared.calls.pause_recording(id, order, on),
                Output::Invoke(body) => {
                    let application = &call.application;
                    if application.message_logs {
                        let told = Exchanged::Told(&body);
                        shared.calls.exchanged(id, &application.id, told);
                    }
                    work.push(Box::pin(async move {
                        let told = |outcome, took| {
                            shared.calls.asked(&application.id, outcome, took);
                        };
                        Done::Answered(shared.invoker.invoke(application, id, &body, told).await)
                    }));
                }
                Output::Fetch(number, sound) => work.push(Box::pin(async move {
                    Done::Fetched(number, shared.sounds.fetch(&sound).await)
                })),
            }
        }
        if program.is_over() {
            return program.ended().cloned();
        }
        let timer = match program.poll_timeout() {
            Some(at) => {
                let left = at.saturating_since(shared.clock.now());
                Either::Left(tokio::time::sleep(left))
            }
            None => Either::Right(pending()),
        };
        tokio::select! {
            next = news.recv() => match next {
                Some(News::Call(news)) => {
                    if matches!(news, ApplicationNews::HungUp { leg: LegSide::A, .. }) {
                        meetings.leave();
                    }
                    program.handle_news(shared.clock.now(), &news);
                }
                Some(News::Met(number, outcome)) => {
                    program.handle_meeting(shared.clock.now(), number, outcome);
                }
                Some(News::Update(arguments)) => {
                    if program.update(shared.clock.now(), arguments).is_err() {
                        tracing::warn!(call = %id, "a call takes no update now");
                    }
                }
                // Its news were not taken in time; the call is ended.
                None => return None,
            },
            Some(done) = work.next(), if !work.is_empty() => {
                let now = shared.clock.now();
                if let (Done::Answered(answer), true) = (&done, call.application.message_logs) {
                    let message = match answer {
                        Ok(body) => Exchanged::Answered(body),
                        Err(why) => Exchanged::Failed(why),
                    };
                    shared.calls.exchanged(id, &call.application.id, message);
                }
                match done {
                    Done::Answered(Ok(body)) => program.handle_response(now, &body),
                    Done::Answered(Err(why)) => program.handle_failure(now, &why),
                    Done::Fetched(number, sound) => program.handle_sound(now, number, sound),
                }
            },
            () = timer => program.handle_timeout(shared.clock.now()),
        }
    }
}

/// What a call has of the node's meetings. It leaves them when this is dropped, at the latest.
struct Meetings<'a> {
    shared: &'a Shared,
    call: TransactionId,
    /// It has asked to join.
    is_in: bool,
}

impl Meetings<'_> {
    fn ask(&mut self, number: u32, request: MeetingRequest) -> Result<(), MeetingRefusal> {
        if request == MeetingRequest::Leave {
            self.leave();
            return Ok(());
        }
        self.is_in |= matches!(request, MeetingRequest::Join { .. });
        self.shared.calls.meet(self.call, number, request)
    }

    fn leave(&mut self) {
        if std::mem::take(&mut self.is_in) {
            // Leaving is refused only by rooms that are gone themselves.
            let _ = self.shared.calls.meet(self.call, 0, MeetingRequest::Leave);
        }
    }
}

impl Drop for Meetings<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
