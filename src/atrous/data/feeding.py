"""What `fit` is given: on TensorFlow a `tf.data.Dataset` that ends when it is told to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from atrous.data.batches import ReadAhead


def feed(batches: ReadAhead) -> Any:
    """Batches as `fit` takes them best.

    Of a `PyDataset` with one worker Keras makes a `tf.data.Dataset` that a thread tunes. When an epoch is over, that thread may
    sleep on for as long as the epoch took (10 ms, doubled each time), and `fit` waits for it: seen with TensorFlow 2.21, 18
    seconds behind each epoch of 24. There is nothing to tune, since batches are read ahead by threads of their own.

    Args:
        batches: Of training; their `epoch` may be set before each epoch.

    Returns:
        A `tf.data.Dataset` of the same batches, or, on another backend, what was given.
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    def read() -> Iterator[Any]:
        for index in range(len(batches)):
            try:
                batch = batches[index]
            except Exception:  # raised here, TensorFlow would print pages of it; it is kept as `batches.error`
                return
            yield batch

    known = 2 if batches.lengths_vary else 1  # from which axis on sizes are those of the first batch

    def spec(array: Any) -> Any:
        return tf.TensorSpec((None,) * min(known, array.ndim) + array.shape[known:], array.dtype)

    signature = tf.nest.map_structure(spec, batches[0])
    fed = tf.data.Dataset.from_generator(read, output_signature=signature)
    options = tf.data.Options()
    options.autotune.enabled = False
    return fed.apply(tf.data.experimental.assert_cardinality(len(batches))).with_options(options)


@contextlib.contextmanager
def reading(batches: ReadAhead) -> Iterator[None]:
    """Around what reads fed batches: an example that can't be read is told in its own words, not in TensorFlow's."""
    try:
        yield
    except Exception:
        if batches.error is None:
            raise
        raise batches.error from None
