"""The configuration file that a test's edge runs on."""

from . import places

CONNECTOR = "abcdef1ghij2klmno3pqr4"
DOMAIN = "tandem.test"
CONNECTOR_HOST = f"{CONNECTOR}.voiceconnector.{DOMAIN}"


def carrier(id="pstn-1", host=places.CARRIER, port=5080, **more):
    """One [[carrier]] table."""
    return {"id": id, "host": host, "port": port, "prefixes": ["+"],
            "inbound_cidrs": [f"{host}/32"], **more}


class Configuration:
    """Fields that tests change; `text` is the file."""

    def __init__(self, data_dir):
        self.data_dir = data_dir
        self.name = "edge-t"
        self.host = places.EDGE
        self.sip_port = places.free_port(places.EDGE)
        self.prometheus_port = places.free_port(places.EDGE)
        self.sip = {}
        self.media = {"report_interval": "1s", "quarantine": "100ms"}
        self.limits = {}
        self.drain = {"timeout": "20s"}
        self.health = {}
        self.relay_control = None
        self.api = None
        # Further tables, as text.
        self.more = []
        self.stir = {}
        self.hep = {}
        self.traces = {}
        self.privacy = {}
        self.recordings = {}
        self.node_streaming = {}
        self.sinks = {"kind": "file"}
        self.logging = {"sip_messages": True, "media_metrics": True}
        self.carriers = [carrier()]
        self.numbers = [places.NUMBER]
        self.termination = {
            "cidr_allowed_list": [f"{places.PBX}/32", f"{places.BARESIP}/32"],
            "cps_limit": 2000,
            "calling_regions": ["US", "JP"],
        }
        self.connector = {}
        self.registration = None
        self.streaming = {}
        self.siprec_client = {}
        self.origination = [{"host": places.PBX, "port": 5070, "protocol": "udp"}]

    def text(self):
        listen = places.authority(self.host, self.sip_port)
        first, last = places.MEDIA_PORTS
        parts = [
            _table("[node]", name=self.name, region="us-east-1", account_id="111122223333",
                   data_dir=str(self.data_dir)),
            _table("[sip]", domain=DOMAIN, udp=[listen], tcp=[listen], **self.sip),
            _table("[media]", bind=self.host, ports=f"{first}-{last}", **self.media),
            _table("[prometheus]", listen=f"{places.EDGE}:{self.prometheus_port}"),
            _table("[sinks]", **self.sinks),
            _table("[limits]", **self.limits),
            _table("[drain]", **self.drain),
            _table("[health]", **self.health),
            _table("[stir]", **self.stir),
        ]
        if self.hep:
            parts.append(_table("[hep]", **self.hep))
        if self.traces:
            parts.append(_table("[traces]", **self.traces))
        if self.privacy:
            parts.append(_table("[privacy]", **self.privacy))
        if self.recordings:
            parts.append(_table("[recordings]", **self.recordings))
        if self.node_streaming:
            parts.append(_table("[streaming]", **self.node_streaming))
        if self.api is not None:
            parts.append(_table("[api]", **self.api))
        if self.relay_control is not None:
            parts.append(_table("[relay_control]", **self.relay_control))
        parts += [_table("[[carrier]]", **each) for each in self.carriers]
        parts.append(_table("[[voice_connector]]", id=CONNECTOR, name="test", numbers=self.numbers,
                            **self.connector))
        parts.append(_table("[voice_connector.termination]", **self.termination))
        if self.registration is not None:
            parts.append(_table("[voice_connector.registration]", **self.registration))
        parts += [_table("[[voice_connector.origination]]", **each) for each in self.origination]
        parts.append(_table("[voice_connector.logging]", **self.logging))
        if self.streaming:
            parts.append(_table("[voice_connector.streaming]", **self.streaming))
        if self.siprec_client:
            parts.append(_table("[voice_connector.siprec_client]", **self.siprec_client))
        return "\n".join(parts + self.more)


def _table(heading, **fields):
    lines = [heading] + [f"{key} = {_value(value)}" for key, value in fields.items()]
    return "\n".join(lines) + "\n"


def _key(key):
    return f'"{key}"' if "." in key else key


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return f'"{value}"'
