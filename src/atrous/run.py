"""The run folder: where each file is, reading and writing it."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from atrous.recipes import TASKS, Recipe, find
from atrous.tasks.recipe import parse_choice

if TYPE_CHECKING:
    import keras

Row = dict[str, float]
"""One epoch: epoch (from 1), loss, its metric, val_loss, val_<metric>, learning_rate, seconds."""

_TEMPORARY = ".writing-"


@dataclass(frozen=True, kw_only=True)
class Config:
    """A recipe with the user's options applied, and what else it takes to repeat or resume the run.

    Choices of the recipe and facts of the data are its attributes, too: `config.epochs`, `config.class_names`.

    Args:
        recipe: Every choice.
        data: What was asked for: a built-in name, or the absolute path of a folder.
        dataset: Name of the data set found there.
        facts: What the task keeps of the data, by name (`Recipe.facts`): of images with classes, `class_names` (label → name)
            and `image_shape` (height, width, channels).
        examples: Number of examples of each part: train, validation, test.
        backend: Keras's backend.
        versions: Versions of Python and of the packages that matter.
        started: When the run began, ISO 8601 with time zone.
        changes: Each time that the run was resumed with another learning rate: epochs done until then, and the rate before.
    """

    recipe: Recipe
    data: str
    dataset: str
    facts: dict[str, Any]
    examples: dict[str, int]
    backend: str
    versions: dict[str, str]
    started: str
    changes: tuple[tuple[int, float], ...] = ()

    def __getattr__(self, name: str) -> Any:
        own = vars(self)
        if "recipe" in own and name in vars(own["recipe"]):
            return getattr(own["recipe"], name)
        if name in own.get("facts", ()):
            return own["facts"][name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-self.examples["train"] // self.recipe.batch_size)

    @property
    def command(self) -> str:
        """The command that repeats the run: task, data, and the options that differ from the recipe's."""
        recipe = find(self.recipe.task, self.recipe.kind)
        words = ["atrous", "train", recipe.task, "--data", self.data]
        for name, field in recipe.options().items():
            value = getattr(self.recipe, name)
            if value != getattr(recipe, name):
                words += _option(field.metadata["flag"] or "--" + name.replace("_", "-"), value)
        return shlex.join(words)

    def to_json(self) -> dict[str, Any]:
        """Everything, in one level."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        recipe, facts = dataclasses.asdict(own.pop("recipe")), own.pop("facts")
        return {**recipe, **own, **facts}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The config of which `to_json` gave the values; lists become tuples.

        Raises:
            ValueError: There is no such task, or a choice breaks its rule.
            TypeError: A value is missing, or there is one too many.
        """
        values = {name: _tuples(value) for name, value in values.items()}
        kind: type[Recipe] = TASKS[parse_choice("task", values.get("task"), tuple(TASKS))]
        recipe = {field.name: values.pop(field.name) for field in dataclasses.fields(kind) if field.name in values}
        facts = {name: values.pop(name) for name in kind.facts if name in values}
        return cls(recipe=kind(**recipe), facts=facts, **values)


class Run:
    """A run folder.

    Args:
        path: The folder; it must hold a `config.json`.

    Raises:
        FileNotFoundError: There is no such folder, or it isn't a run.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self._config_file.is_file():
            raise FileNotFoundError(
                f"`run` must be a folder that `atrous train` made (with a config.json in it). Received: run={str(path)!r}."
            )

    @classmethod
    def create(cls, folder: Path, config: Config) -> Run:
        """Makes a new run folder; `folder` must not exist, or be empty.

        Raises:
            FileExistsError: There is something in the folder.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileExistsError(
                f"`output` must be a new or empty folder: runs are never overwritten. Received: output={str(folder)!r}. "
                f"To continue a run that is there, use --resume {shlex.quote(str(folder))}."
            )
        _write(folder / "config.json", _to_json(config.to_json()))
        return cls(folder)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @cached_property
    def config(self) -> Config:
        """What was asked: enough to repeat or resume the run."""
        values: dict[str, Any] = json.loads(self._config_file.read_text(encoding="utf-8"))
        try:
            return Config.from_json(values)
        except TypeError as error:
            raise ValueError(
                f"{str(self._config_file)!r} must have been written by this version of atrous. Received: {error}."
            ) from error

    def extend(self, epochs: int, learning_rate: float | None = None) -> None:
        """Sets a new number of epochs, or learning rate; what was made at the end of the old ones is taken away."""
        config = self.config
        rate = config.recipe.learning_rate
        recipe = config.recipe.replace({"epochs": epochs, "learning_rate": learning_rate})
        changes = config.changes if recipe.learning_rate == rate else (*config.changes, (len(self.metrics), rate))
        for file in (self.report_file, self._test_file, self.model_file):  # the mark of a finished run first
            file.unlink(missing_ok=True)
        self.__dict__["config"] = dataclasses.replace(config, recipe=recipe, changes=changes)
        _write(self._config_file, _to_json(self.config.to_json()))

    @property
    def metrics(self) -> list[Row]:
        """One row an epoch, from `metrics.csv`; empty before the first epoch is done."""
        if not self._metrics_file.exists():
            return []
        with self._metrics_file.open(newline="", encoding="utf-8") as file:
            return [
                {name: int(text) if name == "epoch" else float(text) for name, text in row.items()}
                for row in csv.DictReader(file)
            ]

    def write_metrics(self, rows: Sequence[Row]) -> None:
        """Replaces `metrics.csv`."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]) if rows else ["epoch"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        _write(self._metrics_file, text.getvalue())

    def best(self, rows: Sequence[Row]) -> Row | None:
        """The row with the best value of the recipe's metric on the validation part; of equals that with the least loss there.

        Few examples give the same accuracy to many epochs. If losses are the same, too, it is the first.
        """
        recipe = self.config.recipe
        sign = 1 if recipe.lower_is_better else -1
        return min(rows, key=lambda row: (sign * row[f"val_{recipe.metric}"], row["val_loss"]), default=None)

    def is_over(self, rows: Sequence[Row]) -> bool:
        """Whether training ends after the epochs of `rows`: all are done, or early stopping says so."""
        patience, best = self.config.recipe.early_stopping, self.best(rows)
        if patience and best and len(rows) - best["epoch"] >= patience:
            return True
        return len(rows) >= self.config.recipe.epochs

    @property
    def test(self) -> dict[str, Any] | None:
        """What `test.json` holds: examples, loss, the metric and what else the task says; `None` before the run is finished."""
        return json.loads(self._test_file.read_text(encoding="utf-8")) if self._test_file.exists() else None

    def write_test(self, result: Mapping[str, Any]) -> None:
        """Replaces `test.json`."""
        _write(self._test_file, _to_json(result))

    @property
    def finished(self) -> bool:
        """Whether the last thing that a run writes, its report, is there."""
        return self.report_file.exists()

    def load_model(self) -> keras.Model:
        """Loads the model: the final one, or the best so far of a run that isn't finished.

        Raises:
            FileNotFoundError: No epoch is done yet.
        """
        import keras

        import atrous.models  # noqa: F401  its classes must be known to Keras

        file = self.model_file if self.model_file.exists() else self.checkpoint("best")
        if not file.exists():
            raise FileNotFoundError(
                f"`run` must have at least one finished epoch. Received: run={str(self.path)!r}. "
                f"Continue it: atrous train --resume {shlex.quote(str(self.path))}"
            )
        return keras.models.load_model(file, compile=False)

    def load_data(self) -> Any:
        """Loads the data set that the run was trained on."""
        from atrous import tasks

        return tasks.find(self.config.recipe.task).load(self.config.data, self.config.recipe, self.config)

    @property
    def model_file(self) -> Path:
        """`model.keras`: the best epoch."""
        return self.path / "model.keras"

    @property
    def report_file(self) -> Path:
        """`report.html`."""
        return self.path / "report.html"

    @property
    def tensorboard_folder(self) -> Path:
        """`tensorboard/`."""
        return self.path / "tensorboard"

    def checkpoint(self, which: str) -> Path:
        """`checkpoints/best.keras` or `checkpoints/last.keras`."""
        return self.path / "checkpoints" / f"{which}.keras"

    @property
    def _config_file(self) -> Path:
        return self.path / "config.json"

    @property
    def _metrics_file(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def _test_file(self) -> Path:
        return self.path / "test.json"

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps other processes from training into the folder; however the process ends, the lock ends with it.

        Raises:
            BlockingIOError: Another process is at it.
        """
        try:
            import fcntl
        except ImportError:  # Windows; two processes in one run are then the user's business
            yield
            return
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(folder)
            raise BlockingIOError(f"{str(self.path)!r} is being trained by another process. Wait for it, or stop it.") from None
        try:
            for leftover in self.path.rglob(f"{_TEMPORARY}*"):
                leftover.unlink()
            yield
        finally:
            os.close(folder)


@contextlib.contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Gives a path to write to; when that has worked, it becomes `file`, so that a kill or error leaves the old file whole."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(_TEMPORARY + file.name)
    try:
        yield temporary
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    os.replace(temporary, file)


def _write(file: Path, text: str) -> None:
    with replacing(file) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _to_json(value: Mapping[str, Any]) -> str:
    lines = (f"  {json.dumps(name)}: {json.dumps(item, ensure_ascii=False)}" for name, item in value.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _option(flag: str, value: Any) -> list[str]:
    if value is True:
        return [flag]
    if value is False or value == ():
        return ["--no-" + flag.removeprefix("--")]
    return [flag, ",".join(map(str, value)) if isinstance(value, tuple) else str(value)]
