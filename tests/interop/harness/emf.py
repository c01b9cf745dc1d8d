"""A reader of CloudWatch's Embedded Metric Format, by its published rules.

It takes what CloudWatch would extract metrics from, and refuses everything that it would not.
"""

import json

_UNITS = {
    "Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes",
    "Terabytes", "Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count",
    "Bytes/Second", "Kilobytes/Second", "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second",
    "Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second",
    "Count/Second", "None",
}
MOST_BYTES = 1_000_000


class Invalid(Exception):
    """Why CloudWatch would take no metric from a log event."""


def extracted(message):
    """The metrics of one log event: [(namespace, name, {dimension: value}, unit, [values])]."""
    _need(len(message.encode()) <= MOST_BYTES, "it is larger than 1 MB")
    root = json.loads(message)
    _need(isinstance(root, dict), "it is no object")
    metadata = root.get("_aws")
    _need(isinstance(metadata, dict), "_aws is missing")
    stamp = metadata.get("Timestamp")
    _need(type(stamp) is int and stamp > 1_000_000_000_000, "Timestamp is no time in milliseconds")
    directives = metadata.get("CloudWatchMetrics")
    _need(isinstance(directives, list) and directives, "CloudWatchMetrics is no list")
    return [metric for directive in directives for metric in _of(directive, root)]


def _of(directive, root):
    _need(set(directive) == {"Namespace", "Dimensions", "Metrics"}, f"members {set(directive)}")
    namespace, sets, metrics = (directive[key] for key in ("Namespace", "Dimensions", "Metrics"))
    _text(namespace, 1_024, "Namespace")
    _need(isinstance(sets, list) and sets, "Dimensions is no list of lists")
    _need(isinstance(metrics, list) and 1 <= len(metrics) <= 100, "not 1 to 100 metrics")
    _need(len({each["Name"] for each in metrics}) == len(metrics), "a metric is named twice")
    for names in sets:
        _need(isinstance(names, list) and len(names) <= 30, "a set has more than 30 dimensions")
        dimensions = {}
        for name in names:
            _text(name, 250, "a dimension's name")
            _text(root.get(name), 1_024, f"the value of {name}")
            dimensions[name] = root[name]
        for metric in metrics:
            yield namespace, metric["Name"], dimensions, *_metric(metric, root)


def _metric(metric, root):
    _need(set(metric) <= {"Name", "Unit", "StorageResolution"}, f"members {set(metric)}")
    _text(metric["Name"], 1_024, "a metric's name")
    _need(metric.get("Unit", "None") in _UNITS, f"unit {metric.get('Unit')}")
    _need(metric.get("StorageResolution", 60) in (1, 60), "StorageResolution")
    values = root.get(metric["Name"])
    values = values if isinstance(values, list) else [values]
    _need(1 <= len(values) <= 100, f"{metric['Name']} has {len(values)} values")
    _need(all(type(value) in (int, float) for value in values), f"{metric['Name']} is no number")
    return metric.get("Unit"), values


def _text(value, most, what):
    _need(isinstance(value, str) and 1 <= len(value) <= most, f"{what} is {value!r}")


def _need(is_so, reason):
    if not is_so:
        raise Invalid(reason)
