"""Reads Matroska as Kinesis Video Streams takes it, while it comes, and names what breaks a rule."""

import struct

EBML, SEGMENT, INFO, TRACKS = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B
CLUSTER, TAGS = 0x1F43B675, 0x1254C367
TIMESTAMP, SIMPLE_BLOCK = 0xE7, 0xA3
TRACK_ENTRY, TRACK_NUMBER, CODEC, AUDIO, FREQUENCY = 0xAE, 0xD7, 0x86, 0xE1, 0xB5
SCALE, SEGMENT_UID = 0x2AD7B1, 0x73A4
TAG, SIMPLE_TAG, TAG_NAME, TAG_STRING = 0x7373, 0x67C8, 0x45A3, 0x4487


class Fault(Exception):
    """What the service answers to such data, by the number of its error."""

    def __init__(self, number, message, timecode=None):
        super().__init__(message)
        self.number, self.timecode = number, timecode


class End(Exception):
    """No octets come any more."""


class Fragment:
    def __init__(self, timecode=None, tags=None):
        self.timecode, self.tags = timecode, tags or {}
        self.blocks = []
        self.size = 0

    def audio(self):
        return b"".join(data for _, _, data in self.blocks)


def fragments(read, begun):
    """Yields each fragment as soon as it is complete: where the next one begins, or at the end.

    `read(n)` gives n octets or raises End; `begun(timecode)` is called at the start of each."""
    source = _Source(read)
    tracks = _head(source)
    yield tracks
    fragment, tags, before = None, {}, None
    size = 0
    while True:
        try:
            element = source.identifier()
        except End:
            if fragment is not None:
                yield _checked(fragment, tracks, before)
            return
        if element in (TAGS, CLUSTER) and fragment is not None:
            whole, fragment = fragment, None
            yield _checked(whole, tracks, before)
            before = whole.timecode
        length = source.length()
        if element == TAGS:
            if length is None:
                raise Fault(4006, "tags of unknown size")
            tags = _tags(source.take(length))
        elif element == CLUSTER:
            if length is not None:
                raise Fault(4006, "only clusters of unknown size are understood here")
            fragment, tags = Fragment(tags=tags), {}
        elif fragment is None:
            raise Fault(4006, f"element {element:#x} outside a cluster")
        elif element == TIMESTAMP:
            fragment.timecode = int.from_bytes(source.take(length), "big")
            if before is not None and fragment.timecode <= before:
                raise Fault(4004, f"{fragment.timecode} after {before}", fragment.timecode)
            begun(fragment.timecode)
        elif element == SIMPLE_BLOCK:
            block = source.take(length)
            track, relative, flags = block[0], struct.unpack(">h", block[1:3])[0], block[3]
            if track & 0x7F not in tracks or not track & 0x80:
                raise Fault(4010, f"track {track & 0x7F}", fragment.timecode)
            if fragment.timecode is None or flags & 0x06:
                raise Fault(4006, "a block before the timecode, or with lacing")
            fragment.blocks.append((track & 0x7F, relative, block[4:]))
            fragment.size += length
            if fragment.size > 50_000_000:
                raise Fault(4001, "50 MB", fragment.timecode)
        else:
            raise Fault(4006, f"element {element:#x} in a cluster")


def _checked(fragment, tracks, before):
    """A fragment that is complete."""
    if fragment.timecode is None:
        raise Fault(4006, "a cluster without a timecode")
    for number in tracks:
        if not any(track == number for track, _, _ in fragment.blocks):
            raise Fault(4011, f"no frame of track {number}", fragment.timecode)
    times = [relative for _, relative, _ in fragment.blocks]
    if times != sorted(times) or times[0] < 0:
        raise Fault(4004, "frames out of order", fragment.timecode)
    if seconds(fragment, tracks) > 20:
        raise Fault(4002, "20 s", fragment.timecode)
    return fragment


def seconds(fragment, tracks):
    rate, octets = next(iter(tracks.values()))
    return len(fragment.audio()) / octets / rate


def _head(source):
    if source.identifier() != EBML:
        raise Fault(4006, "no EBML header")
    source.take(source.length())
    if source.identifier() != SEGMENT or source.length() is not None:
        raise Fault(4006, "no segment of unknown size")
    if source.identifier() != INFO:
        raise Fault(4006, "no Info")
    info = dict(_elements(source.take(source.length())))
    if int.from_bytes(info.get(SCALE, b""), "big") != 1_000_000 or len(info.get(SEGMENT_UID, b"")) != 16:
        raise Fault(4006, "Info without a time scale of 1 ms or a unique identifier")
    if source.identifier() != TRACKS:
        raise Fault(4006, "no Tracks")
    tracks = {}
    for element, content in _elements(source.take(source.length())):
        if element != TRACK_ENTRY:
            continue
        fields = dict(_elements(content))
        audio = dict(_elements(fields[AUDIO]))
        rate = struct.unpack(">d" if len(audio[FREQUENCY]) == 8 else ">f", audio[FREQUENCY])[0]
        octets = {b"A_PCM/INT/LIT": 2, b"A_MS/ACM": 1}.get(fields[CODEC].rstrip(b"\0"))
        if octets is None:
            raise Fault(4006, f"codec {fields[CODEC]}")
        tracks[int.from_bytes(fields[TRACK_NUMBER], "big")] = (rate, octets)
    if not 1 <= len(tracks) <= 3:
        raise Fault(4012, f"{len(tracks)} tracks")
    return tracks


def _tags(content):
    found = {}
    for element, tag in _elements(content):
        if element != TAG:
            raise Fault(4006, "no tag")
        for element, simple in _elements(tag):
            if element != SIMPLE_TAG:
                continue
            fields = dict(_elements(simple))
            name, value = fields[TAG_NAME], fields.get(TAG_STRING, b"")
            if not 1 <= len(name) <= 128 or len(value) > 256 or name.startswith(b"AWS"):
                raise Fault(4009, f"tag {name}")
            found[name.decode()] = value.decode()
    if len(found) > 10:
        raise Fault(4009, f"{len(found)} tags")
    return found


def _elements(content):
    source = _Source(_Octets(content))
    while source.read.rest():
        element = source.identifier()
        length = source.length()
        if length is None:
            raise Fault(4006, "an inner element of unknown size")
        yield element, source.take(length)


class _Octets:
    def __init__(self, content):
        self._content, self._at = content, 0

    def rest(self):
        return len(self._content) - self._at

    def __call__(self, count):
        if self.rest() < count:
            raise Fault(4006, "an element reaches beyond the one that it is in")
        self._at += count
        return self._content[self._at - count:self._at]


class _Source:
    def __init__(self, read):
        self.read = read

    def take(self, count):
        if count is None or count > 60_000_000:
            raise Fault(4006, "an element's size")
        return self.read(count) if count else b""

    def identifier(self):
        first = self.read(1)
        if first[0] < 0x10:
            raise Fault(4006, "no element")
        length = 9 - first[0].bit_length()
        return int.from_bytes(first + self.take(length - 1), "big")

    def length(self):
        first = self.read(1)
        if not first[0]:
            raise Fault(4006, "no size")
        length = 9 - first[0].bit_length()
        octets = bytes([first[0] & (0xFF >> length)]) + self.take(length - 1)
        value = int.from_bytes(octets, "big")
        return None if value == (1 << 7 * length) - 1 else value
