"""What the network is measured against: the class of the nearest training series."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.ts import Values, filled
from atrous.run import Run, replacing
from atrous.tasks.series_classification.data import LabelledSeries, SeriesCases
from atrous.tasks.series_classification.distances import euclidean, warped
from atrous.tasks.series_classification.plan import Plan

FILE = "baselines.json"
MOST = 1.2e10
"""Cells that warping may take in all, about a minute: so long that nobody waits for it, and the same on every machine."""
WINDOW = 0.1
"""Share of the series that steps may be apart where all of them would be too many."""

Distance = Callable[[Values, Sequence[Values]], NDArray[np.float64]]


@dataclass(frozen=True)
class Baseline:
    """A way to classify without a network.

    Args:
        name: "1-NN, Euclidean", "1-NN, DTW", …
        accuracy: On the test cases that it classified; `None` if none.
        macro_f1: Likewise.
        examples: How many it classified, of how many.
        note: What it couldn't do.
    """

    name: str
    accuracy: float | None
    macro_f1: float | None
    examples: tuple[int, int]
    note: str = ""


def of_run(run: Run, data: LabelledSeries) -> list[Baseline]:
    """The baselines of a run's test part: computed once, and kept in its folder.

    Args:
        run: The run.
        data: Its data.
    """
    file = run.path / FILE
    parts = (data.train, data.validation, data.test) if data.held_out else (data.train, data.test)
    key = {"cases": [len(each.series) for each in parts], "channels": data.channels, "per_case": data.plan.per_case}
    if file.exists():
        kept = json.loads(file.read_text("utf-8"))
        if kept["of"] == key:
            return [Baseline(**{**row, "examples": tuple(row["examples"])}) for row in kept["baselines"]]
    found = compute(known(data), data.test, data.plan)
    with replacing(file) as temporary:
        temporary.write_text(json.dumps({"of": key, "baselines": [dataclasses.asdict(each) for each in found]}), "utf-8")
    return found


def known(data: LabelledSeries) -> SeriesCases:
    """All cases but the test's: nearest neighbours need no validation part, so they are given it, too."""
    if not data.held_out:
        return data.train
    return SeriesCases(
        data.train.series + data.validation.series,
        np.concatenate([data.train.labels, data.validation.labels]),
        data.train.names + data.validation.names,
    )


def compute(train: SeriesCases, test: SeriesCases, plan: Plan, most: float = MOST) -> list[Baseline]:
    """The class of the nearest training case, by two distances, for each test case.

    Args:
        train: Cases with known classes.
        test: Cases to classify.
        plan: Whether levels tell anything.
        most: Cells that warping may take in all.
    """
    ours, theirs = (_prepared(part, plan) for part in (train, test))
    uneven = len({len(each) for each in [*ours, *theirs]}) > 1
    found = [
        _nearest("1-NN, Euclidean" + (", stretched to one length" if uneven else ""), euclidean, ours, theirs, train, test, "")
    ]
    cells = float(sum(map(len, ours)) * sum(map(len, theirs)) * ours[0].shape[1])
    if cells <= most:
        return [*found, _nearest("1-NN, DTW", warped, ours, theirs, train, test, "")]
    name = f"1-NN, DTW within {100 * WINDOW:.0f} % of the length"
    share = min(1.0, most / (2 * WINDOW * cells))
    count = round(share * len(theirs))
    note = f"Without a window, DTW would take {cells:.1e} cells; {most:.1e} are allowed."
    if not count:
        return [*found, Baseline(name, None, None, (0, len(theirs)), note + " Even within the window it is left out.")]
    if count < len(theirs):
        note += f" Within it, {count:,} of {len(theirs):,} test cases are classified, spread evenly over them."
    rows = np.unique(np.linspace(0, len(theirs) - 1, count).round().astype(int))
    some = test.take(rows)
    within: Distance = lambda series, others: warped(series, others, WINDOW)  # noqa: E731
    one = _nearest(name, within, ours, [theirs[i] for i in rows], train, some, note)
    return [*found, dataclasses.replace(one, examples=(len(rows), len(theirs)))]


def _prepared(part: SeriesCases, plan: Plan) -> list[Values]:
    """As the files have them; where levels tell nothing, each channel at mean 0 and deviation 1."""
    whole = [filled(each) for each in part.series]
    if not plan.per_case:
        return whole
    return [(each - each.mean(axis=0)) / np.maximum(each.std(axis=0), 1e-6 * (1 + np.abs(each).max(axis=0))) for each in whole]


def _nearest(
    name: str,
    distance: Distance,
    ours: Sequence[Values],
    theirs: Sequence[Values],
    train: SeriesCases,
    test: SeriesCases,
    note: str,
) -> Baseline:
    predicted = np.array([train.labels[int(distance(each, ours).argmin())] for each in theirs])
    right = predicted == test.labels
    return Baseline(name, float(right.mean()), _macro_f1(predicted, test.labels), (len(theirs), len(theirs)), note)


def _macro_f1(predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """As `atrous.tasks.classes.figures` has it."""
    each = []
    for label in np.union1d(predicted, labels):
        hits = int(((predicted == label) & (labels == label)).sum())
        each.append(2 * hits / int((predicted == label).sum() + (labels == label).sum()))
    return float(np.mean(each))


def best_of(baselines: Sequence[Baseline]) -> Baseline | None:
    """That with the highest accuracy."""
    some = [each for each in baselines if each.accuracy is not None]
    return max(some, key=lambda each: each.accuracy or 0.0, default=None)


def as_figures(baselines: Sequence[Baseline]) -> dict[str, Any]:
    """Accuracy by name."""
    return {each.name: each.accuracy for each in baselines}
