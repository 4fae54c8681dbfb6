"""Bits per sample of recordings: see `codes`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from atrous.data.recordings import Recording, RecordingPart
from atrous.tasks.audio_generation import predictor, sounds
from atrous.tasks.audio_generation.crops import piece
from atrous.tasks.audio_generation.data import Plan
from atrous.tasks.audio_generation.loss import CodeLoss
from atrous.tasks.audio_generation.recipe import AudioGeneration

_FRESH = 8192  # samples a window, beyond what the network looks back at
_TOGETHER = 4  # windows
_SPREAD = 16  # stretches of a part of which not all is looked at


@dataclass(frozen=True)
class Window:
    """A stretch of a recording, of which the last samples count.

    Args:
        which: Number of the recording.
        first: First sample that is heard before one of the stretch.
        count: First sample that counts.
        last: The one behind the last.
    """

    which: int
    first: int
    count: int
    last: int


def windows(lengths: Sequence[int], field: int, fresh: int = _FRESH) -> Iterator[Window]:
    """Every sample of every recording, once, in stretches that hold all that the network sees before it.

    Args:
        lengths: Of the recordings.
        field: What one output sees.
        fresh: Samples that a stretch adds.
    """
    for which, length in enumerate(lengths):
        begin = 0
        while begin < length:
            first = max(0, begin - field + 1)
            last = min(length, first + field - 1 + fresh)
            yield Window(which, first, begin, last)
            begin = last


def bits(
    model: keras.Model,
    recordings: Sequence[Recording],
    recipe: AudioGeneration,
    plan: Plan,
    only: Sequence[Window] | None = None,
) -> list[NDArray[np.float64]]:
    """Bits of every sample of each recording.

    Args:
        model: As `network.build` makes it.
        recordings: The recordings.
        recipe: Head, classes.
        plan: Field.
        only: The windows that are looked at; by default all of all recordings. The bits of other samples are NaN.

    Returns:
        (n,) of each.
    """
    found = [np.full(len(each), np.nan) for each in recordings]
    loss = CodeLoss(recipe.head, recipe.classes)
    chosen = list(windows([len(each) for each in recordings], plan.field)) if only is None else list(only)
    chosen.sort(key=lambda window: window.last - window.first)
    for at in range(0, len(chosen), _TOGETHER):
        together = chosen[at : at + _TOGETHER]
        # Whole sizes: a compiled model is compiled for few of them.
        size = 1024 * math.ceil(max(each.last - each.first for each in together) / 1024)
        pieces = [piece(recordings[each.which], each.first, each.last, recipe.head, recipe.classes) for each in together]
        pieces += [pieces[-1]] * (_TOGETHER - len(pieces) if at else 0)
        heard = np.stack([_filled(x, size) for x, _ in pieces])
        codes = np.stack([_filled(y, size) for _, y in pieces])
        nats = ops.convert_to_numpy(loss.call(codes, model.predict_on_batch(heard)))
        for each, row in zip(together, nats, strict=False):
            stretch = row[each.count - each.first : each.last - each.first].astype(np.float64)
            found[each.which][each.count : each.last] = stretch / math.log(2)
    return found


def _filled(array: NDArray[Any], size: int) -> NDArray[Any]:
    return np.pad(array, [(0, size - len(array)), *[(0, 0)] * (array.ndim - 1)])


def looked_at(part: RecordingPart, plan: Plan) -> list[Window] | None:
    """Stretches of a part of which not all is looked at, spread evenly; `None`: all of it."""
    total = sum(map(len, part.recordings))
    wanted = None if part.seconds is None else round(part.seconds * plan.sample_rate)
    if wanted is None or total <= wanted:
        return None
    fresh = max(1, wanted // _SPREAD)
    every = list(windows([len(each) for each in part.recordings], plan.field, min(fresh, _FRESH)))
    count = max(1, round(len(every) * wanted / total))
    return [every[at] for at in np.unique(np.linspace(0, len(every) - 1, count).round().astype(int))]


def mean_bits(each: Sequence[NDArray[np.float64]]) -> float:
    """Over all samples that were looked at."""
    known = [row[~np.isnan(row)] for row in each]
    total = sum(map(len, known))
    return float(sum(float(row.sum()) for row in known) / total) if total else math.nan


def evaluate(model: keras.Model, part: RecordingPart, recipe: AudioGeneration, plan: Plan) -> dict[str, Any]:
    """Figures of a model on a part.

    Returns:
        `examples`, the number of files; `loss`, in nats; `bits_per_sample`; `samples`, how many counted. Of a part that knows
        the training part also `predictor_bits_per_sample`, of the best linear predictor, `predictors`, of each of them,
        `sound`, how far what is generated is from it (`sounds.compare`), and `files`, the bits per sample of each file,
        `network` and `predictor`.
    """
    found = bits(model, part.recordings, recipe, plan, looked_at(part, plan))
    mean = mean_bits(found)
    figures: dict[str, Any] = {
        "examples": len(part.recordings),
        "loss": mean * math.log(2),
        "bits_per_sample": mean,
        "samples": int(sum((~np.isnan(row)).sum() for row in found)),
    }
    if part.trained is None:
        return figures
    others = predictor.compared(part.trained, part.recordings, plan.sample_rate, recipe.classes)
    best = min(others, key=lambda name: others[name].bits_per_sample)
    return {
        **figures,
        "predictor_bits_per_sample": others[best].bits_per_sample,
        "predictors": {name: each.bits_per_sample for name, each in others.items()},
        "sound": sounds.compare(model, part.trained, part.recordings, plan.sample_rate, recipe.seed),
        "files": {
            each.name: {"samples": len(each), "network": float(row.mean()), "predictor": float(other)}
            for each, row, other in zip(part.recordings, found, others[best].files, strict=True)
        },
    }
