"""What a network on sound is measured against: the most frequent class, and what length and loudness alone tell."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.audio import AudioData, ClipSplit
from atrous.run import Run, replacing
from atrous.tasks.classes import figures

FILE = "baselines.json"
NEIGHBOURS = 5
_LEAST = 1e-6  # of lengths and levels: their logarithm is finite


@dataclass(frozen=True)
class Baseline:
    """A way to tell classes without a network.

    Args:
        name: "always ml", "5 nearest in length and loudness".
        accuracy: Share of the test clips.
        macro_f1: Mean over classes.
    """

    name: str
    accuracy: float
    macro_f1: float


def of_run(run: Run, data: AudioData) -> list[Baseline]:
    """The baselines of a run's data: computed once, and kept in its folder."""
    file = run.path / FILE
    key = {"train": len(data.train), "test": len(data.test), "classes": list(data.class_names)}
    if file.exists():
        kept = json.loads(file.read_text("utf-8"))
        if kept["of"] == key:
            return [Baseline(**row) for row in kept["baselines"]]
    found = compute(data.train, data.test, data.class_names)
    with replacing(file) as temporary:
        temporary.write_text(json.dumps({"of": key, "baselines": [dataclasses.asdict(each) for each in found]}), "utf-8")
    return found


def compute(train: ClipSplit, test: ClipSplit, class_names: Sequence[str]) -> list[Baseline]:
    """Always the most frequent class, and the five nearest training clips in length and root mean square.

    Distances are those of logarithms, each over its deviation in the training part: twice as loud is as far as half as loud.
    """
    counts = np.bincount(train.labels, minlength=len(class_names))
    most = int(counts.argmax())
    always = np.full(len(test), most)
    nearest = by_neighbours(_told(train), train.labels, _told(test), len(class_names))
    return [
        _figures(f"always {class_names[most]!r}", always, test, class_names),
        _figures(f"{NEIGHBOURS} nearest in length and loudness", nearest, test, class_names),
    ]


def by_neighbours(
    known: NDArray[np.float64], labels: NDArray[np.int64], asked: NDArray[np.float64], classes: int
) -> NDArray[np.int64]:
    """The class that most of the nearest have, (m,); of equally many, the first.

    Args:
        known: (n, features).
        labels: (n,).
        asked: (m, features).
        classes: How many there are.
    """
    deviation = np.maximum(known.std(axis=0), 1e-9)
    said = np.empty(len(asked), np.int64)
    for i, one in enumerate(asked):  # a row at a time: n × m distances may not fit
        distance = np.square((known - one) / deviation).sum(axis=1)
        near = np.argsort(distance, kind="stable")[:NEIGHBOURS]
        said[i] = np.bincount(labels[near], minlength=classes).argmax()
    return said


def _told(split: ClipSplit) -> NDArray[np.float64]:
    """(n, 2): logarithms of length and level."""
    return np.log(np.maximum(np.stack([split.seconds, split.levels], axis=1), _LEAST))


def _figures(name: str, said: NDArray[Any], test: ClipSplit, class_names: Sequence[str]) -> Baseline:
    found = figures(np.eye(len(class_names))[said], test.labels, class_names)
    return Baseline(name, found["accuracy"], found["macro_f1"])
