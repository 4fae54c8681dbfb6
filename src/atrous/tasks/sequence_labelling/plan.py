"""What a recipe leaves open, decided by the data: which network, and what it sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from atrous.data.sites import Sites
from atrous.models.splicenet import VARIANTS
from atrous.tasks.sequence_labelling.recipe import SequenceLabelling

_MANY = 20_000  # sites from which on the largest network is taken
_SMALL, _LARGE = "400nt", "10k"
_LEAST = 16_384  # bases that are labelled at once, where nothing is to be learnt of them


@dataclass(frozen=True)
class Plan:
    """What is built.

    Args:
        variant: Its name, of `atrous.models.splicenet.VARIANTS`.
        stages: Taps and rate of the blocks in each stage.
        blocks: Residual blocks in each stage.
    """

    variant: str
    stages: tuple[tuple[int, int], ...]
    blocks: int

    @property
    def context(self) -> int:
        """Bases around one that decide its label: half on either side."""
        return sum(2 * self.blocks * (taps - 1) * rate for taps, rate in self.stages)

    @property
    def chunk(self) -> int:
        """Bases that are labelled at once in tests and predictions."""
        return max(_LEAST, 4 * self.context)

    def to_json(self) -> dict[str, Any]:
        """For config.json."""
        return {**dataclasses.asdict(self), "stages": [list(stage) for stage in self.stages]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        return cls(values["variant"], tuple((taps, rate) for taps, rate in values["stages"]), values["blocks"])


def make(recipe: SequenceLabelling, sites: Sites) -> Plan:
    """Decides.

    Args:
        recipe: The choices.
        sites: All sites.

    Raises:
        ValueError: There are as many rates as neither one nor the stages.
    """
    variant = recipe.variant or (_LARGE if len(sites) >= _MANY else _SMALL)
    stages = VARIANTS[variant]
    rates = recipe.rates * len(stages) if len(recipe.rates) == 1 else recipe.rates or tuple(rate for _, rate in stages)
    if len(rates) != len(stages):
        raise ValueError(f"`rates` must be one, or one a stage: {len(stages)} of {variant}. Received: rates={recipe.rates}.")
    return Plan(variant, tuple((taps, rate) for (taps, _), rate in zip(stages, rates, strict=True)), recipe.blocks)
