"""Debian's kamailio as a carrier's edge: it asks for credentials, records its route, passes calls on
to a gateway, and the gateway's calls to whoever is registered."""

import os
import socket
import subprocess
from pathlib import Path

from . import places
from .sipp import is_bound
from .waiting import wait_until

_CONFIG = """\
#!KAMAILIO
debug=2
log_stderror=yes
children=1
alias="kamailio.test"
{transports}
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "xlog.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "maxfwd.so"
loadmodule "auth.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
{modules}
modparam("auth", "qop", "auth")
modparam("auth", "nonce_count", 1)
modparam("auth", "nonce_expire", {expire})
modparam("rr", "enable_full_lr", 1)
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", 30)
modparam("registrar", "max_expires", {granted})

request_route {{
    mf_process_maxfwd_header("10");
    if (is_method("CANCEL")) {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    if ($si == "{edge}") xlog("L_WARN", "over $proto: $rm\\n");
    if ($si == "{edge}" && !is_method("ACK")) {{
        if (!pv_proxy_authenticate("kamailio.test", "{password}", "0")) {{
            xlog("L_WARN", "asked: $rm\\n");
            proxy_challenge("kamailio.test", "1");
            exit;
        }}
        if ($au != "{username}") {{
            sl_send_reply("403", "Forbidden");
            exit;
        }}
        xlog("L_WARN", "proved: $rm\\n");
        consume_credentials();
    }}
    if (is_method("REGISTER")) {{
        save("location");
        exit;
    }}
    if (has_totag()) {{
        loose_route();
        t_relay();
        exit;
    }}
    record_route();
    if (is_method("INVITE") && $si == "{gateway_ip}") {{
        $ru = "sip:{username}@{ip}";
        if (!lookup("location")) {{
            sl_send_reply("480", "Not registered");
            exit;
        }}
        t_relay();
        exit;
    }}
    $du = "sip:{gateway}";
    t_relay();
}}
"""


# One process serves its first address.
_UDP = "fork=no\ndisable_tcp=yes\nlisten=udp:{ip}:{port}"
# The gateway is spoken to over UDP, the edge over TLS; a connection may be used for requests both
# ways where the edge's Via says so (RFC 5923).
_TLS = """\
enable_tls=yes
tcp_children=1
tcp_accept_aliases=yes
listen=udp:{ip}:{port}
listen=tls:{ip}:{port}"""
_TLS_MODULES = """\
loadmodule "tls.so"
modparam("tls", "config", "{file}")
"""
# Both ends must show a certificate of the authority.
_TLS_FILE = """\
[server:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
certificate = {pair.certificate}
private_key = {pair.key}
ca_list = {authority}
[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
certificate = {pair.certificate}
private_key = {pair.key}
ca_list = {authority}
"""


class Kamailio:
    """A running kamailio between the edge and `gateway` ("ip:port"); with `pair` and `authority` it
    takes TLS, from holders of a certificate alone."""

    def __init__(self, directory, ip, gateway, username, password, expire=300,
                 granted=60, pair=None, authority=None):
        self.ip, self.port = ip, places.free_port(ip)
        self._stem = Path(directory) / f"kamailio-{self.port}"
        self._stem.mkdir()
        transports, modules = _UDP, ""
        if pair:
            tls_file = self._stem / "tls.cfg"
            tls_file.write_text(_TLS_FILE.format(pair=pair, authority=authority))
            transports, modules = _TLS, _TLS_MODULES.format(file=tls_file)
        file = self._stem / "kamailio.cfg"
        file.write_text(_CONFIG.format(transports=transports.format(ip=ip, port=self.port),
                                       modules=modules, ip=ip, gateway=gateway, username=username,
                                       password=password, edge=places.EDGE, expire=expire,
                                       granted=granted, gateway_ip=gateway.split(":")[0]))
        self._log = (self._stem / "log").open("w")
        self._process = subprocess.Popen(
            ["kamailio", "-DD", "-E", "-f", str(file), "-Y", str(self._stem), "-m", "64", "-M", "8",
             "-P", str(self._stem / "pid")],
            cwd=self._stem, stdout=self._log, stderr=subprocess.STDOUT)
        bound = lambda: all(is_bound(kind, ip, self.port) for kind in (["udp", "tcp"] if pair else ["udp"]))
        wait_until(lambda: bound() or self._process.poll() is not None, 15,
                   lambda: f"kamailio listens: {self.log()[-2_000:]}")
        assert self._process.poll() is None, self.log()[-2_000:]

    def log(self):
        return (self._stem / "log").read_text(errors="replace")

    def count(self, what):
        """How often it said that it asked, or that something was proved."""
        return self.log().count(what)

    def connections(self):
        """How many connections its processes have to the edge, by the kernel's table, whoever opened
        them. Other programs of the test may have some between the same addresses."""
        here, edge = (int.from_bytes(socket.inet_aton(ip), "little") for ip in (self.ip, places.EDGE))
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        own = self._sockets()
        return sum(row[1].startswith(f"{here:08X}:") and row[2].startswith(f"{edge:08X}:")
                   and row[3] == "01" and row[9] in own for row in rows)

    def _sockets(self):
        """The inodes of the sockets of all its processes: the first, and those it has forked."""
        main, inodes = str(self._process.pid), set()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                # pid (name) state parent …, and a name may have anything in it (proc(5)).
                parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
                if main not in (process.name, parent):
                    continue
                links = [os.readlink(link) for link in (process / "fd").iterdir()]
            except OSError:
                continue  # it has ended meanwhile
            inodes |= {link[8:-1] for link in links if link.startswith("socket:[")}
        return inodes

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._log.close()
