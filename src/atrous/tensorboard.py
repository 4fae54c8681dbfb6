"""A run's logs for TensorBoard: scalars of every epoch, and the model's graph."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras

from atrous.run import Row


def available() -> bool:
    """Whether logs can be written: on TensorFlow, with TensorBoard installed."""
    return keras.backend.backend() == "tensorflow" and find_spec("tensorboard") is not None


class TensorBoard(keras.callbacks.Callback):
    """Writes the logs.

    Keras's own callback writes no graph in Keras 3, and what a kill leaves of its files misses epochs or has some twice.
    These are written anew from the rows whenever training begins or goes on.

    Args:
        folder: Where the logs go; what is in it is replaced.
        rows: The epochs done; `atrous.callbacks.Record` adds to it.
    """

    def __init__(self, folder: Path, rows: Sequence[Row]) -> None:
        super().__init__()
        self.folder = folder
        self.rows = rows

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Writes the graph and the epochs done before."""
        import tensorflow as tf

        shutil.rmtree(self.folder, ignore_errors=True)
        self._writers = {part: tf.summary.create_file_writer(str(self.folder / part)) for part in ("train", "validation")}
        with self._writers["train"].as_default():
            tf.summary.graph(_graph(self.model))
        for row in self.rows:
            self._write(row)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the epoch that `Record`, earlier in the list of callbacks, has added."""
        self._write(self.rows[-1])

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:
        """Closes the files."""
        for writer in self._writers.values():
            writer.close()

    def _write(self, row: Row) -> None:
        import tensorflow as tf

        try:
            for name, value in row.items():
                if name != "epoch":
                    writer = self._writers["validation" if name.startswith("val_") else "train"]
                    with writer.as_default(step=int(row["epoch"])):
                        tf.summary.scalar(name.removeprefix("val_"), value)
            for writer in self._writers.values():
                writer.flush()
        except tf.errors.OpError as error:  # it doesn't tell a full disk from a missing folder
            raise OSError(errno.EIO, "Logs for TensorBoard can't be written", str(self.folder)) from error


def _graph(model: keras.Model) -> Any:
    """The graph of the forward pass."""
    import tensorflow as tf

    inputs = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype)
    return tf.function(lambda x: model(x, training=False)).get_concrete_function(inputs).graph
