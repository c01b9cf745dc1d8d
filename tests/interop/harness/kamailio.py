"""Debian's kamailio as a carrier's edge: it asks for credentials, records its route, passes calls on
to a gateway, and the gateway's calls to whoever is registered."""

import subprocess
from pathlib import Path

from . import places
from .sipp import is_bound
from .waiting import wait_until

_CONFIG = """\
#!KAMAILIO
debug=2
log_stderror=yes
fork=no
children=1
disable_tcp=yes
alias="kamailio.test"
listen=udp:{ip}:{port}
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


class Kamailio:
    """A running kamailio between the edge and `gateway` ("ip:port")."""

    def __init__(self, directory, ip, gateway, username, password, expire=300,
                 granted=60):
        self.port = places.free_port(ip)
        self._stem = Path(directory) / f"kamailio-{self.port}"
        self._stem.mkdir()
        file = self._stem / "kamailio.cfg"
        file.write_text(_CONFIG.format(ip=ip, port=self.port, gateway=gateway, username=username,
                                       password=password, edge=places.EDGE, expire=expire,
                                       granted=granted, gateway_ip=gateway.split(":")[0]))
        self._log = (self._stem / "log").open("w")
        # Without a fork it serves its first address in this one process.
        self._process = subprocess.Popen(
            ["kamailio", "-DD", "-E", "-f", str(file), "-Y", str(self._stem), "-m", "32", "-M", "8",
             "-P", str(self._stem / "pid")],
            cwd=self._stem, stdout=self._log, stderr=subprocess.STDOUT)
        wait_until(lambda: is_bound("udp", ip, self.port) or self._process.poll() is not None, 15,
                   lambda: f"kamailio listens: {self.log()[-2_000:]}")
        assert self._process.poll() is None, self.log()[-2_000:]

    def log(self):
        return (self._stem / "log").read_text(errors="replace")

    def count(self, what):
        """How often it said that it asked, or that something was proved."""
        return self.log().count(what)

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._log.close()
