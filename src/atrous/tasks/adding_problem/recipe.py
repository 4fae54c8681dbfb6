"""What a recipe for the adding problem chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from atrous.spec import parse_integer
from atrous.tasks.recipe import option
from atrous.tasks.sequence_modelling.recipe import SequenceModelling


@dataclass(frozen=True, kw_only=True)
class AddingProblem(SequenceModelling):
    """How a network is trained to add the two numbers that are marked.

    Args:
        length: T: steps of a sequence.
        sequences: For training.
    """

    task: str = "adding-problem"
    metric: str = "mse"
    batch_size: int = option(32, "Sequences a step.")
    length: int = option(200, "T: steps of a sequence.", "T")
    sequences: int = option(50_000, "Sequences for training, the same in every epoch.", "N", "--examples")

    channels: ClassVar[int] = 2
    outputs: ClassVar[int] = 1
    last: ClassVar[bool] = True
    lower_is_better: ClassVar[bool] = True
    errors: ClassVar[tuple[str, ...]] = ("mae", "worst")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("length", parse_integer("length", self.length, minimum=2))
        self._set("sequences", parse_integer("sequences", self.sequences))

    @property
    def needs(self) -> int:
        """The first number may be marked."""
        return self.length

    def summary(self, facts: Any) -> str:
        """How long they are, and the network."""
        return f"of {self.length:,} steps · {self.described}"
