"""Recordings, and what was decided for them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from atrous.data.recordings import FULL_SCALE, Listing, Recording, RecordingPart, read_recordings
from atrous.run import Config
from atrous.schedules import powers_of_two
from atrous.tasks.audio_generation.recipe import AudioGeneration

FIELD = 0.05
"""Seconds that the default rates see at least: five periods of a low voice."""
VALIDATED = 30.0
"""Seconds of the validation part that the epochs are compared on."""


@dataclass(frozen=True)
class Plan:
    """What a run knows of its data and network.

    Args:
        sample_rate: In Hz.
        rates: Dilation rate of each block in a stack.
        field: Samples that one output sees.
        level: Root mean square of the training part.
        seconds: Length of the training part.
    """

    sample_rate: int
    rates: tuple[int, ...]
    field: int
    level: float
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {**dataclasses.asdict(self), "rates": list(self.rates)}

    @classmethod
    def of(cls, config: Config) -> Plan:
        """Of a run."""
        plan = config.facts["plan"]
        return cls(**{**plan, "rates": tuple(plan["rates"])})


@dataclass(frozen=True, kw_only=True)
class GenerationData:
    """A data set of recordings.

    Args:
        name: The folder's name, or the list's.
        plan: What was decided.
        train: What crops are drawn from.
        validation: What the best epoch is chosen by.
        test: What is looked at once, at the end.
        skipped: Files left out, and why.
        notes: What else the user should know before training.
        kind: What a recipe is chosen by.
    """

    name: str
    plan: Plan
    train: RecordingPart
    validation: RecordingPart
    test: RecordingPart
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    kind: str = ""


def load(source: str, recipe: AudioGeneration, plan: Plan | None = None, own: bool = True) -> GenerationData:
    """Reads recordings.

    Args:
        source: A folder or CSV file.
        recipe: The choices.
        plan: Of a run whose data they are or must be like.
        own: Whether they are the run's; of others all rows of a list are taken, and its columns found.

    Raises:
        ValueError: The data break a rule; see `atrous.data.recordings`.
        FileNotFoundError: There are none.
    """
    rate = recipe.sample_rate if plan is None else plan.sample_rate
    read = read_recordings(source, recipe.seed, rate, recipe.trim, recipe.strict, recipe.listing if own else Listing())
    train, validation, test = (tuple(read.parts[part]) for part in ("train", "validation", "test"))
    made = plan or _plan(recipe, read.sample_rate, train)
    return GenerationData(
        name=read.name,
        plan=made,
        train=RecordingPart(train, crops=recipe.crops),
        validation=RecordingPart(validation, seconds=VALIDATED),
        test=RecordingPart(test, trained=train),
        skipped=read.skipped,
        notes=(*read.notes, *_notes(made, recipe, train, test)),
    )


def _plan(recipe: AudioGeneration, sample_rate: int, train: Sequence[Recording]) -> Plan:
    taps = recipe.kernel_size - 1
    default, field = 1, 1 + taps
    while 1 + recipe.stacks * (field - 1) < FIELD * sample_rate:
        default, field = default + 1, 1 + taps * (2 ** (default + 1) - 1)
    rates = recipe.rates or powers_of_two(default)
    if rates == (1,):
        rates = (1,) * default
    square = sum(float(np.square(each.stored, dtype=np.float64).sum()) for each in train)
    total = sum(map(len, train))
    level = max(1e-4, float(np.sqrt(square / total)) / FULL_SCALE)
    return Plan(
        sample_rate,
        tuple(rates),
        recipe.input_kernel_size + taps * recipe.stacks * sum(rates),
        round(level, 6),
        round(total / sample_rate, 3),
    )


def _notes(plan: Plan, recipe: AudioGeneration, train: Sequence[Recording], test: Sequence[Recording]) -> list[str]:
    """What is too short, or too loud."""
    told = []
    short = sum(len(each) < plan.field for each in (*train, *test))
    if short:
        told.append(
            f"{short:,} of {len(train) + len(test):,} files are shorter than what the network sees, {plan.field:,} samples: "
            "for them part of that is always empty."
        )
    if recipe.crop < 2 * plan.field:
        told.append(
            f"Crops of {recipe.crop:,} samples are short beside what the network sees, {plan.field:,}: much of the time it "
            "learns from less. A larger --crop helps."
        )
    clipped = sum(bool((np.abs(each.stored.astype(np.int32)) >= FULL_SCALE - 1).mean() > 1e-3) for each in train)
    if clipped:
        told.append(f"{clipped:,} of {len(train):,} files of the training part are clipped: the network learns that, too.")
    return told
