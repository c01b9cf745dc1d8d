"""What call records say of quality."""

import json


def assert_none_lost(quality):
    """No packet of a leg was lost. pjsua at times sends one packet twice where a re-INVITE begins
    its stream anew, and what comes twice counts as received twice (RFC 3550 A.3)."""
    said = json.dumps(quality)
    assert quality["lost_packets"] == -quality["duplicated"] and quality["duplicated"] <= 2, said
