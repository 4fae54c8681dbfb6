"""What a recipe for music chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from atrous.tasks.recipe import option
from atrous.tasks.sequence_modelling.recipe import SequenceModelling

KEYS = 88
"""Of a piano, from A0 on."""


@dataclass(frozen=True, kw_only=True)
class Music(SequenceModelling):
    """How a network is trained to say which keys sound next.

    Args:
        data_set: Which file of a folder, by the beginning of its name.
    """

    task: str = "music"
    metric: str = "nll"
    batch_size: int = option(8, "Pieces a step.")
    data_set: str | None = option(None, "Which .mat file of a folder, by the beginning of its name.", "NAME")

    channels: ClassVar[int] = KEYS
    outputs: ClassVar[int] = KEYS
    facts: ClassVar[tuple[str, ...]] = ("predicted",)
    examples: ClassVar[str] = "pieces"
    lower_is_better: ClassVar[bool] = True
    neutral: ClassVar[tuple[str, ...]] = ("steps",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data_set is not None and not isinstance(self.data_set, str):
            raise ValueError(f"`data_set` must be the name of a file. Received: data_set={self.data_set!r}.")

    def summary(self, facts: Any) -> str:
        """How many steps are learnt from, and the network."""
        return f"of {facts['predicted']['train']:,} steps · {self.described}"
