"""Dashboards and alerts, against a real Prometheus that reads an edge with live calls."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from harness import places, sipp
from harness.configuration import CONNECTOR, carrier
from harness.edge import BINARY
from harness.message import sdp
from harness.prometheus import Prometheus
from harness.sip import OutgoingCall
from harness.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "configs/dashboards"
RULES = FOLDER / "alerts.yml"
NAMES = ["overview", "connector", "carrier", "quality", "edge"]

# Where nobody serves.
DEAD = "127.0.0.5"

# What the calls of this test do not bring: they use no RTCP, TLS, registration, relay, application or service, and each
# side of them is heard.
ABSENT = {
    "tandem_round_trip_seconds", "tandem_tls_certificate_left_seconds", "tandem_carrier_registered",
    "tandem_stir_certificate_left_seconds", "tandem_relay_link_up", "tandem_throttles_total",
    "tandem_recorder_dropped_total", "tandem_outbox_oldest_seconds",
    "tandem_application_requests_total", "tandem_application_request_seconds",
    "tandem_application_failures_total",
    "tandem_unheard_legs", "tandem_unheard_legs_total",
    "tandem_carrier_unheard_legs", "tandem_carrier_unheard_legs_total",
}
# Labels that Prometheus adds.
ADDED = {"instance", "job", "le"}
UNITS = {"none", "short", "cps", "reqps", "pps", "bps", "s", "percentunit", "bytes"}


def board(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def queries(name):
    """(panel, query) of a dashboard."""
    return [(f"{name}: {panel['title']}", target["expr"])
            for panel in board(name)["panels"] for target in panel["targets"]]


def documented():
    """{name: labels} of docs/metrics.md; a histogram's series have names of their own."""
    found = {}
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|[^|]*\|([^|]*)\|", (ROOT / "docs/metrics.md").read_text(),
                      re.M)
    for name, kind, labels in rows:
        series = ["_bucket", "_sum", "_count"] if kind == "histogram" else [""]
        found |= {name + each: set(re.findall(r"`(\w+)`", labels)) for each in series}
    return found


def selectors(query):
    """(metric, its labels) of a query."""
    for name, labels in re.findall(r"\b((?:tandem|process)_\w+)(?:\{([^}]*)\})?", query):
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))


def as_asked(query, **variables):
    """A query as Grafana sends it."""
    values = {"node": ".*", "connector": CONNECTOR, "carrier": "good", "__rate_interval": "10s"}
    for name, value in (values | variables).items():
        query = query.replace(f"${name}", value)
    assert "$" not in query, query
    return query


def may_be_empty(query):
    """Queries that show only what is wrong, and those of metrics that this test does not bring."""
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in selectors(query)}
    return query.endswith("> 0") or bool(names & ABSENT)


@pytest.fixture
def calls(stage):
    """An edge with calls that last; a carrier that is dead, one that answers pings, one that answers."""
    good = stage.uas(places.CARRIER, calls=10_000, hertz=1_000)
    pinged = stage._keep(sipp.Sipp("options", stage.directory, places.SECOND_CARRIER, calls=10_000))
    stage.configuration.carriers = [
        carrier("dead", DEAD, places.free_port(DEAD), priority=1),
        carrier("good", port=good.port, priority=2),
        carrier("pinged", places.SECOND_CARRIER, pinged.port, prefixes=["+999"], options_ping="1s"),
    ]
    # The callers are stopped in the middle of their calls.
    stage.configuration.drain["timeout"] = "1s"
    edge = stage.start_edge()
    stage.uac(places.PBX, places.US_NUMBER, rate=3, calls=400, talk_ms=8_000)
    # Nobody serves the customer's address: the inbound call fails.
    caller = stage.peer(places.CARRIER)
    failed = OutgoingCall(caller, edge, places.NUMBER, sdp(places.CARRIER, 40_000)).final()
    assert failed.status >= 500, failed.status
    return edge


def test_every_query_has_data_of_live_calls(stage, calls):
    prometheus = stage._keep(Prometheus(stage.directory, calls, RULES))
    wait_until(lambda: calls.metric("tandem_mos_count") > 5
               and calls.metric("tandem_call_duration_seconds_count") > 3, 40, "calls that are over")
    asked = [each for name in NAMES for each in queries(name)]
    empty = lambda: [(panel, query) for panel, query in asked if not may_be_empty(query)
                     and not prometheus.query(as_asked(query, carrier=".*"))]
    wait_until(lambda: not empty(), 30, lambda: f"data everywhere; none in {empty()}")
    for _, query in asked:
        prometheus.query(as_asked(query))
    value = lambda query: float(prometheus.query(query)[0]["value"][1])
    assert value("sum(tandem_calls_active)") > 3
    assert value('tandem_target_up{target="pinged"}') == 1
    assert value('tandem_carrier_failures_total{carrier="dead"}') >= 1
    assert value('rate(tandem_thread_cpu_seconds_total{thread="sip-0"}[10s])') < 1
    assert value("time() - process_start_time_seconds") < 300
    for metric, key in [("tandem_build_info", "instance"), ("tandem_carrier_calls_total", "carrier"),
                        ("tandem_call_attempts_total", "voice_connector")]:
        assert prometheus.get(f"label/{key}/values", **{"match[]": metric}), (metric, key)
    rules = prometheus.rules()
    assert len(rules) > 15
    wait_until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), 20,
               lambda: [(rule["name"], rule.get("lastError")) for rule in prometheus.rules()])
    firing = [rule["name"] for rule in prometheus.rules() if rule["state"] == "firing"]
    assert firing == [], "nothing is wrong that lasts"


def test_queries_name_what_the_page_has():
    known = documented()
    asked = [each for name in NAMES for each in queries(name)]
    asked += [("alerts", query) for query in re.findall(
        r"^        expr: (.+(?:\n {10}.+)*)", RULES.read_text(), re.M)]
    assert len(asked) > 60
    for panel, query in asked:
        for name, labels in selectors(query):
            assert name in known, f"{panel}: no metric {name}"
            assert labels <= known[name] | ADDED, f"{panel}: {name} has no {labels - known[name]}"
    assert ABSENT <= {re.sub("_(bucket|sum|count)$", "", name) for name in known}


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_what_grafana_reads(name):
    """Its own description of a dashboard (schema of Grafana 10) takes every field and loses none."""
    spec = importlib.util.spec_from_file_location("make", FOLDER / "make.py")
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    assert (FOLDER / f"{name}.json").read_text() == make.text(name), "run configs/dashboards/make.py"
    told = board(name)
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(told)))
    assert lost(told, again) == []
    ids, places_taken = set(), set()
    for panel in told["panels"]:
        ids.add(panel["id"])
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places_taken, f"{panel['title']} covers another panel"
        places_taken |= cells
        assert panel["type"] in ("timeseries", "stat") and panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert len(ids) == len(told["panels"])


# Where a panel has a number from which on it is bad, the panel shows it.
JUDGED = {"MOS", "Mean MOS", "Lost packets", "Lost packets by path", "Jitter", "Round trip", "Failed",
          "Answered", "Connected", "Free media ports", "Open files", "First certificate ends in",
          "Records waiting", "Busy threads", "Time to ring or answer"}


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_tells_what_it_shows(name):
    """Unit, legend, description and thresholds of each."""
    for panel in board(name)["panels"]:
        told = f"{name}: {panel['title']}"
        defaults, options = panel["fieldConfig"]["defaults"], panel["options"]
        assert re.fullmatch(r"[A-Z`a-z0-9].{5,}\.", panel["description"], re.S), told
        steps = defaults["thresholds"]["steps"]
        values = [step["value"] for step in steps]
        assert values[0] is None and values[1:] == sorted(values[1:]), told
        judged = panel["title"] in JUDGED and not (name == "carrier" and panel["type"] == "timeseries")
        assert (len(steps) == 3) == judged or panel["title"] == "Alive", (told, steps)
        if panel["type"] == "stat":
            assert options["reduceOptions"]["calcs"] == ["lastNotNull"] and len(panel["targets"]) == 1
            continue
        drawn = defaults["custom"]["thresholdsStyle"]["mode"]
        assert drawn == ("dashed" if judged else "off"), told
        assert options["legend"]["showLegend"] and defaults["min"] is not None, told
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert all(legends) and len(set(legends)) == len(legends), told
        for target in panel["targets"]:
            check_legend(told, target["expr"], target["legendFormat"])


def check_legend(panel, query, legend):
    """It names every label that the query keeps, so that no two lines have one name."""
    kept = [set(re.findall(r"\w+", labels)) for labels in re.findall(r" by \(([^)]*)\)", query)]
    shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
    if kept:
        labels = set.intersection(*kept) - {"le"}
        assert shown == labels, f"{panel}: {legend} of {labels}"
    else:
        own = set.union(*(documented()[name] for name, _ in selectors(query))) | {"instance"}
        assert shown and shown <= own, f"{panel}: {legend} of {own}"


def lost(told, again, path=""):
    """Paths of `told` that `again` does not have, or has otherwise."""
    if isinstance(told, dict):
        if not isinstance(again, dict):
            return [path]
        return [each for key, value in told.items()
                for each in lost(value, again.get(key), f"{path}.{key}")]
    if isinstance(told, list):
        if not isinstance(again, list) or len(told) != len(again):
            return [path]
        return [each for at, pair in enumerate(zip(told, again)) for each in lost(*pair, f"{path}[{at}]")]
    return [] if told == again or (told in (None, False, "") and not again) else [f"{path}: {again}"]


@pytest.mark.parametrize("command", [["check", "rules", "alerts.yml"],
                                     ["test", "rules", "alerts_test.yml"]])
def test_alerts_fire_when_they_must(command):
    done = subprocess.run(["promtool", *command], cwd=FOLDER, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_commands_that_alerts_and_panels_name_exist():
    texts = RULES.read_text() + "".join((FOLDER / f"{name}.json").read_text() for name in NAMES)
    commands = set(re.findall(r"`tandem ([^`]+)`", texts))
    assert len(commands) > 5
    for command in commands:
        verb, *options = command.split()
        shown = subprocess.run([BINARY, verb, "--help"], capture_output=True, text=True, timeout=30)
        assert shown.returncode == 0, command
        for option in options:
            assert not option.startswith("--") or option in shown.stdout, command


def test_a_relay_that_is_gone_is_seen(stage, halves):
    edge = halves.start_both()
    prometheus = stage._keep(Prometheus(stage.directory, edge, RULES))
    query, = [query for panel, query in queries("edge") if panel == "edge: Relays"]
    link = lambda: [sample["value"][1] for sample in prometheus.query(as_asked(query))]
    wait_until(lambda: link() == ["1"], 10, lambda: f"the link is up: {link()}")
    halves.relay.kill()
    wait_until(lambda: link() == ["0"], 10, lambda: f"the link is down: {link()}")
    state = lambda: [rule["state"] for rule in prometheus.rules()
                     if rule["name"] == "TandemRelayUnconnected"]
    # It fires when this lasts.
    wait_until(lambda: state() == ["pending"], 10, state)


def test_legs_that_nobody_hears_are_seen(stage):
    """Packets of silence from the carrier; who is muted or listens only raises no alert."""
    stage.configuration.connector["media"] = {"unheard_after": "10s"}
    gateway = stage.carrier_peer()
    edge = stage.start_edge()
    near, far = stage.rtp(places.PBX, 440), stage.rtp(places.CARRIER, 0)
    call, invite = stage.established(stage.peer(places.PBX), gateway, rtp=near, carrier_rtp=far)
    near.start(call.answer.media())
    far.start(invite.media())
    prometheus = stage._keep(Prometheus(stage.directory, edge, RULES))
    asked = [(panel, query) for name in NAMES for panel, query in queries(name) if "unheard" in query]
    assert len(asked) == 6
    named = edge.configuration.carriers[0]["id"]
    now = lambda: {panel: [(sample["metric"].get("side"), sample["value"][1]) for sample
                           in prometheus.query(as_asked(query, carrier=named))]
                   for panel, query in asked if "_total" not in query}
    wait_until(lambda: set(map(tuple, now().values())) == {(("remote", "1"),)}, 30, now)
    share = "sum(tandem_unheard_legs) / sum(tandem_calls_active)"
    assert prometheus.query(share)[0]["value"][1] == "1"
    # The counter's first value is only a beginning; a second such call would be an increase.
    for _, query in asked:
        prometheus.query(as_asked(query, carrier=named))
    states = {rule["name"]: (rule["health"], rule["state"]) for rule in prometheus.rules()}
    for name in ("TandemOneWayAudio", "TandemCarrierOneWayAudio"):
        assert states[name] == ("ok", "inactive"), "one leg is nobody's fault yet"
    stage.hang_up(call, gateway)
    edge.wait_records(1)
    wait_until(lambda: {value for samples in now().values() for _, value in samples} == {"0"}, 10, now)
