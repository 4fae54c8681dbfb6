"""What happens around an epoch: reseeding before it, metrics and checkpoints after it, and what is shown meanwhile."""

from __future__ import annotations

import json
import math
import shlex
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from atrous.progress import Progress
from atrous.run import Row, Run, replacing

_EPOCH_ENTRY = "epoch.json"  # in the archive that a .keras file is: weights and epoch can't fall apart


class Reseed(keras.callbacks.Callback):
    """Makes everything random in an epoch a function of (seed, epoch): order, dropout, augmentation.

    Args:
        batches: The training batches, whose `epoch` is set.
        seed: The run's seed.
    """

    def __init__(self, batches: Any, seed: int) -> None:
        super().__init__()
        self.batches = batches
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Sets the order of the batches, the state of every seed generator in the model, and the global one."""
        self.batches.epoch = epoch
        states = [variable for variable in self.model.variables if variable.name == "seed_generator_state"]
        # 31 bits: some backends keep the state as int32.
        first, *seeds = (int(seed) >> 1 for seed in np.random.SeedSequence((self.seed, epoch)).generate_state(1 + len(states)))
        keras.utils.set_random_seed(first)  # PyTorch's dropout takes no other
        for state, seed in zip(states, seeds, strict=True):
            state.assign([seed, 0])


class Validate(keras.callbacks.Callback):
    """Tests the model on the validation part after every epoch, as it will be tested in the end; adds `val_…` to the logs.

    Args:
        evaluate: Figures of the model.
    """

    def __init__(self, evaluate: Callable[[keras.Model], Mapping[str, Any]]) -> None:
        super().__init__()
        self.evaluate = evaluate

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Tests."""
        found = self.evaluate(self.model)
        if logs is not None:
            logs |= {f"val_{name}": value for name, value in found.items() if isinstance(value, float)}


class Record(keras.callbacks.Callback):
    """Writes the metrics and the checkpoints of each epoch.

    The order is: metrics, best, last. A kill in between leaves a row more than `last` has epochs, which a resumed run
    drops, and perhaps a new best, which it makes again.

    Args:
        run: Where to write.
        rows: The epochs done so far.
    """

    def __init__(self, run: Run, rows: Sequence[Row]) -> None:
        super().__init__()
        self.run = run
        self.rows = list(rows)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Notes the time and the learning rate that the epoch begins with."""
        self._epoch = epoch + 1
        self._began = time.perf_counter()
        self._learning_rate = float(keras.ops.convert_to_tensor(self.model.optimizer.learning_rate))

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Looks whether the loss, its mean over the epoch so far, is still a number.

        Raises:
            FloatingPointError: It isn't; nothing of this epoch is written.
        """
        loss = float((logs or {})["loss"])
        if not math.isfinite(loss):
            raise FloatingPointError(f"The loss became {loss} in epoch {self._epoch}, step {batch + 1}. {self._advice()}")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the epoch's row and checkpoints, and stops training if it is over.

        Raises:
            FloatingPointError: The loss on the validation part isn't a number: the epoch's last step was one too far.
        """
        row = self._row(epoch, logs or {})
        if not math.isfinite(row["val_loss"]):
            raise FloatingPointError(
                f"The loss on the validation part became {row['val_loss']} after epoch {self._epoch}. {self._advice()}"
            )
        self.rows.append(row)
        self.run.write_metrics(self.rows)
        if self.run.best(self.rows) is row:
            save_checkpoint(self.model, self.run.checkpoint("best"), epoch + 1)
        save_checkpoint(self.model, self.run.checkpoint("last"), epoch + 1)
        if self.run.is_over(self.rows):
            self.model.stop_training = True

    def _advice(self) -> str:
        """Why a loss is no number, most likely, what is left, and how to go on."""
        recipe, done = self.run.config.recipe, len(self.rows)
        causes = [f"steps are too large (`learning_rate` is {recipe.learning_rate:g})"]
        if recipe.mixed_precision:
            causes.append("numbers leave the range of `mixed_precision`")
        if getattr(recipe, "class_weights", "none") != "none":
            causes.append("rare classes count too much (`class_weights`)")
        causes.append("that step's examples, or what is to be learnt of them, have values that are no numbers, or no contrast")
        kept = (
            f"The run as it was after epoch {done} is kept; go on from there" if done else "No epoch was finished; begin again"
        )
        smaller = f"atrous train --resume {shlex.quote(str(self.run.path))} --learning-rate {recipe.learning_rate / 10:g}"
        return f"Likely causes: {'; '.join(causes)}. {kept} in smaller steps with: {smaller}"

    def _row(self, epoch: int, logs: dict[str, float]) -> Row:
        metric = self.run.config.recipe.metric
        parts = [name for name in logs if name.endswith("_loss") and name != "val_loss"]  # of a loss with several terms
        names = ("loss", metric, "val_loss", f"val_{metric}", *parts)
        figures = {name: float(logs[name]) for name in names if name in logs}  # a metric may be of whole data sets alone
        seconds = round(time.perf_counter() - self._began, 2)
        return {"epoch": epoch + 1, **figures, "learning_rate": self._learning_rate, "seconds": seconds}


class Show(keras.callbacks.Callback):
    """Tells a `Progress` what happens.

    Args:
        progress: Whom to tell.
        record: Has the rows; it comes before this one in the list of callbacks.
    """

    def __init__(self, progress: Progress, record: Record) -> None:
        super().__init__()
        self.progress = progress
        self.record = record

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Shows a step, with the means over the epoch so far."""
        logs = logs or {}
        names = ("loss", self.record.run.config.recipe.metric)
        self.progress.step(self._epoch, batch + 1, {name: logs[name] for name in names if name in logs})

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Shows the epoch's row."""
        rows = self.record.rows
        self.progress.epoch(rows[-1], best=self.record.run.best(rows) is rows[-1])


def save_checkpoint(model: keras.Model, file: Path, epoch: int) -> None:
    """Saves a model with its optimizer and the number of epochs done."""
    with replacing(file) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_EPOCH_ENTRY, json.dumps(epoch))


def load_checkpoint(file: Path) -> tuple[keras.Model, int]:
    """Returns the model of a checkpoint, with its optimizer, and the number of epochs done."""
    with zipfile.ZipFile(file) as archive:
        epoch = json.loads(archive.read(_EPOCH_ENTRY))
    return keras.models.load_model(file), epoch
