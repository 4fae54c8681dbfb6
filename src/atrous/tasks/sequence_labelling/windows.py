"""Windows of DNA as the network takes them: for training drawn around sites and anywhere, for all else one behind the other."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from atrous.data.batches import ReadAhead
from atrous.data.fasta import UNKNOWN, Codes, one_hot
from atrous.tasks.sequence_labelling.data import SequencePart, Stretch
from atrous.tasks.sequence_labelling.plan import Plan


class WindowBatches(ReadAhead):
    """Training batches, drawn at places that depend on seed, epoch and batch alone.

    A batch is (windows, labels): (b, context/2 + window + context/2, 4), zeros for unknown bases, and (b, window). A share of
    the windows is laid so that each has a site, which may be at any place in it; sites take turns. The others are anywhere, on
    either strand. Sites are one base in thousands: without that share most windows would have none.

    Args:
        part: The training part.
        plan: What the network sees.
        window: Bases that are labelled.
        batch_size: Windows a batch.
        around: Share of the windows with a site.
        mutate: Share of the bases that are replaced by any base.
        seed: With the epoch it determines the places.
        prefetch: As for `atrous.data.Batches`.
    """

    def __init__(
        self,
        part: SequencePart,
        plan: Plan,
        window: int,
        batch_size: int,
        around: float,
        mutate: float,
        seed: int,
        prefetch: int | None = None,
    ) -> None:
        self.part, self.seed, self.mutate = part, seed, mutate
        self.half = plan.context // 2
        self.window = min(window, max(map(len, part.stretches)))
        lengths = np.array([len(each) for each in part.stretches])
        self._shares = lengths / lengths.sum()
        self._sites = [(which, int(place)) for which, each in enumerate(part.stretches) for place in each.places]
        self._around = round(around * len(part))
        super().__init__(len(part), batch_size, seed, prefetch)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """For each example the number of a site that its window has; −1: a window anywhere."""
        draw = np.random.default_rng((self.seed, epoch))
        turns = [draw.permutation(len(self._sites)) for _ in range(-(-self._around // len(self._sites)))]
        chosen = np.concatenate([*turns, np.empty(0, np.int64)])[: self._around]
        return draw.permutation(np.concatenate([chosen, np.full(self.examples - self._around, -1)]))

    def _read(self, order: NDArray[np.int64], epoch: int, index: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        draw = np.random.default_rng((self.seed, epoch, index))
        found = [self._one(int(site), draw) for site in order[index * self.batch_size : (index + 1) * self.batch_size]]
        codes = np.stack([codes for codes, _ in found])
        if self.mutate:
            hit = (draw.random(codes.shape) < self.mutate) & (codes != UNKNOWN)
            codes = np.where(hit, draw.integers(0, UNKNOWN, codes.shape, np.uint8), codes)
        return one_hot(codes), np.stack([labels for _, labels in found])

    def _one(self, site: int, draw: np.random.Generator) -> tuple[Codes, NDArray[np.int32]]:
        if site < 0:
            which = int(draw.choice(len(self._shares), p=self._shares))
            first = int(draw.integers(0, max(1, len(self.part.stretches[which]) - self.window + 1)))
        else:
            which, place = self._sites[site]
            last = len(self.part.stretches[which]) - self.window
            first = max(0, min(place - int(draw.integers(self.window)), last))
        stretch = self.part.stretches[which]
        inside = min(self.window, len(stretch) - first)  # less than a window in a stretch that is shorter
        labels = np.zeros(self.window, np.int32)
        labels[:inside] = stretch.dense(first, first + inside)
        codes = stretch.bases(first - self.half, first + self.window + self.half)
        if inside < self.window:
            codes = np.concatenate([codes[: self.half + inside], np.full(self.window - inside + self.half, UNKNOWN, np.uint8)])
        return codes, labels


def probabilities(model: keras.Model, stretch: Stretch, plan: Plan) -> NDArray[np.float32]:
    """What a model says of every base of a stretch, (bases, labels), from all of its context, whatever the length."""
    half, chunk = plan.context // 2, plan.chunk
    found = []
    for first in range(0, len(stretch), chunk):
        codes = stretch.bases(first - half, first + chunk + half)  # one size, one graph
        found.append(labelled(model, codes))
    return np.concatenate(found)[: len(stretch)]


def labelled(model: keras.Model, codes: Codes) -> NDArray[np.float32]:
    """Probabilities of the labels of bases whose context is on both sides of them: (bases, labels)."""
    said: Any = keras.ops.softmax(model.predict_on_batch(one_hot(codes)[None])[0], axis=-1)
    return np.asarray(keras.ops.convert_to_numpy(said))
