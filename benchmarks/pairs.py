"""Two or more calls of one process, taking turns."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Calls = Mapping[str, Callable[[], Any]]


def medians(calls: Calls, seconds: float, rounds: int = 15) -> dict[str, float]:
    """Seconds that each call takes: the median over turns, of the mean of a turn's calls.

    Args:
        calls: Calls by name.
        seconds: Aimed at for each of them.
        rounds: Turns of each.
    """
    counts = {}
    for name, call in calls.items():
        call()  # traces and compiles
        once = min(_mean(call, 1) for _ in range(3))
        counts[name] = max(1, round(seconds / rounds / once))
    turns: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for name, call in calls.items():
            call()  # what others left in the caches matters
            turns[name].append(_mean(call, counts[name]))
    gc.enable()
    return {name: statistics.median(means) for name, means in turns.items()}


def _mean(call: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count
