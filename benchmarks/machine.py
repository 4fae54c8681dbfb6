"""What machine this is, and whether it is idle."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.worker import Worker, WorkerError

BUSY = 0.03
"""Share of a core's time taken by others from which the machine doesn't count as idle."""
TOGETHER = 0.95
"""Share of its peak alone that each core must keep when all compute, for the machine to count as idle."""


@dataclass(frozen=True)
class Idleness:
    """Whether others compute too.

    Args:
        busy: Share of each core's time that others took while this process slept.
        alone: Peak of each core by itself, multiply-adds a second.
        together: Peak of each core while all compute; empty with one core.
    """

    busy: dict[int, float]
    alone: dict[int, float]
    together: dict[int, float]

    @property
    def idle(self) -> bool:
        """Whether figures of this moment count."""
        kept = all(self.together[core] >= TOGETHER * self.alone[core] for core in self.together)
        return kept and all(share < BUSY for share in self.busy.values())

    def __str__(self) -> str:
        verdict = "idle" if self.idle else "NOT IDLE: do not trust what follows"
        shares = ", ".join(f"core {core}: {share:.0%}" for core, share in self.busy.items())
        lines = [f"Machine {verdict}. Taken by others: {shares}."]
        if self.alone:
            peaks = ", ".join(f"core {core}: {2e-9 * peak:.1f}" for core, peak in self.alone.items())
            lines.append(f"FMA peak, GFLOP/s, one thread: {peaks}.")
        if self.together:
            both = ", ".join(f"core {core}: {2e-9 * peak:.1f}" for core, peak in self.together.items())
            lines.append(
                f"The same, {len(self.together)} threads at once: {both}; in all {2e-9 * sum(self.together.values()):.1f}."
            )
        return "\n".join(lines)


def check_idle(cores: Sequence[int]) -> Idleness:
    """Watches the cores for a second, then measures their peaks one by one and at once."""
    busy = _busy(cores)
    workers = {core: Worker("atrous_numpy", (core,)) for core in cores}
    try:
        alone = {core: worker.ask("peak") for core, worker in workers.items()}
        together = _together(workers) if len(cores) > 1 else {}
    except WorkerError:  # no native core
        alone, together = {}, {}
    finally:
        for worker in workers.values():
            worker.stop()
    return Idleness(busy, alone, together)


def _together(workers: dict[int, Worker]) -> dict[int, float]:
    with ThreadPoolExecutor(len(workers)) as pool:
        return dict(zip(workers, pool.map(lambda worker: worker.ask("peak"), workers.values()), strict=True))


def _busy(cores: Sequence[int], seconds: float = 1.0) -> dict[int, float]:
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    shares = {}
    for core in cores:
        idle, total = (a - b for a, b in zip(after[core], before[core], strict=True))
        shares[core] = max(0.0, 1 - idle / total) if total else 0.0
    return shares


def _ticks() -> dict[int, tuple[int, int]]:
    """Of each core, the ticks spent idle and in all; time stolen by other guests of the host is not idle."""
    ticks = {}
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, idle, waiting, irq, softirq, stolen, *_ = map(int, fields)
            ticks[int(name[3:])] = idle + waiting, user + nice + system + idle + waiting + irq + softirq + stolen
    return ticks


def describe() -> dict[str, str]:
    """Processor, system and interpreter."""
    cpu = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": cpu[0] if cpu else platform.processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }
