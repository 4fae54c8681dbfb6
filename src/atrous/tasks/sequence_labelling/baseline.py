"""What the network is measured against: a position weight matrix for each type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.data.fasta import UNKNOWN
from atrous.data.motifs import around
from atrous.run import Run, replacing
from atrous.tasks.sequence_labelling.data import SequencePart, Stretch
from atrous.tasks.sequence_labelling.evaluation import figures

FILE = "baselines.json"
SPANS = {"donor": (-2, 6), "acceptor": (-20, 2)}
"""First and last base that is looked at, counted from the site: −3 … +6 and −20 … +3 as the literature counts."""
_OTHER = (-10, 10)
_PSEUDOCOUNT = 1.0  # of each column, divided as the bases are

Matrix = NDArray[np.float64]


def span_of(name: str) -> range:
    """Bases that are looked at for a type, counted from the site in its direction."""
    first, last = SPANS.get(name, _OTHER)
    return range(first, last + 1)


def fit(part: SequencePart, names: Sequence[str]) -> dict[str, Matrix]:
    """A matrix for each type, (bases, 4): log-odds of each base beside the sites of a part over its share of all bases there.

    Source: Staden 1984, doi 10.1093/nar/12.1Part2.505; Stormo 2000, doi 10.1093/bioinformatics/16.1.16.
    """
    every = np.ones(UNKNOWN)
    for each in part.stretches:
        every += np.bincount(each.bases(0, len(each)), minlength=UNKNOWN + 1)[:UNKNOWN]
    share = every / every.sum()
    found = {}
    for label, name in enumerate(names, 1):
        offsets = span_of(name)
        counts = np.tile(_PSEUDOCOUNT * share, (len(offsets), 1))
        for each in part.stretches:
            here = np.array([each.position(int(place)) for place in each.places[each.labels == label]], np.int64)
            bases = around(each.record.codes, here, np.full(len(here), each.strand), offsets)
            counts += (bases[:, :, None] == np.arange(UNKNOWN)).sum(axis=0)
        found[name] = np.log(counts / counts.sum(axis=1, keepdims=True) / share)
    return found


def scored(matrix: Matrix, stretch: Stretch, offsets: range) -> NDArray[np.float32]:
    """The sum of log-odds at each base of a stretch; an unknown base counts as the worst."""
    total = np.zeros(len(stretch), np.float32)
    for offset, column in zip(offsets, matrix, strict=True):
        total += np.append(column, column.min()).astype(np.float32)[stretch.bases(offset, len(stretch) + offset)]
    return total


def scores(matrices: dict[str, Matrix], part: SequencePart) -> NDArray[np.float32]:
    """Of each type at each base of a part: (positions, types)."""
    return np.stack(
        [np.concatenate([scored(matrix, each, span_of(name)) for each in part.stretches]) for name, matrix in matrices.items()],
        axis=1,
    )


def of_run(run: Run, train: SequencePart, test: SequencePart, names: Sequence[str]) -> dict[str, Any]:
    """Figures of the matrices of a run's training part on its test part, as of the network: computed once, and kept.

    Args:
        run: The run.
        train: Its training part.
        test: Its test part.
        names: Of the types.
    """
    file = run.path / FILE
    key = [[each.name, len(each.places)] for part in (train, test) for each in part.stretches]
    if file.exists():
        kept: dict[str, Any] = json.loads(file.read_text("utf-8"))
        if kept["of"] == key:
            found: dict[str, Any] = kept["pwm"]
            return found
    found = figures(scores(fit(train, names), test), test.labels(), names)
    with replacing(file) as temporary:
        temporary.write_text(json.dumps({"of": key, "pwm": found}), "utf-8")
    return found
