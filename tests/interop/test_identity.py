"""Signatures of callers (STIR/SHAKEN), with PyJWT on the other side."""

import subprocess
import time
from email.utils import formatdate

import jwt
import pytest
from cryptography.x509 import load_pem_x509_certificate

from harness import places, tls
from harness.configuration import carrier as carrier_table
from harness.edge import BINARY
from harness.message import sdp
from harness.sip import OutgoingCall
from harness.waiting import wait_until

OURS = "https://certificates.tandem.test/ours.pem"
THEIRS = "https://certificates.carrier.test/theirs.pem"


@pytest.fixture
def pairs(stage, tmp_path):
    """Our certificate and a carrier's, under one authority."""
    authority = tls.Authority(tmp_path)
    ours, theirs = authority.issue("ours"), authority.issue("theirs")
    stage.configuration.sip["tls_poll"] = "1s"
    stage.configuration.stir = {
        "key": str(ours.key), "certificate": str(ours.certificate), "x5u": OURS,
        "roots": [str(authority.certificate)],
        "certificates": [{"url": THEIRS, "file": str(theirs.certificate)}]}
    return authority, ours, theirs


def public_key(pair):
    return load_pem_x509_certificate(pair.certificate.read_bytes()).public_key()


def signed_call(stage, edge, caller, carrier):
    """The Identity header that the carrier gets of a call."""
    call = OutgoingCall(caller, edge, places.US_NUMBER, sdp(caller.ip, 40_000),
                        calling=places.NUMBER)
    invite = carrier.expect_request("INVITE")
    carrier.reply(invite, 486, "Busy Here")
    assert call.final().status == 486
    token, _, parameters = invite["identity"].partition(";")
    assert parameters == f"info=<{OURS}>;alg=ES256;ppt=shaken"
    return token


def test_another_library_verifies_what_we_sign_also_after_a_renewal(stage, pairs):
    authority, ours, _ = pairs
    carrier = stage.carrier_peer(sign_calls=True)
    edge = stage.start_edge()
    caller = stage.peer(places.PBX)
    left = edge.metric("tandem_stir_certificate_left_seconds", file=str(ours.certificate))
    assert 9 * 86_400 < left <= 10 * 86_400
    assert edge.said("ours.leaf.pem\": expires in ")
    token = signed_call(stage, edge, caller, carrier)
    claims = jwt.decode(token, public_key(ours), algorithms=["ES256"])
    assert (claims["orig"], claims["dest"]) == (
        {"tn": places.NUMBER[1:]}, {"tn": [places.US_NUMBER[1:]]})
    assert claims["attest"] == "A" and abs(claims["iat"] - time.time()) < 30
    assert jwt.get_unverified_header(token) == {
        "alg": "ES256", "ppt": "shaken", "typ": "passport", "x5u": OURS}
    before = public_key(ours)
    ours.become(authority.issue("renewed"))
    wait_until(lambda: edge.said("the files of [stir] were read again"), 10, "the files are read")
    renewed = signed_call(stage, edge, caller, carrier)
    jwt.decode(renewed, public_key(ours), algorithms=["ES256"])
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(renewed, before, algorithms=["ES256"])
    edge.wait_idle()


def test_check_looks_at_the_files(stage, pairs, tmp_path):
    _, ours, theirs = pairs
    file = tmp_path / "checked.toml"
    file.write_text(stage.configuration.text())

    def check():
        done = subprocess.run([BINARY, "check", "--config", file], capture_output=True, text=True,
                              timeout=20)
        return done.returncode, done.stdout + done.stderr

    status, said = check()
    assert status == 0 and "warning:" in said and "ours.leaf.pem\": expires in" in said, said
    ours.key.write_bytes(theirs.key.read_bytes())
    status, said = check()
    assert status == 1 and "ours.leaf.pem\": it is not the certificate of key" in said, said
    ours.key.write_text("nothing")
    status, said = check()
    assert status == 1 and "[stir] key" in said and "no block PRIVATE KEY" in said, said


def identity(pair, orig, shaken=True, compact=False, issued_at=None):
    issued_at = issued_at or int(time.time())
    claims = {"dest": {"tn": [places.NUMBER[1:]]}, "iat": issued_at, "orig": {"tn": orig[1:]}}
    headers = {"typ": "passport", "x5u": THEIRS}
    if shaken:
        claims = {"attest": "B", **claims, "origid": "carrier"}
        headers["ppt"] = "shaken"
    token = jwt.encode(claims, pair.key.read_text(), "ES256", headers)
    if compact:
        token = ".." + token.rpartition(".")[2]
    return f"{token};info=<{THEIRS}>;alg=ES256" + (";ppt=shaken" if shaken else "")


def test_we_verify_what_another_library_signs(stage, pairs):
    _, ours, theirs = pairs
    carrier = stage.peer(places.CARRIER)
    stage.configuration.carriers = [
        carrier_table(port=carrier.port, verify="require")]
    pbx = stage.peer(places.PBX)
    stage.configuration.origination = [{"host": places.PBX, "port": pbx.port}]
    edge = stage.start_edge()
    orig, now = "+13125550177", int(time.time())
    date = ("Date", formatdate(now, usegmt=True))
    for headers, verdict in [
        ([("Identity", identity(theirs, orig))], "TN-Validation-Passed-B"),
        ([("Identity", identity(theirs, orig, shaken=False))], "TN-Validation-Passed"),
        ([("Identity", identity(theirs, orig, shaken=False, compact=True, issued_at=now)), date],
         "TN-Validation-Passed"),
    ]:
        call = OutgoingCall(carrier, edge, places.NUMBER, sdp(carrier.ip, 40_000), calling=orig,
                            headers=headers)
        invite = pbx.expect_request("INVITE")
        assert invite["x-verstat"] == verdict
        pbx.reply(invite, 486, "Busy Here")
        assert call.final().status == 486
    for headers, status in [
        ([], 428),
        ([("Identity", identity(ours, orig))], 438),
        ([("Identity", identity(theirs, "+13125550178"))], 438),
        ([("Identity", identity(theirs, orig, compact=True, issued_at=now)), date], 438),
        ([("Identity", identity(theirs, orig, issued_at=now - 300))], 403),
    ]:
        call = OutgoingCall(carrier, edge, places.NUMBER, sdp(carrier.ip, 40_000), calling=orig,
                            headers=headers)
        assert call.final().status == status, headers
    edge.wait_idle()
