"""A program behind a WebSocket hears a real call and speaks into it. The server is Python's
`websockets`; what is heard on either side is told by its spectrum.
"""

import pytest

from harness import places, tls
from harness.quality import assert_none_lost
from harness.tones import assert_hears, dominant, level
from harness.voice_bot import Bot
from harness.waiting import wait_until

PBX_HERTZ, CARRIER_HERTZ, BOT_HERTZ = 440, 1_000, 620
LISTEN = 1


@pytest.fixture
def bot():
    served = Bot()
    yield served
    served.stop()


def streamed(stage, bot, **more):
    """Calls go to the bot, and nowhere else."""
    socket = {"url": bot.url, "token": "open-sesame", **more}
    stage.configuration.streaming = {
        "enabled": True, "kinesis_video": False, "web_socket": socket}


def talk(stage):
    """A call between two clients, and its edge."""
    carrier = stage.pjsua(places.CARRIER, "carrier", CARRIER_HERTZ)
    stage.configuration.carriers[0].update(port=carrier.port)
    edge = stage.start_edge()
    pbx = stage.pjsua(places.PBX, "pbx", PBX_HERTZ)
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{edge_port(stage)}")
    pbx.wait("state", state="CONFIRMED")
    carrier.wait("state", state="CONFIRMED")
    return edge, pbx, carrier


def edge_port(stage):
    return stage.edge.port


def assert_bot_hears(heard):
    caller, callee, rate = heard.wait_heard(LISTEN)
    assert_hears(caller, rate, PBX_HERTZ, CARRIER_HERTZ)
    assert_hears(callee, rate, CARRIER_HERTZ, PBX_HERTZ)


def test_a_bot_hears_both_parties_and_speaks_to_one(stage, bot):
    streamed(stage, bot, speaks_to="caller")
    edge, pbx, carrier = talk(stage)
    heard = bot.wait_call()
    record = wait_until(edge.calls, 10, "the call is shown")[0]
    assert heard.start["transaction_id"] == record["transaction_id"]
    assert (heard.start["channels"], heard.start["sample_rate"]) == (2, 8_000)
    assert heard.start["to"] == places.US_NUMBER and heard.start["speaks_to"] == ["caller"]
    assert_bot_hears(heard)
    # An answer of four seconds, sent at once.
    heard.say(BOT_HERTZ, 4, mark="answer")
    pbx.wait_heard(0.7)
    samples, rate = pbx.wait_heard(LISTEN)
    assert_hears(samples, rate, BOT_HERTZ, PBX_HERTZ)
    assert level(samples, rate, CARRIER_HERTZ) < 100, "the other party is heard through it"
    assert_hears(*carrier.wait_heard(LISTEN), PBX_HERTZ, BOT_HERTZ)
    # The bot hears what is not heard by the caller meanwhile.
    assert_bot_hears(heard)
    heard.wait_text("mark", name="answer", played=True)
    pbx.wait_heard(0.7)
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, BOT_HERTZ)
    # It is interrupted.
    heard.say(BOT_HERTZ, 30, mark="long")
    pbx.wait_heard(0.7)
    assert abs(dominant(*pbx.wait_heard(LISTEN)) - BOT_HERTZ) < 8
    heard.order("clear")
    heard.wait_text("mark", name="long", played=False)
    pbx.wait_heard(0.7)
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, BOT_HERTZ)
    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    heard.wait_text("stop", reason="call_ended")
    wait_until(lambda: heard.code == 1_000, 5, "the closing handshake")
    assert heard.sizes <= {640} | set(range(4, 640, 4)), "20 ms a message, but for the last"
    record, = edge.wait_records(1)
    for quality in record["quality"]:
        assert_none_lost(quality)
    edge.wait_metric("tandem_voice_socket_calls", 0)
    assert edge.metric("tandem_voice_socket_messages_total", outcome="dropped") == 0
    edge.wait_idle()


def test_a_bot_that_refuses_or_dies_is_none_of_the_calls_business(stage, bot, tmp_path):
    authority = tls.Authority(tmp_path)
    pair = authority.issue("bot.test", f"IP:{places.EDGE}")
    secure = Bot(context=tls.server_context(pair))
    try:
        streamed(stage, secure)
        stage.configuration.node_streaming = {"tls_ca": str(authority.certificate)}
        edge, pbx, carrier = talk(stage)
        heard = secure.wait_call()
        assert_bot_hears(heard)
        heard.die()
        again = secure.wait_call(2)
        assert again.start["reconnects"] == 1
        assert_bot_hears(again)
    finally:
        secure.stop()
    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    edge.wait_idle()
    # Another token than it wants.
    streamed(stage, bot, token="open-oats")
    edge.stop()
    edge = stage.start_edge()
    pbx.do("call", uri=f"sip:{places.US_NUMBER}@{places.EDGE}:{edge_port(stage)}")
    carrier.wait("state", state="CONFIRMED")
    edge.wait_metric("tandem_voice_socket_connections_total", 1, outcome="given_up")
    assert bot.refused == 1, "it is not asked again"
    assert edge.said("it answered 401 Unauthorized; check `token`")
    assert_hears(*pbx.wait_heard(LISTEN), CARRIER_HERTZ, PBX_HERTZ)
    pbx.do("hangup")
    carrier.wait("state", state="DISCONNECTED")
    edge.wait_idle()
