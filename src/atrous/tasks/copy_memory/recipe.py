"""What a recipe for copy memory chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from atrous.spec import parse_integer
from atrous.tasks.recipe import option
from atrous.tasks.sequence_modelling.recipe import SequenceModelling

DIGITS = 10
"""How many are to be remembered."""
SYMBOLS = 8
"""What a digit may be: 1 to 8. 0 is silence, 9 asks for an answer."""


@dataclass(frozen=True, kw_only=True)
class CopyMemory(SequenceModelling):
    """How a network is trained to repeat digits.

    Args:
        length: T: steps from the last digit to the first answer. Sequences have T + 20 steps.
        sequences: For training.
    """

    task: str = "copy-memory"
    metric: str = "recall"
    batch_size: int = option(32, "Sequences a step.")
    length: int = option(500, "T: steps from the last digit to the first answer.", "T")
    sequences: int = option(10_000, "Sequences for training, the same in every epoch.", "N", "--examples")

    channels: ClassVar[int] = 1
    outputs: ClassVar[int] = SYMBOLS + 2

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("length", "sequences"):
            self._set(name, parse_integer(name, getattr(self, name)))

    @property
    def needs(self) -> int:
        """From a digit to where it is to be said: T + 10 steps lie between the two, and both count."""
        return self.length + DIGITS + 1

    def summary(self, facts: Any) -> str:
        """How long they are, and the network."""
        return f"of {self.length + 2 * DIGITS:,} steps · {self.described}"
