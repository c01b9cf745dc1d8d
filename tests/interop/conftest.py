"""What every test can ask for: an edge, and clients that are stopped when the test is over."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import aws, namespaces, places, sipp, split, tls  # noqa: E402
from harness.baresip import Baresip  # noqa: E402
from harness.configuration import Configuration  # noqa: E402
from harness.edge import BINARY, Edge  # noqa: E402
from harness.kamailio import Kamailio  # noqa: E402
from harness.message import sdp  # noqa: E402
from harness.pjsua import Pjsua  # noqa: E402
from harness.rtp import RtpEndpoint  # noqa: E402
from harness.sip import OutgoingCall, Peer, TcpListener, TlsListener  # noqa: E402

pytest_plugins = ["harness.shares"]


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is missing: run `cargo build -p tandem`, or set TANDEM_BIN", 2)


@pytest.fixture
def configuration(tmp_path):
    return Configuration(tmp_path / "data")


class Stage:
    """Starts parties and stops them in the opposite order."""

    def __init__(self, directory, configuration):
        self.directory = directory
        self.configuration = configuration
        self.edge = None
        self._parties = []

    def _keep(self, party):
        self._parties.append(party)
        return party

    def start_edge(self, **options):
        self.edge = Edge(self.configuration, self.directory, **options)
        return self.edge

    def pjsua(self, ip, name, hertz, **options):
        return self._keep(Pjsua(self.directory, ip, name, hertz, **options))

    def kamailio(self, ip, gateway, username, password, **options):
        return self._keep(Kamailio(self.directory, ip, gateway, username, password, **options))

    def baresip(self, ip, name, hertz, **options):
        return self._keep(Baresip(self.directory, ip, name, hertz, **options))

    def uas(self, ip, **options):
        return self._keep(sipp.uas(self.directory, ip, **options))

    def uac(self, ip, called, *arguments, **options):
        return self._keep(sipp.uac(self.directory, ip, self.edge, called, *arguments, **options))

    def uac_at(self, ip, address, called, **options):
        """A caller that calls somebody else than the edge, at (ip, port)."""
        return self._keep(sipp.uac(self.directory, ip, _At(address), called, host=address[0],
                                   **options))

    def peer(self, ip, **options):
        peer = Peer(ip, **options)
        self._keep(_Closing(peer.close))
        return peer

    def tls_peer(self, ip, edge, port, pair=None):
        """A scripted peer on a TLS connection to the edge, showing `pair`."""
        peer = Peer(ip, transport="tls", edge=(edge.address[0], port), pair=pair)
        self._keep(_Closing(peer.close))
        return peer

    def tcp_listener(self, ip):
        """A scripted peer that the edge connects to over TCP."""
        peer = TcpListener(ip)
        self._keep(_Closing(peer.close))
        return peer

    def tls_listener(self, ip, pair):
        """A scripted peer that the edge connects to over TLS."""
        peer = TlsListener(ip, pair)
        self._keep(_Closing(peer.close))
        return peer

    def tls_server(self, ip, pair):
        return self._keep(tls.Server(ip, pair))

    def rtp(self, ip, hertz, **options):
        return self._keep(RtpEndpoint(ip, hertz, **options))

    def webrtc(self, ip, hertz):
        from harness.webrtc import WebRtc

        return self._keep(WebRtc(ip, hertz))

    def stop(self):
        for party in reversed(self._parties):
            party.stop()
        self._parties.clear()

    # Scripted calls ----------------------------------------------------------------------------

    def carrier_peer(self, ip=places.CARRIER, position=0, **more):
        """A scripted carrier; call before `start_edge`."""
        peer = self.peer(ip)
        table = {"host": ip, "port": peer.port, "inbound_cidrs": [f"{ip}/32"], **more}
        self.configuration.carriers[position].update(table)
        return peer

    def established(self, caller, carrier, called=places.US_NUMBER, rtp=None, carrier_rtp=None):
        """A call between two scripted peers that is answered; (call, the carrier's INVITE)."""
        offer = sdp(caller.ip, rtp.port if rtp else 40_000)
        call = OutgoingCall(caller, self.edge, called, offer)
        invite = carrier.expect_request("INVITE")
        carrier.reply(invite, 180, "Ringing")
        call.status(180)
        carrier.reply(invite, 200, "OK", sdp(carrier.ip, carrier_rtp.port if carrier_rtp else 40_002))
        call.answered()
        carrier.expect(lambda m: m.status is None and m.method == "ACK"
                       and m["call-id"] == invite["call-id"])
        return call, invite

    def hang_up(self, call, carrier):
        """BYE from the caller, through to the carrier."""
        call.request("BYE")
        bye = carrier.expect_request("BYE")
        carrier.reply(bye, 200, "OK")
        assert call.final("BYE").status == 200


class _At:
    """Where a caller calls."""

    def __init__(self, address):
        self.address = address
        self.port = address[1]


class _Closing:
    def __init__(self, stop):
        self.stop = stop


@pytest.fixture
def stage(tmp_path, configuration):
    """The edge is stopped by SIGTERM at the end, and must end cleanly."""
    stage = Stage(tmp_path, configuration)
    try:
        yield stage
        stage.stop()
        if stage.edge:
            stage.edge.stop()
    finally:
        stage.stop()
        if stage.edge:
            stage.edge.kill()


@pytest.fixture
def halves(stage):
    """Edge and relay as two processes, in place of the stage's one."""
    halves = split.Split(stage)
    try:
        yield halves
    finally:
        stage.stop()
        if stage.edge:
            stage.edge.kill()
            # Its end is asserted by each test, where there is a clean one.
            stage.edge = None
        if halves.relay:
            halves.relay.kill()


@pytest.fixture
def cloud(monkeypatch, request):
    """AWS's services, and credentials for them; a parameter names the storage of objects."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", aws.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", aws.SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    cloud = aws.Aws(objects=getattr(request, "param", "moto"))
    yield cloud
    cloud.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds what the edge said to the report of a failure."""
    report = (yield).get_result()
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.failed and stage and stage.edge:
        report.sections.append(("the edge", "\n".join(stage.edge.lines[-60:])))


@pytest.fixture
def network():
    try:
        network = namespaces.Network()
    except namespaces.Unavailable as reason:
        pytest.skip(f"no network namespaces here: {reason}")
    try:
        yield network
    finally:
        network.remove()


# How baresip is told to encrypt.
KINDS = {"sdes": {"srtp": True}, "dtls": {"dtls": True}, "dtls_ice": {"dtls": True, "ice": True}}


@pytest.fixture(params=KINDS)
def encrypted(stage, tmp_path, request):
    """(The edge's TLS port, what baresip is started with, the kind of SRTP)."""
    port = places.free_port(places.EDGE)
    authority = tls.Authority(tmp_path)
    edge = authority.issue("edge.test", f"IP:{places.EDGE}")
    pair = authority.issue("pbx.test", f"IP:{places.BARESIP}")
    stage.configuration.sip.update(tls=[f"{places.EDGE}:{port}"],
                                   tls_certificate=str(edge.certificate), tls_key=str(edge.key))
    stage.configuration.connector["require_encryption"] = True
    options = {"transport": "tls", "pair": pair, "authority": authority.certificate,
               **KINDS[request.param]}
    return port, options, request.param
