"""What a recipe is: every choice of a training, as data. Here is what all tasks have; a task's own are in `atrous.tasks`."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from atrous.spec import parse_integer

DECAYS = ("none", "linear", "cosine", "poly")


def option(default: Any, help: str, metavar: str | None = None, flag: str | None = None) -> Any:
    """A field that a user may set: by its name in Python, as an option of `atrous train` on the command line.

    Args:
        default: What it is if nobody says so.
        help: Half a sentence for `--help`.
        metavar: What stands for the value there; by default its type.
        flag: The option, if it isn't the field's name.
    """
    return dataclasses.field(default=default, metadata={"help": help, "metavar": metavar, "flag": flag})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained on a kind of data: what every task lets choose. A task's recipe adds its own choices.

    Args:
        name: What the recipe is called in tables.
        task: One of `atrous.tasks.TASKS`.
        kind: Kind of data it is made for (`kind` of the data set); "" for a recipe that fits any data.
        epochs: Passes over the training examples.
        batch_size: Examples a step.
        learning_rate: Step size of Adam in the first step.
        decay: How the learning rate falls to zero in the last step: one of `DECAYS`; "poly" is (1 - step / steps) ** 0.9,
            as DeepLab's authors have it (arXiv 1606.00915).
        mixed_precision: Whether layers compute in bfloat16 (CPU) or float16 (GPU); weights stay float32.
        early_stopping: Epochs without a better `metric` after which training ends; 0 for never.
        seed: Of the first weights, the order of examples, augmentation and dropout.
        strict: Whether a file of the data that can't be read is an error; else it is left out, named and counted.
        metric: What the best epoch is chosen by, on the validation examples.

    Raises:
        ValueError: A value breaks its rule.
    """

    name: str
    task: str
    kind: str = ""
    epochs: int = option(dataclasses.MISSING, "Passes over the training examples.")
    batch_size: int = option(64, "Examples a step.")
    learning_rate: float = option(1e-3, "Step size of Adam in the first step.")
    decay: str = option("none", f"How the learning rate falls to zero: {', '.join(DECAYS)}.")
    mixed_precision: bool = option(False, "Compute in bfloat16 (CPU) or float16 (GPU).")
    early_stopping: int = option(0, "Stop after so many epochs without a better result.", "EPOCHS")
    seed: int = option(0, "Same seed, same machine, same figures.")
    strict: bool = option(False, "A file that can't be read is an error; else it is left out and named.")
    metric: str

    facts: ClassVar[tuple[str, ...]] = ()
    """What a run's config keeps of its data, beside name and number of examples."""
    examples: ClassVar[str] = "examples"
    """What the examples are called."""
    lower_is_better: ClassVar[bool] = False
    """Whether the best epoch is the one with the least `metric`."""
    errors: ClassVar[tuple[str, ...]] = ()
    """Figures of the test, beside the metric, of which less is better."""
    neutral: ClassVar[tuple[str, ...]] = ()
    """Figures of the test of which neither more nor less is better."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            self._set(name, parse_integer(name, getattr(self, name)))
        for name in ("early_stopping", "seed"):
            self._set(name, parse_integer(name, getattr(self, name), minimum=0))
        self._set("learning_rate", parse_number("learning_rate", self.learning_rate, 0, math.inf))
        parse_choice("decay", self.decay, DECAYS)

    @classmethod
    def options(cls) -> dict[str, dataclasses.Field[Any]]:
        """The fields that a user may set."""
        return {field.name: field for field in dataclasses.fields(cls) if "help" in field.metadata}

    def replace(self, options: Mapping[str, Any]) -> Self:
        """Returns the recipe with a user's options applied; an option that is `None` keeps the recipe's choice.

        Raises:
            ValueError: There is no such option, or its value breaks a rule.
        """
        for name in options:
            parse_choice("options", name, tuple(self.options()))
        return dataclasses.replace(self, **{name: value for name, value in options.items() if value is not None})

    def summary(self, facts: Mapping[str, Any]) -> str:
        """A line on what is trained, for the terminal.

        Args:
            facts: What the run keeps of its data.
        """
        return ""

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)  # the dataclass is frozen for everyone else


def spoken(metric: str) -> str:
    """The name of a metric as people write it.

    >>> spoken("mean_iou"), spoken("accuracy"), spoken("ap50"), spoken("smape")
    ('mean IoU', 'accuracy', 'AP50', 'sMAPE')
    """
    words = metric.replace("_", " ").replace("iou", "IoU")
    return re.sub(r"\b(ap|ar)(?=\d*\b)|mase\b|mape\b|\bmse\b|\bnll\b", lambda found: found[0].upper(), words)


def parse_choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    """The value, if it is one of the choices; else a ValueError lists them."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"`{name}` must be one of {', '.join(choices)}. Received: {name}={value!r}.")
    return value


def parse_names(name: str, value: object, choices: tuple[str, ...]) -> tuple[str, ...]:
    """Any of the choices, each once; `True` is all of them, `False` none."""
    if isinstance(value, bool):
        return choices if value else ()
    names = (value,) if isinstance(value, str) else value
    if not isinstance(names, (tuple, list)):
        raise ValueError(f"`{name}` must be a list of {', '.join(choices)}. Received: {name}={value!r}.")
    for each in names:
        parse_choice(name, each, choices)
    return tuple(dict.fromkeys(names))


def parse_rates(value: object, rule: str) -> tuple[int, ...]:
    """One dilation rate or several; `rule` says what there must be one for."""
    rates = value if isinstance(value, (tuple, list)) else (value,)
    if not rates:
        raise ValueError(f"`rates` must have at least one rate: {rule}. Received: rates=().")
    return tuple(parse_integer("rates", rate) for rate in rates)


def parse_number(name: str, value: object, low: float, high: float) -> float:
    """A number between two others, these left out."""
    number = value if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
    if not low < number < high:
        rule = f"between {low:g} and {high:g}" if high < math.inf else "a positive number"
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}.")
    return float(number)
