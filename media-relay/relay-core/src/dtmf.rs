//! Keys (DTMF) that one leg says in a form that the other does not take: events (RFC 4733) are read
//! and go no further, tones in the audio are found, silenced and, where the other leg takes events,
//! said as such. What is to be done about them off the packet path is in [`RtpSession::poll_dtmf`].
//!
//! A key is known some 40 ms after its beginning, and silenced from the first packet on in which it
//! stands out: less than 20 ms of it pass, which ITU-T Q.24 does not call a key and which a listener's
//! concealment does not make one of. The price is a packet of silence where a voice sounds like one.

mod rewriting;
mod steps;

use crate::made::Made;
use crate::plan::CompiledLeg;
use crate::rate::{PacketBucket, PacketRate};
use crate::rtp_session::RtpSession;
use codecs::AudioFormat;
use codecs::dtmf::{EventReceiver, EventSender, EventStep, Listener, ToneDetector, ToneStep};
use model::{DtmfConversion, DtmfKey, DtmfPress, Instant, LegPlan, LegSide, MediaPlan};
use rewriting::{len_of, write_event, write_silence};
use rtp_proto::{RtpPacket, TelephoneEvent};
use std::time::Duration;
use steps::{Step, Steps};

/// Keys a second that a leg may press, and as many at once: nobody types faster. More are counted
/// and forgotten.
const KEYS_PER_SECOND: u32 = 20;
/// An event of which nothing more has come for so long is over: its last packets were lost. They come
/// every 20 to 50 ms (RFC 4733 section 2.5.1.2).
const LOST_AFTER: Duration = Duration::from_millis(250);
/// Samples that are searched at a time: 20 ms.
const CHUNK: usize = 160;
/// Of what is searched, in a second.
const SAMPLE_RATE: u32 = 8_000;
/// Formats of one leg that are searched; audio in more passes.
const LISTENERS: usize = 4;

/// What has become of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DtmfNews {
    /// Signalling is to hear of it.
    Tell {
        /// The leg that pressed it.
        leg: LegSide,
        /// The key.
        press: DtmfPress,
    },
    /// An event became tones.
    EventToTones,
    /// Tones became an event.
    TonesToEvent,
    /// It was forgotten: too many came at once, or nothing can be made for the other leg.
    Lost,
}

/// The keys of a stream of which a leg's are converted.
#[derive(Debug)]
pub(crate) struct Dtmf {
    legs: [LegKeys; 2],
    rate: PacketRate,
}

#[derive(Debug, Default)]
struct LegKeys {
    conversion: DtmfConversion,
    /// The leg's audio is transcoded: an event cannot stand in the place of one of its packets, and is
    /// ordered when the key is let go.
    is_transcoded: bool,
    events: Events,
    /// Where the leg's audio is searched.
    search: Option<Box<Search>>,
    bucket: PacketBucket,
    steps: Steps,
}

/// Events of the leg that are read.
#[derive(Debug, Default)]
struct Events {
    receiver: EventReceiver,
    ssrc: u32,
    clock_rate: u32,
    /// When the last packet came of the key that is pressed.
    pressed: Option<Instant>,
}

/// Audio that is searched.
#[derive(Debug)]
struct Search {
    /// One for each format that the leg may send.
    listeners: Vec<Listener>,
    detector: ToneDetector,
    /// The event that a tone becomes.
    sender: EventSender,
}

impl LegKeys {
    fn pressed(&mut self, event: u8, rate: PacketRate, now: Instant) -> bool {
        self.steps.taken = false;
        // Other events, as flash, are none of a telephone's keys.
        let Some(key) = DtmfKey::from_event(event) else { return false };
        self.steps.taken = self.bucket.take(rate, now);
        self.steps.push(if self.steps.taken { Step::Pressed(key) } else { Step::Lost });
        self.steps.taken
    }

    fn released(&mut self, event: u8, duration: Duration) {
        if let Some(key) = DtmfKey::from_event(event)
            && std::mem::take(&mut self.steps.taken)
        {
            self.steps.push(match self.conversion {
                DtmfConversion::TonesToEvents if !self.is_transcoded => Step::Converted,
                _ => Step::Released(DtmfPress { key, duration }),
            });
        }
    }

    fn take_event(&mut self, packet: &RtpPacket<'_>, clock: u32, rate: PacketRate, now: Instant) {
        let Ok(event) = TelephoneEvent::parse(packet.payload()) else { return };
        let mut over = None;
        // Timestamps of another source say nothing about the one before.
        if self.events.ssrc != packet.ssrc() {
            over = self.events.receiver.give_up();
            self.events.receiver = EventReceiver::default();
            self.events.ssrc = packet.ssrc();
        }
        self.events.clock_rate = clock;
        let steps = self.events.receiver.take(packet.timestamp(), &event);
        for step in std::iter::once(over).chain(steps).flatten() {
            self.take_step(step, rate, now);
        }
        if self.events.pressed.is_some() {
            self.events.pressed = Some(now);
        }
    }

    fn take_step(&mut self, step: EventStep, rate: PacketRate, now: Instant) {
        match step {
            EventStep::Pressed { event, .. } => {
                self.events.pressed = Some(now);
                self.pressed(event, rate, now);
            }
            EventStep::Released { event, duration } => {
                self.events.pressed = None;
                self.released(event, of_ticks(duration, self.events.clock_rate));
            }
        }
    }

    fn give_up_lost(&mut self, rate: PacketRate, now: Instant) {
        if self.deadline().is_some_and(|at| at <= now)
            && let Some(step) = self.events.receiver.give_up()
        {
            self.take_step(step, rate, now);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.events.pressed.map(|at| at + LOST_AFTER)
    }

    /// Searches the payload of a packet, and says which of the listeners heard it; `None` where none
    /// knows `format`. `events` is the clock rate, in Hz, of what a tone becomes.
    fn search(
        &mut self,
        payload: &[u8],
        format: AudioFormat,
        events: u32,
        timestamp: u32,
        (rate, now): (PacketRate, Instant),
    ) -> Option<usize> {
        let mut search = self.search.take()?;
        let Search { listeners, detector, sender } = &mut *search;
        let heard_by = listeners.iter().position(|listener| listener.format() == format);
        let samples = heard_by.and_then(|at| Some(listeners.get_mut(at)?.listen(payload)));
        let samples = samples.unwrap_or_default();
        let mut found = [None; 2];
        for chunk in samples.chunks(CHUNK) {
            // A key lasts three windows of 10 ms, so that a chunk of 20 ms has two steps at most.
            let mut places = found.iter_mut();
            detector.take(chunk, |step| {
                if let Some(place) = places.next() {
                    *place = Some(step);
                }
            });
            for step in found.iter_mut().filter_map(Option::take) {
                match step {
                    ToneStep::Pressed { event, volume } => {
                        if self.pressed(event, rate, now)
                            && self.conversion == DtmfConversion::TonesToEvents
                            && !self.is_transcoded
                        {
                            let ticks = samples.len() as u64 * u64::from(events);
                            let interval = ticks / u64::from(SAMPLE_RATE);
                            *sender = EventSender::new(interval.try_into().unwrap_or(u16::MAX));
                            sender.press(event, volume, timestamp, None);
                        }
                    }
                    ToneStep::Released { event, millis } => {
                        sender.release();
                        self.released(event, Duration::from_millis(millis.into()));
                    }
                }
            }
        }
        self.search = Some(search);
        heard_by
    }
}

impl Search {
    /// For what `leg` may send, with the listeners of `before` where they know it.
    fn new(leg: &LegPlan, before: Option<Box<Search>>) -> Box<Self> {
        let (mut old, detector, sender) = match before {
            Some(search) => (search.listeners, search.detector, search.sender),
            None => (Vec::new(), ToneDetector::default(), EventSender::new(0)),
        };
        let mut listeners: Vec<Listener> = Vec::with_capacity(LISTENERS);
        let formats = leg.codecs.iter().filter_map(|m| AudioFormat::new(m.codec, m.clock_rate));
        for format in formats {
            if listeners.len() == LISTENERS {
                break;
            }
            if listeners.iter().any(|listener| listener.format() == format) {
                continue;
            }
            let kept = old.iter().position(|listener| listener.format() == format);
            let kept = kept.map(|at| old.swap_remove(at));
            listeners.extend(kept.or_else(|| Listener::new(format)));
        }
        Box::new(Search { listeners, detector, sender })
    }
}

impl Dtmf {
    /// What `plan` asks for, with what `before` knows of legs for which nothing changes.
    fn new(plan: &MediaPlan, before: Option<Box<Dtmf>>) -> Option<Box<Dtmf>> {
        if plan.dtmf == [DtmfConversion::None; 2] {
            return None;
        }
        let rate = PacketRate::per_second(KEYS_PER_SECOND);
        let mut dtmf = before.unwrap_or_else(|| Box::new(Dtmf { legs: Default::default(), rate }));
        let transcoded = plan.transcoding.each_ref().map(Option::is_some);
        for (at, leg) in dtmf.legs.iter_mut().enumerate() {
            let (conversion, is_transcoded) = (plan.dtmf[at], transcoded[at]);
            if (leg.conversion, leg.is_transcoded) != (conversion, is_transcoded) {
                let bucket = leg.bucket;
                *leg = LegKeys { conversion, is_transcoded, bucket, ..LegKeys::default() };
            }
            if conversion.searches_audio() {
                leg.search = Some(Search::new(&plan.legs[at], leg.search.take()));
            }
        }
        Some(dtmf)
    }

    pub(crate) const fn conversion(&self, leg: LegSide) -> DtmfConversion {
        self.legs[leg.index()].conversion
    }

    fn deadline(&self) -> Option<Instant> {
        self.legs.iter().filter_map(LegKeys::deadline).min()
    }

    fn has_steps(&self) -> bool {
        self.legs.iter().any(|leg| leg.steps.has_any())
    }
}

/// Whether a packet goes no further because a key stands in its place: it is an event that is
/// converted, or audio while the other leg hears tones of ours.
#[inline]
pub(crate) fn is_replaced(
    dtmf: &mut Option<Box<Dtmf>>,
    from: LegSide,
    plan: &CompiledLeg,
    packet: &RtpPacket<'_>,
    made: Option<&Made>,
    now: Instant,
) -> bool {
    if dtmf.is_none() && made.is_none() {
        return false;
    }
    if !plan.is_telephone_event(packet.payload_type()) {
        return made.is_some_and(Made::plays_tones);
    }
    let Some(dtmf) = dtmf else { return false };
    let rate = dtmf.rate;
    let leg = &mut dtmf.legs[from.index()];
    let reads = leg.conversion.reads_events();
    if reads {
        leg.take_event(packet, plan.format(packet.payload_type()).clock_rate, rate, now);
    }
    reads
}

/// Looks for tones in an RTP packet of `from` whose other leg is nobody, so that it passes nowhere but to
/// a conference, to listeners or to nobody. Whether it is a key's, or may be.
#[inline]
pub(crate) fn sounds_like_a_key(
    dtmf: &mut Option<Box<Dtmf>>,
    from: LegSide,
    plan: &CompiledLeg,
    packet: &RtpPacket<'_>,
    now: Instant,
) -> bool {
    let found = dtmf.as_deref_mut().filter(|dtmf| dtmf.conversion(from).searches_audio());
    let Some(dtmf) = found else { return false };
    let format = plan.format(packet.payload_type());
    let Some(format) = AudioFormat::new(format.codec, format.clock_rate) else { return false };
    let (rate, keys) = (dtmf.rate, &mut dtmf.legs[from.index()]);
    keys.search(packet.payload(), format, SAMPLE_RATE, packet.timestamp(), (rate, now));
    keys.search.as_deref().is_some_and(|search| search.detector.suspects())
}

impl RtpSession {
    pub(crate) fn apply_dtmf(&mut self, plan: &MediaPlan) {
        self.dtmf = Dtmf::new(plan, self.dtmf.take());
    }

    /// Looks for tones in an RTP packet of `from` that passes, in the first `len` octets of `buffer`,
    /// and silences them or puts an event in their place; the length then, and whether it is one.
    #[inline]
    pub(crate) fn find_tones(
        &mut self,
        from: LegSide,
        buffer: &mut [u8],
        len: usize,
        now: Instant,
    ) -> (usize, bool) {
        let found = self.dtmf.as_deref_mut().filter(|d| d.conversion(from).searches_audio());
        let Some(dtmf) = found else { return (len, false) };
        let [leg, other] = [from, from.other()].map(|side| self.legs[side.index()].plan.as_ref());
        let (Some(plan), Some(other)) = (leg, other) else { return (len, false) };
        let Ok(packet) = RtpPacket::parse(buffer.get(..len).unwrap_or_default()) else {
            return (len, false);
        };
        let format = plan.format(packet.payload_type());
        let Some(format) = AudioFormat::new(format.codec, format.clock_rate) else {
            return (len, false);
        };
        let (rate, keys) = (dtmf.rate, &mut dtmf.legs[from.index()]);
        let events = other.telephone_event();
        let clock = events.map_or(SAMPLE_RATE, |(_, format)| format.clock_rate);
        let (payload, timestamp) = (packet.payload(), packet.timestamp());
        let heard_by = keys.search(payload, format, clock, timestamp, (rate, now));
        let (begin, octets) = (packet.header_bytes(), payload.len());
        let (Some(search), Some(heard_by)) = (keys.search.as_deref_mut(), heard_by) else {
            return (len, false);
        };
        if search.sender.is_active()
            && octets >= TelephoneEvent::BYTES
            && let Some((payload_type, _)) = events
            && let Some(made) = search.sender.poll_packet()
        {
            let len = write_event(buffer, begin, payload_type, &made);
            return (len.unwrap_or(len_of(begin)), true);
        }
        if !search.detector.suspects() {
            return (len, false);
        }
        let listener = search.listeners.get_mut(heard_by);
        (
            listener.map_or(len, |listener| write_silence(listener, buffer, begin, octets, len)),
            false,
        )
    }

    /// What has become of a key that was pressed; `None` when there is no more to tell. To be called
    /// after each batch of packets and at [`RtpSession::dtmf_deadline`]. `draw` gives unguessable
    /// numbers. The worker is to look at [`RtpSession::made_deadline`] then.
    pub fn poll_dtmf(&mut self, now: Instant, draw: &mut dyn FnMut() -> u64) -> Option<DtmfNews> {
        loop {
            let dtmf = self.dtmf.as_deref_mut()?;
            let rate = dtmf.rate;
            let next = LegSide::BOTH.into_iter().find_map(|side| {
                let leg = &mut dtmf.legs[side.index()];
                leg.give_up_lost(rate, now);
                Some((side, leg.conversion, leg.steps.pop()?))
            });
            let (leg, conversion, step) = next?;
            let news = match (step, conversion) {
                (Step::Lost, _) => Some(DtmfNews::Lost),
                (Step::Converted, _) => Some(DtmfNews::TonesToEvent),
                (Step::Released(press), conversion) if conversion.tells_signalling() => {
                    Some(DtmfNews::Tell { leg, press })
                }
                (Step::Released(press), DtmfConversion::TonesToEvents) => {
                    let (event, to) = (press.key.event(), leg.other());
                    let sent = self.send_event(to, event, press.duration, now, draw);
                    Some(if sent.is_ok() { DtmfNews::TonesToEvent } else { DtmfNews::Lost })
                }
                (step, DtmfConversion::EventsToTones) => {
                    self.follow_with_tones(leg.other(), step, now, draw)
                }
                _ => None,
            };
            if news.is_some() {
                return news;
            }
        }
    }

    /// A key that is pressed on the other leg is heard on leg `to` until it is let go.
    fn follow_with_tones(
        &mut self,
        to: LegSide,
        step: Step,
        now: Instant,
        draw: &mut dyn FnMut() -> u64,
    ) -> Option<DtmfNews> {
        match step {
            Step::Pressed(key) => {
                let begun = self.begin_tones(to, key, now, draw);
                Some(if begun.is_ok() { DtmfNews::EventToTones } else { DtmfNews::Lost })
            }
            Step::Released(press) => {
                self.end_tones(to, press);
                None
            }
            Step::Converted | Step::Lost => None,
        }
    }

    /// Whether [`RtpSession::poll_dtmf`] has something to tell or to do.
    #[inline]
    pub fn has_dtmf_news(&self) -> bool {
        self.dtmf.as_deref().is_some_and(Dtmf::has_steps)
    }

    /// When [`RtpSession::poll_dtmf`] is to be called even if no packet comes; `None` for never.
    pub fn dtmf_deadline(&self) -> Option<Instant> {
        self.dtmf.as_deref().and_then(Dtmf::deadline)
    }
}

fn of_ticks(ticks: u32, clock_rate: u32) -> Duration {
    Duration::from_millis(u64::from(ticks) * 1_000 / u64::from(clock_rate.max(1)))
}

#[cfg(test)]
mod tests;
