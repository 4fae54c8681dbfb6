"""Prints docs/benchmarks.md from the results of several runs of `make bench`.

    for i in 1 2 3; do make bench BENCH="--quick --output results/$i"; done
    python tools/benchmarks_page.py results/1 results/2 results/3 > docs/benchmarks.md

A ratio on the page is the median of the runs; beside a mean stands the least and the most of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

OURS = "atrous_tensorflow"
KERAS = "keras_tensorflow"
NAMES = {"tensorflow": "tf.nn", "torch": "PyTorch", "jax": "JAX", "onnxruntime": "onnxruntime", "openvino": "OpenVINO"}
WITH_GRADIENTS = ("tensorflow", "torch", "jax")

Times = dict[str, float]
"""Median seconds by peer, of one case in one run."""


def main(folders: list[str]) -> None:
    """Prints the page."""
    results = [json.loads((Path(folder) / "results.json").read_text()) for folder in folders]
    machine, versions = results[0]["machine"], results[0]["versions"]
    template = (Path(__file__).parent / "benchmarks_page.md").read_text()
    tables = {direction: _table(results, direction) for direction in ("forward", "training")}
    print(
        template.format(
            processor=f"{machine['processor']}, {versions['atrous_numpy'].split(',')[0]}",
            date=machine["date"],
            versions=", ".join(sorted({part for peer in (KERAS, *NAMES) for part in versions[peer].split(", ")})),
            runs=len(results),
            peak=f"{2e-9 * max(max(run['peaks']) for result in results for run in result['runs'] if run['peaks']):.0f}",
            means=_means(results),
            bound=f"{median(map(_bound, results)):.2f}",
            **tables,
        ),
        end="",
    )


def _times(result: Any, direction: str) -> dict[str, Times]:
    return {
        run["case"]["name"]: {peer: t["median"] for peer, t in run["timings"].items() if t.get("median") and not t["wrong"]}
        for run in result["runs"]
        if run["direction"] == direction
    }


def _rivals(direction: str) -> tuple[str, ...]:
    return tuple(NAMES) if direction == "forward" else WITH_GRADIENTS


def _fastest(times: Times, direction: str) -> str:
    return min((KERAS, *_rivals(direction)), key=lambda peer: times.get(peer, float("inf")))


def _table(results: list[Any], direction: str) -> str:
    runs = [_times(result, direction) for result in results]
    first = [run for run in results[0]["runs"] if run["direction"] == direction]
    rows = ["| case | ms | of peak | Keras | fastest other |", "|---|---|---|---|---|"]
    for run in first:
        name, times = run["case"]["name"], [r[run["case"]["name"]] for r in runs]
        ours = median(t[OURS] for t in times)
        macs = run["case"]["valid_macs"] * (3 if direction == "training" else 1)
        share = macs / ours / max(run["peaks"])
        keras = f"{median(t[KERAS] / t[OURS] for t in times):.2f}" if KERAS in times[0] else "–"
        best = _fastest(times[0], direction)
        rival = f"{median(t[_fastest(t, direction)] / t[OURS] for t in times):.2f} ({NAMES.get(best, 'Keras')})"
        rows.append(f"| {name} | {1e3 * ours:.2f} | {share:.0%} | {keras} | {rival} |")
    return "\n".join(rows)


def _bound(result: Any) -> float:
    """How many times as long as at 100 % of the peak the fastest peer takes, geometric mean over the output of time series."""
    times = _times(result, "forward")
    ratios = []
    for run in result["runs"]:
        if run["direction"] == "forward" and "1d" in run["case"]["tags"]:
            peers = times[run["case"]["name"]]
            fastest = peers[_fastest(peers, "forward")]
            ratios.append(fastest * max(run["peaks"]) / run["case"]["valid_macs"])
    return geometric_mean(ratios)


def _means(results: list[Any]) -> str:
    rows = ["| | mean | least case |", "|---|---|---|"]
    for text, direction, peers, tags in (
        ("output, over Keras's default", "forward", (KERAS,), None),
        ("output, over JAX", "forward", ("jax",), None),
        ("output, over the fastest of all for each case", "forward", (KERAS, *NAMES), None),
        ("the same, time series and depthwise only", "forward", (KERAS, *NAMES), {"1d", "depthwise"}),
        ("output and gradients, over Keras's default", "training", (KERAS,), None),
        ("output and gradients, over the fastest of TensorFlow, PyTorch, JAX", "training", WITH_GRADIENTS, None),
    ):
        means, least = [], []
        for result in results:
            tagged = {run["case"]["name"] for run in result["runs"] if not tags or tags & set(run["case"]["tags"])}
            ratios = {
                case: min(times[peer] for peer in peers if peer in times) / times[OURS]
                for case, times in _times(result, direction).items()
                if case in tagged and any(peer in times for peer in peers)
            }
            means.append(geometric_mean(ratios.values()))
            least.append(min(ratios.values()))
        rows.append(f"| {text} | {median(means):.2f} ({min(means):.2f}–{max(means):.2f}) | {min(least):.2f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
