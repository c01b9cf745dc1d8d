//! One recording: a capture file, and beside it what is known of it.

use super::pcap;
use model::{Instant, LocalMedia, MediaId, MediaLine, Recording, RecordingFailure};
use relay_core::{MediaSocket, TapReader, Tapped};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Packets of one stream that are written before another stream has its turn.
const PACKETS_PER_TURN: usize = 4_096;
const BUFFER: usize = 64 * 1024;

/// A stream that writes to a recording.
#[derive(Debug)]
pub(crate) struct RecordedStream {
    pub(crate) id: MediaId,
    pub(crate) line: MediaLine,
    /// Where packets came to, by leg.
    pub(crate) local: [LocalMedia; 2],
    pub(crate) reader: TapReader,
}

/// What one turn did.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Turn {
    pub(super) written: u64,
    pub(super) lost: u64,
    /// Streams that write no more.
    pub(super) ended: usize,
    /// The system refused something now.
    pub(super) failed: bool,
}

/// An open recording.
#[derive(Debug)]
pub(super) struct OpenRecording {
    recording: Recording,
    capture: PathBuf,
    notes: PathBuf,
    /// `None` once the system has refused to take more.
    file: Option<BufWriter<File>>,
    /// What the calendar said at the relay's [`Instant::ZERO`], in nanoseconds.
    origin: u64,
    began: u64,
    max_octets: u64,
    octets: u64,
    packets: u64,
    /// As they were when all of it had last been given to the system.
    written: (u64, u64),
    lost: u64,
    /// It has reached `max_octets`.
    is_cut: bool,
    streams: Vec<(RecordedStream, u64)>,
    /// Of all streams that there ever were, as JSON.
    described: Vec<String>,
    /// The packet in hand, and the same as it stands in the file.
    packet: Vec<u8>,
    record: Vec<u8>,
}

impl OpenRecording {
    /// Begins the file, which must not be there yet, and what is written beside it.
    ///
    /// # Errors
    /// What the system refuses; nothing is left behind then.
    pub(super) fn create(
        directory: &Path,
        recording: Recording,
        max_octets: u64,
        (now, calendar): (Instant, u64),
    ) -> Result<Self, RecordingFailure> {
        let capture = directory.join(format!("{}.pcap", recording.name));
        let notes = directory.join(format!("{}.json", recording.name));
        let octets = pcap::HEADER.len() as u64;
        let file = begin(&capture, &pcap::HEADER)?;
        let open = OpenRecording {
            recording,
            capture,
            notes,
            file: Some(BufWriter::with_capacity(BUFFER, file)),
            origin: calendar.saturating_sub(now.as_nanos()),
            began: calendar,
            max_octets,
            octets,
            packets: 0,
            written: (octets, 0),
            lost: 0,
            is_cut: false,
            streams: Vec::new(),
            described: Vec::new(),
            packet: Vec::new(),
            record: Vec::new(),
        };
        if let Err(failure) = begin(&open.notes, open.described(None).as_bytes()) {
            let _ = fs::remove_file(&open.capture);
            return Err(failure);
        }
        Ok(open)
    }

    /// One more stream writes to it.
    pub(super) fn add(&mut self, stream: RecordedStream) {
        let mut said = format!("{{\"stream\": {}, \"media\": ", stream.id.0);
        let _ = write!(said, "\"{}\"", stream.line.media().name());
        for (leg, local) in ["a", "b"].into_iter().zip(stream.local) {
            let _ = write!(said, ", \"{leg}\": {{\"rtp\": \"{}\", ", local.rtp);
            let _ = write!(said, "\"rtcp\": \"{}\"}}", local.rtcp);
        }
        said.push('}');
        self.described.push(said);
        self.streams.push((stream, 0));
    }

    /// Writes what has come.
    pub(super) fn write(&mut self) -> Turn {
        let mut turn = Turn::default();
        let mut streams = std::mem::take(&mut self.streams);
        streams.retain_mut(|(stream, lost)| {
            // Before it is read: what was written before it closed is read all the same.
            let is_closed = stream.reader.is_closed();
            let mut packet = std::mem::take(&mut self.packet);
            let mut read = 0;
            while read < PACKETS_PER_TURN
                && let Some(tapped) = stream.reader.read(&mut packet)
            {
                read += 1;
                self.take(&mut turn, &stream.local, tapped, &packet);
            }
            self.packet = packet;
            let lost_now = stream.reader.lost();
            turn.lost += lost_now - *lost;
            self.lost += lost_now - *lost;
            *lost = lost_now;
            let ends = is_closed && read < PACKETS_PER_TURN;
            turn.ended += usize::from(ends);
            !ends
        });
        self.streams = streams;
        match self.file.as_mut().map(Write::flush) {
            Some(Err(error)) => self.give_up(&mut turn, &error),
            Some(Ok(())) => self.written = (self.octets, self.packets),
            None => {}
        }
        turn
    }

    /// Nothing writes to it any more.
    pub(super) fn is_over(&self) -> bool {
        self.streams.is_empty()
    }

    /// Streams that write to it.
    pub(super) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Writes beside the file what became of it; whether that could be done, which the log says else.
    pub(super) fn finish(mut self, calendar: u64) -> bool {
        let written = self.notes.with_extension("json.new");
        let flushed = self.file.as_mut().map_or(Ok(()), Write::flush);
        let finished = flushed.and_then(|()| {
            create(&written)?.write_all(self.described(Some(calendar)).as_bytes())?;
            fs::rename(&written, &self.notes)
        });
        let Err(error) = finished else { return true };
        let _ = fs::remove_file(&written);
        tracing::error!(
            %error,
            file = %self.notes.display(),
            packets = self.packets,
            lost_packets = self.lost,
            "what a recording became cannot be written beside it: this file still says that it goes on"
        );
        false
    }

    /// Writes somewhere else from now on.
    #[cfg(test)]
    pub(super) fn write_to(&mut self, file: File) {
        self.file = Some(BufWriter::with_capacity(BUFFER, file));
    }

    fn take(&mut self, turn: &mut Turn, local: &[LocalMedia; 2], tapped: Tapped, payload: &[u8]) {
        let local = local[tapped.from.index()];
        let to = match tapped.socket {
            MediaSocket::Rtp => local.rtp,
            MediaSocket::Rtcp => local.rtcp,
        };
        let at = self.origin.saturating_add(tapped.arrival.as_nanos());
        let mut record = std::mem::take(&mut self.record);
        let fits = pcap::write_packet(&mut record, at, tapped.source, to, payload);
        let octets = record.len() as u64;
        let has_room = fits && self.octets + octets <= self.max_octets;
        if fits && !has_room && !std::mem::replace(&mut self.is_cut, true) {
            let file = self.capture.display();
            tracing::warn!(%file, octets = self.octets, "a recording is full; the rest is lost");
        }
        // A full file ends where it is full: shorter packets that would still fit make no holes.
        let file = self.file.as_mut().filter(|_| has_room && !self.is_cut);
        let written = file.map(|file| file.write_all(&record));
        if let Some(Err(error)) = &written {
            self.give_up(turn, error);
        }
        if let Some(Ok(())) = written {
            self.octets += octets;
            self.packets += 1;
            turn.written += 1;
        } else {
            self.lost += 1;
            turn.lost += 1;
        }
        self.record = record;
    }

    /// The system takes no more. The file ends with the last packet that is whole for sure.
    fn give_up(&mut self, turn: &mut Turn, error: &io::Error) {
        let path = self.capture.display();
        tracing::error!(
            %error,
            file = %path,
            "a recording ends here: it cannot be written. Free room in its directory; after a `stop \
             recording`, `start recording` begins another one"
        );
        turn.failed = true;
        let (octets, packets) = self.written;
        let unwritten = self.packets - packets;
        (self.octets, self.packets) = self.written;
        self.lost += unwritten;
        // They came in this turn: it began with nothing that was not written.
        turn.written -= unwritten;
        turn.lost += unwritten;
        // What still waits is not written: into its place other packets may have gone.
        if let Some((file, _)) = self.file.take().map(BufWriter::into_parts)
            && let Err(error) = file.set_len(octets)
        {
            tracing::error!(%error, file = %path, "the end of a recording may be half a packet");
        }
    }

    fn described(&self, ended: Option<u64>) -> String {
        let millis = |nanos: u64| nanos / 1_000_000;
        let ended = ended.map_or("null".to_owned(), |ended| millis(ended).to_string());
        format!(
            "{{\"file\": \"{}.pcap\", \"began_unix_ms\": {}, \"ended_unix_ms\": {ended}, \
             \"packets\": {}, \"lost_packets\": {}, \"octets\": {}, \"is_cut\": {}, \
             \"streams\": [{}], \"about\": {}}}\n",
            self.recording.name,
            millis(self.began),
            self.packets,
            self.lost,
            self.octets,
            self.is_cut || self.file.is_none(),
            self.described.join(", "),
            self.recording.about,
        )
    }
}

/// A file that begins with `octets`; none when they cannot be written.
fn begin(path: &Path, octets: &[u8]) -> Result<File, RecordingFailure> {
    let refused = |error: io::Error| RecordingFailure::File {
        path: path.display().to_string().into(),
        error: error.to_string().into(),
    };
    let mut file = create(path).map_err(refused)?;
    file.write_all(octets).map_err(|error| {
        let _ = fs::remove_file(path);
        refused(error)
    })?;
    Ok(file)
}

/// A file that nobody else may read, and that was not there before; a link is no such file.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}
