"""Batches for `keras.Model.fit`, in an order that depends on nothing but (seed, epoch)."""

import math
import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike, NDArray

from atrous.data.dataset import Split

Batch = tuple[NDArray[np.float32], NDArray[np.int32]] | tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]


class ReadAhead(keras.utils.PyDataset):
    """Batches that are read ahead, in an order of their own in each epoch; what a batch is, `_read` says.

    The last batch may be smaller. Pass `shuffle=False` to `fit`: its default shuffles the batches once more, from
    Python's global random state.

    Batches are read ahead by threads of this class. Keras's own (`workers` above 1) are not used: when `fit` looks at a
    batch to build a model, they hand what they had fetched to the first epoch, which then sees examples twice.
    """

    def __init__(self, examples: int, batch_size: int, shuffle_seed: int | None, prefetch: int | None):
        """Prepares batches; nothing is read yet.

        Args:
            examples: how many there are.
            batch_size: examples a batch.
            shuffle_seed: with the epoch it determines the order; `None` keeps the order of the examples.
            prefetch: how many batches are read ahead, by as many threads. By default one a processor, at most 4;
                0 reads a batch when it is asked for.

        Raises:
            ValueError: if `batch_size` is not positive, `prefetch` or the seed is negative, or there is no example.
        """
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be positive. Received: batch_size={batch_size}")
        if shuffle_seed is not None and shuffle_seed < 0:
            raise ValueError(f"`shuffle_seed` must not be negative. Received: shuffle_seed={shuffle_seed}")
        if prefetch is not None and prefetch < 0:
            raise ValueError(f"`prefetch` must not be negative. Received: prefetch={prefetch}")
        if not examples:
            raise ValueError("`split` must have at least one example. Received: an empty split")
        self.examples = examples
        self.batch_size = batch_size
        self.shuffle_seed = shuffle_seed
        self.prefetch = min(4, os.cpu_count() or 1) if prefetch is None else prefetch
        self.lengths_vary = False
        """Whether the second axis of arrays, time, may be another in the next batch."""
        self._threads = ThreadPoolExecutor(self.prefetch, "batches") if self.prefetch else None
        self.error: Exception | None = None
        """What kept a batch from being read: what `fit` raises then is a framework's, with this one in its text."""
        self.epoch = 0

    @property
    def epoch(self) -> int:
        """The epoch whose order is given out; set it before `fit`, or at the start of each epoch.

        While `fit` runs it advances by itself.
        """
        return self._now[0]

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._begin(epoch)
        # `fit` calls `on_epoch_end` once too often: after building the model, before its first epoch.
        self._end_is_spurious = True

    def on_epoch_end(self) -> None:
        """Advances to the next epoch. Keras calls this; `epoch` says why the first call after setting it does not."""
        if not self._end_is_spurious:
            self._begin(self.epoch + 1)
        self._end_is_spurious = False

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Returns (n,) indices into the split: the order of its examples in an epoch."""
        n = self.examples
        if self.shuffle_seed is None:
            return np.arange(n)
        return np.random.default_rng((self.shuffle_seed, epoch)).permutation(n)

    def __len__(self) -> int:
        """Number of batches."""
        return math.ceil(self.examples / self.batch_size)

    def __getitem__(self, index: int) -> Any:
        """Returns batch `index` of the current epoch."""
        if not 0 <= index < len(self):
            raise IndexError(f"`index` must be in 0..{len(self) - 1}. Received: index={index}")
        # One read, so that order and pending batches are of the same epoch whichever thread sets it meanwhile.
        epoch, order, pending = self._now
        future = pending.pop(index, None)
        if self._threads is not None:
            for later in range(index + 1, min(index + 1 + self.prefetch, len(self))):
                if later not in pending and len(pending) < self.prefetch:
                    pending[later] = self._threads.submit(self._read, order, epoch, later)
        try:
            return self._read(order, epoch, index) if future is None else future.result()
        except Exception as error:
            self.error = error
            raise

    def _begin(self, epoch: int) -> None:
        pending: dict[int, Future[Any]] = {}
        self._now = (epoch, self.order(epoch), pending)

    def _read(self, order: NDArray[np.int64], epoch: int, index: int) -> Any:
        """Batch `index` of an epoch whose order that is."""
        raise NotImplementedError


class Batches(ReadAhead):
    """Batches of (images, labels): (b, height, width, channels) float32, 0..255, and (b,) int32.

    Example:
        batches = Batches(dataset.train, 64, shuffle_seed=0)
        batches.epoch = 3
        model.fit(batches, shuffle=False, initial_epoch=3, epochs=10)
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        shuffle_seed: int | None = None,
        prefetch: int | None = None,
        class_weights: ArrayLike | None = None,
    ):
        """Prepares batches of a split; see `ReadAhead`.

        Where images are cut to their size, shuffled ones are cut at a random place, the others in the middle.

        Args:
            split: the examples.
            batch_size: examples a batch.
            shuffle_seed: see `ReadAhead`.
            prefetch: see `ReadAhead`.
            class_weights: how much an example of each class counts: then (b,) float32 weights are the third of a batch, as
                `fit` makes them of its `class_weight`.
        """
        self.split = split
        self.class_weights = None if class_weights is None else np.asarray(class_weights, np.float32)
        super().__init__(len(split), batch_size, shuffle_seed, prefetch)

    def _read(self, order: NDArray[np.int64], epoch: int, index: int) -> Batch:
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        images, labels = self._images(rows, epoch, index).astype(np.float32), self.split.labels[rows].astype(np.int32)
        return (images, labels) if self.class_weights is None else (images, labels, self.class_weights[labels])

    def _images(self, rows: NDArray[np.int64], epoch: int, index: int) -> NDArray[np.uint8]:
        if not self.split.is_cut or self.shuffle_seed is None:
            return self.split.images(rows)
        return self.split.images(rows, np.random.default_rng((self.shuffle_seed, epoch, index)).random(len(rows)))
