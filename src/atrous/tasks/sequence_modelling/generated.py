"""What tasks have in common whose data are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.tasks.sequence_modelling.recipe import SequenceModelling
from atrous.tasks.sequence_modelling.sequences import SequencePart

_HELD = 1000  # sequences for validation, and for the test, at most …
_SHARE = 10  # … and a tenth of those for training
Draw = Callable[[np.random.Generator, int], tuple[NDArray[Any], NDArray[Any]]]


@dataclass(frozen=True)
class GeneratedData:
    """Sequences that were drawn: the same from the same seed.

    Args:
        name: The task's.
        train: What is learnt from: the same in every epoch.
        validation: What the epoch is chosen by.
        test: What is looked at in the end.
        notes: What is to be said before training.
        kind: Nothing: there is one kind.
    """

    name: str
    train: SequencePart
    validation: SequencePart
    test: SequencePart
    notes: tuple[str, ...] = ()
    kind: str = ""


def generate(
    task: str, source: str, draw: Draw, sequences: int, seed: int, each_step: bool, notes: Sequence[str] = ()
) -> GeneratedData:
    """Draws the three parts, each by a generator of its own: (seed, number of the part).

    Args:
        task: The task's name, which is also that of its data.
        source: What was asked for.
        draw: Gives inputs (n, steps, channels) and targets.
        sequences: For training; a tenth as many for validation and for the test, at most 1,000.
        seed: What is drawn by.
        each_step: Whether targets have steps.
        notes: What is to be said before training.

    Raises:
        ValueError: Other data were asked for.
    """
    if source != task:
        raise ValueError(
            f"`data` must be left out: the sequences of {task} are drawn from the seed. Received: data={source!r}. "
            f"How many and how long they are is said by --examples and --length."
        )
    held = max(1, min(_HELD, sequences // _SHARE))

    def part(number: int, name: str, count: int) -> SequencePart:
        inputs, targets = draw(np.random.default_rng((seed, number)), count)
        return SequencePart(inputs, targets, [f"{name} #{i + 1}" for i in range(count)], each_step)

    return GeneratedData(
        task, part(0, "train", sequences), part(1, "validation", held), part(2, "test", held), notes=tuple(notes)
    )


def field_notes(recipe: SequenceModelling, lost: str) -> list[str]:
    """What is to be said before training if the network doesn't see all that it needs.

    Args:
        recipe: The network.
        lost: What it can't do then.
    """
    if recipe.field is None or recipe.field >= recipe.needs:
        return []
    return [
        f"The network sees {recipe.field:,} of {recipe.needs:,} steps: {lost}. More --blocks, a larger --kernel-size or larger "
        "--rates reach them."
    ]


@dataclass(frozen=True)
class Answer:
    """What a network says of one sequence of a file.

    Args:
        file: The file.
        sequence: Its number in the file, from 1.
        said: The digits, or the sum.
        error: Why there is none.
    """

    file: str
    sequence: int = 1
    said: Any = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """File, number and what was said; or why there is nothing."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        return {"file": self.file, "sequence": self.sequence, "said": self.said}

    def to_row(self) -> dict[str, Any]:
        """A line for people."""
        said = " ".join(map(str, self.said)) if isinstance(self.said, list) else f"{self.said:.4f}"
        return {"file": self.file, "sequence": str(self.sequence), "said": said}


def answers(files: Sequence[Path], say: Callable[[NDArray[Any], str], list[Any]]) -> list[Answer]:
    """What is said of the sequences of each file.

    Args:
        files: .npy files.
        say: Gives an answer for each sequence of an array of a name, or raises a ValueError that says what it should be.
    """
    found: list[Answer] = []
    for file in files:
        try:
            if file.suffix.lower() != ".npy":
                raise ValueError(
                    f"`files` must be arrays, .npy: there are no other files of this task. Received: {str(file)!r}."
                )
            found += [Answer(str(file), number, each) for number, each in enumerate(say(_array(file), file.name), 1)]
        except ValueError as error:
            found.append(Answer(str(file), error=str(error)))
        except OSError as error:
            found.append(Answer(str(file), error=f"{error.strerror or error}: {file}"))
    return found


def _array(file: Path) -> NDArray[Any]:
    try:
        array = np.load(file, allow_pickle=False)
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{file.name} must be an array that NumPy saved. Received: one that can't be read.") from error
    if array.dtype.kind not in "buif" or not np.isfinite(array).all():
        raise ValueError(f"{file.name} must hold numbers alone. Received: an array of {array.dtype}.")
    return np.asarray(array)
