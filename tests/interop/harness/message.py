"""A plain view of SIP messages, written apart from the edge's own parser."""

_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
            "c": "content-type", "k": "supported", "x": "session-expires"}


class Message:
    """One message; header names in lower case, values in order."""

    def __init__(self, raw):
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").split("\r\n")
        self.start_line = lines[0]
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            self.headers.append((_COMPACT.get(name, name), value.strip()))

    def __repr__(self):
        return self.raw.decode("utf-8", "replace")

    @property
    def status(self):
        """None for a request."""
        is_response = self.start_line.startswith("SIP/2.0 ")
        return int(self.start_line.split(" ")[1]) if is_response else None

    @property
    def method(self):
        """Of a request, or of the request that a response answers."""
        return self["cseq"].split()[1]

    @property
    def uri(self):
        return self.start_line.split(" ")[1]

    def all(self, name):
        return [value for have, value in self.headers if have == name]

    def get(self, name):
        return next(iter(self.all(name)), None)

    def __getitem__(self, name):
        value = self.get(name)
        assert value is not None, f"no {name} in\n{self!r}"
        return value

    def tag(self, name):
        _, _, rest = self[name].partition(";tag=")
        return rest.split(";")[0] or None

    def contact_uri(self):
        value = self["contact"]
        return value[value.index("<") + 1:value.index(">")] if "<" in value else value.split(";")[0]

    def media(self):
        """(ip, port) of the first m-line in the body."""
        lines = self.body.decode().split("\r\n")
        ip = next(line.split()[-1] for line in lines if line.startswith("c="))
        port = next(int(line.split()[1]) for line in lines if line.startswith("m="))
        return ip, port


    def places(self):
        """(ip, port) of each m-line in the body, where one address serves all."""
        lines = self.body.decode().split("\r\n")
        ip = next(line.split()[-1] for line in lines if line.startswith("c="))
        return [(ip, int(line.split()[1])) for line in lines if line.startswith("m=")]


def compose(start_line, headers, body=b"", content_type="application/sdp"):
    """`headers` is a list of (name, value); Content-Length is added."""
    headers = list(headers)
    if body:
        headers.append(("Content-Type", content_type))
    headers.append(("Content-Length", str(len(body))))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{start_line}\r\n{lines}\r\n".encode() + body


def sdp(ip, port, direction="sendrecv", version=1, payloads=((0, "PCMU/8000"),)):
    """One audio stream."""
    numbers = " ".join(str(number) for number, _ in payloads)
    rtpmaps = "".join(f"a=rtpmap:{number} {name}\r\n" for number, name in payloads)
    return (f"v=0\r\no=- 77 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP {numbers}\r\n{rtpmaps}a=ptime:20\r\na={direction}\r\n").encode()
