"""What the library claims of its speed, and whether a set of runs bears it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import geometric_mean

from benchmarks.measure import ONE_THREAD, Run

DEFAULT = "keras_tensorflow"
WITH_GRADIENTS = ("tensorflow", "torch", "jax")
NEAR_PEAK = ("drn512-r4", "aspp33-r6")


@dataclass(frozen=True)
class Claim:
    """One sentence with a number in it.

    Args:
        text: The sentence.
        least: What the number must be at least; `None` where nothing is claimed.
        measured: What it is; `None` where the runs don't tell.
        where: The case that decides, if one does.
    """

    text: str
    least: float | None
    measured: float | None
    where: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether it does; `None` where the runs don't tell."""
        return None if self.measured is None or self.least is None else self.measured >= self.least


Ratios = dict[str, float]
"""How many times as long as ours the other takes, by case."""


def claims(runs: Sequence[Run], peers: Sequence[str], ours: str) -> list[Claim]:
    """All claims on runs of one set of cores."""
    forward = [run for run in runs if run.direction == "forward"]
    training = [run for run in runs if run.direction == "training"]
    narrow = [run for run in forward if run.case.tags & {"1d", "depthwise"}]
    default, rivals = _against(forward, [DEFAULT], ours), _against(forward, peers, ours)
    trained, training_rivals = _against(training, [DEFAULT], ours), _against(training, WITH_GRADIENTS, ours)
    return [
        _least("forward: never slower than Keras/TF's default", 1, default),
        _least("forward: never slower than JAX", 1, _against(forward, ["jax"], ours)),
        _mean("forward: over Keras/TF's default, geometric mean", 2, default),
        _least("forward: over the fastest peer of each case, least", 0.95, rivals),
        _mean("forward: over the fastest peer, geometric mean of all cases", None, rivals),
        _mean("forward: over the fastest peer, geometric mean of 1D and depthwise cases", 1.3, _against(narrow, peers, ours)),
        _mean("training: over Keras/TF's default, geometric mean", 1.5, trained),
        _mean("training: over the fastest of native TF, torch, JAX, geometric mean", 1.15, training_rivals),
        _least("training: nowhere below", 0.95, _lower(trained, training_rivals)),
        *(_share_of_peak(run, *door) for run in forward for door in _DOORS if run.case.name in NEAR_PEAK),
        _least("threads: all cores over one, large cases", 1.7, _scaling(forward, ours)),
    ]


_DOORS = (
    ("atrous_numpy", "weights packed on every call", 0.79),
    ("atrous_tensorflow", "weights packed on every call, through TensorFlow", 0.85),
)


def _against(runs: Sequence[Run], peers: Sequence[str], ours: str) -> Ratios:
    ratios = {}
    for run in runs:
        rival = run.fastest(peers)
        if rival and (ratio := run.ratio(rival, ours)):
            ratios[f"{run.case.name} ({rival})"] = ratio
    return ratios


def _lower(*several: Ratios) -> Ratios:
    return {case: ratio for ratios in several for case, ratio in ratios.items()}


def _scaling(runs: Sequence[Run], ours: str) -> Ratios:
    large = [run for run in runs if "large" in run.case.tags]
    return {run.case.name: ratio for run in large if (ratio := run.ratio(ONE_THREAD, ours))}


def _share_of_peak(run: Run, door: str, kind: str, least: float) -> Claim:
    return Claim(f"forward: share of the FMA peak on valid multiply-adds, {kind}", least, peak_share(run, door), run.case.name)


def peak_share(run: Run, peer: str) -> float | None:
    """Share of the peak of all its cores that a peer reaches on multiply-adds that meet data; the peak is the mean of both."""
    seconds = run.seconds(peer)
    if not seconds or not run.peaks:
        return None
    return run.macs / seconds / (sum(run.peaks) / len(run.peaks)) / len(run.cores)


def _least(text: str, least: float | None, ratios: Ratios) -> Claim:
    where = min(ratios, key=lambda case: ratios[case], default="")
    return Claim(text, least, ratios.get(where), where)


def _mean(text: str, least: float | None, ratios: Ratios) -> Claim:
    return Claim(text, least, geometric_mean(ratios.values()) if ratios else None, f"{len(ratios)} cases")
