"""What the loop asks of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import keras

from atrous.data.batches import ReadAhead
from atrous.tasks.recipe import Recipe

if TYPE_CHECKING:
    from markupsafe import Markup

    from atrous.report.page import Contents
    from atrous.run import Config, Run


class Data(Protocol):
    """A data set of any task: three parts that know how many examples they have, and what they are called."""

    @property
    def name(self) -> str:
        """Of the data set."""

    @property
    def kind(self) -> str:
        """What a recipe is chosen by; "" if nothing is known."""

    @property
    def train(self) -> Any:
        """What the weights are fitted to."""

    @property
    def validation(self) -> Any:
        """What the best epoch is chosen by."""

    @property
    def test(self) -> Any:
        """What is looked at once, at the end."""


class Prediction(Protocol):
    """What a model says of one file."""

    @property
    def file(self) -> str:
        """The file."""

    @property
    def error(self) -> str | None:
        """Why it could not be read; `None` if it could."""

    def to_json(self) -> dict[str, Any]:
        """What was found, for a program; names of columns for people are made from these."""


def check_options(options: Mapping[str, Any], known: tuple[str, ...], config: Config) -> None:
    """Raises a ValueError for an option that a task doesn't have."""
    for name in options:
        if name not in known:
            have = f"one of {', '.join(known)}" if known else "left out"
            raise ValueError(f"Options of {config.recipe.task} must be {have} here. Received: {name}={options[name]!r}.")


D = TypeVar("D", bound=Data)


class Task(ABC, Generic[D]):
    """A task: its data, model, loss and metric, batches, evaluation, predictions, and its part of the report.

    Nothing in it knows the loop: how long is trained, what is saved when, what is shown meanwhile.
    """

    built_in: tuple[str, ...] = ()
    """Names of data sets that need no folder."""
    default_data: str | None = None
    """What is taken where no data are named."""
    goes_on: bool = False
    """Whether the run's own data can be predicted, too: what comes next."""

    @abstractmethod
    def load(self, source: str, recipe: Recipe, config: Config | None = None) -> D:
        """Loads a data set.

        Args:
            source: A built-in name or an absolute path.
            recipe: The choices that loading depends on, such as the seed of a split.
            config: Of a run whose data they are or must be like: what is in it isn't guessed again.

        Raises:
            ValueError: The data break a rule of their format.
        """

    @abstractmethod
    def facts(self, data: D) -> dict[str, Any]:
        """What a run keeps of its data: a value for each name in the recipe's `facts`."""

    @abstractmethod
    def build(self, config: Config, policy: str) -> keras.Model:
        """Makes the model, not compiled, with the augmentation inside or not, as the task likes.

        Args:
            config: Of the run.
            policy: Keras's dtype policy for its layers.
        """

    @abstractmethod
    def measures(self, config: Config) -> dict[str, Any]:
        """`loss` and `metrics` for `compile`; a metric is called as the recipe's `metric` says."""

    @abstractmethod
    def batches(self, part: Any, config: Config) -> ReadAhead:
        """Batches for `fit`; they have an `epoch`, set before each, on which order and all that is random in them depend."""

    @abstractmethod
    def evaluate(self, model: keras.Model, part: Any, config: Config, **options: Any) -> dict[str, Any]:
        """Figures of a model on a part of the data: `examples`, `loss`, the metric, …, as JSON takes them.

        So is the model tested in the end, and after each epoch on the validation part.
        """

    @abstractmethod
    def predict(self, run: Run, files: Iterable[Path], output: Path | None, **options: Any) -> list[Any]:
        """What a run's model says of files: a `Prediction` each, in order.

        Args:
            run: The run.
            files: What was asked for: files and folders.
            output: Folder for files that are made of predictions; `None` makes none.
            **options: Of the task.
        """

    @abstractmethod
    def report(self, run: Run, model: keras.Model, data: D, test: Mapping[str, Any]) -> Contents:
        """The task's part of the page."""

    def compared(self, runs: Sequence[Run], names: Sequence[str]) -> Sequence[Markup]:
        """The task's sections of a page that compares runs: the same examples through each, say; by default none."""
        return ()

    def must_agree(self) -> tuple[str, ...]:
        """The facts that other data must share with a run's, if the run is tested on them."""
        return ()

    def notes(self, data: D) -> list[str]:
        """What the user should know of the data before training."""
        return []
