#!/usr/bin/env python3
"""Draws the media bench: `plot.py media.json media.png`. Bars are medians; lower is better."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  (the backend has to be chosen first)

COLOURS = {
    "kernel": "#999999",
    "rtpengine": "#d1793b",
    "tandem": "#3b78a8",
    "tandem:ebpf": "#1d9a6c",
}
PANELS = [
    ("net_ns_per_packet", 1000, "CPU of the host per packet, µs"),
    ("added_p99_us", 1, "added delay, 99th percentile, µs"),
    ("loss", 0.01, "packets lost, %"),
]


def main() -> None:
    every = json.loads(Path(sys.argv[1]).read_text())
    rows = [row for row in every if "rate" in row]
    clean = {row["relay"]: row for row in every if "highest_clean" in row}
    relays = [name for name in COLOURS if any(row["relay"] == name for row in rows)]
    rates = sorted({row["rate"] for row in rows})
    columns = len(PANELS) + bool(clean)
    figure, panels = pyplot.subplots(1, columns, figsize=(4.8 * columns, 4), constrained_layout=True)
    if clean:
        draw_clean(panels[-1], clean, relays)
    panels = panels[: len(PANELS)]
    for panel, (key, unit, title) in zip(panels, PANELS):
        draw(panel, rows, relays, rates, key, unit)
        panel.set_title(title, fontsize=10)
    panels[1].set_yscale("symlog", linthresh=10)
    for panel in panels:
        bottom, top = panel.get_ylim()
        panel.set_ylim(0, max(top, 1) * (3 if panel.get_yscale() == "symlog" else 1.1))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=9, ncols=len(labels), loc="outside lower center")
    figure.suptitle("Relaying 172-octet RTP, fully metered (kernel: routed only)", fontsize=11)
    figure.savefig(sys.argv[2], dpi=110)


def draw_clean(panel, clean, relays) -> None:
    relays = [relay for relay in relays if relay in clean]
    heights = [clean[relay]["highest_clean"] / 1000 for relay in relays]
    labels = [
        f"{height:.0f}" + ("+" if clean[relay]["is_generators_end"] else "")
        for relay, height in zip(relays, heights)
    ]
    bars = panel.bar(range(len(relays)), heights, 0.6, color=[COLOURS[relay] for relay in relays])
    panel.bar_label(bars, labels, fontsize=8)
    panel.set_xticks(range(len(relays)), relays, fontsize=8)
    panel.set_title("highest clean rate, k packets/s", fontsize=10)
    panel.spines[["top", "right"]].set_visible(False)


def written(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def draw(panel, rows, relays, rates, key, unit) -> None:
    width = 0.8 / len(relays)
    for place, relay in enumerate(relays):
        values = {row["rate"]: row[key] / unit for row in rows if row["relay"] == relay}
        at = [x + (place - (len(relays) - 1) / 2) * width for x in range(len(rates))]
        heights = [max(values.get(rate, 0), 0) for rate in rates]
        bars = panel.bar(at, heights, width, label=relay, color=COLOURS[relay])
        panel.bar_label(bars, fmt=written, fontsize=6.5)
    panel.set_xticks(range(len(rates)), [f"{rate // 1000}k" for rate in rates])
    panel.set_xlabel("packets/s offered", fontsize=8)
    panel.spines[["top", "right"]].set_visible(False)


main()
