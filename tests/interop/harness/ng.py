"""rtpengine's ng protocol: a client of our own, the relays that serve it, and a proxy that asks for it."""

import json
import re
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from . import places
from .edge import BINARY
from .sipp import is_bound
from .waiting import wait_until

RELAY = "127.0.0.5"


def bencode(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, (list, tuple)):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(v) for k, v in value.items()) + b"e"
    value = value.encode() if isinstance(value, str) else value
    return b"%d:%s" % (len(value), value)


def bdecode(data, at=0):
    """(value, where it ends)."""
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind in b"ld":
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = bdecode(data, at)
            items.append(item)
        return (dict(zip(items[::2], items[1::2])) if kind == b"d" else items), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1:end].decode(), end


class NgClient:
    """Asks over UDP or TCP, in bencode or JSON."""

    def __init__(self, address, tcp=False, in_json=False):
        kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.settimeout(5)
        self._socket.connect(address)
        self._in_json = in_json
        self._number = 0

    def send(self, cookie, request):
        body = json.dumps(request).encode() if self._in_json else bencode(request)
        self._socket.sendall(b"%s " % cookie + body)

    def receive(self):
        """(cookie, reply)."""
        data = self._socket.recv(65_536)
        cookie, _, body = data.partition(b" ")
        return cookie, json.loads(body) if self._in_json else bdecode(body)[0]

    def ask(self, command, **keys):
        self._number += 1
        cookie = b"%d_%d" % (id(self) % 100_000, self._number)
        self.send(cookie, {"command": command, **{k.replace("_", "-"): v for k, v in keys.items()}})
        answered, reply = self.receive()
        assert answered == cookie, (answered, cookie)
        return reply

    def ok(self, command, **keys):
        reply = self.ask(command, **keys)
        assert reply["result"] == "ok", reply
        return reply

    def stop(self):
        self._socket.close()


class _Served:
    """A process that serves the protocol."""

    def __init__(self, command, directory, name):
        self.log_file = Path(directory) / f"{name}-{self.address[1]}.log"
        self._log = self.log_file.open("w")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        wait_until(lambda: is_bound("udp", *self.address) or self._process.poll() is not None, 15,
                   lambda: f"{name} listens: {self.log()}")
        assert self._process.poll() is None, self.log()

    @property
    def pid(self):
        return self._process.pid

    def log(self):
        return self.log_file.read_text(errors="replace")

    def media_ports(self):
        """Its UDP sockets in the range of media."""
        packed = f"{int.from_bytes(socket.inet_aton(RELAY), 'little'):08X}:"
        rows = [row.split()[1] for row in Path("/proc/net/udp").read_text().splitlines()[1:]]
        ports = [int(row.split(":")[1], 16) for row in rows if row.startswith(packed)]
        # A settled leg has two sockets on one port.
        return sorted({port for port in ports if self.first <= port <= self.last})

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._log.close()


class NgRelay(_Served):
    """`tandem relay --ng`."""

    def __init__(self, directory, first=20_000, last=20_999, host=RELAY, **options):
        self.address = (host, places.free_port(host))
        self.first, self.last = first, last
        more = [part for name, value in options.items()
                for part in (f"--{name.replace('_', '-')}", str(value))]
        super().__init__([BINARY, "relay", "--ng", "%s:%d" % self.address, "--bind", host,
                          "--ports", f"{first}-{last}", *more], directory, "ng-relay")

    def asked(self, page):
        """(status, body) of one of the pages of `--http`."""
        at = re.search(r"Prometheus   http://(\S+)/metrics", self.log()).group(1)
        try:
            with urllib.request.urlopen(f"http://{at}{page}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def metric(self, name, **labels):
        """The sum of a metric's samples that have these labels."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        lines = (line for line in self.asked("/metrics")[1].splitlines()
                 if re.split(r"[ {]", line, maxsplit=1)[0] == name)
        found = [float(line.split()[-1]) for line in lines if wanted <= set(re.findall(r'\w+="[^"]*"', line))]
        assert found, f"no {name} {labels}"
        return sum(found)

    def stop(self):
        super().stop()
        assert self._process.returncode == 0, self.log()
        assert "panicked" not in self.log(), self.log()


class Rtpengine(_Served):
    """Debian's rtpengine-daemon, in user space."""

    def __init__(self, directory, first=21_000, last=21_999, **options):
        more = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.address = (RELAY, places.free_port(RELAY))
        self.first, self.last = first, last
        super().__init__([self.binary(), f"--interface={RELAY}", "--listen-ng=%s:%d" % self.address,
                          f"--port-min={first}", f"--port-max={last}", "--foreground", "--table=-1",
                          "--log-stderr", "--log-level=5", "--delete-delay=0", "--config-file=none",
                          f"--pidfile={directory}/rtpengine.pid", *more], directory, "rtpengine")

    @staticmethod
    def binary():
        return shutil.which("rtpengine") or shutil.which("rtpengine", path="/usr/sbin")


# A block of a script may not be empty.
_NOTHING = "$avp(nothing) = 1;"

# What an installation with rtpengine has; only the address of `rtpengine_sock` is ever changed.
_PROXY = """\
#!KAMAILIO
debug=2
log_stderror=yes
children=1
fork=no
disable_tcp=yes
listen=udp:{ip}:{port}
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "maxfwd.so"
loadmodule "rtpengine.so"
modparam("rr", "enable_full_lr", 1)
modparam("rtpengine", "rtpengine_sock", "udp:{relay}")
modparam("rtpengine", "mos_average_pv", "$avp(mos_average)")
modparam("rtpengine", "mos_average_packetloss_pv", "$avp(mos_loss)")
modparam("rtpengine", "mos_average_jitter_pv", "$avp(mos_jitter)")
modparam("rtpengine", "mos_average_samples_pv", "$avp(mos_samples)")
modparam("rtpengine", "mos_A_label_pv", "$avp(label_a)")
modparam("rtpengine", "mos_B_label_pv", "$avp(label_b)")
modparam("rtpengine", "mos_average_A_pv", "$avp(mos_near)")
modparam("rtpengine", "mos_average_B_pv", "$avp(mos_far)")
modparam("rtpengine", "media_duration", "$avp(media_duration)")

request_route {{
    {first}
    mf_process_maxfwd_header("10");
    if (is_method("CANCEL")) {{
        rtpengine_manage();
        if (t_check_trans()) t_relay();
        exit;
    }}
    if (has_totag()) {{
        loose_route();
        $avp(label_a) = "near";
        $avp(label_b) = "far";
        if (is_method("BYE")) {{ {ended} }}
        rtpengine_manage("trust-address replace-origin replace-session-connection ICE=remove");
        if (is_method("BYE")) xlog("L_WARN", "mos $avp(mos_average) loss $avp(mos_loss) jitter $avp(mos_jitter) samples $avp(mos_samples) at relay\\n");
        if (is_method("BYE")) xlog("L_WARN", "sides near $avp(mos_near) far $avp(mos_far) at relay\\n");
        t_on_reply("MEDIA");
        t_relay();
        exit;
    }}
    record_route();
    if (is_method("INVITE")) {{
        rtpengine_manage("trust-address replace-origin replace-session-connection ICE=remove{offer}");
        t_on_reply("MEDIA");
        t_on_failure("FAILED");
    }}
    $du = "sip:{gateway}";
    t_relay();
}}
onreply_route[MEDIA] {{
    if (has_body("application/sdp")) {{
        rtpengine_manage("trust-address replace-origin replace-session-connection ICE=remove{answer}");
        if ($rs == "200") {{ {answered} }}
    }}
}}
failure_route[FAILED] {{
    rtpengine_manage();
}}
"""


class RtpengineProxy:
    """Debian's kamailio as a stateful proxy to `gateway` ("ip:port"), with its media at `relay`."""

    def __init__(self, directory, ip, relay, gateway, offer="", answer="", answered=_NOTHING,
                 ended=_NOTHING, first=""):
        self.ip, self.port = ip, places.free_port(ip)
        self.address = (ip, self.port)
        self._stem = Path(directory) / f"proxy-{self.port}"
        self._stem.mkdir()
        file = self._stem / "kamailio.cfg"
        file.write_text(_PROXY.format(ip=ip, port=self.port, relay="%s:%d" % relay.address,
                                      gateway=gateway, offer=offer, answer=answer,
                                      answered=answered, ended=ended, first=first))
        self._log = (self._stem / "log").open("w")
        self._process = subprocess.Popen(
            ["kamailio", "-DD", "-E", "-f", str(file), "-Y", str(self._stem), "-m", "64", "-M", "8",
             "-P", str(self._stem / "pid")],
            cwd=self._stem, stdout=self._log, stderr=subprocess.STDOUT)
        wait_until(lambda: is_bound("udp", ip, self.port) or self._process.poll() is not None, 15,
                   lambda: f"kamailio listens: {self.log()[-2_000:]}")
        assert self._process.poll() is None, self.log()[-2_000:]

    def log(self):
        return (self._stem / "log").read_text(errors="replace")

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._log.close()

