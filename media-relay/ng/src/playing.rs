//! `play media`, `stop media` and `play DTMF`.

use crate::control::{Control, Served, Ticket, result};
use crate::muting::silence;
use crate::request::Request;
use crate::value::{Dictionary, Value};
use model::{
    AudioSource, DtmfKey, Instant, LegPlan, LegSide, MediaCommand, MediaEvent, MediaId, OtherMedia,
    PlayFailure, PlayOutcome, Playing, TranscodableFormat,
};
use std::time::Duration;

/// How long a reply waits until what is played begins; then it says nothing of its duration.
const PATIENCE: Duration = Duration::from_secs(2);
/// Replies that wait; when there are more, the one that waited longest goes out.
const MAX_WAITING: usize = 1_024;
/// What rtpengine does with a key.
const KEY: Duration = Duration::from_millis(250);
const KEYS: [u64; 2] = [100, 5_000];
const NO_KEYS: &str = "The other party is on hold, or has agreed neither to telephone-event nor, \
                       first of all, to a format for tones (PCMU, PCMA, G722, opus, L16)";
/// The longest `repeat-duration`.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What is to be played, or to be sent as a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Played {
    /// Audio, from where, so often, and for so long at most.
    Media(AudioSource, Rounds),
    /// A key (RFC 4733), for so long.
    Key(DtmfKey, Duration),
}

/// Where in it something begins, how often it is played, and for how long at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rounds {
    /// In samples of the file.
    pub(crate) start: u32,
    /// `None` for ever.
    pub(crate) rounds: Option<u32>,
    pub(crate) at_most: Option<Duration>,
}

impl Played {
    /// Reads `play media`.
    ///
    /// # Errors
    /// Words for the reply.
    pub(crate) fn media(request: &Dictionary) -> Result<Self, &'static str> {
        let times = named(request, "repeat-times").and_then(Value::integer);
        let times = times.map(|times| u32::try_from(times.max(1)).unwrap_or(u32::MAX));
        let millis = named(request, "repeat-duration").and_then(Value::integer);
        let millis = millis.and_then(|millis| u64::try_from(millis).ok()).filter(|ms| *ms > 0);
        let at_most = millis.map(|millis| Duration::from_millis(millis).min(LONGEST));
        // What is repeated for a while needs no number of times.
        let start = match named(request, "start-pos").map(Value::integer) {
            Some(start) => start.and_then(|start| u32::try_from(start).ok()),
            None => Some(0),
        };
        let start = start.ok_or("The start-pos is no number of samples")?;
        let rounds = Rounds { start, rounds: times.or((at_most.is_none()).then_some(1)), at_most };
        let source = if let Some(octets) = named(request, "blob").and_then(Value::text) {
            AudioSource::Octets(octets.into())
        } else if let Some(file) = named(request, "file").and_then(Value::text) {
            let file = std::str::from_utf8(file).ok().filter(|file| !file.is_empty());
            AudioSource::File(file.ok_or("The file's name is no text")?.into())
        } else if named(request, "db-id").is_some() {
            return Err("Media from a database is not served by this relay");
        } else {
            return Err("No media file specified");
        };
        Ok(Played::Media(source, rounds))
    }

    /// Reads `play DTMF`.
    ///
    /// # Errors
    /// Words for the reply.
    pub(crate) fn key(request: &Dictionary) -> Result<Self, &'static str> {
        let code = named(request, "code").or_else(|| named(request, "digit"));
        let key = code.and_then(key_of).ok_or("Out of range 'code' specified")?;
        let millis = named(request, "duration").and_then(Value::integer);
        let [shortest, longest] = KEYS;
        let clamped = |millis: i64| millis.max(0).unsigned_abs().clamp(shortest, longest);
        let duration = millis.map_or(KEY, |millis| Duration::from_millis(clamped(millis)));
        Ok(Played::Key(key, duration))
    }
}

/// Where a leg stands in what is played to it, as far as a clock can tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    since: Instant,
    /// Where it began, in samples of the file.
    start: u32,
    /// Samples in a second and in all, once it plays.
    file: Option<(u32, u64)>,
}

impl Position {
    /// The sample that is heard at `now`.
    fn at(&self, now: Instant) -> Option<u64> {
        let (rate, samples) = self.file?;
        let heard = now.saturating_since(self.since).as_micros() as u64;
        let heard = heard.saturating_mul(rate.into()) / 1_000_000;
        heard.saturating_add(self.start.into()).checked_rem(samples)
    }
}

/// A reply that waits until what is played begins.
#[derive(Debug)]
pub(crate) struct Beginning {
    ticket: Ticket,
    call_id: String,
    /// Parties that do not hear it yet.
    awaited: Vec<(MediaId, LegSide)>,
    duration: Option<Duration>,
    failure: Option<PlayFailure>,
    pub(crate) deadline: Instant,
}

impl Control {
    /// Plays something to the parties that the request names.
    pub(crate) fn serve_playing(
        &mut self,
        now: Instant,
        ticket: &Ticket,
        request: &Request,
        source: AudioSource,
        Rounds { start, rounds, at_most }: Rounds,
    ) -> Served {
        if matches!(source, AudioSource::File(_)) && !self.config.plays_files {
            return Err("This relay plays no files; start it with --media-dir".to_owned());
        }
        let parties = self.parties(now, request)?;
        for (id, leg) in &parties {
            let (source, with) = (source.clone(), OtherMedia::Yields);
            let playing = Playing { source, start, rounds, with };
            self.forget_play((*id, *leg));
            let position = Position { since: now, start, file: None };
            self.positions.insert((*id, *leg), position);
            self.order(MediaCommand::Play { id: *id, leg: *leg, playing });
            if let Some(at_most) = at_most {
                self.ends.push((now + at_most, (*id, *leg)));
            }
        }
        if self.beginnings.len() >= MAX_WAITING {
            let oldest = self.beginnings.remove(0);
            self.answer_beginning(oldest);
        }
        self.beginnings.push(Beginning {
            ticket: ticket.clone(),
            call_id: request.call_id.clone(),
            awaited: parties,
            duration: None,
            failure: None,
            deadline: now + PATIENCE,
        });
        Ok(None)
    }

    /// Plays nothing more to the parties that the request names.
    pub(crate) fn serve_stopping(&mut self, now: Instant, request: &Request) -> Served {
        let mut last = None;
        for party in self.parties(now, request)? {
            last = last.or_else(|| self.positions.get(&party)?.at(now));
            self.end_playing(party);
        }
        let mut reply = result("ok");
        if let Some(last) = last {
            reply.set("last-frame-pos", last);
        }
        Ok(Some(reply))
    }

    /// Ends what has been played for as long as it was to be.
    pub(crate) fn end_due_playing(&mut self, now: Instant) {
        while let Some(at) = self.ends.iter().position(|(at, _)| *at <= now) {
            let (_, party) = self.ends.swap_remove(at);
            if self.place_of(party.0).is_some() {
                self.end_playing(party);
            }
        }
    }

    fn end_playing(&mut self, (id, leg): (MediaId, LegSide)) {
        self.forget_play((id, leg));
        self.order(match self.hears_silence(id, leg) {
            true => silence(id, leg),
            false => MediaCommand::StopPlaying { id, leg },
        });
    }

    /// What was played to a leg is no longer: it ended, or something else takes its place.
    pub(crate) fn forget_play(&mut self, party: (MediaId, LegSide)) {
        self.ends.retain(|(_, other)| *other != party);
        self.positions.remove(&party);
    }

    /// Sends a key to whom the named parties talk to.
    pub(crate) fn serve_key(
        &mut self,
        now: Instant,
        request: &Request,
        key: DtmfKey,
        duration: Duration,
    ) -> Served {
        let parties = self.parties(now, request)?;
        let call = self.calls.get(&request.call_id).ok_or("Unknown call-id")?;
        let hears_keys = |(id, from): &(MediaId, LegSide)| {
            let dialogue = call.dialogues.iter().find(|d| d.media == *id);
            let plan = dialogue.and_then(|d| d.party(from.other()).plan.as_ref());
            plan.is_some_and(hears_keys)
        };
        let takers: Vec<_> = parties.into_iter().filter(hears_keys).collect();
        if takers.is_empty() {
            return Err(NO_KEYS.to_owned());
        }
        for (id, from) in takers {
            let leg = from.other();
            self.order(MediaCommand::SendEvent { id, leg, key, duration });
        }
        Ok(Some(result("ok")))
    }

    /// The streams and legs of the parties that a request names; it must name some.
    fn parties(
        &mut self,
        now: Instant,
        request: &Request,
    ) -> Result<Vec<(MediaId, LegSide)>, String> {
        let call = self.calls.get_mut(&request.call_id).ok_or("Unknown call-id")?;
        let all = |at| LegSide::BOTH.map(|side| (at, side));
        let named = match call.named_parties(request)? {
            Some(named) => named,
            None if request.flags.all => (0..call.dialogues.len()).flat_map(all).collect(),
            None => return Err("No participant party specified".to_owned()),
        };
        call.last_signal = now;
        let dialogues = &call.dialogues;
        let found: Vec<_> = named
            .into_iter()
            .filter(|(at, _)| dialogues.get(*at).is_some_and(|d| d.local.is_some()))
            .filter_map(|(at, side)| Some((dialogues.get(at)?.media, side)))
            .collect();
        if found.is_empty() { Err("The party has no media".to_owned()) } else { Ok(found) }
    }

    /// Takes what the relay says of what it plays.
    pub(crate) fn note_playing(&mut self, now: Instant, event: &MediaEvent) {
        self.restore_silence(event);
        let (party, begun) = match event {
            MediaEvent::Plays { id, leg, duration, sample_rate } => {
                if let Some(position) = self.positions.get_mut(&(*id, *leg)) {
                    let samples = duration.as_millis() as u64 * u64::from(*sample_rate) / 1_000;
                    (position.since, position.file) = (now, Some((*sample_rate, samples)));
                }
                ((*id, *leg), Ok(*duration))
            }
            MediaEvent::Played { id, leg, outcome } => {
                self.forget_play((*id, *leg));
                let PlayOutcome::Failed(failure) = outcome else { return };
                ((*id, *leg), Err(*failure))
            }
            _ => return,
        };
        let waiting = self.beginnings.iter_mut().find(|b| b.awaited.contains(&party));
        let Some(waiting) = waiting else { return };
        waiting.awaited.retain(|awaited| *awaited != party);
        match begun {
            Ok(duration) => waiting.duration = Some(duration),
            Err(failure) => waiting.failure = Some(failure),
        }
        self.answer_beginnings(|beginning| beginning.awaited.is_empty());
    }

    pub(crate) fn answer_due_beginnings(&mut self, now: Instant) {
        self.answer_beginnings(|beginning| beginning.deadline <= now);
    }

    fn answer_beginnings(&mut self, is_ready: impl Fn(&Beginning) -> bool) {
        while let Some(at) = self.beginnings.iter().position(&is_ready) {
            let beginning = self.beginnings.remove(at);
            self.answer_beginning(beginning);
        }
    }

    /// It went well when anybody hears it.
    fn answer_beginning(&mut self, beginning: Beginning) {
        let Beginning { ticket, call_id, duration, failure, .. } = beginning;
        match (duration, failure) {
            (None, Some(failure)) => self.fail(&ticket, &call_id, failure.to_string()),
            (duration, _) => {
                let mut reply = result("ok");
                if let Some(duration) = duration {
                    reply.set("duration", duration.as_millis() as u64);
                }
                self.reply(&ticket, reply);
            }
        }
    }
}

/// Whether a leg is sent media, and keys as events or as tones in its audio.
fn hears_keys(leg: &LegPlan) -> bool {
    let has_tones = leg.codecs.first().is_some_and(|first| TranscodableFormat::of(first).is_some());
    leg.sends_to && (leg.telephone_event.is_some() || has_tones)
}

/// A key: the number of its event, or a character of a telephone's keys.
fn key_of(code: &Value) -> Option<DtmfKey> {
    if let Value::Text(text) = code
        && let [symbol] = text[..]
    {
        return DtmfKey::from_symbol(char::from(symbol));
    }
    DtmfKey::from_event(code.integer().and_then(|number| number.try_into().ok())?)
}

/// A value by name, with hyphens or spaces in it.
fn named<'a>(request: &'a Dictionary, name: &str) -> Option<&'a Value> {
    request.get(name).or_else(|| request.get(name.replace('-', " ")))
}
