"""Drives a baresip process over its control port; it plays a tone and records what it hears."""

import json
import socket
import struct
import subprocess
import threading
from pathlib import Path

from . import places, tones
from .waiting import wait_until

_MODULES = "/usr/lib/baresip/modules"

_CODEC_MODULES = {"pcmu": "g711", "pcma": "g711", "g722": "g722", "opus": "opus", "L16": "l16"}

# The source is read once; no test talks longer.
_TONE_SECONDS = 120

_CONFIG = """\
sip_listen {ip}:{port}
net_interface {ip}
module_path {modules}
module {codec}.so
module srtp.so
module aufile.so
module sndfile.so
module uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
audio_source aufile,{source}
audio_player aufile,{player}
audio_alert aufile,{player}
ring_aufile none
callwaiting_aufile none
ringback_aufile none
busy_aufile none
notfound_aufile none
error_aufile none
ausrc_srate {rate}
auplay_srate {rate}
ausrc_channels 1
auplay_channels 1
rtp_ports 30000-31999
rtcp_mux {mux}
{more}snd_path {recordings}
"""


def _modules(dtls, ice):
    lines = ["module dtls_srtp.so\n"] if dtls else []
    if ice:
        lines += ["module stun.so\n", "module ice.so\n"]
    return "".join(lines)


_VIDEO_MODULES = {"H264": "avcodec", "VP8": "vp8"}

# Coloured bars, ten a second.
_VIDEO = """\
module {codec}.so
module fakevideo.so
module snapshot.so
video_source fakevideo,nil
video_display fakevideo,nil
video_size 320x240
video_bitrate 256000
video_fps 10
"""


class Baresip:
    """A user agent. `answer` is `auto` or `manual`; with `srtp` it talks SRTP or not at all, with `dtls`
    its media is DTLS-SRTP with rtcp-mux, and with `ice` it checks its paths. With `transport="tls"` it
    shows `pair`, a certificate that `authority` vouches for, and takes TLS on `tls_port`. `codec` is its
    only format, as baresip names it. With `video`, "H264" or "VP8", it has a camera of its own making."""

    def __init__(self, directory, ip, name, hertz, user="+12065550111", transport="udp",
                 answer="auto", srtp=False, dtls=False, ice=False, domain=None,
                 account=";regint=0", pair=None, authority=None, codec="pcmu",
                 video=None):
        self.name = name
        self.port = places.free_port(ip)
        self.tls_port = self.port + 1
        control = places.free_port("127.0.0.1")
        self._home = Path(directory) / name
        self._recordings = self._home / "recordings"
        self._recordings.mkdir(parents=True)
        camera = _VIDEO.format(codec=_VIDEO_MODULES[video]) if video else ""
        more = _modules(dtls, ice) + self._tls(pair, authority) + camera
        # It does not resample: source and player have the codec's rate.
        rate = {"opus/48000/2": 48_000, "g722": 16_000, "L16/16000/1": 16_000}.get(codec, tones.RATE)
        (self._home / "config").write_text(_CONFIG.format(
            codec=_CODEC_MODULES[codec.split("/")[0]], ip=ip, port=self.port, control=control, modules=_MODULES,
            rate=rate,
            source=tones.write_wav(self._home / "tone.wav", hertz, _TONE_SECONDS, rate),
            player=self._home / "played.wav", recordings=self._recordings,
            mux="yes" if dtls else "no", more=more))
        (self._home / "accounts").write_text(
            f"<sip:{user}@{domain or f'{ip}:{self.port}'};transport={transport}>"
            f"{account};answermode={answer};audio_codecs={codec}"
            f"{';mediaenc=srtp-mand' if srtp else ''}"
            f"{';mediaenc=dtls_srtp' if dtls else ''}{';medianat=ice' if ice else ''}\n")
        (self._home / "contacts").write_text("")
        self._output = (self._home / "output.log").open("w")
        self._process = subprocess.Popen(["baresip", "-f", str(self._home)], cwd=self._home,
                                         stdin=subprocess.DEVNULL, stdout=self._output,
                                         stderr=subprocess.STDOUT)
        self.events = []
        self._seen = 0
        self._socket = wait_until(lambda: self._connect(control), 15,
                                  lambda: f"baresip's control port: {self.output()}")
        threading.Thread(target=self._read, daemon=True).start()

    def _tls(self, pair, authority):
        """Lines of the configuration; it wants certificate and key in one file."""
        if not pair:
            return ""
        file = self._home / "certificate.pem"
        file.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
        return f"sip_certificate {file}\nsip_cafile {authority}\n"

    def _connect(self, port):
        assert self._process.poll() is None, f"baresip ended: {self.output()}"
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except ConnectionRefusedError:
            return None

    def output(self):
        return (self._home / "output.log").read_text(errors="replace")[-3_000:]

    def _read(self):
        """Netstrings of JSON."""
        self._socket.settimeout(None)
        pending = b""
        while True:
            try:
                data = self._socket.recv(65_536)
            except OSError:
                return
            if not data:
                return
            pending += data
            while b":" in pending:
                length, _, rest = pending.partition(b":")
                if len(rest) <= int(length):
                    break
                self.events.append(json.loads(rest[: int(length)]))
                pending = rest[int(length) + 1:]

    def do(self, command, params=""):
        message = json.dumps({"command": command, "params": params, "token": command}).encode()
        self._socket.sendall(b"%d:%s," % (len(message), message))

    def wait(self, kind, seconds=15):
        """The next event of this type; those before it are passed over."""

        def look():
            while self._seen < len(self.events):
                found = self.events[self._seen]
                self._seen += 1
                if found.get("type") == kind:
                    return found
            return None

        return wait_until(look, seconds, lambda: f"{self.name}: {kind}; {self.events}\n{self.output()}")

    def heard(self):
        """What was decoded, of the last call."""
        files = sorted(self._recordings.glob("*dec.wav"))
        return tones.read_wav(files[-1]) if files else (tones.sine(0, 0), tones.RATE)

    def heard_seconds(self):
        samples, rate = self.heard()
        return len(samples) / rate

    def wait_heard(self, seconds, within=20):
        """Waits until so much more was recorded, and returns that part."""
        start = self.heard_seconds()
        wait_until(lambda: self.heard_seconds() >= start + seconds, within,
                   lambda: f"{self.name} records {seconds} s more than {start:.1f} s")
        samples, rate = self.heard()
        return samples[int(start * rate):], rate

    def picture(self):
        """(width, height, number of colours) of the picture that it is shown; None without one."""
        path = self._home / "snapshot.png"
        path.unlink(missing_ok=True)
        self.do("snapshot_recv", str(path))
        try:
            wait_until(lambda: path.exists() and path.read_bytes().endswith(b"IEND\xaeB`\x82"), 2,
                       "a snapshot")
        except AssertionError:
            return None
        width, height = struct.unpack("!II", path.read_bytes()[16:24])
        decoded = subprocess.run(
            ["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
            timeout=30, capture_output=True, check=True).stdout
        # In steps that a codec's noise does not fill.
        steps = bytes(octet // 64 for octet in decoded)
        return width, height, len({steps[at:at + 3] for at in range(0, len(steps), 3)})

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._socket.close()
        self._output.close()
