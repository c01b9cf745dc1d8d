#!/usr/bin/env python3
"""Writes the Grafana dashboards of this directory: what a panel asks stands here, once.

    python3 configs/dashboards/make.py

Import the JSON files into Grafana 10 or later; it asks for the Prometheus data source.
tests/interop/test_dashboards.py evaluates every query against a node with calls.
"""

import json
from pathlib import Path

_NODE = 'instance=~"$node"'
_CONNECTOR = f'{_NODE}, voice_connector=~"$connector"'
_CARRIER = f'{_NODE}, carrier=~"$carrier"'
_TARGET = f'{_NODE}, target=~"$carrier"'


def rate(metric, labels=_NODE, by=""):
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def total(metric, labels=_NODE, by=""):
    return f"sum by ({by}) ({metric}{{{labels}}})"


def ratio(part, whole):
    """A share, 0 where nothing of the part has happened yet; empty where nothing of the whole has."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def quantile(q, metric, by, labels=_NODE):
    buckets = rate(f"{metric}_bucket", labels, f"le, {by}")
    return f"histogram_quantile({q}, {buckets})"


def share_below(bound, metric, by):
    """The share of values up to a bound of the histogram's buckets."""
    low = rate(f"{metric}_bucket", f'{_NODE}, le="{bound}"', by)
    return ratio(low, rate(f"{metric}_count", by=by))


def graph(title, unit, targets, note, width=12, stacked=False, smallest=0, largest=None, limits=None):
    """Values over time; `targets` are (query, legend), `limits` are drawn as lines: see `figure`."""
    custom = {"drawStyle": "line", "fillOpacity": 10, "showPoints": "never",
              "stacking": {"mode": "normal" if stacked else "none"}}
    defaults = {"unit": unit, "custom": custom}
    if smallest is not None:
        defaults["min"] = smallest
    if largest is not None:
        defaults["max"] = largest
    # Without limits there are no colours: Grafana's own default paints all beyond 80 red.
    steps = limits or [(None, "green")]
    defaults["thresholds"] = {"mode": "absolute",
                              "steps": [{"color": colour, "value": at} for at, colour in steps]}
    custom["thresholdsStyle"] = {"mode": "dashed" if limits else "off"}
    return {"type": "timeseries", "title": title, "description": note, "targets": targets,
            "fieldConfig": {"defaults": defaults, "overrides": []}, "size": (width, 8),
            "options": {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                        "tooltip": {"mode": "multi", "sort": "desc"}}}


def figure(title, unit, query, note, steps=(), width=4):
    """One number; `steps` are (from, colour), the first from the beginning."""
    steps = [{"color": colour, "value": at} for at, colour in steps or [(None, "blue")]]
    defaults = {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}
    return {"type": "stat", "title": title, "description": note, "targets": [(query, "")],
            "fieldConfig": {"defaults": defaults, "overrides": []}, "size": (width, 4),
            "options": {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                        "colorMode": "value", "graphMode": "area", "textMode": "auto"}}


_GOOD_HIGH = lambda low, high: [(None, "red"), (low, "yellow"), (high, "green")]
_GOOD_LOW = lambda low, high: [(None, "green"), (low, "yellow"), (high, "red")]

OVERVIEW = [
    figure("Calls now", "none", total("tandem_calls_active"), "Calls that have begun and not ended."),
    figure("Attempts", "cps", rate("tandem_call_attempts_total"), "New calls a second."),
    figure("Answered", "percentunit",
           ratio(rate("tandem_calls_answered_total"), rate("tandem_call_attempts_total")),
           "Answered calls per attempt (ASR). Busy and unanswered calls lower it, too: compare it "
           "with the same hour of last week.", _GOOD_HIGH(0.3, 0.5)),
    figure("Failed", "percentunit",
           ratio(rate("tandem_call_failures_total"), rate("tandem_call_attempts_total")),
           "Calls without an answer that the caller did not give up. `tandem calls --since 1h "
           "--status failed` lists them.", _GOOD_LOW(0.3, 0.5)),
    figure("Mean MOS", "short",
           f'{rate("tandem_mos_sum")} / ({rate("tandem_mos_count")} > 0)',
           "Estimated mean opinion score of all intervals, 1.0 to 4.5.", _GOOD_HIGH(3.6, 4.0)),
    figure("Nodes that answer", "none", 'sum(up{job="tandem", instance=~"$node"})',
           "Nodes whose page Prometheus could read."),
    graph("Calls by direction", "none",
          [(total("tandem_calls_active", by="direction"), "{{direction}}")],
          "Outbound: from customers to carriers.", stacked=True),
    graph("Attempts, answers, failures", "cps",
          [(rate("tandem_call_attempts_total"), "attempts"),
           (rate("tandem_calls_answered_total"), "answered"),
           (rate("tandem_call_failures_total"), "failed")], "Calls a second."),
    graph("Time to ring or answer", "s",
          [(quantile(0.5, "tandem_call_setup_seconds", "direction"), "{{direction}} median"),
           (quantile(0.95, "tandem_call_setup_seconds", "direction"), "{{direction}} 95 %")],
          "From the attempt to the first ringing or answer (post-dial delay). From 4 s on callers doubt "
          "that it goes through.", limits=_GOOD_LOW(4, 10)),
    graph("Refused by policy", "cps", [(f'{rate("tandem_refusals_total", by="reason")} > 0', "{{reason}}")],
          "Calls and requests that a rule of yours refused; docs/hostile-input.md tells the rules."),
    graph("Calls by voice connector", "none",
          [(f'topk(10, {total("tandem_calls_active", by="voice_connector")})', "{{voice_connector}}")],
          "The ten with the most calls."),
    graph("Carriers and routes that are down", "none",
          [(f"1 - tandem_target_up{{{_NODE}}} > 0", "{{target}}")],
          "By OPTIONS pings. `tandem health` tells since when and why."),
]

CONNECTOR = [
    figure("Calls now", "none", total("tandem_calls_active", _CONNECTOR), "Calls under way.", width=6),
    figure("Attempts", "cps", rate("tandem_call_attempts_total", _CONNECTOR), "New calls a second.",
           width=6),
    figure("Answered", "percentunit",
           ratio(rate("tandem_calls_answered_total", _CONNECTOR),
                 rate("tandem_call_attempts_total", _CONNECTOR)),
           "Answered calls per attempt.", _GOOD_HIGH(0.3, 0.5), width=6),
    figure("Lost packets", "percentunit",
           ratio(rate("tandem_rtp_lost_packets_total", _CONNECTOR),
                 rate("tandem_rtp_packets_total", _CONNECTOR)),
           "On all four paths together.", _GOOD_LOW(0.005, 0.02), width=6),
    graph("Calls by direction", "none",
          [(total("tandem_calls_active", _CONNECTOR, "direction"), "{{direction}}")],
          "Against the connector's concurrent call limit.", stacked=True),
    graph("Attempts and answers", "cps",
          [(rate("tandem_call_attempts_total", _CONNECTOR, "direction"), "{{direction}} attempts"),
           (rate("tandem_calls_answered_total", _CONNECTOR, "direction"), "{{direction}} answered")],
          "Calls a second."),
    graph("Failures", "cps",
          [(rate("tandem_call_failures_total", _CONNECTOR, "direction"), "{{direction}}")],
          "`tandem calls --since 1h --status failed --connector ID` lists them, and `tandem report "
          "TRANSACTION_ID` says why."),
    graph("Throttled", "cps", [(rate("tandem_throttles_total", _CONNECTOR), "throttled")],
          "Calls over the connector's cps_limit or concurrent_calls_limit."),
    graph("Lost packets by path", "percentunit",
          [(ratio(rate("tandem_rtp_lost_packets_total", _CONNECTOR, "path"),
                  rate("tandem_rtp_packets_total", _CONNECTOR, "path")), "{{path}}")],
          "cust2vc and rem2vc: lost on the way to us. vc2cust and vc2rem: lost on the way from us, as "
          "the peer reports.", limits=_GOOD_LOW(0.01, 0.05)),
    graph("Audio by path", "bps",
          [(f'8 * {rate("tandem_rtp_bytes_total", _CONNECTOR, "path")}', "{{path}}")],
          "RTP, header and payload. A path at 0 beside others that are not is one-way audio."),
    graph("Legs that nobody hears now", "none",
          [(total("tandem_unheard_legs", _CONNECTOR, "side"), "{{side}}")],
          "Calls under way in which that side sends packets, and nothing in them but silence, for "
          "media.unheard_after of the connector; empty where that is off. The log names each call.",
          stacked=True),
    graph("New legs that nobody hears", "cps",
          [(rate("tandem_unheard_legs_total", _CONNECTOR, "side"), "{{side}}")],
          "Some people are muted or only listen. More than usual is one-way audio: a firewall, or a "
          "gateway that has lost its far end."),
]

CARRIER = [
    figure("Sent to it", "cps", rate("tandem_carrier_calls_total", f'{_CARRIER}, direction="outbound"'),
           "Calls a second, each carrier of a hunt counts.", width=6),
    figure("Came from it", "cps", rate("tandem_carrier_calls_total", f'{_CARRIER}, direction="inbound"'),
           "Calls a second.", width=6),
    figure("Connected", "percentunit",
           ratio(rate("tandem_carrier_answered_total", f'{_CARRIER}, direction="outbound"'),
                 rate("tandem_carrier_calls_total", f'{_CARRIER}, direction="outbound"')),
           "Answered calls per call that was sent to it.", _GOOD_HIGH(0.3, 0.5), width=6),
    figure("Alive", "none", f"min(tandem_target_up{{{_TARGET}}})",
           "By OPTIONS pings, 1 or 0; empty when options_ping is not set.", _GOOD_HIGH(0.5, 1), width=6),
    graph("Calls and answers", "cps",
          [(rate("tandem_carrier_calls_total", _CARRIER, "carrier, direction"), "{{carrier}} {{direction}}"),
           (rate("tandem_carrier_answered_total", _CARRIER, "carrier, direction"),
            "{{carrier}} {{direction}} answered")], "Calls a second."),
    graph("Failures by class", "cps",
          [(rate("tandem_carrier_failures_total", _CARRIER, "carrier, class"), "{{carrier}} {{class}}")],
          "4xx is often busy or no such number. 5xx and none (no final response) are the carrier's own. "
          "`tandem calls --since 1h --carrier ID --status failed` lists them.", stacked=True),
    graph("Connected", "percentunit",
          [(ratio(rate("tandem_carrier_answered_total", f'{_CARRIER}, direction="outbound"', "carrier"),
                  rate("tandem_carrier_calls_total", f'{_CARRIER}, direction="outbound"', "carrier")),
            "{{carrier}}")], "Answered calls per call that was sent to it: compare carriers."),
    graph("Registered", "none", [(f"tandem_carrier_registered{{{_CARRIER}}}", "{{carrier}} {{instance}}")],
          "1 or 0, of carriers that Tandem registers at."),
    graph("Alive", "none", [(f"tandem_target_up{{{_TARGET}}}", "{{target}} {{instance}}")],
          "By OPTIONS pings, 1 or 0."),
    graph("Routes passed over", "cps", [(rate("tandem_routes_skipped_total", by="reason"), "{{reason}}")],
          "Of all carriers: down by pings, avoided after a failure, full, or over their rate."),
    graph("Legs that nobody hears now", "none",
          [(total("tandem_carrier_unheard_legs", _CARRIER, "carrier, side"), "{{carrier}} {{side}}")],
          "Calls under way in which a side sends packets, and nothing in them but silence: remote is the "
          "carrier's side, customer the other. Empty where media.unheard_after is off."),
    graph("New legs that nobody hears", "cps",
          [(rate("tandem_carrier_unheard_legs_total", _CARRIER, "carrier, side"), "{{carrier}} {{side}}")],
          "More of side remote than other carriers have is one-way audio of this one: show it the calls, "
          "which the log names."),
]

QUALITY = [
    graph("MOS", "short",
          [(quantile(0.5, "tandem_mos", "side"), "{{side}} median"),
           (quantile(0.05, "tandem_mos", "side"), "{{side}} worst 5 %")],
          "Estimated mean opinion score of an interval. Above 4 nobody complains, below 3.6 many do.",
          smallest=1, largest=4.5, limits=_GOOD_HIGH(3.1, 3.6)),
    graph("Intervals with MOS up to 3.6", "percentunit",
          [(share_below("3.6", "tandem_mos", "side"), "{{side}}")],
          "`tandem calls --since 1h --mos-below 3.6` lists the calls, `tandem report TRANSACTION_ID` "
          "says what was wrong."),
    graph("Lost packets", "percentunit",
          [(ratio(rate("tandem_rtp_lost_packets_total", by="path"),
                  rate("tandem_rtp_packets_total", by="path")), "{{path}}")],
          "cust2vc and rem2vc are measured here, vc2cust and vc2rem are what the peers report. From "
          "1 % on one hears it.", limits=_GOOD_LOW(0.01, 0.05)),
    graph("Jitter", "s",
          [(quantile(0.5, "tandem_jitter_seconds", "side"), "{{side}} median"),
           (quantile(0.95, "tandem_jitter_seconds", "side"), "{{side}} 95 %")],
          "Largest interarrival jitter of an interval, of what came from the side. Usual buffers hold "
          "30 to 60 ms.", limits=_GOOD_LOW(0.03, 0.08)),
    graph("Round trip", "s",
          [(quantile(0.5, "tandem_round_trip_seconds", "side"), "{{side}} median"),
           (quantile(0.95, "tandem_round_trip_seconds", "side"), "{{side}} 95 %")],
          "Between Tandem and the side, by RTCP; empty without RTCP. Above 300 ms people talk over each "
          "other.", limits=_GOOD_LOW(0.3, 0.8)),
    graph("Packets by path", "pps", [(rate("tandem_rtp_packets_total", by="path"), "{{path}}")],
          "RTP packets."),
    graph("Dropped by the relay", "pps",
          [(f'{rate("tandem_relay_dropped_packets_total", by="reason")} > 0', "{{reason}}")],
          "wrong_source: somebody sends to a port of a call who is not its peer."),
    graph("Transcoded streams", "none", [(total("tandem_relay_transcoded_streams"), "streams")],
          "They take processor time, and some quality."),
    graph("Legs that nobody hears now", "none", [(total("tandem_unheard_legs", by="side"), "{{side}}")],
          "Calls under way in which that side sends packets, and nothing in them but silence, for "
          "media.unheard_after; empty where that is off. The log names each call.", stacked=True),
    graph("Legs that nobody hears by voice connector", "none",
          [(f'topk(10, {total("tandem_unheard_legs", by="voice_connector, side")})',
            "{{voice_connector}} {{side}}")],
          "One connector's customer alone is that customer's firewall or system; all of them is ours, or "
          "a carrier's."),
]

EDGE = [
    figure("Up for", "s", f"time() - max(process_start_time_seconds{{{_NODE}}})",
           "Of the youngest process.", width=4),
    figure("Memory", "bytes", total("process_resident_memory_bytes"), "Of all processes.", width=4),
    figure("Open files", "percentunit",
           f"max(process_open_fds{{{_NODE}}} / process_max_fds{{{_NODE}}})",
           "Of RLIMIT_NOFILE; at 1 calls are refused.", _GOOD_LOW(0.5, 0.8), width=4),
    figure("Free media ports", "percentunit",
           f'min({total("tandem_relay_ports", _NODE + ", state=" + chr(34) + "free" + chr(34), "instance")}'
           f' / {total("tandem_relay_ports", by="instance")})',
           "Of the relay with the fewest.", _GOOD_HIGH(0.1, 0.3), width=4),
    figure("First certificate ends in", "s", f"min(tandem_tls_certificate_left_seconds{{{_NODE}}})",
           "TLS certificates of ours.", _GOOD_HIGH(604_800, 2_592_000), width=4),
    figure("Records waiting", "none", total("tandem_sink_queued_records"),
           "Records that wait to be written.", _GOOD_LOW(1_000, 10_000), width=4),
    graph("Busy threads", "percentunit",
          [(rate("tandem_thread_cpu_seconds_total", by="instance, thread"), "{{thread}} {{instance}}")],
          "sip-0 carries all signalling of a node: at 100 % it can do no more.",
          limits=_GOOD_LOW(0.7, 0.9)),
    graph("Processor time", "percentunit",
          [(rate("process_cpu_seconds_total", by="instance"), "{{instance}}")],
          "100 % is one processor."),
    graph("SIP requests", "reqps",
          [(rate("tandem_sip_requests_total", by="method, direction"), "{{method}} {{direction}}")],
          "On the wire."),
    graph("SIP responses", "reqps",
          [(rate("tandem_sip_responses_total", by="class, direction"), "{{class}} {{direction}}")],
          "On the wire."),
    graph("Transactions and connections", "none",
          [(total("tandem_sip_transactions", by="side"), "{{side}} transactions"),
           (total("tandem_sip_connections"), "connections")], "Live ones."),
    graph("Turned away", "cps",
          [(rate("tandem_sip_overload_refusals_total", by="reason"), "overload: {{reason}}"),
           (f'{rate("tandem_sip_dropped_total", by="reason")} > 0', "dropped: {{reason}}")],
          "Requests that got 503, and messages that no call saw."),
    graph("Passwords asked for", "cps",
          [(rate("tandem_sip_authentication_total", by="outcome"), "{{outcome}}")],
          "wrong and blocked tell of guessing."),
    graph("Media streams and ports", "none",
          [(total("tandem_relay_streams"), "streams"),
           (total("tandem_relay_ports", by="state"), "{{state}} ports")], "Of the media relay."),
    graph("Relays", "none",
          [(f"tandem_relay_link_up{{{_NODE}}}", "{{relay}} at {{instance}}")],
          "1 while the connection between an edge and a relay of their own is up."),
    graph("Applications", "reqps",
          [(rate("tandem_application_requests_total", by="application, outcome"),
            "{{application}} {{outcome}}")],
          "Requests to SIP media applications. timeout and failed are asked once more; then the call fails.",
          width=6),
    graph("Applications' answers", "s",
          [(quantile(0.95, "tandem_application_request_seconds", "application"),
            "{{application}} 95 %")],
          "How long applications take: their callers hear nothing meanwhile.", width=6),
    graph("Outbox", "s", [(f"tandem_outbox_oldest_seconds{{{_NODE}}}", "{{destination}} {{instance}}")],
          "Age of the oldest record that a service has not taken."),
    graph("Records lost", "cps",
          [(rate("tandem_recorder_dropped_total", by="what"), "recorder: {{what}}"),
           (rate("tandem_sink_records_total", f'{_NODE}, outcome=~"dropped|failed"', "outcome"),
            "files: {{outcome}}")], "Anything here is lost for good; see the log."),
]

DASHBOARDS = {
    "overview": ("Overview", OVERVIEW, []),
    "connector": ("One voice connector", CONNECTOR,
                  [("connector", "Voice connector", "tandem_call_attempts_total", "voice_connector")]),
    "carrier": ("One carrier", CARRIER,
                [("carrier", "Carrier", "tandem_carrier_calls_total", "carrier")]),
    "quality": ("Quality", QUALITY, []),
    "edge": ("The edge itself", EDGE, []),
}

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _variable(name, label, metric, key, everything):
    query = f"label_values({metric}, {key})"
    variable = {"name": name, "label": label, "type": "query", "datasource": _SOURCE,
                "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "hide": 0,
                "multi": everything, "includeAll": everything}
    if everything:
        variable |= {"allValue": ".*", "current": {"text": "All", "value": "$__all"}}
    return variable


def _panel(number, panel, place):
    width, height = panel["size"]
    targets = [{"refId": chr(ord("A") + at), "datasource": _SOURCE, "expr": query,
                "legendFormat": legend, "editorMode": "code", "range": True}
               for at, (query, legend) in enumerate(panel["targets"])]
    kept = {key: value for key, value in panel.items() if key != "size"}
    return kept | {"id": number, "datasource": _SOURCE, "targets": targets,
                   "gridPos": {"x": place[0], "y": place[1], "w": width, "h": height}}


def dashboard(name):
    """A dashboard as Grafana's JSON model."""
    title, panels, variables = DASHBOARDS[name]
    placed, x, y, row = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        width, height = panel["size"]
        if x + width > 24 or (row and height != row):
            x, y = 0, y + row
        placed.append(_panel(number, panel, (x, y)))
        x, row = x + width, height
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
              "refresh": 1, "hide": 0, "includeAll": False, "multi": False}
    listed = [source, _variable("node", "Node", "tandem_build_info", "instance", True)]
    listed += [_variable(*variable, False) for variable in variables]
    link = {"title": "Tandem", "type": "dashboards", "tags": ["tandem"], "asDropdown": True,
            "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "", "tooltip": "",
            "url": ""}
    return {"uid": f"tandem-{name}", "title": f"Tandem: {title}", "tags": ["tandem"],
            "schemaVersion": 38, "version": 1, "editable": True, "timezone": "browser",
            "graphTooltip": 1, "refresh": "30s", "time": {"from": "now-3h", "to": "now"},
            "templating": {"list": listed}, "annotations": {"list": []}, "links": [link],
            "panels": placed}


def text(name):
    """The file of a dashboard."""
    return json.dumps(dashboard(name), indent=1) + "\n"


if __name__ == "__main__":
    for each in DASHBOARDS:
        Path(__file__).with_name(f"{each}.json").write_text(text(each))
